//! Who waits for the timers, and who calls their functions.
//!
//! Some threads serve; each does one of three things. The *leader* waits for the earliest timer, or for work to come.
//! *Followers* wait to become the leader. The others call a function.
//!
//! 1. There is at most one leader.
//! 2. While a timer is pending, there is a leader, or one is on its way; or every serving thread calls a function and no
//!    more can be started.
//! 3. When a timer is due, the leader takes it off the list, sees to it that there is a new leader if there is more to wait
//!    for, and calls the function itself. So a fire costs one wake-up.
//! 4. A timer that is started wakes the leader only if it is the earliest.
//! 5. Whoever takes a timer off the list owns what becomes of it: the leader, to fire it, or somebody who cancels it.
//! 6. No function of a user is called or dropped while the list is locked.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tk_condvar::Condvar;
use tk_core::{KeepAlive, Slot, current_slot};
use tk_lock::{Lock, LockGuard};
use tk_park::sync::{AtomicU32, Ordering::*};
use tk_park::{Limit, deadline_after, later, unpark_all};
use tk_thread::Builder;

/// How long a thread without work stays.
const IDLE: Duration = Duration::from_secs(10);

/// What a serving thread is called while it calls no timer's function.
const NAME: &str = "tk-timer";

pub(crate) static SERVICE: Service = Service::new();

pub(crate) struct Service {
    list: Lock<List>,
    /// The leader waits here.
    earliest: Condvar,
    /// Followers wait here.
    vacancy: Condvar,
}

struct List {
    /// In the order in which they are due, those due at one time in the order in which they were started.
    pending: BTreeMap<Place, Arc<Task>>,
    started: u64,
    /// There is one, or one is on its way: a follower that has been notified, or a thread that has been started.
    has_leader: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    due: Due,
    number: u64,
}

/// A time, which may be too far ahead for the clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    At(Instant),
    Never,
}

impl Due {
    fn after(duration: Duration) -> Due {
        deadline_after(duration).map_or(Due::Never, Due::At)
    }
}

/// A timer that has been started.
pub(crate) struct Task {
    pub(crate) name: Arc<str>,
    action: Lock<Option<Action>>,
    /// On the list, if it is pending. Changed with the list locked.
    place: Lock<Option<Place>>,
    /// | value | meaning | changes to |
    /// |---|---|---|
    /// | `PENDING` | it is on the list | `CANCELLED`; or the slot that fires it |
    /// | a slot | its function runs in that thread | `FIRED`; `PENDING`, if it repeats |
    /// | slot and `LAST` | the same, and it does not repeat any more | `CANCELLED` |
    /// | `FIRED`, `CANCELLED` | it has ended | |
    ///
    /// Changed with the list locked.
    pub(crate) progress: AtomicU32,
}

const PENDING: u32 = 0;
const FIRED: u32 = u32::MAX;
const CANCELLED: u32 = u32::MAX - 1;
const LAST: u32 = 1 << 31;

/// What a timer's progress says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Pending,
    Running(Slot),
    Fired,
    Cancelled,
}

/// What a timer does.
pub(crate) struct Action {
    pub(crate) function: Function,
    /// Held while the timer can still fire, and while it does.
    pub(crate) keep_alive: Option<KeepAlive>,
}

pub(crate) enum Function {
    Once(Box<dyn FnOnce() + Send>),
    Every(Duration, Box<dyn FnMut() + Send>),
}

impl Task {
    pub(crate) fn new(name: Arc<str>, action: Action) -> Arc<Task> {
        Arc::new(Task {
            name,
            action: Lock::new(Some(action)),
            place: Lock::new(None),
            progress: AtomicU32::new(PENDING),
        })
    }

    pub(crate) fn progress(&self) -> Progress {
        // Acquire: pairs with the Release in `advance`; who sees the end sees what the function did.
        match self.progress.load(Acquire) {
            PENDING => Progress::Pending,
            FIRED => Progress::Fired,
            CANCELLED => Progress::Cancelled,
            running => Progress::Running(
                Slot::new(running & !LAST).expect("a running timer has the slot of its thread"),
            ),
        }
    }

    fn advance(&self, to: u32) {
        // Release: pairs with the Acquire in `progress`.
        self.progress.store(to, Release);
        if to == FIRED || to == CANCELLED {
            unpark_all(&self.progress, 0);
        }
    }
}

impl Service {
    const fn new() -> Service {
        Service {
            list: Lock::new(List {
                pending: BTreeMap::new(),
                started: 0,
                has_leader: false,
            }),
            earliest: Condvar::new(),
            vacancy: Condvar::new(),
        }
    }

    /// Puts a timer on the list. If nobody can be found to wait for it, the error says why, and the timer is not there.
    pub(crate) fn start(&'static self, task: &Arc<Task>, after: Duration) -> io::Result<()> {
        let mut list = self.list.lock();
        list.started += 1;
        let place = Place {
            due: Due::after(after),
            number: list.started,
        };
        self.enlist(&mut list, task, place);
        let result = self.find_leader(&mut list);
        if result.is_err() {
            list.pending.remove(&place);
        }
        result
    }

    fn enlist(&self, list: &mut LockGuard<'_, List>, task: &Arc<Task>, place: Place) {
        *task.place.lock() = Some(place);
        list.pending.insert(place, Arc::clone(task));
        let is_earliest = list.pending.keys().next() == Some(&place);
        if is_earliest && list.has_leader {
            self.earliest.notify(1);
        }
    }

    /// Takes a timer off the list for good, unless it is about to fire, fires, or has ended; says which it was. One that is
    /// firing does not fire again.
    pub(crate) fn cancel(&self, task: &Task) -> Progress {
        let list = &mut self.list.lock();
        let progress = task.progress();
        match progress {
            Progress::Pending => {
                let place = task.place.lock().take();
                if let Some(place) = place {
                    list.pending.remove(&place);
                }
                task.advance(CANCELLED);
            }
            Progress::Running(slot) => task.advance(slot.get() | LAST),
            Progress::Fired | Progress::Cancelled => {}
        }
        progress
    }

    /// What is left of a timer that will not fire again. To be dropped with nothing locked.
    pub(crate) fn take_action(&self, task: &Task) -> Option<Action> {
        task.action.lock().take()
    }

    /// Sees to 2.
    fn find_leader(&'static self, list: &mut LockGuard<'_, List>) -> io::Result<()> {
        if list.has_leader || list.pending.is_empty() {
            return Ok(());
        }
        // A notification is for one follower, or there is none: the place is not given to one who has just left.
        if !self.vacancy.notify_one() {
            Builder::new()
                .name(NAME)
                .daemon(true)
                .spawn(move || self.serve())?;
        }
        list.has_leader = true;
        Ok(())
    }

    /// What a serving thread does. It begins as the leader.
    fn serve(&'static self) {
        let me = tk_core::current();
        let mut list = self.list.lock();
        while let Some((task, due)) = self.lead(&mut list) {
            list.has_leader = false;
            let successor = self.find_leader(&mut list);
            drop(list);
            if let Err(error) = successor {
                // The others wait until this function has returned.
                log_quietly(|| log::warn!("no thread to wait for timers for a while: {error}"));
            }

            me.set_name(Arc::clone(&task.name));
            let again = self.fire(&task);
            me.set_name(NAME);

            list = self.list.lock();
            let left = self.after_fire(&mut list, &task, due, again);
            if left.is_some() {
                drop(list);
                drop_quietly(left);
                list = self.list.lock();
            }
            if !self.follow(&mut list) {
                return;
            }
        }
    }

    /// As the leader, waits for a timer that is due and takes it off the list. `None` when there is nothing to do.
    fn lead(&self, list: &mut LockGuard<'_, List>) -> Option<(Arc<Task>, Instant)> {
        loop {
            let earliest = list.pending.keys().next().copied();
            let limit = match earliest {
                Some(place) => match place.due {
                    Due::At(due) if due <= Instant::now() => {
                        let task = list.pending.remove(&place);
                        let task = task.expect("what was first is still there");
                        task.place.lock().take();
                        task.advance(current_slot().get());
                        return Some((task, due));
                    }
                    Due::At(due) => Limit::until(due),
                    Due::Never => Limit::none(),
                },
                None => Limit::after(IDLE),
            };
            let notified = self.earliest.wait_with(list, limit).is_ok();
            if earliest.is_none() && !notified && list.pending.is_empty() {
                list.has_leader = false;
                return None;
            }
        }
    }

    /// Becomes the leader if there is none, or waits to be told that it is. `false` when it is not needed.
    fn follow(&self, list: &mut LockGuard<'_, List>) -> bool {
        if !list.has_leader {
            list.has_leader = true;
            return true;
        }
        self.vacancy.wait_for(list, IDLE)
    }

    /// Calls the function. Gives back the action of a timer that repeats, for the next time.
    fn fire(&self, task: &Task) -> Option<Action> {
        let Action {
            function,
            keep_alive,
        } = self.take_action(task)?;
        log_quietly(|| log::trace!("timer {} fires", task.name));
        // The panic hook reports a panic, under the timer's name.
        match function {
            Function::Once(function) => {
                drop_quietly(catch_unwind(AssertUnwindSafe(function)));
                drop(keep_alive);
                None
            }
            Function::Every(period, mut function) => {
                drop_quietly(catch_unwind(AssertUnwindSafe(&mut function)));
                Some(Action {
                    function: Function::Every(period, function),
                    keep_alive,
                })
            }
        }
    }

    /// Puts a timer that repeats back on the list, or says that it has ended. What it returns is to be dropped with
    /// nothing locked.
    fn after_fire(
        &self,
        list: &mut LockGuard<'_, List>,
        task: &Arc<Task>,
        due: Instant,
        again: Option<Action>,
    ) -> Option<Action> {
        let cancelled = task.progress.load(Relaxed) & LAST != 0;
        let Some(action) = again else {
            task.advance(FIRED);
            return None;
        };
        if cancelled {
            task.advance(CANCELLED);
            return Some(action);
        }
        list.started += 1;
        let place = Place {
            due: action.function.next_due(due, Instant::now()),
            number: list.started,
        };
        *task.action.lock() = Some(action);
        task.advance(PENDING);
        self.enlist(list, task, place);
        None
    }
}

impl Function {
    /// The next time after one that was due then: a whole number of periods later, and not in the past. Times that have
    /// been missed are left out.
    fn next_due(&self, due: Instant, now: Instant) -> Due {
        let Function::Every(period, _) = self else {
            return Due::Never;
        };
        let late = now.saturating_duration_since(due).as_nanos();
        let period = period.as_nanos();
        // At least one period; `period` is not zero.
        let ahead = (late / period + 1).saturating_mul(period);
        let ahead = Duration::from_nanos_u128(ahead.min(Duration::MAX.as_nanos()));
        later(due, ahead).map_or(Due::Never, Due::At)
    }
}

/// The program's logger is the program's code: it may panic.
fn log_quietly(log: impl FnOnce()) {
    drop_quietly(catch_unwind(AssertUnwindSafe(log)));
}

/// A value of a user that panics when it is dropped goes no further than that.
fn drop_quietly<T>(value: T) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        std::mem::forget(payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missed_times_are_left_out_and_the_rate_is_kept() {
        let period = Duration::from_millis(10);
        let function = Function::Every(period, Box::new(|| ()));
        let due = Instant::now();
        let next = |late: u64| function.next_due(due, due + Duration::from_millis(late));
        let at = |millis: u64| Due::At(due + Duration::from_millis(millis));
        assert!(next(0) == at(10));
        assert!(next(9) == at(10));
        assert!(next(10) == at(20));
        assert!(next(35) == at(40));
    }

    #[test]
    fn a_period_beyond_the_clock_never_comes() {
        let function = Function::Every(Duration::MAX, Box::new(|| ()));
        let due = Instant::now();
        assert!(function.next_due(due, due) == Due::Never);
        assert!(Due::At(due) < Due::Never);
    }
}
