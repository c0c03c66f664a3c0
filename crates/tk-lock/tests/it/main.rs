//! What locks promise.
#![cfg(not(tk_loom))]

mod converting;
mod lock;
#[path = "../../../tk-park/tests/it/parked.rs"]
mod parked;
mod raw_lock;
mod rlock;
mod stress;
