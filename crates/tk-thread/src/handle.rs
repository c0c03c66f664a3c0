//! The handle that gives the thread's value.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::ops::Deref;
use std::panic::resume_unwind;
use std::sync::Arc;

use tk_park::sync::{Mutex, lock};

use crate::excepthook::{Exit, PanicLocation, drop_quietly, message_of};
use crate::scope::Members;
use crate::{StopOnDrop, Thread};

/// Where a thread leaves its value.
pub(crate) struct Packet<T> {
    result: Mutex<Option<Result<T, Panicked>>>,
    /// Those of the thread's scope, if it has one.
    scope: Option<Arc<Members>>,
}

impl<T> Packet<T> {
    pub(crate) fn new(scope: Option<Arc<Members>>) -> Arc<Packet<T>> {
        Arc::new(Packet {
            result: Mutex::new(None),
            scope,
        })
    }

    pub(crate) fn put(&self, result: Result<T, Panicked>) {
        *lock(&self.result) = Some(result);
    }

    fn take(&self) -> Option<Result<T, Panicked>> {
        lock(&self.result).take()
    }
}

/// A scope is told of a panic that nobody has asked for.
impl<T> Drop for Packet<T> {
    fn drop(&mut self) {
        if let Some(scope) = &self.scope
            && let Some(Err(panicked)) = self.take()
            && !panicked.is_exit()
        {
            scope.note_panic();
            // The payload is the user's.
            drop_quietly(panicked);
        }
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

    pub(crate) fn packet(&self) -> &Arc<Packet<T>> {
        &self.packet
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
    /// If the thread panicked: with its name, the message, the line, and the payload. Or if it ended by
    /// [`exit`](crate::exit).
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
        let result = self.packet.take();
        result.unwrap_or_else(|| Err(Panicked::lost(&self.thread)))
    }

    /// A handle that asks the thread to stop when it is dropped, and waits until it is gone.
    ///
    /// ```
    /// let sleeper = tk_thread::spawn(|| tk_thread::sleep_with(&tk_thread::stop_token()));
    /// drop(sleeper.stop_on_drop());
    /// ```
    pub fn stop_on_drop(self) -> StopOnDrop<T> {
        StopOnDrop::new(self)
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
    location: Option<PanicLocation>,
}

impl Panicked {
    pub(crate) fn new(
        name: Arc<str>,
        payload: Box<dyn Any + Send>,
        location: Option<PanicLocation>,
    ) -> Panicked {
        Panicked {
            name,
            payload,
            location,
        }
    }

    /// For a thread that leaves no value here, as it is in the parent of this process.
    fn lost(thread: &Thread) -> Panicked {
        let message = "the thread is in the process that this one was forked from";
        Panicked::new(thread.name().into(), Box::new(message), None)
    }

    /// The name that the thread had when it panicked.
    ///
    /// ```
    /// let painter = tk_thread::Builder::new().name("painter").spawn(|| panic!("out of paint"))?;
    /// assert_eq!(painter.join().unwrap_err().thread_name(), "painter");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn thread_name(&self) -> &str {
        &self.name
    }

    /// What `panic!` was given, if that was a text.
    ///
    /// ```
    /// let error = tk_thread::spawn(|| panic!("out of {}", "paint")).join().unwrap_err();
    /// assert_eq!(error.message(), "out of paint");
    /// ```
    pub fn message(&self) -> &str {
        message_of(&*self.payload)
    }

    /// The line that panicked; see [`UncaughtPanic::location`](crate::UncaughtPanic::location).
    ///
    /// ```
    /// let error = tk_thread::spawn(|| panic!("out of paint")).join().unwrap_err();
    /// assert_eq!(error.location().unwrap().file(), file!());
    /// ```
    pub fn location(&self) -> Option<&PanicLocation> {
        self.location.as_ref()
    }

    /// Whether the thread did not panic, but ended by [`exit`](crate::exit).
    ///
    /// ```
    /// let error = tk_thread::spawn(|| tk_thread::exit()).join().unwrap_err();
    /// assert!(error.is_exit());
    /// ```
    pub fn is_exit(&self) -> bool {
        self.payload.is::<Exit>()
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
        match self.is_exit() {
            true => write!(f, "thread `{}` ended by exit", self.name),
            false => write!(f, "thread `{}` panicked: {}", self.name, self.message()),
        }
    }
}

impl fmt::Debug for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Panicked")
            .field("thread_name", &self.name)
            .field("message", &self.message())
            .field("location", &self.location)
            .finish_non_exhaustive()
    }
}

impl Error for Panicked {}
