//! The program as a whole: it ends when nothing holds it open.
//!
//! ```text
//!   main function  ------>  exit hooks  ------>  waiting  ------------------>  ended
//!                 returns              have run          no token is left,
//!                 or panics                              or the grace is over
//! ```
//!
//! # Invariants
//!
//! 1. *The program holds itself open*: it has a token while the main function and the hooks run.
//! 2. *The list of hooks is closed before the first one runs.*
//! 3. *One step*: whether there is no token, and that none can be taken from now on, is decided at once.
//! 4. *A thread's token is gone after the thread is known to be ending*: it leaves the registry, and is in
//!    [`tk_core::__private::ending`], before it drops its token. So a program without tokens finds each thread that still runs
//!    destructors there, and waits for it as well. A C destructor is run to its end; and a thread that is inside of C's `exit`,
//!    which destroys its thread-local values before all else, is not overtaken by the end of the main function.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use tk_core::__private::{
    HolderExt, KeepAliveExt, Program, ThreadRecordExt, drop_guarded, ending, log_guarded,
    shutting_down,
};
use tk_core::{Holder, KeepAlive, ShuttingDown, ThreadRecord};
use tk_park::sync::AtomicBool;
use tk_park::{Limit, WaitError, WaitInfo, park_while, unpark_all, watch_forks};

use crate::panic_hook::print_at_panic;
use crate::shared::wait_until_gone;
use crate::{Exit, Thread, catch_panic, current, enumerate};

/// What a thread that called `main` parks on when its own work is done. The word says nothing: the count of tokens does.
static END: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// How the program ends that the calling thread runs, if it runs one, and in which process. Without a destructor.
    static RUNS: Cell<Option<(Shutdown, u32)>> = const { Cell::new(None) };
}

/// How the program ends that the calling thread runs in this process. The child of a fork may run one inside of that which the
/// parent ran.
fn runs() -> Option<Shutdown> {
    let (shutdown, process) = RUNS.get()?;
    (process == Program::process()).then_some(shutdown)
}

/// Has the program call `f` when the function given to [`main`](crate::main()) has returned or panicked, and before it waits
/// for the threads that hold it open. The latest function is called first, by the thread that called `main`.
///
/// A panic in `f` is reported to the [excepthook](crate::set_excepthook), and the others are called all the same. A function
/// that is given before `main` is called is called as well. In a program that does not call `main`, nobody calls it.
///
/// # Errors
///
/// If these functions are being called already, or have been. Then `f` is dropped.
///
/// ```
/// tk_thread::main(|| {
///     // When the program wants to end, ask every thread to stop.
///     tk_thread::at_exit(|| {
///         for thread in tk_thread::enumerate() {
///             thread.request_stop();
///         }
///     })
///     .unwrap();
///     tk_thread::spawn(|| tk_thread::sleep_with(&tk_thread::stop_token()));
/// });
/// ```
#[doc(alias = "threading._register_atexit")]
#[doc(alias = "atexit")]
pub fn at_exit(f: impl FnOnce() + Send + 'static) -> Result<(), ShuttingDown> {
    let rejected = Program::current().at_exit(Box::new(f));
    rejected.map_err(|_| shutting_down())
}

/// Runs the program: calls `f`, then waits until no thread and no timer holds the program open, and returns what `f`
/// returned: an [`ExitCode`](std::process::ExitCode), say.
///
/// In this order:
///
/// 1. `f` is called.
/// 2. The functions given to [`at_exit`] are called, the latest first.
/// 3. Threads that have joined the [main thread](crate::main_thread) go on.
/// 4. The program waits: every thread that is not a daemon holds it open until it is gone, also one that is started now. So
///    does every pending timer of `tk-timer` that is not a daemon, and every [`KeepAlive`]. [`Shutdown`] limits this.
/// 5. From here on nothing that belongs to the program can be started by its threads: that is an error. Daemons are left
///    behind: the process ends under them when `fn main` returns.
///
/// [`exit`](crate::exit) and [`exit_with`](crate::exit_with) in `f` end `f`, and when all of this is done they end the
/// process with their status. `std::process::exit` ends the process immediately, from any thread.
///
/// # Where it is called
///
/// In `fn main`, once, as a rule. Then the program is that of the process: threads that were started before belong to it, and
/// those that are started by threads which the kit knows nothing of.
///
/// On another thread than the main one (in a test, say) it runs a program of its own. What `f` starts belongs to that, and
/// what those threads and timers start, and so on; `main` waits for those alone, and its end refuses nothing to others. The
/// calling thread is the [main thread](crate::main_thread) to them, and counts as no daemon meanwhile.
/// [`exit`](crate::exit) ends the thread, not the process.
///
/// After `main` has returned, the thread that called it is outside of the program. It may start threads, for which nobody
/// waits, or call `main` again.
///
/// # Panics
///
/// If `f` panics, all of this is done first. If it is called inside of `main` by the same thread: in `f` or in a function
/// given to [`at_exit`].
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering};
///
/// static DONE: AtomicBool = AtomicBool::new(false);
///
/// fn main() {
///     tk_thread::main(|| {
///         tk_thread::spawn(|| DONE.store(true, Ordering::Relaxed));
///     });
///     assert!(DONE.load(Ordering::Relaxed));
/// }
/// ```
#[doc(alias = "threading._shutdown")]
#[track_caller]
pub fn main<T>(f: impl FnOnce() -> T) -> T {
    match Shutdown::new().run(f) {
        Ok(value) => value,
        // Without a grace period it does not run out.
        Err(expired) => expired.into_value(),
    }
}

/// How the program is to end: [`main`](crate::main()) with a limit.
///
/// ```
/// use std::process::ExitCode;
/// use std::time::Duration;
/// use tk_thread::Shutdown;
///
/// fn main() -> ExitCode {
///     let result = Shutdown::new().grace(Duration::from_millis(10)).run(|| {
///         // Does not end by itself.
///         tk_thread::Builder::new()
///             .name("straggler")
///             .spawn(|| tk_thread::sleep(Duration::MAX))
///             .unwrap();
///         ExitCode::SUCCESS
///     });
///     // WARN the program ends without <Thread(straggler, started 2)>, which waits for sleep 0x7f… at src/main.rs:10:23
///     match result {
///         Ok(code) => code,
///         Err(expired) => {
///             assert_eq!(expired.stragglers()[0].name(), "straggler");
///             # if true { return ExitCode::SUCCESS }
///             ExitCode::FAILURE
///         }
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[must_use = "the program is run by `run`"]
pub struct Shutdown {
    grace: Option<Duration>,
}

impl Shutdown {
    /// Waits forever.
    ///
    /// ```
    /// use tk_thread::Shutdown;
    ///
    /// let result = Shutdown::new().run(|| {
    ///     tk_thread::spawn(|| println!("the program has waited for me"));
    ///     7
    /// });
    /// assert_eq!(result.unwrap(), 7);
    /// ```
    pub fn new() -> Shutdown {
        Shutdown::default()
    }

    /// For how long the program is held open, at most, counted from the end of the exit hooks. Then [`run`](Shutdown::run)
    /// returns an error that names what still holds the program open, and with what it waits for; and the program ends
    /// without it, as it ends without daemons. Zero means not to wait.
    ///
    /// The names are also logged at level warn, or written to the standard error if nothing is logged at all.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_thread::Shutdown;
    ///
    /// let result = Shutdown::new().grace(Duration::from_millis(10)).run(|| {
    ///     tk_thread::spawn(|| tk_thread::sleep(Duration::MAX));
    /// }); // Does not wait forever.
    /// assert!(result.is_err());
    /// ```
    pub fn grace(mut self, grace: Duration) -> Shutdown {
        self.grace = Some(grace);
        self
    }

    /// Runs the program: see [`main`](crate::main()).
    ///
    /// If `f` ends by [`exit`](crate::exit) or [`exit_with`](crate::exit_with) and the grace period runs out, a status of
    /// zero becomes 1.
    ///
    /// # Errors
    ///
    /// If the grace period is over. The error has what `f` returned.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let shutdown = tk_thread::Shutdown::new().grace(Duration::from_secs(60));
    /// assert_eq!(shutdown.run(|| 7).unwrap(), 7);
    /// ```
    ///
    /// # Panics
    ///
    /// If `f` does, after all else. If it is called inside of [`main`](crate::main()) by the same thread.
    #[track_caller]
    pub fn run<T>(self, f: impl FnOnce() -> T) -> Result<T, GraceExpired<T>> {
        let running = Running::begin(self);
        let result = catch_unwind(AssertUnwindSafe(f));
        let is_main = running.is_main();
        let stragglers = running.end();
        match result {
            Ok(value) if stragglers.is_empty() => Ok(value),
            Ok(value) => Err(GraceExpired { value, stragglers }),
            Err(payload) => match payload.downcast_ref::<Exit>() {
                Some(exit) if is_main => exit_process(*exit, &stragglers),
                _ => resume_unwind(payload),
            },
        }
    }

    /// Waits until nothing holds the program open. Returns what does when the grace is over.
    #[track_caller]
    fn wait_for_the_others(&self, program: &Program) -> Vec<Holder> {
        // The count is looked at after this, and a thread that brings it to zero after that calls the function.
        Program::on_zero(|| {
            unpark_all(&END, 0);
        });
        let limit = self.grace.map_or(Limit::never(), Limit::after);
        let wait = WaitInfo::new("end of the program");
        let mut is_told = false;
        loop {
            let is_idle = program.tokens() == 0 && wait_for_tails(program, &wait, limit).is_ok();
            if is_idle && program.try_close() {
                return Vec::new();
            }
            if limit.is_expired() {
                return expire(program);
            }
            if !is_told {
                is_told = true;
                let tokens = program.tokens();
                log_guarded(|| log::trace!("the program waits for {tokens} threads and timers"));
            }
            // Whether it reached the limit is looked at above.
            let _ = park_while(&END, || program.tokens() > 0, &wait, limit);
        }
    }
}

/// A program that runs, on the thread that called `main`.
struct Running {
    shutdown: Shutdown,
    program: Program,
    open: Option<KeepAlive>,
    /// What the thread was outside of the program.
    thread: Thread,
    before: Program,
    daemon: bool,
    around: Option<(Shutdown, u32)>,
}

impl Running {
    #[track_caller]
    fn begin(shutdown: Shutdown) -> Running {
        assert!(
            runs().is_none(),
            "`tk_thread::main` is called inside of itself, by the same thread"
        );
        watch_forks();
        // The main thread is registered as such when it first asks who it is.
        let thread = current();
        let program = if thread.is_main() {
            Program::root()
        } else {
            Program::of(thread.record().clone())
        };
        let open = Some(KeepAlive::reopen(&program));
        program.open_hooks();
        let before = program.enter();
        let daemon = thread.record().set_daemon(false);
        let around = RUNS.replace(Some((shutdown, Program::process())));
        Running {
            shutdown,
            program,
            open,
            thread,
            before,
            daemon,
            around,
        }
    }

    fn is_main(&self) -> bool {
        self.thread.is_main()
    }

    #[track_caller]
    fn end(mut self) -> Vec<Holder> {
        let stragglers = end(self.shutdown, &self.program, &self.thread, || {
            drop(self.open.take());
        });
        RUNS.set(self.around);
        self.thread.record().set_daemon(self.daemon);
        self.before.enter();
        stragglers
    }
}

/// All that is done when the main function is left. `close` gives back the program's own token.
#[track_caller]
fn end(
    shutdown: Shutdown,
    program: &Program,
    thread: &Thread,
    close: impl FnOnce(),
) -> Vec<Holder> {
    for hook in program.close_hooks() {
        // What has panicked has been reported.
        drop_guarded(catch_panic(hook));
    }
    if thread.is_main() {
        thread.shared().set_gone();
    } else {
        program.note_return();
        thread.shared().look_again();
    }
    close();
    shutdown.wait_for_the_others(program)
}

fn exit_process(exit: Exit, stragglers: &[Holder]) -> ! {
    let status = exit.status();
    let expired = !stragglers.is_empty() && status == 0;
    std::process::exit(if expired { 1 } else { status })
}

/// Where a panic ends the process, [`exit_with`](crate::exit_with) can't leave the functions that are on the stack. In the main
/// function of the process's program it does all that comes after that function, and ends the process. A thread can't be
/// ended.
pub(crate) fn exit_without_unwinding(exit: Exit) -> ! {
    let thread = current();
    if let Some(shutdown) = runs()
        && thread.is_main()
    {
        // A hook that calls it again is no main function.
        RUNS.set(None);
        let program = Program::root();
        let stragglers = end(shutdown, &program, &thread, || {
            // In the child of a fork it may have none.
            if program.tokens() > 0 {
                program.release();
            }
        });
        exit_process(exit, &stragglers);
    }
    print_at_panic(&format!(
        "{thread:?} calls tk_thread::exit, which can't end a thread in a program with panic = \"abort\"\n"
    ));
    std::process::abort()
}

/// The threads of the program that have left the registry, and may still run destructors.
fn tails(program: &Program) -> impl Iterator<Item = ThreadRecord> {
    let tails = ending().into_iter();
    tails.filter(|record| !record.is_daemon() && program.has(record))
}

fn wait_for_tails(program: &Program, wait: &WaitInfo, limit: Limit<'_>) -> Result<(), WaitError> {
    tails(program).try_for_each(|record| wait_until_gone(&record, &END, wait, limit))
}

/// The grace is over.
fn expire(program: &Program) -> Vec<Holder> {
    program.close();
    let stragglers = holders(program);
    for straggler in &stragglers {
        if log::max_level() == log::LevelFilter::Off {
            print_at_panic(&format!("the program ends without {straggler}\n"));
        } else {
            log_guarded(|| log::warn!("the program ends without {straggler}"));
        }
    }
    stragglers
}

/// What holds the program open.
fn holders(program: &Program) -> Vec<Holder> {
    let me = current();
    let threads = enumerate().into_iter().filter(|thread| {
        *thread != me && !thread.is_daemon() && !thread.is_main() && program.has(thread.record())
    });
    let threads = threads.map(|thread| {
        let does = match thread.blocked_on() {
            Some(waiting) => format!("waits for {waiting:?}"),
            None => "runs".to_owned(),
        };
        Holder::with_text("thread", thread.name(), format!("{thread:?}, which {does}"))
    });
    let tails = tails(program).map(|record| {
        let text = format!("{record:?}, which runs its last destructors");
        Holder::with_text("thread", record.name(), text)
    });
    let mut holders: Vec<_> = threads.chain(program.holders()).collect();
    let unlisted = program.tokens().saturating_sub(holders.len());
    holders.extend(tails);
    if unlisted > 0 {
        let are_some_named = holders.iter().any(|holder| holder.kind() == "timer");
        let more = if are_some_named { "more " } else { "" };
        let plural = if unlisted == 1 { "" } else { "s" };
        let text = format!("{unlisted} {more}timer{plural}");
        holders.push(Holder::with_text("timer", "(unnamed)", text));
    }
    holders
}

/// The grace period of a [`Shutdown`] is over, and the program ends while something still holds it open.
///
/// `fn main` can return it: `fn main() -> Result<(), GraceExpired<()>>` names the stragglers and ends with a failure.
///
/// ```
/// use std::time::Duration;
/// use tk_thread::{Builder, Shutdown};
///
/// let result = Shutdown::new().grace(Duration::ZERO).run(|| {
///     Builder::new().name("straggler").spawn(|| tk_thread::sleep(Duration::MAX)).unwrap();
///     7
/// });
/// let expired = result.unwrap_err();
/// assert_eq!(expired.stragglers()[0].kind(), "thread");
/// assert_eq!(expired.into_value(), 7);
/// ```
pub struct GraceExpired<T> {
    value: T,
    stragglers: Vec<Holder>,
}

impl<T> GraceExpired<T> {
    /// What the program has not waited for: threads, timers and [`KeepAlive`]s.
    ///
    /// ```
    /// # use tk_thread::GraceExpired;
    /// fn names<T>(expired: &GraceExpired<T>) -> Vec<&str> {
    ///     expired.stragglers().iter().map(|straggler| straggler.name()).collect()
    /// }
    /// # let _ = names::<()>;
    /// ```
    pub fn stragglers(&self) -> &[Holder] {
        &self.stragglers
    }

    /// What the main function returned.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tk_thread::Shutdown;
    /// let shutdown = Shutdown::new().grace(Duration::ZERO);
    /// let value = shutdown.run(|| 7).unwrap_or_else(|expired| expired.into_value());
    /// assert_eq!(value, 7);
    /// ```
    pub fn into_value(self) -> T {
        self.value
    }
}

impl<T> fmt::Display for GraceExpired<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the grace period is over, and the program ends without ")?;
        for (i, straggler) in self.stragglers.iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}{straggler}")?;
        }
        Ok(())
    }
}

impl<T> fmt::Debug for GraceExpired<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraceExpired")
            .field("stragglers", &self.stragglers)
            .finish_non_exhaustive()
    }
}

impl<T> Error for GraceExpired<T> {}
