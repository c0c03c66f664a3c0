//! The output.

use std::fs;

use crate::process::{dirsum, run};
use crate::tree::{Tree, line};

#[test]
fn every_file_has_its_line_with_any_number_of_jobs() {
    let tree = Tree::mixed();
    let expected = tree.sums(".");
    for jobs in [None, Some("--jobs=1"), Some("--jobs=2"), Some("--jobs=8")] {
        let finished = run(dirsum(tree.root(), jobs.into_iter().chain(["."])));
        finished.expect_code(0);
        assert_eq!(finished.out, expected, "{jobs:?}");
        assert_eq!(finished.err, "", "{jobs:?}");
    }
}

/// The output is that of `find . -type f -print0 | sort -z | xargs -0 sha256sum`.
#[cfg(unix)]
#[test]
fn the_lines_are_those_of_sha256sum() {
    use std::process::Command;

    if Command::new("sha256sum").arg("--version").output().is_err() {
        eprintln!("no sha256sum here");
        return;
    }
    let tree = Tree::mixed();
    let mut pipeline = Command::new("sh");
    pipeline
        .args([
            "-c",
            "find . -type f -print0 | sort -z | xargs -0 sha256sum",
        ])
        .env("LC_ALL", "C")
        .current_dir(tree.root());
    let expected = run(pipeline);
    expected.expect_code(0);

    let finished = run(dirsum(tree.root(), ["."]));
    assert_eq!(finished.expect_code(0).out, expected.out);
}

#[test]
fn paths_begin_with_the_directory_as_it_was_given() {
    let tree = Tree::mixed();
    let here = tree.root().to_str().unwrap();
    let finished = run(dirsum(&std::env::temp_dir(), [here]));
    assert_eq!(finished.expect_code(0).out, tree.sums(here));

    let finished = run(dirsum(tree.root(), ["many"]));
    assert_eq!(finished.expect_code(0).out.lines().count(), 100);
    assert!(finished.out.lines().all(|line| line.contains("  many/")));
}

/// Older versions of `sha256sum` do not escape it. So it is not in the tree that is compared with
/// their output.
#[cfg(unix)]
#[test]
fn a_carriage_return_in_a_name_is_escaped() {
    let tree = Tree::new();
    tree.write("carriage\rreturn", "x");
    let finished = run(dirsum(tree.root(), ["."]));
    finished.expect_code(0);
    assert_eq!(finished.out, line("./carriage\rreturn", b"x"));
    assert!(finished.out.starts_with('\\') && !finished.out.contains('\r'));
}

#[test]
fn an_empty_directory_has_no_lines() {
    let tree = Tree::new();
    fs::create_dir(tree.root().join("empty")).unwrap();
    let finished = run(dirsum(tree.root(), ["--jobs", "3", "--", "."]));
    assert_eq!(finished.expect_code(0).out, "");
}

/// There are more threads than may have a file open, and more than there are files.
#[test]
fn hundreds_of_jobs_print_the_same() {
    let tree = Tree::mixed();
    let finished = run(dirsum(tree.root(), ["--jobs", "300", "."]));
    assert_eq!(finished.expect_code(0).out, tree.sums("."));
}

#[test]
fn help_is_no_error() {
    let tree = Tree::new();
    let finished = run(dirsum(tree.root(), ["--help"]));
    assert!(finished.expect_code(0).out.starts_with("usage: "));
}
