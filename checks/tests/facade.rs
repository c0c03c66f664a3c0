//! tk-threading has every public item of the crates that it re-exports.
//!
//! The items are those of the listings in `ci/api`.

use std::path::PathBuf;

const PARTS: [&str; 8] = [
    "thread",
    "timer",
    "event",
    "lock",
    "condvar",
    "semaphore",
    "barrier",
    "local",
];

fn read(path: &str) -> String {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    std::fs::read_to_string(root.join(path)).unwrap()
}

/// The name of the item that a line of a listing declares at the root of its crate.
fn item<'line>(line: &'line str, krate: &str) -> Option<&'line str> {
    let (declaration, path) = line.split_once(&format!("{krate}::"))?;
    let kind = declaration.trim_end().rsplit(' ').next()?;
    if !["struct", "enum", "trait", "type", "fn", "use"].contains(&kind) {
        return None;
    }
    let end = path.find(|c: char| !(c.is_alphanumeric() || c == '_'));
    let (name, rest) = path.split_at(end.unwrap_or(path.len()));
    (!rest.starts_with("::")).then_some(name)
}

#[test]
fn every_item_of_the_parts_is_re_exported() {
    let facade = read("crates/tk-threading/src/lib.rs");
    let exports: Vec<&str> = facade
        .split("pub use ")
        .skip(1)
        .filter_map(|rest| rest.split(';').next())
        .flat_map(|list| list.split(|c: char| !(c.is_alphanumeric() || c == '_')))
        .collect();
    for part in PARTS {
        let krate = format!("tk_{part}");
        let listing = read(&format!("ci/api/tk-{part}.txt"));
        let items: Vec<&str> = listing
            .lines()
            .filter_map(|line| item(line, &krate))
            .collect();
        assert!(!items.is_empty(), "{krate} has no items in its listing");
        for item in items {
            assert!(
                exports.contains(&item),
                "tk-threading lacks {krate}::{item}"
            );
        }
    }
}
