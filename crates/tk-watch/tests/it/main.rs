//! Deadlocks that the watcher finds, and waits that it does not take for one.

mod churn;
mod dump;
mod graphs;
mod kinds;
mod reports;
