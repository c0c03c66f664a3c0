#!/usr/bin/env bash
# The tests of the crates that have `unsafe` code, under valgrind's memcheck: no thread touches memory that was freed or never was
# its own, or decides by what was never written. It does not look for leaks, because some tests forget values on purpose. Tests
# run one at a time, since valgrind runs one thread at a time in any case. Takes the names of crates, or else runs all of
# these. Needs valgrind.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v valgrind >/dev/null; then
    echo 'missing: valgrind' >&2
    exit 3
fi

crates=("$@")
if [ ${#crates[@]} -eq 0 ]; then
    crates=(tk-core tk-park tk-lock tk-condvar tk-local)
fi

# Some tests have more threads at a time than the 500 that valgrind has room for. `fair-sched` lets each thread run in its turn:
# without it a thread that looks again and again may hold up the one that it looks for.
host=$(rustc -vV | sed -n 's/^host: //p')
runner="CARGO_TARGET_$(tr 'a-z-' 'A-Z_' <<< "$host")_RUNNER"
export "$runner=valgrind --quiet --error-exitcode=9 --max-threads=3000 --fair-sched=try"

cargo test --locked "${crates[@]/#/-p}" --lib --tests -- --test-threads=1
