//! Asking threads to stop.
//!
//! # How a request finds those who wait
//!
//! The state behind a source and its tokens has a flag and a list. A wait with the token stands in the list, with its key
//! and its ticket, from before it parks until after it has left the queue; a callback stands in it until it is called.
//!
//! 1. The flag is set once, with the list locked, and never cleared.
//! 2. A stop takes the waits off the list and unparks each one while the list is locked; a wait that returns takes itself
//!    off the list first. So a ticket that a stop looks for is that of a thread that has not left `park`.
//! 3. The queue is locked after the list, never before: `validate` reads the flag alone.
//! 4. Callbacks run with nothing locked, each once, in the order of their registration.
//! 5. When a [`StopCallback`] is dropped, its function has run to its end, or never will; unless the function itself drops
//!    it.

use std::fmt;
use std::marker::PhantomPinned;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::{Arc, Weak};

use once_cell::sync::OnceCell;

use crate::park::unpark_stopped;
use crate::sync::{AtomicBool, AtomicU32, Mutex, Ordering, current_slot, lock};
use crate::{Limit, MAX_STOPS, Wait, park, unpark_all};

/// The side that asks: makes tokens, and requests the stop.
///
/// A clone is another handle on the same state. Dropping a source requests nothing.
///
/// ```
/// use tk_park::StopSource;
///
/// let source = StopSource::new();
/// let token = source.token();
/// assert!(!token.stop_requested());
///
/// assert!(source.request_stop());
/// assert!(token.stop_requested());
/// assert!(!source.request_stop()); // Only the first request is one.
/// ```
#[doc(alias = "std::stop_source")]
#[derive(Clone)]
pub struct StopSource(Arc<State>);

/// The side that is asked: any wait of the kit can carry a token and ends when a stop is requested.
///
/// See [`StopSource`]. A clone is another handle on the same state.
///
/// ```
/// use tk_park::{StopSource, StopToken};
///
/// fn work(token: &StopToken) -> u32 {
///     let mut rounds = 0;
///     while !token.stop_requested() && rounds < 3 {
///         rounds += 1;
///     }
///     rounds
/// }
///
/// assert_eq!(work(&StopSource::new().token()), 3);
/// ```
#[doc(alias = "std::stop_token")]
#[doc(alias = "CancellationToken")]
#[derive(Clone)]
pub struct StopToken(Arc<State>);

struct State {
    stopped: AtomicBool,
    list: Mutex<List>,
    /// The registration at the parent's token, if this is the state of a child.
    parent: OnceCell<StopCallback>,
}

struct List {
    waits: Vec<Enlisted>,
    callbacks: Vec<Arc<Callback>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Enlisted {
    key: usize,
    ticket: usize,
}

struct Callback {
    function: Mutex<Option<Box<dyn FnOnce() + Send>>>,
    /// Where the function is:
    ///
    /// | value | meaning |
    /// |---|---|
    /// | `NOT_RUN` | on the list, or taken off it by its owner |
    /// | `DONE` | it has run, or its turn has passed |
    /// | anything else | it runs, or is about to, in the thread of this slot |
    progress: AtomicU32,
}

const NOT_RUN: u32 = 0;
const DONE: u32 = u32::MAX;

impl State {
    fn new() -> State {
        let state = State {
            stopped: AtomicBool::new(false),
            list: Mutex::new(List {
                waits: Vec::new(),
                callbacks: Vec::new(),
            }),
            parent: OnceCell::new(),
        };
        #[cfg(tk_loom)]
        state.stopped.touch();
        state
    }

    fn stop_requested(&self) -> bool {
        // Acquire: pairs with the Release in `request_stop`; who sees the request sees what came before it.
        self.stopped.load(Ordering::Acquire)
    }

    fn request_stop(&self) -> bool {
        let mut list = lock(&self.list);
        // Release: pairs with the Acquire in `stop_requested`.
        if self.stopped.swap(true, Ordering::Release) {
            return false;
        }
        for Enlisted { key, ticket } in list.waits.drain(..) {
            // SAFETY: by 2. above.
            unsafe { unpark_stopped(key, ticket) };
        }
        let callbacks = std::mem::take(&mut list.callbacks);
        for callback in &callbacks {
            // Relaxed: read with the list locked, or by this thread, or by those who park until it changes.
            callback
                .progress
                .store(current_slot().get(), Ordering::Relaxed);
        }
        drop(list);

        let mut panic = None;
        for callback in callbacks {
            let function = lock(&callback.function).take();
            if let Some(function) = function
                && let Err(payload) = catch_unwind(AssertUnwindSafe(function))
            {
                match panic {
                    None => panic = Some(payload),
                    // A panic in the payload's own destructor goes no further.
                    Some(_) => {
                        let _ = catch_unwind(AssertUnwindSafe(|| drop(payload)))
                            .map_err(std::mem::forget);
                    }
                }
            }
            // Release: pairs with the Acquire in `StopCallback::drop`.
            callback.progress.store(DONE, Ordering::Release);
            unpark_all(&callback.progress, 0);
        }
        if let Some(payload) = panic {
            resume_unwind(payload);
        }
        true
    }
}

impl StopSource {
    /// A source that has not been asked to stop.
    ///
    /// ```
    /// assert!(!tk_park::StopSource::new().stop_requested());
    /// ```
    pub fn new() -> StopSource {
        StopSource(Arc::new(State::new()))
    }

    /// A token of this source.
    ///
    /// ```
    /// let source = tk_park::StopSource::new();
    /// let _token = source.token();
    /// ```
    pub fn token(&self) -> StopToken {
        StopToken(Arc::clone(&self.0))
    }

    /// Requests the stop: wakes every wait that carries a token of this source, and no other, then calls the callbacks in
    /// the order of their registration, in this thread. Returns whether this was the first request.
    ///
    /// # Panics
    ///
    /// With the panic of the first callback that panicked, after all have been called.
    ///
    /// ```
    /// let source = tk_park::StopSource::new();
    /// assert!(source.request_stop());
    /// assert!(!source.request_stop());
    /// ```
    #[doc(alias = "cancel")]
    pub fn request_stop(&self) -> bool {
        self.0.request_stop()
    }

    /// Whether a stop has been requested.
    ///
    /// ```
    /// assert!(!tk_park::StopSource::new().stop_requested());
    /// ```
    pub fn stop_requested(&self) -> bool {
        self.0.stop_requested()
    }
}

impl StopToken {
    /// Whether a stop has been requested. One load.
    ///
    /// ```
    /// let source = tk_park::StopSource::new();
    /// let token = source.token();
    /// source.request_stop();
    /// assert!(token.stop_requested());
    /// ```
    pub fn stop_requested(&self) -> bool {
        self.0.stop_requested()
    }

    /// Calls `f` when a stop is requested, in the thread that requests it; at once, in this thread, if that has happened.
    ///
    /// `f` is dropped uncalled if the returned handle is dropped before. That drop waits while `f` runs in another
    /// thread.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicBool, Ordering};
    /// use std::sync::Arc;
    /// use tk_park::StopSource;
    ///
    /// let source = StopSource::new();
    /// let stopping = Arc::new(AtomicBool::new(false));
    /// let callback = source.token().on_stop({
    ///     let stopping = Arc::clone(&stopping);
    ///     move || stopping.store(true, Ordering::Relaxed)
    /// });
    /// source.request_stop();
    /// assert!(stopping.load(Ordering::Relaxed));
    /// # drop(callback);
    /// ```
    #[doc(alias = "std::stop_callback")]
    pub fn on_stop(&self, f: impl FnOnce() + Send + 'static) -> StopCallback {
        let mut list = lock(&self.0.list);
        if self.stop_requested() {
            drop(list);
            f();
            return StopCallback(None);
        }
        let callback = Arc::new(Callback {
            function: Mutex::new(Some(Box::new(f))),
            progress: AtomicU32::new(NOT_RUN),
        });
        #[cfg(tk_loom)]
        callback.progress.touch();
        list.callbacks.push(Arc::clone(&callback));
        StopCallback(Some((Arc::downgrade(&self.0), callback)))
    }

    /// A source of its own, which is asked to stop when this token is, and can be asked by itself.
    ///
    /// ```
    /// use tk_park::StopSource;
    ///
    /// let program = StopSource::new();
    /// let request = program.token().child();
    /// let other = program.token().child();
    ///
    /// request.request_stop();
    /// assert!(!program.stop_requested() && !other.stop_requested());
    ///
    /// program.request_stop();
    /// assert!(other.stop_requested());
    /// ```
    pub fn child(&self) -> StopSource {
        let source = StopSource::new();
        let child = Arc::downgrade(&source.0);
        // Weak: the child keeps the registration, and not the other way round too.
        let registration = self.on_stop(move || {
            if let Some(child) = child.upgrade() {
                child.request_stop();
            }
        });
        if source.0.parent.set(registration).is_err() {
            unreachable!("a new source has no parent");
        }
        source
    }
}

/// The places of one wait on the lists of its limit's tokens. It takes itself off them when it is dropped.
pub(crate) struct StopWaits<'a>([Option<StopWait<'a>>; MAX_STOPS]);

struct StopWait<'a> {
    state: &'a State,
    wait: Enlisted,
    _pinned: PhantomPinned,
}

impl<'a> StopWaits<'a> {
    pub(crate) fn new() -> StopWaits<'a> {
        StopWaits([const { None }; MAX_STOPS])
    }

    /// Puts a wait on the lists of all tokens of this limit.
    pub(crate) fn enlist(self: Pin<&mut Self>, limit: &Limit<'a>, key: usize, ticket: usize) {
        // SAFETY: nothing is moved out of it.
        let places = unsafe { &mut self.get_unchecked_mut().0 };
        for (place, token) in places.iter_mut().zip(limit.stop_tokens()) {
            let wait = Enlisted { key, ticket };
            lock(&token.0.list).waits.push(wait);
            *place = Some(StopWait {
                state: &token.0,
                wait,
                _pinned: PhantomPinned,
            });
        }
    }
}

impl Drop for StopWait<'_> {
    /// Takes the wait off the list. A stop may have done so before.
    fn drop(&mut self) {
        let waits = &mut lock(&self.state.list).waits;
        // From the back: the latest wait is the likeliest to end first.
        if let Some(at) = waits.iter().rposition(|wait| *wait == self.wait) {
            waits.swap_remove(at);
        }
    }
}

/// A function registered with [`StopToken::on_stop`]. Dropping this takes the registration back.
///
/// When the drop returns, the function has run to its end or never will. Only if it is the function itself that drops
/// this, the drop does not wait.
///
/// ```
/// use tk_park::{StopCallback, StopSource};
///
/// let source = StopSource::new();
/// let callback: StopCallback = source.token().on_stop(|| panic!("nobody asked"));
/// drop(callback); // Before the stop: it never runs.
/// source.request_stop();
/// ```
#[must_use = "the function is forgotten when this is dropped"]
pub struct StopCallback(Option<(Weak<State>, Arc<Callback>)>);

impl Drop for StopCallback {
    fn drop(&mut self) {
        let Some((state, callback)) = self.0.take() else {
            return;
        };
        let progress = || callback.progress.load(Ordering::Acquire);
        let Some(state) = state.upgrade() else { return };
        let mut list = lock(&state.list);
        list.callbacks
            .retain(|other| !Arc::ptr_eq(other, &callback));
        drop(list);

        // Who takes the function is the one who calls it, or sees to it that nobody does.
        let function = lock(&callback.function).take();
        let seen = progress();
        if function.is_some() || seen == DONE || seen == current_slot().get() {
            // Dropped here, with nothing locked: it is the user's.
            drop(function);
            return;
        }
        let wait = Wait::new("stop callback");
        while progress() == seen {
            park(
                &callback.progress,
                || progress() == seen,
                &wait,
                Limit::none(),
            );
        }
    }
}

impl Default for StopSource {
    fn default() -> Self {
        StopSource::new()
    }
}

impl fmt::Debug for StopSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopSource")
            .field("stop_requested", &self.stop_requested())
            .field("child", &self.0.parent.get().is_some())
            .finish()
    }
}

impl fmt::Debug for StopToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopToken")
            .field("stop_requested", &self.stop_requested())
            .finish()
    }
}

impl fmt::Debug for StopCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StopCallback")
    }
}

#[cfg(all(test, not(tk_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_on_the_list_of_each_token_until_it_ends() {
        let sources = [(); 2].map(|()| StopSource::new());
        let tickets = |n: usize| {
            let list = lock(&sources[n].0.list);
            list.waits
                .iter()
                .map(|wait| wait.ticket)
                .collect::<Vec<_>>()
        };
        let [a, b] = [0, 1].map(|n| sources[n].token());
        let mut first = Box::pin(StopWaits::new());
        first.as_mut().enlist(&Limit::stop(&a).or_stop(&b), 1, 1);
        let mut second = Box::pin(StopWaits::new());
        second.as_mut().enlist(&Limit::stop(&b), 1, 2);
        assert_eq!((tickets(0), tickets(1)), (vec![1], vec![1, 2]));
        drop(first);
        assert_eq!((tickets(0), tickets(1)), (vec![], vec![2]));
        drop(second);
        assert!(tickets(1).is_empty());
    }
}
