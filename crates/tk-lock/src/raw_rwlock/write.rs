//! Writing: closing the door, waiting for the readers inside; the upgradable lock, and its upgrade.
//!
//! | state | `try_write` | `write` | `upgradable_read` | `upgrade` |
//! |---|---|---|---|---|
//! | open, no reader | closes the door | the same | takes it | closes the door |
//! | open, readers | fails | closes the door, drains | takes it | closes the door, drains |
//! | the door or the upgradable lock is taken | fails | spins, yields, parks | the same | |
//!
//! To drain is to wait until the count is zero and no cell is the lock's. The writer looks at one
//! cell after the other, and sleeps at the first that is the lock's, until that reader leaves.
//!
//! # Invariants
//!
//! **Drained means exclusive.** A thread that has the door, and has found the count at zero and
//! then each cell clear, is alone: *Closed to the count* and *Once clear, clear*.
//!
//! **A writer waits for no new reader.** It closes the door first. So after it has closed it, it
//! waits for the readers that are inside, and for the levels that these add, and for nobody else.
//!
//! **Giving up opens the door.** A writer whose limit is reached while it drains lets everybody in
//! as a release does (*A release is to come*).
//!
//! **An upgrade is one step.** The thread has `UPGRADABLE` until it has the lock for writing, so no
//! other writer gets in between.

use tk_core::__private::fork::is_lost;
use tk_core::Owner;
use tk_park::__private::{Broken, Failed, park_held};
use tk_park::sync::current_owner;
use tk_park::{Limit, Parked, WaitError, WaitInfo, park_while};

use super::cells::{Cell, Id, Row};
use super::holders::{Door, ReadersInside};
use super::light::fence_behind;
use super::read::{COUNT, pause_until, spin_until};
use super::traits::unlimited;
use super::word::{Keep, State, Step};
use super::{Hopeless, RawRwLock, TOKEN_OWNER, Wish, rows::Rows};

/// The readers inside, one after the other. The position is kept: *Once clear, clear*.
struct Drain {
    id: Option<Id>,
    rows: Rows,
    row: Option<&'static Row>,
}

/// A reader, or the count of readers, for which a writer waits.
#[derive(Clone, Copy)]
enum Inside {
    Counted,
    At(&'static Cell, Id),
}

impl RawRwLock {
    /// The readers that may be inside when the door has just been closed, in this state.
    #[inline]
    fn readers_inside(&self, closed: State) -> Drain {
        fence_behind(closed);
        self.readers_in_sight(closed)
    }

    /// The readers that are seen inside in this state. If the door is open, others may be inside.
    #[inline]
    fn readers_in_sight(&self, state: State) -> Drain {
        // After the door was closed: Known block.
        let known = self.identity.load();
        let id = known.id().filter(|_| state.is_visible());
        Drain {
            id,
            rows: Rows::of(known),
            row: None,
        }
    }

    /// The first reader that is still inside, from the position on.
    #[inline]
    fn first_inside(&self, drain: &mut Drain) -> Option<Inside> {
        if self.word.load_acquire().count() > 0 {
            return Some(Inside::Counted);
        }
        let id = drain.id?;
        loop {
            let mut cells = drain.row.into_iter().flat_map(Row::cells);
            if let Some(cell) = cells.find(|cell| cell.holds(id)) {
                return Some(Inside::At(cell, id));
            }
            drain.row = Some(drain.rows.next()?);
        }
    }

    /// Whether this reader, or the count, is still inside.
    fn is_inside(&self, inside: Inside) -> bool {
        match inside {
            Inside::Counted => self.word.load_acquire().count() > 0,
            Inside::At(cell, id) => cell.holds(id),
        }
    }

    /// The thread that a writer waits for, for its record. It is one that a fork has left behind,
    /// if there is one, because the others may leave without waking the writer.
    fn reader_inside(&self, inside: Inside) -> Option<Owner> {
        match inside {
            Inside::Counted => {
                let lost = self.each_reader().find(|reader| is_lost(*reader));
                lost.or_else(|| self.each_reader().next())
            }
            Inside::At(cell, _) => Rows::of(self.identity.load())
                .find(|row| row.cells().iter().any(|other| std::ptr::eq(other, cell)))?
                .owner(),
        }
    }
}

/// Writing.
impl RawRwLock {
    /// Gets the lock for writing, if that is possible without a wait.
    #[inline]
    pub(super) fn try_write(&self) -> bool {
        self.try_write_as(current_owner())
    }

    /// The same, for this owner.
    #[inline]
    pub(super) fn try_write_as(&self, me: Owner) -> bool {
        let state = self.word.load();
        if state.is_owned() || state.count() > 0 {
            return false;
        }
        if state.is_visible()
            && self
                .first_inside(&mut self.readers_in_sight(state))
                .is_some()
        {
            // Without having closed the door to others.
            return false;
        }
        let Some(closed) = self.close_as(me) else {
            return false;
        };
        let mut drain = self.readers_inside(closed);
        if self.first_inside(&mut drain).is_none() || self.is_drained_soon(&mut drain) {
            return true;
        }
        self.open(Step::Undrained, Keep::Nothing);
        false
    }

    /// Gets the lock for writing. Blocks while others have it.
    #[inline]
    #[track_caller]
    pub(crate) fn write(&self, limit: Limit<'_>) -> Result<(), WaitError> {
        self.write_as(current_owner(), limit, true)
    }

    /// The same, for this owner. Says whether the wait may panic, as it may unless a guard of the
    /// thread exists meanwhile.
    #[inline]
    #[track_caller]
    pub(super) fn write_as(
        &self,
        me: Owner,
        limit: Limit<'_>,
        may_panic: bool,
    ) -> Result<(), WaitError> {
        match self.close_as(me) {
            Some(closed) if closed.is_drained() => Ok(()),
            closed => self.write_otherwise(me, closed, limit, may_panic),
        }
    }

    /// Gets the lock for writing, without a limit.
    #[inline]
    #[track_caller]
    pub(super) fn write_unlimited(&self) {
        let me = current_owner();
        match self.close_as(me) {
            Some(closed) if closed.is_drained() => {}
            closed => self.write_unlimited_otherwise(me, closed),
        }
    }

    /// Closes the door, if no thread has it or the upgradable lock. Returns the state after.
    #[inline]
    fn close_as(&self, me: Owner) -> Option<State> {
        let closed = self.word.close().ok()?;
        self.set_owner(Some(me));
        Some(closed)
    }

    // The limit is made here, so that the fast path has nothing on its stack.
    #[inline(never)]
    #[track_caller]
    fn write_unlimited_otherwise(&self, me: Owner, closed: Option<State>) {
        unlimited(self.write_otherwise(me, closed, Limit::never(), true));
    }

    /// Gets the lock for writing, if the door was closed in this state, or could not be closed.
    #[inline(never)]
    #[track_caller]
    fn write_otherwise(
        &self,
        me: Owner,
        closed: Option<State>,
        limit: Limit<'_>,
        may_panic: bool,
    ) -> Result<(), WaitError> {
        let closed = match closed {
            Some(closed) => closed,
            None => {
                let info = WaitInfo::new("write lock").tag(Wish::Write.tag());
                let close = || self.close_as(me);
                self.wait_for_owner(Wish::Write, me, &info, limit, may_panic, close)?;
                self.word.load()
            }
        };
        self.drain_to_write(self.readers_inside(closed), limit, may_panic)
    }

    /// Waits for the readers inside. The door is closed. If the wait has no success, opens it.
    #[track_caller]
    fn drain_to_write(
        &self,
        mut drain: Drain,
        limit: Limit<'_>,
        may_panic: bool,
    ) -> Result<(), WaitError> {
        if self.first_inside(&mut drain).is_none() {
            return Ok(());
        }
        if self.is_read_by_me() {
            // Not with the door closed, because this thread's read does not end meanwhile.
            self.open(Step::Undrained, Keep::Nothing);
            return Err(self.wait_in_vain(Wish::Write, limit));
        }
        let drained = self.drain(drain, limit, may_panic);
        drained.map_err(|failed| {
            self.open(Step::Undrained, Keep::Nothing);
            failed.into_error()
        })
    }
}

/// The upgradable lock.
impl RawRwLock {
    /// Gets the upgradable lock, if that is possible without a wait.
    #[inline]
    pub(super) fn try_upgradable(&self) -> bool {
        self.try_upgradable_as(current_owner())
    }

    /// The same, for this owner.
    #[inline]
    pub(super) fn try_upgradable_as(&self, me: Owner) -> bool {
        let taken = self.word.take_upgradable();
        if taken {
            self.set_owner(Some(me));
        }
        taken
    }

    /// Gets the upgradable lock. Blocks while another thread has it, or has the lock for writing,
    /// or waits only for readers to write.
    #[inline]
    #[track_caller]
    pub(crate) fn upgradable(&self, limit: Limit<'_>) -> Result<(), WaitError> {
        self.upgradable_as(current_owner(), limit, true)
    }

    /// The same, for this owner. Says whether the wait may panic, as in `write_as`.
    #[inline]
    #[track_caller]
    pub(super) fn upgradable_as(
        &self,
        me: Owner,
        limit: Limit<'_>,
        may_panic: bool,
    ) -> Result<(), WaitError> {
        let try_once = || self.try_upgradable_as(me);
        if try_once() {
            return Ok(());
        }
        let info = WaitInfo::new("upgradable lock").tag(Wish::Upgradable.tag());
        let take = || try_once().then_some(());
        self.wait_for_owner(Wish::Upgradable, me, &info, limit, may_panic, take)
    }

    /// Makes the upgradable lock, which this thread has, one for writing, if that is possible
    /// without a wait.
    pub(super) fn try_upgrade_to_write(&self) -> bool {
        let state = self.word.load();
        if self
            .first_inside(&mut self.readers_in_sight(state))
            .is_some()
        {
            return false;
        }
        let mut drain = self.readers_inside(self.word.close_to_upgrade());
        let drained = self.first_inside(&mut drain).is_none() || self.is_drained_soon(&mut drain);
        if !drained {
            self.open(Step::Undrained, Keep::Upgradable);
        }
        drained
    }

    /// Makes the upgradable lock, which this thread has, one for writing. Blocks while there are
    /// readers. If the limit is reached, the thread has the upgradable lock as before. If the wait
    /// panics, it keeps `after_panic`, which is what the unwinding gives back.
    #[track_caller]
    pub(super) fn upgrade_to_write(
        &self,
        limit: Limit<'_>,
        after_panic: Keep,
    ) -> Result<(), WaitError> {
        let mut drain = self.readers_inside(self.word.close_to_upgrade());
        if self.first_inside(&mut drain).is_none() {
            return Ok(());
        }
        if self.is_read_by_me() {
            let keep = if limit.is_unlimited() {
                after_panic
            } else {
                Keep::Upgradable
            };
            self.open(Step::Undrained, keep);
            return Err(self.wait_in_vain(Wish::Write, limit));
        }
        self.drain(drain, limit, true).map_err(|failed| {
            let keep = match failed {
                Undrained::Limit(_) => Keep::Upgradable,
                Undrained::Hopeless(_) | Undrained::Deadlock(_) => after_panic,
            };
            self.open(Step::Undrained, keep);
            failed.into_error()
        })
    }
}

/// Why the lock was not drained.
enum Undrained {
    Limit(WaitError),
    Hopeless(Hopeless),
    Deadlock(Broken),
}

impl Undrained {
    #[track_caller]
    fn into_error(self) -> WaitError {
        match self {
            Undrained::Limit(error) => error,
            Undrained::Hopeless(hopeless) => hopeless.panic(),
            Undrained::Deadlock(broken) => broken.panic(),
        }
    }
}

/// Waiting.
impl RawRwLock {
    /// Waits until no other thread has the door or the upgradable lock, and takes what `take`
    /// takes.
    #[cold]
    #[inline(never)]
    #[track_caller]
    fn wait_for_owner<R>(
        &self,
        wish: Wish,
        me: Owner,
        info: &WaitInfo,
        limit: Limit<'_>,
        may_panic: bool,
        take: impl Fn() -> Option<R>,
    ) -> Result<(), WaitError> {
        let try_once = || take().map(drop);
        if let Err(error) = limit.check() {
            // A change before the limit counts.
            return try_once().ok_or(error);
        }
        if self.is_read_by_me() && (wish == Wish::Write || limit.is_unlimited()) {
            // The thread that has the upgradable lock may upgrade it, and wait for this one. With a
            // limit, that is for the limit to end.
            return Err(self.wait_in_vain(wish, limit));
        }
        if limit.is_unlimited()
            && let Some(hopeless) = self.hopeless_owner(me)
        {
            hopeless.panic();
        }
        if spin_until(try_once).is_some() {
            return Ok(());
        }
        let door = Door { lock: self, wish };
        loop {
            if try_once().is_some() {
                return Ok(());
            }
            let mark = || self.word.mark_parked_while(State::is_owned);
            let info = info.held_by(self.owner());
            match park_held(self.word.queue(), mark, &info, limit, door.held(may_panic)) {
                // The queue's lock synchronizes with the last writer.
                Ok(Parked::Unparked(TOKEN_OWNER)) => {
                    // The release has stored the thread's number, which is not `me` if the lock's
                    // guards go from thread to thread.
                    self.set_owner(Some(me));
                    return Ok(());
                }
                Ok(Parked::Unparked(_) | Parked::Invalid | Parked::Requeued) => {}
                Err(Failed::Limit(error)) => return try_once().ok_or(error),
                // The thread has left the queue, as one that has given up. It takes nothing.
                Err(Failed::Deadlock(broken)) => broken.panic(),
            }
        }
    }

    /// Waits until the readers inside have left. The door is closed.
    #[track_caller]
    fn drain(&self, mut drain: Drain, limit: Limit<'_>, may_panic: bool) -> Result<(), Undrained> {
        if limit.check().is_ok() && spin_until(|| self.is_drained(&mut drain)).is_some() {
            return Ok(());
        }
        let info = WaitInfo::new("write lock");
        let readers = ReadersInside(self);
        // The limit is checked before the readers, so that the last look comes after the limit.
        let mut reached = limit.check();
        while let Some(inside) = self.first_inside(&mut drain) {
            reached.map_err(Undrained::Limit)?;
            let reader = self.reader_inside(inside);
            if limit.is_unlimited()
                && let Some(reader) = reader.filter(|reader| is_lost(*reader))
            {
                return Err(Undrained::Hopeless(Hopeless::Lost(reader)));
            }
            let tag = match inside {
                Inside::Counted => COUNT,
                Inside::At(cell, _) => cell.address(),
            };
            let mark = || {
                self.word.mark_draining();
                self.is_inside(inside)
            };
            let info = info.held_by(reader).tag(tag);
            reached = match park_held(&self.owner, mark, &info, limit, readers.held(may_panic)) {
                Ok(_) => Ok(()),
                Err(Failed::Limit(error)) => Err(error),
                Err(Failed::Deadlock(broken)) => return Err(Undrained::Deadlock(broken)),
            };
        }
        if self.word.load().is_draining() {
            self.word.clear_draining();
        }
        Ok(())
    }

    /// The look of a thread that waits until the readers inside have left.
    fn is_drained(&self, drain: &mut Drain) -> Option<()> {
        self.first_inside(drain).is_none().then_some(())
    }

    /// Whether a reader that has just come leaves again in a moment, because it has found the door
    /// closed.
    #[cold]
    fn is_drained_soon(&self, drain: &mut Drain) -> bool {
        pause_until(|| self.is_drained(drain)).is_some()
    }

    /// Waits for what cannot happen while this thread reads: until the limit, with the door open.
    /// Panics without a limit.
    #[cold]
    #[track_caller]
    fn wait_in_vain(&self, wish: Wish, limit: Limit<'_>) -> WaitError {
        if limit.is_unlimited() {
            Hopeless::OwnRead(wish).panic();
        }
        let info = WaitInfo::new("write lock").held_by(Some(current_owner()));
        loop {
            if let Err(reached) = park_while(&self.owner, || true, &info, limit) {
                return reached;
            }
        }
    }

    /// Why a wait for the door or the upgradable lock would never end.
    fn hopeless_owner(&self, me: Owner) -> Option<Hopeless> {
        let owner = self.owner()?;
        if !owner.is_known() {
            return None;
        }
        if owner == me {
            return Some(if self.word.load().is_closed() {
                Hopeless::OwnWrite
            } else {
                Hopeless::OwnUpgradable
            });
        }
        is_lost(owner).then_some(Hopeless::Lost(owner))
    }
}
