//! The promises of conditions.
#![cfg(not(tk_loom))]

mod condition;
mod condvar;
mod hostile;
mod monitor;
mod other_lock;
mod stress;
