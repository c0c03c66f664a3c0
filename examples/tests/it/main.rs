//! The examples, run as programs: each prints the lines that CPython 3.11 prints for the Python
//! program of the same name.
//!
//! The lines of one thread are compared in order; those of different threads where the program has
//! one wait for the other. Times and random numbers are masked, or checked for what is known of
//! them.
//!
//! `cargo test -p tk-examples` builds the programs first. With `--test it` it does not, and what
//! was built last is run.

mod programs;
mod run;
mod said;
mod tour;
