//! What conditions promise.
#![cfg(not(tk_loom))]

mod condition;
mod condvar;
mod hostile;
mod monitor;
mod other_lock;
mod stress;
