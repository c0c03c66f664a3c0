//! A timer that has been started.

use std::fmt;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tk_lock::Lock;
use tk_park::{Limit, WaitError};
use tk_thread::JoinError;

use crate::schedule::nanos;
use crate::service::{ServiceRef, is_running_here};
use crate::slab::Key;
use crate::state::State;
use crate::task::Task;
use crate::{CancelOutcome, RescheduleOutcome};

/// A timer that has been started.
///
/// A clone is another handle on the same timer. Dropping a handle does not cancel the timer. To
/// cancel it then, use [`CancelOnDrop`].
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
    key: Key,
    service: ServiceRef,
}

impl TimerHandle {
    pub(crate) fn new(task: Arc<Task>, key: Key, service: ServiceRef) -> TimerHandle {
        TimerHandle { task, key, service }
    }

    fn state(&self) -> &Lock<State> {
        &self.service.scheduler().state
    }

    /// Returns the timer's name.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let handle = tk_timer::Timer::new(Duration::ZERO, || ()).start();
    /// assert!(handle.name().starts_with("Thread-"));
    /// ```
    pub fn name(&self) -> &str {
        self.task.name()
    }

    /// Cancels the timer, and returns whether that was in time. Does not wait for a function that
    /// runs.
    ///
    /// Either the timer is cancelled or it fires. A function that runs is not called again.
    ///
    /// If the timer was pending, the calling thread drops its function here, after the timer has
    /// [finished](TimerHandle::is_finished). A panic of a value that the function has captured is
    /// reported to the excepthook and goes no further.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_timer::{CancelOutcome, Timer};
    ///
    /// let handle = Timer::new(Duration::from_secs(60), || ()).start();
    /// assert_eq!(handle.cancel(), CancelOutcome::Cancelled);
    /// ```
    pub fn cancel(&self) -> CancelOutcome {
        if self.is_lost() {
            return CancelOutcome::Finished;
        }
        let (outcome, action) = self.state().lock().cancel(&self.task, self.key);
        if let Some(action) = action {
            action.discard();
        }
        outcome
    }

    /// As [`cancel`](TimerHandle::cancel), and waits until the function has returned, if it runs.
    /// After this call the function does not run, and will not run again.
    ///
    /// If the timer's own function calls this, it does not wait.
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
    pub fn cancel_and_wait(&self) -> CancelOutcome {
        let waited = self.cancel_and_wait_with(Limit::never());
        waited.unwrap_or(CancelOutcome::Running)
    }

    /// As [`cancel_and_wait`](TimerHandle::cancel_and_wait), until the limit is reached. The timer
    /// is cancelled in any case.
    ///
    /// The limit ends the wait for the function. If the timer was pending, it does not shorten the
    /// drop of what the function has captured.
    ///
    /// # Errors
    ///
    /// If the limit is reached and the function still runs.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_timer::StopSource;
    ///
    /// let source = StopSource::new();
    /// let handle = tk_timer::Timer::new(Duration::from_secs(60), || ()).start();
    /// assert!(handle.cancel_and_wait_with(&source.token()).unwrap().is_cancelled());
    /// ```
    #[track_caller]
    pub fn cancel_and_wait_with<'l>(
        &self,
        limit: impl Into<Limit<'l>>,
    ) -> Result<CancelOutcome, WaitError> {
        // First, because the conversion may run code of the caller, and a duration counts from
        // here.
        let limit = limit.into();
        let outcome = self.cancel();
        if outcome == CancelOutcome::Running && !is_running_here(&self.task) {
            self.task.progress.join(self.state(), limit)?;
        }
        Ok(outcome)
    }

    /// Moves the next call of the timer to another time, counted from now. Returns whether there is
    /// a next call. Zero means immediately, and a time too long for the clock means never.
    ///
    /// A timer that repeats at a fixed rate keeps its rate from the new time on. If its function
    /// runs, the new time is that of the next call. A timer that has finished is not started again.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_timer::{RescheduleOutcome, Timer};
    ///
    /// let handle = Timer::new(Duration::from_secs(3600), || println!("sooner")).start();
    /// assert_eq!(handle.reschedule(Duration::ZERO), RescheduleOutcome::Moved);
    /// handle.join().unwrap();
    /// ```
    pub fn reschedule(&self, after: Duration) -> RescheduleOutcome {
        if self.is_lost() {
            return RescheduleOutcome::Finished;
        }
        let now = self.service.scheduler().now();
        self.move_to(now.saturating_add(nanos(after)))
    }

    /// As [`reschedule`](TimerHandle::reschedule), to that time. A time in the past means
    /// immediately.
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    /// use tk_timer::Timer;
    ///
    /// let handle = Timer::new(Duration::from_secs(3600), || println!("sooner")).start();
    /// assert!(handle.reschedule_at(Instant::now()).is_moved());
    /// handle.join().unwrap();
    /// ```
    pub fn reschedule_at(&self, time: Instant) -> RescheduleOutcome {
        if self.is_lost() {
            return RescheduleOutcome::Finished;
        }
        self.move_to(self.service.scheduler().nanos(time))
    }

    fn move_to(&self, deadline: u64) -> RescheduleOutcome {
        let scheduler = self.service.scheduler();
        let mut state = scheduler.state.lock();
        let (outcome, wake) = state.reschedule(&self.task, self.key, deadline);
        drop(state);
        scheduler.wake(wake);
        outcome
    }

    /// Returns whether the timer was cancelled, or has fired for the last time and its function has
    /// returned.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let handle = tk_timer::Timer::new(Duration::from_secs(60), || ()).start();
    /// assert!(!handle.is_finished());
    /// # handle.cancel();
    /// ```
    pub fn is_finished(&self) -> bool {
        self.is_lost() || self.task.progress.has_ended()
    }

    /// Returns whether the timer was started in the parent of this process, before a fork.
    ///
    /// The timer goes on in the parent. Here it counts as [finished](TimerHandle::is_finished), and
    /// its function is neither called nor dropped.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let handle = tk_timer::Timer::new(Duration::from_secs(60), || ()).start();
    /// assert!(!handle.is_lost());
    /// # handle.cancel();
    /// ```
    pub fn is_lost(&self) -> bool {
        self.task.is_lost()
    }

    /// Waits until the timer has [finished](TimerHandle::is_finished). Any number of threads may
    /// wait.
    ///
    /// # Errors
    ///
    /// If the timer's own function calls this, because it would wait for itself.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let handle = tk_timer::Timer::new(Duration::ZERO, || ()).start();
    /// assert_eq!(handle.join(), Ok(()));
    /// ```
    #[track_caller]
    pub fn join(&self) -> Result<(), JoinError> {
        self.join_with(Limit::never())
    }

    /// As [`join`](TimerHandle::join), for at most that long.
    ///
    /// # Errors
    ///
    /// If the time is up before the timer has finished, or if the timer's own function calls this.
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

    /// As [`join`](TimerHandle::join), until the limit is reached.
    ///
    /// # Errors
    ///
    /// If the limit is reached before the timer has finished: the error says which limit. If the
    /// timer's own function calls this.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_timer::StopSource;
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
        if self.is_lost() {
            return Ok(());
        }
        if is_running_here(&self.task) {
            return Err(JoinError::CurrentThread);
        }
        Ok(self.task.progress.join(self.state(), limit)?)
    }

    /// Returns a handle that cancels the timer when it is dropped.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_timer::Timer;
    ///
    /// let handle = Timer::new(Duration::from_secs(60), || ()).start();
    /// {
    ///     let _pending_in_here = handle.clone().cancel_on_drop();
    ///     assert!(!handle.is_finished());
    /// }
    /// assert!(handle.is_finished());
    /// ```
    pub fn cancel_on_drop(self) -> CancelOnDrop {
        CancelOnDrop { handle: Some(self) }
    }
}

// A panic leaves nothing half changed, because no step on the service's state calls the user's
// code.
impl UnwindSafe for TimerHandle {}
impl RefUnwindSafe for TimerHandle {}

impl fmt::Debug for TimerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerHandle")
            .field("name", &self.task.known_name())
            .field("state", &self.task.progress.phase())
            .finish()
    }
}

/// A [`TimerHandle`] that [cancels](TimerHandle::cancel) its timer when it is dropped.
///
/// The drop does not wait for a function that runs.
///
/// ```
/// use std::time::Duration;
/// use tk_timer::{CancelOnDrop, Timer};
///
/// struct Connection {
///     _timeout: CancelOnDrop, // Cancelled with the connection.
/// }
///
/// let timeout = Timer::new(Duration::from_secs(60), || println!("too slow")).start();
/// let connection = Connection { _timeout: timeout.clone().cancel_on_drop() };
/// drop(connection);
/// assert!(timeout.is_finished());
/// ```
#[derive(Debug)]
#[must_use = "the timer is cancelled when this is dropped"]
pub struct CancelOnDrop {
    /// Present until it is taken out or dropped.
    handle: Option<TimerHandle>,
}

impl CancelOnDrop {
    /// Returns the handle, and does not cancel the timer.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_timer::Timer;
    ///
    /// let guard = Timer::new(Duration::from_secs(60), || ()).start().cancel_on_drop();
    /// let handle = guard.keep();
    /// assert!(!handle.is_finished());
    /// # handle.cancel();
    /// ```
    pub fn keep(mut self) -> TimerHandle {
        self.handle
            .take()
            .expect("the handle is present until the drop")
    }
}

/// Gives access to the methods of [`TimerHandle`].
impl Deref for CancelOnDrop {
    type Target = TimerHandle;

    fn deref(&self) -> &TimerHandle {
        self.handle
            .as_ref()
            .expect("the handle is present until the drop")
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(handle) = &self.handle {
            handle.cancel();
        }
    }
}
