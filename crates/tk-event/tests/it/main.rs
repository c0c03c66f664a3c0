//! What events promise.
#![cfg(not(tk_loom))]

mod event;
mod stress;
