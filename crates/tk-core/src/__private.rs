//! The seam between this crate and the others of the kit.
//!
//! It is no part of the public interface, and changes without notice. So the crates of the kit
//! depend on each other's exact versions.
//!
//! The traits give access to methods of public types that only the kit may call.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

pub use crate::blocked_on::Seat;
pub use crate::current::{
    attach, attached, ensure_registered, has_unregistered_threads, peek_slot_and_id, reserve_owner,
};
pub use crate::exit::can_detect_exit;
pub use crate::first_thread::{at_first_thread, note_thread};
pub use crate::guard::{call_guarded, drop_guarded, log_guarded};
pub use crate::holder::list_holders;
pub use crate::id::skip_ids;
pub use crate::program::Program;
pub use crate::registry::{ending, slots};
pub use crate::run_as::run_as;
pub use crate::text::{HolderName, Rounded};

use crate::{BlockedGuard, BlockedOn, Holder, KeepAlive, Registration, ShuttingDown, ThreadRecord};

/// Parts for the child of a fork: see `fork/mod.rs`.
pub mod fork {
    pub use crate::fork::{Inherit, Kept, Mutex, MutexGuard, generation, is_lost};
}

/// Methods of [`ThreadRecord`] for the kit.
pub trait ThreadRecordExt {
    /// Changes the daemon flag, for a thread that runs the main function of a program. Returns the
    /// old flag.
    fn set_daemon(&self, daemon: bool) -> bool;

    /// Returns the program that the thread belongs to.
    fn program(&self) -> Program;

    /// Returns whether the thread has ended, and the system has no thread of its number any more.
    fn is_gone(&self) -> bool;

    /// Returns whether the OS thread has exited for certain.
    fn has_exited(&self) -> bool;

    /// Notes that the OS thread is gone, so that the system is not asked about it any more.
    fn note_gone(&self);

    /// Notes that the function which the calling thread was started with has ended.
    fn note_return(&self);

    /// Returns whether the thread is known to run its last destructors, which must not panic.
    fn is_in_last_destructors(&self) -> bool;

    /// Returns whether a fork has left the thread behind in the parent of this process.
    fn is_lost(&self) -> bool;

    /// Returns whether the OS thread is another thread of the kit for a while, by [`run_as`]. Then
    /// this one neither runs nor waits. The answer may be out of date.
    fn is_suspended(&self) -> bool;

    /// Returns whether `enumerate` shows the thread while it is alive.
    fn is_listed(&self) -> bool;

    /// Calls `f` with the wait that the thread is blocked on, if there is one: the wait, how the
    /// thread waits, and a number that changes with each wait. The waiter that the seat names lives
    /// until `f` returns. `f` runs with the waits locked: it must not wait for the thread, nor
    /// allocate.
    fn look_at_wait<R>(&self, f: impl FnOnce(BlockedOn, Seat, u64) -> R) -> Option<R>;

    /// Calls `f` in this thread when it has left the registry. If it has left already, calls `f`
    /// now, in the calling thread. No panic of `f` gets out.
    fn on_finish(&self, f: impl FnOnce() + Send + 'static);

    /// Returns the value of the type `T` that is kept in this record. If there is none, `make`
    /// makes it.
    ///
    /// Two threads may both call `make`. Then one of the values is kept, and the other is dropped.
    fn attachment<T: Any + Send + Sync>(&self, make: impl FnOnce() -> Arc<T>) -> Arc<T>;
}

impl ThreadRecordExt for ThreadRecord {
    fn set_daemon(&self, daemon: bool) -> bool {
        ThreadRecord::set_daemon(self, daemon)
    }

    fn program(&self) -> Program {
        ThreadRecord::program(self)
    }

    fn is_gone(&self) -> bool {
        ThreadRecord::is_gone(self)
    }

    fn has_exited(&self) -> bool {
        ThreadRecord::has_exited(self)
    }

    fn note_gone(&self) {
        ThreadRecord::note_gone(self);
    }

    fn note_return(&self) {
        ThreadRecord::note_return(self);
    }

    fn is_in_last_destructors(&self) -> bool {
        ThreadRecord::is_in_last_destructors(self)
    }

    fn is_lost(&self) -> bool {
        ThreadRecord::is_lost(self)
    }

    fn is_suspended(&self) -> bool {
        ThreadRecord::is_suspended(self)
    }

    fn is_listed(&self) -> bool {
        ThreadRecord::is_listed(self)
    }

    fn look_at_wait<R>(&self, f: impl FnOnce(BlockedOn, Seat, u64) -> R) -> Option<R> {
        ThreadRecord::look_at_wait(self, f)
    }

    fn on_finish(&self, f: impl FnOnce() + Send + 'static) {
        ThreadRecord::on_finish(self, f);
    }

    fn attachment<T: Any + Send + Sync>(&self, make: impl FnOnce() -> Arc<T>) -> Arc<T> {
        ThreadRecord::attachment(self, make)
    }
}

/// Methods of [`BlockedOn`] for the kit.
pub trait BlockedOnExt {
    /// As `enter`, for a thread that waits in this way. The waiter that the seat names lives until
    /// the guard is dropped.
    fn enter_in(self, seat: Seat) -> BlockedGuard;
}

impl BlockedOnExt for BlockedOn {
    fn enter_in(self, seat: Seat) -> BlockedGuard {
        BlockedOn::enter_in(self, seat)
    }
}

/// Constructors of [`Registration`] for the kit.
pub trait RegistrationExt: Sized {
    /// Registers a thread of this program.
    fn of_program(name: impl Into<Arc<str>>, daemon: bool, program: &Program) -> Self;

    /// Registers a thread that serves only the kit: a daemon that `enumerate` does not show.
    fn unlisted(name: impl Into<Arc<str>>) -> Self;

    /// Registers a thread, and calls `prepare` before any other thread can find its record.
    fn prepared(
        name: impl Into<Arc<str>>,
        daemon: bool,
        prepare: impl FnOnce(&ThreadRecord),
    ) -> Self;

    /// As `begin`, in a thread to which the standard library has given the registration's name.
    fn begin_named(self);
}

impl RegistrationExt for Registration {
    fn of_program(name: impl Into<Arc<str>>, daemon: bool, program: &Program) -> Registration {
        Registration::of_program(name, daemon, program)
    }

    fn unlisted(name: impl Into<Arc<str>>) -> Registration {
        Registration::unlisted(name)
    }

    fn prepared(
        name: impl Into<Arc<str>>,
        daemon: bool,
        prepare: impl FnOnce(&ThreadRecord),
    ) -> Registration {
        Registration::prepared(name, daemon, prepare)
    }

    fn begin_named(self) {
        self.begin_with(true);
    }
}

/// Methods of [`KeepAlive`] for the kit.
pub trait KeepAliveExt: Sized {
    /// Takes a token that is not listed: the crate that takes it lists what the token is for.
    fn unlisted(program: &Program) -> Result<Self, ShuttingDown>;

    /// Takes a token for the main function of a program. If the program has ended, it is reopened.
    fn reopen(program: &Program) -> Self;

    /// Returns the program that the token holds open.
    fn program(&self) -> &Program;
}

impl KeepAliveExt for KeepAlive {
    #[inline]
    fn unlisted(program: &Program) -> Result<KeepAlive, ShuttingDown> {
        KeepAlive::unlisted(program)
    }

    fn reopen(program: &Program) -> KeepAlive {
        KeepAlive::reopen(program)
    }

    fn program(&self) -> &Program {
        KeepAlive::program(self)
    }
}

/// Constructors of [`Holder`] for the kit.
pub trait HolderExt: Sized {
    /// Returns a holder of this kind and name. `detail` says what it waits for, or where it comes
    /// from.
    fn new(kind: &'static str, name: impl Into<Arc<str>>, detail: impl fmt::Display) -> Self;

    /// Returns a holder of this kind and name, which `Display` shows as `text`.
    fn with_text(kind: &'static str, name: impl Into<Arc<str>>, text: String) -> Self;
}

impl HolderExt for Holder {
    fn new(kind: &'static str, name: impl Into<Arc<str>>, detail: impl fmt::Display) -> Holder {
        Holder::new(kind, name, detail)
    }

    fn with_text(kind: &'static str, name: impl Into<Arc<str>>, text: String) -> Holder {
        Holder::with_text(kind, name, text)
    }
}

/// Returns the error of calls that come after the program has ended.
pub const fn shutting_down() -> ShuttingDown {
    ShuttingDown::new()
}

/// Returns the id of a thread of a model, which is in no registry.
#[cfg(tk_loom)]
pub fn thread_id_of_model(number: u64) -> crate::ThreadId {
    crate::ThreadId::from_number(
        number
            .try_into()
            .expect("the threads of a model count from one"),
    )
}
