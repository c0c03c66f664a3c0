#!/usr/bin/env bash
# All tests: with the default features, and those of the crates that have others with all of them and without any. Needs a Rust
# toolchain.
set -euo pipefail
cd "$(dirname "$0")/.."

# The README's own command.
cargo test --workspace

mapfile -t crates < <(grep -l '^\[features\]' crates/*/Cargo.toml | xargs -n 1 dirname | xargs -n 1 basename)
for features in --all-features --no-default-features; do
    cargo test "${crates[@]/#/-p}" "$features" --locked
done

ci/abort.sh
