#!/usr/bin/env bash
# Random work for every primitive, with exact accounts: SECONDS [SEED [KIND]]. Fails if the books do not balance, if a thread
# starves, or if the program hangs; it then prints what each thread waits for.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release --locked -p tk-checks --bin stress
exec "${CARGO_TARGET_DIR:-target}/release/stress" "$@"
