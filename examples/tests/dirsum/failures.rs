//! Failures, and the work that goes on in spite of them.

use crate::process::{dirsum, run};
use crate::tree::{Tree, line};

#[test]
fn a_wrong_command_line_says_how_it_goes() {
    let tree = Tree::new();
    let wrong: &[&[&str]] = &[
        &[],
        &["--jobs", "0", "."],
        &["--jobs=0", "."],
        &["--jobs=", "."],
        &["--jobs", "-1", "."],
        &["--jobs", "many", "."],
        &["--jobs", "99999999999999999999999", "."],
        &["."].repeat(2),
        &[".", "--jobs"],
        &["--job", "."],
        &["-j", "."],
        &["--jobs", "2"],
        &["--", "--jobs", "2"],
    ];
    for arguments in wrong {
        let finished = run(dirsum(tree.root(), *arguments));
        finished.expect_code(2);
        assert_eq!(finished.out, "", "{arguments:?}");
        assert!(finished.err.starts_with("dirsum: "), "{finished:?}");
        assert!(finished.err.contains("\nusage: "), "{finished:?}");
    }
}

#[test]
fn a_directory_that_is_not_there_is_reported() {
    let tree = Tree::new();
    let finished = run(dirsum(tree.root(), ["nowhere"]));
    finished.expect_code(1);
    assert_eq!(finished.out, "");
    assert!(finished.err.starts_with("dirsum: nowhere: "));
    assert_eq!(finished.err.lines().count(), 1, "{finished:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_not_utf8_is_left_out_and_the_rest_goes_on() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let tree = Tree::mixed();
    let expected = tree.sums(".");
    let odd = tree.root().join(OsStr::from_bytes(b"caf\xe9"));
    std::fs::write(odd, "x").unwrap();
    let finished = run(dirsum(tree.root(), ["."]));
    finished.expect_code(1);
    assert_eq!(finished.out, expected);
    assert_eq!(
        finished.err,
        "dirsum: ./caf\u{fffd}: the name is not UTF-8\n"
    );
}

/// Root may read anything. So if the test runs as root, the program runs as another user.
#[cfg(unix)]
#[test]
fn what_cannot_be_opened_is_left_out_and_the_rest_goes_on() {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    const NOBODY: u32 = 65534;

    let mut tree = Tree::mixed();
    let expected = tree.sums(".");
    tree.write("closed file", "x");
    tree.write("closed directory/file", "x");
    let everyone = Permissions::from_mode(0o755);
    fs::set_permissions(tree.root(), everyone).unwrap();
    tree.forbid("closed file");
    tree.forbid("closed directory");

    let mut command = dirsum(tree.root(), ["."]);
    let elsewhere = Tree::new();
    if fs::metadata(tree.root()).unwrap().uid() == 0 {
        // The program is copied, because it may lie where another user can't go. Another process
        // makes the copy: if this one wrote it, a child of another test might have it open for a
        // moment, and it could not be run.
        let copy = elsewhere.root().join("dirsum");
        let mut cp = Command::new("cp");
        cp.arg(crate::process::program()).arg(&copy);
        run(cp).expect_code(0);
        fs::set_permissions(elsewhere.root(), Permissions::from_mode(0o755)).unwrap();
        command = Command::new(copy);
        command
            .arg(".")
            .current_dir(tree.root())
            .uid(NOBODY)
            .gid(NOBODY);
        // In some places, not even root can become another user, or that user can't reach the
        // temporary files.
        if !can_start(&mut command) {
            eprintln!("cannot run the program as another user");
            return;
        }
    }
    let finished = run(command);
    finished.expect_code(1);
    assert_eq!(finished.out, expected);
    let mut complaints: Vec<_> = finished.err.lines().collect();
    complaints.sort_unstable();
    assert_eq!(complaints.len(), 2, "{finished:?}");
    assert!(complaints[0].starts_with("dirsum: ./closed directory: Permission denied"));
    assert!(complaints[1].starts_with("dirsum: ./closed file: Permission denied"));
}

#[cfg(unix)]
fn can_start(command: &mut std::process::Command) -> bool {
    use std::process::Stdio;
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    !status.is_err_and(|error| error.kind() == std::io::ErrorKind::PermissionDenied)
}

/// The system opens this file, and then refuses to have it read, also for root.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_cannot_be_read_is_reported() {
    let tree = Tree::new();
    let file = format!("/proc/{}/mem", std::process::id());
    let finished = run(dirsum(tree.root(), [&file]));
    finished.expect_code(1);
    assert_eq!(finished.out, "");
    assert!(
        finished.err.starts_with(&format!("dirsum: {file}: ")),
        "{finished:?}"
    );
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    use crate::process::Running;

    let tree = Tree::mixed();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = dirsum(tree.root(), ["."]);
    command.stdout(writer);
    let finished = Running::start_without_out(command).finish();
    assert_eq!(finished.expect_code(0).err, "");
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_a_failure() {
    use crate::process::Running;

    let tree = Tree::new();
    tree.write("file", "x");
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    let mut command = dirsum(tree.root(), ["."]);
    command.stdout(full.unwrap());
    let finished = Running::start_without_out(command).finish();
    finished.expect_code(1);
    assert!(finished.err.starts_with("dirsum: standard output: "));
}

/// Complaints that nobody can read.
#[test]
fn a_closed_standard_error_is_no_panic() {
    let tree = Tree::new();
    tree.write("file", "x");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = dirsum(tree.root(), ["nowhere"]);
    let output = command.stderr(writer).output().unwrap();
    assert_eq!(output.status.code(), Some(1));

    let finished = run(dirsum(tree.root(), ["file"]));
    assert_eq!(finished.expect_code(0).out, line("file", b"x"));
}
