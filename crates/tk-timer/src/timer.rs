//! A timer that has not been started yet.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tk_core::__private::{KeepAliveExt, Program, shutting_down};
use tk_core::KeepAlive;

use crate::schedule::nanos;
use crate::service::Home;
use crate::task::{Action, Function, Task, again, once};
use crate::{Schedule, Tick, TimerHandle, TimerService};

/// A function that is to be called later, and has not been started yet. [`start`](Timer::start)
/// gives the [`TimerHandle`], with which it is waited for or cancelled.
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

/// When the function is called first.
#[derive(Clone, Copy, Debug)]
enum First {
    After(Duration),
    At(Instant),
}

impl Timer {
    /// A timer that calls `f` once, when it has been started and this time has passed. Zero means
    /// at once; a time too long for the clock means never.
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

    /// A timer that calls `f` once, at this time. If that has passed when the timer is started, it
    /// means at once.
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

    /// A timer that calls `f` again and again, until it is cancelled or `f` returns
    /// [`ControlFlow::Break`](std::ops::ControlFlow::Break). A function that returns nothing goes
    /// on: see [`Tick`].
    ///
    /// If a `Duration` is given, `f` is called when this time has passed since the start, and each
    /// time that it has passed again. The rate is fixed. A [`Schedule`] can say more: a fixed delay
    /// instead, when to begin, what becomes of times that are missed, and whether the timer goes on
    /// after a panic. While `f` runs it is not called again. [`tk_thread::exit`] in `f` ends the
    /// timer.
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

    /// Names the timer. Its function runs in a thread of this name. An empty one means the default,
    /// `Thread-N`. The number is taken when the name is first asked for, or when the timer fires.
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
        let name = name.into();
        self.name = (!name.is_empty()).then(|| Arc::from(name));
        self
    }

    /// Says whether the program may end while the timer is pending: see [`tk_thread::main`]. If it
    /// is not said, it may if the thread that starts the timer is a daemon; in a timer's function,
    /// if that timer is one. The function runs in a thread that is a daemon if the timer is one,
    /// and so are the threads that it starts.
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
    /// Takes longer if the service has too few threads, because it starts them.
    ///
    /// # Panics
    ///
    /// Where [`try_start`](Timer::try_start) returns an error: if there is no thread to call the
    /// timer and the system does not start one, or if the program is shutting down.
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

    /// As [`start`](Timer::start), on a service of one's own.
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
        self.try_start_on(service)
            .unwrap_or_else(|error| panic!("failed to start a timer: {error}"))
    }

    /// As [`start`](Timer::start).
    ///
    /// # Errors
    ///
    /// In each case the function is dropped, and has not been called.
    ///
    /// - There is no thread to call the timer, and the system does not start one: the system's
    ///   error. The service does not count the thread whose function runs at this moment, which may
    ///   never return.
    /// - The program is shutting down, because [`tk_thread::main`] has waited for its last thread
    ///   and timer, or has given up: an error from which [`io::Error::downcast`] gets a
    ///   [`ShuttingDown`](tk_thread::ShuttingDown). This is so for daemons too.
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

    /// As [`try_start`](Timer::try_start), on a service of one's own.
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
        let token = match daemon {
            true => program.is_open().then_some(None).ok_or(shutting_down()),
            false => KeepAlive::unlisted(&program).map(Some),
        }
        .map_err(io::Error::other)?;
        if token.is_some() {
            Home::list_holders();
        }
        let (home, queue) = (service.home(), service.home().queue());
        let task = Arc::new(Task::new(self.name, self.schedule));
        let action = Action {
            task: Arc::clone(&task),
            function: self.function,
            token,
        };
        let deadline = match self.first {
            First::After(after) => queue.now().saturating_add(nanos(after)),
            First::At(time) => queue.nanos(time),
        };
        let key = queue.start(action, deadline, home)?;
        Ok(TimerHandle::new(task, key, home.clone()))
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
