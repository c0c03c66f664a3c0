//! The connection to the waits of all threads: see `tk_park::__private::Observer`, whose rules hold
//! for all that is called from here.

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

/// Adds or removes a user. Without users, nothing is called.
pub(crate) fn set(user: User, is_on: bool) {
    let mut users = USERS.lock();
    let bit = user as u8;
    *users = if is_on { *users | bit } else { *users & !bit };
    // With the set locked, so that the bits and the observer agree after changes by two threads.
    set_observer((*users != 0).then_some(&OBSERVER));
}

fn waited(wait: &Wait) {
    let now = Instant::now();
    profile::waited(wait, now);
    trace::waited(wait, now);
}

fn unparked(woken: Owner) {
    trace::unparked(woken);
}
