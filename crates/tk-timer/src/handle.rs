//! A timer that has been started.

use std::fmt;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tk_lock::Lock;
use tk_park::{Limit, WaitError};
use tk_thread::JoinError;

use crate::list::List;
use crate::schedule::nanos;
use crate::service::{Home, is_running_here};
use crate::slab::Key;
use crate::task::Task;
use crate::{CancelOutcome, RescheduleOutcome};

/// A timer that has been started.
///
/// A clone is another handle on the same timer. Dropping the handle does not cancel it;
/// [`CancelOnDrop`] does.
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
    home: Home,
}

impl TimerHandle {
    pub(crate) fn new(task: Arc<Task>, key: Key, home: Home) -> TimerHandle {
        TimerHandle { task, key, home }
    }

    fn list(&self) -> &Lock<List> {
        &self.home.queue().list
    }

    /// The timer's name.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let handle = tk_timer::Timer::new(Duration::ZERO, || ()).start();
    /// assert!(handle.name().starts_with("Thread-"));
    /// ```
    pub fn name(&self) -> &str {
        self.task.name()
    }

    /// Keeps the timer from firing, if it is not too late, and says whether it was. Does not wait
    /// for a function that runs.
    ///
    /// Of this and the fire exactly one wins. A timer that is cancelled drops its function here, in
    /// the calling thread, after it has [finished](TimerHandle::is_finished). This takes as long as
    /// the values that the function has captured take to be dropped; a panic of theirs is reported
    /// to the excepthook and goes no further.
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
        let (outcome, action) = self.list().lock().cancel(&self.task, self.key);
        if let Some(action) = action {
            action.discard();
        }
        outcome
    }

    /// As [`cancel`](TimerHandle::cancel), and waits for the function if it runs, unless this is
    /// called by that very function. When it returns, the function does not run and will not.
    ///
    /// A limit ends the wait for the function. It does not cut short the drop of what the function
    /// has captured, if the timer was pending: see [`cancel`](TimerHandle::cancel).
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
    /// # Errors
    ///
    /// If the function still runs then: which limit was reached.
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
        // Before all else: it may run code of the caller's, and its time counts from here.
        let limit = limit.into();
        let outcome = self.cancel();
        if outcome == CancelOutcome::Running && !is_running_here(&self.task) {
            self.task.progress.join(self.list(), limit)?;
        }
        Ok(outcome)
    }

    /// Gives the timer another time, counted from now, if it will be called once more, and says
    /// whether that is so. Zero means at once; a time too long for the clock means never.
    ///
    /// A timer that repeats at a fixed rate keeps its rate from the new time on. If its function
    /// runs, the new time is that of the next call. A timer that has ended stays so.
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
        let now = self.home.queue().now();
        self.move_to(now.saturating_add(nanos(after)))
    }

    /// As [`reschedule`](TimerHandle::reschedule), to that time. One that has passed means at once.
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
        self.move_to(self.home.queue().nanos(time))
    }

    fn move_to(&self, deadline: u64) -> RescheduleOutcome {
        let queue = self.home.queue();
        let mut list = queue.list.lock();
        let (outcome, tell) = list.reschedule(&self.task, self.key, deadline);
        drop(list);
        queue.tell(tell);
        outcome
    }

    /// Whether the timer has fired for the last time, and its function has returned; or was
    /// cancelled.
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

    /// Whether this process is the child of a fork, and the timer was started before it. The timer
    /// goes on in the parent; here it counts as [finished](TimerHandle::is_finished), and its
    /// function is neither called nor dropped.
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

    /// Waits until the timer has [finished](TimerHandle::is_finished).
    ///
    /// # Errors
    ///
    /// If this is called by the timer's own function, which would wait for itself.
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

    /// As [`join`](TimerHandle::join), until the limit is reached; and says which limit that was.
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
        Ok(self.task.progress.join(self.list(), limit)?)
    }

    /// The handle, which cancels the timer when it is dropped.
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

// A panic leaves nothing half changed: a handle changes the service's list in steps that call
// nobody's code.
impl UnwindSafe for TimerHandle {}
impl RefUnwindSafe for TimerHandle {}

impl fmt::Debug for TimerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimerHandle")
            .field("name", &self.task.known_name())
            .field("state", &self.task.progress.state())
            .finish()
    }
}

/// A [`TimerHandle`] that [cancels](TimerHandle::cancel) the timer when it is dropped, and does not
/// wait for a function that runs.
///
/// ```
/// use std::time::Duration;
/// use tk_timer::{CancelOnDrop, Timer};
///
/// struct Connection {
///     _timeout: CancelOnDrop, // Gone with the connection.
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
    /// There until the drop.
    handle: Option<TimerHandle>,
}

impl CancelOnDrop {
    /// The handle, which does not cancel the timer any more when it is dropped.
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
        self.handle.take().expect("there until the drop")
    }
}

/// All that a [`TimerHandle`] can do.
impl Deref for CancelOnDrop {
    type Target = TimerHandle;

    fn deref(&self) -> &TimerHandle {
        self.handle.as_ref().expect("there until the drop")
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(handle) = &self.handle {
            handle.cancel();
        }
    }
}
