//! A timer, as the service knows it: one allocation, with the function in it.

use std::fmt;
use std::sync::{Arc, OnceLock};

use tk_core::KeepAlive;
use tk_park::sync::{Mutex, lock};

use crate::Schedule;
use crate::guarded::{Panicked, drop_quietly, guarded};
use crate::progress::Progress;

/// A timer, which may have been started.
pub struct Task<W: ?Sized = dyn Work> {
    pub(crate) progress: Progress,
    /// Made up when somebody wants to know it, if it was not given.
    pub(crate) name: OnceLock<Arc<str>>,
    pub(crate) repeat: Option<Box<Repeat>>,
    pub(crate) work: W,
}

/// What is known of a timer that repeats.
pub struct Repeat {
    pub(crate) schedule: Schedule,
    /// When it is due the next time, if that was said while it runs.
    pub(crate) moved: Mutex<Option<u64>>,
}

/// What a timer does.
///
/// 1. The function is called or dropped by whoever has made the timer running, or has ended it. So nobody waits for the lock
///    around it, and it is taken out of there before anything is done to it.
/// 2. The token is dropped after the function.
pub trait Work: Send + Sync {
    /// Calls the function. One that is called once is gone then, and so is the token.
    fn call(&self) -> Result<(), Panicked>;

    /// Drops the function, if it is still there, and the token.
    fn discard(&self);

    /// Holds the program open from now on.
    fn hold(&self, token: KeepAlive);

    /// Whether the program may end without it.
    fn is_daemon(&self) -> bool;
}

/// A function and the token that goes with it.
struct Held<C> {
    function: Option<C>,
    token: Option<KeepAlive>,
}

/// A function, and how often it can be called.
trait Call: Sized {
    /// Calls it. Gives it back if it can be called again.
    fn call(self) -> (Option<Self>, Result<(), Panicked>);
}

struct Once<F>(F);

struct Again<F>(F);

impl<F: FnOnce()> Call for Once<F> {
    fn call(self) -> (Option<Self>, Result<(), Panicked>) {
        (None, guarded(self.0))
    }
}

impl<F: FnMut()> Call for Again<F> {
    fn call(mut self) -> (Option<Self>, Result<(), Panicked>) {
        let result = guarded(&mut self.0);
        (Some(self), result)
    }
}

impl<C: Call + Send> Work for Mutex<Held<C>> {
    fn call(&self) -> Result<(), Panicked> {
        let Some(function) = lock(self).function.take() else {
            return Ok(());
        };
        let (function, result) = function.call();
        let mut held = lock(self);
        let token = match function {
            Some(_) => None,
            None => held.token.take(),
        };
        held.function = function;
        drop(held);
        drop(token);
        result
    }

    fn discard(&self) {
        let mut held = lock(self);
        let (function, token) = (held.function.take(), held.token.take());
        drop(held);
        drop_quietly(function);
        drop(token);
    }

    fn hold(&self, token: KeepAlive) {
        lock(self).token = Some(token);
    }

    fn is_daemon(&self) -> bool {
        lock(self).token.is_none()
    }
}

impl Task {
    pub(crate) fn once(f: impl FnOnce() + Send + 'static) -> Arc<Task> {
        Task::new(None, Once(f))
    }

    pub(crate) fn again(schedule: Schedule, f: impl FnMut() + Send + 'static) -> Arc<Task> {
        let moved = Mutex::new(None);
        Task::new(Some(Box::new(Repeat { schedule, moved })), Again(f))
    }

    fn new(repeat: Option<Box<Repeat>>, call: impl Call + Send + 'static) -> Arc<Task> {
        Arc::new(Task {
            progress: Progress::pending(),
            name: OnceLock::new(),
            repeat,
            work: Mutex::new(Held {
                function: Some(call),
                token: None,
            }),
        })
    }

    /// The name, which takes the next number now if it was not given.
    pub(crate) fn name(&self) -> &Arc<str> {
        self.name
            .get_or_init(|| Arc::from(tk_core::next_name(None)))
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("name", &self.name.get())
            .field("state", &self.progress.state())
            .finish_non_exhaustive()
    }
}
