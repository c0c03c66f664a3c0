//! The parts that the tests of the kit's crates share.
//!
//! Tests wait for a state, not for a time: [`until`] waits until a condition holds, and
//! [`start_parked`] returns when the new thread is asleep. A test that waits in vain ends its
//! program after [`PATIENCE`], because threads that hang cannot be joined.
//!
//! Under `--cfg tk_loom` the crate is `explore` alone, which runs a model. This crate is not
//! published: the others name it in their dev-dependencies by its path, without a version, and
//! cargo leaves such a dependency out of a package.

#[cfg(all(unix, not(tk_loom)))]
mod fork;
#[cfg(not(tk_loom))]
mod litmus;
#[cfg(tk_loom)]
mod model;
#[cfg(not(tk_loom))]
mod nap;
#[cfg(not(tk_loom))]
mod on_drop;
#[cfg(not(tk_loom))]
mod panic;
#[cfg(not(tk_loom))]
mod random;
#[cfg(not(tk_loom))]
mod stops;
#[cfg(not(tk_loom))]
mod thread;
#[cfg(not(tk_loom))]
mod wait;

#[cfg(all(unix, not(tk_loom)))]
pub use fork::{fork, is_child_of_fork};
#[cfg(not(tk_loom))]
pub use litmus::rounds_missed;
#[cfg(tk_loom)]
pub use model::explore;
#[cfg(not(tk_loom))]
pub use nap::{nap, while_others_nap};
#[cfg(not(tk_loom))]
pub use on_drop::OnDrop;
#[cfg(not(tk_loom))]
pub use panic::{message, panic_line};
#[cfg(not(tk_loom))]
pub use random::Random;
#[cfg(not(tk_loom))]
pub use stops::Renewed;
#[cfg(not(tk_loom))]
pub use thread::{Running, start, start_parked};
#[cfg(not(tk_loom))]
pub use wait::{PATIENCE, is_parked, until, until_parked};
