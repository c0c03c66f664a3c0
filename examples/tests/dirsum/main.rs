//! What `dirsum` promises, asked of the program itself; and of its queue, which is hard to get into a corner from outside.

mod corners;
mod failures;
mod output;
mod process;
#[path = "../../dirsum/queue.rs"]
mod queue;
#[cfg(target_os = "linux")]
mod stopping;
mod tree;
