//! The integration tests of tk-timer.

mod timer;
