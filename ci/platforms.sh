#!/usr/bin/env bash
# Other platforms: type-checks the published crates there, with warnings as errors, and runs their tests where this machine can.
# Takes the names of targets, or else all of them:
#
#   aarch64-apple-darwin, x86_64-unknown-freebsd,
#   powerpc64-unknown-linux-gnu                                  crates and tests are checked
#   wasm32-unknown-unknown                                       crates are checked; there are no threads to test
#   x86_64-pc-windows-gnu                                        tests run, by wine; see `not_there` below
#   i686-unknown-linux-gnu                                       tests run, by the processor itself
#   aarch64-unknown-linux-gnu                                    tests run, by qemu
#
# Needs a standard library for each target: `rustup target add TARGET`. Where the toolchain has its sources only,
# `BUILD_STD=1 RUSTC_BOOTSTRAP=1` builds it. CARGO, RUSTC and RUSTDOC may name another toolchain. CHECK_ONLY=1 runs no test.
# To run the tests, a linker for the target, and qemu-user or wine:
#
#   apt-get install gcc-i686-linux-gnu libc6-i386 gcc-aarch64-linux-gnu qemu-user mingw-w64 wine64
#
# Ends with 3 when what a target needs is not there, after the other targets have passed.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo=${CARGO:-cargo}
# Cargo takes these from the environment.
export RUSTC=${RUSTC:-rustc} RUSTDOC=${RUSTDOC:-rustdoc}
export RUSTFLAGS="${RUSTFLAGS:-} -D warnings"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/platforms"
std=()
if [ -n "${BUILD_STD:-}" ]; then std=(-Zbuild-std); fi

crates=(crates/*)
crates=("${crates[@]/#crates\//-p}")
# Tests that start their own program once more: the kernel does not know how to run it when it is an emulator that does.
respawning=(
    program::
    logging::a_closed_stream_takes_nothing_down
    logging::a_second_init_is_an_error_and_changes_nothing
    logging::init_panics_with_what_is_wrong
    logging::the_environment_has_its_say
    logging::the_standard_error_stream_is_the_default
    logging::what_a_writer_logs_itself_goes_to_the_standard_error_stream
    destructors::a_program_may_end_in_a_borrow_and_in_an_initializer
)
# The promises of tk-core, tk-local and tk-thread for the end of a thread do not hold on the GNU flavor of Windows, so their tests
# are only compiled. That system has no thread-locals of its own. The standard library makes them of keys, so a value that should
# be readable until the very end is gone before the guard that reads it.
not_there=(-ptk-core -ptk-local -ptk-thread)

missing=0
need() { # PROGRAM HOW
    command -v "$1" >/dev/null && return
    echo "missing: $1, for $target: $2" >&2
    missing=1
    return 1
}

check() { # ARGUMENTS OF CARGO
    "$cargo" check --locked "${std[@]}" --target "$target" --all-features "${crates[@]}" "$@"
}

run_tests() { # LINKER RUNNER ARGUMENTS OF THE TESTS
    local variable=CARGO_TARGET_${target^^}
    variable=${variable//-/_}
    local -x "${variable}_LINKER=$1" "${variable}_RUNNER=$2"
    shift 2
    "$cargo" test --locked "${std[@]}" --target "$target" --all-features --tests "${tested[@]}" -- "$@"
}

aarch64() {
    need aarch64-linux-gnu-gcc "apt-get install gcc-aarch64-linux-gnu" || return 0
    need qemu-aarch64 "apt-get install qemu-user" || return 0
    run_tests aarch64-linux-gnu-gcc "qemu-aarch64 -L /usr/aarch64-linux-gnu" "${respawning[@]/#/--skip=}"
}

windows() {
    need x86_64-w64-mingw32-gcc "apt-get install mingw-w64" || return 0
    local wine
    wine=$(command -v wine64 || ls /usr/lib/wine/wine64 2>/dev/null || true)
    need "${wine:-wine64}" "apt-get install wine64" || return 0
    # Wine before 8.13 lacks the function that seeds the hash maps of the standard library.
    local shim=$PWD/$CARGO_TARGET_DIR/wine
    if [ "${CARGO_TARGET_DIR:0:1}" = / ]; then shim=$CARGO_TARGET_DIR/wine; fi
    mkdir -p "$shim"
    x86_64-w64-mingw32-gcc -shared -o "$shim/bcryptprimitives.dll" ci/wine/bcryptprimitives.c -ladvapi32
    local -x WINEPREFIX="$shim/prefix" WINEDEBUG=-all WINEDLLOVERRIDES="mscoree,mshtml=" WINEPATH="Z:${shim//\//\\}"
    local crate
    tested=()
    for crate in "${crates[@]}"; do
        [[ " ${not_there[*]} " == *" $crate "* ]] || tested+=("$crate")
    done
    run_tests x86_64-w64-mingw32-gcc "$wine"
}

targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    targets=(aarch64-apple-darwin x86_64-unknown-freebsd wasm32-unknown-unknown x86_64-pc-windows-gnu
        i686-unknown-linux-gnu aarch64-unknown-linux-gnu powerpc64-unknown-linux-gnu)
fi
for target in "${targets[@]}"; do
    printf '\n== %s\n' "$target"
    library=$("$RUSTC" --print sysroot)/lib/rustlib/$target/lib
    if [ ${#std[@]} -eq 0 ] && [ ! -d "$library" ]; then
        echo "missing: the standard library of $target: rustup target add $target" >&2
        missing=1
        continue
    fi
    tested=("${crates[@]}")
    case $target in
        wasm32-*) check; continue ;;
        *) check --tests ;;
    esac
    if [ -n "${CHECK_ONLY:-}" ]; then continue; fi
    case $target in
        i686-unknown-linux-gnu)
            need i686-linux-gnu-gcc "apt-get install gcc-i686-linux-gnu libc6-i386" && run_tests i686-linux-gnu-gcc env ;;
        aarch64-unknown-linux-gnu) aarch64 ;;
        x86_64-pc-windows-gnu) windows ;;
    esac
done
if [ "$missing" -ne 0 ]; then exit 3; fi
