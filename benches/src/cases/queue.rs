//! A bounded queue between producers and consumers: one lock and two condition variables.
//!
//! Producers wait while all slots are full, consumers while all are empty. Each `put` and each
//! `take` notifies the other side after it has released the lock. The cost is that of one item on
//! its way from a producer to a consumer.

use std::time::Duration;

use crate::adapter::{parking_lot, standard, tk, usync};
use crate::case::{Case, enter};
use crate::floor::Floor;
use crate::kind::{Buffer, Notify, Side, Stock};
use crate::measure::{Sample, together};
use crate::proof;

/// How many producers there are, and how many consumers.
pub const SIDES: [usize; 4] = [1, 2, 5, 10];

/// How many items the queue holds.
pub const SLOTS: [usize; 2] = [1, 1024];

/// One shape of the queue and of the threads around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// How many threads put items in.
    pub producers: usize,
    /// How many threads take them.
    pub consumers: usize,
    /// How many items the queue holds.
    pub slots: usize,
    /// How many waiters a thread notifies.
    pub how: Notify,
}

impl Shape {
    /// All shapes, in the order of the tables.
    pub fn all() -> impl Iterator<Item = Shape> {
        let with = |(how, slots)| {
            SIDES.into_iter().flat_map(move |producers| {
                SIDES.map(|consumers| Shape {
                    producers,
                    consumers,
                    slots,
                    how,
                })
            })
        };
        let hows = [Notify::One, Notify::All].into_iter();
        hows.flat_map(|how| SLOTS.map(|slots| (how, slots)))
            .flat_map(with)
    }

    /// The name of its case, without the group.
    pub fn name(self) -> String {
        let of_table = Shape::table(self.slots, self.how);
        format!("{} to {}, {of_table}", self.producers, self.consumers)
    }

    /// The part of the name that all cases with these have in common.
    pub fn table(slots: usize, how: Notify) -> String {
        let slots = match slots {
            1 => "1 slot".to_owned(),
            n => format!("{n} slots"),
        };
        match how {
            Notify::One => format!("{slots}, notify_one"),
            Notify::All => format!("{slots}, notify_all"),
        }
    }
}

/// The cases.
pub fn cases() -> Vec<Case> {
    Shape::all().map(case).collect()
}

fn case(shape: Shape) -> Case {
    let threads = shape.producers + shape.consumers;
    // Where threads take turns on the processors, a measurement has to last for several turns.
    let length = if threads > crate::machine::processors() {
        50
    } else {
        5
    };
    let mut case = Case::new("queue", shape.name())
        .goal(1.0)
        .floor(Floor::Exchange)
        .threads(threads)
        .length(Duration::from_millis(length))
        .least(100);
    enter!(case, proof::buffer, B => move |operations| exchange::<B>(shape, operations), [
        tk::TwoSided,
        standard::Buffer,
        parking_lot::v13::Buffer,
        parking_lot::v12::Buffer,
        usync::Buffer,
    ]);
    #[cfg(target_os = "linux")]
    enter!(case, proof::buffer, B => move |operations| exchange::<B>(shape, operations), [
        crate::adapter::pthread::Buffer,
    ]);
    case
}

/// Moves that many items from the producers to the consumers.
fn exchange<B: Buffer>(shape: Shape, operations: u64) -> Sample {
    let buffer = B::new(operations);
    let ran = together(shape.producers + shape.consumers, |number| {
        if number < shape.producers {
            for item in (number as u64..operations).step_by(shape.producers) {
                put(&buffer, shape.slots, shape.how, item);
            }
            0
        } else {
            take_all(&buffer, shape.how, |_| ())
        }
    });
    let sum: u64 = ran.results.iter().sum();
    assert_eq!(sum, operations * operations.saturating_sub(1) / 2);
    Sample::new(operations, ran.elapsed(), ran.usage)
}

/// Waits for a free slot, puts the item in, and notifies consumers.
#[inline]
pub(crate) fn put<B: Buffer>(buffer: &B, slots: usize, how: Notify, item: u64) {
    buffer.wait_until(
        Side::Producers,
        |stock| stock.items.len() < slots,
        |stock| stock.items.push_back(item),
    );
    buffer.notify(Side::Consumers, how);
}

/// Takes items until the run is over, and returns their sum. `look` sees the stock before each item
/// is taken.
#[inline]
pub(crate) fn take_all<B: Buffer>(buffer: &B, how: Notify, mut look: impl FnMut(&Stock)) -> u64 {
    let mut sum = 0;
    loop {
        let taken = buffer.wait_until(
            Side::Consumers,
            |stock| !stock.items.is_empty() || stock.left == 0,
            |stock| {
                look(stock);
                let item = stock.items.pop_front()?;
                stock.left -= 1;
                Some((item, stock.left))
            },
        );
        let Some((item, left)) = taken else {
            return sum;
        };
        sum += item;
        if left == 0 {
            // The other consumers wait for an item that does not come.
            buffer.notify(Side::Consumers, Notify::All);
            return sum;
        }
        buffer.notify(Side::Producers, how);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_has_a_case_of_its_own() {
        let names: Vec<_> = Shape::all().map(Shape::name).collect();
        assert_eq!(names.len(), SIDES.len().pow(2) * SLOTS.len() * 2);
        assert_eq!(names[0], "1 to 1, 1 slot, notify_one");
        assert_eq!(names[63], "10 to 10, 1024 slots, notify_all");
    }
}
