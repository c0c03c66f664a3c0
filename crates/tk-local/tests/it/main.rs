//! The integration tests of tk-local.
#![cfg(not(tk_loom))]

mod borrow;
mod destructors;
mod drops;
mod hostile;
mod iterate;
mod slots;
mod tally;
mod traits;
