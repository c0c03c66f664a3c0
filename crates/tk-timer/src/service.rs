//! Services: a scheduler for each process, and how its threads call the functions of timers.
//!
//! # Invariants
//!
//! **One scheduler per process.** The child of a fork does not touch its parent's scheduler,
//! because threads that do not exist in the child may hold its locks, and its timers are the
//! parent's.
//!
//! **A thread of its own.** While a function of a timer is called or dropped, the calling thread
//! has the identity of a thread of the timer's program, with the timer's name.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use once_cell::race::OnceBox;
use tk_core::__private::fork::generation;
use tk_core::__private::{
    HolderExt, Program, RegistrationExt, fork, list_holders, log_guarded, note_thread, run_as,
};
use tk_core::{Holder, Registration};
use tk_lock::LockGuard;

use crate::catch::drop_quietly;
use crate::scheduler::{Runner, Scheduler};
use crate::staff::MIN_THREADS;
use crate::state::Fired;
use crate::task::{Action, Task};

/// The name of a serving thread in the operating system, while it calls no timer's function.
const NAME: &str = "tk-timer";

thread_local! {
    /// The timer whose function this thread runs, or null.
    static RUNNING: Cell<*const Task> = const { Cell::new(ptr::null()) };
}

/// Returns whether the calling thread runs the function of this timer.
pub(crate) fn is_running_here(task: &Task) -> bool {
    ptr::eq(RUNNING.get(), task)
}

/// Timers, and the threads that wait for them and call their functions.
///
/// The [global](TimerService::global) service is enough for most programs. It is made at first use,
/// and never ends.
///
/// A service of your own has its own threads, and ends when it is dropped. The drop cancels the
/// pending timers and drops their functions. Timers whose functions run do not repeat afterwards.
/// The drop does not wait for functions that run.
///
/// # Threads
///
/// While a timer is pending, a service has three threads. One waits for the earliest timer and
/// calls the functions, one watches it, and one is in reserve. If a function takes long, the
/// watching thread takes over, and a new one is started for the reserve. So a hundred functions
/// that block at the same time need 103 threads. [`set_max_threads`](TimerService::set_max_threads)
/// sets a bound.
///
/// A service never calls a function with its last free thread. If the system starts no threads for
/// a while, timers may be late. Then the service tries again until it has a thread, and logs a
/// warning at most once a minute.
///
/// ```
/// use std::time::Duration;
/// use tk_timer::{Timer, TimerService};
///
/// let service = TimerService::new();
/// let soon = Timer::new(Duration::ZERO, || println!("now")).start_on(&service);
/// let late = Timer::new(Duration::from_secs(3600), || unreachable!()).start_on(&service);
/// soon.join().unwrap();
///
/// drop(service);
/// assert!(late.is_finished());
/// ```
pub struct TimerService {
    service: ServiceRef,
}

/// A scheduler for each process that starts timers: *one scheduler per process*.
pub(crate) struct Process {
    /// The generation of the process that the scheduler is for.
    generation: u32,
    scheduler: Scheduler,
    /// That of the child of a fork.
    child: OnceBox<Process>,
}

impl Process {
    fn new() -> Process {
        Process {
            generation: generation(),
            scheduler: Scheduler::new(),
            child: OnceBox::new(),
        }
    }

    #[inline]
    fn here(&self) -> &Process {
        if self.generation == generation() {
            self
        } else {
            self.in_child()
        }
    }

    #[cold]
    fn in_child(&self) -> &Process {
        let mut process = self;
        while process.generation != generation() {
            process = process.child.get_or_init(|| Box::new(Process::new()));
        }
        process
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.generation != generation() {
            // A thread of the parent may have been half way through a change at the fork, and the
            // functions in the state are the parent's to drop. So the state is leaked.
            let state = self.scheduler.state.get_mut();
            std::mem::forget(std::mem::replace(state, crate::state::State::new()));
        }
    }
}

/// The number of pending timers that are named when a program ends without them. `tk-thread` counts
/// the others by their tokens.
const NAMED: usize = 100;

/// The services that the program has made, so that their timers can be named.
///
/// The list allocates while it is locked. No thread waits for it while it holds another lock.
fn services() -> &'static fork::Mutex<Vec<Weak<Process>>> {
    static SERVICES: OnceBox<fork::Mutex<Vec<Weak<Process>>>> = OnceBox::new();
    SERVICES.get_or_init(|| Box::new(fork::Mutex::new(Vec::new())))
}

/// Names the pending timers that hold this program open, the earliest first.
fn holders(program: &Program, holders: &mut Vec<Holder>) {
    let own: Vec<_> = services().lock().iter().filter_map(Weak::upgrade).collect();
    let homes = own
        .into_iter()
        .map(ServiceRef::Own)
        .chain([ServiceRef::Global]);
    let mut timers = Vec::new();
    for service in homes {
        let scheduler = service.scheduler();
        for part in 0.. {
            let state = scheduler.state.lock();
            let Some(entries) = state.wheel.part(part) else {
                break;
            };
            let holds =
                |action: &Action| !action.hold.is_daemon() && action.hold.program() == program;
            let entries = entries.filter(|(_, action)| holds(action));
            timers
                .extend(entries.map(|(due, action)| (scheduler.instant(due), action.task.clone())));
        }
    }
    // A timer without a time is never due, and comes last.
    timers.sort_by_key(|(due, _)| (due.is_none(), *due));
    let now = Instant::now();
    for (due, task) in timers.into_iter().take(NAMED) {
        let due = match due.map(|due| due.saturating_duration_since(now)) {
            Some(Duration::ZERO) => "which is due now".to_owned(),
            Some(after) => format!("which is due in {after:.1?}"),
            None => "which is never due".to_owned(),
        };
        holders.push(Holder::new("timer", Arc::clone(task.name()), due));
    }
}

/// The service that a timer was started on.
#[derive(Clone)]
pub(crate) enum ServiceRef {
    Global,
    Own(Arc<Process>),
}

impl ServiceRef {
    fn own() -> ServiceRef {
        let process = Arc::new(Process::new());
        services().lock().push(Arc::downgrade(&process));
        ServiceRef::Own(process)
    }

    /// Makes the end of a program name the timers that hold it open.
    pub(crate) fn list_holders() {
        // The generation of the process that has done it.
        static LISTED: AtomicU32 = AtomicU32::new(u32::MAX);
        // Relaxed: it may be done twice.
        if LISTED.load(Relaxed) != generation() {
            list_holders(holders);
            LISTED.store(generation(), Relaxed);
        }
    }

    /// Returns the scheduler of this process.
    #[inline]
    pub(crate) fn scheduler(&self) -> &Scheduler {
        static GLOBAL: OnceBox<Process> = OnceBox::new();
        let process = match self {
            ServiceRef::Global => GLOBAL.get_or_init(|| Box::new(Process::new())),
            ServiceRef::Own(process) => process,
        };
        &process.here().scheduler
    }
}

impl Runner for ServiceRef {
    fn start_thread(&self) -> io::Result<()> {
        note_thread();
        let service = self.clone();
        // Not a thread of tk-thread, which would call the program's hooks and logger: they may
        // start a timer and wait for it.
        let registration = Registration::unlisted(NAME);
        let serve = move || {
            registration.begin();
            minimize_timer_slack();
            let scheduler = service.scheduler();
            drop(scheduler.hiring.lock());
            scheduler.serve(&service);
        };
        let mut builder = std::thread::Builder::new().name(NAME.into());
        if let Some(size) = tk_thread::stack_size() {
            builder = builder.stack_size(size);
        }
        builder.spawn(serve)?;
        Ok(())
    }

    fn warn(&self, error: &io::Error) {
        // The logger is the program's code, and may panic.
        log_guarded(|| {
            log::warn!("a timer is late because there is no thread to call it: {error}")
        });
    }

    fn call(&self, scheduler: &Scheduler, fired: &mut Fired) -> bool {
        let before = generation();
        as_thread_of(fired, |fired| {
            fired.call();
            // After a fork, a thread that is not in the child may have the state locked.
            let is_here = generation() == before;
            // The lock is not taken for each call of a timer that repeats. A timer that has expired
            // unseen, because its service was closed meanwhile, is discarded after the call.
            if is_here
                && fired.function.is_some()
                && fired.seems_expired()
                && scheduler.state.lock().is_expired(fired)
            {
                drop_quietly(fired.function.take());
            }
        });
        let is_here = generation() == before;
        if !is_here {
            // The function is the parent's to drop.
            std::mem::forget(fired.function.take());
        }
        is_here
    }

    fn discard(&self, fired: &mut Fired) {
        as_thread_of(fired, |fired| drop_quietly(fired.function.take()));
    }

    fn thread(&self) -> Option<u64> {
        tk_core::current().native_id()
    }

    fn is_asleep(&self, thread: Option<u64>) -> bool {
        // If the system does not say, a function that has taken long counts as asleep.
        thread.and_then(state_of).is_none_or(|state| state != b'R')
    }
}

/// Calls `f` in the calling thread, which is a thread of the timer's own meanwhile.
fn as_thread_of(fired: &mut Fired, f: impl FnOnce(&mut Fired)) {
    let name = Arc::clone(fired.task.name());
    // The threads that the function starts belong to the timer's program.
    let program = fired.hold.program().clone();
    let is_daemon = fired.hold.is_daemon();
    let registration = Registration::of_program(Arc::clone(&name), is_daemon, &program);
    // Until the values of the thread's `Local`s have been dropped: their code is the program's too,
    // and must not wait for its own timer.
    let outer = RUNNING.replace(Arc::as_ptr(&fired.task));
    let task = Arc::clone(&fired.task);
    run_as(registration, || {
        let thread = tk_thread::current();
        task.progress.set_runner(Some(tk_core::current_owner()));
        log_guarded(|| log::trace!("timer {name} fires"));
        tk_thread::__private::start_hooks(&thread);
        f(fired);
        tk_thread::__private::exit_hooks(&thread);
    });
    // The runner is inside.
    task.progress.set_runner(None);
    RUNNING.set(outer);
}

/// Returns the state of a thread of this process, as the letter that Linux has for it.
fn state_of(thread: u64) -> Option<u8> {
    let stat = std::fs::read(format!("/proc/self/task/{thread}/stat")).ok()?;
    // After the name, which may contain parentheses and blanks.
    let name_ends = stat.iter().rposition(|byte| *byte == b')')?;
    stat.get(name_ends + 2).copied()
}

/// Makes the system wake this thread as close to its time as it can. Threads that a timer's
/// function starts inherit the setting.
fn minimize_timer_slack() {
    #[cfg(target_os = "linux")]
    {
        // If it is not allowed, timers are late by another 50 µs.
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
    }
}

impl TimerService {
    /// Makes a service, which has no timers and no threads yet.
    ///
    /// ```
    /// let service = tk_timer::TimerService::new();
    /// assert!(service.pending().is_empty());
    /// ```
    pub fn new() -> TimerService {
        TimerService {
            service: ServiceRef::own(),
        }
    }

    /// Returns the service that [`Timer::start`](crate::Timer::start) uses.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_timer::{Timer, TimerService};
    ///
    /// let handle = Timer::new(Duration::from_secs(60), || ()).name("far").start();
    /// let pending = TimerService::global().pending();
    /// assert!(pending.iter().any(|timer| timer.name() == "far"));
    /// # handle.cancel();
    /// ```
    pub fn global() -> &'static TimerService {
        static GLOBAL: TimerService = TimerService {
            service: ServiceRef::Global,
        };
        &GLOBAL
    }

    /// Returns the pending timers, the earliest first. A timer whose function runs is not pending.
    ///
    /// The service goes on meanwhile, because its lock is taken once for each part of the timers. A
    /// timer that is pending during the whole call is listed once. A timer that is started, moved,
    /// called or cancelled meanwhile is listed as it was before or as it is afterwards, or not at
    /// all.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use tk_timer::{Timer, TimerService};
    ///
    /// let service = TimerService::new();
    /// let minute = Duration::from_secs(60);
    /// Timer::every(minute, || ()).name("clock").start_on(&service);
    /// let [clock] = &service.pending()[..] else { unreachable!() };
    /// assert_eq!((clock.name(), clock.period()), ("clock", Some(minute)));
    /// assert!(clock.due().unwrap() > Instant::now());
    /// ```
    pub fn pending(&self) -> Vec<PendingTimer> {
        let scheduler = self.service.scheduler();
        let mut timers = Vec::with_capacity(self.pending_count());
        for part in 0.. {
            let state = scheduler.state.lock();
            let Some(entries) = state.wheel.part(part) else {
                break;
            };
            timers.extend(entries.map(|(due, action)| (due, Arc::clone(&action.task))));
            // A plain unlock would let this thread take the lock again before a waiting one.
            LockGuard::unlock_fair(state);
        }
        timers.sort_by_key(|(due, _)| *due);
        let pending = timers.into_iter().map(|(due, task)| PendingTimer {
            due: scheduler.instant(due),
            task,
        });
        pending.collect()
    }

    /// Returns the number of pending timers, in constant time.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_timer::{Timer, TimerService};
    ///
    /// let service = TimerService::new();
    /// Timer::new(Duration::from_secs(60), || ()).start_on(&service);
    /// assert_eq!(service.pending_count(), 1);
    /// ```
    pub fn pending_count(&self) -> usize {
        self.service.scheduler().state.lock().wheel.len()
    }

    /// Sets the maximum number of threads of the service. `None`, which is the default, means that
    /// there is no bound. A bound below two counts as two, because one thread calls functions and
    /// one watches it.
    ///
    /// With a bound of `n`, at most `n - 1` functions run at the same time. While that many run,
    /// other timers are late.
    ///
    /// A bound can cause a deadlock: if all functions that run wait for a timer that has yet to
    /// fire, no thread is left to call its function. This is why there is no bound by default.
    ///
    /// If the service has more threads than the bound, they end when they have nothing to do.
    ///
    /// ```
    /// use tk_timer::TimerService;
    ///
    /// let service = TimerService::new();
    /// assert_eq!(service.max_threads(), None);
    /// service.set_max_threads(Some(8));
    /// assert_eq!(service.max_threads(), Some(8));
    /// ```
    pub fn set_max_threads(&self, threads: Option<usize>) {
        let threads = threads.map_or(u32::MAX, |threads| {
            u32::try_from(threads).map_or(u32::MAX, |threads| threads.max(MIN_THREADS))
        });
        let scheduler = self.service.scheduler();
        scheduler.state.lock().staff.max_threads = threads;
        scheduler.wake_all();
    }

    /// Returns the bound that [`set_max_threads`](TimerService::set_max_threads) has set, or
    /// `None`.
    ///
    /// ```
    /// let service = tk_timer::TimerService::new();
    /// service.set_max_threads(Some(1));
    /// assert_eq!(service.max_threads(), Some(2));
    /// ```
    pub fn max_threads(&self) -> Option<usize> {
        match self.service.scheduler().state.lock().staff.max_threads {
            u32::MAX => None,
            threads => Some(threads as usize),
        }
    }

    pub(crate) fn reference(&self) -> &ServiceRef {
        &self.service
    }
}

impl Default for TimerService {
    fn default() -> Self {
        TimerService::new()
    }
}

impl Drop for TimerService {
    fn drop(&mut self) {
        if let ServiceRef::Own(process) = &self.service {
            let mut all = services().lock();
            let place = all
                .iter()
                .position(|other| ptr::eq(other.as_ptr(), &raw const **process));
            let ours = place.map(|place| all.swap_remove(place));
            drop(all);
            drop(ours);
            self.service.scheduler().close();
        }
    }
}

// A panic leaves nothing half changed, because no step on the state calls the user's code.
impl UnwindSafe for TimerService {}
impl RefUnwindSafe for TimerService {}

impl fmt::Debug for TimerService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match &self.service {
            ServiceRef::Global => "TimerService(global)",
            ServiceRef::Own(_) => "TimerService",
        };
        f.debug_struct(name).finish_non_exhaustive()
    }
}

/// A timer that was pending when [`TimerService::pending`] was called.
///
/// ```
/// use std::time::Duration;
/// use tk_timer::{Timer, TimerService};
///
/// let service = TimerService::new();
/// Timer::new(Duration::MAX, || ()).name("never").start_on(&service);
/// let never = service.pending().remove(0);
/// assert_eq!((never.name(), never.due(), never.period()), ("never", None, None));
/// ```
#[derive(Clone)]
pub struct PendingTimer {
    task: Arc<Task>,
    due: Option<Instant>,
}

impl UnwindSafe for PendingTimer {}
impl RefUnwindSafe for PendingTimer {}

impl fmt::Debug for PendingTimer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingTimer")
            .field("name", &self.task.known_name())
            .field("due", &self.due())
            .field("period", &self.period())
            .finish()
    }
}

impl PendingTimer {
    /// Returns the timer's name. A default name takes its number when it is first asked for.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tk_timer::{Timer, TimerService};
    /// let service = TimerService::new();
    /// let minute = Duration::from_secs(60);
    /// Timer::every(minute, || ()).name("clock").start_on(&service);
    /// assert_eq!(service.pending()[0].name(), "clock");
    /// ```
    pub fn name(&self) -> &str {
        self.task.name()
    }

    /// Returns when the timer will fire, or `None` if never, because the time is too long for the
    /// clock.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tk_timer::{Timer, TimerService};
    /// let service = TimerService::new();
    /// let minute = Duration::from_secs(60);
    /// Timer::every(minute, || ()).name("clock").start_on(&service);
    /// assert!(service.pending()[0].due() > Some(std::time::Instant::now()));
    /// ```
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Returns the period or the delay if the timer repeats, and `None` otherwise.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tk_timer::{Timer, TimerService};
    /// let service = TimerService::new();
    /// let minute = Duration::from_secs(60);
    /// Timer::every(minute, || ()).name("clock").start_on(&service);
    /// assert_eq!(service.pending()[0].period(), Some(minute));
    /// ```
    pub fn period(&self) -> Option<Duration> {
        self.task
            .repeat
            .as_ref()
            .map(|repeat| repeat.schedule.period())
    }
}

#[cfg(test)]
#[path = "service/tests.rs"]
mod tests;
