//! The promises of events.
#![cfg(not(tk_loom))]

mod event;
mod stress;
