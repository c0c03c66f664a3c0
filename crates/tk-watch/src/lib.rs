//! A program that hangs explains itself.

mod deadlock;
mod dump;
mod name;
mod snapshot;
mod text;

pub use deadlock::{Deadlock, DeadlockKind, Member};
pub use dump::dump;
pub use name::{Named, name, name_at};
pub use snapshot::{
    Activity, ForeignThread, ForeignThreads, Holder, Object, Snapshot, SystemCall, SystemState,
    ThreadSnapshot, Wait, WaitLimit,
};
