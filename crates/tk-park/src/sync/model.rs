//! loom's parts, in the shape that the kit uses them in.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub use loom::lazy_static;
pub use loom::sync::atomic::{Ordering, fence};
pub use loom::sync::{Mutex, MutexGuard};
use tk_core::{Owner, Slot, ThreadId};

pub use super::parking::{advance, use_the_real_lot};

/// Logical time, in nanoseconds. Only [`advance`] moves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub u64);

impl Instant {
    /// The logical time.
    pub fn now() -> Instant {
        Instant(super::futex::now())
    }

    /// As in std.
    pub fn checked_add(self, duration: Duration) -> Option<Instant> {
        let nanos = u64::try_from(duration.as_nanos()).ok()?;
        self.0.checked_add(nanos).map(Instant)
    }

    /// As in std.
    pub fn saturating_duration_since(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// As in std.
    pub fn elapsed(&self) -> Duration {
        Duration::from_nanos(Instant::now().0 - self.0)
    }
}

loom::lazy_static! {
    static ref SPINS: OnceLock<Arc<loom::sync::atomic::AtomicUsize>> = OnceLock::new();
}

/// The spins of a model, counted from [`Spins::watch`] on.
///
/// A thread that has begun to spin has begun to wait: what another thread does after that must
/// reach it.
#[derive(Clone, Debug)]
pub struct Spins(Arc<loom::sync::atomic::AtomicUsize>);

impl Spins {
    /// Counts from now on. To be called before the model starts a thread that spins. Without it,
    /// spins are not counted, because the count multiplies a model's executions.
    pub fn watch() -> Spins {
        let count = SPINS.get_or_init(|| Arc::new(loom::sync::atomic::AtomicUsize::new(0)));
        Spins(Arc::clone(count))
    }

    /// How many spins have begun.
    pub fn begun(&self) -> usize {
        // Acquire: pairs with the Release in `count_spin`. The wait began before what this thread
        // does next.
        self.0.load(Ordering::Acquire)
    }
}

pub(crate) fn count_spin() {
    if let Some(count) = SPINS.get() {
        count.fetch_add(1, Ordering::Release);
    }
}

loom::thread_local! {
    static SLOT: Slot = next_slot();
}

loom::lazy_static! {
    static ref SLOTS: loom::sync::Mutex<u32> = loom::sync::Mutex::new(0);
}

fn next_slot() -> Slot {
    let mut last = SLOTS.lock().unwrap();
    *last += 1;
    Slot::new(*last).expect("a model has few threads")
}

/// A slot for each of the model's threads: to std they are all one.
pub fn current_slot() -> Slot {
    SLOT.with(|slot| *slot)
}

/// A model's thread has its number from the start.
pub(crate) fn reserve_owner() -> Owner {
    current_owner()
}

/// There is no registry in a model.
pub(crate) fn ensure_registered() {}

/// The number of a model's thread as an owner.
pub fn current_owner() -> Owner {
    Owner::new(current_slot().get()).expect("a slot's number can be an owner's")
}

/// The number of a model's thread as an id.
pub fn current_id() -> ThreadId {
    tk_core::__private::thread_id_of_model(current_slot().get().into())
}

/// The atomics of the parking lot. They are created at run time, so they are loom's own.
pub(crate) mod lot {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize as StdUsize, Ordering::Relaxed};

    pub(crate) use loom::cell::UnsafeCell;
    pub(crate) use loom::sync::atomic::{AtomicPtr, AtomicU32, AtomicUsize};

    /// A table for one thread has one bucket, so that all keys are neighbors.
    pub(crate) const FEWEST_THREADS: usize = 1;
    pub(crate) const BUCKETS_PER_THREAD: usize = 1;

    loom::lazy_static! {
        // Not loom's: they are no part of what is modeled.
        static ref THREADS: StdUsize = StdUsize::new(FEWEST_THREADS);
        static ref KEYS: Mutex<Vec<usize>> = Mutex::new(Vec::new());
    }

    /// No model forks.
    pub(crate) fn generation() -> u32 {
        1
    }

    pub(crate) fn threads() -> usize {
        THREADS.load(Relaxed)
    }

    pub(super) fn set_threads(n: usize) {
        THREADS.store(n, Relaxed);
    }

    /// The keys in the order of their first use, from the top: where an address lies is chance, and
    /// a model is not.
    pub(crate) fn hash(key: usize) -> usize {
        let mut keys = KEYS.lock().unwrap();
        let at = keys.iter().position(|known| *known == key);
        let number = at.unwrap_or_else(|| {
            keys.push(key);
            keys.len() - 1
        });
        number.reverse_bits()
    }
}

/// How many threads the parking lot takes the program to have: the next wait makes its table larger
/// for them. A model's table has one bucket for each thread.
pub fn set_threads(n: usize) {
    lot::set_threads(n);
}

/// loom's atomics cannot be made in a constant. These are made at the first touch, which has to
/// come from the thread that makes the object, before it is shared: see `touch`.
macro_rules! atomic {
    ($name:ident, $value:ty) => {
        /// As in std.
        #[derive(Debug)]
        pub struct $name {
            initial: $value,
            atomic: OnceLock<loom::sync::atomic::$name>,
        }

        impl Default for $name {
            fn default() -> Self {
                $name::new(Default::default())
            }
        }

        #[allow(missing_docs)]
        impl $name {
            pub const fn new(initial: $value) -> $name {
                $name {
                    initial,
                    atomic: OnceLock::new(),
                }
            }

            fn get(&self) -> &loom::sync::atomic::$name {
                self.atomic
                    .get_or_init(|| loom::sync::atomic::$name::new(self.initial))
            }

            /// Makes loom's object.
            pub fn loom_register(&self) {
                self.get();
            }

            #[track_caller]
            pub fn load(&self, order: Ordering) -> $value {
                self.get().load(order)
            }

            #[track_caller]
            pub fn store(&self, value: $value, order: Ordering) {
                self.get().store(value, order);
            }

            #[track_caller]
            pub fn swap(&self, value: $value, order: Ordering) -> $value {
                self.get().swap(value, order)
            }

            #[track_caller]
            pub fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.get().compare_exchange(current, new, success, failure)
            }

            #[track_caller]
            pub fn compare_exchange_weak(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.get().compare_exchange(current, new, success, failure)
            }
        }
    };
}

atomic!(AtomicU16, u16);
atomic!(AtomicU32, u32);
atomic!(AtomicU64, u64);
atomic!(AtomicUsize, usize);
atomic!(AtomicBool, bool);

macro_rules! arithmetic {
    ($name:ident, $value:ty) => {
        #[allow(missing_docs)]
        impl $name {
            #[track_caller]
            pub fn fetch_add(&self, value: $value, order: Ordering) -> $value {
                self.get().fetch_add(value, order)
            }

            #[track_caller]
            pub fn fetch_sub(&self, value: $value, order: Ordering) -> $value {
                self.get().fetch_sub(value, order)
            }

            #[track_caller]
            pub fn fetch_or(&self, value: $value, order: Ordering) -> $value {
                self.get().fetch_or(value, order)
            }

            #[track_caller]
            pub fn fetch_and(&self, value: $value, order: Ordering) -> $value {
                self.get().fetch_and(value, order)
            }
        }
    };
}

arithmetic!(AtomicU32, u32);
arithmetic!(AtomicU64, u64);
arithmetic!(AtomicUsize, usize);
