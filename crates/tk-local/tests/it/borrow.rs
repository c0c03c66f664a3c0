//! Uses of a value while the same thread uses it already.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::thread;

use tk_local::{AccessError, Local, Unset};

/// The message of the panic in `f`.
fn panic_in<R>(f: impl FnOnce() -> R) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).err().expect("a panic");
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => String::from(*payload.downcast::<&str>().expect("a text")),
    }
}

#[test]
fn an_unset_value_is_reported_by_every_method() {
    let local = Local::<u32>::new();
    for _ in 0..2 {
        assert!(!local.is_set());
        assert_eq!(local.get(), None);
        assert_eq!(local.take(), None);
        assert_eq!(local.try_take(), Ok(None));
        assert_eq!(local.with_borrow(|n| *n), Err(Unset));
        assert_eq!(local.with_borrow_mut(|n| *n), Err(Unset));
        assert_eq!(local.try_with_borrow(|n| *n), Err(AccessError::Unset));
        assert_eq!(local.try_with_borrow_mut(|n| *n), Err(AccessError::Unset));
        local.clear();
        // Once with no place for a value, once with an empty one.
        assert_eq!(local.replace(1), None);
        assert_eq!(local.take(), Some(1));
    }
}

#[test]
fn a_value_can_be_shared_any_number_of_times() {
    let local = Local::with_init(|| 1);
    let sum = local.with_borrow(|a| local.with_borrow(|b| local.get().unwrap() + a + b));
    assert_eq!(sum, Ok(Ok(3)));
    assert_eq!(local.replace(2), Some(1));
}

#[test]
fn a_borrowed_value_cannot_be_changed() {
    let local = Local::with_init(|| 1);
    let use_it = || {
        assert!(local.is_set());
        assert_eq!(local.try_take(), Err(AccessError::Borrowed));
        assert_eq!(
            local.try_set(2).unwrap_err().reason(),
            AccessError::Borrowed
        );
        assert_eq!(local.try_replace(2).unwrap_err().into_value(), 2);
        assert_eq!(
            local.try_with_borrow_mut(|_| ()),
            Err(AccessError::Borrowed)
        );
        for message in [
            panic_in(|| local.set(2)),
            panic_in(|| local.replace(2)),
            panic_in(|| local.take()),
            panic_in(|| local.clear()),
            panic_in(|| local.with_borrow_mut(|n| *n += 1)),
        ] {
            assert_eq!(
                message,
                "tk_local::Local: this thread's value is already borrowed"
            );
        }
    };
    local.with_borrow(|_| use_it()).unwrap();
    local
        .with_borrow(|_| local.with_borrow(|_| use_it()))
        .unwrap()
        .unwrap();
    assert_eq!(local.replace(2), Some(1));
}

#[test]
fn a_mutably_borrowed_value_cannot_be_used() {
    let local = Local::with_init(|| 1);
    local
        .with_borrow_mut(|n| {
            assert!(local.is_set());
            assert_eq!(local.try_take(), Err(AccessError::BorrowedMut));
            assert_eq!(
                local.try_set(2).unwrap_err().reason(),
                AccessError::BorrowedMut
            );
            assert_eq!(local.try_with_borrow(|_| ()), Err(AccessError::BorrowedMut));
            assert_eq!(
                local.try_with_borrow_mut(|_| ()),
                Err(AccessError::BorrowedMut)
            );
            let message = panic_in(|| local.get());
            assert_eq!(
                message,
                "tk_local::Local: this thread's value is already mutably borrowed"
            );
            *n = 3;
        })
        .unwrap();
    assert_eq!(local.get(), Some(3));
}

#[test]
fn a_borrow_concerns_one_thread_and_one_object() {
    let (local, other) = (Local::with_init(|| 1), Local::with_init(|| 2));
    local
        .with_borrow_mut(|n| {
            other.with_borrow_mut(|m| std::mem::swap(n, m)).unwrap();
            thread::scope(|s| {
                s.spawn(|| local.set(5)).join().unwrap();
            });
        })
        .unwrap();
    assert_eq!((local.get(), other.get()), (Some(2), Some(1)));
}

#[test]
fn a_panic_in_a_closure_ends_its_borrow() {
    let local = Local::with_init(|| 1);
    panic_in(|| local.with_borrow(|_| local.with_borrow(|_| panic!("shared"))));
    panic_in(|| {
        local.with_borrow_mut(|n| {
            *n = 2;
            panic!("exclusive")
        })
    });
    assert_eq!(local.replace(3), Some(2));
}

#[test]
fn a_clone_that_uses_its_own_local_may_only_read() {
    static LOCAL: Local<Odd> = Local::new();

    #[derive(PartialEq, Debug)]
    struct Odd(u32);

    impl Clone for Odd {
        fn clone(&self) -> Odd {
            assert_eq!(
                LOCAL.try_set(Odd(2)).unwrap_err().reason(),
                AccessError::Borrowed
            );
            Odd(LOCAL.with_borrow(|odd| odd.0).unwrap() + 2)
        }
    }

    LOCAL.set(Odd(1));
    assert_eq!(LOCAL.get(), Some(Odd(3)));
    assert_eq!(LOCAL.take(), Some(Odd(1)));
}

#[test]
fn the_initializer_runs_once_per_thread_and_again_after_a_take() {
    let runs = AtomicUsize::new(0);
    let local = Local::with_init(|| runs.fetch_add(1, SeqCst));
    assert!(!local.is_set());
    assert_eq!(local.take(), None);
    assert_eq!((local.get(), local.get()), (Some(0), Some(0)));
    thread::scope(|s| {
        s.spawn(|| assert_eq!(local.get(), Some(1)));
    });
    assert_eq!(local.take(), Some(0));
    assert_eq!(local.with_borrow_mut(|n| *n), Ok(2));
    local.clear();
    local.set(9);
    assert_eq!((local.get(), runs.load(SeqCst)), (Some(9), 3));
}

#[test]
fn an_initializer_that_uses_its_own_local_is_told() {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    static LOCAL: Local<u32> = Local::with_init(|| {
        RUNS.fetch_add(1, SeqCst);
        assert!(!LOCAL.is_set());
        assert_eq!(
            LOCAL.try_with_borrow(|n| *n),
            Err(AccessError::Initializing)
        );
        assert_eq!(
            LOCAL.try_with_borrow_mut(|n| *n),
            Err(AccessError::Initializing)
        );
        assert_eq!(
            LOCAL.try_set(2).unwrap_err().reason(),
            AccessError::Initializing
        );
        assert_eq!(LOCAL.try_take(), Err(AccessError::Initializing));
        let message = panic_in(|| LOCAL.get());
        assert_eq!(
            message,
            "tk_local::Local: this thread's value is used by its own initializer"
        );
        // Another thread has nothing to do with it, and no lock stands in its way.
        if RUNS.load(SeqCst) == 1 {
            let other = thread::spawn(|| {
                LOCAL.set(7);
                LOCAL.get()
            });
            assert_eq!(other.join().unwrap(), Some(7));
        }
        1
    });
    assert_eq!(LOCAL.get(), Some(1));
    assert_eq!(RUNS.load(SeqCst), 1);
}

#[test]
fn an_initializer_that_panics_leaves_the_value_unset() {
    let runs = AtomicUsize::new(0);
    let local = Local::with_init(|| match runs.fetch_add(1, SeqCst) {
        0 | 1 => panic!("not yet"),
        n => n,
    });
    assert_eq!(panic_in(|| local.get()), "not yet");
    assert!(!local.is_set());
    assert_eq!(panic_in(|| local.try_with_borrow_mut(|_| ())), "not yet");
    assert_eq!(local.take(), None);
    assert_eq!(local.get(), Some(2));
}

#[test]
fn an_initializer_may_use_another_local() {
    let first = Local::with_init(|| 1);
    let second = Local::with_init(|| first.get().unwrap() + 1);
    assert_eq!(second.get(), Some(2));
}
