//! Benchmarks of tk, side by side with its peers.
//!
//! A [`Case`](case::Case) is a workload over one of the small traits in [`kind`]: a mutex, an
//! event, a timer queue. An [`adapter`] makes a type a contender, and [proves itself](proof) before
//! it is timed, so that a wrong adapter is an error and not a number. Two runners measure the same
//! [`cases`]:
//!
//! - `cargo bench -p tk-benches`: criterion, for one machine that has nothing else to do;
//! - `cargo run --release -p tk-benches --bin versus`: the [paired comparison](runner), for a
//!   machine that others use too.
//!
//! The second can write its [figures](json) to a file, of which `--bin report` makes
//! `docs/BENCHMARKS.md` and its pictures.

pub mod adapter;
pub mod case;
pub mod cases;
pub mod floor;
pub mod json;
pub mod kind;
pub mod machine;
pub mod measure;
pub mod proof;
pub mod report;
pub mod runner;
pub mod statistics;
pub mod table;
pub mod usage;
