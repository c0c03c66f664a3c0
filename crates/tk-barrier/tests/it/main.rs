//! What barriers promise.
#![cfg(not(tk_loom))]

mod barrier;
#[path = "../../../tk-park/tests/it/parked.rs"]
mod parked;
mod stress;
