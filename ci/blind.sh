#!/usr/bin/env bash
# The tests that depend on who a thread is, four times: as the system answers; where it cannot be asked whether a thread is
# gone, nor which one is the main thread (--cfg tk_blind, as on systems other than Linux); where a filter of system calls
# refuses signals and fences, as sandboxes do; and where a filter refuses the question whether a thread is gone as well. Takes the names
# of the modes (asked, blind, refused, mute), or else runs all.
set -euo pipefail
cd "$(dirname "$0")/.."

target="${CARGO_TARGET_DIR:-target}"
crates=(tk-core tk-park tk-local tk-lock tk-thread)
checks=(--test allocator --test processes --test conformance)

suites() {
    "$@" cargo test --locked "${crates[@]/#/-p}" --features tk-lock/lock_api_04 --lib --tests
    "$@" cargo test --locked -p tk-checks "${checks[@]}"
}

asked() {
    suites env
}

# A target directory of its own: other flags would have everything built anew each time.
blind() {
    suites env CARGO_TARGET_DIR="$target/blind" RUSTFLAGS="${RUSTFLAGS:-} --cfg tk_blind"
}

# Not tgkill: by it the C library aborts, and has all threads change their user.
refused() {
    refuse kill,tkill,membarrier
}

mute() {
    refuse kill,tkill,getpriority
}

refuse() {
    cargo build --locked -p tk-checks --bin refuse_calls
    suites "$target/debug/refuse_calls" "$1"
}

modes=("$@")
if [ ${#modes[@]} -eq 0 ]; then
    modes=(asked blind refused mute)
fi
for mode in "${modes[@]}"; do
    printf '\n== %s\n' "$mode"
    "$mode"
done
