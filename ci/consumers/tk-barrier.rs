use tk_barrier::Barrier;

fn main() {
    let barrier = Barrier::new(2);
    std::thread::scope(|s| {
        let other = s.spawn(|| barrier.wait().unwrap());
        let mine = barrier.wait().unwrap();
        assert_ne!(mine, other.join().unwrap());
    });
}
