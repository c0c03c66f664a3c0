//! The integration tests of tk-thread.

mod dump;
mod join;
mod naming;
mod program;
mod scope;
mod spawn;
mod stop;
