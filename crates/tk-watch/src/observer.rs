//! The connection to the waits of all threads: see `tk_park::__private::Observer`, whose rules hold
//! for all that is called from here.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use tk_core::__private::fork::Mutex;
use tk_core::Owner;
use tk_park::__private::{Observer, Wait, set_observer};

use crate::{profile, trace};

static OBSERVER: Observer = Observer { waited, unparked };

/// A part of this crate that observes waits.
#[derive(Clone, Copy)]
pub(crate) enum User {
    Profile = 1,
    Trace = 2,
}

/// The users, as a set of bits.
static USERS: Mutex<u8> = Mutex::constant(0);

/// Adds or removes a user, and returns whether that changes something. The user's switch says the
/// same as the set, so it is changed with the set locked: otherwise, of two threads, one could win
/// in the switch and the other in the set, and the user would be on and hear nothing. Without
/// users, nothing is called.
pub(crate) fn set(user: User, switch: &AtomicBool, is_on: bool) -> bool {
    let mut users = USERS.lock();
    let bit = user as u8;
    let before = *users;
    *users = if is_on { before | bit } else { before & !bit };
    // Relaxed: what a user reads when it is called has a synchronization of its own.
    switch.store(is_on, Relaxed);
    // With the set locked too, so that the last thread counts in all places.
    set_observer((*users != 0).then_some(&OBSERVER));
    *users != before
}

fn waited(wait: &Wait) {
    let now = Instant::now();
    profile::waited(wait, now);
    trace::waited(wait, now);
}

fn unparked(woken: Owner) {
    trace::unparked(woken);
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::thread;

    use super::*;

    #[test]
    fn a_user_that_is_on_is_told_of_waits() {
        static SWITCH: AtomicBool = AtomicBool::new(false);

        let arrived = AtomicUsize::new(0);
        // Without a sleep, so that both threads go on in the same moment.
        let meet = |count: usize| {
            arrived.fetch_add(1, SeqCst);
            while arrived.load(SeqCst) < count {
                thread::yield_now();
            }
        };
        let work = |is_on: bool| {
            for round in 1..=10_000 {
                meet(4 * round - 2);
                set(User::Trace, &SWITCH, is_on);
                meet(4 * round);
                // The other one waits for this one in the next round.
                let is_user = *USERS.lock() & User::Trace as u8 != 0;
                assert_eq!(SWITCH.load(Relaxed), is_user);
            }
        };
        thread::scope(|s| {
            let on = s.spawn(|| work(true));
            work(false);
            on.join().unwrap();
        });
        set(User::Trace, &SWITCH, false);
    }
}
