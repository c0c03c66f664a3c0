//! Tests of states that only the inside shows.

use std::collections::HashSet;
use std::sync::mpsc;

use tk_testing::until;

use super::*;
use crate::Timer;

impl TimerService {
    fn threads(&self) -> u32 {
        self.service.scheduler().state.lock().staff.threads()
    }
}

#[test]
fn threads_without_work_end_after_a_while() {
    let service = TimerService::new();
    let barrier = Arc::new(std::sync::Barrier::new(4));
    let meet = || {
        let barrier = Arc::clone(&barrier);
        Timer::new(Duration::ZERO, move || _ = barrier.wait()).start_on(&service)
    };
    let handles = [(); 4].map(|()| meet());
    for handle in handles {
        handle.join().unwrap();
    }
    assert!(service.threads() >= 4);
    until("the threads have ended", || service.threads() == 0);
    // And there are new ones when they are needed.
    let handle = Timer::new(Duration::ZERO, || ()).start_on(&service);
    handle.join().unwrap();
}

#[test]
fn while_a_timer_is_pending_three_threads_stay() {
    let service = TimerService::new();
    Timer::new(Duration::from_secs(3600), || ()).start_on(&service);
    until("they are there", || service.threads() == 3);
    // In this time they would end, as threads without work do.
    std::thread::sleep(crate::scheduler::IDLE * 2);
    assert_eq!(service.threads(), 3);
}

#[test]
fn timers_one_after_the_other_need_few_threads() {
    let service = TimerService::new();
    let (sender, receiver) = mpsc::channel();
    for _ in 0..100 {
        let sender = sender.clone();
        let wake = move || sender.send(tk_core::current().native_id()).unwrap();
        let timer = Timer::new(Duration::ZERO, wake).start_on(&service);
        timer.join().unwrap();
    }
    if cfg!(target_os = "linux") {
        let threads: HashSet<_> = receiver.iter().take(100).collect();
        // One, unless the machine was so busy that others took over, or that all went service
        // meanwhile.
        assert!(threads.len() < 50, "{} threads", threads.len());
    }
}

#[test]
fn the_state_of_a_thread_is_known() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let me = tk_core::current().native_id().unwrap();
    assert_eq!(state_of(me), Some(b'R'));
    let (sender, receiver) = mpsc::channel();
    let sleeper = std::thread::Builder::new().name("a) R (b".into());
    let sleeper = sleeper.spawn(move || {
        sender
            .send(tk_core::current().native_id().unwrap())
            .unwrap();
        std::thread::park();
    });
    let id = receiver.recv().unwrap();
    until("it sleeps", || state_of(id) == Some(b'S'));
    let sleeper = sleeper.unwrap();
    sleeper.thread().unpark();
    sleeper.join().unwrap();
    until("it is gone", || state_of(id).is_none());
}

#[test]
fn what_a_function_starts_is_a_daemon_if_its_timer_is() {
    let (sender, receiver) = mpsc::channel();
    for daemon in [true, false] {
        let sender = sender.clone();
        let wake = move || sender.send(tk_core::current().is_daemon()).unwrap();
        let handle = Timer::new(Duration::ZERO, wake).daemon(daemon).start();
        handle.join().unwrap();
        assert_eq!(receiver.recv(), Ok(daemon));
    }
}

#[test]
fn a_timer_holds_the_program_open_until_it_has_ended() {
    // Other tests have timers too: only that the count is not too small can be known.
    let far = Duration::from_secs(3600);
    let handle = Timer::new(far, || ()).daemon(false).start();
    assert!(tk_core::KeepAlive::count() >= 1);
    handle.cancel();
    let (sender, receiver) = mpsc::channel();
    let wake = move || sender.send(tk_core::KeepAlive::count()).unwrap();
    Timer::new(Duration::ZERO, wake).daemon(false).start();
    assert!(receiver.recv().unwrap() >= 1);
}
