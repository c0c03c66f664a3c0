//! Two programs that hang, and what tk-watch says about them: `hang philosophers [stay]` and
//! `hang service [stay]`.
//!
//! The philosophers are in a deadlock: each has taken the fork on the left, and waits for the one
//! on the right. The service does not deadlock, but one of its handlers keeps a lock while it is
//! busy with something slow, and the others wait.
//!
//! Each prints a dump when it hangs, and ends. With `stay` it hangs on, and prints a dump whenever
//! it gets a signal: `kill -QUIT` with the number of the process, which it prints.

use std::process::ExitCode;
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

use tk_threading::{Builder, Lock};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let (hang, stays): (fn(), _) = match arguments[..] {
        ["philosophers"] => (philosophers, false),
        ["philosophers", "stay"] => (philosophers, true),
        ["service"] => (service, false),
        ["service", "stay"] => (service, true),
        _ => {
            eprintln!("usage: hang philosophers|service [stay]");
            return ExitCode::FAILURE;
        }
    };
    let (send, deadlocks) = mpsc::channel();
    let mut watcher = tk_watch::install().on_deadlock(move |_| _ = send.send(()));
    if cfg!(unix) && stays {
        const SIGQUIT: i32 = 3;
        watcher = watcher.signal(SIGQUIT);
        println!("process {}", std::process::id());
    }
    if let Err(error) = watcher.start() {
        eprintln!("hang: {error}");
        return ExitCode::FAILURE;
    }
    hang();
    // The report of a deadlock comes by itself, after a tenth of a second.
    let _ = deadlocks.recv_timeout(Duration::from_millis(500));
    println!("{}", tk_watch::dump());
    if stays {
        loop {
            std::thread::park();
        }
    }
    // The other threads hang, so this does not wait for them.
    std::process::exit(0)
}

/// A value that lives until the program ends, and its name.
fn named<T>(name: &str, value: T) -> &'static T {
    let value = Box::leak(Box::new(value));
    std::mem::forget(tk_watch::name(value, name));
    value
}

fn philosophers() {
    let names = ["Plato", "Confucius", "Socrates", "Voltaire", "Descartes"];
    let forks: Vec<&Lock<u32>> = (1..=names.len())
        .map(|number| named(&format!("fork {number}"), Lock::new(0)))
        .collect();
    let all_have_one = Arc::new(Barrier::new(names.len()));
    for (seat, name) in names.into_iter().enumerate() {
        let (left, right) = (forks[seat], forks[(seat + 1) % names.len()]);
        let all_have_one = Arc::clone(&all_have_one);
        let dine = move || {
            let mut left = left.lock();
            // Bad luck: all of them are that fast.
            all_have_one.wait();
            let mut right = right.lock();
            *left += 1;
            *right += 1;
        };
        Builder::new()
            .name(name)
            .spawn(dine)
            .expect("the system has room for a thread");
    }
}

fn service() {
    let orders = named("orders", Lock::new(Vec::new()));
    let (holds, is_held) = mpsc::channel();
    let report = move || {
        let orders = orders.lock();
        let _ = holds.send(());
        // A slow printer, with the lock held.
        std::thread::sleep(Duration::from_secs(3600));
        println!("{} orders", orders.len());
    };
    let start = |name: &str, f: Box<dyn FnOnce() + Send>| {
        let builder = Builder::new().name(name).daemon(true);
        builder.spawn(f).expect("the system has room for a thread");
    };
    start("nightly report", Box::new(report));
    let _ = is_held.recv();
    for number in 1..=3 {
        let handle = move || orders.lock().push(number);
        start(&format!("handler {number}"), Box::new(handle));
    }
}
