#!/usr/bin/env bash
# The dependencies: their licenses, where they come from, and that the published crates bring no crate in two versions. deny.toml
# says what is allowed. Known vulnerabilities are not looked up, since that needs a network. Needs cargo-deny.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! cargo deny --version >/dev/null 2>&1; then
    echo 'missing: cargo-deny: cargo install cargo-deny --locked' >&2
    exit 3
fi

cargo deny --offline --locked check licenses sources
unpublished=(tk-benches tk-checks tk-examples tk-misuse tk-testing)
cargo deny --offline --locked --exclude-dev "${unpublished[@]/#/--exclude=}" check bans
