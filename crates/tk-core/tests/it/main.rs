//! The integration tests of tk-core.

mod blocked_on;
mod keep_alive;
#[cfg(feature = "logging")]
mod logging;
mod names;
mod registry;
mod run_as;
