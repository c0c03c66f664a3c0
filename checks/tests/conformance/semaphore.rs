//! `BaseSemaphoreTests`, `SemaphoreTests` and `BoundedSemaphoreTests`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use tk_semaphore::{
    Bound, Bounded, BoundedSemaphore, CountingSemaphore, Permit, Semaphore, Unbounded,
};

use crate::{SHORT, suite, takes_a_short_time};
use tk_testing::{Running, is_parked, start, start_parked, until};

/// The semaphores have the same methods, so the tests differ only in how they create one.
trait Create: Bound + Sized {
    fn create(permits: usize) -> CountingSemaphore<Self>;
    fn create_default() -> CountingSemaphore<Self>;
}

impl Create for Unbounded {
    fn create(permits: usize) -> Semaphore {
        Semaphore::new(permits)
    }

    fn create_default() -> Semaphore {
        Semaphore::default()
    }
}

impl Create for Bounded {
    fn create(permits: usize) -> BoundedSemaphore {
        BoundedSemaphore::new(permits)
    }

    fn create_default() -> BoundedSemaphore {
        BoundedSemaphore::default()
    }
}

fn test_acquire<B: Create>() {
    let one = B::create(1);
    drop(one.acquire());
    let two = B::create(2);
    let both = (two.acquire(), two.acquire());
    assert!(two.try_acquire().is_none());
    drop(both);
}

fn test_acquire_destroy<B: Create>() {
    let semaphore = B::create(1);
    semaphore.acquire().forget();
    drop(semaphore);
}

/// Ten threads take a permit twice each, of seven permits. As many of these waits end as there are
/// permits, and as many more as permits are given back.
fn contend<B: Create>(give_back: impl Fn(&CountingSemaphore<B>, usize)) {
    let semaphore = B::create(7);
    let (first, second) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|s| {
        let threads: Vec<_> = (0..10)
            .map(|_| {
                start(s, || {
                    semaphore.acquire().forget();
                    first.fetch_add(1, SeqCst);
                    semaphore.acquire().forget();
                    second.fetch_add(1, SeqCst);
                })
            })
            .collect();
        let all_sleep = |threads: &[Running<'_, ()>]| {
            threads
                .iter()
                .all(|thread| thread.is_finished() || is_parked(&thread.record, "semaphore"))
        };
        let passed = || first.load(SeqCst) + second.load(SeqCst);
        let mut given = 7;
        for n in [6, 7] {
            until("all that can have passed", || {
                passed() == given && all_sleep(&threads)
            });
            assert_eq!(passed(), given);
            give_back(&semaphore, n);
            given += n;
        }
        threads.into_iter().for_each(|thread| thread.join());
        assert_eq!(passed(), 20);
    });
}

fn test_acquire_contended<B: Create>() {
    contend(|semaphore: &CountingSemaphore<B>, n| {
        (0..n).for_each(|_| semaphore.release(1).unwrap())
    });
}

fn test_multirelease<B: Create>() {
    contend(|semaphore: &CountingSemaphore<B>, n| semaphore.release(n).unwrap());
}

fn test_try_acquire<B: Create>() {
    let semaphore = B::create(2);
    let first = semaphore.try_acquire();
    let second = semaphore.try_acquire();
    assert!(first.is_some() && second.is_some());
    assert!(semaphore.try_acquire().is_none());
    drop(second);
    assert!(semaphore.try_acquire().is_some());
}

fn test_try_acquire_contended<B: Create>() {
    let semaphore = B::create(4);
    semaphore.acquire().forget();
    let taken = std::thread::scope(|s| {
        let tries = || {
            (0..2)
                .filter_map(|_| semaphore.try_acquire())
                .map(Permit::forget)
                .count()
        };
        let threads = [(); 5].map(|()| start(s, tries));
        threads.map(|thread| thread.join()).iter().sum::<usize>()
    });
    assert_eq!(taken, 3);
}

fn test_acquire_timeout<B: Create>() {
    let semaphore = B::create(2);
    for _ in 0..2 {
        let permit = semaphore.acquire_for(SHORT);
        permit.expect("there is one").forget();
    }
    assert!(takes_a_short_time(|| semaphore.acquire_for(SHORT)).is_none());
    semaphore.release(1).unwrap();
    assert!(semaphore.acquire_for(SHORT).is_some());
}

fn test_default_value<B: Create>() {
    let semaphore = B::create_default();
    let permit = semaphore.acquire();
    std::thread::scope(|s| {
        let waiter = start_parked(s, "semaphore", || drop(semaphore.acquire()));
        drop(permit);
        waiter.join();
    });
}

fn test_with<B: Create>() {
    let semaphore = B::create(2);
    {
        let _outer = semaphore.acquire();
        assert!(semaphore.try_acquire().is_some());
        let _inner = semaphore.acquire();
        assert!(semaphore.try_acquire().is_none());
    }
    let panics = || {
        let _permits = (semaphore.acquire(), semaphore.acquire());
        panic!("on purpose");
    };
    assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
    let _both = (
        semaphore.try_acquire().unwrap(),
        semaphore.try_acquire().unwrap(),
    );
}

suite!(
    kit_semaphore: tk_semaphore::Unbounded,
    test_acquire,
    test_acquire_destroy,
    test_acquire_contended,
    test_multirelease,
    test_try_acquire,
    test_try_acquire_contended,
    test_acquire_timeout,
    test_default_value,
    test_with,
);
suite!(
    kit_bounded_semaphore: tk_semaphore::Bounded,
    test_acquire,
    test_acquire_destroy,
    test_acquire_contended,
    test_multirelease,
    test_try_acquire,
    test_try_acquire_contended,
    test_acquire_timeout,
    test_default_value,
    test_with,
);

mod unbounded {
    use tk_semaphore::Semaphore;

    #[test]
    fn test_release_unacquired() {
        let semaphore = Semaphore::new(1);
        semaphore.release(1).unwrap();
        let _both = (
            semaphore.try_acquire().unwrap(),
            semaphore.try_acquire().unwrap(),
        );
        assert!(semaphore.try_acquire().is_none());
    }

    #[test]
    fn test_repr() {
        assert_eq!(
            format!("{:?}", Semaphore::new(3)),
            "Semaphore { available: 3 }"
        );
    }
}

mod bounded {
    use tk_semaphore::BoundedSemaphore;

    #[test]
    fn test_release_unacquired() {
        let semaphore = BoundedSemaphore::new(1);
        assert!(semaphore.release(1).is_err());
        drop(semaphore.acquire());
        assert!(semaphore.release(1).is_err());
    }

    #[test]
    fn test_repr() {
        let semaphore = BoundedSemaphore::new(4);
        let _permit = semaphore.acquire();
        assert_eq!(
            format!("{semaphore:?}"),
            "BoundedSemaphore { available: 3, bound: 4 }"
        );
    }

    /// Of `ThreadTests`.
    #[test]
    fn test_BoundedSemaphore_limit() {
        for limit in 1..10 {
            let semaphore = BoundedSemaphore::new(limit);
            std::thread::scope(|s| {
                for _ in 0..limit {
                    s.spawn(|| semaphore.acquire().forget());
                }
            });
            std::thread::scope(|s| {
                for _ in 0..limit {
                    s.spawn(|| semaphore.release(1).unwrap());
                }
            });
            assert!(semaphore.release(1).is_err());
        }
    }
}
