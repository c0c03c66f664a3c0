//! The integration tests of tk-core.

mod keep_alive;
#[cfg(feature = "logging")]
mod logging;
mod names;
mod registry;
mod run_as;
mod waiting;
