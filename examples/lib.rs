//! This library is empty: the programs lie beside this file. `cargo run --example tour` runs those
//! of the tour.

/// The examples in the project's README are tested here, where all the crates are at hand.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
