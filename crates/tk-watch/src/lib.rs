//! A program that hangs explains itself.

#![deny(unsafe_code)]

mod deadlock;
mod detect;
mod dump;
mod environment;
mod graph;
mod install;
mod name;
mod output;
mod preload;
mod scan;
mod signal;
mod snapshot;
mod text;
mod watchdog;
mod watcher;

pub use deadlock::{Deadlock, DeadlockKind, Member};
pub use dump::dump;
pub use install::{Install, InstallError, Reaction, install};
pub use name::{Named, name, name_at};
pub use snapshot::{
    Activity, ForeignThread, ForeignThreads, Holder, Object, Snapshot, SystemCall, SystemState,
    ThreadSnapshot, Wait, WaitLimit,
};
pub use watchdog::{Watchdog, watchdog};
