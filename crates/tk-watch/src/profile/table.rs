//! A table of tallies with a fixed number of rows, which threads that have just waited fill.
//!
//! | operation | steps |
//! |---|---|
//! | count | find the key, or claim a free place by writing it; lock the row; check the key once more; count |
//! | clear | for each row: lock it; erase the key; empty it |
//! | read | for each row: lock it; copy it |
//!
//! # Invariants
//!
//! **A row is of its key.** A key is erased with its row locked and emptied. A thread counts with
//! the row locked, and only if the key still stands there. So no wait is counted in the row of
//! another key, even if the table is cleared in between.
//!
//! **Nobody waits.** A thread that finds a row locked spins for a moment, because the other one is
//! counting. If the other has lost its processor, this wait is not counted here, but among the
//! missed. A lock that a thread held at a fork is free in the child.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tk_core::__private::fork::{Inherit, Mutex, MutexGuard};

use super::tally::{Counted, Tally};

/// How many places are looked at before the table counts as full.
const PROBES: usize = 16;
const SPINS: u32 = 200;
const FREE: u64 = 0;

pub(super) struct Table<L> {
    keys: Box<[AtomicU64]>,
    rows: Box<[Mutex<Row<L>>]>,
    /// The waits that have no row of their own.
    others: Mutex<Row<L>>,
    /// How many waits were not counted.
    missed: AtomicU64,
}

#[derive(Clone)]
pub(super) struct Row<L> {
    pub(super) label: Option<L>,
    pub(super) tally: Tally,
}

impl<L> Row<L> {
    const EMPTY: Row<L> = Row {
        label: None,
        tally: Tally::EMPTY,
    };
}

impl<L> Inherit for Row<L> {
    fn anew() -> Row<L> {
        Row::EMPTY
    }
}

/// The rows of a table that have waits.
pub(super) struct Rows<L> {
    pub(super) rows: Vec<Row<L>>,
    pub(super) others: Tally,
    pub(super) missed: u64,
}

impl<L: Clone> Table<L> {
    /// A table of so many rows, a power of two.
    pub(super) fn new(rows: usize) -> Table<L> {
        debug_assert!(rows.is_power_of_two());
        Table {
            keys: (0..rows).map(|_| AtomicU64::new(FREE)).collect(),
            rows: (0..rows).map(|_| Mutex::new(Row::EMPTY)).collect(),
            others: Mutex::new(Row::EMPTY),
            missed: AtomicU64::new(0),
        }
    }

    /// Counts a wait under this key, which is not zero, and calls `change` with the row's label if
    /// there is a row.
    pub(super) fn count(&self, key: u64, wait: Counted, change: impl FnOnce(&mut Option<L>)) {
        let counted = match self.place_of(key) {
            Some(at) => self.lock_row(at, key).map(|mut row| {
                change(&mut row.label);
                row.tally.count(wait);
            }),
            None => try_lock(&self.others).map(|mut others| others.tally.count(wait)),
        };
        if counted.is_none() {
            // Relaxed: a statistic.
            self.missed.fetch_add(1, Relaxed);
        }
    }

    /// Changes the label of this key, if the key has a row that nobody has locked.
    pub(super) fn change_label(&self, key: u64, change: impl FnOnce(&mut Option<L>)) {
        let row = self.place_of(key).and_then(|at| self.lock_row(at, key));
        if let Some(mut row) = row {
            change(&mut row.label);
        }
    }

    fn lock_row(&self, at: usize, key: u64) -> Option<MutexGuard<'_, Row<L>>> {
        // A row is of its key. Relaxed: an erasure comes before an unlock of the row.
        try_lock(&self.rows[at]).filter(|_| self.keys[at].load(Relaxed) == key)
    }

    /// The place of a key, which is claimed if there is none. `None` if there is no room.
    fn place_of(&self, key: u64) -> Option<usize> {
        let mask = self.keys.len() - 1;
        // Fibonacci hashing: all bits of the key count in the highest.
        let start = (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize;
        (0..PROBES.min(self.keys.len()))
            .map(|step| (start + step) & mask)
            .find(|&at| {
                // Relaxed: what the row has is read with the row locked.
                let there = self.keys[at].load(Relaxed);
                there == key
                    || there == FREE
                        && match self.keys[at].compare_exchange(FREE, key, Relaxed, Relaxed) {
                            Ok(_) => true,
                            Err(other) => other == key,
                        }
            })
    }

    /// Empties the table.
    pub(super) fn clear(&self) {
        for (key, row) in self.keys.iter().zip(&self.rows) {
            let mut row = row.lock();
            key.store(FREE, Relaxed);
            let old = std::mem::replace(&mut *row, Row::EMPTY);
            drop(row);
            // A label may be the last of its kind: it is freed with nothing locked.
            drop(old);
        }
        let old = std::mem::replace(&mut *self.others.lock(), Row::EMPTY);
        drop(old);
        self.missed.store(0, Relaxed);
    }

    /// Copies what has been counted.
    pub(super) fn read(&self) -> Rows<L> {
        let mut rows = Vec::new();
        for row in &self.rows {
            // Nothing is allocated with the row locked: a row and its label are copied as they are.
            let row = row.lock().clone();
            if row.tally.waits > 0 {
                rows.push(row);
            }
        }
        Rows {
            rows,
            others: self.others.lock().tally.clone(),
            missed: self.missed.load(Relaxed),
        }
    }
}

fn try_lock<L>(row: &Mutex<Row<L>>) -> Option<MutexGuard<'_, Row<L>>> {
    for _ in 0..SPINS {
        let locked = row.try_lock();
        if locked.is_some() {
            return locked;
        }
        spin_loop();
    }
    None
}

#[cfg(test)]
mod tests {
    use std::thread;

    use tk_park::__private::WaitEnd;

    use super::*;

    const WAIT: Counted = Counted {
        nanos: 1_000,
        before: None,
        holder: None,
        end: WaitEnd::Unparked,
    };

    fn count(table: &Table<u64>, key: u64) {
        table.count(key, WAIT, |label| {
            assert!(
                label.is_none_or(|label| label == key),
                "a row is of its key"
            );
            *label = Some(key);
        });
    }

    #[test]
    fn what_has_no_row_is_counted_among_the_others() {
        let table = Table::new(4);
        for key in 1..=100 {
            count(&table, key);
            count(&table, key);
        }
        let read = table.read();
        assert_eq!(read.rows.len(), 4);
        assert!(read.rows.iter().all(|row| row.tally.waits == 2));
        assert_eq!(read.others.waits + 8, 200);
        table.clear();
        assert!(table.read().rows.is_empty());
        assert_eq!(table.read().others.waits, 0);
    }

    #[test]
    fn threads_that_count_while_the_table_is_cleared_stay_in_their_rows() {
        const EACH: u64 = 20_000;
        let table = Table::new(8);
        thread::scope(|s| {
            for first in 0..3 {
                let table = &table;
                s.spawn(move || (0..EACH).for_each(|n| count(table, 1 + (first + n) % 7)));
            }
            for _ in 0..200 {
                table.clear();
                thread::yield_now();
            }
        });
        let read = table.read();
        let counted: u64 = read.rows.iter().map(|row| row.tally.waits).sum();
        assert!(counted + read.missed <= 3 * EACH);
    }

    #[test]
    fn no_wait_is_lost_without_being_counted_as_missed() {
        const EACH: u64 = 20_000;
        let table = Table::new(8);
        thread::scope(|s| {
            for _ in 0..3 {
                s.spawn(|| (0..EACH).for_each(|n| count(&table, 1 + n % 3)));
            }
        });
        let read = table.read();
        let counted: u64 = read.rows.iter().map(|row| row.tally.waits).sum();
        assert_eq!(counted + read.missed, 3 * EACH);
    }
}
