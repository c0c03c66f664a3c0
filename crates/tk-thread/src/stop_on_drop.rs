//! A handle that stops and joins its thread when it is dropped.

use std::fmt;
use std::ops::Deref;
use std::panic::Location;

use tk_core::__private::call_guarded;
use tk_park::Limit;

use crate::{JoinHandle, Panicked, Thread};

/// A handle whose drop requests a stop of its thread and waits until the thread has exited: the
/// `jthread` of C++20.
///
/// Made by [`JoinHandle::stop_on_drop`]. The drop blocks until the thread ends, so the thread must
/// pass its [`stop_token`](crate::stop_token()) to its waits, or check it while it works. A panic
/// of the thread has been reported by then, and goes no further.
///
/// If the thread itself drops the handle, the drop requests the stop and does not wait. The record
/// of a thread that waits in the drop shows the line that made the handle.
///
/// ```
/// use std::time::Duration;
///
/// {
///     let _ticker = tk_thread::spawn(|| {
///         let token = tk_thread::stop_token();
///         while !token.stop_requested() {
///             let limit = tk_thread::Limit::after(Duration::from_secs(1)).or_stop(&token);
///             tk_thread::sleep_with(limit);
///         }
///     })
///     .stop_on_drop();
/// } // Does not take a second.
/// ```
#[doc(alias = "jthread")]
#[must_use = "the thread is stopped when this is dropped"]
pub struct StopOnDrop<T> {
    /// Present until it is taken out or dropped.
    handle: Option<JoinHandle<T>>,
    /// The line that made the handle, because a drop has no caller's line.
    location: &'static Location<'static>,
}

impl<T> StopOnDrop<T> {
    #[track_caller]
    pub(crate) fn new(handle: JoinHandle<T>) -> StopOnDrop<T> {
        StopOnDrop {
            handle: Some(handle),
            location: Location::caller(),
        }
    }

    /// Waits until the thread has exited, without requesting a stop, and returns its value, as
    /// [`JoinHandle::join`] does.
    ///
    /// # Errors
    ///
    /// If the thread panicked.
    ///
    /// # Panics
    ///
    /// If the thread itself calls this.
    ///
    /// ```
    /// assert_eq!(tk_thread::spawn(|| 7).stop_on_drop().join().unwrap(), 7);
    /// ```
    #[track_caller]
    pub fn join(self) -> Result<T, Panicked> {
        self.into_inner().join()
    }

    /// Returns the plain handle, whose drop does not stop the thread.
    ///
    /// ```
    /// let handle = tk_thread::spawn(|| 7).stop_on_drop().into_inner();
    /// assert_eq!(handle.join().unwrap(), 7);
    /// ```
    pub fn into_inner(mut self) -> JoinHandle<T> {
        self.handle
            .take()
            .expect("the handle is present until the drop")
    }
}

impl<T> Drop for StopOnDrop<T> {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            // The panic of a callback has been reported, and must not skip the wait.
            call_guarded(|| {
                handle.request_stop();
            });
            // The only error is that this is the thread itself.
            let _ = handle.thread().join_at(Limit::never(), self.location);
        }
    }
}

/// Gives access to the methods of [`Thread`].
impl<T> Deref for StopOnDrop<T> {
    type Target = Thread;

    fn deref(&self) -> &Thread {
        let handle = self.handle.as_ref();
        handle
            .expect("the handle is present until the drop")
            .thread()
    }
}

impl<T> fmt::Debug for StopOnDrop<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StopOnDrop").field(&**self).finish()
    }
}
