//! What the watcher finds, and what it does not find.

mod churn;
mod dump;
mod graphs;
mod kinds;
mod reports;
