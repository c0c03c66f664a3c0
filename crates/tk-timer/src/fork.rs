//! In which process this is: timers and threads of a service stay behind in the parent of a fork.

/// How many forks lie between the first program and this one.
pub(crate) use tk_core::__private::fork::generation;
