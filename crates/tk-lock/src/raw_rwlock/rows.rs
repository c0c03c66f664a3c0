//! Where the rows of cells are: found by slot, made when a thread first reads, never freed.
//!
//! | what | when |
//! |---|---|
//! | a segment of rows, each twice as long as the one before | a thread of its slots first reads |
//! | a row behind another | the other has a predecessor's cells, or is full |
//!
//! The memory comes from the system's allocator and not from the global one, which may contain a
//! readers-writer lock. Where there is none, the thread's reads are counted.
//!
//! # Invariants
//!
//! **One thread, one row.** A thread enters only through rows that it has adopted with its present
//! identity. It adopts a row of its slot, which no other thread has at that time, and only if no
//! read is in the row. Where a thread loses its slot before its last destructors have run
//! (see [`tk_core`]), it reads through the row of another slot from then on. If two threads shared
//! a row, one could take the other's read, which is still to look at the word, for its own, and add
//! a level to it.
//!
//! **In place before the cell.** A segment is in the list, and a row in its chain, before a cell of
//! it is written. A scan that begins after the cell was written finds it: all of these steps are
//! SeqCst, in the order of *Publish, then look* (see `cells.rs`).

use super::cells::{Known, Row, block_bit};

/// How many neighbors are in one block.
#[cfg(not(tk_loom))]
const ROWS_PER_BLOCK: usize = 8;
#[cfg(tk_loom)]
const ROWS_PER_BLOCK: usize = 1;

#[cfg(not(tk_loom))]
mod real {
    use std::alloc::{GlobalAlloc, Layout, System};
    #[cfg(feature = "lock_api_04")]
    use std::cell::Cell;
    use std::ptr;
    use std::sync::atomic::{AtomicPtr, Ordering::*};

    use tk_core::__private::{attach, attached, ensure_registered, peek_slot_and_id};
    #[cfg(feature = "lock_api_04")]
    use tk_core::Owner;
    use tk_core::current_owner;

    use super::{Known, ROWS_PER_BLOCK, Row, block_bit};

    /// The rows of a thread with reads, one for each number that it has had: the first of a chain.
    /// A guard without a state is released through them, and may outlive a number.
    #[cfg(feature = "lock_api_04")]
    type Adopted = [Option<(&'static Row, Owner)>; 4];

    #[cfg(feature = "lock_api_04")]
    thread_local! {
        /// Without a destructor, so that it works until the end of the thread.
        static ADOPTED: Cell<Adopted> = const { Cell::new([None; 4]) };
    }

    /// The first segment has the rows of one block.
    const SEGMENTS: usize = 28;

    static LIST: [AtomicPtr<Row>; SEGMENTS] = [const { AtomicPtr::new(ptr::null_mut()) }; SEGMENTS];

    const fn rows_in(segment: usize) -> usize {
        ROWS_PER_BLOCK << segment
    }

    /// The row behind another one.
    pub(crate) struct Next(AtomicPtr<Row>);

    impl Next {
        #[inline]
        fn get(&self) -> Option<&'static Row> {
            // SeqCst: In place before the cell.
            // SAFETY: rows are never freed, and a pointer is published when its row is complete.
            unsafe { self.0.load(SeqCst).as_ref() }
        }
    }

    /// The row of the calling thread, if it has one.
    #[inline]
    pub(crate) fn mine() -> Option<&'static Row> {
        // One thread, one row: nothing is attached any more when the slot or the id changes. If the
        // thread has had another identity (`run_as`), the slot of that may be another thread's by
        // now, or this thread's again.
        // SAFETY: `mine_or_new` has attached a row, or there is none. Rows are never freed.
        unsafe { attached().cast::<Row>().as_ref() }
    }

    /// The row of the calling thread. `None` if the thread is just being registered, which it is if
    /// the global allocator reads, or if there is no memory.
    #[cold]
    pub(crate) fn mine_or_new() -> Option<&'static Row> {
        if let Some(row) = mine() {
            return Some(row);
        }
        ensure_registered();
        let slot = peek_slot_and_id().0;
        let index = (slot as usize).checked_sub(1)?;
        let block = index / ROWS_PER_BLOCK;
        // Segment n has 2^n blocks, after 2^n - 1 others.
        let segment = (block + 1).ilog2() as usize;
        let at = index - (rows_in(segment) - ROWS_PER_BLOCK);
        let first = match segment_at(segment) {
            Some(rows) => &rows[at],
            None => &make_segment(segment)?[at],
        };
        let me = current_owner();
        // Its own, if it has had another identity meanwhile.
        let own = || chain_from(first).find(|row| row.owner() == Some(me));
        let free = || chain_from(first).find(|row| row.is_free());
        let row = own().or_else(free).or_else(|| push(first))?;
        #[cfg(feature = "lock_api_04")]
        remember(row, me)?;
        row.adopt(me, block_bit(block as u32));
        attach((&raw const *row).cast());
        Some(row)
    }

    /// Remembers the row of a number. `None` if there are too many with reads already. Then the
    /// thread's reads are counted, and their guards need no row.
    #[cfg(feature = "lock_api_04")]
    fn remember(row: &'static Row, me: Owner) -> Option<()> {
        let mut adopted = ADOPTED.get();
        let is_mine = |it: &Option<(&'static Row, Owner)>| it.is_some_and(|(_, owner)| owner == me);
        let is_over = |it: &Option<(&'static Row, Owner)>| {
            it.is_none_or(|(first, owner)| rows_of(first, owner).all(Row::is_free))
        };
        let mine = adopted.iter().position(is_mine);
        let place = mine.or_else(|| adopted.iter().position(is_over))?;
        adopted[place] = Some((row, me));
        ADOPTED.set(adopted);
        Some(())
    }

    /// The rows that have this number, from the first one on.
    #[cfg(feature = "lock_api_04")]
    fn rows_of(first: &'static Row, owner: Owner) -> impl Iterator<Item = &'static Row> {
        chain_from(first).filter(move |row| row.owner() == Some(owner))
    }

    /// All rows with reads of the calling thread, also those of a slot that it has lost. A number
    /// is never reused, so a row with the thread's number is the thread's.
    #[cfg(feature = "lock_api_04")]
    pub(crate) fn ever_mine() -> impl Iterator<Item = &'static Row> {
        let adopted = ADOPTED.get().into_iter().flatten();
        adopted.flat_map(|(first, owner)| rows_of(first, owner))
    }

    fn segment_at(segment: usize) -> Option<&'static [Row]> {
        // SeqCst: In place before the cell.
        let rows = LIST[segment].load(SeqCst);
        // SAFETY: a segment in the list has that many rows, and is never freed.
        (!rows.is_null()).then(|| unsafe { std::slice::from_raw_parts(rows, rows_in(segment)) })
    }

    fn make_segment(segment: usize) -> Option<&'static [Row]> {
        let layout = Layout::array::<Row>(rows_in(segment)).ok()?;
        // SAFETY: the layout is not empty.
        let rows = unsafe { System.alloc_zeroed(layout) }.cast::<Row>();
        if rows.is_null() {
            return None;
        }
        // A row of zeros is a free row. SeqCst: In place before the cell.
        let put = LIST[segment].compare_exchange(ptr::null_mut(), rows, SeqCst, SeqCst);
        if put.is_err() {
            // Another thread was faster.
            // SAFETY: it was allocated above with this layout, and nobody else has seen it.
            unsafe { System.dealloc(rows.cast(), layout) };
        }
        segment_at(segment)
    }

    /// Puts a new row at the end of the chain.
    fn push(first: &'static Row) -> Option<&'static Row> {
        let layout = Layout::new::<Row>();
        // SAFETY: the layout is not empty.
        let new = unsafe { System.alloc_zeroed(layout) }.cast::<Row>();
        if new.is_null() {
            return None;
        }
        let mut last = first;
        loop {
            // SeqCst: In place before the cell.
            let put = last
                .next
                .0
                .compare_exchange(ptr::null_mut(), new, SeqCst, SeqCst);
            match put {
                // SAFETY: it is never freed from here on.
                Ok(_) => return Some(unsafe { &*new }),
                // SAFETY: as in `Next::get`.
                Err(next) => last = unsafe { &*next },
            }
        }
    }

    fn chain_from(first: &'static Row) -> impl Iterator<Item = &'static Row> {
        std::iter::successors(Some(first), |row| row.next.get())
    }

    /// The rows of the thread that has this one as its [`mine`].
    pub(crate) fn chain(mine: &'static Row) -> impl Iterator<Item = &'static Row> {
        let owner = mine.owner();
        chain_from(mine).filter(move |row| row.owner() == owner)
    }

    /// Another row for the thread that has this one as its [`mine`].
    #[cold]
    pub(crate) fn lengthen(mine: &'static Row) -> Option<&'static Row> {
        let free = chain_from(mine).find(|row| row.is_free());
        let row = free.or_else(|| push(mine))?;
        row.adopt(current_owner(), mine.block_bit());
        Some(row)
    }

    /// All rows that a lock may be read from.
    pub(crate) struct Rows {
        known: Known,
        segment: usize,
        at: usize,
        chained: Option<&'static Row>,
    }

    impl Rows {
        pub(crate) fn of(known: Known) -> Rows {
            Rows {
                known,
                segment: 0,
                at: 0,
                chained: None,
            }
        }
    }

    impl Iterator for Rows {
        type Item = &'static Row;

        #[inline]
        fn next(&mut self) -> Option<&'static Row> {
            if let Some(row) = self.chained {
                self.chained = row.next.get();
                return Some(row);
            }
            loop {
                if self.segment == SEGMENTS {
                    return None;
                }
                let Some(rows) = segment_at(self.segment) else {
                    self.segment += 1;
                    continue;
                };
                if self.at == rows.len() {
                    self.segment += 1;
                    self.at = 0;
                    continue;
                }
                let blocks_before = (1 << self.segment) - 1;
                let block = blocks_before + self.at / ROWS_PER_BLOCK;
                if !self.known.has_block(block_bit(block as u32)) {
                    self.at += ROWS_PER_BLOCK;
                    continue;
                }
                let row = &rows[self.at];
                self.at += 1;
                self.chained = row.next.get();
                return Some(row);
            }
        }
    }
}

/// A model's threads have their rows from the start, and no more than one.
#[cfg(tk_loom)]
mod model {
    use tk_core::Owner;
    use tk_park::sync::{current_slot, lazy_static};

    use super::{Known, ROWS_PER_BLOCK, Row, block_bit};

    const THREADS: usize = 4;

    lazy_static! {
        static ref ROWS: [Row; THREADS] = std::array::from_fn(|index| {
            let row = Row::new();
            let owner = Owner::new(index as u32 + 1).expect("the slot of a model's thread");
            row.adopt(owner, block_bit((index / ROWS_PER_BLOCK) as u32));
            row.loom_register();
            row
        });
    }

    fn at(index: usize) -> &'static Row {
        let row: *const Row = &ROWS[index];
        // SAFETY: loom drops the rows after all threads of the execution.
        unsafe { &*row }
    }

    pub(crate) fn mine() -> Option<&'static Row> {
        Some(at(current_slot().get() as usize - 1))
    }

    pub(crate) fn mine_or_new() -> Option<&'static Row> {
        mine()
    }

    pub(crate) fn chain(mine: &'static Row) -> impl Iterator<Item = &'static Row> {
        std::iter::once(mine)
    }

    #[cfg(feature = "lock_api_04")]
    pub(crate) fn ever_mine() -> impl Iterator<Item = &'static Row> {
        mine().into_iter()
    }

    pub(crate) fn lengthen(_: &'static Row) -> Option<&'static Row> {
        None
    }

    pub(crate) struct Rows(Known, usize);

    impl Rows {
        pub(crate) fn of(known: Known) -> Rows {
            Rows(known, 0)
        }
    }

    impl Iterator for Rows {
        type Item = &'static Row;

        fn next(&mut self) -> Option<&'static Row> {
            while self.1 < THREADS {
                let index = self.1;
                self.1 += 1;
                if self.0.has_block(block_bit((index / ROWS_PER_BLOCK) as u32)) {
                    return Some(at(index));
                }
            }
            None
        }
    }
}
#[cfg(tk_loom)]
pub(super) use model::*;
#[cfg(not(tk_loom))]
pub(super) use real::*;
