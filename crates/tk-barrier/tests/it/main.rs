//! The promises of barriers.
#![cfg(not(tk_loom))]

mod barrier;
mod limits;
mod model;
mod stress;
