#!/usr/bin/env bash
# The published crates build, with every feature and without any, against the oldest dependencies that their manifests allow. On a
# copy: the lock file stays as it is. Needs a nightly toolchain, to choose the versions; the crates are checked with the usual
# one. The versions that it chooses must have been fetched before.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! cargo +nightly --version >/dev/null 2>&1; then
    echo 'missing: a nightly toolchain: rustup toolchain install nightly --profile minimal' >&2
    exit 3
fi

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
# The published crates alone, so that nothing else asks for newer ones. Their tests may.
cp -R Cargo.toml crates "$copy"
sed -i 's|^members = .*|members = ["crates/*"]|' "$copy/Cargo.toml"
sed -i '/dev-dependencies\]/,/^$/d' "$copy"/crates/*/Cargo.toml

export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/minimal"
cd "$copy"
cargo +nightly update --quiet -Z "${MINIMAL:-minimal-versions}"
for features in --all-features --no-default-features; do
    cargo check --workspace --locked "$features"
done
cargo tree --workspace --depth 1 --prefix none --edges normal --all-features --target all | grep -v "(/" | grep . | sort -u
