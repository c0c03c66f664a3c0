use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Explores a model and prints the number of executions.
///
/// `preemptions` bounds the preemptions per execution. Without a bound, every interleaving is
/// explored. `LOOM_MAX_PREEMPTIONS` in the environment takes precedence over the bound.
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
