#!/usr/bin/env bash
# A rehearsal of publishing: packages every crate, builds each package from the others' packages, looks at what is in them, and
# then, from outside of the workspace and offline, builds and runs a program for each crate that depends on it alone by its
# version, with default features and without. The programs are in ci/consumers.
set -euo pipefail
cd "$(dirname "$0")/.."

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
# Of its own, and new: cargo keeps unpacked packages of a version, and does not look whether they have changed.
export CARGO_TARGET_DIR="$out/target"

crates=()
for directory in crates/*/; do
    crates+=("$(basename "$directory")")
done
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)

echo "== packages"
cargo package --quiet --locked --allow-dirty "${crates[@]/#/-p}"

echo "== what is in them"
cargo vendor --quiet --locked --versioned-dirs "$out/registry" > /dev/null
for crate in "${crates[@]}"; do
    package="$CARGO_TARGET_DIR/package/$crate-$version.crate"
    strangers=$(tar -tzf "$package" | sed "s|^$crate-$version/||" | grep -vxE \
        'src/.*\.(rs|html)|README\.md|CHANGELOG\.md|LICENSE-(APACHE|MIT)|Cargo\.(toml|toml\.orig|lock)|\.cargo_vcs_info\.json' || true)
    if [ -n "$strangers" ]; then
        printf '%s has what it does not need:\n%s\n' "$crate" "$strangers" >&2
        exit 1
    fi
    for file in README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT src/lib.rs; do
        tar -tzf "$package" "$crate-$version/$file" > /dev/null
    done
    printf '%-14s %4d KiB, %2d files\n' "$crate" "$(($(stat -c %s "$package") / 1024))" "$(tar -tzf "$package" | wc -l)"
    # As cargo's directory sources have it.
    tar -xzf "$package" -C "$out/registry"
    printf '{"files":{},"package":"%s"}' "$(sha256sum "$package" | cut -d' ' -f1)" \
        > "$out/registry/$crate-$version/.cargo-checksum.json"
done

echo "== programs that depend on one crate each"
mkdir -p "$out/consumer/src" "$out/consumer/.cargo"
cat > "$out/consumer/.cargo/config.toml" <<TOML
[source.crates-io]
replace-with = "rehearsal"
[source.rehearsal]
directory = "$out/registry"
TOML
for crate in "${crates[@]}"; do
    cp "ci/consumers/$crate.rs" "$out/consumer/src/main.rs"
    for default in true false; do
        cat > "$out/consumer/Cargo.toml" <<TOML
[package]
name = "consumer"
version = "0.0.0"
edition = "2024"
[features]
default = []
[dependencies]
$crate = { version = "$version", default-features = $default }
TOML
        features=()
        if [ "$default" = false ]; then features=(--no-default-features); fi
        (cd "$out/consumer" && rm -f Cargo.lock && cargo run --quiet --offline "${features[@]}" > "$out/printed")
        printf '%-14s default features: %-5s  crates that it builds: %d\n' "$crate" "$default" \
            "$(cd "$out/consumer" && cargo tree --offline --edges normal --prefix none | grep -cv -e '^consumer' -e '(\*)$')"
    done
done
echo "rehearsed in $SECONDS s"
