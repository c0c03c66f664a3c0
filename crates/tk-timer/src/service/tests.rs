//! What can be seen from inside only.

use std::collections::HashSet;
use std::sync::mpsc;

use super::*;
use crate::Timer;

#[test]
fn threads_without_work_end_after_a_while() {
    let service = TimerService::new();
    let (sender, receiver) = mpsc::channel();
    let barrier = Arc::new(std::sync::Barrier::new(4));
    let handles: Vec<_> = (0..4)
        .map(|_| {
            let (sender, barrier) = (sender.clone(), barrier.clone());
            let meet = move || {
                sender.send(tk_core::current()).unwrap();
                barrier.wait();
            };
            Timer::new(Duration::ZERO, meet).start_on(&service)
        })
        .collect();
    for handle in handles {
        handle.join().unwrap();
    }
    let start = Instant::now();
    for thread in receiver.iter().take(4) {
        while thread.is_alive() {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "{thread:?} is still there"
            );
            std::thread::yield_now();
        }
    }
    // And there are new ones when they are needed.
    Timer::new(Duration::ZERO, || ())
        .start_on(&service)
        .join()
        .unwrap();
}

#[test]
fn timers_one_after_the_other_need_few_threads() {
    let service = TimerService::new();
    let (sender, receiver) = mpsc::channel();
    for _ in 0..100 {
        let sender = sender.clone();
        let tell = move || sender.send(tk_core::current().id()).unwrap();
        let timer = Timer::new(Duration::ZERO, tell).start_on(&service);
        timer.join().unwrap();
    }
    let threads: HashSet<_> = receiver.iter().take(100).collect();
    // One, unless the machine was so busy that it went home meanwhile.
    assert!(threads.len() < 50, "{} threads", threads.len());
}

#[test]
fn what_a_function_starts_is_a_daemon_if_its_timer_is() {
    let (sender, receiver) = mpsc::channel();
    for daemon in [true, false] {
        let sender = sender.clone();
        let tell = move || sender.send(inherited_daemon()).unwrap();
        let handle = Timer::new(Duration::ZERO, tell).daemon(daemon).start();
        handle.join().unwrap();
        assert_eq!(receiver.recv(), Ok(daemon));
    }
    assert_eq!(inherited_daemon(), tk_core::current().is_daemon());
}

#[test]
fn a_timer_holds_the_program_open_until_it_has_ended() {
    // Other tests have timers too: only that the count is not too small can be known.
    let far = Duration::from_secs(3600);
    let handle = Timer::new(far, || ()).daemon(false).start();
    assert!(tk_core::KeepAlive::count() >= 1);
    handle.cancel();
    let (sender, receiver) = mpsc::channel();
    let tell = move || sender.send(tk_core::KeepAlive::count()).unwrap();
    Timer::new(Duration::ZERO, tell).daemon(false).start();
    assert!(receiver.recv().unwrap() >= 1);
}
