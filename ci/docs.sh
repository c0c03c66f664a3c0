#!/usr/bin/env bash
# The documentation builds without a warning: no link leads nowhere, and nothing public is without a word. Once with the default
# features, and once with all of them, as docs.rs builds it where a crate says so. Needs a Rust toolchain.
set -euo pipefail
cd "$(dirname "$0")/.."

export RUSTDOCFLAGS="${RUSTDOCFLAGS:-} -D warnings"
cargo doc --workspace --no-deps --locked
cargo doc --workspace --no-deps --locked --all-features
