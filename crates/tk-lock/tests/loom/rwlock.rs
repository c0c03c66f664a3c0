//! Models of the readers-writer lock.

use lock_api::{
    RawRwLock as _, RawRwLockDowngrade as _, RawRwLockFair as _, RawRwLockTimed as _,
    RawRwLockUpgrade as _, RawRwLockUpgradeDowngrade as _, RawRwLockUpgradeTimed as _,
};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread::{self, JoinHandle};
use tk_lock::{RawRwLock, RawSendRwLock, ReadToken, RwLock, RwLockExt};
use tk_park::StopSource;
use tk_park::sync::{Instant, advance};
use tk_testing::explore;

/// A lock, and a number that it guards.
struct Guarded {
    lock: RawRwLock,
    value: UnsafeCell<u32>,
}

/// How many reads in a row make readers visible in a model, and one more.
const STREAK: usize = 3;
/// One read in so many is a sample.
const SAMPLE: usize = 13;

impl Guarded {
    /// In the mode counted.
    fn new() -> Arc<Guarded> {
        let lock = RawRwLock::new();
        lock.loom_register();
        let value = UnsafeCell::new(0);
        Arc::new(Guarded { lock, value })
    }

    /// In the mode visible.
    fn visible() -> Arc<Guarded> {
        let guarded = Guarded::new();
        for _ in 0..STREAK {
            guarded.read();
        }
        guarded
    }

    /// In the mode light, for all threads of the model.
    fn light() -> Arc<Guarded> {
        let guarded = Guarded::visible();
        guarded.lock.loom_lighten();
        guarded
    }

    /// In the mode visible. The next read of this thread makes it light.
    fn almost_light() -> Arc<Guarded> {
        let guarded = Guarded::visible();
        for _ in 1..SAMPLE {
            guarded.read();
        }
        guarded.lock.loom_almost_lighten();
        guarded
    }

    fn see(&self) -> u32 {
        // SAFETY: the lock is held for reading, which is what loom checks.
        self.value.with(|value| unsafe { *value })
    }

    fn add(&self) {
        // SAFETY: the lock is held for writing, which is what loom checks.
        self.value.with_mut(|value| unsafe { *value += 1 });
    }

    fn end(&self, token: ReadToken) {
        // SAFETY: this thread has that read.
        unsafe { self.lock.unlock_shared(token) };
    }

    fn read(&self) -> u32 {
        let token = self.lock.lock_shared();
        let seen = self.see();
        self.end(token);
        seen
    }

    fn write(&self) {
        let guard = self.lock.lock_exclusive();
        self.add();
        // SAFETY: this thread has the lock for writing.
        unsafe { self.lock.unlock_exclusive(guard) };
    }

    /// Checks the state that is left when all threads are done.
    fn finish(&self, expected: u32) {
        assert!(self.lock.try_lock_exclusive().is_some(), "the lock is free");
        assert_eq!(self.see(), expected);
    }
}

fn start<R: 'static>(
    guarded: &Arc<Guarded>,
    f: impl FnOnce(&Guarded) -> R + 'static,
) -> JoinHandle<R> {
    let guarded = guarded.clone();
    thread::spawn(move || f(&guarded))
}

/// One model in each mode.
fn explore_each(
    name: &str,
    preemptions: Option<usize>,
    model: impl Fn(Arc<Guarded>) + Send + Sync + Copy + 'static,
) {
    explore(
        &format!("rwlock, counted: {name}"),
        preemptions,
        move || {
            model(Guarded::new());
        },
    );
    explore(
        &format!("rwlock, visible: {name}"),
        preemptions,
        move || {
            model(Guarded::visible());
        },
    );
    explore(&format!("rwlock, light: {name}"), preemptions, move || {
        model(Guarded::light());
    });
}

#[test]
fn a_reader_and_a_writer_exclude_each_other() {
    explore_each("reader against writer", Some(3), |guarded| {
        let writer = start(&guarded, Guarded::write);
        assert!(guarded.read() <= 1);
        writer.join().unwrap();
        guarded.finish(1);
    });
}

#[test]
fn two_readers_and_a_writer_exclude_each_other() {
    explore_each("two readers against writer", Some(1), |guarded| {
        let reader = start(&guarded, Guarded::read);
        let writer = start(&guarded, Guarded::write);
        assert!(guarded.read() <= 1);
        assert!(reader.join().unwrap() <= 1);
        writer.join().unwrap();
        guarded.finish(1);
    });
}

#[test]
fn two_writers_and_a_reader_exclude_each_other() {
    explore_each("two writers against reader", Some(1), |guarded| {
        let writers = [
            start(&guarded, Guarded::write),
            start(&guarded, Guarded::write),
        ];
        assert!(guarded.read() <= 2);
        for writer in writers {
            writer.join().unwrap();
        }
        guarded.finish(2);
    });
}

#[test]
fn a_writer_sees_the_readers_that_have_left() {
    // The writer sleeps until both have left, in either order.
    explore_each("writer against two reads that end", Some(1), |guarded| {
        let token = guarded.lock.lock_shared();
        let reader = start(&guarded, Guarded::read);
        let writer = start(&guarded, Guarded::write);
        assert_eq!(guarded.see(), 0);
        guarded.end(token);
        reader.join().unwrap();
        writer.join().unwrap();
        guarded.finish(1);
    });
}

#[test]
fn a_try_to_write_finds_each_reader() {
    explore_each("try to write against a reader", Some(3), |guarded| {
        let reader = start(&guarded, Guarded::read);
        let guard = guarded.lock.try_lock_exclusive();
        let written = u32::from(guard.is_some());
        if let Some(guard) = guard {
            guarded.add();
            // SAFETY: this thread has the lock for writing.
            unsafe { guarded.lock.unlock_exclusive(guard) };
        }
        assert!(reader.join().unwrap() <= written);
        guarded.finish(written);
    });
}

#[test]
fn a_try_to_read_finds_each_writer() {
    explore_each("try to read against a writer", Some(3), |guarded| {
        let writer = start(&guarded, Guarded::write);
        if let Some(token) = guarded.lock.try_lock_shared() {
            assert!(guarded.see() <= 1);
            guarded.end(token);
        }
        writer.join().unwrap();
        guarded.finish(1);
    });
}

#[test]
fn a_recursive_read_is_granted_beside_a_writer() {
    explore_each("recursive read against writer", Some(3), |guarded| {
        let outer = guarded.lock.lock_shared();
        let writer = start(&guarded, Guarded::write);
        let inner = guarded.lock.lock_shared();
        guarded.end(outer);
        assert_eq!(guarded.see(), 0);
        guarded.end(inner);
        writer.join().unwrap();
        guarded.finish(1);
    });
}

#[test]
fn the_mode_changes_while_others_come() {
    // The second read of one thread changes the mode to visible. A write without reads since the
    // last write changes it back.
    explore("rwlock: a change of mode to visible", Some(3), || {
        let guarded = Guarded::new();
        guarded.read();
        let reader = start(&guarded, |guarded| {
            assert!(guarded.read() <= 1);
            assert!(guarded.read() <= 1);
            guarded.read()
        });
        guarded.write();
        assert!(reader.join().unwrap() <= 1);
        guarded.finish(1);
    });
    explore("rwlock: a change of mode to counted", Some(3), || {
        let guarded = Guarded::visible();
        guarded.write();
        let reader = start(&guarded, Guarded::read);
        guarded.write();
        guarded.write();
        assert!((1..=3).contains(&reader.join().unwrap()));
        guarded.finish(3);
    });
}

#[test]
fn a_lock_becomes_light_while_others_come() {
    explore("rwlock: a change of mode to light", Some(3), || {
        let guarded = Guarded::almost_light();
        let writer = start(&guarded, Guarded::write);
        assert!(guarded.read() <= 1);
        assert!(guarded.read() <= 1);
        writer.join().unwrap();
        guarded.finish(1);
    });
    explore("rwlock: light after a sample", Some(0), || {
        let guarded = Guarded::almost_light();
        assert!(!guarded.lock.loom_is_light());
        guarded.read();
        assert!(guarded.lock.loom_is_light());
        guarded.write();
        assert!(!guarded.lock.loom_is_light());
        guarded.finish(1);
    });
}

#[test]
fn a_slow_light_reader_is_seen_by_the_second_writer() {
    // The first writer ends the mode light, and the second one makes no heavy fence.
    explore("rwlock: light reader against two writes", Some(3), || {
        let guarded = Guarded::light();
        let writer = start(&guarded, |guarded| {
            guarded.write();
            guarded.write();
        });
        assert!(guarded.read() <= 2);
        writer.join().unwrap();
        guarded.finish(2);
    });
}

#[test]
fn a_lock_is_light_again_while_a_reader_is_slow() {
    explore("rwlock: light, visible and light again", Some(2), || {
        let guarded = Guarded::light();
        let slow = start(&guarded, Guarded::read);
        guarded.write();
        guarded.lock.loom_note_many_reads();
        guarded.write();
        assert!(slow.join().unwrap() <= 2);
        guarded.finish(2);
    });
}

#[test]
fn an_upgrade_lets_no_writer_in_between() {
    explore_each("upgrade against writer", Some(3), |guarded| {
        let writer = start(&guarded, Guarded::write);
        let upgradable = guarded.lock.lock_upgradable();
        let before = guarded.see();
        // SAFETY: this thread has the upgradable lock.
        let guard = unsafe { guarded.lock.upgrade(upgradable) };
        assert_eq!(guarded.see(), before);
        guarded.add();
        // SAFETY: this thread has the lock for writing.
        unsafe { guarded.lock.unlock_exclusive(guard) };
        writer.join().unwrap();
        guarded.finish(2);
    });
}

#[test]
fn an_upgrade_waits_for_readers() {
    explore_each("upgrade against reader", Some(3), |guarded| {
        let reader = start(&guarded, Guarded::read);
        let upgradable = guarded.lock.lock_upgradable();
        // SAFETY: this thread has the upgradable lock.
        let guard = unsafe { guarded.lock.upgrade(upgradable) };
        guarded.add();
        // SAFETY: this thread has the lock for writing.
        unsafe { guarded.lock.unlock_exclusive(guard) };
        assert!(reader.join().unwrap() <= 1);
        guarded.finish(1);
    });
}

#[test]
fn an_upgrade_may_time_out_as_the_reader_leaves() {
    explore_each(
        "timeout of an upgrade against a reader",
        Some(3),
        |guarded| {
            let token = guarded.lock.lock_shared();
            let upgrader = start(&guarded, |guarded| {
                let upgradable = guarded.lock.lock_upgradable();
                // SAFETY: this thread has the upgradable lock.
                match unsafe { guarded.lock.try_upgrade_until(upgradable, Instant(1)) } {
                    Ok(guard) => {
                        guarded.add();
                        // SAFETY: this thread has the lock for writing.
                        unsafe { guarded.lock.unlock_exclusive(guard) };
                        1
                    }
                    Err(upgradable) => {
                        // SAFETY: this thread has the upgradable lock.
                        unsafe { guarded.lock.unlock_upgradable(upgradable) };
                        0
                    }
                }
            });
            let clock = thread::spawn(|| advance(1));
            guarded.end(token);
            let written = upgrader.join().unwrap();
            clock.join().unwrap();
            guarded.finish(written);
        },
    );
}

#[test]
fn a_downgrade_lets_readers_in_and_a_writer_after() {
    explore_each("downgrade against reader and writer", Some(1), |guarded| {
        let guard = guarded.lock.lock_exclusive();
        let reader = start(&guarded, Guarded::read);
        let writer = start(&guarded, Guarded::write);
        guarded.add();
        // SAFETY: this thread has the lock for writing.
        let token = unsafe { guarded.lock.downgrade(guard) };
        assert_eq!(guarded.see(), 1);
        guarded.end(token);
        assert!((1..=2).contains(&reader.join().unwrap()));
        writer.join().unwrap();
        guarded.finish(2);
    });
}

#[test]
fn a_downgrade_to_upgradable_lets_readers_in() {
    explore_each(
        "downgrade to upgradable against reader",
        Some(3),
        |guarded| {
            let guard = guarded.lock.lock_exclusive();
            let reader = start(&guarded, Guarded::read);
            guarded.add();
            // SAFETY: this thread has the lock for writing.
            let upgradable = unsafe { guarded.lock.downgrade_to_upgradable(guard) };
            // The upgradable lock is not given back before.
            assert_eq!(reader.join().unwrap(), 1);
            // SAFETY: this thread has the upgradable lock.
            let token = unsafe { guarded.lock.downgrade_upgradable(upgradable) };
            guarded.end(token);
            guarded.finish(1);
        },
    );
}

#[test]
fn a_writer_may_time_out_as_the_reader_leaves() {
    explore_each(
        "timeout of a writer, with a reader in the queue",
        Some(1),
        |guarded| {
            let token = guarded.lock.lock_shared();
            let writer = start(&guarded, |guarded| {
                let guard = guarded.lock.try_lock_exclusive_until(Instant(1));
                let written = guard.is_some();
                if let Some(guard) = guard {
                    guarded.add();
                    // SAFETY: this thread has the lock for writing.
                    unsafe { guarded.lock.unlock_exclusive(guard) };
                }
                u32::from(written)
            });
            // It may come while the door is closed, and must get in when it opens.
            let reader = start(&guarded, Guarded::read);
            advance(1);
            guarded.end(token);
            let written = writer.join().unwrap();
            assert!(reader.join().unwrap() <= written);
            guarded.finish(written);
        },
    );
}

#[test]
fn a_writer_that_gives_up_lets_a_reader_in_and_forgets_none() {
    explore_each("a writer that gives up", Some(1), |guarded| {
        let token = guarded.lock.lock_shared();
        let writer = start(&guarded, |guarded| {
            guarded.lock.try_lock_exclusive_until(Instant(1)).is_some()
        });
        // It may come while the door is closed, and must get in when it opens.
        let reader = start(&guarded, Guarded::read);
        advance(1);
        assert!(!writer.join().unwrap());
        assert_eq!(reader.join().unwrap(), 0);
        // This read is still one that every writer sees.
        assert!(guarded.lock.try_lock_exclusive().is_none());
        guarded.end(token);
        guarded.finish(0);
    });
}

#[test]
fn a_read_that_ends_before_a_stop_counts() {
    explore(
        "rwlock: a read that ends, then a stop of the writer",
        Some(2),
        || {
            let lock = RwLock::new(());
            // SAFETY: no guard is affected.
            unsafe { lock.raw() }.loom_register();
            let (lock, source) = (Arc::new(lock), StopSource::new());
            let read = lock.read();
            let writer = thread::spawn({
                let (lock, token) = (lock.clone(), source.token());
                move || lock.write_with(&token).is_ok()
            });
            drop(read);
            source.request_stop();
            assert!(writer.join().unwrap());
        },
    );
}

#[test]
fn a_reader_may_time_out_as_the_writer_leaves() {
    explore_each("timeout of a reader", Some(1), |guarded| {
        let guard = guarded.lock.lock_exclusive();
        let timed = start(&guarded, |guarded| {
            if let Some(token) = guarded.lock.try_lock_shared_until(Instant(1)) {
                assert!((1..=2).contains(&guarded.see()));
                guarded.end(token);
            }
        });
        let patient = start(&guarded, Guarded::write);
        guarded.add();
        advance(1);
        // SAFETY: this thread has the lock for writing.
        unsafe { guarded.lock.unlock_exclusive(guard) };
        timed.join().unwrap();
        patient.join().unwrap();
        guarded.finish(2);
    });
}

#[test]
fn starving_threads_are_handed_the_lock() {
    explore_each("handoff to a reader and a writer", Some(1), |guarded| {
        let guard = guarded.lock.lock_exclusive();
        let reader = start(&guarded, Guarded::read);
        let writer = start(&guarded, Guarded::write);
        guarded.add();
        // A thread that is parked by now has been so for two milliseconds.
        advance(2_000_000);
        // SAFETY: this thread has the lock for writing.
        unsafe { guarded.lock.unlock_exclusive(guard) };
        assert!(reader.join().unwrap() >= 1);
        writer.join().unwrap();
        guarded.finish(2);
    });
}

#[test]
fn a_fair_release_of_the_upgradable_lock_hands_over_to_a_writer_who_drains() {
    explore_each("handoff with readers inside", Some(1), |guarded| {
        let upgradable = guarded.lock.lock_upgradable();
        let writer = start(&guarded, Guarded::write);
        let reader = start(&guarded, Guarded::read);
        advance(2_000_000);
        // SAFETY: this thread has the upgradable lock.
        unsafe { guarded.lock.unlock_upgradable(upgradable) };
        assert!(reader.join().unwrap() <= 1);
        writer.join().unwrap();
        guarded.finish(1);
    });
}

#[test]
fn a_fair_release_hands_over() {
    explore_each("fair release", Some(3), |guarded| {
        let guard = guarded.lock.lock_exclusive();
        let writer = start(&guarded, Guarded::write);
        guarded.add();
        // SAFETY: this thread has the lock for writing.
        unsafe { guarded.lock.unlock_exclusive_fair(guard) };
        assert!(guarded.read() >= 1);
        writer.join().unwrap();
        guarded.finish(2);
    });
}

#[test]
fn a_writer_behind_a_reader_is_not_forgotten() {
    explore_each("reader and writer behind a writer", Some(2), |guarded| {
        let guard = guarded.lock.lock_exclusive();
        let reader = start(&guarded, Guarded::read);
        let writer = start(&guarded, Guarded::write);
        guarded.add();
        // SAFETY: this thread has the lock for writing.
        unsafe { guarded.lock.unlock_exclusive(guard) };
        assert!(reader.join().unwrap() >= 1);
        writer.join().unwrap();
        guarded.finish(2);
    });
}

/// A read past a writer that waits joins the readers inside, or comes too late.
#[test]
fn a_read_past_a_writer_joins_a_reader_or_waits() {
    explore("rwlock: read past a writer", Some(2), || {
        let lock = RawSendRwLock::new();
        lock.loom_register();
        let guarded = Arc::new((lock, UnsafeCell::new(0)));
        let see = |value: &UnsafeCell<u32>| {
            // SAFETY: the lock is held for reading, which is what loom checks.
            value.with(|value| unsafe { *value })
        };
        let outer = guarded.0.lock_shared();
        let other = Arc::clone(&guarded);
        let writer = thread::spawn(move || {
            let (lock, value) = &*other;
            let guard = lock.lock_exclusive();
            // SAFETY: the lock is held for writing, which is what loom checks.
            value.with_mut(|value| unsafe { *value += 1 });
            // SAFETY: this thread has the lock for writing.
            unsafe { lock.unlock_exclusive(guard) };
        });
        let other = Arc::clone(&guarded);
        let reader = thread::spawn(move || {
            let (lock, value) = &*other;
            lock.lock_shared_recursive();
            let seen = see(value);
            // SAFETY: this thread has just got that read.
            unsafe { lock.unlock_shared(lock_api::GuardSend::new()) };
            seen
        });
        assert_eq!(see(&guarded.1), 0);
        // SAFETY: this thread has that read.
        unsafe { guarded.0.unlock_shared(outer) };
        writer.join().unwrap();
        assert!(reader.join().unwrap() <= 1);
        assert_eq!(see(&guarded.1), 1);
        assert!(guarded.0.try_lock_exclusive().is_some(), "the lock is free");
    });
}
