#!/usr/bin/env bash
# Counts the instructions of the fast paths, and fails if one has grown over its limit (benches/instructions.rs). It needs
# valgrind and gungraun-runner, in the version of the library, and installs neither. Without them it says what is missing and
# ends with 3.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.20.0
missing=()
command -v valgrind >/dev/null || missing+=("valgrind")
runner="$(command -v "${GUNGRAUN_RUNNER:-gungraun-runner}" || true)"
if [ -z "$runner" ]; then
    missing+=("gungraun-runner $version: cargo install gungraun-runner --version $version --locked")
elif [ "$("$runner" --version)" != "gungraun-runner $version" ]; then
    missing+=("gungraun-runner $version, not $("$runner" --version)")
fi
if [ ${#missing[@]} -gt 0 ]; then
    printf 'missing: %s\n' "${missing[@]}" >&2
    exit 3
fi

export GUNGRAUN_RUNNER="$runner"
# A regression also exits with 3, which here would mean a missing tool.
cargo bench -p tk-benches --features instructions --bench instructions --locked -- "$@" || exit 1
