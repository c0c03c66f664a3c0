use tk_event::Event;

static READY: Event = Event::new();

fn main() {
    std::thread::scope(|s| {
        s.spawn(|| READY.set());
        assert!(READY.wait());
    });
}
