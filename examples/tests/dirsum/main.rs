//! The promises of `dirsum`: tests of the program itself, and of parts that are hard to see from
//! outside.

mod corners;
mod failures;
#[path = "../../dirsum/hash.rs"]
mod hash;
mod output;
mod process;
#[path = "../../dirsum/queue.rs"]
mod queue;
#[cfg(target_os = "linux")]
mod stopping;
mod tree;
