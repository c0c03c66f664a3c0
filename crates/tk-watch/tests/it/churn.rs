//! Threads that wait, time out, are stopped and joined all the time, without a deadlock. A look at
//! any moment finds none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tk_condvar::Condition;
use tk_lock::{Lock, LockExt, RLock, RawLock, RwLock, RwLockExt};
use tk_park::{Limit, StopSource};
use tk_testing::Random;

use crate::reports;

#[derive(Default)]
struct World {
    /// Taken in their order, so that no cycle is closed without a limit.
    locks: [Lock<u32>; 3],
    rlock: RLock<()>,
    rwlock: RwLock<u32>,
    condition: Condition<u32>,
    /// A signal: another thread releases it than the one that has taken it.
    baton: RawLock,
}

fn step(world: &World, random: &mut Random, stops: &StopSource) {
    let token = stops.token();
    let brief = Limit::after(random.moment());
    match random.below(10) {
        0 => {
            let (a, b) = (world.locks[0].lock(), world.locks[1].lock());
            drop((world.locks[2].lock(), a, b));
        }
        1 => {
            // The wrong order, with a limit.
            let last = world.locks[2].lock();
            drop(world.locks[0].lock_with(brief.or_stop(&token)));
            drop(last);
        }
        2 => {
            let last = world.locks[1].lock();
            drop(world.locks[0].lock_with(&token));
            drop(last);
        }
        3 => {
            let first = world.locks[0].lock();
            let _again = (world.rlock.lock(), world.rlock.lock());
            drop(first);
        }
        4 => {
            let read = world.rwlock.read();
            drop((world.rwlock.read(), world.locks[2].lock()));
            drop(read);
        }
        5 => drop(world.rwlock.write_with(brief)),
        6 => *world.rwlock.write() += 1,
        7 => {
            let mut value = world.condition.lock();
            let _ = value.wait_with(brief);
            drop(value);
            world.condition.notify_all();
        }
        8 => {
            // A thread of its own, which is joined with a lock held that it does not need.
            let held = world.locks[2].lock();
            tk_thread::scope(|s| drop(s.spawn(|| world.rwlock.try_read().is_some())));
            let thread = tk_thread::spawn(|| ());
            thread.join().unwrap();
            drop(held);
        }
        _ => {
            // The owner in the word is another thread than the one that releases.
            if world.baton.acquire_with(brief).is_ok() {
                std::thread::scope(|s| {
                    s.spawn(|| world.baton.release().unwrap());
                    world.baton.acquire();
                });
                world.baton.release().unwrap();
            }
        }
    }
}

#[test]
fn without_a_deadlock_none_is_found() {
    reports::watch();
    let seconds = std::env::var("TK_WATCH_CHURN")
        .ok()
        .and_then(|it| it.parse().ok());
    let time = Duration::from_secs(seconds.unwrap_or(2));
    let (world, is_over) = (Arc::new(World::default()), Arc::new(AtomicBool::new(false)));
    let threads: Vec<_> = (0..8)
        .map(|seed| {
            let (world, is_over) = (Arc::clone(&world), Arc::clone(&is_over));
            let work = move || {
                let mut random = Random::new(seed + 1);
                while !is_over.load(Relaxed) {
                    let stops = StopSource::new();
                    std::thread::scope(|s| {
                        s.spawn(|| {
                            std::thread::sleep(Duration::from_micros(300));
                            stops.request_stop();
                        });
                        (0..8).for_each(|_| step(&world, &mut random, &stops));
                    });
                }
            };
            let builder = tk_thread::Builder::new().name(format!("churn-{seed}"));
            builder.spawn(work).unwrap()
        })
        .collect();
    let begun = Instant::now();
    let mut looks = 0;
    while begun.elapsed() < time {
        let snapshot = tk_watch::dump();
        let mine = |it: &&tk_watch::Deadlock| {
            it.members
                .iter()
                .any(|member| !member.name.starts_with("graph-"))
        };
        let found: Vec<_> = snapshot.deadlocks.iter().filter(mine).collect();
        let found: Vec<_> = found
            .iter()
            .filter(|it| {
                it.members
                    .iter()
                    .any(|member| member.name.starts_with("churn-"))
            })
            .collect();
        assert!(found.is_empty(), "{}", found[0]);
        looks += 1;
    }
    is_over.store(true, Relaxed);
    for thread in threads {
        thread.join().unwrap();
    }
    println!("{looks} looks");
    assert!(reports::of("churn-").is_empty());
}
