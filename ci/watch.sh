#!/usr/bin/env bash
# Looks for deadlocks that are missed or made up: random graphs of threads that wait for each other, and a churn of
# waits without a deadlock. Takes the number of graphs and the seconds of churn, or else 10000 and 3600.
set -euo pipefail
cd "$(dirname "$0")/.."

TK_WATCH_SEEDS="${1:-10000}" cargo test -p tk-watch --test it -- --nocapture --exact \
    graphs::of_random_graphs_the_cycles_are_reported_and_nothing_else
TK_WATCH_CHURN="${2:-3600}" cargo test -p tk-watch --test it -- --nocapture --exact \
    churn::without_a_deadlock_none_is_found
TK_WATCH_THREADS=10000 cargo test --release -p tk-watch --test it -- --nocapture --exact \
    dump::many_threads_take_a_reasonable_time
