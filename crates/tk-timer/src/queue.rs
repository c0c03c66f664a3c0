//! Who waits for the timers: a leader and its followers.
//!
//! Some threads serve; each does one of three things. The *leader* waits for the earliest timer, or for work to come.
//! *Followers* wait to become the leader. The others call a function.
//!
//! ```text
//!              +--------- notified, or back, and there is no leader ---------+
//!              |                                                             |
//!              v                                                             |
//!   start --> LEADER -- a timer is due --> calls its function --> FOLLOWER --+
//!              |                                                     |
//!              | nothing to wait for, for a while                    | not needed for a while
//!              v                                                     v
//!             end                                                   end
//! ```
//!
//! 1. There is at most one leader.
//! 2. While a timer is pending, there is a leader, or a thread is on its way to see whether one is needed; or no thread could be
//!    started. Then the next one that starts a timer tries again, and so does a thread that comes back from a function.
//! 3. When a timer is due, the leader takes it off the queue, sees to 2. if there is more to wait for, and calls the function
//!    itself. So a fire costs one wake-up, and no function delays another timer.
//! 4. At most one thread is called for at a time, and none if one is about to come back from its function. Whichever comes first
//!    becomes the leader, and the other one finds that it is not needed. So where functions are short, few threads call one
//!    after the other.
//! 5. The leader is woken for a timer that is started or moved only if it is earlier than the time it sleeps until. A
//!    cancellation wakes nobody: at worst the leader finds, once, that there is nothing to do.
//! 6. No function of the user is called or dropped, and no thread is started, while the list is locked.

use std::io;
use std::time::Duration;

use tk_condvar::Condvar;
use tk_lock::{Lock, LockGuard};
use tk_park::sync::{AtomicUsize, Instant, Ordering::Relaxed};
use tk_park::{Limit, later};

use crate::guarded::drop_quietly;
use crate::list::{Due, List, Next};

/// How long a thread without work stays.
const IDLE: Duration = match cfg!(test) {
    true => Duration::from_millis(50),
    false => Duration::from_secs(10),
};

/// The timers of a service, and its threads.
pub struct Queue {
    pub(crate) list: Lock<List>,
    /// The leader waits here.
    earliest: Condvar,
    /// Followers wait here.
    vacancy: Condvar,
    /// What times are counted from.
    epoch: Instant,
    /// How many threads have come back from a function and are about to lock the list.
    returning: AtomicUsize,
}

/// What a queue needs to be served.
pub trait Server {
    /// Starts one more thread that calls [`Queue::serve`].
    fn start_thread(&self) -> io::Result<()>;

    /// Says that there is nobody to wait for timers.
    fn warn(&self, error: io::Error);

    /// Calls the function of a timer.
    fn call(&self, due: &mut Due);
}

impl Queue {
    pub(crate) fn new() -> Queue {
        Queue {
            list: Lock::new(List::new()),
            earliest: Condvar::new(),
            vacancy: Condvar::new(),
            epoch: Instant::now(),
            returning: AtomicUsize::new(0),
        }
    }

    /// The time, as the wheel counts it.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }

    /// A time of the wheel, on the clock. `None` if the clock does not go that far.
    pub(crate) fn instant(&self, nanos: u64) -> Option<Instant> {
        later(self.epoch, Duration::from_nanos(nanos))
    }

    /// The time of the wheel at that time of the clock: zero if that is before it began.
    #[cfg(not(tk_loom))]
    pub(crate) fn nanos(&self, instant: Instant) -> u64 {
        crate::schedule::nanos(instant.saturating_duration_since(self.epoch))
    }

    #[inline]
    pub(crate) fn tell_leader(&self, tell: bool) {
        if tell {
            self.earliest.notify(1);
        }
    }

    /// Sees to 2. Unlocks the list, and starts a thread if there is nobody else. An error is that of the thread.
    pub(crate) fn find_leader(
        &self,
        mut list: LockGuard<'_, List>,
        server: &impl Server,
    ) -> io::Result<()> {
        // Relaxed: a thread that returns takes itself off the count with the list locked, so one that is counted now will lock the
        // list after this.
        let is_returning = self.returning.load(Relaxed) > 0;
        if list.has_leader || list.is_coming || is_returning || list.wheel.is_empty() {
            return Ok(());
        }
        list.is_coming = true;
        if self.vacancy.notify_one() {
            return Ok(());
        }
        drop(list);
        server
            .start_thread()
            .inspect_err(|_| self.list.lock().is_coming = false)
    }

    /// What a serving thread does, which was started because a leader was needed.
    pub(crate) fn serve(&self, server: &impl Server) {
        let mut list = self.list.lock();
        list.is_coming = false;
        while self.follow(&mut list) {
            let Some(mut due) = self.lead(&mut list) else {
                return;
            };
            list.has_leader = false;
            if let Err(error) = self.find_leader(list, server) {
                server.warn(error);
            }
            server.call(&mut due);
            self.returning.fetch_add(1, Relaxed);
            list = self.list.lock();
            self.returning.fetch_sub(1, Relaxed);
            match list.settle(&mut due, self.now()) {
                Next::Again { tell } => self.tell_leader(tell),
                Next::Ended => {}
                Next::Discard => {
                    // What is dropped may block.
                    if let Err(error) = self.find_leader(list, server) {
                        server.warn(error);
                    }
                    drop_quietly(due.function.take());
                    list = self.list.lock();
                    list.end(&due);
                }
            }
        }
    }

    /// Becomes the leader as soon as there is none. `false` when the thread is not needed.
    fn follow(&self, list: &mut LockGuard<'_, List>) -> bool {
        loop {
            if list.is_closed {
                return false;
            }
            if !list.has_leader {
                list.has_leader = true;
                return true;
            }
            if !self.vacancy.wait_for(list, IDLE) {
                return false;
            }
            list.is_coming = false;
        }
    }

    /// As the leader, waits for a timer that is due and takes it off the queue. `None` when the thread is not needed.
    fn lead(&self, list: &mut LockGuard<'_, List>) -> Option<Due> {
        loop {
            if list.is_closed {
                return None;
            }
            if let Some(due) = list.take_due(self.now()) {
                return Some(due);
            }
            let is_idle = list.wheel.is_empty();
            let limit = match list.set_alarm().and_then(|next| self.instant(next)) {
                Some(next) => Limit::until(next),
                None if is_idle => Limit::after(IDLE),
                None => Limit::none(),
            };
            let notified = self.earliest.wait_with(list, limit).is_ok();
            list.alarm = 0;
            if is_idle && !notified && list.wheel.is_empty() {
                list.has_leader = false;
                return None;
            }
        }
    }

    /// Ends all timers that are pending and lets nothing repeat. The serving threads end when their functions have returned.
    pub(crate) fn close(&self) {
        let mut list = self.list.lock();
        let actions = list.close();
        drop(list);
        self.earliest.notify_all();
        self.vacancy.notify_all();
        for action in actions {
            action.discard();
        }
    }

    #[cfg(tk_loom)]
    pub(crate) fn touch(&self) {
        drop(self.list.lock());
        self.earliest.touch();
        self.vacancy.touch();
        self.returning.touch();
    }
}
