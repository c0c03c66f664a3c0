#!/usr/bin/env bash
# Changes the logic of the primitives, one place at a time, and looks whether a test notices the change. The tests of the crate
# and its documentation come first. If they let a change pass, the tests of the crates that are made of it follow, and then the
# models. A change that survives all of them must stand in ci/mutants.txt, with the reason. Takes the names of crates, or else all
# primitives. Needs cargo-mutants.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v cargo-mutants > /dev/null; then
    echo "missing: cargo-mutants: cargo install cargo-mutants --locked" >&2
    exit 3
fi

crates=("$@")
if [ ${#crates[@]} -eq 0 ]; then
    crates=(tk-park tk-lock tk-condvar tk-event tk-semaphore tk-barrier tk-local tk-timer)
fi

# An entry that matches no change explains nothing any more.
stale=$(grep -v -e '^#' -e '^$' ci/mutants.txt | grep -vxF -f <(
    cargo mutants --colors never --list "${crates[@]/#/-p}" | sed 's/:[0-9]*:[0-9]*: /: /') || true)
for crate in "${crates[@]}"; do
    if grep "^crates/$crate/" <<< "$stale" >&2; then
        echo "these entries of ci/mutants.txt match no change" >&2
        exit 1
    fi
done

out="${CARGO_TARGET_DIR:-$PWD/target}/mutants"
jobs="${MUTANTS_JOBS:-3}"

# Changes the code, and tests each change; the arguments after the first say what and how. A change that has a test wait for what
# never comes is noticed by that. Ends well also if something survives.
mutants() {
    rm -rf "${out:?}/$1"
    mkdir -p "$out/$1"
    local code=0
    cargo mutants --colors never --no-shuffle -j "$jobs" -o "$out/$1" "${@:2}" > "$out/$1/log" || code=$?
    # 2: something survives; 3: a test waits forever.
    case $code in 0 | 2 | 3) ;; *) tail -n 20 "$out/$1/log" >&2 && return "$code" ;; esac
}

# The same with those that are in this list alone.
again() {
    local regexes=()
    while IFS= read -r name; do
        regexes+=(-F "^$(sed 's/[][\.*^$+?(){}|/]/\\&/g' <<< "$name")\$")
    done < "$1"
    if [ ${#regexes[@]} -gt 0 ]; then
        mutants "${@:2:3}" "${regexes[@]}" "${@:5}"
    else
        rm -rf "${out:?}/$2"
        mkdir -p "$out/$2/mutants.out"
        : > "$out/$2/mutants.out/missed.txt"
    fi
}

# How many changes came to these ends.
count() {
    cat "${@/#/$out/}" 2> /dev/null | wc -l
}

unexplained=0
printf '%-13s %8s %9s %9s %12s\n' crate changes noticed survive unexplained
for crate in "${crates[@]}"; do
    # The crates that are made of this one.
    case $crate in
        tk-park) others=(tk-lock tk-condvar) ;;
        tk-lock) others=(tk-condvar) ;;
        *) others=() ;;
    esac
    mutants "$crate" -p "$crate" --timeout 30 -- --all-features
    missed="$crate/mutants.out/missed.txt"
    if [ ${#others[@]} -gt 0 ]; then
        again "$out/$missed" "$crate-others" -p "$crate" --timeout 30 "${others[@]/#/--test-package=}"
        missed="$crate-others/mutants.out/missed.txt"
    fi
    RUSTFLAGS="${RUSTFLAGS:-} --cfg tk_loom" again "$out/$missed" "$crate-models" -p "$crate" --timeout 300 \
        --test-package="$crate" "${others[@]/#/--test-package=}" -- --release --test loom
    missed="$crate-models/mutants.out/missed.txt"
    sed 's/:[0-9]*:[0-9]*: /: /' "$out/$missed" | sort -u > "$out/$crate/survivors"
    grep -vxF -f ci/mutants.txt "$out/$crate/survivors" > "$out/$crate/unexplained" || true
    all=$(count "$crate/mutants.out/"{caught,missed,timeout}.txt)
    survive=$(count "$missed")
    printf '%-13s %8d %9d %9d %12d\n' "$crate" "$all" "$((all - survive))" "$survive" "$(count "$crate/unexplained")"
    sed 's/^/    /' "$out/$crate/unexplained"
    unexplained=$((unexplained + $(count "$crate/unexplained")))
done
[ "$unexplained" -eq 0 ]
