#!/usr/bin/env bash
# The tests of what orders memory, and a little stress, under ThreadSanitizer. Needs a nightly toolchain.
set -euo pipefail
cd "$(dirname "$0")/.."

target=x86_64-unknown-linux-gnu
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/tsan"
export RUSTFLAGS="${RUSTFLAGS:-} -Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer"
# The suppressions are by function, also of those that are inlined.
export CARGO_PROFILE_RELEASE_DEBUG=line-tables-only
# Without a handler of its own for SIGSEGV: if there is one, the standard library gives its threads no stack for signal
# handlers, and by that stack tk-core tells its unnamed threads from those of C.
export TSAN_OPTIONS="suppressions=$PWD/ci/tsan.supp halt_on_error=1 handle_segv=0 handle_sigbus=0"

crates=(tk-core tk-park tk-lock tk-condvar tk-event tk-semaphore tk-barrier tk-local)
cargo +nightly test --locked --target "$target" "${crates[@]/#/-p}" --tests
cargo +nightly run --locked --release --target "$target" -p tk-checks --bin stress -- "${1:-30}"
