#!/usr/bin/env bash
# No crate depends on what it does not use. Needs cargo-machete.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! cargo machete --version >/dev/null 2>&1; then
    echo 'missing: cargo-machete: cargo install cargo-machete --locked' >&2
    exit 3
fi

cargo machete
