use tk_park::asymmetric_fence::{heavy, is_available, light};
use tk_testing::rounds_missed as missed;

#[test]
fn one_side_sees_the_other() {
    assert_eq!(missed(500, light, heavy), 0);
}

#[test]
fn two_heavy_sides_see_each_other() {
    assert_eq!(missed(100, heavy, heavy), 0);
}

#[test]
fn it_is_available_from_the_start_where_there_is_one() {
    #[cfg(target_os = "linux")]
    let private_expedited = rustix::thread::membarrier_query()
        .contains(rustix::thread::MembarrierQuery::PRIVATE_EXPEDITED);
    #[cfg(not(target_os = "linux"))]
    let private_expedited = false;
    assert_eq!(is_available(), private_expedited);
}
