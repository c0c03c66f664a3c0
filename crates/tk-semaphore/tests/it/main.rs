//! What semaphores promise.
#![cfg(not(tk_loom))]

mod bounded;
#[path = "../../../tk-park/tests/it/parked.rs"]
mod parked;
mod semaphore;
mod stress;
