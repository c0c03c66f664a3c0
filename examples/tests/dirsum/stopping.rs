//! Ctrl-C. The tests read from `/proc` how far the program has got, and wait for that.

use std::fs;
use std::path::Path;

use crate::process::{Running, dirsum};
use crate::tree::{Tree, line};

/// How many files below the directory the process has open.
fn open_files(id: u32, directory: &Path) -> usize {
    let Ok(descriptors) = fs::read_dir(format!("/proc/{id}/fd")) else {
        return 0;
    };
    descriptors
        .flatten()
        .filter_map(|descriptor| fs::read_link(descriptor.path()).ok())
        // The directory itself is open while it is read.
        .filter(|target| target.starts_with(directory) && target.is_file())
        .count()
}

/// The names of the process's threads, as the system knows them.
fn threads(id: u32) -> Vec<String> {
    let Ok(threads) = fs::read_dir(format!("/proc/{id}/task")) else {
        return Vec::new();
    };
    let name = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("comm")).ok();
    threads
        .flatten()
        .filter_map(name)
        .map(|name| name.trim_end().to_owned())
        .collect()
}

/// Whether the main thread sleeps, be it in the queue or to join a thread.
fn main_sleeps(id: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{id}/task/{id}/stat"));
    stat.is_ok_and(|stat| stat.contains(") S "))
}

#[test]
fn ctrl_c_stops_in_the_middle_of_a_file_and_prints_what_is_finished() {
    let tree = Tree::mixed();
    let finished_sums = tree.sums(".");
    tree.write_huge("huge");
    let mut running = Running::start(dirsum(tree.root(), ["--jobs", "2", "."]));
    let id = running.id();
    running.wait_until("the huge file is open", || {
        open_files(id, &tree.root().join("huge")) == 1
    });
    // When one of the two hashers has ended, all files but the huge one are done. (A thread has no
    // name of its own yet when it starts. But both were started before the huge file was opened, so
    // all names count.)
    running.wait_until("one hasher is left", || {
        let mut names = threads(id);
        names.sort_unstable();
        names == ["ctrl-c", "dirsum", "hasher-1"] || names == ["ctrl-c", "dirsum", "hasher-2"]
    });
    running.interrupt();
    let finished = running.finish();
    finished.expect_code(130);
    assert_eq!(finished.out, finished_sums);
    assert_eq!(finished.err, "dirsum: interrupted\n");
}

#[test]
fn ctrl_c_ends_the_wait_for_room_in_the_queue() {
    let tree = Tree::new();
    // Wherever the first huge file comes in the directory, the others are more than the queue has
    // room for.
    for n in 0..10 {
        tree.write_huge(&format!("huge-{n}"));
        tree.write(&format!("small-{n}"), n.to_string());
    }
    let mut running = Running::start(dirsum(tree.root(), ["--jobs=1", "."]));
    let id = running.id();
    running.wait_until("a huge file is open, and the walk waits", || {
        open_files(id, tree.root()) == 1 && main_sleeps(id)
    });
    running.interrupt();
    let finished = running.finish();
    finished.expect_code(130);
    // The sums that were finished before are there, in their order, whichever they are.
    let small = |n: u32| line(&format!("./small-{n}"), n.to_string().as_bytes());
    let expected: String = (0..10)
        .map(small)
        .filter(|line| finished.out.contains(line.as_str()))
        .collect();
    assert_eq!(finished.out, expected);
}
