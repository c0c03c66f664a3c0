use std::cell::Cell;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::*};
use std::time::Duration;

use static_assertions::{assert_impl_all, assert_not_impl_any};
use tk_lock::{LazyLock, Limit, OnceError, RawLock};
use tk_testing::{message, start_parked};

use crate::converting::Converting;

assert_impl_all!(LazyLock<u32>: Send, Sync, UnwindSafe, RefUnwindSafe, Unpin, Default);
assert_impl_all!(LazyLock<u32, Box<dyn FnOnce() -> u32 + Send>>: Send, Sync);
assert_not_impl_any!(LazyLock<u32, Box<dyn FnOnce() -> u32>>: Send, Sync, RefUnwindSafe);
assert_not_impl_any!(LazyLock<Cell<u32>>: Sync, RefUnwindSafe);

const MINUTE: Duration = Duration::from_secs(60);

fn told(f: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).expect_err("this panics");
    message(&*payload).to_owned()
}

#[test]
fn the_first_use_initializes() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    static LAZY: LazyLock<usize> = LazyLock::new(|| CALLS.fetch_add(1, Relaxed) + 1);
    assert_eq!(LazyLock::get(&LAZY), None);
    assert_eq!(format!("{LAZY:?}"), "LazyLock(<uninit>)");
    assert_eq!(CALLS.load(Relaxed), 0);
    std::thread::scope(|s| {
        for _ in 0..4 {
            s.spawn(|| assert_eq!(*LAZY, 1));
        }
    });
    assert_eq!(LazyLock::force(&LAZY), &1);
    assert_eq!(LazyLock::try_force(&LAZY), Ok(&1));
    assert_eq!(LazyLock::force_for(&LAZY, Duration::ZERO), Some(&1));
    assert_eq!(LazyLock::force_with(&LAZY, Duration::ZERO), Ok(&1));
    assert_eq!(LazyLock::get(&LAZY), Some(&1));
    assert_eq!(format!("{LAZY:?}"), "LazyLock(1)");
}

#[test]
fn every_form_initializes() {
    type Form<'a> = &'a dyn Fn(&LazyLock<u32>) -> u32;
    let forms: [Form<'_>; 5] = [
        &|lazy| **lazy,
        &|lazy| *LazyLock::force(lazy),
        &|lazy| *LazyLock::try_force(lazy).unwrap(),
        &|lazy| *LazyLock::force_for(lazy, Duration::ZERO).unwrap(),
        &|lazy| *LazyLock::force_with(lazy, Limit::never()).unwrap(),
    ];
    for form in forms {
        assert_eq!(form(&LazyLock::new(|| 1)), 1);
    }
    assert_eq!(*LazyLock::<u32>::default(), 0);
}

#[test]
fn an_owner_changes_the_value() {
    let mut lazy = LazyLock::new(|| 1);
    assert_eq!(LazyLock::get_mut(&mut lazy), None);
    *lazy += 1;
    *LazyLock::force_mut(&mut lazy) += 1;
    assert_eq!(LazyLock::get_mut(&mut lazy), Some(&mut 3));
    assert_eq!(*lazy, 3);
}

#[test]
fn a_closure_may_borrow_and_is_dropped_when_it_is_not_called() {
    let drops = Cell::new(0);
    struct Counts<'a>(&'a Cell<u32>);
    impl Drop for Counts<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let captured = Counts(&drops);
    drop(LazyLock::new(move || drop(captured)));
    assert_eq!(drops.get(), 1);
    let captured = Counts(&drops);
    let lazy = LazyLock::new(move || {
        let captured = captured;
        captured.0.get()
    });
    assert_eq!(*lazy, 1);
    assert_eq!(drops.get(), 2);
}

#[test]
fn a_panic_poisons() {
    let mut lazy = LazyLock::new(|| -> u32 { std::panic::resume_unwind(Box::new("on purpose")) });
    assert_eq!(told(|| _ = *lazy), "on purpose");
    assert_eq!(LazyLock::get(&lazy), None);
    assert_eq!(LazyLock::try_force(&lazy), Err(OnceError::Poisoned));
    assert_eq!(
        LazyLock::force_with(&lazy, MINUTE),
        Err(OnceError::Poisoned)
    );
    assert_eq!(told(|| _ = *lazy), "the initialization has panicked before");
    assert!(told(|| _ = LazyLock::force_for(&lazy, MINUTE)).contains("has panicked before"));
    assert!(told(|| _ = LazyLock::force_mut(&mut lazy)).contains("has panicked before"));
    assert_eq!(LazyLock::get_mut(&mut lazy), None);
}

#[test]
fn waits_show_the_holder_and_the_line_and_obey_limits() {
    static GATE: RawLock = RawLock::new();
    static LAZY: LazyLock<u32> = LazyLock::new(|| {
        GATE.acquire();
        1
    });
    GATE.acquire();
    std::thread::scope(|s| {
        let runner = start_parked(s, "lock", || *LAZY);
        let line = line!() + 1;
        let waiter = start_parked(s, "once", || *LAZY);
        let blocked = waiter.record.blocked_on().unwrap();
        assert_eq!(blocked.holder(), Some(runner.owner()));
        assert_eq!(
            (blocked.location().file(), blocked.location().line()),
            (file!(), line)
        );
        let moment = Duration::from_millis(1);
        assert_eq!(LazyLock::force_for(&LAZY, moment), None);
        assert_eq!(
            LazyLock::force_with(&LAZY, moment),
            Err(OnceError::TimedOut)
        );
        assert_eq!(LazyLock::try_force(&LAZY), Err(OnceError::TimedOut));
        GATE.release().unwrap();
        assert_eq!((runner.join(), waiter.join()), (1, 1));
    });
}

#[test]
fn a_panic_releases_those_who_wait() {
    static GATE: RawLock = RawLock::new();
    static LAZY: LazyLock<u32> = LazyLock::new(|| {
        GATE.acquire();
        std::panic::resume_unwind(Box::new("on purpose"))
    });
    GATE.acquire();
    std::thread::scope(|s| {
        let runner = start_parked(s, "lock", || told(|| _ = *LAZY));
        let waiters = [(); 3]
            .map(|()| start_parked(s, "once", || LazyLock::force_with(&LAZY, Limit::never())));
        GATE.release().unwrap();
        assert_eq!(runner.join(), "on purpose");
        for waiter in waiters {
            assert_eq!(waiter.join(), Err(OnceError::Poisoned));
        }
    });
}

#[test]
fn a_value_that_uses_itself_gets_the_line_of_the_outer_use() {
    static LINE: AtomicUsize = AtomicUsize::new(0);
    static LAZY: LazyLock<u32> = LazyLock::new(|| match LazyLock::try_force(&LAZY) {
        Err(OnceError::Recursive(location)) => {
            LINE.store(location.line() as usize, Relaxed);
            *LAZY
        }
        other => panic!("{other:?}"),
    });
    let line = line!() + 1;
    let text = told(|| _ = *LAZY);
    assert!(text.contains(&format!("{}:{line}:", file!())), "{text}");
    assert_eq!(LINE.load(Relaxed), line as usize);
}

#[test]
fn a_limit_is_converted_before_anything_is_read() {
    let lazy = LazyLock::new(|| 1);
    let limit = Converting(|| {
        assert_eq!(*lazy, 1);
        Limit::never()
    });
    assert_eq!(LazyLock::force_with(&lazy, limit), Ok(&1));
}
