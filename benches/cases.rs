//! The cases, as benchmarks of criterion.
//!
//! `cargo bench -p tk-benches`, or with a group's or case's name behind `--`.

use std::time::Duration;

use criterion::{BenchmarkGroup, BenchmarkId, Criterion, measurement::WallTime};
use tk_benches::case::{Case, Measure};
use tk_benches::cases::{self, Scale};
use tk_benches::floor::Floor;

/// Measures one contender. The figure of a case may be a quantile, so criterion gets the figure,
/// and not the length of the measurement.
fn bench(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, prepare: impl Fn() -> Measure) {
    group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
        let mut measure = prepare();
        bencher.iter_custom(|operations| {
            let cost = measure(operations).cost;
            // Criterion can't divide by zero.
            Duration::from_nanos((cost * operations as f64).max(1.0) as u64)
        });
    });
}

fn run(criterion: &mut Criterion, case: &Case) {
    let mut group = criterion.benchmark_group(case.id());
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(50));
    group.measurement_time(Duration::from_millis(500).max(case.length * 10));
    for contender in &case.contenders {
        bench(&mut group, contender.name, || contender.prepare());
    }
    group.finish();
}

/// Measures each floor once, and not beside each case.
fn floors(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("floors");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(50));
    group.measurement_time(Duration::from_millis(500));
    for floor in Floor::ALL {
        if floor.prepare().is_some() {
            bench(&mut group, floor.name(), || {
                floor.prepare().expect("it was there before")
            });
        }
    }
    group.finish();
}

fn main() {
    // As with criterion's own `--test`, each case runs once, without being measured for long.
    let scale = if std::env::args().any(|argument| argument == "--test") {
        Scale::Trial
    } else {
        Scale::Full
    };
    let mut criterion = Criterion::default().configure_from_args();
    floors(&mut criterion);
    for case in cases::all(scale) {
        for contender in &case.contenders {
            if let Err(error) = contender.prove() {
                panic!("{}: {error}", case.id());
            }
        }
        run(&mut criterion, &case);
    }
    criterion.final_summary();
}
