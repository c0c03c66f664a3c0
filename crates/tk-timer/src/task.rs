//! A timer, in two parts: what its handles share ([`Task`]), and what it does ([`Action`]).

use std::mem::needs_drop;
use std::ops::ControlFlow;
use std::sync::Arc;

use once_cell::race::OnceBox;
use tk_core::__private::fork::generation;
use tk_core::__private::{KeepAliveExt, Program};
use tk_core::KeepAlive;
use tk_park::sync::Mutex;

use crate::catch::{Panicked, catch_panic, drop_quietly};
use crate::progress::Progress;
use crate::{Schedule, Tick};

/// The part of a timer that its handles share.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) progress: Progress,
    /// A default name is made when it is first asked for.
    name: OnceBox<Arc<str>>,
    pub(crate) repeat: Option<Box<Repeat>>,
    /// The generation of the process that started the timer.
    born: u32,
}

/// The additional part of a timer that repeats.
#[derive(Debug)]
pub(crate) struct Repeat {
    pub(crate) schedule: Schedule,
    /// The time of the next call, if the timer was moved while its function ran.
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

    /// Returns whether the timer was started in the parent of this process. If so, its function is
    /// not called here.
    pub(crate) fn is_lost(&self) -> bool {
        self.born != generation()
    }

    /// Returns the name. A default name takes the next number now, if it has none yet.
    pub(crate) fn name(&self) -> &Arc<str> {
        self.name
            .get_or_init(|| Box::new(Arc::from(tk_core::next_name(None))))
    }

    /// Returns the name, if it has been given or asked for.
    pub(crate) fn known_name(&self) -> Option<&Arc<str>> {
        self.name.get()
    }
}

/// How a timer belongs to its program.
pub(crate) enum Hold {
    /// The timer holds its program open.
    Open(KeepAlive),
    /// The timer is a daemon of this program.
    Daemon(Program),
}

impl Hold {
    pub(crate) fn is_daemon(&self) -> bool {
        matches!(self, Hold::Daemon(_))
    }

    /// Returns the program that the timer belongs to.
    pub(crate) fn program(&self) -> &Program {
        match self {
            Hold::Open(token) => token.program(),
            Hold::Daemon(program) => program,
        }
    }

    /// Leaves a hold that means nothing. The value has no room for one more variant.
    pub(crate) fn take(&mut self) -> Hold {
        std::mem::replace(self, Hold::Daemon(Program::root()))
    }
}

/// The function of a timer, and its hold. The thread that has an action is alone with the function.
pub(crate) struct Action {
    pub(crate) task: Arc<Task>,
    pub(crate) function: Box<dyn Function>,
    pub(crate) hold: Hold,
}

impl Action {
    /// Drops the function, and then lets go of the program, which may end from then on.
    #[inline]
    pub(crate) fn discard(self) {
        self.function.discard();
        drop(self.hold);
    }
}

/// The result of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Returned {
    /// The function has returned. If the timer repeats, it goes on.
    Continue,
    /// The function has returned `ControlFlow::Break`, or has ended its thread.
    Break,
    /// The function has panicked.
    Panicked,
}

impl Returned {
    /// Returns whether a timer that repeats ends with this result.
    pub(crate) fn ends(self, ends_on_panic: bool) -> bool {
        match self {
            Returned::Continue => false,
            Returned::Break => true,
            Returned::Panicked => ends_on_panic,
        }
    }
}

/// The function after a call, if it can be called again, and the result.
pub(crate) type Called = (Option<Box<dyn Function>>, Returned);

/// A function of the user.
pub(crate) trait Function: Send {
    /// Calls it.
    fn call(self: Box<Self>) -> Called;

    /// Drops it. A panic of what it has captured is reported, and goes no further.
    fn discard(self: Box<Self>);
}

/// A function that is called once. If it has no captures, it takes no memory.
struct Once<F>(F);

/// A function that is called repeatedly.
struct Again<F>(F);

pub(crate) fn once(f: impl FnOnce() + Send + 'static) -> Box<dyn Function> {
    Box::new(Once(f))
}

pub(crate) fn again<R: Tick>(f: impl FnMut() -> R + Send + 'static) -> Box<dyn Function> {
    Box::new(Again(f))
}

/// Drops a function. If nothing that it has captured has a `Drop`, no code of the user runs, and
/// there is nothing to catch.
#[inline]
fn discard<F>(function: Box<F>) {
    if needs_drop::<F>() {
        drop_quietly(function);
    }
}

fn returned(result: Result<ControlFlow<()>, Panicked>) -> Returned {
    match result {
        Ok(ControlFlow::Continue(())) => Returned::Continue,
        Ok(ControlFlow::Break(())) => Returned::Break,
        // The function has ended its thread, which is the timer's alone.
        Err(panicked) if panicked.is_exit => Returned::Break,
        Err(_) => Returned::Panicked,
    }
}

impl<F: FnOnce() + Send> Function for Once<F> {
    fn call(self: Box<Self>) -> Called {
        let result = catch_panic(|| {
            (self.0)();
            ControlFlow::Continue(())
        });
        (None, returned(result))
    }

    fn discard(self: Box<Self>) {
        discard(self);
    }
}

impl<R: Tick, F: FnMut() -> R + Send + 'static> Function for Again<F> {
    fn call(mut self: Box<Self>) -> Called {
        let result = catch_panic(|| self.0().goes_on());
        (Some(self), returned(result))
    }

    fn discard(self: Box<Self>) {
        discard(self);
    }
}
