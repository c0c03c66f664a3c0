//! The lot of a model: the real one, or a twin of it with one lock for all keys.
//!
//! The real lot takes some ten steps where the twin takes one, and each step multiplies what there
//! is to explore. So the models of the lot itself run over the real one ([`use_the_real_lot`]), and
//! those of what is built on it run over the twin.
//!
//! The twin's queue is one list in the order of arrival. A sleeper has a seat with a condition of
//! its own; it is gone from the list once it has been woken, and finds the token in its seat.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use loom::sync::{Condvar, Mutex, MutexGuard};

use super::{Instant, futex};
use crate::lot::{self, Admission, Outcome, Push, Waiter};
use crate::unpark::{FilterOp, RequeueOp, UnparkResult};

loom::lazy_static! {
    static ref LOT: Mutex<Vec<Seat>> = Mutex::new(Vec::new());
    /// Not loom's: it is set before a model begins.
    static ref IS_REAL: AtomicBool = AtomicBool::new(false);
}

struct Seat {
    key: usize,
    waiter: *const Waiter,
    deadline: Option<Instant>,
    sleeper: Arc<Sleeper>,
}

// SAFETY: a waiter is shared, and is there while its seat is in the list.
unsafe impl Send for Seat {}

impl Seat {
    /// # Safety
    ///
    /// The waiter is there until the seat is gone.
    unsafe fn new(waiter: *const Waiter, key: usize) -> Seat {
        // SAFETY: by the caller's promise.
        let (deadline, sleeper) = unsafe { ((*waiter).limit().0, (*waiter).sleeper()) };
        Seat {
            key,
            waiter,
            deadline,
            sleeper,
        }
    }
}

/// Where a sleeping thread finds what woke it. Read and written with the lot locked.
pub(crate) struct Sleeper {
    woken: std::sync::Mutex<Option<u32>>,
    wake: Condvar,
}

impl Sleeper {
    pub(crate) fn new() -> Arc<Sleeper> {
        Arc::new(Sleeper {
            woken: std::sync::Mutex::new(None),
            wake: Condvar::new(),
        })
    }
}

/// From here on, this execution of a model is one of the real lot.
pub fn use_the_real_lot() {
    IS_REAL.store(true, Relaxed);
}

fn is_real() -> bool {
    IS_REAL.load(Relaxed)
}

fn lot() -> MutexGuard<'static, Vec<Seat>> {
    LOT.lock().unwrap()
}

/// Moves the clock to that time. Threads that sleep with a deadline look at it again.
pub fn advance(to: u64) {
    if is_real() {
        return futex::advance(to);
    }
    let lot = lot();
    futex::set_now(to);
    for seat in &*lot {
        if seat.deadline.is_some() {
            seat.sleeper.wake.notify_one();
        }
    }
}

/// Wakes a sleeper that has been taken off the list, with the lot locked.
fn wake(seat: &Seat, token: u32) {
    // SAFETY: the thread is inside `park` until the lot is unlocked.
    unsafe { (*seat.waiter).note_unparked() };
    *seat.sleeper.woken.lock().unwrap() = Some(token);
    seat.sleeper.wake.notify_one();
}

pub(crate) unsafe fn park(
    waiter: &Waiter,
    key: usize,
    admit: &mut dyn FnMut(&Push<'_>) -> Admission,
    before_sleep: &mut dyn FnMut(),
    deadline: Option<Instant>,
) -> Outcome {
    if is_real() {
        // SAFETY: by the caller's promise.
        return unsafe { lot::park(waiter, key, admit, before_sleep, deadline) };
    }
    let sleeper = waiter.sleeper();
    {
        let lot = RefCell::new(lot());
        // SAFETY: as `Push` asks for.
        let push = |waiter| lot.borrow_mut().push(unsafe { Seat::new(waiter, key) });
        match admit(&push) {
            Admission::Enters => push(waiter),
            Admission::Refused => return Outcome::Invalid,
            Admission::IsIn => {}
        }
    }
    before_sleep();
    let mut lot = lot();
    loop {
        if let Some(token) = *sleeper.woken.lock().unwrap() {
            return Outcome::Unparked(token);
        }
        if deadline.is_some_and(|deadline| deadline.0 <= futex::now())
            && let Some(here) = lot
                .iter()
                .position(|seat| Arc::ptr_eq(&seat.sleeper, &sleeper))
        {
            return Outcome::TimedOut(lot.remove(here).key);
        }
        lot = sleeper.wake.wait(lot).unwrap();
    }
}

pub(crate) unsafe fn wake_taken(waiter: *const Waiter, token: u32) {
    if is_real() {
        // SAFETY: by the caller's promise.
        return unsafe { lot::wake_taken(waiter, token) };
    }
    let _lot = lot();
    // SAFETY: by the caller's promise.
    wake(&unsafe { Seat::new(waiter, 0) }, token);
}

pub(crate) fn token_of(waiter: &Waiter) -> Option<u32> {
    if is_real() {
        return lot::token_of(waiter);
    }
    if !waiter.is_unparked() {
        return None;
    }
    let _lot = lot();
    *waiter.sleeper().woken.lock().unwrap()
}

pub(crate) unsafe fn unpark_filter(
    key: usize,
    filter: &mut dyn FnMut(&Waiter) -> FilterOp,
    callback: &mut dyn FnMut(UnparkResult) -> u32,
) -> UnparkResult {
    if is_real() {
        // SAFETY: by the caller's promise.
        return unsafe { lot::unpark_filter(key, filter, callback) };
    }
    let mut lot = lot();
    let mut done = UnparkResult::default();
    let mut woken = Vec::new();
    let mut at = 0;
    while at < lot.len() {
        if lot[at].key != key {
            at += 1;
            continue;
        }
        // SAFETY: the waiter is there while its seat is in the list.
        match filter(unsafe { &*lot[at].waiter }) {
            FilterOp::Unpark => {
                woken.push(lot.remove(at));
                continue;
            }
            FilterOp::Skip => done.have_more_threads = true,
            FilterOp::Stop => {
                done.have_more_threads = true;
                break;
            }
        }
        at += 1;
    }
    done.unparked_threads = woken.len();
    let token = callback(done);
    woken.iter().for_each(|seat| wake(seat, token));
    done
}

pub(crate) unsafe fn unpark_one_of(waiter: &Waiter, key: usize, token: u32) {
    if is_real() {
        // SAFETY: by the caller's promise.
        return unsafe { lot::unpark_one_of(waiter, key, token) };
    }
    let mut lot = lot();
    let here = lot
        .iter()
        .position(|seat| std::ptr::eq(seat.waiter, waiter) && seat.key == key);
    if let Some(here) = here {
        wake(&lot.remove(here), token);
    }
}

pub(crate) unsafe fn requeue(
    from: usize,
    to: usize,
    decide: &mut dyn FnMut(&Waiter) -> Option<RequeueOp>,
    callback: &mut dyn FnMut(UnparkResult) -> u32,
) -> Option<UnparkResult> {
    if is_real() {
        // SAFETY: by the caller's promise.
        return unsafe { lot::requeue(from, to, decide, callback) };
    }
    let mut lot = lot();
    let (mut unpark, mut requeue) = (0, 0);
    if let Some(first) = lot.iter().find(|seat| seat.key == from) {
        // SAFETY: the waiter is there while its seat is in the list.
        (unpark, requeue) = match decide(unsafe { &*first.waiter })? {
            RequeueOp::UnparkOne => (1, 0),
            RequeueOp::RequeueOne => (0, 1),
            RequeueOp::UnparkSomeRequeueRest(n) => (n, usize::MAX),
            RequeueOp::RequeueAll => (0, usize::MAX),
        };
    }
    let now = Instant::now();
    let mut done = UnparkResult::default();
    let (mut staying, mut moving, mut woken) = (Vec::new(), Vec::new(), Vec::new());
    for seat in lot.drain(..) {
        if seat.key != from {
            staying.push(seat);
        } else if unpark > 0 {
            unpark -= 1;
            woken.push(seat);
        } else if requeue > 0 {
            requeue -= 1;
            // SAFETY: the waiter is there while its seat is in the list.
            unsafe { (*seat.waiter).note_moved(now) };
            moving.push(Seat { key: to, ..seat });
        } else {
            done.have_more_threads = true;
            staying.push(seat);
        }
    }
    done.unparked_threads = woken.len();
    done.requeued_threads = moving.len();
    // Those that move stand behind those that are there already.
    staying.extend(moving);
    *lot = staying;
    let token = callback(done);
    woken.iter().for_each(|seat| wake(seat, token));
    Some(done)
}
