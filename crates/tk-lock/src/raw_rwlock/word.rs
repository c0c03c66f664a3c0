//! The word of a readers-writer lock: its states, and the steps from one state to another.
//!
//! | bits | meaning |
//! |---|---|
//! | `PARKED` | a thread is in the queue, or was in it and has given up |
//! | `VISIBLE` | the mode: readers enter through their own cells |
//! | `WRITER` | the door is closed: a writer has the lock, or waits for the readers inside to leave |
//! | `UPGRADABLE` | a thread has the upgradable lock |
//! | `DRAINING` | the writer sleeps until a reader leaves |
//! | `LIGHT` | the mode: readers enter and leave their cells with plain stores |
//! | streak | mode counted: how many reads in a row; mode visible: since when there are reads and no writes |
//! | count | how many reads are counted here |
//!
//! | state | read | upgradable read | write | upgrade |
//! |---|---|---|---|---|
//! | open | enters | sets `UPGRADABLE` | sets `WRITER`, drains | |
//! | open, `UPGRADABLE` | enters | waits | waits | sets `WRITER`, drains |
//! | closed, readers inside | waits, unless it is recursive | waits | waits | |
//! | closed, no reader inside | waits | waits | waits | |
//!
//! # Invariants
//!
//! **One door.** `WRITER` is set by one thread at a time: from a word with neither `WRITER` nor
//! `UPGRADABLE`, by the thread that has `UPGRADABLE`, or in a handoff. It is cleared by the thread
//! for which it was set, and by no other.
//!
//! **Closed to the count.** The count grows only while the door is open, or by a reader that finds
//! it above zero. So once it is zero with `WRITER` set, it stays zero until `WRITER` is cleared.
//!
//! **Mode.** `VISIBLE` is cleared only by a writer that has drained the lock. So while a reader is
//! inside through its cell, `VISIBLE` is set, and each writer looks at the cells.
//!
//! **Light.** `LIGHT` is set only in a step from an open, visible word, and cleared only when the
//! thread that has the door opens it, or hands it over. If it is set when the door is closed, the
//! thread that gets the door makes a heavy fence before it looks at the cells (see `light.rs`).
//!
//! **Parked bit.** While the queue is not locked and has a thread in it, `PARKED` is set. It is set
//! and cleared with the queue locked, as in `word.rs` of the plain lock.

use tk_park::sync::{AtomicU32, Ordering, Ordering::*};

use super::cells::model_fence;

const PARKED: u32 = 1;
const VISIBLE: u32 = 1 << 1;
const WRITER: u32 = 1 << 2;
const UPGRADABLE: u32 = 1 << 3;
const DRAINING: u32 = 1 << 4;
const LIGHT: u32 = 1 << 5;

/// Six bits.
const STREAK_ONE: u32 = 1 << 6;
const STREAK: u32 = 0x3f << 6;
/// How many reads in a row, without a write, make readers visible.
#[cfg(not(tk_loom))]
const LONG_STREAK: u32 = STREAK;
/// A model has few reads.
#[cfg(tk_loom)]
const LONG_STREAK: u32 = 2 * STREAK_ONE;

// In the mode visible: 0 without a read since the last write, 1 with reads, or one more than a time
// in milliseconds, which is from 1 to 62 and begins again.
const TIMES: u32 = 62;
/// How many milliseconds of reads without a write make the lock light, and one more for the part
/// that the clock leaves out: see `light.rs`.
#[cfg(not(tk_loom))]
const LONG_TIME: u32 = 3;
#[cfg(tk_loom)]
const LONG_TIME: u32 = 0;

/// The rest: a million readers.
const COUNT_ONE: u32 = 1 << 12;
const COUNT: u32 = u32::MAX << 12;

/// A value of the word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct State(u32);

impl State {
    /// A writer has the lock, or waits for the readers inside.
    #[inline]
    pub(super) fn is_closed(self) -> bool {
        self.0 & WRITER != 0
    }

    #[inline]
    pub(super) fn is_upgradable(self) -> bool {
        self.0 & UPGRADABLE != 0
    }

    /// A thread has the door or the upgradable lock, so another one that wants either waits.
    #[inline]
    pub(super) fn is_owned(self) -> bool {
        self.0 & (WRITER | UPGRADABLE) != 0
    }

    #[inline]
    pub(super) fn is_visible(self) -> bool {
        self.0 & VISIBLE != 0
    }

    /// A reader may enter through its cell.
    #[inline]
    pub(super) fn is_open_to_cells(self) -> bool {
        self.0 & (VISIBLE | WRITER) == VISIBLE
    }

    /// Readers enter and leave with plain stores, or did when the door was closed.
    #[inline]
    pub(super) fn is_light(self) -> bool {
        self.0 & LIGHT != 0
    }

    /// A reader may enter through its cell with a plain store, and one that leaves need not look
    /// for a writer.
    #[inline]
    pub(super) fn is_open_to_light(self) -> bool {
        self.0 & (LIGHT | WRITER) == LIGHT
    }

    #[inline]
    pub(super) fn is_parked(self) -> bool {
        self.0 & PARKED != 0
    }

    /// The writer sleeps until a reader leaves.
    #[inline]
    pub(super) fn is_draining(self) -> bool {
        self.0 & DRAINING != 0
    }

    /// How many reads are counted in the word.
    #[inline]
    pub(super) fn count(self) -> u32 {
        self.0 / COUNT_ONE
    }

    /// The door is closed, and no reader is inside, as the mode counted knows.
    #[inline]
    pub(super) fn is_drained(self) -> bool {
        self.0 & (VISIBLE | COUNT) == 0
    }

    /// There were reads since the last write.
    #[inline]
    pub(super) fn has_streak(self) -> bool {
        self.0 & STREAK != 0
    }

    /// The state of a lock that is open to cells and not light, when there are many reads at this
    /// time: with the time, if it has none; light, if that was long ago.
    #[inline]
    fn with_many_reads(self, now: u32) -> State {
        let now = now % TIMES + 1;
        match (self.0 & STREAK) / STREAK_ONE - 1 {
            0 => State(self.0 + now * STREAK_ONE),
            since if (now + TIMES - since) % TIMES >= LONG_TIME => State(self.0 | LIGHT),
            _ => self,
        }
    }

    /// One counted read more. In the mode counted, a long streak changes the mode, if the reader
    /// can see cells.
    #[inline]
    pub(super) fn with_read(self, has_cells: bool) -> State {
        let mut next = self.with_reads(1).0;
        if self.0 & VISIBLE != 0 {
            if self.0 & STREAK == 0 {
                next += STREAK_ONE;
            }
        } else if self.0 & STREAK < LONG_STREAK {
            next += STREAK_ONE;
        } else if has_cells {
            next = (next & !STREAK) | STREAK_ONE | VISIBLE;
        }
        State(next)
    }
}

/// The part of the lock that a thread keeps when it opens the door or gives the upgradable lock
/// back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    Nothing,
    /// A read, which is counted.
    Read,
    Upgradable,
}

/// Why a thread changes the word to let others in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A writer has written: the lock is drained.
    Written,
    /// A writer gives up, with readers inside. Or the thread had the upgradable lock only.
    Undrained,
}

impl State {
    /// The state after this step, without the queue.
    #[inline]
    pub(super) fn released(self, step: Step, keep: Keep) -> State {
        let mut next = match step {
            // Nothing but the mode is left. The rule for it: without reads since the last write,
            // cells do not pay.
            Step::Written if self.has_streak() => self.0 & VISIBLE,
            Step::Written => 0,
            // Light: this thread has the door. The time begins anew, because the next writer may
            // have to make a fence too.
            Step::Undrained if self.is_closed() && self.has_streak() => {
                self.0 & (VISIBLE | COUNT) | STREAK_ONE
            }
            Step::Undrained if self.is_closed() => self.0 & (VISIBLE | COUNT),
            Step::Undrained => self.0 & (VISIBLE | LIGHT | STREAK | COUNT),
        };
        match keep {
            Keep::Nothing => {}
            Keep::Read => next = State(next).with_reads(1).0,
            Keep::Upgradable => next |= UPGRADABLE,
        }
        State(next)
    }

    #[inline]
    pub(super) fn with_parked(self, parked: bool) -> State {
        State(if parked { self.0 | PARKED } else { self.0 })
    }

    /// The door is closed, for a writer to which it is handed.
    pub(super) fn with_writer(self) -> State {
        State(self.0 | WRITER)
    }

    pub(super) fn with_upgradable(self) -> State {
        State(self.0 | UPGRADABLE)
    }

    /// That many reads more.
    #[inline]
    pub(super) fn with_reads(self, reads: u32) -> State {
        assert!(
            self.count() + reads <= COUNT / COUNT_ONE,
            "too many readers of a lock"
        );
        State(self.0 + reads * COUNT_ONE)
    }
}

/// The atomic word. Its address is the key of the lock's queue.
#[repr(transparent)]
pub(super) struct RwWord(AtomicU32);

impl RwWord {
    pub(super) const fn new() -> RwWord {
        RwWord(AtomicU32::new(0))
    }

    /// The word as the key of the queue.
    pub(super) fn queue(&self) -> &AtomicU32 {
        &self.0
    }

    /// Relaxed: a snapshot.
    #[inline]
    pub(super) fn load(&self) -> State {
        State(self.0.load(Relaxed))
    }

    /// Acquire: pairs with the Release of the reads that are not counted any more.
    #[inline]
    pub(super) fn load_acquire(&self) -> State {
        State(self.0.load(Acquire))
    }

    /// The look of a reader after it has changed its cell: *Publish, then look*.
    ///
    /// SeqCst: for the order with the cell. Acquire in it: pairs with the Release of the writer.
    #[inline]
    pub(super) fn look(&self) -> State {
        State(self.0.load(SeqCst))
    }

    /// Counts a read, if the word is still in this state, which is open. `counted` is the state
    /// [`with_read`](State::with_read).
    #[inline]
    pub(super) fn count_in(&self, state: State, counted: State) -> bool {
        // Acquire: pairs with the Release of the last writer.
        self.change(state, counted, Acquire)
    }

    /// Counts a read of a thread that reads already, whether or not the door is closed. Returns
    /// whether it could: *Closed to the count*.
    pub(super) fn count_in_again(&self) -> bool {
        let mut state = self.load();
        while state.count() > 0 || !state.is_closed() {
            // Acquire: as in `count_in`.
            if self.change(state, state.with_read(false), Acquire) {
                return true;
            }
            state = self.load();
        }
        false
    }

    /// Takes a read off the count. Returns the state before.
    #[inline]
    pub(super) fn count_out(&self) -> State {
        // Release: pairs with the Acquire of the writer that finds the count at zero.
        State(self.0.fetch_sub(COUNT_ONE, Release))
    }

    /// Notes that there are reads, in the mode visible.
    pub(super) fn note_reads(&self) {
        if !self.load().has_streak() {
            // Relaxed: a hint for the mode.
            self.0.fetch_or(STREAK_ONE, Relaxed);
        }
    }

    /// Notes that there are many reads at this time, in milliseconds. If they have gone on for long
    /// enough, the mode is light.
    pub(super) fn note_many_reads(&self, now: u32) {
        let state = self.load();
        // Light: open.
        if state.is_open_to_cells() && state.has_streak() && !state.is_light() {
            // Relaxed: a thread that closes the door sees this step, or the step fails.
            self.change(state, state.with_many_reads(now), Relaxed);
        }
    }

    /// Closes the door, if no thread has it or the upgradable lock. Returns the state after, or the
    /// one that prevented it. *Publish, then look*: the writer looks at the cells after this.
    #[inline]
    pub(super) fn close(&self) -> Result<State, State> {
        let mut state = self.load();
        while !state.is_owned() {
            let closed = state.with_writer();
            // SeqCst: for the order with the cells. Acquire in it: pairs with the Release of the
            // last writer.
            if self.change(state, closed, SeqCst) {
                return Ok(closed);
            }
            state = self.load();
        }
        Err(state)
    }

    /// Closes the door, for the thread that has the upgradable lock.
    pub(super) fn close_to_upgrade(&self) -> State {
        let mut state = self.load();
        loop {
            let closed = state.with_writer();
            // SeqCst: as in `close`.
            if self.change(state, closed, SeqCst) {
                return closed;
            }
            state = self.load();
        }
    }

    /// Takes the upgradable lock, if no thread has it or the door.
    #[inline]
    pub(super) fn take_upgradable(&self) -> bool {
        let mut state = self.load();
        while !state.is_owned() {
            // Acquire: pairs with the Release of the last writer.
            if self.change(state, state.with_upgradable(), Acquire) {
                return true;
            }
            state = self.load();
        }
        false
    }

    /// Says that the writer is about to sleep until a reader leaves. *Publish, then look*: it looks
    /// at the reader's cell after this.
    pub(super) fn mark_draining(&self) {
        // SeqCst: for the order with the cell.
        self.0.fetch_or(DRAINING, SeqCst);
        model_fence();
    }

    pub(super) fn clear_draining(&self) {
        // Relaxed: readers that see it for a moment longer look into an empty queue.
        self.0.fetch_and(!DRAINING, Relaxed);
    }

    /// Lets others in after this step, if no thread is parked. Returns whether it did. Calls
    /// `before` first if it is about to.
    #[inline]
    pub(super) fn release_unqueued(&self, step: Step, keep: Keep, before: impl Fn()) -> bool {
        let mut state = self.load();
        while !state.is_parked() {
            before();
            // Release: pairs with the Acquire of the threads that enter.
            if self.change(state, state.released(step, keep), Release) {
                return true;
            }
            state = self.load();
        }
        false
    }

    /// Replaces the state by what `next` makes of it. With the queue locked.
    pub(super) fn replace(&self, next: impl Fn(State) -> State) {
        let mut state = self.load();
        // SeqCst: it may close the door for another thread, which then looks at the cells, as after
        // `close`. Release in it: as in `release_unqueued`.
        while !self.change(state, next(state), SeqCst) {
            state = self.load();
        }
    }

    /// Sets `PARKED` while `blocks` holds of the state. Returns whether it holds. With the queue
    /// locked.
    pub(super) fn mark_parked_while(&self, blocks: impl Fn(State) -> bool) -> bool {
        let mut state = self.load();
        while blocks(state) {
            // Relaxed: the queue's lock orders this with the release that finds the flag.
            if state.is_parked() || self.change(state, state.with_parked(true), Relaxed) {
                return true;
            }
            state = self.load();
        }
        false
    }

    #[inline]
    fn change(&self, from: State, to: State, success: Ordering) -> bool {
        let changed = self.0.compare_exchange(from.0, to.0, success, Relaxed);
        changed.is_ok()
    }

    /// Gives a model's atomics to the thread that makes the object.
    #[cfg(tk_loom)]
    pub(super) fn loom_register(&self) {
        self.0.loom_register();
    }

    #[cfg(tk_loom)]
    pub(super) fn loom_lighten(&self) {
        self.0.fetch_or(VISIBLE | LIGHT, Relaxed);
    }

    /// The streak has a time.
    #[cfg(tk_loom)]
    pub(super) fn loom_almost_lighten(&self) {
        self.0.fetch_or(3 * STREAK_ONE, Relaxed);
    }
}

#[cfg(all(test, not(tk_loom)))]
mod tests {
    use super::*;

    const TIME: u32 = 7 * STREAK_ONE;

    #[test]
    fn a_lock_with_reads_for_a_long_time_is_light() {
        let noted = State(VISIBLE | STREAK_ONE | COUNT_ONE);
        for now in 0..2 * TIMES {
            let begun = noted.with_many_reads(now);
            assert!(!begun.is_light() && begun != noted && begun.count() == 1);
            for passed in 0..TIMES {
                let next = begun.with_many_reads(now + passed);
                assert_eq!(next.is_light(), passed >= LONG_TIME, "{now}, {passed}");
                assert_eq!(next.0 & !LIGHT, begun.0);
            }
        }
    }

    #[test]
    fn the_time_begins_anew_when_a_writer_has_made_a_fence() {
        let inside = VISIBLE | LIGHT | TIME | COUNT_ONE;
        let gives_up = State(inside | WRITER | DRAINING).released(Step::Undrained, Keep::Nothing);
        assert_eq!(gives_up.0, VISIBLE | STREAK_ONE | COUNT_ONE);
        let written = State(VISIBLE | LIGHT | TIME | WRITER).released(Step::Written, Keep::Nothing);
        assert_eq!(written.0, VISIBLE);
        let upgradable = State(inside | UPGRADABLE).released(Step::Undrained, Keep::Nothing);
        assert_eq!(upgradable.0, inside);
    }
}
