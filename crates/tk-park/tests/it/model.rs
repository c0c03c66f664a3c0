//! Runs a model, and says how much of it has been explored.
//!
//! Shared by the models of all crates that park.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Every interleaving, or those with at most so many preemptions where all would take too long.
/// `LOOM_MAX_PREEMPTIONS` in the environment overrules.
pub fn explore(name: &str, preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(preemptions);
    let executions = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&executions);
    builder.check(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        model();
    });
    println!(
        "model {name}: {} executions",
        executions.load(Ordering::Relaxed)
    );
}
