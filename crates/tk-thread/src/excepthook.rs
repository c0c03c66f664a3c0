//! The excepthook: the program's own function for panics that nobody has caught.
//!
//! When it is called is decided in `panic_hook.rs`.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use tk_core::__private::fork::{Kept, Mutex};
use tk_core::__private::{call_guarded, drop_guarded};

use crate::Thread;
use crate::panic_hook::install_panic_hook;

/// A function that is called with a panic which has ended a thread: see [`set_excepthook`].
///
/// ```
/// use std::sync::Arc;
/// use tk_thread::{ExceptHook, take_excepthook};
///
/// let hook: Option<Arc<ExceptHook>> = take_excepthook();
/// assert!(hook.is_none()); // It was the default.
/// ```
pub type ExceptHook = dyn Fn(&UncaughtPanic<'_>) + Send + Sync;

/// The program's own hook, if it has set one. The child of a fork has it too.
static HOOK: Mutex<Kept<Arc<ExceptHook>>> = Mutex::constant(Kept::none());

/// Returns the program's own hook, if it has set one.
pub(crate) fn current_excepthook() -> Option<Arc<ExceptHook>> {
    // Nothing is dropped with the hook locked, so no panic comes from inside of it.
    HOOK.lock().get().cloned()
}

/// The place in the program's source that panicked.
///
/// ```
/// let error = tk_thread::spawn(|| panic!("out of paint")).join().unwrap_err();
/// let location = error.location().unwrap();
/// assert_eq!(location.file(), file!());
/// println!("at {location}"); // at src/main.rs:2:33
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PanicLocation {
    file: Box<str>,
    line: u32,
    column: u32,
}

impl PanicLocation {
    pub(crate) fn of(location: &Location<'_>) -> PanicLocation {
        PanicLocation {
            file: location.file().into(),
            line: location.line(),
            column: location.column(),
        }
    }

    /// Returns the path of the file, as the compiler was given it.
    ///
    /// ```
    /// let error = tk_thread::spawn(|| panic!("out of paint")).join().unwrap_err();
    /// assert_eq!(error.location().unwrap().file(), file!());
    /// ```
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Returns the line, counted from 1.
    ///
    /// ```
    /// let line = line!() + 1;
    /// let error = tk_thread::spawn(|| panic!("out of paint")).join().unwrap_err();
    /// assert_eq!(error.location().unwrap().line(), line);
    /// ```
    pub fn line(&self) -> u32 {
        self.line
    }

    /// Returns the column, counted from 1.
    ///
    /// ```
    /// let error = tk_thread::spawn(|| panic!("out of paint")).join().unwrap_err();
    /// assert_eq!(error.location().unwrap().column(), 33);
    /// ```
    pub fn column(&self) -> u32 {
        self.column
    }
}

impl fmt::Display for PanicLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// A panic that has ended a thread's function, as the excepthook gets it.
///
/// See [`set_excepthook`]. `Display` shows the text that the default hook writes.
///
/// ```
/// use std::sync::mpsc;
///
/// let (sender, receiver) = mpsc::channel();
/// tk_thread::set_excepthook(move |panic| sender.send(panic.to_string()).unwrap());
/// let painter = tk_thread::Builder::new().name("painter").spawn(|| panic!("out of paint"))?;
/// assert!(painter.join().is_err());
/// let text = receiver.recv().unwrap();
/// assert!(text.starts_with("Exception in thread painter:"));
/// # tk_thread::take_excepthook();
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "threading.ExceptHookArgs")]
#[derive(Debug)]
pub struct UncaughtPanic<'a> {
    pub(crate) thread: Thread,
    pub(crate) message: &'a str,
    pub(crate) payload: &'a (dyn Any + Send),
    pub(crate) location: Option<&'a PanicLocation>,
    pub(crate) backtrace: Option<&'a Backtrace>,
}

impl UncaughtPanic<'_> {
    /// Returns the thread that panicked, which is the one that calls the hook.
    ///
    /// ```
    /// # let (sender, receiver) = std::sync::mpsc::channel();
    /// # let tell = move |it| sender.send(it).unwrap();
    /// tk_thread::set_excepthook(move |panic| tell(panic.thread().name()));
    /// # let painter = tk_thread::Builder::new().name("painter");
    /// # assert!(painter.spawn(|| panic!("out of paint"))?.join().is_err());
    /// # assert_eq!(receiver.recv().unwrap(), "painter");
    /// # tk_thread::take_excepthook();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn thread(&self) -> &Thread {
        &self.thread
    }

    /// Returns the text that `panic!` was given, or `(no message)` if the payload is not a text.
    ///
    /// ```
    /// # let (sender, receiver) = std::sync::mpsc::channel();
    /// # let tell = move |it| sender.send(it).unwrap();
    /// tk_thread::set_excepthook(move |panic| tell(panic.message().to_owned()));
    /// # let painter = tk_thread::Builder::new().name("painter");
    /// # assert!(painter.spawn(|| panic!("out of paint"))?.join().is_err());
    /// # assert_eq!(receiver.recv().unwrap(), "out of paint");
    /// # tk_thread::take_excepthook();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn message(&self) -> &str {
        self.message
    }

    /// Returns the value that `panic!` or `panic_any` was given.
    ///
    /// ```
    /// # let (sender, receiver) = std::sync::mpsc::channel();
    /// # let tell = move |it| sender.send(it).unwrap();
    /// tk_thread::set_excepthook(move |panic| tell(panic.payload().downcast_ref().copied()));
    /// # let painter = tk_thread::Builder::new().name("painter");
    /// # assert!(painter.spawn(|| std::panic::panic_any(7_u32))?.join().is_err());
    /// # assert_eq!(receiver.recv().unwrap(), Some(7_u32));
    /// # tk_thread::take_excepthook();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn payload(&self) -> &(dyn Any + Send) {
        self.payload
    }

    /// Returns the place that panicked.
    ///
    /// Returns `None` for a panic that was passed on with `resume_unwind`, because it may have
    /// begun in another thread. Also returns `None` if the program has replaced the panic hook
    /// after the kit installed its own.
    ///
    /// ```
    /// # let (sender, receiver) = std::sync::mpsc::channel();
    /// # let tell = move |it| sender.send(it).unwrap();
    /// tk_thread::set_excepthook(move |panic| tell(panic.location().cloned()));
    /// # let painter = tk_thread::Builder::new().name("painter");
    /// # assert!(painter.spawn(|| panic!("out of paint"))?.join().is_err());
    /// # assert_eq!(receiver.recv().unwrap().unwrap().file(), file!());
    /// # tk_thread::take_excepthook();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn location(&self) -> Option<&PanicLocation> {
        self.location
    }

    /// Returns the backtrace, if `RUST_BACKTRACE` asks for one and the location is known.
    ///
    /// ```
    /// # let (sender, receiver) = std::sync::mpsc::channel();
    /// # let tell = move |it| sender.send(it).unwrap();
    /// tk_thread::set_excepthook(move |panic| tell(panic.backtrace().map(ToString::to_string)));
    /// # let painter = tk_thread::Builder::new().name("painter");
    /// # assert!(painter.spawn(|| panic!("out of paint"))?.join().is_err());
    /// # drop(receiver.recv().unwrap());
    /// # tk_thread::take_excepthook();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn backtrace(&self) -> Option<&Backtrace> {
        self.backtrace
            .filter(|trace| trace.status() == BacktraceStatus::Captured)
    }
}

impl fmt::Display for UncaughtPanic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Exception in thread {}:", self.thread.name())?;
        write_panic(f, self.message, self.location, self.backtrace())
    }
}

pub(crate) fn write_panic(
    f: &mut impl fmt::Write,
    message: &str,
    location: Option<&PanicLocation>,
    backtrace: Option<&Backtrace>,
) -> fmt::Result {
    match location {
        Some(location) => write!(f, "panicked at {location}:\n{message}")?,
        None => write!(f, "panicked: {message}")?,
    }
    match backtrace {
        Some(backtrace) => write!(f, "\nstack backtrace:\n{backtrace}"),
        None => Ok(()),
    }
}

/// Sets the function that is called when a panic has ended the function of a thread of the kit, or
/// of a timer.
///
/// The thread that panicked calls the hook, and is still in [`enumerate`](crate::enumerate)
/// meanwhile. The hook is called instead of everything that would have been printed. Without a hook
/// of the program's own, `Exception in thread NAME:` is printed to the standard error, followed by
/// the output of the program's panic hook.
///
/// The hook is not called for:
///
/// - a panic that the thread catches itself,
/// - a thread that ends by [`exit`](crate::exit()),
/// - a thread that the kit has not started,
/// - a panic that happened before the hook was set, because the default has reported it.
///
/// A panic in the hook is reported by the default, and then the panic that the hook was called for.
///
/// In a program with `panic = "abort"`, the hook is called when the panic happens, and the process
/// is aborted when the hook has returned.
///
/// The kit installs a panic hook around the one that it finds when it starts its first thread. If
/// your program has a panic hook of its own, set it before.
///
/// ```
/// use std::sync::mpsc;
///
/// let (sender, receiver) = mpsc::channel();
/// tk_thread::set_excepthook(move |panic| {
///     let line = format!("{} says {}", panic.thread().name(), panic.message());
///     sender.send(line).unwrap();
/// });
/// let painter = tk_thread::Builder::new().name("painter").spawn(|| panic!("out of paint"))?;
/// assert!(painter.join().is_err());
/// assert_eq!(receiver.recv().unwrap(), "painter says out of paint");
/// # tk_thread::take_excepthook();
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "threading.excepthook")]
pub fn set_excepthook(hook: impl Fn(&UncaughtPanic<'_>) + Send + Sync + 'static) {
    install_panic_hook();
    // It may be the last handle of the previous hook.
    drop_guarded(replace_hook(Some(Arc::new(hook))));
}

/// Restores the default, and returns the hook that was set, or `None` if it was the default.
///
/// ```
/// tk_thread::set_excepthook(|panic| eprintln!("{}: {}", panic.thread().name(), panic.message()));
/// let hook = tk_thread::take_excepthook().unwrap();
/// assert!(tk_thread::take_excepthook().is_none());
///
/// tk_thread::set_excepthook(move |panic| hook(panic)); // As it was.
/// # tk_thread::take_excepthook();
/// ```
pub fn take_excepthook() -> Option<Arc<ExceptHook>> {
    replace_hook(None)
}

/// The old hook is the user's, so it is returned: it must not be dropped with the lock held.
fn replace_hook(hook: Option<Arc<ExceptHook>>) -> Option<Arc<ExceptHook>> {
    HOOK.lock().replace(hook)
}

/// Writes `Exception in thread NAME:`, the location and the message to the standard error.
///
/// Call it in a hook that does something in addition.
///
/// ```
/// tk_thread::set_excepthook(|panic| {
///     // … send a message …
///     tk_thread::default_excepthook(panic);
/// });
/// # tk_thread::take_excepthook();
/// ```
#[doc(alias = "threading.__excepthook__")]
pub fn default_excepthook(panic: &UncaughtPanic<'_>) {
    print(&format!("{panic}\n"));
}

/// Writes to the standard error, and ignores a failure.
///
/// By the macro, which knows the standard error of a test: that is kept until the test fails. The
/// macro panics if it can't write.
pub(crate) fn print(text: &str) {
    call_guarded(|| eprint!("{text}"));
}
