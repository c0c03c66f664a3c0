//! The timer's public face.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tk_core::{KeepAlive, current_slot, next_name};
use tk_park::{Limit, Parked, Wait, WaitError, park};
use tk_thread::JoinError;

use crate::service::{Action, Function, Progress, SERVICE, Task};

/// A function that is to be called later, and has not been started yet.
///
/// ```
/// use std::time::Duration;
/// use tk_timer::Timer;
///
/// let handle = Timer::new(Duration::from_millis(1), || ()).name("t1").start();
/// assert_eq!(handle.name(), "t1");
/// ```
#[doc(alias = "threading.Timer")]
#[must_use = "a timer does nothing before it is started"]
pub struct Timer {
    name: String,
    daemon: Option<bool>,
    after: Duration,
    function: Function,
}

impl Timer {
    /// A timer that calls `f` once, when it has been started and this time has passed. Zero means at once; a time too long for
    /// the clock means never.
    ///
    /// A panic in `f` is reported by the panic hook, and goes no further.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_event::Event;
    /// use tk_timer::Timer;
    ///
    /// static RUNG: Event = Event::new();
    /// Timer::new(Duration::ZERO, || RUNG.set()).start();
    /// RUNG.wait();
    /// ```
    pub fn new(after: Duration, f: impl FnOnce() + Send + 'static) -> Timer {
        Timer {
            name: String::new(),
            daemon: None,
            after,
            function: Function::Once(Box::new(f)),
        }
    }

    /// A timer that calls `f` when this time has passed, and again each time that it has passed, until it is cancelled.
    ///
    /// The rate is fixed: the calls are due at whole multiples of the period after the start. While `f` runs it is not
    /// called again; times that are missed because of that are left out. A panic in `f` is reported by the panic hook, and
    /// the timer goes on.
    ///
    /// # Panics
    ///
    /// If the period is zero.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_event::Event;
    /// use tk_timer::Timer;
    ///
    /// static TICKED: Event = Event::new();
    /// let clock = Timer::every(Duration::from_millis(1), || TICKED.set()).start();
    /// TICKED.wait();
    /// clock.cancel_and_wait();
    /// assert!(clock.is_finished());
    /// ```
    pub fn every(period: Duration, f: impl FnMut() + Send + 'static) -> Timer {
        assert!(!period.is_zero(), "a timer that repeats without a pause");
        Timer {
            name: String::new(),
            daemon: None,
            after: period,
            function: Function::Every(period, Box::new(f)),
        }
    }

    /// Names the timer. Its function runs in a thread of this name. An empty one means the default, `Thread-N`.
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use std::time::Duration;
    /// use tk_timer::Timer;
    ///
    /// let (sender, receiver) = mpsc::channel();
    /// let tell = move || sender.send(tk_thread::current().name()).unwrap();
    /// Timer::new(Duration::ZERO, tell).name("teller").start();
    /// assert_eq!(receiver.recv().unwrap(), "teller");
    /// ```
    #[doc(alias = "setName")]
    pub fn name(mut self, name: impl Into<String>) -> Timer {
        self.name = name.into();
        self
    }

    /// Says whether the program may end while the timer is pending: see [`tk_thread::main`]. If it is not said, it may if the
    /// thread that starts the timer is a daemon.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_timer::Timer;
    ///
    /// Timer::every(Duration::from_secs(1), || ()).daemon(true).start();
    /// ```
    pub fn daemon(mut self, daemon: bool) -> Timer {
        self.daemon = Some(daemon);
        self
    }

    /// Starts the timer: from now on its time runs.
    ///
    /// # Panics
    ///
    /// If there is no thread to wait for it, and the operating system does not start one. [`try_start`](Timer::try_start)
    /// returns an error then.
    #[track_caller]
    pub fn start(self) -> TimerHandle {
        self.try_start()
            .expect("failed to start a thread for timers")
    }

    /// As [`start`](Timer::start).
    ///
    /// # Errors
    ///
    /// If there is no thread to wait for the timer, and the operating system does not start one.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_timer::Timer;
    ///
    /// let handle = Timer::new(Duration::from_secs(60), || ()).try_start()?;
    /// handle.cancel();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_start(self) -> io::Result<TimerHandle> {
        let name = match self.name {
            name if name.is_empty() => next_name(None),
            name => name,
        };
        let daemon = self
            .daemon
            .unwrap_or_else(|| tk_core::current().is_daemon());
        let keep_alive = match daemon {
            true => None,
            false => Some(KeepAlive::new().map_err(io::Error::other)?),
        };
        let action = Action {
            function: self.function,
            keep_alive,
        };
        let task = Task::new(Arc::from(name), action);
        SERVICE.start(&task, self.after)?;
        Ok(TimerHandle { task })
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer")
            .field("name", &self.name)
            .field("after", &self.after)
            .finish_non_exhaustive()
    }
}

/// A timer that has been started.
///
/// A clone is another handle on the same timer. Dropping the handle does not cancel it.
///
/// ```
/// use std::time::Duration;
/// use tk_timer::Timer;
///
/// let handle = Timer::new(Duration::from_millis(1), || ()).start();
/// handle.join().unwrap();
/// assert!(handle.is_finished());
/// ```
#[derive(Clone)]
pub struct TimerHandle {
    task: Arc<Task>,
}

/// What [`TimerHandle::cancel`] has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cancel {
    /// The timer was pending. It does not fire any more.
    Cancelled,
    /// The function was running. It runs to its end, and is not called again.
    Running,
    /// The timer had fired for the last time, or had been cancelled before.
    Finished,
}

impl Cancel {
    /// Whether the timer was kept from firing: [`Cancel::Cancelled`].
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_timer::Timer;
    ///
    /// let handle = Timer::new(Duration::from_secs(60), || ()).start();
    /// assert!(handle.cancel().is_cancelled());
    /// assert!(!handle.cancel().is_cancelled());
    /// ```
    pub fn is_cancelled(self) -> bool {
        self == Cancel::Cancelled
    }
}

impl TimerHandle {
    /// The timer's name.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let handle = tk_timer::Timer::new(Duration::ZERO, || ()).start();
    /// assert!(handle.name().starts_with("Thread-"));
    /// ```
    pub fn name(&self) -> &str {
        &self.task.name
    }

    /// Keeps the timer from firing, if it is not too late, and says whether it was. Does not wait for a function that runs.
    ///
    /// A timer that is cancelled drops its function here.
    pub fn cancel(&self) -> Cancel {
        match SERVICE.cancel(&self.task) {
            Progress::Pending => {
                drop(SERVICE.take_action(&self.task));
                Cancel::Cancelled
            }
            Progress::Running(_) => Cancel::Running,
            Progress::Fired | Progress::Cancelled => Cancel::Finished,
        }
    }

    /// As [`cancel`](TimerHandle::cancel), and waits for the function if it runs, unless this is called by that very
    /// function. When it returns, the function does not run and will not.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_timer::Timer;
    ///
    /// let handle = Timer::every(Duration::from_millis(1), || ()).start();
    /// handle.cancel_and_wait();
    /// assert!(handle.is_finished());
    /// ```
    #[track_caller]
    pub fn cancel_and_wait(&self) {
        if self.cancel() == Cancel::Running {
            // The one error is that this is called by the function.
            let _ = self.join();
        }
    }

    /// Whether the timer has fired for the last time, and its function has returned; or was cancelled.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let handle = tk_timer::Timer::new(Duration::from_secs(60), || ()).start();
    /// assert!(!handle.is_finished());
    /// # handle.cancel();
    /// ```
    pub fn is_finished(&self) -> bool {
        matches!(self.task.progress(), Progress::Fired | Progress::Cancelled)
    }

    /// Waits until the timer has [finished](TimerHandle::is_finished).
    ///
    /// # Errors
    ///
    /// If this is called by the timer's own function, which would wait for itself.
    #[track_caller]
    pub fn join(&self) -> Result<(), JoinError> {
        self.join_with(Limit::none())
    }

    /// As [`join`](TimerHandle::join), at most for that long.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let handle = tk_timer::Timer::new(Duration::from_secs(60), || ()).start();
    /// assert!(handle.join_for(Duration::from_millis(1)).is_err());
    /// # handle.cancel();
    /// ```
    #[track_caller]
    pub fn join_for(&self, timeout: Duration) -> Result<(), JoinError> {
        self.join_with(timeout)
    }

    /// As [`join`](TimerHandle::join), at most until that time.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// let handle = tk_timer::Timer::new(Duration::from_secs(60), || ()).start();
    /// assert!(handle.join_until(Instant::now()).is_err());
    /// # handle.cancel();
    /// ```
    #[track_caller]
    pub fn join_until(&self, deadline: Instant) -> Result<(), JoinError> {
        self.join_with(deadline)
    }

    /// As [`join`](TimerHandle::join), until the limit is reached; and says which limit that was.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_park::StopSource;
    /// use tk_thread::JoinError;
    ///
    /// let source = StopSource::new();
    /// source.request_stop();
    /// let handle = tk_timer::Timer::new(Duration::from_secs(60), || ()).start();
    /// assert_eq!(handle.join_with(&source.token()), Err(JoinError::Stopped));
    /// # handle.cancel();
    /// ```
    #[track_caller]
    pub fn join_with<'l>(&self, limit: impl Into<Limit<'l>>) -> Result<(), JoinError> {
        let limit = limit.into();
        let wait = Wait::new("timer");
        loop {
            match self.task.progress() {
                Progress::Fired | Progress::Cancelled => return Ok(()),
                Progress::Running(slot) if slot == current_slot() => {
                    return Err(JoinError::CurrentThread);
                }
                Progress::Running(_) | Progress::Pending => {}
            }
            let ends = || self.is_finished();
            let error = match park(&self.task.progress, || !ends(), &wait, limit) {
                Parked::TimedOut => WaitError::TimedOut,
                Parked::Stopped => WaitError::Stopped,
                _ => continue,
            };
            return if ends() { Ok(()) } else { Err(error.into()) };
        }
    }
}

impl fmt::Debug for TimerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerHandle")
            .field("name", &self.name())
            .field("progress", &self.task.progress())
            .finish()
    }
}
