//! Reading: entering through a cell or the count, waiting, leaving.
//!
//! | state | `try` | `read` | recursive read |
//! |---|---|---|---|
//! | open, visible | takes a vacant cell, looks again | the same | the same |
//! | open, visible, light | takes a vacant cell with a store, looks again | the same | the same |
//! | open, counted | counts itself | the same | the same |
//! | closed | fails | spins, yields, parks | adds a level, or counts itself |
//!
//! The fast path is one exchange or store in the thread's own cell, and one look at the word. It
//! contains no wait, and is the same for each thread. Everything else is in functions of their own.
//!
//! # Invariants
//!
//! *One door*, *Closed to the count* and *Mode* stand in `word.rs`, *Publish, then look* in
//! `cells.rs`, *A light reader is seen* in `light.rs`, *A release is to come* in `release.rs`.
//!
//! **A recursive read is always granted.** A writer that has closed the door waits until this
//! thread's first read ends. If the second one waited for the writer, neither would ever end. So a
//! thread with a live cell of the lock adds a level to it, and a thread with a note adds to the
//! count, which its first read keeps above zero.
//!
//! **Named while counted.** A thread writes its note before it is counted, and clears it after. So
//! in the child of a fork, a read that a lost thread has left in the count has a name, and a wait
//! for it panics. A note alone keeps nobody out. Between the two steps there may be milliseconds: a
//! fork copies one page after the other, and makes a thread wait that writes to one of them. The
//! exception is a read that is counted by the release that hands it over: its thread notes it when
//! it wakes up.
//!
//! **The lock outlives the call.** A reader that has left looks at the word once more, as to
//! whether a writer waits for it. The reference to the lock is valid until it returns.

use tk_core::__private::fork::is_lost;
use tk_park::__private::{Failed, park_held};
use tk_park::sync::current_owner;
use tk_park::{FilterOp, Limit, Parked, Poll, Spin, WaitError, WaitInfo};
use tk_park::{unpark_filter, yield_until};

use super::cells::{Cell, Id, Row};
use super::holders::Door;
use super::traits::unlimited;
use super::word::State;
use super::{Hopeless, Place, RawRwLock, ReadToken, TOKEN_READ, Wish, rows};

/// The calling thread's row, and the id by which it knows the lock.
#[derive(Clone, Copy)]
struct Reader {
    row: &'static Row,
    id: Id,
}

/// How a reader enters.
#[derive(Clone, Copy)]
enum Entry {
    /// As this thread's, or counted without a note.
    As(Option<Reader>),
    /// Counted without a note, also past a writer that waits for counted readers.
    PastWriter,
}

impl Entry {
    /// Whether a reader that would enter so has to wait.
    fn is_blocked(self, state: State) -> bool {
        state.is_closed() && (matches!(self, Entry::As(_)) || state.count() == 0)
    }
}

impl RawRwLock {
    /// Reads, if that is possible without a wait.
    #[inline]
    pub(super) fn try_read(&self) -> Option<ReadToken> {
        match self.read_through_cell() {
            Some(token) => Some(token),
            None => self.try_read_as(self.reader()),
        }
    }

    /// Reads. Blocks while a writer has the lock or waits for the readers inside.
    #[inline]
    #[track_caller]
    pub(crate) fn read(&self, limit: Limit<'_>) -> Result<ReadToken, WaitError> {
        self.read_as(limit, true)
    }

    /// The same. Says whether the wait may panic, as it may unless a guard of the thread exists
    /// meanwhile.
    #[inline]
    #[track_caller]
    pub(super) fn read_as(
        &self,
        limit: Limit<'_>,
        may_panic: bool,
    ) -> Result<ReadToken, WaitError> {
        match self.read_through_cell() {
            Some(token) => Ok(token),
            None => self.read_otherwise(limit, may_panic),
        }
    }

    /// Reads, without a limit.
    #[inline]
    #[track_caller]
    pub(super) fn read_unlimited(&self) -> ReadToken {
        match self.read_through_cell() {
            Some(token) => token,
            None => self.read_unlimited_otherwise(),
        }
    }

    // The limit is made here, so that the fast path has nothing on its stack.
    #[inline(never)]
    #[track_caller]
    fn read_unlimited_otherwise(&self) -> ReadToken {
        unlimited(self.read_otherwise(Limit::never(), true))
    }

    /// The fast path of the modes visible and light.
    #[inline]
    fn read_through_cell(&self) -> Option<ReadToken> {
        let state = self.word.load();
        if !state.is_open_to_cells() {
            return None;
        }
        let row = rows::mine()?;
        let id = self.identity.known_to(row)?;
        let cell = row.first();
        if cell.is_vacant() {
            self.read_through(cell, id, state)
        } else {
            self.read_through_cell_behind(row, id)
        }
    }

    /// As `read_through_cell`, for a thread with another read in its first cell.
    #[inline(never)]
    fn read_through_cell_behind(&self, row: &'static Row, id: Id) -> Option<ReadToken> {
        self.read_through(row.vacant_cell()?, id, self.word.load())
    }

    /// Enters through a vacant cell, in this state.
    #[inline]
    fn read_through(&self, cell: &'static Cell, id: Id, state: State) -> Option<ReadToken> {
        if state.is_light() {
            self.enter_lightly(cell, id)
        } else {
            let is_sample = cell.enter(id)?;
            self.look(cell, is_sample)
        }
    }

    /// The look of a reader that has taken a cell: *Publish, then look*.
    #[inline]
    fn look(&self, cell: &'static Cell, is_sample: bool) -> Option<ReadToken> {
        // The mode too: a writer that has changed it does not look at the cells.
        if !self.word.look().is_open_to_cells() {
            self.leave(cell);
            return None;
        }
        if is_sample {
            self.note_reads();
        }
        Some(ReadToken::visible(cell))
    }

    #[inline(never)]
    #[track_caller]
    fn read_otherwise(&self, limit: Limit<'_>, may_panic: bool) -> Result<ReadToken, WaitError> {
        self.read_by(Entry::As(self.reader()), limit, may_panic)
    }

    #[track_caller]
    fn read_by(
        &self,
        entry: Entry,
        limit: Limit<'_>,
        may_panic: bool,
    ) -> Result<ReadToken, WaitError> {
        match self.try_read_by(entry) {
            Some(token) => Ok(token),
            None => self.read_waiting(entry, limit, may_panic),
        }
    }

    fn try_read_by(&self, entry: Entry) -> Option<ReadToken> {
        match entry {
            Entry::As(reader) => self.try_read_as(reader),
            Entry::PastWriter => self.try_read_past_writer(),
        }
    }

    fn reader(&self) -> Option<Reader> {
        let row = match rows::mine() {
            Some(row) => row,
            None => rows::mine_or_new()?,
        };
        let id = match self.identity.known_to(row) {
            Some(id) => id,
            None => self.identity.make_known_to(row)?,
        };
        Some(Reader { row, id })
    }

    fn try_read_as(&self, reader: Option<Reader>) -> Option<ReadToken> {
        loop {
            let state = self.word.load();
            if state.is_closed() {
                return self.read_again(reader?);
            }
            if state.is_visible()
                && let Some(Reader { row, id }) = reader
            {
                if let Some(cell) = row.enter_again(id) {
                    return Some(ReadToken::visible(cell));
                }
                if let Some((cell, is_sample)) = row.enter(id) {
                    match self.look(cell, is_sample) {
                        Some(token) => return Some(token),
                        None => continue,
                    }
                }
            }
            // First, because it panics if there are too many readers, and a note would stay.
            let counted = state.with_read(reader.is_some());
            // Named while counted.
            let token = self.note(reader);
            if self.word.count_in(state, counted) {
                return Some(token);
            }
            token.unnote();
        }
    }

    /// Reads again, if this thread reads already: *A recursive read is always granted*.
    #[cold]
    fn read_again(&self, reader: Reader) -> Option<ReadToken> {
        let Reader { row, id } = reader;
        if let Some(cell) = row.enter_again(id) {
            return Some(ReadToken::visible(cell));
        }
        assert!(!row.has_cell_of(id), "too many levels of a lock");
        // A note alone proves nothing, so the count is asked.
        let counted = row.has_note_of(id) && self.word.count_in_again();
        counted.then(|| self.note(Some(reader)))
    }

    /// The token of a read that has been counted for this entry.
    fn token_of(&self, entry: Entry) -> ReadToken {
        match entry {
            Entry::As(reader) => self.note(reader),
            Entry::PastWriter => Place::Unknown.into(),
        }
    }

    /// The token of a read that has been counted, or is about to be.
    fn note(&self, reader: Option<Reader>) -> ReadToken {
        let note = reader.and_then(|Reader { row, id }| row.note(id));
        note.map_or(Place::Unknown, Place::Counted).into()
    }

    /// The token of one of the calling thread's reads. Which of them does not matter, because each
    /// protects as much as the others.
    ///
    /// A read without a cell and a note is in the count: it began when the thread had no row.
    #[cfg(feature = "lock_api_04")]
    #[inline]
    pub(crate) fn token_of_mine(&self) -> ReadToken {
        let Some(id) = self.identity.load().id() else {
            return Place::Unknown.into();
        };
        match rows::mine().map(Row::first) {
            Some(cell) if cell.holds(id) => ReadToken::visible(cell),
            _ => RawRwLock::token_of_mine_behind(id),
        }
    }

    #[cfg(feature = "lock_api_04")]
    #[cold]
    #[inline(never)]
    fn token_of_mine_behind(id: Id) -> ReadToken {
        let cell = || rows::ever_mine().find_map(|row| row.cell_of(id));
        let note = || rows::ever_mine().find_map(|row| row.note_of(id));
        let place = cell().map(Place::Visible);
        place
            .or_else(|| note().map(Place::Counted))
            .unwrap_or(Place::Unknown)
            .into()
    }

    /// The token of a read that the calling thread is about to be given, counted.
    pub(super) fn note_mine(&self) -> ReadToken {
        self.note(self.reader())
    }

    /// Whether the calling thread reads.
    pub(super) fn is_read_by_me(&self) -> bool {
        let (Some(row), Some(id)) = (rows::mine(), self.identity.load().id()) else {
            return false;
        };
        row.has_cell_of(id) || row.has_note_of(id)
    }

    #[cold]
    #[track_caller]
    fn read_waiting(
        &self,
        entry: Entry,
        limit: Limit<'_>,
        may_panic: bool,
    ) -> Result<ReadToken, WaitError> {
        let try_once = || self.try_read_by(entry);
        if let Err(error) = limit.check() {
            // A change before the limit counts.
            return try_once().ok_or(error);
        }
        if limit.is_unlimited()
            && let Some(hopeless) = self.hopeless_read()
        {
            hopeless.panic();
        }
        if let Some(token) = spin_until(try_once) {
            return Ok(token);
        }
        // One description for all rounds, so that the wait counts from its start.
        let info = WaitInfo::new("read lock").tag(Wish::Read.tag());
        let door = Door {
            lock: self,
            wish: Wish::Read,
        };
        loop {
            if let Some(token) = try_once() {
                return Ok(token);
            }
            let mark = || self.word.mark_parked_while(|state| entry.is_blocked(state));
            let info = info.held_by(self.owner());
            match park_held(self.word.queue(), mark, &info, limit, door.held(may_panic)) {
                // The queue's lock synchronizes with the last writer.
                Ok(Parked::Unparked(TOKEN_READ)) => return Ok(self.token_of(entry)),
                Ok(Parked::Unparked(_) | Parked::Invalid | Parked::Requeued) => {}
                Err(Failed::Limit(error)) => return try_once().ok_or(error),
                // The thread has left the queue, as one that has given up. It takes nothing.
                Err(Failed::Deadlock(broken)) => broken.panic(),
            }
        }
    }

    /// Why a read would wait forever.
    fn hopeless_read(&self) -> Option<Hopeless> {
        let writer = self.writer()?;
        if writer.is_known() && writer == current_owner() {
            Some(Hopeless::OwnWrite)
        } else {
            is_lost(writer).then_some(Hopeless::Lost(writer))
        }
    }

    /// Ends a read.
    #[inline]
    pub(super) fn end_read(&self, token: ReadToken) {
        match token.place {
            Place::Visible(cell) => self.leave(cell),
            Place::Counted(note) => {
                let before = self.word.count_out();
                // Named while counted.
                note.unnote();
                self.wake_after(before);
            }
            Place::Unknown => self.uncount(),
        }
    }

    /// Lets a writer that waits have the lock, if there is one, and reads again. If this thread has
    /// another read, that keeps the writer out.
    #[track_caller]
    pub(super) fn bump_read(&self, token: &mut ReadToken) {
        if !self.word.load().is_closed() {
            return;
        }
        self.end_read(ReadToken::from(token.place));
        // Its guard exists meanwhile, so the call must not panic.
        *token = match self.read_otherwise(Limit::never(), false) {
            Ok(token) => token,
            Err(_) => unreachable!("a wait without a limit does not reach it"),
        };
    }

    /// Leaves a cell, and wakes the writer if it waits for it.
    #[inline]
    fn leave(&self, cell: &Cell) {
        if self.word.load().is_light() {
            self.leave_lightly(cell);
        } else {
            cell.leave();
            self.wake_draining_writer(cell);
        }
    }

    /// Wakes the writer if it waits for this cell, which has been left: *Publish, then look*.
    #[inline]
    pub(super) fn wake_draining_writer(&self, cell: &Cell) {
        if self.word.look().is_draining() {
            self.wake_writer(cell.address());
        }
    }

    /// Leaves the count, and wakes the writer if this was the last.
    #[inline]
    fn uncount(&self) {
        self.wake_after(self.word.count_out());
    }

    /// Wakes the writer if it waits for the last read, which has left the count in this state.
    #[inline]
    fn wake_after(&self, before: State) {
        if before.is_draining() && before.count() == 1 {
            self.wake_writer(COUNT);
        }
    }

    /// Wakes the writer, if it waits for this cell, or for the count. If it waits for another one,
    /// it finds this one clear when its scan comes there.
    #[cold]
    #[inline(never)]
    fn wake_writer(&self, for_what: usize) {
        let filter = |waiter: &tk_park::Waiter| {
            if waiter.tag() == for_what {
                FilterOp::Unpark
            } else {
                FilterOp::Skip
            }
        };
        unpark_filter(&self.owner, filter, |_| 0);
    }
}

/// Reads of no thread in particular: for a lock whose guards go from thread to thread. They are
/// counted, and leave no note.
impl RawRwLock {
    /// Reads, if that is possible without a wait.
    #[inline]
    pub(super) fn try_read_unnoted(&self) -> bool {
        self.try_read_as(None).is_some()
    }

    /// Reads. Blocks while a writer has the lock or waits for the readers inside.
    #[inline]
    #[track_caller]
    pub(super) fn read_unnoted(&self, limit: Limit<'_>) -> Result<(), WaitError> {
        self.read_by(Entry::As(None), limit, true).map(drop)
    }

    /// Reads, if there is a counted read, or if that is possible without a wait.
    #[inline]
    pub(super) fn try_read_past_writer(&self) -> Option<ReadToken> {
        // *Closed to the count*
        let counted = self.word.count_in_again();
        counted.then(|| Place::Unknown.into())
    }

    /// Reads. Blocks while a writer has the lock, and not while it waits for counted readers.
    #[track_caller]
    pub(super) fn read_past_writer(&self, limit: Limit<'_>) -> Result<(), WaitError> {
        self.read_by(Entry::PastWriter, limit, true).map(drop)
    }

    /// Lets a writer that waits have the lock, if there is one, and reads again.
    #[track_caller]
    pub(super) fn bump_unnoted_read(&self) {
        if self.word.load().is_closed() {
            self.end_unnoted_read();
            // Its guard exists meanwhile, so the call must not panic.
            let read = self.read_by(Entry::As(None), Limit::never(), false);
            debug_assert!(read.is_ok());
        }
    }

    /// Ends one of these reads.
    #[inline]
    pub(super) fn end_unnoted_read(&self) {
        self.uncount();
    }
}

/// Tag of a writer that waits for the count. No cell has this address.
pub(super) const COUNT: usize = 0;

/// Calls `attempt` with growing pauses in between, until it returns something or pausing does not
/// pay any more.
pub(super) fn pause_until<R>(mut attempt: impl FnMut() -> Option<R>) -> Option<R> {
    let mut spin = Spin::new();
    while spin.once() {
        let result = attempt();
        if result.is_some() {
            return result;
        }
    }
    None
}

/// The same, and then yields to other threads.
pub(super) fn spin_until<R>(mut attempt: impl FnMut() -> Option<R>) -> Option<R> {
    let mut result = pause_until(&mut attempt);
    if result.is_none() {
        yield_until(|| {
            result = attempt();
            if result.is_some() {
                Poll::Ready
            } else {
                Poll::Again
            }
        });
    }
    result
}
