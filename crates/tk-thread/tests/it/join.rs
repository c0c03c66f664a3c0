//! Waiting for the end of a thread.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tk_event::Event;
use tk_park::{Limit, StopSource};
use tk_thread::{Builder, JoinError, Thread, current, enumerate, sleep, spawn};

/// A thread that ends when the event is set.
fn patient() -> (tk_thread::JoinHandle<bool>, Arc<Event>) {
    let done = Arc::new(Event::new());
    let handle = spawn({
        let done = Arc::clone(&done);
        move || done.wait()
    });
    (handle, done)
}

/// Until the thread waits for something of this kind.
fn until_waiting(thread: &Thread, kind: &str) {
    let watchdog = Instant::now();
    while thread
        .blocked_on()
        .is_none_or(|waiting| waiting.kind() != kind)
    {
        assert!(
            watchdog.elapsed() < Duration::from_secs(60),
            "{thread:?} never waited"
        );
        std::thread::yield_now();
    }
}

#[test]
fn joining_oneself_is_an_error() {
    assert_eq!(current().join(), Err(JoinError::CurrentThread));
    assert_eq!(
        current().join_for(Duration::ZERO),
        Err(JoinError::CurrentThread)
    );
}

#[test]
fn taking_ones_own_value_is_a_panic() {
    let (sender, receiver) = std::sync::mpsc::channel::<tk_thread::JoinHandle<()>>();
    let (tell, told) = std::sync::mpsc::channel();
    let handle = spawn(move || {
        let me = receiver.recv().unwrap();
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| me.join()));
        tell.send(panic.unwrap_err().downcast::<String>().unwrap())
            .unwrap();
    });
    sender.send(handle).unwrap();
    assert_eq!(*told.recv().unwrap(), "a thread cannot join itself");
}

#[test]
fn a_limit_ends_the_join_and_not_the_thread() {
    let (handle, done) = patient();
    let start = Instant::now();
    assert_eq!(
        handle.join_for(Duration::from_millis(20)),
        Err(JoinError::TimedOut)
    );
    assert!(start.elapsed() >= Duration::from_millis(20));
    assert_eq!(handle.join_with(start), Err(JoinError::TimedOut));
    assert_eq!(handle.join_for(Duration::ZERO), Err(JoinError::TimedOut));
    assert!(handle.is_alive());
    done.set();
    assert_eq!(handle.join_for(Duration::MAX), Ok(()));
    assert_eq!(handle.join_for(Duration::ZERO), Ok(()));
    assert!(handle.join().unwrap());
}

#[test]
fn a_stop_ends_the_join() {
    let (handle, done) = patient();
    let source = StopSource::new();
    let joiner = spawn({
        let (thread, token) = (handle.thread().clone(), source.token());
        move || thread.join_with(Limit::after(Duration::from_secs(60)).or_stop(&token))
    });
    until_waiting(&joiner, "join");
    source.request_stop();
    assert_eq!(joiner.join().unwrap(), Err(JoinError::Stopped));
    done.set();
    handle.join().unwrap();
}

#[test]
fn any_number_of_threads_can_join_one() {
    for joiners in 2..20 {
        let (handle, done) = patient();
        let joiners: Vec<_> = (0..joiners)
            .map(|_| {
                let thread = handle.thread().clone();
                spawn(move || {
                    thread.join().unwrap();
                    assert!(!thread.is_alive());
                    assert!(!enumerate().contains(&thread));
                })
            })
            .collect();
        for joiner in &joiners {
            until_waiting(joiner, "join");
        }
        done.set();
        for joiner in joiners {
            joiner.join().unwrap();
        }
        assert!(handle.join().unwrap());
    }
}

#[test]
fn a_joined_thread_is_never_listed() {
    for _ in 0..99 {
        let handle = spawn(|| ());
        let thread = handle.thread().clone();
        handle.join().unwrap();
        assert!(!enumerate().contains(&thread));
    }
}

#[test]
fn a_thread_that_nobody_joins_ends_all_the_same() {
    let (handle, done) = patient();
    let thread = handle.thread().clone();
    drop(handle);
    done.set();
    thread.join().unwrap();
    assert!(!thread.is_alive());
}

#[test]
fn the_join_is_visible() {
    let (handle, done) = patient();
    let owner = owner_of(&handle);
    let joiner = spawn({
        let thread = handle.thread().clone();
        move || thread.join()
    });
    until_waiting(&joiner, "join");
    let waiting = joiner.blocked_on().unwrap();
    assert_eq!(waiting.holder(), Some(owner));
    assert!(waiting.location().file().ends_with("join.rs"));
    done.set();
    joiner.join().unwrap().unwrap();
    handle.join().unwrap();
}

fn owner_of(thread: &Thread) -> tk_core::Owner {
    let all = tk_core::enumerate();
    all.iter()
        .find(|record| record.id() == thread.id())
        .unwrap()
        .owner()
}

#[test]
fn a_join_returns_after_the_thread_local_destructors() {
    struct Slow(Arc<AtomicBool>);

    impl Drop for Slow {
        fn drop(&mut self) {
            // Time passes, so that a join which does not wait for it would be seen to return
            // before.
            sleep(Duration::from_millis(20));
            LATE.with_borrow_mut(|late| *late = Some(Later(Arc::clone(&self.0))));
        }
    }

    /// Made in a destructor.
    struct Later(Arc<AtomicBool>);

    impl Drop for Later {
        fn drop(&mut self) {
            sleep(Duration::from_millis(20));
            assert!(enumerate().contains(&current()));
            self.0.store(true, Ordering::Relaxed);
        }
    }

    thread_local! {
        static SLOW: RefCell<Option<Slow>> = const { RefCell::new(None) };
        static LATE: RefCell<Option<Later>> = const { RefCell::new(None) };
    }

    let destroyed = Arc::new(AtomicBool::new(false));
    let handle = spawn({
        let destroyed = Arc::clone(&destroyed);
        move || SLOW.set(Some(Slow(destroyed)))
    });
    let thread = handle.thread().clone();
    while thread.join_for(Duration::from_millis(1)) == Err(JoinError::TimedOut) {}
    assert!(destroyed.load(Ordering::Relaxed));
    assert!(!enumerate().contains(&thread));
}

#[test]
fn a_foreign_thread_can_be_joined_when_it_has_shown_itself() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let foreign = std::thread::spawn(move || {
        sender.send(current()).unwrap();
        let _ = ended.recv();
    });
    let thread = receiver.recv().unwrap();
    assert_eq!(thread.join_for(Duration::ZERO), Err(JoinError::TimedOut));
    drop(end);
    thread.join().unwrap();
    assert!(!thread.is_alive());
    foreign.join().unwrap();
    assert_eq!(thread.join(), Ok(()));
}

#[test]
fn a_handle_of_a_thread_long_gone_says_so() {
    let handle = Builder::new().name("gone").spawn(current).unwrap();
    let thread = handle.join().unwrap();
    for _ in 0..100 {
        spawn(|| ()).join().unwrap();
    }
    assert!(!thread.is_alive());
    assert_eq!(thread.name(), "gone");
    assert_eq!(thread.join(), Ok(()));
    assert_eq!(thread.blocked_on(), None);
}

#[test]
fn sleeping_is_visible_and_can_be_stopped() {
    let source = StopSource::new();
    let token = source.token();
    let sleeper = spawn(move || tk_thread::sleep_with(&token));
    until_waiting(&sleeper, "sleep");
    source.request_stop();
    assert_eq!(sleeper.join().unwrap(), tk_park::WaitError::Stopped);
}

#[test]
fn the_error_of_a_join_goes_into_the_errors_that_programs_use() {
    fn plain() -> Result<(), Box<dyn std::error::Error>> {
        Ok(spawn(|| panic!("out of paint")).join()?)
    }
    fn shared() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(spawn(|| panic!("out of paint")).join()?)
    }
    fn anyhow() -> anyhow::Result<()> {
        spawn(|| panic!("out of paint")).join()?;
        tk_thread::scope(|s| s.spawn(|| ()).join())?;
        Ok(())
    }
    let message = "panicked: out of paint";
    assert!(plain().unwrap_err().to_string().ends_with(message));
    assert!(shared().unwrap_err().to_string().ends_with(message));
    let error = anyhow().unwrap_err();
    assert!(error.to_string().ends_with(message));
    assert_eq!(
        error.downcast::<tk_thread::Panicked>().unwrap().message(),
        "out of paint"
    );
}
