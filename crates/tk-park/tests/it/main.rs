//! The promises of parking, limits and stop tokens.
#![cfg(not(tk_loom))]

mod asymmetric_fence;
mod limit;
mod lot;
mod observer;
mod park;
mod stop;
mod stop_hostile;
mod stress;
mod tree;
mod watch;
