//! The integration tests of tk-core.

mod keep_alive;
mod logging;
mod names;
mod registry;
mod waiting;
