fn main() {
    let value = tk_thread::main(|| {
        let worker = tk_thread::Builder::new().name("worker").spawn(|| tk_thread::current().name());
        worker.unwrap().join().unwrap()
    });
    assert_eq!(value, "worker");
}
