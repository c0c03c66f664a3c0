#!/usr/bin/env bash
# The tests of the crates that have `unsafe` code, interpreted by Miri: it reports undefined behavior, such as uses of freed memory,
# aliasing that the borrow rules forbid, and data races.
#
# Miri is told that the system is Windows, where the crates make no system calls of their own. On Linux the tests would stop at
# calls that Miri does not know, such as `sigaltstack`. The calls to Linux, among them the futex, are therefore not interpreted:
# `ci/valgrind.sh` and `ci/tsan.sh` run those.
#
# Stress tests and comparisons with a model are skipped, because Miri is some hundred times slower than the processor. Takes the names
# of crates, or else runs all of these. Needs a nightly toolchain with Miri.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! cargo +nightly miri --version >/dev/null 2>&1; then
    echo 'missing: Miri: rustup toolchain install nightly --component miri,rust-src' >&2
    exit 3
fi

crates=("$@")
if [ ${#crates[@]} -eq 0 ]; then
    crates=(tk-core tk-park tk-lock tk-condvar tk-local)
fi

# Calls that Miri does not pass on to the real system, such as opening a file, fail. The clock is Miri's own.
export MIRIFLAGS="${MIRIFLAGS:--Zmiri-isolation-error=hide}"
# A target directory of its own: other flags would have everything built anew each time.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/miri"
cargo +nightly miri test --locked --target x86_64-pc-windows-msvc "${crates[@]/#/-p}" --lib --test it -- \
    --skip stress --skip model --skip thousand --skip hundred
