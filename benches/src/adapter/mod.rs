//! The adapters that make a type a contender: one module per crate that takes part.
//!
//! A peer that lacks a primitive takes part with one [made of its lock and its condition
//! variable](over), as programs make it.

pub mod crossbeam;
pub mod env_logger;
pub mod event_listener;
#[cfg(target_os = "linux")]
pub mod futex;
pub mod once_cell;
pub mod over;
pub mod parking_lot;
#[cfg(target_os = "linux")]
pub mod pthread;
pub mod rsevents;
pub mod spin;
pub mod standard;
pub mod thread_local;
pub mod tk;
pub mod tokio;
pub mod usync;
pub mod wheel;

/// Names contenders.
macro_rules! named {
    ($name:literal: $($contender:ty),+ $(,)?) => {
        $(impl $crate::kind::Named for $contender {
            const NAME: &'static str = $name;
        })+
    };
}
use named;

/// Makes contenders of a mutex, a condition variable and a reentrant mutex whose wait borrows the
/// guard, as in parking_lot and in crates with the same interface.
macro_rules! like_parking_lot {
    ($name:literal, $($from:ident)::+) => {
        /// Its mutex, with its condition variable beside it.
        pub struct Lock {
            mutex: $($from)::+::Mutex<u64>,
            condition: $($from)::+::Condvar,
        }

        /// Its reentrant mutex.
        pub struct Reentrant($($from)::+::ReentrantMutex<()>);

        /// Its mutex, with a condition variable for each side of a buffer.
        pub struct Buffer {
            stock: $($from)::+::Mutex<$crate::kind::Stock>,
            conditions: [$($from)::+::Condvar; 2],
        }

        $crate::adapter::named!($name: Lock, Reentrant, Buffer);

        impl $crate::kind::Buffer for Buffer {
            fn new(left: u64) -> Self {
                let stock = $crate::kind::Stock { left, ..Default::default() };
                Buffer {
                    stock: $($from)::+::Mutex::new(stock),
                    conditions: Default::default(),
                }
            }

            #[inline]
            fn wait_until<R>(
                &self,
                side: $crate::kind::Side,
                mut ready: impl FnMut(&mut $crate::kind::Stock) -> bool,
                f: impl FnOnce(&mut $crate::kind::Stock) -> R,
            ) -> R {
                let mut stock = self.stock.lock();
                while !ready(&mut stock) {
                    self.conditions[side as usize].wait(&mut stock);
                }
                f(&mut stock)
            }

            #[inline]
            fn notify(&self, side: $crate::kind::Side, how: $crate::kind::Notify) {
                let condition = &self.conditions[side as usize];
                // Some crates return whether they woke a thread, or how many.
                match how {
                    $crate::kind::Notify::One => {
                        condition.notify_one();
                    }
                    $crate::kind::Notify::All => {
                        condition.notify_all();
                    }
                }
            }
        }

        impl $crate::kind::Mutex for Lock {
            fn new() -> Self {
                Lock {
                    mutex: $($from)::+::Mutex::new(0),
                    condition: $($from)::+::Condvar::new(),
                }
            }

            #[inline]
            fn with<R>(&self, f: impl FnOnce(&mut u64) -> R) -> R {
                f(&mut self.mutex.lock())
            }
        }

        impl $crate::kind::Monitor for Lock {
            fn wait_until<R>(
                &self,
                mut ready: impl FnMut(&mut u64) -> bool,
                f: impl FnOnce(&mut u64) -> R,
            ) -> R {
                let mut guard = self.mutex.lock();
                while !ready(&mut guard) {
                    self.condition.wait(&mut guard);
                }
                f(&mut guard)
            }

            fn wait_for(
                &self,
                timeout: std::time::Duration,
                mut ready: impl FnMut(&mut u64) -> bool,
            ) -> bool {
                let deadline = std::time::Instant::now() + timeout;
                let mut guard = self.mutex.lock();
                while !ready(&mut guard) {
                    if self.condition.wait_until(&mut guard, deadline).timed_out() {
                        return ready(&mut guard);
                    }
                }
                true
            }

            fn notify_one(&self) {
                self.condition.notify_one();
            }

            fn notify_all(&self) {
                self.condition.notify_all();
            }
        }

        impl $crate::kind::Reentrant for Reentrant {
            fn new() -> Self {
                Reentrant($($from)::+::ReentrantMutex::new(()))
            }

            #[inline]
            fn with<R>(&self, f: impl FnOnce() -> R) -> R {
                let _guard = self.0.lock();
                f()
            }
        }
    };
}
use like_parking_lot;

/// The same for a mutex that can be waited for with a limit.
macro_rules! timed_like_parking_lot {
    () => {
        impl $crate::kind::TimedMutex for Lock {
            #[inline]
            fn try_with_for<R>(
                &self,
                timeout: std::time::Duration,
                f: impl FnOnce(&mut u64) -> R,
            ) -> Option<R> {
                self.mutex
                    .try_lock_for(timeout)
                    .map(|mut guard| f(&mut guard))
            }
        }
    };
}
use timed_like_parking_lot;
