//! The C library: its default mutex, with its condition variable.
//!
//! Neither may move once it has been used, so both are in boxes. A program in C reaches them
//! through a pointer, too.

use std::cell::UnsafeCell;
use std::time::{Duration, Instant};

use crate::kind::{self, Monitor, Mutex, Notify, Side, Stock};

struct Guarded<T> {
    mutex: UnsafeCell<libc::pthread_mutex_t>,
    conditions: [UnsafeCell<libc::pthread_cond_t>; 2],
    value: UnsafeCell<T>,
}

// SAFETY: the C library's own objects may be used by any thread, and the value is used with the
// mutex held.
unsafe impl<T: Send> Sync for Guarded<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Guarded<T> {}

impl<T> Guarded<T> {
    fn new(value: T) -> Box<Guarded<T>> {
        Box::new(Guarded {
            mutex: UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER),
            conditions: [const { UnsafeCell::new(libc::PTHREAD_COND_INITIALIZER) }; 2],
            value: UnsafeCell::new(value),
        })
    }

    /// Calls `f` with the mutex held.
    #[inline]
    fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: the mutex does not move, and this thread does not hold it. It is released by the
        // thread that has locked it. `f` does not panic, so it is released.
        unsafe {
            libc::pthread_mutex_lock(self.mutex.get());
            let result = f(&mut *self.value.get());
            libc::pthread_mutex_unlock(self.mutex.get());
            result
        }
    }

    fn wait_until<R>(
        &self,
        condition: usize,
        mut ready: impl FnMut(&mut T) -> bool,
        f: impl FnOnce(&mut T) -> R,
    ) -> R {
        // The value is borrowed anew after each wait, in which other threads change it.
        // SAFETY: nothing moves. The value is used with the mutex held, which a wait gives back.
        unsafe {
            libc::pthread_mutex_lock(self.mutex.get());
            while !ready(&mut *self.value.get()) {
                let condition = self.conditions[condition].get();
                libc::pthread_cond_wait(condition, self.mutex.get());
            }
            let result = f(&mut *self.value.get());
            libc::pthread_mutex_unlock(self.mutex.get());
            result
        }
    }

    fn notify(&self, condition: usize, how: Notify) {
        let condition = self.conditions[condition].get();
        // SAFETY: it does not move.
        unsafe {
            match how {
                Notify::One => libc::pthread_cond_signal(condition),
                Notify::All => libc::pthread_cond_broadcast(condition),
            };
        }
    }
}

impl<T> Drop for Guarded<T> {
    fn drop(&mut self) {
        // SAFETY: nobody uses them any more.
        unsafe {
            for condition in &self.conditions {
                libc::pthread_cond_destroy(condition.get());
            }
            libc::pthread_mutex_destroy(self.mutex.get());
        }
    }
}

/// Its mutex, with its condition variable beside it.
pub struct Lock(Box<Guarded<u64>>);

/// Its mutex, with a condition variable for each side of a buffer.
pub struct Buffer(Box<Guarded<Stock>>);

super::named!("pthread": Lock, Buffer);

impl Mutex for Lock {
    fn new() -> Self {
        Lock(Guarded::new(0))
    }

    #[inline]
    fn with<R>(&self, f: impl FnOnce(&mut u64) -> R) -> R {
        self.0.with(f)
    }
}

impl Monitor for Lock {
    fn wait_until<R>(
        &self,
        ready: impl FnMut(&mut u64) -> bool,
        f: impl FnOnce(&mut u64) -> R,
    ) -> R {
        self.0.wait_until(0, ready, f)
    }

    fn wait_for(&self, timeout: Duration, mut ready: impl FnMut(&mut u64) -> bool) -> bool {
        let deadline = Instant::now() + timeout;
        let (mutex, condition) = (self.0.mutex.get(), self.0.conditions[0].get());
        // SAFETY: as in `wait_until`, and `until` can be written.
        unsafe {
            libc::pthread_mutex_lock(mutex);
            let is_ready = loop {
                if ready(&mut *self.0.value.get()) {
                    break true;
                }
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break false;
                }
                // The default clock of a condition is the real time.
                let mut until = libc::timespec {
                    tv_sec: 0,
                    tv_nsec: 0,
                };
                libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut until);
                let nanos = until.tv_nsec + i64::from(left.subsec_nanos());
                until.tv_sec += left.as_secs() as libc::time_t + nanos / 1_000_000_000;
                until.tv_nsec = nanos % 1_000_000_000;
                libc::pthread_cond_timedwait(condition, mutex, &raw const until);
            };
            libc::pthread_mutex_unlock(mutex);
            is_ready
        }
    }

    fn notify_one(&self) {
        self.0.notify(0, Notify::One);
    }

    fn notify_all(&self) {
        self.0.notify(0, Notify::All);
    }
}

impl kind::Buffer for Buffer {
    fn new(left: u64) -> Self {
        Buffer(Guarded::new(Stock {
            left,
            ..Stock::default()
        }))
    }

    fn wait_until<R>(
        &self,
        side: Side,
        ready: impl FnMut(&mut Stock) -> bool,
        f: impl FnOnce(&mut Stock) -> R,
    ) -> R {
        self.0.wait_until(side as usize, ready, f)
    }

    fn notify(&self, side: Side, how: Notify) {
        self.0.notify(side as usize, how);
    }
}
