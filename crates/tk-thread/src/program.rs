//! The program as a whole: it ends when nothing holds it open.
//!
//! ```text
//!   main function  ------>  exit hooks  ------>  waiting  ------------------>  ended
//!                 returns              have run          no token is left,
//!                 or panics                              or the grace is over
//! ```
//!
//! 1. While the main function and the hooks run, the program holds a token itself.
//! 2. The list of hooks is closed before the first one runs.
//! 3. To see that there is no token, and that none can be taken from now on, is one step.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Duration;

use tk_core::{KeepAlive, ShuttingDown};
use tk_park::sync::{AtomicBool, Mutex, lock};
use tk_park::{Limit, Parked, Wait, park, unpark_all, watch_forks};

use crate::{Exit, enumerate, excepthook, guarded, main_thread};

/// What the main thread parks on when its own work is done. The word says nothing: the count of tokens does.
static END: AtomicBool = AtomicBool::new(false);

static HOOKS: Mutex<Hooks> = Mutex::new(Hooks::Open(Vec::new()));

enum Hooks {
    Open(Vec<Box<dyn FnOnce() + Send>>),
    Closed,
}

/// Has the program call `f` when the function given to [`main`](crate::main()) has returned or panicked, and before it waits
/// for the threads that hold it open. The latest function is called first, by the main thread.
///
/// A panic in `f` is reported to the [excepthook](crate::set_excepthook), and the others are called all the same. In a program
/// that does not begin with `main`, nobody calls it.
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
    match &mut *lock(&HOOKS) {
        Hooks::Open(list) => {
            list.push(Box::new(f));
            Ok(())
        }
        Hooks::Closed => Err(ShuttingDown::new()),
    }
}

/// Runs the program: calls `f`, then waits until no thread and no timer holds the program open, and returns what `f`
/// returned: an [`ExitCode`](std::process::ExitCode), say.
///
/// In this order:
///
/// 1. `f` is called.
/// 2. The functions given to [`at_exit`] are called, the latest first.
/// 3. Those who have joined the main thread go on.
/// 4. The program waits: every thread that is not a daemon holds it open until it is gone, also one that is started now; so
///    does every pending timer of `tk-timer` that is not a daemon. [`Shutdown`] limits this.
/// 5. From here on no thread can be started: that is an error. Daemons are left behind: the program ends under them when
///    `fn main` returns.
///
/// To be called once, in `fn main`. It may be called again after it has returned, and the program begins anew.
///
/// [`exit`](crate::exit) in `f` ends `f`, and when all of this is done it ends the program, with success. `std::process::exit` ends
/// the program at once, from any thread.
///
/// # Panics
///
/// If `f` panics, all of this is done first.
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering};
///
/// static DONE: AtomicBool = AtomicBool::new(false);
///
/// fn main() {
///     tk_thread::main(|| {
///         tk_thread::Builder::new()
///             .daemon(false)
///             .spawn(|| DONE.store(true, Ordering::Relaxed))
///             .unwrap();
///     });
///     assert!(DONE.load(Ordering::Relaxed));
/// }
/// ```
#[doc(alias = "threading._shutdown")]
#[track_caller]
pub fn main<T>(f: impl FnOnce() -> T) -> T {
    Shutdown::new().run(f)
}

/// How the program is to end: [`main`](crate::main()) with a limit.
///
/// ```
/// use std::process::ExitCode;
/// use std::time::Duration;
/// use tk_thread::Shutdown;
///
/// fn main() -> ExitCode {
///     Shutdown::new().grace(Duration::from_millis(10)).run(|| {
///         // Does not end by itself.
///         tk_thread::Builder::new()
///             .name("straggler")
///             .daemon(false)
///             .spawn(|| tk_thread::sleep(Duration::MAX))
///             .unwrap();
///         ExitCode::SUCCESS
///     })
/// } // WARN the program ends without <Thread(straggler, started 2)>, which waits for sleep 0x7f… at src/main.rs:11:23
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "the program is run by `run`"]
pub struct Shutdown {
    grace: Option<Duration>,
}

impl Shutdown {
    /// Waits for ever.
    ///
    /// ```
    /// use tk_thread::Shutdown;
    ///
    /// let result = Shutdown::new().run(|| {
    ///     tk_thread::spawn(|| println!("the program has waited for me"));
    ///     7
    /// });
    /// assert_eq!(result, 7);
    /// ```
    pub fn new() -> Shutdown {
        Shutdown::default()
    }

    /// For how long the program is held open, at most, counted from the end of the exit hooks. Then each thread that still
    /// holds it is logged at level warn, by name and with what it waits for, and the program ends without it, as
    /// it ends without daemons. Zero means not to wait.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_thread::Shutdown;
    ///
    /// Shutdown::new().grace(Duration::from_millis(10)).run(|| {
    ///     tk_thread::spawn(|| tk_thread::sleep(Duration::MAX));
    /// }); // Does not wait for ever.
    /// ```
    pub fn grace(mut self, grace: Duration) -> Shutdown {
        self.grace = Some(grace);
        self
    }

    /// Runs the program: see [`main`](crate::main()).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let shutdown = tk_thread::Shutdown::new().grace(Duration::from_secs(60));
    /// assert_eq!(shutdown.run(|| 7), 7);
    /// ```
    ///
    /// # Panics
    ///
    /// If `f` does, after all else.
    #[track_caller]
    pub fn run<T>(self, f: impl FnOnce() -> T) -> T {
        watch_forks();
        // The main thread is registered as such when it first asks who it is.
        tk_core::current();
        let open = KeepAlive::begin();
        {
            let mut hooks = lock(&HOOKS);
            if matches!(*hooks, Hooks::Closed) {
                *hooks = Hooks::Open(Vec::new());
            }
        }
        let result = catch_unwind(AssertUnwindSafe(f));

        let hooks = std::mem::replace(&mut *lock(&HOOKS), Hooks::Closed);
        if let Hooks::Open(mut hooks) = hooks {
            while let Some(hook) = hooks.pop() {
                // What has panicked has been reported.
                excepthook::drop_quietly(guarded(hook));
            }
        }
        main_thread().shared().set_gone();
        drop(open);
        self.wait_for_the_others();
        result.unwrap_or_else(|payload| match payload.is::<Exit>() {
            true => std::process::exit(0),
            false => resume_unwind(payload),
        })
    }

    #[track_caller]
    fn wait_for_the_others(&self) {
        // The count is looked at after this, and whoever brings it to zero after that calls the function.
        KeepAlive::on_last(|| {
            unpark_all(&END, 0);
        });
        if KeepAlive::end() {
            return;
        }
        log_quietly(|| {
            log::trace!(
                "the program waits for {} threads and timers",
                KeepAlive::count()
            );
        });
        let limit = self.grace.map_or(Limit::none(), Limit::after);
        let wait = Wait::new("end of the program");
        while !KeepAlive::end() {
            let held = || KeepAlive::count() > 0;
            if park(&END, held, &wait, limit) == Parked::TimedOut {
                KeepAlive::end_now();
                log_quietly(log_stragglers);
                return;
            }
        }
    }
}

fn log_stragglers() {
    let mut others = KeepAlive::count();
    for thread in enumerate() {
        if thread.is_daemon() || thread.is_main() {
            continue;
        }
        others = others.saturating_sub(1);
        match thread.waiting() {
            None => log::warn!("the program ends without {thread:?}, which runs"),
            Some(waiting) => {
                log::warn!("the program ends without {thread:?}, which waits for {waiting:?}");
            }
        }
    }
    if others > 0 {
        log::warn!("the program ends without {others} timers");
    }
}

/// The program's logger is the program's code: it may panic.
fn log_quietly(log: impl FnOnce()) {
    excepthook::drop_quietly(catch_unwind(AssertUnwindSafe(log)));
}
