//! Services: a queue of timers, and the threads that serve it.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use once_cell::race::OnceBox;
use tk_core::__private::{
    HolderExt, KeepAliveExt, Program, RegistrationExt, fork, list_holders, log_guarded, run_as,
};
use tk_core::{Holder, KeepAlive, Registration};
use tk_lock::LockGuard;

use crate::fork::generation;
use crate::guarded::drop_quietly;
use crate::list::Due;
use crate::queue::{Queue, Server};
use crate::staff::MIN_THREADS;
use crate::task::{Action, Task};

/// What a serving thread is called in the system while it calls no timer's function.
const NAME: &str = "tk-timer";

thread_local! {
    /// The timer whose function this thread runs; null if none.
    static RUNNING: Cell<*const Task> = const { Cell::new(ptr::null()) };
}

/// Whether the calling thread runs the function of this timer.
pub(crate) fn is_running_here(task: &Task) -> bool {
    ptr::eq(RUNNING.get(), task)
}

/// Timers, and the threads that wait for them and call their functions.
///
/// There is a [global](TimerService::global) one, which is enough for most programs. It is made at
/// first use, and never ends. A service of your own has threads of its own, and ends when it is
/// dropped: its pending timers are cancelled and their functions are dropped, those that repeat do
/// not do so any more, and its threads end. The drop does not wait for functions that run.
///
/// # Threads
///
/// While a timer is pending, a service has three threads: one waits for the earliest timer and
/// calls the functions, one watches it, and one is in reserve. If a function takes long, the next
/// thread takes over, and a new one is started for the reserve. So a hundred functions that block
/// at the same time need a hundred and three threads.
/// [`set_max_threads`](TimerService::set_max_threads) sets a bound.
///
/// A service never calls a function with its last free thread. If the system does not start threads
/// for a while, timers may be late; the service tries again until it has one, and logs a warning,
/// at most once a minute.
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
    home: Home,
}

/// A queue for each process in which timers are started.
pub(crate) struct Process {
    /// In which process this is, counted in forks.
    generation: u32,
    queue: Queue,
    /// For the child of a fork. Its parent's locks may be held by threads that are not in the
    /// child.
    child: OnceBox<Process>,
}

impl Process {
    fn new() -> Process {
        Process {
            generation: generation(),
            queue: Queue::new(),
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
            // A thread of the parent may have been in the middle of a change at the fork, and what
            // is on the list is the parent's to drop.
            let list = self.queue.list.get_mut();
            std::mem::forget(std::mem::replace(list, crate::list::List::new()));
        }
    }
}

/// How many pending timers are named when a program ends without them. `tk-thread` counts the rest:
/// they hold tokens, and have no names.
const NAMED: usize = 100;

/// The services of the program's own, so that their timers can be named.
///
/// The list allocates while it is locked. No thread waits for it while it holds another lock.
fn services() -> &'static fork::Mutex<Vec<Weak<Process>>> {
    static SERVICES: OnceBox<fork::Mutex<Vec<Weak<Process>>>> = OnceBox::new();
    SERVICES.get_or_init(|| Box::new(fork::Mutex::new(Vec::new())))
}

/// Names the pending timers that hold this program open, those first that are due first.
fn holders(program: &Program, holders: &mut Vec<Holder>) {
    let own: Vec<_> = services().lock().iter().filter_map(Weak::upgrade).collect();
    let homes = own.into_iter().map(Home::Own).chain([Home::Global]);
    let mut timers = Vec::new();
    for home in homes {
        let queue = home.queue();
        for part in 0.. {
            let list = queue.list.lock();
            let Some(entries) = list.wheel.part(part) else {
                break;
            };
            let holds = |action: &Action| {
                action
                    .token
                    .as_ref()
                    .is_some_and(|t| t.program() == program)
            };
            let entries = entries.filter(|(_, action)| holds(action));
            timers.extend(entries.map(|(due, action)| (queue.instant(due), action.task.clone())));
        }
    }
    // `None` is never.
    timers.sort_by_key(|(due, _)| (due.is_none(), *due));
    let now = Instant::now();
    for (due, task) in timers.into_iter().take(NAMED) {
        let due = match due.map(|due| due.saturating_duration_since(now)) {
            Some(after) => format!("which is due in {after:.1?}"),
            None => "which is never due".to_owned(),
        };
        holders.push(Holder::new("timer", Arc::clone(task.name()), due));
    }
}

/// Where a timer is started.
#[derive(Clone)]
pub(crate) enum Home {
    Global,
    Own(Arc<Process>),
}

impl Home {
    fn own() -> Home {
        let process = Arc::new(Process::new());
        services().lock().push(Arc::downgrade(&process));
        Home::Own(process)
    }

    /// Has the timers named that hold a program open.
    pub(crate) fn list_holders() {
        // In which process it has been seen to.
        static LISTED: AtomicU32 = AtomicU32::new(u32::MAX);
        // Relaxed: to do it twice does no harm.
        if LISTED.load(Relaxed) != generation() {
            list_holders(holders);
            LISTED.store(generation(), Relaxed);
        }
    }

    /// The queue of this process.
    #[inline]
    pub(crate) fn queue(&self) -> &Queue {
        static GLOBAL: OnceBox<Process> = OnceBox::new();
        let process = match self {
            Home::Global => GLOBAL.get_or_init(|| Box::new(Process::new())),
            Home::Own(process) => process,
        };
        &process.here().queue
    }
}

impl Server for Home {
    fn start_thread(&self) -> io::Result<()> {
        let home = self.clone();
        // Not a thread of tk-thread: a hook for the start of a thread, or a logger, may start a
        // timer and wait for it.
        let registration = Registration::unlisted(NAME);
        let serve = move || {
            registration.begin();
            least_slack();
            let queue = home.queue();
            drop(queue.hiring.lock());
            queue.serve(&home);
        };
        let mut builder = std::thread::Builder::new().name(NAME.into());
        if let Some(size) = tk_thread::stack_size() {
            builder = builder.stack_size(size);
        }
        builder.spawn(serve)?;
        Ok(())
    }

    fn warn(&self, error: &io::Error) {
        // The program's logger is the program's code.
        log_guarded(|| log::warn!("a timer is late, as there is no thread to call it: {error}"));
    }

    fn call(&self, queue: &Queue, due: &mut Due) -> bool {
        let before = generation();
        as_thread_of(due, |due| {
            due.call();
            // If the function has forked, the list may be locked by a thread that is not in the
            // child.
            let is_here = generation() == before;
            if is_here && due.function.is_some() && queue.list.lock().is_expired(due) {
                drop_quietly(due.function.take());
            }
        });
        let is_here = generation() == before;
        if !is_here {
            // The function is the parent's to drop.
            std::mem::forget(due.function.take());
        }
        is_here
    }

    fn discard(&self, due: &mut Due) {
        as_thread_of(due, |due| drop_quietly(due.function.take()));
    }

    fn thread(&self) -> Option<u64> {
        tk_core::current().native_id()
    }

    fn is_asleep(&self, thread: Option<u64>) -> bool {
        // Where the system does not say, a function that has taken long is taken for one that
        // sleeps.
        thread.and_then(state_of).is_none_or(|state| state != b'R')
    }
}

/// Calls `f` in the calling thread, which is a thread of the timer's own for that time.
fn as_thread_of(due: &mut Due, f: impl FnOnce(&mut Due)) {
    let name = Arc::clone(due.task.name());
    // What the function starts belongs to the program that the timer holds open.
    let program = due.token.as_ref().map(KeepAlive::program);
    let program = program.cloned().unwrap_or_else(Program::root);
    let registration = Registration::of_program(Arc::clone(&name), due.token.is_none(), &program);
    // Until all that belongs to the thread has been dropped, which is the program's code too: it must
    // not wait for its own timer.
    let outer = RUNNING.replace(Arc::as_ptr(&due.task));
    run_as(registration, || {
        let thread = tk_thread::current();
        log_guarded(|| log::trace!("timer {name} fires"));
        tk_thread::__private::start_hooks(&thread);
        f(due);
        tk_thread::__private::exit_hooks(&thread);
    });
    RUNNING.set(outer);
}

/// The state of a thread of this process, as Linux writes it in one letter.
fn state_of(thread: u64) -> Option<u8> {
    let stat = std::fs::read(format!("/proc/self/task/{thread}/stat")).ok()?;
    // After the name, which may have parentheses and blanks in it.
    let name_ends = stat.iter().rposition(|byte| *byte == b')')?;
    stat.get(name_ends + 2).copied()
}

/// Has the system wake this thread as close to its time as it can. Threads that a timer's function
/// starts inherit that.
fn least_slack() {
    #[cfg(target_os = "linux")]
    {
        // Where it is not allowed, timers are late by 50 µs more.
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
    }
}

impl TimerService {
    /// A service of one's own, which has no timers and no threads yet.
    ///
    /// ```
    /// let service = tk_timer::TimerService::new();
    /// assert!(service.pending().is_empty());
    /// ```
    pub fn new() -> TimerService {
        TimerService { home: Home::own() }
    }

    /// The one that timers are started on if nothing else is said.
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
        static GLOBAL: TimerService = TimerService { home: Home::Global };
        &GLOBAL
    }

    /// The timers that are pending, those first that are due first. One whose function runs is not
    /// among them.
    ///
    /// The service goes on meanwhile: the list is looked at in parts of some hundred timers. A
    /// timer that is pending the whole time is listed once. One that is started, moved, called or
    /// cancelled meanwhile is listed as it was before or as it is after, or not at all.
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
        let queue = self.home.queue();
        let mut timers = Vec::with_capacity(self.pending_count());
        for part in 0.. {
            let list = queue.list.lock();
            let Some(entries) = list.wheel.part(part) else {
                break;
            };
            timers.extend(entries.map(|(due, action)| (due, Arc::clone(&action.task))));
            // To a thread that waits for it: this one will want the list again at once.
            LockGuard::unlock_fair(list);
        }
        timers.sort_by_key(|(due, _)| *due);
        let pending = timers.into_iter().map(|(due, task)| PendingTimer {
            due: queue.instant(due),
            task,
        });
        pending.collect()
    }

    /// How many timers are pending. Takes no longer if there are many.
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
        self.home.queue().list.lock().wheel.len()
    }

    /// Sets how many threads the service has at most; `None`, which is how it begins, means that
    /// there is no bound. Fewer than two count as two: one of them calls functions, the other one
    /// watches.
    ///
    /// With a bound of `n`, at most `n - 1` functions run at the same time. While so many do, other
    /// timers are late.
    ///
    /// Mind that a bound can end in a deadlock: if all functions that run wait for a timer that is
    /// yet to fire, nobody is left to call its function. This is why there is no bound to begin
    /// with.
    ///
    /// If the service has more threads than that, they end as they come to have nothing to do.
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
        let queue = self.home.queue();
        queue.list.lock().staff.max_threads = threads;
        queue.wake_all();
    }

    /// The bound that [`set_max_threads`](TimerService::set_max_threads) has set.
    ///
    /// ```
    /// let service = tk_timer::TimerService::new();
    /// service.set_max_threads(Some(1));
    /// assert_eq!(service.max_threads(), Some(2));
    /// ```
    pub fn max_threads(&self) -> Option<usize> {
        match self.home.queue().list.lock().staff.max_threads {
            u32::MAX => None,
            threads => Some(threads as usize),
        }
    }

    pub(crate) fn home(&self) -> &Home {
        &self.home
    }
}

impl Default for TimerService {
    fn default() -> Self {
        TimerService::new()
    }
}

impl Drop for TimerService {
    fn drop(&mut self) {
        if let Home::Own(process) = &self.home {
            let mut all = services().lock();
            let place = all
                .iter()
                .position(|other| ptr::eq(other.as_ptr(), &raw const **process));
            let ours = place.map(|place| all.swap_remove(place));
            drop(all);
            drop(ours);
            self.home.queue().close();
        }
    }
}

// A panic leaves nothing half changed: the list is changed in steps that call nobody's code.
impl UnwindSafe for TimerService {}
impl RefUnwindSafe for TimerService {}

impl fmt::Debug for TimerService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match &self.home {
            Home::Global => "TimerService(global)",
            Home::Own(_) => "TimerService",
        };
        f.debug_struct(name).finish_non_exhaustive()
    }
}

/// A timer that was pending when somebody asked: see [`TimerService::pending`].
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
    /// The timer's name. A default one takes its number now, if nobody has asked before.
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

    /// When it will fire. `None` if never: the time is too long for the clock.
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

    /// Its period, or its delay, if it repeats.
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
