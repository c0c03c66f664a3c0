//! The handle that gets the thread's value, and the error of a thread that has panicked.

use std::any::Any;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe, resume_unwind};
use std::sync::{Arc, PoisonError};

use tk_core::__private::fork::Mutex;
use tk_core::__private::{ThreadRecordExt, call_guarded, drop_guarded};

use crate::panic_hook::message_of;
use crate::scope::Members;
use crate::{Exit, JoinError, PanicLocation, StopOnDrop, Thread};

/// The place where a thread leaves its value.
pub(crate) struct Packet<T> {
    result: Mutex<Option<Result<T, Panicked>>>,
    /// The members of the thread's scope, if it has one.
    scope: Option<Arc<Members>>,
}

impl<T> Packet<T> {
    pub(crate) fn new(scope: Option<Arc<Members>>) -> Arc<Packet<T>> {
        Arc::new(Packet {
            result: Mutex::new(None),
            scope,
        })
    }

    /// Leaves the value here, as the last step of the thread. If there is no handle left, the value
    /// is dropped, which may panic.
    pub(crate) fn hand_over(self: Arc<Self>, result: Result<T, Panicked>) {
        *self.result.lock() = Some(result);
        if let Some(packet) = Arc::into_inner(self) {
            packet.discard();
        }
    }

    fn take(&self) -> Option<Result<T, Panicked>> {
        self.result.lock().take()
    }

    /// Drops a value that nobody has asked for. Tells the scope if it is a panic.
    fn discard(&self) {
        let result = self.take();
        if let (Some(scope), Some(Err(panicked))) = (&self.scope, &result)
            && !panicked.is_exit()
        {
            scope.note_panic();
        }
        drop(result);
    }
}

/// A handle may be dropped anywhere, so a panic in the drop of the value goes no further. The panic
/// hook has reported it.
impl<T> Drop for Packet<T> {
    fn drop(&mut self) {
        call_guarded(|| self.discard());
    }
}

/// The handle that starting a thread returns, which gets the thread's value.
///
/// It has all methods of [`Thread`]. Its drop neither ends the thread nor waits for it.
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

    /// Returns a handle that can be cloned.
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

    /// Waits until the thread has exited, as [`Thread::join`] does, and returns its value.
    ///
    /// To wait with a limit, call [`join_for`](Thread::join_for) or
    /// [`join_with`](Thread::join_with) first.
    ///
    /// # Errors
    ///
    /// If the thread panicked, or ended by [`exit`](crate::exit()). The error has its name, the
    /// message, the location and the payload.
    ///
    /// # Panics
    ///
    /// If the thread itself calls this.
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
        self.take_value()
    }

    /// As [`join`](JoinHandle::join), for a thread whose OS handle is elsewhere: `join` joins that.
    #[track_caller]
    pub(crate) fn join_by(self, join: impl FnOnce()) -> Result<T, Panicked> {
        let record = self.thread.record();
        if self.thread.is_current() {
            panic!("{}", JoinError::CurrentThread);
        }
        if !record.is_lost() {
            self.thread.state().join_by(record, join);
        }
        self.take_value()
    }

    fn take_value(self) -> Result<T, Panicked> {
        let result = self.packet.take();
        result.unwrap_or_else(|| Err(Panicked::lost(&self.thread)))
    }

    /// Returns a handle whose drop requests a stop of the thread and waits until it has exited.
    ///
    /// ```
    /// let sleeper = tk_thread::spawn(|| tk_thread::sleep_with(&tk_thread::stop_token()));
    /// drop(sleeper.stop_on_drop());
    /// ```
    #[track_caller]
    pub fn stop_on_drop(self) -> StopOnDrop<T> {
        StopOnDrop::new(self)
    }
}

/// Gives access to the methods of [`Thread`].
impl<T> Deref for JoinHandle<T> {
    type Target = Thread;

    fn deref(&self) -> &Thread {
        &self.thread
    }
}

// The thread leaves its value in one step, so no handle sees a half-made one.
impl<T> UnwindSafe for JoinHandle<T> {}
impl<T> RefUnwindSafe for JoinHandle<T> {}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JoinHandle").field(&self.thread).finish()
    }
}

/// The error of joining a thread that panicked.
///
/// In the child of a fork, it is also the error of joining a thread that only the parent has.
///
/// It is an [`Error`] that is `Send` and `Sync`, so `?` converts it to `Box<dyn Error + Send +
/// Sync>` and similar types.
///
/// ```
/// use std::error::Error;
///
/// fn sum() -> Result<u32, Box<dyn Error + Send + Sync>> {
///     Ok(tk_thread::spawn(|| 1 + 1).join()?)
/// }
/// assert_eq!(sum().unwrap(), 2);
/// ```
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
    message: Cow<'static, str>,
    exit: Option<Exit>,
    is_lost: bool,
    location: Option<PanicLocation>,
    /// Present until it is taken out. It can't be borrowed, so the error is `Sync`.
    payload: std::sync::Mutex<Option<Payload>>,
}

type Payload = Box<dyn Any + Send>;

impl Panicked {
    pub(crate) fn new(
        name: Arc<str>,
        payload: Payload,
        location: Option<PanicLocation>,
    ) -> Panicked {
        Panicked {
            name,
            message: match payload.downcast_ref::<&'static str>() {
                Some(message) => Cow::Borrowed(message),
                None => Cow::Owned(message_of(&*payload).to_owned()),
            },
            exit: payload.downcast_ref().copied(),
            is_lost: false,
            location,
            payload: std::sync::Mutex::new(Some(payload)),
        }
    }

    /// The error of a thread that leaves no value here because it is in the parent of this process.
    fn lost(thread: &Thread) -> Panicked {
        let message = "the thread is in the process that this one was forked from";
        let mut error = Panicked::new(thread.name().into(), Box::new(message), None);
        error.is_lost = true;
        error
    }

    /// Returns the name that the thread had when it panicked.
    ///
    /// ```
    /// let painter = tk_thread::Builder::new().name("painter").spawn(|| panic!("out of paint"))?;
    /// assert_eq!(painter.join().unwrap_err().thread_name(), "painter");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn thread_name(&self) -> &str {
        &self.name
    }

    /// Returns the text that `panic!` was given, or `(no message)` if the payload is not a text.
    ///
    /// ```
    /// let error = tk_thread::spawn(|| panic!("out of {}", "paint")).join().unwrap_err();
    /// assert_eq!(error.message(), "out of paint");
    /// ```
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the place that panicked, if it is known. See
    /// [`UncaughtPanic::location`](crate::UncaughtPanic::location).
    ///
    /// ```
    /// let error = tk_thread::spawn(|| panic!("out of paint")).join().unwrap_err();
    /// assert_eq!(error.location().unwrap().file(), file!());
    /// ```
    pub fn location(&self) -> Option<&PanicLocation> {
        self.location.as_ref()
    }

    /// Returns whether the thread ended by [`exit`](crate::exit()) and did not panic.
    ///
    /// ```
    /// let error = tk_thread::spawn(|| tk_thread::exit()).join().unwrap_err();
    /// assert!(error.is_exit());
    /// ```
    pub fn is_exit(&self) -> bool {
        self.exit.is_some()
    }

    /// Returns the status that the thread gave to [`exit_with`](crate::exit_with), or 0 for
    /// [`exit`](crate::exit()). Returns `None` if the thread panicked.
    ///
    /// ```
    /// let error = tk_thread::spawn(|| tk_thread::exit_with(3)).join().unwrap_err();
    /// assert_eq!(error.exit_status(), Some(3));
    /// ```
    pub fn exit_status(&self) -> Option<i32> {
        self.exit.map(Exit::status)
    }

    /// Returns the value that `panic!` or `panic_any` was given.
    ///
    /// ```
    /// let error = tk_thread::spawn(|| std::panic::panic_any(7)).join().unwrap_err();
    /// assert_eq!(*error.into_payload().downcast::<i32>().unwrap(), 7);
    /// ```
    pub fn into_payload(mut self) -> Box<dyn Any + Send> {
        self.take_payload()
            .expect("the payload is present until it is taken out")
    }

    fn take_payload(&mut self) -> Option<Payload> {
        let payload = self.payload.get_mut();
        payload.unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Continues the panic in the calling thread, with `resume_unwind`.
    ///
    /// ```should_panic
    /// if let Err(error) = tk_thread::spawn(|| panic!("out of paint")).join() {
    ///     error.resume();
    /// }
    /// ```
    pub fn resume(self) -> ! {
        resume_unwind(self.into_payload())
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.exit_status() {
            Some(0) => write!(f, "thread `{}` ended by exit", self.name),
            Some(status) => write!(f, "thread `{}` ended by exit with {status}", self.name),
            None if self.is_lost => write!(f, "thread `{}` is lost: {}", self.name, self.message),
            None => write!(f, "thread `{}` panicked: {}", self.name, self.message),
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

/// The payload is the user's, and its drop may panic. An error may be dropped anywhere, so that
/// panic goes no further.
impl Drop for Panicked {
    fn drop(&mut self) {
        drop_guarded(self.take_payload());
    }
}
