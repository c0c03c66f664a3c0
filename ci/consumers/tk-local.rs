use tk_local::Local;

static NAME: Local<String> = Local::new();

fn main() {
    NAME.set("main".to_owned());
    let other = std::thread::spawn(|| NAME.take());
    assert!(other.join().unwrap().is_none());
    assert_eq!(NAME.take().as_deref(), Some("main"));
}
