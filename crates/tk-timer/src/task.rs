//! A timer, in two parts: what its handles share, and what it does.

use std::ops::ControlFlow;
use std::sync::Arc;

use once_cell::race::OnceBox;

use tk_core::KeepAlive;
use tk_park::sync::Mutex;

use crate::Schedule;
use crate::Tick;
use crate::fork::generation;
use crate::guarded::{Panicked, drop_quietly, guarded};
use crate::progress::Progress;

/// What is known of a timer that has been started.
#[derive(Debug)]
pub struct Task {
    pub(crate) progress: Progress,
    /// Made up when somebody wants to know it, if it was not given.
    name: OnceBox<Arc<str>>,
    pub(crate) repeat: Option<Box<Repeat>>,
    /// In which process it was started, counted in forks.
    born: u32,
}

/// What is known of a timer that repeats.
#[derive(Debug)]
pub struct Repeat {
    pub(crate) schedule: Schedule,
    /// When it is due the next time, if that was said while it runs.
    pub(crate) moved: Mutex<Option<u64>>,
}

impl Task {
    #[inline]
    pub(crate) fn new(name: Option<Arc<str>>, schedule: Option<Schedule>) -> Task {
        let repeat = |schedule| {
            let moved = Mutex::new(None);
            Box::new(Repeat { schedule, moved })
        };
        Task {
            progress: Progress::pending(),
            name: name.map_or_else(OnceBox::new, |name| OnceBox::with_value(Box::new(name))),
            repeat: schedule.map(repeat),
            born: generation(),
        }
    }

    /// Whether it was started in the process that this one was forked from: nobody will call its
    /// function here.
    pub(crate) fn is_lost(&self) -> bool {
        self.born != generation()
    }

    /// The name, which takes the next number now if it was not given.
    pub(crate) fn name(&self) -> &Arc<str> {
        self.name
            .get_or_init(|| Box::new(Arc::from(tk_core::next_name(None))))
    }

    /// The name, if there is one by now.
    pub(crate) fn known_name(&self) -> Option<&Arc<str>> {
        self.name.get()
    }
}

/// What a timer does. Whoever has it is alone with the function.
pub struct Action {
    pub(crate) task: Arc<Task>,
    pub(crate) function: Box<dyn Function>,
    /// Holds the program open, if the timer does.
    pub(crate) token: Option<KeepAlive>,
}

impl Action {
    /// Lets go of the function, and then of the program.
    #[inline]
    pub(crate) fn discard(self) {
        drop_quietly(self.function);
        drop(self.token);
    }
}

/// What a call has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returned {
    /// The function has returned. If the timer repeats, it goes on.
    Continue,
    /// The function has said that it is not to be called again, or has ended its thread.
    Break,
    /// The function has panicked.
    Panicked,
}

/// What becomes of a function that has been called: it is there if it can be called again.
pub type Called = (Option<Box<dyn Function>>, Returned);

/// A function of the user.
pub trait Function: Send {
    /// Calls it.
    fn call(self: Box<Self>) -> Called;
}

/// Called once. A function without captures takes no memory.
struct Once<F>(F);

/// Called again and again.
struct Again<F>(F);

pub(crate) fn once(f: impl FnOnce() + Send + 'static) -> Box<dyn Function> {
    Box::new(Once(f))
}

pub(crate) fn again<R: Tick>(f: impl FnMut() -> R + Send + 'static) -> Box<dyn Function> {
    Box::new(Again(f))
}

fn returned(result: Result<ControlFlow<()>, Panicked>) -> Returned {
    match result {
        Ok(ControlFlow::Continue(())) => Returned::Continue,
        Ok(ControlFlow::Break(())) => Returned::Break,
        // It has ended the thread that it was called in, which is the timer's alone.
        Err(panicked) if panicked.is_exit => Returned::Break,
        Err(_) => Returned::Panicked,
    }
}

impl<F: FnOnce() + Send> Function for Once<F> {
    fn call(self: Box<Self>) -> Called {
        let result = guarded(|| {
            (self.0)();
            ControlFlow::Continue(())
        });
        (None, returned(result))
    }
}

impl<R: Tick, F: FnMut() -> R + Send + 'static> Function for Again<F> {
    fn call(mut self: Box<Self>) -> Called {
        let result = guarded(|| self.0().goes_on());
        (Some(self), returned(result))
    }
}
