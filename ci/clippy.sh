#!/usr/bin/env bash
# Lints, with warnings as errors: every target with the default features and with all of them, then each published crate with each
# set of its features, alone, so that no crate lives on a feature that another one asks for. Needs clippy; and for the last,
# cargo-hack, without which it ends with 3 when the rest has passed.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! cargo clippy --version >/dev/null 2>&1; then
    echo 'missing: clippy: rustup component add clippy' >&2
    exit 3
fi

cargo clippy --workspace --all-targets --locked -- -D warnings
cargo clippy --workspace --all-targets --all-features --locked -- -D warnings

if ! cargo hack --version >/dev/null 2>&1; then
    echo 'missing: cargo-hack: cargo install cargo-hack --locked' >&2
    exit 3
fi

# The dependencies of tests take no part: without a test to build, their features are left out. `__loom` only adds a
# dependency, and only under `--cfg tk_loom`. tk-threading has a feature per part, so only their pairs are built.
crates=()
for directory in crates/*; do
    crate="${directory#crates/}"
    [ "$crate" = tk-threading ] || crates+=(-p "$crate")
done
cargo hack clippy --feature-powerset --exclude-features __loom "${crates[@]}" --locked -- -D warnings
cargo hack clippy --feature-powerset --depth 2 -p tk-threading --locked -- -D warnings
