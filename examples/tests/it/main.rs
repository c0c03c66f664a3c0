//! The examples, run as programs: each prints the lines that CPython 3.11 prints for the Python
//! program of the same name.
//!
//! The lines of one thread are compared in order. The order of lines of different threads is
//! compared where the program has one thread wait for the other. Times and random numbers are
//! masked, or their range is checked.
//!
//! `cargo test -p tk-examples` builds the programs first. With `--test it` it does not, and runs
//! the programs that were built last.

mod programs;
mod run;
mod said;
mod tour;
