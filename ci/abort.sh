#!/usr/bin/env bash
# Programs that are built with panic = "abort": the excepthook is called, exit works in main, and says clearly elsewhere that it
# can't. Needs a Rust toolchain.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --profile abort -p tk-checks --bin abort --locked
program="${CARGO_TARGET_DIR:-target}/abort/abort"

# expect CASE CODE STDOUT PART_OF_STDERR
expect() {
    local code=0 out err
    err=$(mktemp)
    out=$("$program" "$1" 2>"$err") || code=$?
    if [ "$code" -ne "$2" ] || [ "$out" != "$3" ] || [[ "$(cat "$err")" != *"$4"* ]]; then
        printf '%s: code %s, stdout %q, stderr:\n' "$1" "$code" "$out"
        cat "$err"
        exit 1
    fi
    rm -f "$err"
}

# 134 is what a shell makes of SIGABRT.
expect hook 134 'out of paint true' ''
expect default 134 '' 'Exception in thread Thread-1:'
expect exit_in_main 3 $'hook\nwaited' ''
expect exit_in_a_thread 134 '' "can't end a thread in a program with panic = \"abort\""
expect returns 0 'ran' ''
echo 'panic = "abort": five cases as expected'
