//! Services: a queue of timers, and the threads that serve it.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use once_cell::sync::Lazy;
use tk_thread::Builder;

use crate::guarded::guarded;
use crate::list::Due;
use crate::queue::{Queue, Server};
use crate::slab::Key;
use crate::task::{Action, Task};

/// What a serving thread is called while it calls no timer's function.
const NAME: &str = "tk-timer";

static GLOBAL: Lazy<Queue> = Lazy::new(Queue::new);

thread_local! {
    /// Whether what this thread starts is a daemon, if nothing else is said: if the thread is one, which it is from its beginning to
    /// its end. While it calls a timer's function, that stands for the timer.
    static DAEMON: Cell<Option<bool>> = const { Cell::new(None) };
}

#[inline]
pub(crate) fn inherited_daemon() -> bool {
    DAEMON.get().unwrap_or_else(|| {
        let daemon = tk_core::current().is_daemon();
        DAEMON.set(Some(daemon));
        daemon
    })
}

/// Timers, and the threads that wait for them and call their functions.
///
/// There is a [global](TimerService::global) one, which is enough for most programs. It is there at first use, and never ends.
/// One's own has threads of its own, and ends when it is dropped: its pending timers are cancelled, their functions are
/// dropped, those that repeat do not do so any more, and its threads end. The drop does not wait for functions that run.
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

/// Where a timer is started.
#[derive(Clone)]
pub(crate) enum Home {
    Global,
    Own(Arc<Queue>),
}

impl Home {
    #[inline]
    pub(crate) fn queue(&self) -> &Queue {
        match self {
            Home::Global => &GLOBAL,
            Home::Own(queue) => queue,
        }
    }

    /// Queues a timer. If nobody can be found to wait for it, the error says why, and the timer has ended.
    #[inline]
    pub(crate) fn start(&self, action: Action, deadline: u64) -> io::Result<Key> {
        let queue = self.queue();
        let mut list = queue.list.lock();
        if list.has_leader {
            let (key, tell) = list.add(action, deadline);
            drop(list);
            queue.tell_leader(tell);
            return Ok(key);
        }
        let task = Arc::clone(&action.task);
        let (key, _) = list.add(action, deadline);
        let found = queue.find_leader(list, self);
        found.or_else(|error| self.withdraw(&task, key, error))?;
        Ok(key)
    }

    /// Takes a timer back that nobody waits for, unless somebody has come by now.
    #[cold]
    fn withdraw(&self, task: &Task, key: Key, error: io::Error) -> io::Result<()> {
        let mut list = self.queue().list.lock();
        if list.has_leader || list.is_coming {
            return Ok(());
        }
        let (_, action) = list.cancel(task, key);
        drop(list);
        // If it is not there, it has been called.
        action.map_or(Ok(()), |action| {
            action.discard();
            Err(error)
        })
    }
}

impl Server for Home {
    fn start_thread(&self) -> io::Result<()> {
        let home = self.clone();
        let serve = move || {
            least_slack();
            home.queue().serve(&home);
        };
        Builder::new().name(NAME).daemon(true).spawn(serve)?;
        Ok(())
    }

    fn warn(&self, error: io::Error) {
        // The others wait until a function has returned.
        let _ = guarded(|| log::warn!("no thread to wait for timers for a while: {error}"));
    }

    fn call(&self, due: &mut Due) {
        let me = tk_core::current();
        me.set_name(Arc::clone(due.task.name()));
        // The program's logger is the program's code: it may panic.
        let _ = guarded(|| log::trace!("timer {} fires", due.task.name()));
        let own = DAEMON.replace(Some(due.token.is_none()));
        due.call();
        DAEMON.set(own);
        me.set_name(NAME);
    }
}

/// Has the system wake this thread as close to its time as it can. Threads that a timer's function starts inherit that.
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
        TimerService {
            home: Home::Own(Arc::new(Queue::new())),
        }
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

    /// The timers that are pending now, those first that are due first. One whose function runs is not among them.
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
        let list = queue.list.lock();
        let timers = list.wheel.iter();
        let timers = timers.map(|(due, action)| (due, Arc::clone(&action.task)));
        let mut timers: Vec<_> = timers.collect();
        drop(list);
        timers.sort_by_key(|(due, _)| *due);
        let pending = timers.into_iter().map(|(due, task)| PendingTimer {
            name: Arc::clone(task.name()),
            due: queue.instant(due).filter(|_| due != crate::wheel::NEVER),
            period: task.repeat.as_ref().map(|repeat| repeat.schedule.period()),
        });
        pending.collect()
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
        if let Home::Own(queue) = &self.home {
            queue.close();
        }
    }
}

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
#[derive(Clone, Debug)]
pub struct PendingTimer {
    name: Arc<str>,
    due: Option<Instant>,
    period: Option<Duration>,
}

impl PendingTimer {
    /// The timer's name.
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
        &self.name
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
        self.period
    }
}

#[cfg(test)]
#[path = "service/tests.rs"]
mod tests;
