#!/usr/bin/env bash
# The spelling, of the whole project. What is meant to be so is in typos.toml. Needs typos.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v typos >/dev/null; then
    echo 'missing: typos: cargo install typos-cli --locked' >&2
    exit 3
fi

# Files whose name begins with a dot are read as well.
typos --hidden --exclude .git
