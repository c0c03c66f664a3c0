#!/usr/bin/env bash
# Explores the models of the primitives, and says how many there are and how much was explored.
# Takes the names of crates, or else all that have models. LOOM_MAX_PREEMPTIONS overrules the models' own bounds.
set -euo pipefail
cd "$(dirname "$0")/.."

crates=("$@")
if [ ${#crates[@]} -eq 0 ]; then
    crates=(tk-core tk-park tk-lock tk-condvar tk-event tk-semaphore tk-barrier tk-local tk-timer)
fi

# A target directory of its own: other flags would have everything built anew each time.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/loom"
export RUSTFLAGS="${RUSTFLAGS:-} --cfg tk_loom"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
for crate in "${crates[@]}"; do
    cargo test --release -p "$crate" --test loom -- --nocapture | tee -a "$log"
done
awk '{
    # The harness may have begun the line.
    if (match($0, /model .*: [0-9]+ executions/)) {
        models++
        executions += $(NF - 1)
    }
} END {
    printf "%d models, %d executions explored\n", models, executions
    exit models == 0
}' "$log"
