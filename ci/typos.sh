#!/usr/bin/env bash
# The spelling, of the whole project: American. typos.toml lists the exceptions. Needs typos.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v typos >/dev/null; then
    echo 'missing: typos: cargo install typos-cli --locked' >&2
    exit 3
fi

# Files whose name begins with a dot are read as well.
typos --hidden --exclude .git
