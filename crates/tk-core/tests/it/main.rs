//! The integration tests of tk-core.

mod logging;
