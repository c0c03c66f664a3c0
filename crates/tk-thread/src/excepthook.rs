//! Reporting a panic that ends a thread.
//!
//! A panic has two moments. The first is the panic itself, when the *panic hook* of the standard library runs: only there the
//! line is known, and a panic that is going to end the program can still be told. The second is the *edge*, where the
//! thread's function has been left, and it is certain that nobody has caught the panic.
//!
//! The *excepthook* of this module belongs to the edge. The default one needs no edge: all that it says can be said at the
//! panic, by the panic hook that was there, with a line before it; so that nothing is lost if the program ends or the
//! panic is caught. So a panic hook of ours, which is set around the one that it finds, does this in a thread of the kit:
//!
//! | excepthook | at the panic | at the edge |
//! |---|---|---|
//! | the default | `Exception in thread NAME:`, and the panic hook that was there | nothing more |
//! | the program's own | the panic is noted | it is called |
//! | the program's own, with `panic = "abort"` | it is called | there is none |
//!
//! 1. A panic is told once.
//! 2. A panic that was only noted is told when another one comes before the edge: by then it has been caught, or the second
//!    one is about to end the program. That second one is told at once.
//! 3. At the edge the note is believed if it has the message of the panic that arrives. It may be that of another one, which
//!    was caught; and a payload that was sent on with `resume_unwind` has no note, as it has not been told here.
//! 4. With the payload [`Exit`] nothing is told anywhere.
//! 5. A note belongs to the innermost edge. The one of an outer edge, which stands for a panic on its way there, is put aside
//!    until the inner edge is left.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{
    AssertUnwindSafe, Location, PanicHookInfo, catch_unwind, resume_unwind, set_hook, take_hook,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tk_core::__private::fork::Mutex;
use tk_core::__private::{call_guarded, drop_guarded};

use crate::program::exit_without_unwinding;
use crate::{Panicked, Thread, current};

/// What is called with a panic that has ended a thread: see [`set_excepthook`].
///
/// ```
/// use std::sync::Arc;
/// use tk_thread::{ExceptHook, take_excepthook};
///
/// let hook: Option<Arc<ExceptHook>> = take_excepthook();
/// assert!(hook.is_none()); // It was the default.
/// ```
pub type ExceptHook = dyn Fn(&UncaughtPanic<'_>) + Send + Sync;

/// The program's own hook, if it has set one.
static HOOK: Mutex<Option<Arc<ExceptHook>>> = Mutex::constant(None);

thread_local! {
    /// How many edges the calling thread is inside of.
    static EDGES: Cell<u32> = const { Cell::new(0) };

    /// The latest panic of this thread, until it arrives at an edge.
    static NOTE: RefCell<Option<Note>> = const { RefCell::new(None) };
}

/// What the panic hook knows of a panic.
struct Note {
    message: String,
    location: Option<PanicLocation>,
    backtrace: Backtrace,
    told: bool,
}

/// The line of the program that panicked.
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
    fn of(location: &Location<'_>) -> PanicLocation {
        PanicLocation {
            file: location.file().into(),
            line: location.line(),
            column: location.column(),
        }
    }

    /// The path of the file, as the compiler was given it.
    ///
    /// ```
    /// let error = tk_thread::spawn(|| panic!("out of paint")).join().unwrap_err();
    /// assert_eq!(error.location().unwrap().file(), file!());
    /// ```
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The line, counted from 1.
    ///
    /// ```
    /// let line = line!() + 1;
    /// let error = tk_thread::spawn(|| panic!("out of paint")).join().unwrap_err();
    /// assert_eq!(error.location().unwrap().line(), line);
    /// ```
    pub fn line(&self) -> u32 {
        self.line
    }

    /// The column, counted from 1.
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

/// A panic that has ended a thread's function, as the excepthook is told of it.
///
/// See [`set_excepthook`].
///
/// ```
/// use std::sync::mpsc;
///
/// let (sender, receiver) = mpsc::channel();
/// tk_thread::set_excepthook(move |panic| sender.send(panic.to_string()).unwrap());
/// let painter = tk_thread::Builder::new().name("painter").spawn(|| panic!("out of paint"))?;
/// assert!(painter.join().is_err());
/// let text = receiver.recv().unwrap(); // What the default hook writes.
/// assert!(text.starts_with("Exception in thread painter:"));
/// # tk_thread::take_excepthook();
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "threading.ExceptHookArgs")]
#[derive(Debug)]
pub struct UncaughtPanic<'a> {
    thread: Thread,
    message: &'a str,
    payload: &'a (dyn Any + Send),
    location: Option<&'a PanicLocation>,
    backtrace: Option<&'a Backtrace>,
}

impl UncaughtPanic<'_> {
    /// The thread, which is the one that calls the hook.
    ///
    /// ```
    /// # let (sender, receiver) = std::sync::mpsc::channel();
    /// # let tell = move |it| sender.send(it).unwrap();
    /// tk_thread::set_excepthook(move |panic| tell(panic.thread().name()));
    /// # assert!(tk_thread::Builder::new().name("painter").spawn(|| panic!("out of paint"))?.join().is_err());
    /// # assert_eq!(receiver.recv().unwrap(), "painter");
    /// # tk_thread::take_excepthook();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn thread(&self) -> &Thread {
        &self.thread
    }

    /// What `panic!` was given, if that was a text.
    ///
    /// ```
    /// # let (sender, receiver) = std::sync::mpsc::channel();
    /// # let tell = move |it| sender.send(it).unwrap();
    /// tk_thread::set_excepthook(move |panic| tell(panic.message().to_owned()));
    /// # assert!(tk_thread::Builder::new().name("painter").spawn(|| panic!("out of paint"))?.join().is_err());
    /// # assert_eq!(receiver.recv().unwrap(), "out of paint");
    /// # tk_thread::take_excepthook();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn message(&self) -> &str {
        self.message
    }

    /// What `panic!` or `panic_any` was given.
    ///
    /// ```
    /// # let (sender, receiver) = std::sync::mpsc::channel();
    /// # let tell = move |it| sender.send(it).unwrap();
    /// tk_thread::set_excepthook(move |panic| tell(panic.payload().downcast_ref::<u32>().copied()));
    /// # assert!(tk_thread::Builder::new().name("painter").spawn(|| std::panic::panic_any(7_u32))?.join().is_err());
    /// # assert_eq!(receiver.recv().unwrap(), Some(7));
    /// # tk_thread::take_excepthook();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn payload(&self) -> &(dyn Any + Send) {
        self.payload
    }

    /// The line that panicked. Not known of a panic that began in another thread and was sent on with `resume_unwind`, nor
    /// if the program has set a panic hook of its own after the kit has.
    ///
    /// ```
    /// # let (sender, receiver) = std::sync::mpsc::channel();
    /// # let tell = move |it| sender.send(it).unwrap();
    /// tk_thread::set_excepthook(move |panic| tell(panic.location().cloned()));
    /// # assert!(tk_thread::Builder::new().name("painter").spawn(|| panic!("out of paint"))?.join().is_err());
    /// # assert_eq!(receiver.recv().unwrap().unwrap().file(), file!());
    /// # tk_thread::take_excepthook();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn location(&self) -> Option<&PanicLocation> {
        self.location
    }

    /// Who called whom, if `RUST_BACKTRACE` asks for that; known where the location is.
    ///
    /// ```
    /// # let (sender, receiver) = std::sync::mpsc::channel();
    /// # let tell = move |it| sender.send(it).unwrap();
    /// tk_thread::set_excepthook(move |panic| tell(panic.backtrace().map(ToString::to_string)));
    /// # assert!(tk_thread::Builder::new().name("painter").spawn(|| panic!("out of paint"))?.join().is_err());
    /// # drop(receiver.recv().unwrap());
    /// # tk_thread::take_excepthook();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn backtrace(&self) -> Option<&Backtrace> {
        self.backtrace
            .filter(|trace| trace.status() == BacktraceStatus::Captured)
    }
}

/// As the default hook writes it.
impl fmt::Display for UncaughtPanic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Exception in thread {}:", self.thread.name())?;
        write_panic(f, self.message, self.location, self.backtrace())
    }
}

fn write_panic(
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

/// Sets what is called when a panic has ended the function of a thread of the kit, or of a timer. It is called by that
/// thread, which is still in [`enumerate`](crate::enumerate), and instead of all that would have been printed.
///
/// Without one, `Exception in thread NAME:` is printed to the standard error, and what the standard library prints of a panic
/// (or the panic hook that the program has set).
///
/// A hook that panics itself is reported too, and then the panic that it was called for, as the default would do. A panic
/// that the thread catches by itself is not the hook's affair. A thread that ends by [`exit`] is none either, nor is one that
/// the kit has not started.
///
/// In a program with `panic = "abort"` the hook is called at the panic itself, and the process is aborted when it has returned.
///
/// For this the kit sets a panic hook when it starts its first thread, around the one that it finds. A program that has a
/// panic hook of its own should set it before.
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
    watch_panics();
    // It may be the last of its handles.
    drop_guarded(replace_hook(Some(Arc::new(hook))));
}

/// Restores the default, and returns the hook that was set, if there was one.
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

/// The lock is not held any more when the old hook is dropped: it is the user's.
fn replace_hook(hook: Option<Arc<ExceptHook>>) -> Option<Arc<ExceptHook>> {
    std::mem::replace(&mut *HOOK.lock(), hook)
}

/// Writes `Exception in thread NAME:`, the message and the line to the standard error: for a hook that does something
/// besides.
///
/// ```
/// tk_thread::set_excepthook(|panic| {
///     // … tell somebody …
///     tk_thread::default_excepthook(panic);
/// });
/// # tk_thread::take_excepthook();
/// ```
#[doc(alias = "threading.__excepthook__")]
pub fn default_excepthook(panic: &UncaughtPanic<'_>) {
    print(&format!("{panic}\n"));
}

/// By the macro, which knows the standard error of the moment: that of a test is kept for when it fails. It panics if that
/// can't be written to.
fn print(text: &str) {
    call_guarded(|| eprint!("{text}"));
}

/// At the panic, where a panic would end the program.
///
/// Without the standard library's lock: in the child of a fork, a lost thread may have it.
#[cfg(unix)]
pub(crate) fn print_at_panic(text: &str) {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match rustix::io::write(rustix::stdio::stderr(), rest) {
            Ok(written) => rest = &rest[written..],
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
    }
}

/// At the panic, where a panic would end the program.
#[cfg(not(unix))]
pub(crate) fn print_at_panic(text: &str) {
    use std::io::Write;
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// Whether the panic hook is set.
static WATCHES: AtomicBool = AtomicBool::new(false);
/// The number of the panic hook that counts.
static LATEST: AtomicU32 = AtomicU32::new(0);

/// Sets the panic hook, once.
#[inline]
pub(crate) fn watch_panics() {
    // Acquire: pairs with the Release in `set_panic_hook`. Then a panic of this thread finds the hook.
    // A thread that panics may not set a hook. The next caller does.
    if !WATCHES.load(Ordering::Acquire) && !std::thread::panicking() {
        set_panic_hook();
    }
}

/// Others wait until the hook is set. The child of a fork does not wait for a thread of its parent: it sets the hook
/// itself. If the lost thread had set it, too, both hooks are called, and the earlier one only passes the panic on.
#[cold]
fn set_panic_hook() {
    static SETS: Mutex<()> = Mutex::constant(());

    // The global allocator runs with this locked. It starts no threads, so it does not come here.
    let _sets = SETS.lock();
    // Relaxed: it was stored with this locked.
    if WATCHES.load(Ordering::Relaxed) {
        return;
    }
    let number = LATEST.fetch_add(1, Ordering::Relaxed) + 1;
    let previous = take_hook();
    set_hook(Box::new(move |info| {
        // Relaxed: a thread sees the number of the hook that it finds, because std's lock orders both.
        if LATEST.load(Ordering::Relaxed) == number {
            on_panic(info, &*previous);
        } else {
            previous(info);
        }
    }));
    // Release: pairs with the Acquire in `watch_panics`.
    WATCHES.store(true, Ordering::Release);
}

/// The panic hook.
fn on_panic(info: &PanicHookInfo<'_>, previous: &dyn Fn(&PanicHookInfo<'_>)) {
    if EDGES.get() == 0 {
        return previous(info);
    }
    if info.payload().is::<Exit>() {
        return;
    }
    // If it is locked, for the moment of a change, the default will do.
    let own_hook = HOOK.try_lock().and_then(|hook| hook.clone());
    if cfg!(panic = "abort")
        && let Some(hook) = &own_hook
    {
        // There is no edge to come.
        return tell_at_panic(info, &**hook);
    }
    let name = tk_core::current().name();
    let earlier = take_note().filter(|note| !note.told);
    let told = own_hook.is_none() || earlier.is_some();
    drop_guarded(own_hook);
    if let Some(earlier) = earlier {
        let mut text = format!("Exception in thread {name}:\n");
        let _ = write_panic(&mut text, &earlier.message, earlier.location.as_ref(), None);
        print_at_panic(&(text + "\n"));
    }
    if told {
        print_at_panic(&format!("Exception in thread {name}:\n"));
        previous(info);
    }
    let note = Note {
        message: message_of(info.payload()).to_owned(),
        location: info.location().map(PanicLocation::of),
        backtrace: if told {
            Backtrace::disabled()
        } else {
            Backtrace::capture()
        },
        told,
    };
    // The place may be gone, in a destructor of a thread-local value.
    let _ = NOTE.try_with(|place| place.replace(Some(note)));
}

/// Calls the program's excepthook at a panic that ends the process.
#[cold]
fn tell_at_panic(info: &PanicHookInfo<'_>, hook: &ExceptHook) {
    let backtrace = Backtrace::capture();
    hook(&UncaughtPanic {
        thread: current(),
        message: message_of(info.payload()),
        payload: info.payload(),
        location: info.location().map(PanicLocation::of).as_ref(),
        backtrace: Some(&backtrace),
    });
}

fn take_note() -> Option<Note> {
    NOTE.try_with(RefCell::take).ok().flatten()
}

/// What `panic!` was given, if that was a text.
pub(crate) fn message_of(payload: &(dyn Any + Send)) -> &str {
    if let Some(message) = payload.downcast_ref::<&'static str>() {
        message
    } else if let Some(message) = payload.downcast_ref::<String>() {
        message
    } else if payload.is::<Exit>() {
        "exit"
    } else {
        "(no message)"
    }
}

/// Inside of an edge while this exists. A note belongs to the innermost edge: one that stands for a panic which is on its way
/// to an outer edge is put aside, and one that is left when the edge is left stands for a panic that was caught.
struct Edge {
    outer: Option<Note>,
}

impl Edge {
    fn enter() -> Edge {
        EDGES.set(EDGES.get() + 1);
        Edge { outer: take_note() }
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        EDGES.set(EDGES.get() - 1);
        let _ = NOTE.try_with(|place| place.replace(self.outer.take()));
    }
}

/// Calls `f` as a thread's function is called: if it panics, that is reported to the [excepthook](set_excepthook), under
/// the calling thread's name, and is the error.
///
/// For those who call other people's functions in a thread that is to go on: a pool of workers, say.
///
/// ```
/// let error = tk_thread::guarded(|| panic!("out of paint")).unwrap_err();
/// assert_eq!(error.message(), "out of paint");
/// assert_eq!(tk_thread::guarded(|| 7).unwrap(), 7);
/// ```
pub fn guarded<T>(f: impl FnOnce() -> T) -> Result<T, Panicked> {
    watch_panics();
    catch(f).map_err(report)
}

/// A panic that has arrived at an edge, and the note that may be of it.
type Caught = (Box<dyn Any + Send>, Option<Note>);

fn catch<T>(f: impl FnOnce() -> T) -> Result<T, Caught> {
    let _edge = Edge::enter();
    catch_unwind(AssertUnwindSafe(f)).map_err(|payload| (payload, take_note()))
}

/// At the edge.
fn report((payload, note): Caught) -> Panicked {
    let thread = current();
    if payload.is::<Exit>() {
        return Panicked::new(thread.name().into(), payload, None);
    }
    let message = message_of(&*payload);
    let note = note.filter(|note| note.message == message);
    let panic = UncaughtPanic {
        thread: thread.clone(),
        message,
        payload: &*payload,
        location: note.as_ref().and_then(|note| note.location.as_ref()),
        backtrace: note.as_ref().map(|note| &note.backtrace),
    };
    let hook = HOOK.lock().clone();
    match hook {
        Some(hook) => {
            if let Err((second, note)) = catch(|| hook(&panic)) {
                report_hook(&*second, note);
                default_excepthook(&panic);
                drop_guarded(second);
            }
            // It may be the last of its handles.
            drop_guarded(hook);
        }
        None if note.as_ref().is_some_and(|note| note.told) => {}
        None => default_excepthook(&panic),
    }
    Panicked::new(
        thread.name().into(),
        payload,
        note.and_then(|note| note.location),
    )
}

/// The hook has panicked.
fn report_hook(payload: &(dyn Any + Send), note: Option<Note>) {
    let message = message_of(payload);
    let note = note.filter(|note| note.message == message);
    // It has been told if the hook was taken away meanwhile.
    if payload.is::<Exit>() || note.as_ref().is_some_and(|note| note.told) {
        return;
    }
    let location = note.as_ref().and_then(|note| note.location.as_ref());
    let mut text = String::from("Exception in the excepthook:\n");
    let _ = write_panic(&mut text, message, location, None);
    print(&(text + "\n"));
}

/// The payload of a panic that ends a thread without a word: see [`exit`] and [`exit_with`].
///
/// ```
/// use tk_thread::{Exit, exit_with, spawn};
///
/// let error = spawn(|| exit_with(3)).join().unwrap_err();
/// let exit = *error.into_payload().downcast::<Exit>().unwrap();
/// assert_eq!(exit, Exit::with(3));
/// ```
#[doc(alias = "SystemExit")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exit {
    status: i32,
}

impl Exit {
    /// The payload of [`exit`]: the status is zero.
    ///
    /// ```
    /// use tk_thread::{Exit, spawn};
    ///
    /// let error = spawn(|| std::panic::panic_any(Exit::SUCCESS)).join().unwrap_err();
    /// assert!(error.is_exit());
    /// ```
    pub const SUCCESS: Exit = Exit { status: 0 };

    /// The payload of [`exit_with`].
    ///
    /// ```
    /// assert_eq!(tk_thread::Exit::with(0), tk_thread::Exit::SUCCESS);
    /// ```
    pub const fn with(status: i32) -> Exit {
        Exit { status }
    }

    /// The status that the process is to end with, if this ends it.
    ///
    /// ```
    /// assert_eq!(tk_thread::Exit::with(3).status(), 3);
    /// ```
    pub const fn status(self) -> i32 {
        self.status
    }
}

/// Ends the calling thread: what is on its stack is dropped, and nothing is reported.
///
/// | called in | what it does |
/// |---|---|
/// | a thread of the kit | the thread ends as if it had returned; its join is an error with [`Panicked::is_exit`] |
/// | the function of [`main`](crate::main()), on the main thread | the function ends; then the exit hooks run, the program waits for all that holds it open, and the process ends with success |
/// | a timer's function | the function ends |
/// | an exit hook, a hook of threads, the excepthook | the hook ends |
/// | any other thread | it is a panic with the payload [`Exit`], of which nothing is reported |
///
/// It unwinds, as a panic does: `catch_unwind` catches it, and a [`Drop`] that is run by it must not panic. In a program with
/// `panic = "abort"` nothing can be unwound. There, in the function of `main`, it runs the exit hooks, waits, and ends the
/// process without dropping what is on the stack; in any other place it says so on the standard error and aborts the process.
///
/// ```
/// let error = tk_thread::spawn(|| tk_thread::exit()).join().unwrap_err();
/// assert!(error.is_exit());
/// ```
#[doc(alias = "_thread.exit")]
#[doc(alias = "pthread_exit")]
pub fn exit() -> ! {
    exit_with(0)
}

/// As [`exit`], with a status. In the function of [`main`](crate::main()), on the main thread, it is that of the process; of
/// another thread it is what [`Panicked::exit_status`] says.
///
/// ```
/// let error = tk_thread::spawn(|| tk_thread::exit_with(3)).join().unwrap_err();
/// assert_eq!(error.exit_status(), Some(3));
/// ```
///
/// ```no_run
/// tk_thread::main(|| {
///     tk_thread::spawn(|| println!("the process waits for me, and ends with 3"));
///     tk_thread::exit_with(3);
/// });
/// ```
#[doc(alias = "sys.exit")]
pub fn exit_with(status: i32) -> ! {
    let exit = Exit::with(status);
    if cfg!(panic = "abort") {
        exit_without_unwinding(exit);
    }
    resume_unwind(Box::new(exit))
}
