//! The cells in which readers make themselves visible.
//!
//! ```text
//! segments ---> rows of the threads 1 to 8     a row: seven cells, seven notes, its thread
//!          ---> rows of the threads 9 to 24    a cell: the lock's id, the levels, a tick
//!          ---> ...
//! ```
//!
//! | cell | reader enters | reads again | reader leaves | the writer's scan |
//! |---|---|---|---|---|
//! | free | the lock, one level | | | goes on |
//! | the lock, n levels | takes another cell | n + 1 levels, if the door is closed | n - 1 levels; none: free | waits |
//! | another lock | takes another cell | | | goes on |
//!
//! A note says that its thread has a read that is counted in the lock's word. It protects nothing:
//! it tells a recursive read from others, and names the readers.
//!
//! # Invariants
//!
//! **Publish, then look.** A reader writes its cell, then looks at the word, and is inside only if
//! the door is open. A writer closes the door, then looks at the cells. Both steps of both are in
//! the one order of all SeqCst operations. So the reader sees the closed door, or the writer sees
//! the cell. The same holds when a reader leaves: it clears its cell, then looks whether the writer
//! sleeps; the writer says that it sleeps, then looks at the cell once more.
//!
//! **An id is used once.** A cell holds the id of its lock, not its address. A guard that was
//! forgotten leaves its cell behind, and a lock can be moved, dropped or forgotten, so another lock
//! may have the same address. No other lock ever has the same id. When the numbers are used up,
//! new locks have no id, and their reads are counted.
//!
//! **Once clear, clear.** With the door closed, no cell becomes the lock's for longer than its
//! reader takes to look at the word, and levels are added only to a cell that has some. So a scan
//! need not look again at a cell that it has found clear: what is written there later belongs to a
//! reader that does not enter.
//!
//! **Known block.** A lock's identity has a bit for each block of rows from which it was ever read.
//! A reader finds its block's bit before it writes its cell, and no bit is ever cleared. So a scan
//! leaves the other blocks out.
//!
//! **The thread's own.** A row's cells and notes are written by its thread alone, because a token
//! is not sent to other threads. The atomic steps on cells are there for their place in the order
//! of *Publish, then look*. In the mode light, stores take their place (see `light.rs`). Notes are
//! only stored: nothing depends on them but the answer of whether a thread reads already.
//!
//! A row belongs to a slot (*One thread, one row*, in `rows.rs`) and is never freed. A thread whose
//! row has cells of a predecessor, left by forgotten guards, gets another row, chained to the
//! first; and so does one that has more locks than a row has cells.

// Not that of `sync`: what a row says of its thread orders nothing.
use std::sync::atomic::AtomicU32;

use tk_core::Owner;
use tk_park::sync::{AtomicU64, Ordering::*};

use super::rows;

/// A row has so many cells, and so many notes.
#[cfg(not(tk_loom))]
const CELLS: usize = 7;
#[cfg(tk_loom)]
const CELLS: usize = 1;

// A cell or note: the id, the levels, the tick.
const TICK: u64 = 0xf;
/// A prime, so that of two locks that are read in turn, each has its share of the samples.
const TICKS: u64 = 13;
const LEVEL: u64 = TICK + 1;
const LEVELS: u64 = 0xfff * LEVEL;
const ID_SHIFT: u32 = 16;

// An identity: the id, and a bit for each sixteenth of the blocks.
const ID_BITS: u32 = 48;
const ID: u64 = (1 << ID_BITS) - 1;
const BLOCK_BITS: u32 = 64 - ID_BITS;

/// To loom, a SeqCst operation is no more than AcqRel. Fences it knows: this one stands where the
/// order of two SeqCst operations on different words counts.
#[inline]
pub(super) fn model_fence() {
    #[cfg(tk_loom)]
    tk_park::sync::fence(SeqCst);
}

/// A lock's number in the cells. Never zero.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Id(u64);

/// The lock's id, once it has one, and the blocks from which it was read.
pub(super) struct Identity(AtomicU64);

/// A value of [`Identity`].
#[derive(Clone, Copy)]
pub(crate) struct Known(u64);

impl Known {
    #[inline]
    pub(super) fn id(self) -> Option<Id> {
        match self.0 & ID {
            0 => None,
            id => Some(Id(id)),
        }
    }

    #[inline]
    pub(super) fn has_block(self, bit: u32) -> bool {
        (self.0 >> ID_BITS) as u32 & bit != 0
    }
}

/// The bit of this block in an identity, above the id.
#[inline]
pub(super) fn block_bit(block: u32) -> u32 {
    1 << (block % BLOCK_BITS)
}

impl Identity {
    pub(super) const fn new() -> Identity {
        Identity(AtomicU64::new(0))
    }

    /// SeqCst: *Known block* depends on its place in the order of *Publish, then look*.
    #[inline]
    pub(super) fn load(&self) -> Known {
        Known(self.0.load(SeqCst))
    }

    /// The id, if the lock has one and knows the block of this row.
    #[inline]
    pub(super) fn known_to(&self, row: &Row) -> Option<Id> {
        let known = self.load();
        // No bit is set without the id.
        known.has_block(row.block_bit()).then_some(Id(known.0 & ID))
    }

    /// The id, for a reader of this row. `None` if the numbers are used up.
    pub(super) fn make_known_to(&self, row: &Row) -> Option<Id> {
        let mut known = self.load();
        let mut fresh = None;
        loop {
            if known.has_block(row.block_bit()) {
                return known.id();
            }
            // A fresh one is kept for the next turn, if another thread changes the identity.
            let id = match known.id().or(fresh) {
                Some(id) => id,
                None => next_id()?,
            };
            fresh = Some(id);
            let next = (known.0 & !ID) | id.0 | (u64::from(row.block_bit()) << ID_BITS);
            // SeqCst: as in `load`.
            match self.0.compare_exchange(known.0, next, SeqCst, SeqCst) {
                Ok(_) => return Some(id),
                Err(changed) => known = Known(changed),
            }
        }
    }

    #[cfg(tk_loom)]
    pub(super) fn loom_register(&self) {
        self.0.loom_register();
    }

    /// Lets the lock know the blocks of all rows.
    #[cfg(tk_loom)]
    pub(super) fn loom_make_known(&self) {
        self.0.fetch_or(!ID, SeqCst);
    }
}

/// The next number, or `None` if they are used up: *An id is used once*.
#[cold]
fn next_id() -> Option<Id> {
    use std::sync::atomic::AtomicU64;
    // std's, in a model too: the numbers only have to differ.
    static LAST: AtomicU64 = AtomicU64::new(0);
    let count = |last: u64| (last < ID).then_some(last + 1);
    // Relaxed: the number is all there is.
    let last = LAST.fetch_update(Relaxed, Relaxed, count).ok()?;
    Some(Id(last + 1))
}

/// A cell, or a note.
#[repr(transparent)]
pub(super) struct Cell(AtomicU64);

#[inline]
fn is_live(value: u64) -> bool {
    value & LEVELS != 0
}

/// One level more, if there is room for it.
fn with_level(value: u64) -> Option<u64> {
    (value & LEVELS != LEVELS).then(|| value + LEVEL)
}

impl Cell {
    /// Elsewhere, rows are made of zeros.
    #[cfg(tk_loom)]
    const fn new() -> Cell {
        Cell(AtomicU64::new(0))
    }

    #[cfg(not(tk_loom))]
    #[inline]
    fn is_free(&self) -> bool {
        // Acquire: pairs with the Release of the thread whose read was here, so that a writer which
        // sees what this thread stores sees that that read has ended.
        !is_live(self.0.load(Acquire))
    }

    /// Whether the cell is free. For its own thread.
    #[inline]
    pub(super) fn is_vacant(&self) -> bool {
        // Relaxed: *The thread's own*.
        !is_live(self.0.load(Relaxed))
    }

    /// Whether the cell is that lock's. For the writer: SeqCst, by *Publish, then look*. Acquire in
    /// it: pairs with the Release of the reader that has left.
    #[inline]
    pub(super) fn holds(&self, id: Id) -> bool {
        let value = self.0.load(SeqCst);
        // This first, because it is rarely so.
        value >> ID_SHIFT == id.0 && is_live(value)
    }

    /// Takes the cell, if it is free, for a reader of that lock, who then looks at the word.
    /// Returns whether the tick has come round, as for one in thirteen reads; `None` if the cell is
    /// not free.
    #[inline]
    pub(super) fn enter(&self, id: Id) -> Option<bool> {
        let before = self.0.load(Relaxed);
        if is_live(before) {
            return None;
        }
        let tick = ((before & TICK) + 1) % TICKS;
        let after = (id.0 << ID_SHIFT) | LEVEL | tick;
        // SeqCst: Publish, then look.
        let entered = self.0.compare_exchange(before, after, SeqCst, Relaxed);
        model_fence();
        entered.is_ok().then_some(tick == 0)
    }

    /// Takes the cell, which is free, for a reader of that lock, with a plain store: for the mode
    /// light.
    #[inline]
    pub(super) fn store_entered(&self, id: Id) {
        // Relaxed: *The thread's own*.
        let before = self.0.load(Relaxed);
        let after = (id.0 << ID_SHIFT) | LEVEL | (before & TICK);
        // Release: a writer that waits for another lock, which was in this cell before, may see
        // this store only. It pairs with the Acquire in `holds`.
        self.0.store(after, Release);
    }

    /// Takes a level off, with a plain store: for the mode light.
    #[inline]
    pub(super) fn store_left(&self) {
        let value = self.0.load(Relaxed);
        // Release: pairs with the Acquire of the writer.
        self.0.store(value - LEVEL, Release);
    }

    /// Adds a level, if the cell is that lock's: *Once clear, clear*. Returns whether it did.
    fn enter_again(&self, id: Id) -> bool {
        let mut value = self.0.load(Relaxed);
        while is_live(value) && value >> ID_SHIFT == id.0 {
            let Some(next) = with_level(value) else {
                return false;
            };
            // Relaxed: the level below has ordered what the lock guards.
            match self.0.compare_exchange(value, next, Relaxed, Relaxed) {
                Ok(_) => return true,
                Err(changed) => value = changed,
            }
        }
        false
    }

    /// Takes a level off. The reader then looks at the word.
    #[inline]
    pub(super) fn leave(&self) {
        // SeqCst: Publish, then look. Release in it: pairs with the Acquire of the writer.
        self.0.fetch_sub(LEVEL, SeqCst);
        model_fence();
    }

    /// Adds a level to a note, which is free or that lock's. Relaxed, as all stores in notes: they
    /// are the thread's own, and others only look.
    #[inline]
    fn note(&self, id: Id) -> bool {
        let value = self.0.load(Relaxed);
        if !is_live(value) {
            self.0.store((id.0 << ID_SHIFT) | LEVEL, Relaxed);
            return true;
        }
        match with_level(value) {
            Some(next) if value >> ID_SHIFT == id.0 => {
                self.0.store(next, Relaxed);
                true
            }
            _ => false,
        }
    }

    /// Takes a level off a note.
    #[inline]
    pub(super) fn unnote(&self) {
        let value = self.0.load(Relaxed);
        if is_live(value) {
            self.0.store(value - LEVEL, Relaxed);
        }
    }

    /// The address, by which a reader that leaves finds the writer that waits for this cell.
    pub(super) fn address(&self) -> usize {
        (&raw const *self).addr()
    }
}

/// The cells of a thread.
#[cfg_attr(not(tk_loom), repr(C, align(128)))]
pub(crate) struct Row {
    // The first cache line, which writers read.
    cells: [Cell; CELLS],
    #[cfg(not(tk_loom))]
    pub(super) next: rows::Next,
    // The second, which belongs to the thread.
    /// The number of the thread, or zero.
    owner: AtomicU32,
    /// The bit of the block. It never changes once the row is in use.
    block_bit: AtomicU32,
    notes: [Cell; CELLS],
}

#[cfg(not(tk_loom))]
const _: () = assert!(size_of::<Row>() == 128);

impl Row {
    #[cfg(tk_loom)]
    pub(super) fn new() -> Row {
        Row {
            cells: [const { Cell::new() }; CELLS],
            owner: AtomicU32::new(0),
            block_bit: AtomicU32::new(0),
            notes: [const { Cell::new() }; CELLS],
        }
    }

    /// Gives a model's atomics to the thread that makes the row.
    #[cfg(tk_loom)]
    pub(super) fn loom_register(&self) {
        for cell in self.cells.iter().chain(&self.notes) {
            cell.0.loom_register();
        }
    }

    #[inline]
    pub(super) fn block_bit(&self) -> u32 {
        // Relaxed: the thread has written it itself.
        self.block_bit.load(Relaxed)
    }

    /// Makes the row that of this thread.
    pub(super) fn adopt(&self, owner: Owner, block_bit: u32) {
        // Relaxed: the thread's own, and a snapshot for others.
        self.owner.store(owner.get(), Relaxed);
        self.block_bit.store(block_bit, Relaxed);
    }

    pub(super) fn owner(&self) -> Option<Owner> {
        Owner::new(self.owner.load(Relaxed))
    }

    /// Whether no read is in the row.
    #[cfg(not(tk_loom))]
    pub(super) fn is_free(&self) -> bool {
        self.cells.iter().chain(&self.notes).all(Cell::is_free)
    }

    pub(super) fn cells(&self) -> &[Cell] {
        &self.cells
    }

    /// The cell of the lock in this row, if there is one.
    #[cfg(feature = "lock_api_04")]
    pub(super) fn cell_of(&self, id: Id) -> Option<&Cell> {
        self.cells.iter().find(|cell| cell.holds(id))
    }

    /// The note of the lock in this row, if there is one.
    #[cfg(feature = "lock_api_04")]
    pub(super) fn note_of(&self, id: Id) -> Option<&Cell> {
        self.notes.iter().find(|note| note.holds(id))
    }

    /// Whether the row says that its thread reads this lock.
    pub(super) fn reads(&self, id: Id) -> bool {
        self.cells
            .iter()
            .chain(&self.notes)
            .any(|cell| cell.holds(id))
    }
}

impl Row {
    /// The first cell: the only one, for a thread with one lock at a time.
    #[inline]
    pub(super) fn first(&self) -> &Cell {
        &self.cells[0]
    }
}

/// All rows of a thread that reads: its own, by [`rows::mine`], and those behind it.
impl Row {
    /// A vacant cell, if there is one.
    pub(super) fn vacant_cell(&'static self) -> Option<&'static Cell> {
        rows::chain(self)
            .flat_map(Row::cells)
            .find(|cell| cell.is_vacant())
    }

    /// Takes a free cell: see [`Cell::enter`]. `None` if there is no memory for another row.
    pub(super) fn enter(&'static self, id: Id) -> Option<(&'static Cell, bool)> {
        let free = |cell: &'static Cell| Some((cell, cell.enter(id)?));
        rows::chain(self)
            .flat_map(Row::cells)
            .find_map(free)
            .or_else(|| rows::lengthen(self)?.cells().iter().find_map(free))
    }

    /// Notes a read that is counted. `None` if there is no memory for another row.
    #[inline]
    pub(super) fn note(&'static self, id: Id) -> Option<&'static Cell> {
        let first = &self.notes[0];
        if first.note(id) {
            return Some(first);
        }
        self.note_behind(id)
    }

    #[cold]
    fn note_behind(&'static self, id: Id) -> Option<&'static Cell> {
        let noted = |note: &&'static Cell| note.note(id);
        rows::chain(self)
            .flat_map(|row| &row.notes)
            .find(noted)
            .or_else(|| rows::lengthen(self)?.notes.iter().find(noted))
    }

    /// Adds a level to the cell in which this thread reads the lock already, if there is one.
    pub(super) fn enter_again(&'static self, id: Id) -> Option<&'static Cell> {
        rows::chain(self)
            .flat_map(Row::cells)
            .find(|cell| cell.enter_again(id))
    }

    /// Whether this thread has a cell of the lock.
    pub(super) fn has_cell_of(&'static self, id: Id) -> bool {
        rows::chain(self)
            .flat_map(Row::cells)
            .any(|cell| cell.holds(id))
    }

    /// Whether this thread has a note of the lock.
    pub(super) fn has_note_of(&'static self, id: Id) -> bool {
        rows::chain(self)
            .flat_map(|row| &row.notes)
            .any(|note| note.holds(id))
    }
}
