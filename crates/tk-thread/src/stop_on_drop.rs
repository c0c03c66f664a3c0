//! A handle that does not leave its thread behind.

use std::fmt;
use std::ops::Deref;
use std::panic::Location;

use tk_core::__private::call_guarded;
use tk_park::Limit;

use crate::{JoinHandle, Panicked, Thread};

/// A handle that asks its thread to stop when it is dropped, and waits until the thread is gone: the `jthread` of C++20.
///
/// Made by [`JoinHandle::stop_on_drop`]. The drop blocks until the thread has noticed: its waits have to carry
/// [`stop_token`](crate::stop_token), or it has to look at it. A panic of the thread has been reported by the time, and
/// goes no further. Dropped by the thread itself, the handle asks for the stop, and does not wait. The record of a thread
/// that waits in the drop shows the line that made the handle.
///
/// ```
/// use std::time::Duration;
///
/// {
///     let _ticker = tk_thread::spawn(|| {
///         let token = tk_thread::stop_token();
///         while !token.stop_requested() {
///             tk_thread::sleep_with(tk_thread::Limit::after(Duration::from_secs(1)).or_stop(&token));
///         }
///     })
///     .stop_on_drop();
/// } // Does not take a second.
/// ```
#[doc(alias = "jthread")]
#[must_use = "the thread is stopped when this is dropped"]
pub struct StopOnDrop<T> {
    /// There until it is dropped or taken out.
    handle: Option<JoinHandle<T>>,
    /// The line that asked for this. A drop has none.
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

    /// Waits until the thread is gone, without asking it to stop, and returns its value: as [`JoinHandle::join`].
    ///
    /// # Errors
    ///
    /// If the thread panicked.
    ///
    /// # Panics
    ///
    /// If it is the calling thread, which would wait for itself.
    ///
    /// ```
    /// assert_eq!(tk_thread::spawn(|| 7).stop_on_drop().join().unwrap(), 7);
    /// ```
    #[track_caller]
    pub fn join(self) -> Result<T, Panicked> {
        self.into_inner().join()
    }

    /// The plain handle again, which does not stop its thread.
    ///
    /// ```
    /// let handle = tk_thread::spawn(|| 7).stop_on_drop().into_inner();
    /// assert_eq!(handle.join().unwrap(), 7);
    /// ```
    pub fn into_inner(mut self) -> JoinHandle<T> {
        self.handle
            .take()
            .expect("a handle is there until it is dropped")
    }
}

impl<T> Drop for StopOnDrop<T> {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.take() {
            // A callback that panics has been told of by the panic hook. It takes nothing from the wait.
            call_guarded(|| {
                handle.request_stop();
            });
            // The one error is that this is the thread itself.
            let _ = handle.thread().join_at(Limit::never(), self.location);
        }
    }
}

/// All that a [`Thread`] can do.
impl<T> Deref for StopOnDrop<T> {
    type Target = Thread;

    fn deref(&self) -> &Thread {
        let handle = self.handle.as_ref();
        handle
            .expect("a handle is there until it is dropped")
            .thread()
    }
}

impl<T> fmt::Debug for StopOnDrop<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StopOnDrop").field(&**self).finish()
    }
}
