//! What conditions promise.
#![cfg(not(tk_loom))]

mod condition;
mod condvar;
mod hostile;
mod monitor;
#[path = "../../../tk-park/tests/it/parked.rs"]
mod parked;
mod stress;
