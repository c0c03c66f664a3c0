//! The integration tests of tk-local.

mod borrow;
mod destructors;
mod drops;
mod iterate;
mod slots;
mod tally;
mod traits;
