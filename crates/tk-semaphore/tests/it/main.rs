//! Promises of semaphores.
#![cfg(not(tk_loom))]

mod bounded;
mod forms;
mod limits;
mod model;
mod semaphore;
mod stress;
