use std::cell::Cell;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, RefUnwindSafe, UnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::*};
use std::time::Duration;

use static_assertions::{assert_impl_all, assert_not_impl_any};
use tk_lock::{Limit, OnceError, OnceLock, RawLock, StopSource};
use tk_testing::{message, start_parked};

use crate::converting::Converting;

assert_impl_all!(OnceLock<u32>: Send, Sync, UnwindSafe, RefUnwindSafe, Unpin, Eq, Default);
assert_impl_all!(OnceLock<Cell<u32>>: Send, UnwindSafe);
assert_not_impl_any!(OnceLock<Cell<u32>>: Sync, RefUnwindSafe);
assert_not_impl_any!(OnceLock<std::sync::MutexGuard<'static, u32>>: Send, Sync);

const MINUTE: Duration = Duration::from_secs(60);

fn held() -> RawLock {
    let gate = RawLock::new();
    gate.acquire();
    gate
}

fn told(f: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(f)).expect_err("this panics");
    message(&*payload).to_owned()
}

fn panics() -> u32 {
    std::panic::resume_unwind(Box::new("on purpose"))
}

/// Counts its drops.
struct Counted<'a>(&'a Cell<u32>);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() + 1);
    }
}

#[test]
fn a_value_is_set_once() {
    let cell = OnceLock::new();
    assert_eq!(cell.get(), None);
    assert_eq!(cell.set(1), Ok(()));
    assert_eq!(cell.set(2), Err(2));
    assert_eq!(cell.get(), Some(&1));
    assert_eq!(cell.get_or_init(|| unreachable!()), &1);
    assert_eq!(cell.try_get_or_init(|| unreachable!()), Ok(&1));
    assert_eq!(
        cell.get_or_init_for(Duration::ZERO, || unreachable!()),
        Some(&1)
    );
    assert_eq!(
        cell.get_or_init_with(Duration::ZERO, || unreachable!()),
        Ok(&1)
    );
    assert_eq!(cell.get_or_try_init(|| Err(())), Ok(&1));
    assert_eq!(cell.wait(), &1);
    assert_eq!(cell.wait_for(Duration::ZERO), Some(&1));
    assert_eq!(cell.wait_with(Duration::ZERO), Ok(&1));
}

#[test]
fn every_form_initializes() {
    type Form<'a> = &'a dyn Fn(&OnceLock<u32>) -> u32;
    let forms: [Form<'_>; 6] = [
        &|cell| *cell.get_or_init(|| 1),
        &|cell| *cell.try_get_or_init(|| 1).unwrap(),
        &|cell| *cell.get_or_init_for(Duration::ZERO, || 1).unwrap(),
        &|cell| *cell.get_or_init_with(Limit::never(), || 1).unwrap(),
        &|cell| *cell.get_or_try_init(|| Ok::<_, ()>(1)).unwrap(),
        &|cell| cell.set(1).map(|()| 1).unwrap(),
    ];
    for form in forms {
        let cell = OnceLock::new();
        assert_eq!(form(&cell), 1);
        assert_eq!(cell.get(), Some(&1));
    }
}

#[test]
fn an_owner_changes_takes_and_sets_again() {
    let mut cell = OnceLock::from(1);
    *cell.get_mut().unwrap() += 1;
    assert_eq!(cell.take(), Some(2));
    assert_eq!((cell.take(), cell.get_mut()), (None, None));
    assert_eq!(cell.set(3), Ok(()));
    assert_eq!(cell.into_inner(), Some(3));
    assert_eq!(OnceLock::<u32>::new().into_inner(), None);
}

#[test]
fn a_clone_is_equal_and_debug_shows_the_value() {
    let (empty, full) = (OnceLock::default(), OnceLock::from(1));
    assert_eq!(
        (empty.clone(), full.clone()),
        (empty.clone(), OnceLock::from(1))
    );
    assert_ne!(empty, full);
    assert_eq!(format!("{empty:?}"), "OnceLock(<uninit>)");
    assert_eq!(format!("{full:?}"), "OnceLock(1)");
    empty.get_or_init(|| {
        assert_eq!(format!("{empty:?}"), "OnceLock(<uninit>)");
        2
    });
}

#[test]
fn a_value_is_dropped_once() {
    let drops = Cell::new(0);
    drop(OnceLock::<Counted<'_>>::new());
    let cell = OnceLock::from(Counted(&drops));
    assert!(cell.set(Counted(&drops)).is_err());
    assert_eq!(drops.get(), 1, "the value that was refused");
    drop(cell);
    assert_eq!(drops.get(), 2);
    let mut cell = OnceLock::from(Counted(&drops));
    drop(cell.take());
    assert_eq!(drops.get(), 3);
    drop(cell);
    assert_eq!(drops.get(), 3);
}

// As with std's type, what a value refers to may be dropped before the cell. That this compiles is
// the test.
#[test]
fn a_cell_may_refer_to_what_is_dropped_before_it() {
    let cell = OnceLock::new();
    let referred = String::from("dropped first");
    cell.set(&referred).unwrap();
    assert_eq!(cell.get(), Some(&&referred));

    struct Node<'a>(OnceLock<&'a Node<'a>>);
    let (a, b) = (Node(OnceLock::new()), Node(OnceLock::new()));
    a.0.get_or_init(|| &b);
    b.0.get_or_init(|| &a);
}

#[test]
fn a_panic_or_an_error_leaves_it_unset() {
    let cell = OnceLock::new();
    assert!(catch_unwind(AssertUnwindSafe(|| cell.get_or_init(panics))).is_err());
    assert_eq!(cell.get(), None);
    assert_eq!(cell.get_or_try_init(|| Err("no")), Err("no"));
    assert_eq!(cell.try_get_or_init(|| 1), Ok(&1));
}

#[test]
fn a_thread_that_waits_initializes_after_a_panic_or_an_error() {
    for fails in [true, false] {
        let (cell, gate) = (OnceLock::new(), held());
        std::thread::scope(|s| {
            let first = start_parked(s, "lock", || {
                let closure = || {
                    gate.acquire();
                    if fails { Err(()) } else { Ok(panics()) }
                };
                catch_unwind(AssertUnwindSafe(|| cell.get_or_try_init(closure).copied()))
            });
            let second = start_parked(s, "once", || *cell.get_or_init(|| 2));
            let third = start_parked(s, "once", || *cell.wait());
            gate.release().unwrap();
            assert!(!matches!(first.join(), Ok(Ok(_))));
            assert_eq!((second.join(), third.join()), (2, 2));
        });
    }
}

#[test]
fn waits_show_the_holder_and_the_line_and_obey_limits() {
    let (cell, gate, source) = (OnceLock::new(), held(), StopSource::new());
    let token = source.token();
    std::thread::scope(|s| {
        let first = start_parked(s, "lock", || {
            *cell.get_or_init(|| {
                gate.acquire();
                1
            })
        });
        let line = line!() + 2;
        let waits = [
            start_parked(s, "once", || *cell.get_or_init(|| unreachable!())),
            start_parked(s, "once", || *cell.wait()),
            start_parked(s, "once", || cell.set(2).unwrap_err() - 1),
            start_parked(s, "once", || *cell.wait_with(MINUTE).unwrap()),
            start_parked(s, "once", || *cell.get_or_init_for(MINUTE, || 2).unwrap()),
        ];
        for (n, wait) in waits.iter().enumerate() {
            let blocked = wait.record.blocked_on().unwrap();
            assert_eq!(blocked.holder(), Some(first.owner()));
            assert_eq!(
                (blocked.location().file(), blocked.location().line()),
                (file!(), line + n as u32)
            );
        }
        let moment = Duration::from_millis(1);
        assert_eq!(cell.try_get_or_init(|| 2), Err(OnceError::TimedOut));
        assert_eq!(cell.get_or_init_for(moment, || 2), None);
        assert_eq!(
            cell.get_or_init_with(moment, || 2),
            Err(OnceError::TimedOut)
        );
        assert_eq!(cell.wait_for(moment), None);
        source.request_stop();
        assert_eq!(cell.wait_with(&token), Err(OnceError::Stopped));
        assert_eq!(cell.get_or_init_with(&token, || 2), Err(OnceError::Stopped));
        gate.release().unwrap();
        assert_eq!(first.join(), 1);
        for wait in waits {
            assert_eq!(wait.join(), 1);
        }
    });
}

#[test]
fn a_recursive_initialization_names_the_line_of_the_outer_one() {
    let cell = OnceLock::new();
    let line = line!() + 1;
    cell.get_or_init(|| {
        let inner = [
            cell.try_get_or_init(|| 2),
            cell.get_or_init_with(MINUTE, || 2),
            cell.wait_with(Limit::never()),
        ];
        for result in inner {
            match result {
                Err(OnceError::Recursive(location)) => assert_eq!(location.line(), line),
                other => panic!("{other:?}"),
            }
        }
        1
    });
    assert_eq!(cell.get(), Some(&1));
    let cell = OnceLock::new();
    type Form<'a> = &'a dyn Fn(&OnceLock<u32>);
    let forms: [Form<'_>; 6] = [
        &|cell| _ = cell.get_or_init(|| 2),
        &|cell| _ = cell.get_or_init_for(MINUTE, || 2),
        &|cell| _ = cell.get_or_try_init(|| Err(())),
        &|cell| _ = cell.set(2),
        &|cell| _ = cell.wait(),
        &|cell| _ = cell.wait_for(MINUTE),
    ];
    for form in forms {
        let line = line!() + 2;
        let text = told(|| {
            cell.get_or_init(|| {
                form(&cell);
                1
            });
        });
        assert!(text.contains(&format!("{}:{line}:", file!())), "{text}");
        assert_eq!(cell.get(), None);
    }
}

#[test]
fn a_limit_is_converted_before_anything_is_read() {
    let cell = OnceLock::new();
    let limit = || {
        Converting(|| {
            _ = cell.set(1);
            Limit::never()
        })
    };
    assert_eq!(cell.get_or_init_with(limit(), || unreachable!()), Ok(&1));
    assert_eq!(cell.wait_with(limit()), Ok(&1));
}

#[test]
fn a_drop_of_the_value_may_use_the_cell_of_another() {
    struct Sets(Arc<OnceLock<u32>>);
    impl Drop for Sets {
        fn drop(&mut self) {
            let asked = self.0.get_or_init(|| 1);
            assert_eq!(asked, &1);
        }
    }
    let other = Arc::new(OnceLock::new());
    let mut cell = OnceLock::from(Sets(Arc::clone(&other)));
    drop(cell.take());
    assert_eq!(other.get(), Some(&1));
}

/// A value that uses its own cell when the cell refuses it.
#[test]
fn a_value_that_is_refused_may_use_the_cell_when_it_is_dropped() {
    struct Asks<'a>(&'a OnceLock<Asks<'a>>, &'a Cell<bool>);
    impl Drop for Asks<'_> {
        fn drop(&mut self) {
            self.1.set(self.0.get().is_some());
        }
    }
    let seen = Box::leak(Box::new(Cell::new(false)));
    let cell = Box::leak(Box::new(OnceLock::new()));
    assert!(cell.set(Asks(cell, seen)).is_ok());
    drop(cell.set(Asks(cell, seen)));
    assert!(seen.get());
}

#[test]
fn of_many_threads_one_initializes_and_all_see_the_value() {
    for round in 0..200 {
        let (cell, calls) = (OnceLock::new(), AtomicUsize::new(0));
        std::thread::scope(|s| {
            for thread in 0..4 {
                let (cell, calls) = (&cell, &calls);
                s.spawn(move || {
                    let make = || {
                        calls.fetch_add(1, Relaxed);
                        HashMap::from([(round, thread.to_string())])
                    };
                    let value = match thread {
                        0 => cell.get_or_init(make),
                        1 => cell.get_or_try_init(|| Ok::<_, ()>(make())).unwrap(),
                        2 => cell.get_or_init_with(MINUTE, make).unwrap(),
                        _ => cell.wait(),
                    };
                    assert_ne!(value[&round], "3");
                });
            }
        });
        assert_eq!(calls.into_inner(), 1);
    }
}

#[cfg(feature = "serde")]
#[test]
fn a_cell_serializes_as_an_option() {
    for (text, cell) in [("null", OnceLock::new()), ("7", OnceLock::from(7))] {
        assert_eq!(serde_json::to_string(&cell).unwrap(), text);
        assert_eq!(serde_json::from_str::<OnceLock<u32>>(text).unwrap(), cell);
    }
}
