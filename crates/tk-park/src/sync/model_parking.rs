//! A parking lot for models: the functions of parking_lot_core that the kit calls, over one queue for all keys and a
//! clock that stands still until a model moves it. A model with a thread that calls [`advance`] tries a timeout at
//! every point.
//!
//! The queue is one list in the order of arrival. A sleeper has a seat with a condition of its own; it is gone from the
//! list once it has been woken, and finds the token in its seat.

use std::sync::Arc;

use loom::sync::atomic::{AtomicU64, Ordering::Relaxed};
use loom::sync::{Condvar, Mutex, MutexGuard};
pub(crate) use parking_lot_core::{
    FilterOp, ParkResult, ParkToken, RequeueOp, UnparkResult, UnparkToken,
};

use super::Instant;

struct Seat {
    key: usize,
    token: ParkToken,
    deadline: Option<Instant>,
    sleeper: Arc<Sleeper>,
}

/// Where a sleeping thread finds what woke it. Read and written with the lot locked.
struct Sleeper {
    woken: std::sync::Mutex<Option<UnparkToken>>,
    wake: Condvar,
}

#[derive(Default)]
struct Lot {
    seats: Vec<Seat>,
}

loom::lazy_static! {
    static ref LOT: Mutex<Lot> = Mutex::new(Lot::default());
    /// Not in the lot: who has the lot locked may ask for the time. Changed with the lot locked, so that a sleeper that is
    /// told of a change sees it.
    static ref NOW: AtomicU64 = AtomicU64::new(0);
}

fn lot() -> MutexGuard<'static, Lot> {
    LOT.lock().unwrap()
}

pub(crate) fn now() -> u64 {
    NOW.load(Relaxed)
}

/// Moves the clock to that time. Who sleeps with a deadline looks at it again.
pub fn advance(to: u64) {
    let lot = lot();
    NOW.fetch_max(to, Relaxed);
    for seat in &lot.seats {
        if seat.deadline.is_some() {
            seat.sleeper.wake.notify_one();
        }
    }
}

impl Lot {
    fn occupied(&self, key: usize) -> bool {
        self.seats.iter().any(|seat| seat.key == key)
    }
}

/// Wakes a sleeper that has been taken off the list, with the lot locked.
fn wake(seat: &Seat, token: UnparkToken) {
    *seat.sleeper.woken.lock().unwrap() = Some(token);
    seat.sleeper.wake.notify_one();
}

pub(crate) unsafe fn park(
    key: usize,
    validate: impl FnOnce() -> bool,
    before_sleep: impl FnOnce(),
    timed_out: impl FnOnce(usize, bool),
    token: ParkToken,
    deadline: Option<Instant>,
) -> ParkResult {
    let sleeper = Arc::new(Sleeper {
        woken: std::sync::Mutex::new(None),
        wake: Condvar::new(),
    });
    {
        let mut lot = lot();
        if !validate() {
            return ParkResult::Invalid;
        }
        lot.seats.push(Seat {
            key,
            token,
            deadline,
            sleeper: Arc::clone(&sleeper),
        });
    }
    before_sleep();
    let mut lot = lot();
    loop {
        if let Some(token) = *sleeper.woken.lock().unwrap() {
            return ParkResult::Unparked(token);
        }
        if deadline.is_some_and(|deadline| deadline.0 <= now()) {
            let here = lot
                .seats
                .iter()
                .position(|seat| Arc::ptr_eq(&seat.sleeper, &sleeper))
                .expect("who was not woken has a seat");
            let key = lot.seats.remove(here).key;
            timed_out(key, !lot.occupied(key));
            return ParkResult::TimedOut;
        }
        lot = sleeper.wake.wait(lot).unwrap();
    }
}

pub(crate) unsafe fn unpark_filter(
    key: usize,
    mut filter: impl FnMut(ParkToken) -> FilterOp,
    callback: impl FnOnce(UnparkResult) -> UnparkToken,
) -> UnparkResult {
    let mut lot = lot();
    let mut result = UnparkResult::default();
    let mut woken = Vec::new();
    let mut at = 0;
    while at < lot.seats.len() {
        if lot.seats[at].key != key {
            at += 1;
            continue;
        }
        match filter(lot.seats[at].token) {
            FilterOp::Unpark => {
                let seat = lot.seats.remove(at);
                woken.push(seat);
                continue;
            }
            FilterOp::Skip => result.have_more_threads = true,
            FilterOp::Stop => {
                result.have_more_threads = true;
                break;
            }
        }
        at += 1;
    }
    result.unparked_threads = woken.len();
    let token = callback(result);
    woken.iter().for_each(|seat| wake(seat, token));
    result
}

pub(crate) unsafe fn unpark_requeue(
    from: usize,
    to: usize,
    validate: impl FnOnce() -> RequeueOp,
    callback: impl FnOnce(RequeueOp, UnparkResult) -> UnparkToken,
) -> UnparkResult {
    let mut lot = lot();
    let operation = validate();
    let (mut unpark, mut requeue) = match operation {
        RequeueOp::Abort => return UnparkResult::default(),
        RequeueOp::UnparkOne => (1, 0),
        RequeueOp::RequeueOne => (0, 1),
        RequeueOp::UnparkOneRequeueRest => (1, usize::MAX),
        RequeueOp::RequeueAll => (0, usize::MAX),
    };
    let mut result = UnparkResult::default();
    let (mut staying, mut moving, mut woken) = (Vec::new(), Vec::new(), Vec::new());
    for seat in lot.seats.drain(..) {
        if seat.key != from {
            staying.push(seat);
        } else if unpark > 0 {
            unpark -= 1;
            woken.push(seat);
        } else if requeue > 0 {
            requeue -= 1;
            moving.push(Seat { key: to, ..seat });
        } else {
            result.have_more_threads = true;
            staying.push(seat);
        }
    }
    result.unparked_threads = woken.len();
    result.requeued_threads = moving.len();
    // Those who move stand behind those who are there already.
    staying.extend(moving);
    lot.seats = staying;
    let token = callback(operation, result);
    woken.iter().for_each(|seat| wake(seat, token));
    result
}
