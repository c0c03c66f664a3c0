#!/usr/bin/env bash
# The format of the code: rustfmt would change nothing. Needs rustfmt.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! cargo fmt --version >/dev/null 2>&1; then
    echo 'missing: rustfmt: rustup component add rustfmt' >&2
    exit 3
fi

cargo fmt --all --check
