#!/usr/bin/env bash
# The public items of every published crate, with all features, against the listings in ci/api: a difference fails, and is shown.
# `--accept` writes the listings anew: a change of them belongs to the change that makes it, and a release's listing is what was
# released. Needs a nightly toolchain and cargo-public-api.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
cargo +nightly --version >/dev/null 2>&1 || missing+=("a nightly toolchain: rustup toolchain install nightly --profile minimal")
cargo public-api --version >/dev/null 2>&1 || missing+=("cargo-public-api: cargo install cargo-public-api --locked")
if [ ${#missing[@]} -gt 0 ]; then
    printf 'missing: %s\n' "${missing[@]}" >&2
    exit 3
fi

now=$(mktemp -d)
trap 'rm -rf "$now"' EXIT
for directory in crates/*/; do
    crate=$(basename "$directory")
    # Items that every type has, and derived ones, are left out.
    cargo +nightly public-api -sss --all-features -p "$crate" > "$now/$crate.txt"
done

if [ "${1:-}" = --accept ]; then
    rm -rf ci/api
    cp -R "$now" ci/api
else
    diff -ru ci/api "$now"
fi
