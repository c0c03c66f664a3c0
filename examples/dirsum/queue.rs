//! A bounded queue from one thread to many, on a [`Condition`].
//!
//! Both sides wait for the same condition: the receivers while the queue is empty, the sender while
//! it is full. A notification for one side must not wake the other. A `Condition` promises that a
//! notification wakes exactly one thread, the one that has waited longest. So that does not happen
//! if the capacity is at least the number of receivers:
//!
//! 1. Each item that is sent notifies one thread. A receiver that began to wait at an empty queue
//!    has at most the other receivers before it, so it has been notified before the queue is full.
//! 2. So when the sender begins to wait, no receiver waits, and none begins to wait before one has
//!    found the queue empty. The first item that is received from a full queue notifies the sender.
//!
//! Each side learns that the other has gone, even by a panic, because a panic drops the handles
//! too, and the queue counts them.

use std::collections::VecDeque;
use std::sync::Arc;

use tk_threading::{Condition, Limit, StopToken, WaitError};

struct Queue<T> {
    state: Condition<State<T>>,
    capacity: usize,
}

struct State<T> {
    items: VecDeque<T>,
    has_sender: bool,
    receivers: usize,
}

/// A queue with room for that many items, which must be at least as many as there will be
/// receivers.
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let queue = Arc::new(Queue {
        state: Condition::new(State {
            items: VecDeque::new(),
            has_sender: true,
            receivers: 1,
        }),
        capacity,
    });
    (Sender(Arc::clone(&queue)), Receiver(queue))
}

/// The one sender: it can't be cloned, and sends by `&mut`.
pub struct Sender<T>(Arc<Queue<T>>);

/// One of the receivers. A clone is another one.
pub struct Receiver<T>(Arc<Queue<T>>);

/// The item will not be received: there is no receiver any more, or a stop was requested.
#[derive(Debug, PartialEq, Eq)]
pub struct Closed;

impl<T> Sender<T> {
    /// Sends an item. Blocks while the queue is full; until a stop is requested, or the last
    /// receiver has gone.
    #[track_caller]
    pub fn send(&mut self, item: T, stop: &StopToken) -> Result<(), Closed> {
        let capacity = self.0.capacity;
        let mut state = self.0.state.lock_with(stop)?;
        state.wait_while_with(
            |state| state.items.len() >= capacity && state.receivers > 0,
            stop,
        )?;
        if state.receivers == 0 {
            return Err(Closed);
        }
        state.items.push_back(item);
        state.notify(1);
        Ok(())
    }
}

impl<T> Receiver<T> {
    /// Receives the oldest item. Blocks while there is none; `None` when none will come, and after
    /// a stop.
    #[track_caller]
    pub fn receive(&self, stop: &StopToken) -> Option<T> {
        // After a stop, the items in the queue stay there.
        Limit::from(stop).check().ok()?;
        let mut state = self.0.state.lock_with(stop).ok()?;
        state
            .wait_while_with(|state| state.items.is_empty() && state.has_sender, stop)
            .ok()?;
        let was_full = state.items.len() >= self.0.capacity;
        let item = state.items.pop_front();
        if was_full {
            state.notify(1);
        }
        item
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Receiver<T> {
        let mut state = self.0.state.lock();
        assert!(
            state.receivers < self.0.capacity,
            "more receivers than the queue has room for"
        );
        state.receivers += 1;
        drop(state);
        Receiver(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.state.lock().has_sender = false;
        self.0.state.notify_all();
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.receivers -= 1;
        if state.receivers == 0 {
            state.notify_all();
        }
    }
}

impl From<WaitError> for Closed {
    fn from(_: WaitError) -> Closed {
        Closed
    }
}
