//! The program as a whole: it ends when nothing holds it open.
//!
//! ```text
//!   main function  ------>  exit hooks  ------>  waiting  ------------------>  ended
//!                 returns              have run          no token is left,
//!                 or panics                              or the grace is over
//! ```
//!
//! | operation | main function | exit hooks | waiting | ended |
//! |---|---|---|---|---|
//! | start a thread or timer | allowed | allowed | allowed | an error |
//! | `at_exit` | allowed | an error | an error | an error |
//! | join the main thread | waits | waits | returns | returns |
//!
//! # Invariants
//!
//! **The program holds itself open.** It has a token while the main function and the exit hooks
//! run.
//!
//! **Closed before called.** The list of exit hooks is closed before the first one runs, so no hook
//! is added and forgotten.
//!
//! **One step.** Whether there is no token, and that none can be taken from then on, is decided by
//! one atomic operation.
//!
//! **Known to be ending.** A thread leaves the registry, and is in [`tk_core::__private::ending`],
//! before it drops its token. So a program without tokens finds there each thread that still runs
//! destructors, and waits for it too. A C destructor runs to its end. A thread inside of C's
//! `exit`, which destroys its thread-local values first, is not overtaken by the end of the main
//! function.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use tk_core::__private::{
    KeepAliveExt, Program, ThreadRecordExt, drop_guarded, log_guarded, note_thread, shutting_down,
};
use tk_core::{Holder, KeepAlive, ShuttingDown};
use tk_park::sync::AtomicBool;
use tk_park::{Limit, WaitError, WaitInfo, park_while, unpark_all, watch_forks};

use crate::grace::{expire, tails};
use crate::panic_hook::print_at_panic;
use crate::tail::wait_until_gone;
use crate::{Exit, GraceExpired, Thread, catch_panic, current};

/// The word that a thread which has called `main` parks on. Its value has no meaning: the count of
/// tokens is the condition.
static END: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// How the program that the calling thread runs is to end, and its process. It has no
    /// destructor.
    static RUNS: Cell<Option<(Shutdown, u32)>> = const { Cell::new(None) };
}

/// Returns how the program that the calling thread runs in this process is to end. The child of a
/// fork may run a program inside of the one that its parent ran.
fn runs() -> Option<Shutdown> {
    let (shutdown, process) = RUNS.get()?;
    (process == Program::process()).then_some(shutdown)
}

/// Registers a function that the program calls when the function given to [`main`](crate::main())
/// has returned or panicked, before it waits for the threads that hold it open.
///
/// The thread that called `main` calls the functions, the latest first. A panic in one is reported
/// to the [excepthook](crate::set_excepthook), and the others are still called. A function may be
/// registered before `main` is called. A program that does not call `main` never calls it.
///
/// # Errors
///
/// If the program calls these functions already, or has called them. Then `f` is dropped.
///
/// ```
/// tk_thread::main(|| {
///     // When the main function has returned, request a stop of every thread.
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

/// Runs the program: calls `f`, waits until no thread and no timer holds the program open, and
/// returns what `f` returned, such as an [`ExitCode`](std::process::ExitCode).
///
/// In this order:
///
/// 1. `f` is called.
/// 2. The functions given to [`at_exit`] are called, the latest first.
/// 3. Threads that wait for the [main thread](crate::main_thread) go on.
/// 4. The program waits. Each thread that is not a daemon holds it open until the thread has
///    exited, even if it is started now. So does each pending timer of `tk-timer` that is not a
///    daemon, and each [`KeepAlive`]. [`Shutdown`] limits this wait.
/// 5. From here on, the threads of the program get an error when they start a thread or a timer.
///    Daemons are left behind: they end with the process, when `fn main` returns.
///
/// [`exit`](crate::exit()) and [`exit_with`](crate::exit_with) in `f` end `f`. After the steps
/// above they end the process with their status. `std::process::exit` ends the process immediately,
/// from any thread.
///
/// # Where it is called
///
/// Usually once, in `fn main`. Then it is the program of the process. Threads that were started
/// before belong to it, and so do those that are started by threads which the kit has not started.
///
/// On another thread than the main one, in a test for example, `main` runs a program of its own.
/// The threads and timers that `f` starts belong to that program, and so do those that they start.
/// `main` waits for these alone, and its end affects no others. For them, the calling thread is the
/// [main thread](crate::main_thread), and it does not count as a daemon meanwhile.
/// [`exit`](crate::exit()) ends the thread, not the process.
///
/// After `main` has returned, the calling thread is outside of the program. It may start threads,
/// for which no program waits, or call `main` again.
///
/// # Panics
///
/// With the panic of `f`, after the steps above. Also if the same thread calls it inside of `main`:
/// in `f`, or in a function given to [`at_exit`].
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
        // There is no grace period.
        Err(expired) => expired.into_value(),
    }
}

/// Runs a program that waits only for a while at its end: [`main`](crate::main()) with a limit.
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
///     // WARN the program ends without <Thread(straggler, started 2)>, which waits for sleep
///     // 0x7f… at src/main.rs:10:23
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
    /// Makes a shutdown that waits forever.
    ///
    /// ```
    /// use tk_thread::Shutdown;
    ///
    /// let result = Shutdown::new().run(|| {
    ///     tk_thread::spawn(|| println!("the program waits for me"));
    ///     7
    /// });
    /// assert_eq!(result.unwrap(), 7);
    /// ```
    pub fn new() -> Shutdown {
        Shutdown::default()
    }

    /// Sets how long the program waits at most, counted from the end of the exit hooks.
    ///
    /// When the time is up, [`run`](Shutdown::run) returns an error that names what still holds the
    /// program open and what that waits for. The program ends without it, as it ends without
    /// daemons. Zero means not to wait.
    ///
    /// The names are also logged at level warn, or written to the standard error if logging is off.
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
    /// If `f` ends by [`exit`](crate::exit()) or [`exit_with`](crate::exit_with) and the grace
    /// period expires, a status of 0 becomes 1.
    ///
    /// # Errors
    ///
    /// If the grace period expires. The error has the value that `f` returned.
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
    /// With the panic of `f`, after everything else. Also if the same thread calls it inside of
    /// [`main`](crate::main()).
    #[track_caller]
    pub fn run<T>(self, f: impl FnOnce() -> T) -> Result<T, GraceExpired<T>> {
        note_thread();
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

    /// Waits until nothing holds the program open. Returns what does when the grace period is over.
    #[track_caller]
    fn wait_for_the_others(&self, program: &Program) -> Vec<Holder> {
        // Before the count is read. A thread that brings the count to zero later calls the
        // function.
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
            // The limit is checked above.
            let _ = park_while(&END, || program.tokens() > 0, &wait, limit);
        }
    }
}

/// A running program, on the thread that called `main`.
struct Running {
    shutdown: Shutdown,
    program: Program,
    open: Option<KeepAlive>,
    /// The identity of the thread outside of the program.
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
        // The main thread is registered as such when it first uses the kit.
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

/// Ends the program after its main function. `close` gives back the program's own token.
#[track_caller]
fn end(
    shutdown: Shutdown,
    program: &Program,
    thread: &Thread,
    close: impl FnOnce(),
) -> Vec<Holder> {
    for hook in program.close_hooks() {
        // A panic has been reported.
        drop_guarded(catch_panic(hook));
    }
    if thread.is_main() {
        thread.state().set_joined();
    } else {
        program.note_return();
        thread.state().look_again();
    }
    close();
    shutdown.wait_for_the_others(program)
}

fn exit_process(exit: Exit, stragglers: &[Holder]) -> ! {
    let status = exit.status();
    let expired = !stragglers.is_empty() && status == 0;
    std::process::exit(if expired { 1 } else { status })
}

/// Ends the process where nothing can be unwound (`panic = "abort"`).
///
/// In the main function of the process's program, it does everything that comes after that
/// function. Anywhere else it aborts, because a thread can't be ended.
pub(crate) fn exit_without_unwinding(exit: Exit) -> ! {
    let thread = current();
    if let Some(shutdown) = runs()
        && thread.is_main()
    {
        // An exit hook that calls it again is not in the main function.
        RUNS.set(None);
        let program = Program::root();
        let stragglers = end(shutdown, &program, &thread, || {
            // In the child of a fork the program may have no token.
            if program.tokens() > 0 {
                program.release();
            }
        });
        exit_process(exit, &stragglers);
    }
    print_at_panic(&format!(
        "{thread:?} calls tk_thread::exit, which can't end a thread in a program with \
         panic = \"abort\"\n"
    ));
    std::process::abort()
}

fn wait_for_tails(program: &Program, wait: &WaitInfo, limit: Limit<'_>) -> Result<(), WaitError> {
    tails(program).try_for_each(|record| wait_until_gone(&record, &END, wait, limit))
}
