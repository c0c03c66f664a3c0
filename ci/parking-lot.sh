#!/usr/bin/env bash
# The public names of parking_lot 0.12 and 0.13 against those of the crates that stand in for it: each must be there, but for
# those that the READMEs name under "Missing features and differences" (a feature and its module, which is not listed without the
# feature). Fetches parking_lot. Needs a nightly toolchain and cargo-public-api.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
cargo +nightly --version >/dev/null 2>&1 || missing+=("a nightly toolchain: rustup toolchain install nightly --profile minimal")
cargo public-api --version >/dev/null 2>&1 || missing+=("cargo-public-api: cargo install cargo-public-api --locked")
if [ ${#missing[@]} -gt 0 ]; then
    printf 'missing: %s\n' "${missing[@]}" >&2
    exit 3
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")/parking-lot

# The names of a crate's root, one a line. Methods are those of `lock_api`'s types, but for `Once` and, in 0.12, `Condvar`: the
# tests of the crates call each of them.
names() { # directory of a crate, its features
    (cd "$1" && CARGO_TARGET_DIR="$target" cargo +nightly public-api -sss --features "$2" 2>/dev/null) |
        perl -ne 'print "$2\n" if /^pub (?:(?:const|unsafe) )*(fn|struct|enum|type|mod|use) [a-z0-9_]+::(\w+)(?:[^:\w]|$)/' |
        sort -u
}

status=0
compare() { # version, crate, features
    local dummy="$work/$1"
    mkdir -p "$dummy/src"
    : > "$dummy/src/lib.rs"
    printf '[package]\nname = "dummy"\nversion = "0.1.0"\nedition = "2024"\n[dependencies]\nparking_lot = "=%s"\n[workspace]\n' \
        "$1" > "$dummy/Cargo.toml"
    local source
    source=$(cargo metadata --format-version 1 --manifest-path "$dummy/Cargo.toml" |
        perl -ne 'print $1 if m{"manifest_path":"([^"]*/parking_lot-[0-9.]+)/Cargo\.toml"}')
    # A copy, because sources of dependencies are not written to.
    cp -R "$source" "$work/parking_lot-$1"
    printf '\n[workspace]\n' >> "$work/parking_lot-$1/Cargo.toml"
    names "$work/parking_lot-$1" "$3" > "$work/theirs"
    names "crates/$2" "$3" > "$work/ours"
    local lacking
    lacking=$(comm -23 "$work/theirs" "$work/ours")
    printf 'parking_lot %s: %d names, of which %s lacks %d\n' "$1" "$(wc -l < "$work/theirs")" "$2" \
        "$(printf '%s' "$lacking" | grep -c . || true)"
    if [ -n "$lacking" ]; then
        printf '    %s\n' "${lacking//$'\n'/$'\n    '}"
        status=1
    fi
}

compare 0.12.5 tk-parking-lot-012 arc_lock,serde
compare 0.13.0 tk-parking-lot arc_lock,serde
exit $status
