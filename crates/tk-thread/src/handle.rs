//! The handle that gives the thread's value.

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

    /// The last act of the thread: it leaves its value here. If there is no handle to ask for it, the value is dropped, with
    /// the panic that this may be.
    pub(crate) fn hand_over(self: Arc<Self>, result: Result<T, Panicked>) {
        *self.result.lock() = Some(result);
        if let Some(packet) = Arc::into_inner(self) {
            packet.discard();
        }
    }

    fn take(&self) -> Option<Result<T, Panicked>> {
        self.result.lock().take()
    }

    /// Drops a value that nobody has asked for. A scope is told of a panic.
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

/// A handle may be dropped anywhere. A panic in the drop of the value has been told by the panic hook, and goes no further.
impl<T> Drop for Packet<T> {
    fn drop(&mut self) {
        call_guarded(|| self.discard());
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
        self.take_value()
    }

    /// As [`join`](JoinHandle::join), for a thread whose OS handle another one has, who joins it by this function.
    #[track_caller]
    pub(crate) fn join_by(self, join: impl FnOnce()) -> Result<T, Panicked> {
        let record = self.thread.record();
        if self.thread.is_current() {
            panic!("{}", JoinError::CurrentThread);
        }
        if !record.is_lost() {
            self.thread.shared().join_by(record, join);
        }
        self.take_value()
    }

    fn take_value(self) -> Result<T, Panicked> {
        let result = self.packet.take();
        result.unwrap_or_else(|| Err(Panicked::lost(&self.thread)))
    }

    /// A handle that asks the thread to stop when it is dropped, and waits until it is gone.
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

/// All that a [`Thread`] can do.
impl<T> Deref for JoinHandle<T> {
    type Target = Thread;

    fn deref(&self) -> &Thread {
        &self.thread
    }
}

/// The value is the thread's until it is handed over whole.
impl<T> UnwindSafe for JoinHandle<T> {}
impl<T> RefUnwindSafe for JoinHandle<T> {}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JoinHandle").field(&self.thread).finish()
    }
}

/// The error of joining a thread that panicked.
///
/// It is an [`Error`] that can be sent and shared, so `?` turns it into a `Box<dyn Error + Send + Sync>` or what else a
/// program uses.
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
    location: Option<PanicLocation>,
    /// Can be taken out, and not looked at: so the error can be shared with other threads. There until it is taken out.
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
            location,
            payload: std::sync::Mutex::new(Some(payload)),
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
        &self.message
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
        self.exit.is_some()
    }

    /// The status that the thread gave to [`exit_with`](crate::exit_with), or zero for [`exit`](crate::exit). `None` if it
    /// panicked.
    ///
    /// ```
    /// let error = tk_thread::spawn(|| tk_thread::exit_with(3)).join().unwrap_err();
    /// assert_eq!(error.exit_status(), Some(3));
    /// ```
    pub fn exit_status(&self) -> Option<i32> {
        self.exit.map(Exit::status)
    }

    /// What `panic!` or `panic_any` was given.
    ///
    /// ```
    /// let error = tk_thread::spawn(|| std::panic::panic_any(7)).join().unwrap_err();
    /// assert_eq!(*error.into_payload().downcast::<i32>().unwrap(), 7);
    /// ```
    pub fn into_payload(mut self) -> Box<dyn Any + Send> {
        self.take_payload()
            .expect("the payload is there until it is taken out")
    }

    fn take_payload(&mut self) -> Option<Payload> {
        let payload = self.payload.get_mut();
        payload.unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Goes on panicking, in this thread.
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

/// The payload is the program's, and may panic when it is dropped. An error goes anywhere, so that goes no further.
impl Drop for Panicked {
    fn drop(&mut self) {
        drop_guarded(self.take_payload());
    }
}
