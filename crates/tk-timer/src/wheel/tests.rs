//! The wheel compared with a sorted list, which does the same in the simplest way.

use std::collections::{BTreeMap, HashSet};

use proptest::prelude::*;

use super::*;

/// The oracle: entries sorted by deadline, and those of one deadline in FIFO order.
#[derive(Default)]
struct Oracle {
    sorted: BTreeMap<(u64, u64), u64>,
    inserted: u64,
}

impl Oracle {
    fn insert(&mut self, deadline: u64, value: u64) -> (u64, u64) {
        self.inserted += 1;
        let place = (deadline, self.inserted);
        self.sorted.insert(place, value);
        place
    }

    fn take_due(&mut self, now: u64) -> Option<(u64, u64)> {
        let first = *self.sorted.first_key_value()?.0;
        if first.0 > now || first.0 == NEVER {
            return None;
        }
        let value = self.sorted.remove(&first)?;
        Some((first.0, value))
    }

    fn first(&self) -> Option<u64> {
        let (deadline, _) = *self.sorted.first_key_value()?.0;
        (deadline != NEVER).then_some(deadline)
    }
}

/// An entry that both have, or have had.
#[derive(Clone, Copy)]
struct Entry {
    key: Key,
    place: Option<(u64, u64)>,
}

/// The wheel and the oracle, and what has been inserted into them.
#[derive(Default)]
struct Pair {
    wheel: Wheel<u64>,
    oracle: Oracle,
    entries: Vec<Entry>,
    now: u64,
    /// All deadlines that were ever inserted.
    deadlines: HashSet<u64>,
    /// How often an entry was removed or moved before it was due.
    disturbed: u64,
    /// How often the wheel named a time at which nothing was due.
    vain: u64,
}

impl Pair {
    fn insert(&mut self, deadline: u64) {
        let value = self.entries.len() as u64;
        self.deadlines.insert(deadline);
        self.entries.push(Entry {
            key: self.wheel.insert(deadline, value).unwrap(),
            place: Some(self.oracle.insert(deadline, value)),
        });
    }

    fn remove(&mut self, n: usize) {
        let entry = self.entries[n];
        let expected = entry.place.map(|_| n as u64);
        assert_eq!(self.wheel.remove(entry.key), expected);
        if let Some(place) = entry.place {
            self.oracle.sorted.remove(&place);
            self.disturbed += 1;
        }
        self.entries[n].place = None;
    }

    fn reschedule(&mut self, n: usize, deadline: u64) {
        let entry = self.entries[n];
        let is_current = self.wheel.reschedule(entry.key, deadline);
        assert_eq!(is_current, entry.place.is_some());
        if let Some(place) = entry.place {
            self.deadlines.insert(deadline);
            self.oracle.sorted.remove(&place);
            self.entries[n].place = Some(self.oracle.insert(deadline, n as u64));
            self.disturbed += 1;
        }
    }

    /// Takes out the entries that are due by then, and puts each of them back or removes it.
    fn advance(&mut self, now: u64, mut next: impl FnMut(u64) -> Option<u64>) {
        self.now = self.now.max(now);
        let mut again = Vec::new();
        loop {
            let taken = self.wheel.take_due(self.now);
            let expected = self.oracle.take_due(self.now);
            assert_eq!(taken.map(|(_, d, v)| (d, v)), expected);
            let Some((key, _, value)) = taken else { break };
            assert_eq!(key, self.entries[value as usize].key);
            again.push(value as usize);
        }
        for n in again {
            match next(n as u64) {
                Some(deadline) => {
                    let key = self.entries[n].key;
                    assert!(!self.wheel.reschedule(key, deadline));
                    assert_eq!(self.wheel.put_back(key, deadline, n as u64), Ok(()));
                    assert_eq!(self.wheel.put_back(key, deadline, 0), Err(0));
                    self.deadlines.insert(deadline);
                    self.entries[n].place = Some(self.oracle.insert(deadline, n as u64));
                }
                None => {
                    let key = self.entries[n].key;
                    assert_eq!(self.wheel.remove(key), None);
                    assert_eq!(self.wheel.put_back(key, 0, 0), Err(0));
                    self.entries[n].place = None;
                }
            }
        }
    }

    /// Waits until the time that the wheel names, as a service does.
    fn sleep(&mut self) {
        let Some(next) = self.wheel.next_deadline() else {
            assert_eq!(self.oracle.first(), None);
            return;
        };
        let first = self.oracle.first().expect("there is something to wait for");
        assert!(next <= first, "too late");
        assert!(self.deadlines.contains(&next), "a time that nobody had");
        if next > self.now && next < first {
            self.vain += 1;
        }
        self.advance(next, |_| None);
    }

    fn check(&mut self) {
        assert_eq!(self.wheel.is_empty(), self.oracle.sorted.is_empty());
        let next = self.wheel.next_deadline();
        assert!(next.unwrap_or(NEVER) <= self.oracle.first().unwrap_or(NEVER));
        assert!(self.vain <= self.disturbed);
    }

    fn check_all(&self) {
        let mut in_wheel: Vec<_> = self.wheel.iter().map(|(d, v)| (d, *v)).collect();
        let in_oracle = self.oracle.sorted.iter().map(|((d, _), v)| (*d, *v));
        let mut in_oracle: Vec<_> = in_oracle.collect();
        in_wheel.sort_unstable();
        in_oracle.sort_unstable();
        assert_eq!(in_wheel, in_oracle);
    }
}

/// A sequence of numbers that a seed determines (xorshift).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 16) % bound
    }

    /// A deadline from the past to centuries ahead, each magnitude equally often. Sometimes it is
    /// an earlier deadline, or `NEVER`.
    fn deadline(&mut self, now: u64, last: u64) -> u64 {
        match self.below(16) {
            0 => self.below(now.max(1)),
            1 => now,
            2..4 => last,
            4 => NEVER,
            _ => {
                let bits = self.below(64);
                now.saturating_add(self.next() >> bits)
            }
        }
    }
}

#[test]
fn a_million_operations_end_as_with_a_sorted_list() {
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut pair = Pair::default();
    let mut last = 0;
    for step in 0..1_000_000_u32 {
        let known = pair.entries.len() as u64;
        let deadline = random.deadline(pair.now, last);
        match random.below(10) {
            0..5 => pair.insert(deadline),
            5 | 6 if known > 0 => pair.remove(random.below(known) as usize),
            7 if known > 0 => {
                // A recent one, which is likely to be there still.
                let n = known - 1 - random.below(known.min(100));
                pair.reschedule(n as usize, deadline);
            }
            8 => {
                // From nothing to a minute; days are rare, and centuries rarer.
                let bits = 28 + random.below(36);
                let ahead = random.next() >> bits.min(63);
                let now = pair.now.saturating_add(ahead);
                pair.advance(now, |n| (n % 8 == 0).then_some(now + n));
            }
            _ => pair.sleep(),
        }
        last = deadline;
        pair.check();
        if step % 100_000 == 0 {
            pair.check_all();
        }
    }
    pair.check_all();
    pair.advance(NEVER - 1, |_| None);
    assert_eq!(pair.wheel.next_deadline(), None);
    pair.check_all();
}

#[derive(Clone, Debug)]
enum Operation {
    Insert(u64),
    Same(usize),
    Remove(usize),
    Reschedule(usize, u64),
    Advance(u64),
    Sleep,
}

fn time() -> impl Strategy<Value = u64> {
    // Each magnitude as often as another.
    prop_oneof![
        9 => (any::<u64>(), 0..64_u32).prop_map(|(n, bits)| n >> bits),
        1 => Just(NEVER),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        4 => time().prop_map(Operation::Insert),
        2 => any::<usize>().prop_map(Operation::Same),
        2 => any::<usize>().prop_map(Operation::Remove),
        2 => (any::<usize>(), time()).prop_map(|(n, t)| Operation::Reschedule(n, t)),
        2 => time().prop_map(Operation::Advance),
        3 => Just(Operation::Sleep),
    ]
}

proptest! {
    #[test]
    fn any_operations_end_as_with_a_sorted_list(
        operations in prop::collection::vec(operation(), 0..100),
    ) {
        let mut pair = Pair::default();
        for operation in operations {
            let pick = |n: usize| n % pair.entries.len().max(1);
            match operation {
                Operation::Insert(deadline) => pair.insert(deadline),
                Operation::Same(n) => {
                    let place = pair.entries.get(pick(n)).and_then(|entry| entry.place);
                    pair.insert(place.map_or(0, |place| place.0));
                }
                Operation::Remove(_) | Operation::Reschedule(..) if pair.entries.is_empty() => {}
                Operation::Remove(n) => pair.remove(pick(n)),
                Operation::Reschedule(n, deadline) => pair.reschedule(pick(n), deadline),
                Operation::Advance(by) => {
                    // A small part of the way, mostly.
                    let now = pair.now.saturating_add(by).min(NEVER - 1);
                    pair.advance(now, |n| (n % 3 == 0).then(|| now.saturating_add(n)));
                }
                Operation::Sleep => pair.sleep(),
            }
            pair.check();
        }
        pair.check_all();
    }
}

#[test]
fn a_time_that_is_named_is_exact_when_nothing_was_taken_off() {
    let mut random = Random(7);
    let mut pair = Pair::default();
    for _ in 0..1000 {
        let ahead = random.next() >> random.below(64);
        pair.insert(pair.now.saturating_add(ahead).min(NEVER - 1));
        if random.below(3) == 0 {
            assert_eq!(pair.wheel.next_deadline(), pair.oracle.first());
            pair.sleep();
        }
    }
    while !pair.oracle.sorted.is_empty() {
        assert_eq!(pair.wheel.next_deadline(), pair.oracle.first());
        pair.sleep();
    }
    assert_eq!(pair.vain, 0);
}

#[test]
fn what_is_due_at_one_time_comes_in_the_order_of_insertion() {
    const HOUR: u64 = 3_600_000_000_000;
    let mut wheel = Wheel::new();
    wheel.insert(HOUR, 0).unwrap();
    // Another bucket, as the wheel has turned; but one that the first is moved to before.
    for (n, now) in [1, HOUR / 2, HOUR - 1_000_000, HOUR - 1]
        .into_iter()
        .enumerate()
    {
        assert!(wheel.take_due(now).is_none());
        wheel.insert(HOUR, n + 1).unwrap();
    }
    for n in 0..5 {
        assert_eq!(wheel.take_due(HOUR).map(|taken| taken.2), Some(n));
    }
    assert!(wheel.is_empty());
}

#[test]
fn a_deadline_is_kept_to_the_nanosecond() {
    let mut wheel = Wheel::new();
    for deadline in [1_000_001, 1_000_000, 999_999] {
        wheel.insert(deadline, ()).unwrap();
    }
    for deadline in [999_999, 1_000_000, 1_000_001] {
        assert_eq!(wheel.next_deadline(), Some(deadline));
        assert!(wheel.take_due(deadline - 1).is_none());
        assert!(wheel.take_due(deadline).is_some());
    }
}

#[test]
fn what_was_taken_out_keeps_its_key() {
    let mut wheel = Wheel::new();
    let key = wheel.insert(5, "a").unwrap();
    assert_eq!(wheel.take_due(5), Some((key, 5, "a")));
    assert!(wheel.is_empty());
    assert_eq!(wheel.iter().count(), 0);
    assert!(!wheel.reschedule(key, 7));
    assert_eq!(wheel.put_back(key, 7, "b"), Ok(()));
    assert_eq!(wheel.iter().collect::<Vec<_>>(), [(7, &"b")]);
    assert_eq!(wheel.take_due(8), Some((key, 7, "b")));
    assert_eq!(wheel.remove(key), None);
    assert_eq!(wheel.put_back(key, 9, "c"), Err("c"));
    assert_eq!(wheel.into_values().count(), 0);
}

#[test]
fn what_is_taken_off_just_before_it_is_due_leaves_no_litter() {
    let mut wheel = Wheel::new();
    assert!(wheel.take_due(1 << 40).is_none());
    for n in 0..10_000 {
        let key = wheel.insert(n, ()).unwrap();
        assert!(wheel.reschedule(key, n + 1));
        assert_eq!(wheel.remove(key), Some(()));
    }
    assert!(wheel.ready.len() <= 2 * MIN_STALE + 1);
    assert_eq!(wheel.next_deadline(), None);
}

#[test]
fn never_is_later_than_any_time() {
    let mut wheel = Wheel::new();
    let key = wheel.insert(NEVER, "never").unwrap();
    wheel.insert(NEVER - 1, "late").unwrap();
    assert_eq!(wheel.next_deadline(), Some(NEVER - 1));
    assert_eq!(wheel.take_due(NEVER).map(|taken| taken.2), Some("late"));
    assert_eq!(wheel.take_due(NEVER).map(|taken| taken.2), None);
    assert_eq!(wheel.next_deadline(), None);
    assert!(!wheel.is_empty());
    assert!(wheel.reschedule(key, 3));
    assert_eq!(wheel.take_due(3).map(|taken| taken.2), Some("never"));
}
