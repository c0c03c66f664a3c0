//! Reporting panics: the panic hook, and the scopes that catch a panic.
//!
//! A panic is seen twice. The *panic hook* of the standard library runs when it happens. Only there
//! the location is known, and only there a panic that is about to abort the process can still be
//! reported. Later the panic may reach a *catch scope*, which is where the kit calls a function of
//! the user: then it is certain that nobody else has caught it.
//!
//! The excepthook is for panics that nobody has caught, so a hook of the program's own is called at
//! the catch scope. The default report needs no catch scope: it is a line before the output of the
//! panic hook that was there first. It is written at the panic, so that it is not lost if the
//! process aborts.
//!
//! | excepthook | at the panic | at the catch scope |
//! |---|---|---|
//! | the default | writes `Exception in thread NAME:`, and calls the panic hook that was there | nothing more |
//! | the program's own | keeps the panic as *pending* | calls the excepthook |
//! | the program's own, at a panic that can't unwind | writes all that are pending, and this one | is never reached |
//! | the program's own, with `panic = "abort"` | calls the excepthook | is never reached |
//!
//! # Invariants
//!
//! **Reported once.** The excepthook that is set at the panic decides which row of the table
//! counts. A panic that the default has reported is not given to an excepthook that is set between
//! the panic and the catch scope. If the excepthook is removed in between, the default reports the
//! panic at the catch scope.
//!
//! **No panic is lost.** A drop that panics while another panic unwinds ends in a third panic, of
//! the standard library, which can't unwind and aborts the process. So does a panic in a function
//! that can't unwind. The panics that are pending then are written out. Some of them may have been
//! caught by the user's code: the panic hook can't tell.
//!
//! **Matching message.** At the catch scope, the latest pending panic with the same message as the
//! one that arrives is taken for it. The others were caught, before it or in a drop that it ran. A
//! payload that was passed to `resume_unwind` has no pending panic, because the panic hook does not
//! run for it.
//!
//! **Bounded.** A scope keeps the first pending panic and the latest ones, [`MAX_PENDING`] in all.
//! The first, because a drop that it runs may catch all the others, and the latest, because the
//! others may have been caught before. If the one that arrives is no longer kept, then its location
//! is not known, and it is reported once more.
//!
//! **`Exit` is silent.** A panic with the payload [`Exit`] is reported nowhere.
//!
//! **Innermost scope.** A pending panic belongs to the innermost catch scope. Those of an outer
//! scope, one of which may be unwinding toward it, are put aside until the inner scope is left.

use std::any::Any;
use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::mem::{self, ManuallyDrop};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, set_hook, take_hook};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use tk_core::__private::drop_guarded;
use tk_core::__private::fork::Mutex;

use crate::excepthook::{
    ExceptHook, PanicLocation, UncaughtPanic, current_excepthook, print, write_panic,
};
use crate::{Exit, Panicked, current, default_excepthook};

thread_local! {
    /// The number of catch scopes that the calling thread is inside of.
    static CATCH_DEPTH: Cell<u32> = const { Cell::new(0) };

    /// The panics of this thread in the innermost catch scope, the latest last.
    ///
    /// Not dropped with the thread, so that a destructor which runs very late has it too. It leaks
    /// nothing: a scope empties it when it is left.
    static PENDING: ManuallyDrop<RefCell<Vec<PendingPanic>>> =
        const { ManuallyDrop::new(RefCell::new(Vec::new())) };
}

/// The number of panics that a catch scope keeps: *bounded*.
const MAX_PENDING: usize = 8;

/// A panic as the panic hook has seen it.
struct PendingPanic {
    message: String,
    location: Option<PanicLocation>,
    backtrace: Backtrace,
    reported: Reported,
}

/// Whether and how a panic was reported when it happened.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reported {
    /// Nothing: it is left to the catch scope.
    No,
    /// It has been written out because it aborts the process: *no panic is lost*.
    ForSafety,
    /// The default has reported it, because there was no excepthook.
    ByDefault,
}

impl PendingPanic {
    fn is_reported(&self) -> bool {
        self.reported != Reported::No
    }
}

fn take_pending() -> Vec<PendingPanic> {
    PENDING.with(|pending| pending.take())
}

fn set_pending(panics: Vec<PendingPanic>) {
    PENDING.with(|pending| pending.replace(panics));
}

fn add_pending(panic: PendingPanic) {
    let mut pending = take_pending();
    if pending.len() == MAX_PENDING {
        // Bounded: not the first.
        pending.remove(1);
    }
    pending.push(panic);
    set_pending(pending);
}

/// Whether a panic can unwind. If not, the process aborts when the panic hook returns.
///
/// The standard library tells it in the text for debugging only. If a later version does not tell
/// it there, then each panic is taken for one that can't: it is written out, and goes to the
/// excepthook if the process goes on.
fn can_unwind(info: &PanicHookInfo<'_>) -> bool {
    format!("{info:?}").contains("can_unwind: true")
}

/// Whether the panic hook is installed.
static INSTALLED: AtomicBool = AtomicBool::new(false);

/// The number of the panic hook that is in force.
static LATEST: AtomicU32 = AtomicU32::new(0);

/// Installs the panic hook, once.
#[inline]
pub(crate) fn install_panic_hook() {
    // Acquire: pairs with the Release in `install`. Then a panic of this thread finds the hook.
    // A thread that panics may not set a panic hook. The next caller does.
    if !INSTALLED.load(Ordering::Acquire) && !std::thread::panicking() {
        install();
    }
}

/// Other threads wait until the hook is installed.
///
/// The child of a fork does not wait for a thread of its parent: it installs the hook itself. If
/// the lost thread had installed it too, then both hooks are called, and the earlier one only
/// passes the panic on.
#[cold]
fn install() {
    static INSTALLING: Mutex<()> = Mutex::constant(());

    // The global allocator runs with this locked. It starts no threads, so it does not come here.
    let _installing = INSTALLING.lock();
    // Relaxed: it was stored with this locked.
    if INSTALLED.load(Ordering::Relaxed) {
        return;
    }
    let number = LATEST.fetch_add(1, Ordering::Relaxed) + 1;
    let previous = take_hook();
    set_hook(Box::new(move |info| {
        // Relaxed: a thread sees the number of the hook that it finds, because std's lock orders
        // both.
        if LATEST.load(Ordering::Relaxed) == number {
            on_panic(info, &*previous);
        } else {
            previous(info);
        }
    }));
    // Release: pairs with the Acquire in `install_panic_hook`.
    INSTALLED.store(true, Ordering::Release);
}

/// The panic hook.
fn on_panic(info: &PanicHookInfo<'_>, previous: &dyn Fn(&PanicHookInfo<'_>)) {
    // Not a thread that the kit has started.
    if CATCH_DEPTH.get() == 0 {
        return previous(info);
    }
    if info.payload().is::<Exit>() {
        return;
    }
    let excepthook = current_excepthook();
    // No catch scope will be reached.
    if cfg!(panic = "abort")
        && let Some(hook) = &excepthook
    {
        return call_at_panic(info, &**hook);
    }
    let name = tk_core::current().name();
    let reported = match &excepthook {
        None => Reported::ByDefault,
        Some(_) if can_unwind(info) => Reported::No,
        Some(_) => Reported::ForSafety,
    };
    // It may be the last handle of the hook, which is the program's.
    drop_guarded(excepthook);
    if reported == Reported::ForSafety {
        write_pending(&name);
    }
    // The panic hook that was there captures a backtrace by itself.
    let backtrace = if reported == Reported::No {
        Backtrace::capture()
    } else {
        print_at_panic(&format!("Exception in thread {name}:\n"));
        previous(info);
        Backtrace::disabled()
    };
    add_pending(PendingPanic {
        message: message_of(info.payload()).to_owned(),
        location: info.location().map(PanicLocation::of),
        backtrace,
        reported,
    });
}

/// Writes the panics that nobody has reported, because the process is about to abort.
#[cold]
fn write_pending(name: &str) {
    let mut pending = take_pending();
    for earlier in pending.iter_mut().filter(|earlier| !earlier.is_reported()) {
        let mut text = format!("Exception in thread {name}:\n");
        let _ = write_panic(&mut text, &earlier.message, earlier.location.as_ref(), None);
        print_at_panic(&(text + "\n"));
        earlier.reported = Reported::ForSafety;
    }
    set_pending(pending);
}

/// Calls the program's excepthook at a panic that ends the process.
#[cold]
fn call_at_panic(info: &PanicHookInfo<'_>, hook: &ExceptHook) {
    let backtrace = Backtrace::capture();
    hook(&UncaughtPanic {
        thread: current(),
        message: message_of(info.payload()),
        payload: info.payload(),
        location: info.location().map(PanicLocation::of).as_ref(),
        backtrace: Some(&backtrace),
    });
}

/// Returns the text that `panic!` was given, if it was one.
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

/// Writes to the standard error in the panic hook, where a panic would abort the process.
///
/// Does not take the standard library's lock, which a lost thread may hold in the child of a fork.
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

/// Writes to the standard error in the panic hook, where a panic would abort the process.
#[cfg(not(unix))]
pub(crate) fn print_at_panic(text: &str) {
    use std::io::Write;
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// The calling thread is inside of a catch scope while this exists: *innermost scope*.
struct CatchScope {
    outer: Vec<PendingPanic>,
}

impl CatchScope {
    fn enter() -> CatchScope {
        CATCH_DEPTH.set(CATCH_DEPTH.get() + 1);
        CatchScope {
            outer: take_pending(),
        }
    }
}

impl Drop for CatchScope {
    fn drop(&mut self) {
        CATCH_DEPTH.set(CATCH_DEPTH.get() - 1);
        // The pending panics that are still there were caught inside of the scope.
        set_pending(mem::take(&mut self.outer));
    }
}

/// Calls `f` as a thread's function is called. If it panics, the panic is reported to the
/// [excepthook](crate::set_excepthook) under the calling thread's name, and returned.
///
/// Use it where a thread calls functions of other authors and is to go on after a panic, as the
/// workers of a pool do.
///
/// # Errors
///
/// If `f` panics, or ends by [`exit`](crate::exit).
///
/// ```
/// let error = tk_thread::catch_panic(|| panic!("out of paint")).unwrap_err();
/// assert_eq!(error.message(), "out of paint");
/// assert_eq!(tk_thread::catch_panic(|| 7).unwrap(), 7);
/// ```
#[doc(alias = "catch_unwind")]
pub fn catch_panic<T>(f: impl FnOnce() -> T) -> Result<T, Panicked> {
    install_panic_hook();
    catch(f).map_err(report)
}

/// A panic that has reached a catch scope, and what the panic hook has seen of it.
type Caught = (Box<dyn Any + Send>, Option<PendingPanic>);

fn catch<T>(f: impl FnOnce() -> T) -> Result<T, Caught> {
    let _scope = CatchScope::enter();
    catch_unwind(AssertUnwindSafe(f)).map_err(|payload| {
        let message = message_of(&*payload);
        let mut panics = take_pending().into_iter();
        // Matching message.
        let pending = panics.rfind(|panic| panic.message == message);
        (payload, pending)
    })
}

/// Reports a panic at the catch scope.
fn report((payload, pending): Caught) -> Panicked {
    let thread = current();
    if payload.is::<Exit>() {
        return Panicked::new(thread.name().into(), payload, None);
    }
    let message = message_of(&*payload);
    let panic = UncaughtPanic {
        thread: thread.clone(),
        message,
        payload: &*payload,
        location: pending
            .as_ref()
            .and_then(|pending| pending.location.as_ref()),
        backtrace: pending.as_ref().map(|pending| &pending.backtrace),
    };
    let reported = pending
        .as_ref()
        .map_or(Reported::No, |pending| pending.reported);
    // Reported once: a hook that was set after the panic is not asked for.
    let hook = match reported {
        Reported::ByDefault => None,
        Reported::No | Reported::ForSafety => current_excepthook(),
    };
    match hook {
        Some(hook) => {
            if let Err((second, pending)) = catch(|| hook(&panic)) {
                report_hook(&*second, pending);
                default_excepthook(&panic);
                drop_guarded(second);
            }
            // It may be the last handle of the hook.
            drop_guarded(hook);
        }
        None if reported == Reported::No => default_excepthook(&panic),
        None => {}
    }
    Panicked::new(
        thread.name().into(),
        payload,
        pending.and_then(|pending| pending.location),
    )
}

/// Reports a panic of the excepthook itself.
fn report_hook(payload: &(dyn Any + Send), pending: Option<PendingPanic>) {
    let message = message_of(payload);
    // It has been reported if the hook was removed before it panicked.
    if payload.is::<Exit>() || pending.as_ref().is_some_and(PendingPanic::is_reported) {
        return;
    }
    let location = pending
        .as_ref()
        .and_then(|pending| pending.location.as_ref());
    let mut text = String::from("Exception in the excepthook:\n");
    let _ = write_panic(&mut text, message, location, None);
    print(&(text + "\n"));
}
