//! What events promise.
#![cfg(not(tk_loom))]

mod event;
#[path = "../../../tk-park/tests/it/parked.rs"]
mod parked;
mod stress;
