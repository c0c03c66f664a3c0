use std::sync::atomic::AtomicU32;

static DOOR: AtomicU32 = AtomicU32::new(0);

fn main() {
    let _named = tk_watch::name(&DOOR, "door");
    tk_watch::install().start().expect("nothing is in the way");
    assert!(tk_watch::dump().to_string().contains("MainThread"));
}
