//! What barriers promise.
#![cfg(not(tk_loom))]

mod barrier;
mod limits;
mod model;
#[path = "../../../tk-park/tests/it/parked.rs"]
mod parked;
mod stress;
