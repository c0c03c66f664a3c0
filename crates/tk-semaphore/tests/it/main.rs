//! Promises of semaphores.
#![cfg(not(tk_loom))]

mod bounded;
mod forms;
mod limits;
mod model;
#[path = "../../../tk-park/tests/it/parked.rs"]
mod parked;
mod semaphore;
mod stress;
