//! The handle that gives the thread's value.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::ops::Deref;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex, PoisonError};

use crate::Thread;

/// Where a thread leaves its value.
pub(crate) struct Packet<T>(Mutex<Option<Result<T, Panicked>>>);

impl<T> Packet<T> {
    pub(crate) fn new() -> Arc<Packet<T>> {
        Arc::new(Packet(Mutex::new(None)))
    }

    pub(crate) fn put(&self, result: Result<T, Panicked>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
    }

    fn take(&self) -> Option<Result<T, Panicked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// The handle of whoever started a thread: all that a [`Thread`] can do, and the thread's value.
///
/// Dropping it does not end the thread, nor wait for it.
///
/// ```
/// let handle = tk_thread::spawn(|| "done");
/// println!("started {}", handle.name());
/// assert_eq!(handle.join().unwrap(), "done");
/// ```
pub struct JoinHandle<T> {
    thread: Thread,
    packet: Arc<Packet<T>>,
}

impl<T> JoinHandle<T> {
    pub(crate) fn new(thread: Thread, packet: Arc<Packet<T>>) -> JoinHandle<T> {
        JoinHandle { thread, packet }
    }

    /// The thread, as a handle that can be cloned.
    ///
    /// ```
    /// let handle = tk_thread::spawn(|| ());
    /// let thread = handle.thread().clone();
    /// handle.join().unwrap();
    /// assert!(!thread.is_alive());
    /// ```
    pub fn thread(&self) -> &Thread {
        &self.thread
    }

    /// Waits until the thread is gone, and returns its value.
    ///
    /// Blocks until then, as [`Thread::join`] does. To wait with a limit, call [`join_for`](Thread::join_for) or one of its
    /// like before.
    ///
    /// # Errors
    ///
    /// If the thread panicked: with its name, the message, and the payload.
    ///
    /// # Panics
    ///
    /// If it is the calling thread, which would wait for itself.
    ///
    /// ```
    /// let error = tk_thread::spawn(|| panic!("out of paint")).join().unwrap_err();
    /// assert_eq!(error.message(), "out of paint");
    /// ```
    #[track_caller]
    pub fn join(self) -> Result<T, Panicked> {
        if let Err(error) = self.thread.join() {
            panic!("{error}");
        }
        self.packet
            .take()
            .expect("a thread leaves its value before it ends, and it is taken once")
    }
}

/// All that a [`Thread`] can do.
impl<T> Deref for JoinHandle<T> {
    type Target = Thread;

    fn deref(&self) -> &Thread {
        &self.thread
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JoinHandle").field(&self.thread).finish()
    }
}

/// The error of joining a thread that panicked.
///
/// ```
/// let error = tk_thread::Builder::new()
///     .name("glazier")
///     .spawn(|| panic!("broken glass"))?
///     .join()
///     .unwrap_err();
/// assert_eq!(error.to_string(), "thread `glazier` panicked: broken glass");
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Panicked {
    name: Arc<str>,
    payload: Box<dyn Any + Send>,
}

impl Panicked {
    pub(crate) fn new(name: Arc<str>, payload: Box<dyn Any + Send>) -> Panicked {
        Panicked { name, payload }
    }

    /// The name that the thread had when it panicked.
    pub fn thread_name(&self) -> &str {
        &self.name
    }

    /// What `panic!` was given, if that was a text.
    pub fn message(&self) -> &str {
        if let Some(message) = self.payload.downcast_ref::<&'static str>() {
            message
        } else if let Some(message) = self.payload.downcast_ref::<String>() {
            message
        } else {
            "(no message)"
        }
    }

    /// What `panic!` or `panic_any` was given.
    ///
    /// ```
    /// let error = tk_thread::spawn(|| std::panic::panic_any(7)).join().unwrap_err();
    /// assert_eq!(*error.into_payload().downcast::<i32>().unwrap(), 7);
    /// ```
    pub fn into_payload(self) -> Box<dyn Any + Send> {
        self.payload
    }

    /// Goes on panicking, in this thread.
    ///
    /// ```should_panic
    /// if let Err(error) = tk_thread::spawn(|| panic!("out of paint")).join() {
    ///     error.resume();
    /// }
    /// ```
    pub fn resume(self) -> ! {
        resume_unwind(self.payload)
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "thread `{}` panicked: {}", self.name, self.message())
    }
}

impl fmt::Debug for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Panicked")
            .field("thread_name", &self.name)
            .field("message", &self.message())
            .finish_non_exhaustive()
    }
}

impl Error for Panicked {}
