//! What locks promise.
#![cfg(not(tk_loom))]

mod converting;
mod light;
mod lock;
mod once;
mod raw_lock;
mod rlock;
mod rwlock;
mod stress;
