#!/usr/bin/env bash
# The tests that `cargo test` leaves out because they take long: those that are marked as ignored. Takes arguments of cargo, such as
# `-p tk-timer`, or else runs all. Needs a Rust toolchain.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=("$@")
if [ ${#packages[@]} -eq 0 ]; then packages=(--workspace); fi

# Without the examples of the documentation: those that are marked as ignored there are not meant to run.
cargo test "${packages[@]}" --locked --lib --bins --tests -- --ignored
