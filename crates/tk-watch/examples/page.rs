//! Eight philosophers who take their left fork first and then wait for the right one, a worker that
//! holds a lock for too long, and a page that shows all of it.
//!
//! Run it with `cargo run -p tk-watch --features page --example page`, and open the address. An
//! argument is the address to serve at.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use tk_event::Event;
use tk_lock::Lock;

fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:0".to_owned());
    let page = tk_watch::serve(address)?;
    println!("http://{}", page.address());

    let forks: Arc<[Lock<()>]> = (0..8).map(|_| Lock::new(())).collect();
    for (number, fork) in forks.iter().enumerate() {
        let name = format!("fork {number}");
        std::mem::forget(tk_watch::name_at(fork, name));
    }
    let all_have_one = Arc::new(Barrier::new(8));
    let names = [
        "Plato",
        "Hypatia",
        "Kant",
        "Arendt",
        "Hume",
        "Zhuangzi",
        "Spinoza",
        "<script>alert(1)</script>",
    ];
    for (seat, name) in names.into_iter().enumerate() {
        let (forks, all_have_one) = (Arc::clone(&forks), Arc::clone(&all_have_one));
        tk_thread::Builder::new()
            .name(name)
            .daemon(true)
            .spawn(move || {
                let _left = forks[seat].lock();
                all_have_one.wait();
                let _right = forks[(seat + 1) % 8].lock();
            })?;
    }

    let orders = Arc::new(Lock::new(0_u64));
    std::mem::forget(tk_watch::name_at(&*orders, "orders"));
    for number in 0..3 {
        let orders = Arc::clone(&orders);
        let name = format!("worker {number}");
        tk_thread::Builder::new()
            .name(name)
            .daemon(true)
            .spawn(move || {
                loop {
                    let mut orders = orders.lock();
                    *orders += 1;
                    std::thread::sleep(Duration::from_millis(20)); // Too long with a lock held.
                }
            })?;
    }
    let closed = Arc::new(Event::new());
    std::mem::forget(tk_watch::name_at(&*closed, "closing time"));
    for number in 0..12 {
        let closed = Arc::clone(&closed);
        let name = format!("guest {number}");
        tk_thread::Builder::new()
            .name(name)
            .daemon(true)
            .spawn(move || closed.wait())?;
    }
    loop {
        closed.wait_for(Duration::from_secs(3600));
    }
}
