//! A timer that has not been started yet.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tk_core::__private::{KeepAliveExt, Program, shutting_down};
use tk_core::KeepAlive;

use crate::schedule::nanos;
use crate::service::ServiceRef;
use crate::task::{Action, Function, Hold, Task, again, once};
use crate::{Schedule, Tick, TimerHandle, TimerService};

/// A timer that has not been started: what to call, and when.
///
/// [`start`](Timer::start) starts it and returns a [`TimerHandle`], which waits for it or cancels
/// it.
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
    name: Option<Arc<str>>,
    daemon: Option<bool>,
    first: First,
    schedule: Option<Schedule>,
    function: Box<dyn Function>,
}

/// The time of the first call.
#[derive(Clone, Copy, Debug)]
enum First {
    After(Duration),
    At(Instant),
}

impl Timer {
    /// Makes a timer that calls `f` once, when this time has passed since its start. Zero means
    /// immediately, and a time too long for the clock means never.
    ///
    /// A panic in `f` is reported to the [excepthook](tk_thread::set_excepthook) under the timer's
    /// name, and goes no further.
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
        Timer::first(First::After(after), None, once(f))
    }

    /// Makes a timer that calls `f` once, at this time. A time in the past means immediately.
    ///
    /// ```
    /// use std::time::Instant;
    /// use tk_timer::Timer;
    ///
    /// Timer::at(Instant::now(), || println!("now")).start().join().unwrap();
    /// ```
    pub fn at(time: Instant, f: impl FnOnce() + Send + 'static) -> Timer {
        Timer::first(First::At(time), None, once(f))
    }

    fn first(first: First, schedule: Option<Schedule>, function: Box<dyn Function>) -> Timer {
        Timer {
            name: None,
            daemon: None,
            first,
            schedule,
            function,
        }
    }

    /// Makes a timer that calls `f` repeatedly, until it is cancelled or `f` returns
    /// [`ControlFlow::Break`](std::ops::ControlFlow::Break). A function that returns nothing goes
    /// on: see [`Tick`].
    ///
    /// With a `Duration`, `f` is called at a fixed rate, for the first time when that time has
    /// passed since the start. A [`Schedule`] sets more: a fixed delay instead of a rate, the time
    /// of the first call, the policy for missed ticks, and whether the timer goes on after a panic.
    ///
    /// While `f` runs it is not called again. [`tk_thread::exit`] in `f` ends the timer.
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
    #[track_caller]
    pub fn every<R: Tick>(
        schedule: impl Into<Schedule>,
        f: impl FnMut() -> R + Send + 'static,
    ) -> Timer {
        let schedule = schedule.into();
        let first = First::After(schedule.first());
        Timer::first(first, Some(schedule), again(f))
    }

    /// Sets the timer's name, which is also that of the thread that its function sees. An empty
    /// name means the default, `Thread-N`. A default name takes its number when it is first asked
    /// for, or when the timer fires.
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use std::time::Duration;
    /// use tk_timer::Timer;
    ///
    /// let (sender, receiver) = mpsc::channel();
    /// let wake = move || sender.send(tk_thread::current().name()).unwrap();
    /// Timer::new(Duration::ZERO, wake).name("teller").start();
    /// assert_eq!(receiver.recv().unwrap(), "teller");
    /// ```
    #[doc(alias = "setName")]
    pub fn name(mut self, name: impl Into<String>) -> Timer {
        let name = name.into();
        self.name = (!name.is_empty()).then(|| Arc::from(name));
        self
    }

    /// Sets whether the timer is a daemon. [`tk_thread::main`] does not wait for daemons.
    ///
    /// By default, the timer is a daemon if the thread that starts it is one. In a timer's
    /// function, that thread is a daemon if its timer is one.
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

    /// Starts the timer on the [global service](TimerService::global). Its time is counted from
    /// now.
    ///
    /// If the service has too few threads, this call starts them, and takes longer.
    ///
    /// # Panics
    ///
    /// If [`try_start`](Timer::try_start) would return an error: there is no thread to call the
    /// timer and the system does not start one, or the program is shutting down.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_timer::Timer;
    ///
    /// let handle = Timer::new(Duration::from_secs(60), || ()).start();
    /// handle.cancel();
    /// ```
    #[track_caller]
    pub fn start(self) -> TimerHandle {
        self.start_on(TimerService::global())
    }

    /// As [`start`](Timer::start), on this service.
    ///
    /// # Panics
    ///
    /// As [`start`](Timer::start).
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_timer::{Timer, TimerService};
    ///
    /// let service = TimerService::new();
    /// Timer::new(Duration::ZERO, || ()).start_on(&service).join().unwrap();
    /// ```
    #[track_caller]
    pub fn start_on(self, service: &TimerService) -> TimerHandle {
        match self.try_start_on(service) {
            Ok(handle) => handle,
            // Not in a closure, which would not have the line of the caller.
            Err(error) => panic!("failed to start a timer: {error}"),
        }
    }

    /// As [`start`](Timer::start), and returns an error instead of panicking.
    ///
    /// # Errors
    ///
    /// In each case the function has not been called, and is dropped.
    ///
    /// - There is no thread to call the timer, and the system does not start one: the system's
    ///   error. A thread that runs a function at the moment does not count, because the function
    ///   may never return.
    /// - The program is shutting down, because [`tk_thread::main`] has waited for its last thread
    ///   and timer, or has given up: an error that [`io::Error::downcast`] converts to
    ///   [`ShuttingDown`](tk_thread::ShuttingDown). This includes daemons.
    /// - There are four billion timers: [`io::ErrorKind::OutOfMemory`].
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
        self.try_start_on(TimerService::global())
    }

    /// As [`try_start`](Timer::try_start), on this service.
    ///
    /// # Errors
    ///
    /// As [`try_start`](Timer::try_start).
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_timer::{Timer, TimerService};
    ///
    /// let service = TimerService::new();
    /// let handle = Timer::new(Duration::from_secs(60), || ()).try_start_on(&service)?;
    /// handle.cancel();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn try_start_on(self, service: &TimerService) -> io::Result<TimerHandle> {
        let daemon = self
            .daemon
            .unwrap_or_else(|| tk_core::current().is_daemon());
        let program = Program::current();
        let hold = if !daemon {
            KeepAlive::unlisted(&program).map(Hold::Open)
        } else if program.is_open() {
            Ok(Hold::Daemon(program))
        } else {
            Err(shutting_down())
        }
        .map_err(io::Error::other)?;
        if !hold.is_daemon() {
            ServiceRef::list_holders();
        }
        let service = service.reference();
        let scheduler = service.scheduler();
        let task = Arc::new(Task::new(self.name, self.schedule));
        let action = Action {
            task: Arc::clone(&task),
            function: self.function,
            hold,
        };
        let deadline = match self.first {
            First::After(after) => scheduler.now().saturating_add(nanos(after)),
            First::At(time) => scheduler.nanos(time),
        };
        let key = scheduler.start(action, deadline, service)?;
        Ok(TimerHandle::new(task, key, service.clone()))
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer")
            .field("name", &self.name)
            .field("first", &self.first)
            .field("schedule", &self.schedule)
            .finish_non_exhaustive()
    }
}
