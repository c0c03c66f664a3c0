//! The names of threads.

use std::panic::AssertUnwindSafe;

use tk_thread::{Builder, Run, current, enumerate, main_thread, spawn, spawn_with};

fn worker() -> String {
    current().name()
}

fn worker_with(_: u32) -> String {
    current().name()
}

struct Task;

impl Run for Task {
    type Output = String;

    fn run(self) -> String {
        current().name()
    }
}

/// `Thread-N` and what follows the number.
fn suffix(name: &str) -> &str {
    let rest = name.strip_prefix("Thread-").unwrap();
    rest.trim_start_matches(|c: char| c.is_ascii_digit())
}

#[test]
fn a_thread_is_called_after_its_function() {
    assert_eq!(suffix(&spawn(worker).join().unwrap()), " (worker)");
    assert_eq!(
        suffix(&spawn_with(worker_with, 1).join().unwrap()),
        " (worker_with)"
    );
}

#[test]
fn what_has_no_name_gives_none() {
    assert_eq!(suffix(&spawn(|| current().name()).join().unwrap()), "");
    assert_eq!(suffix(&spawn(worker as fn() -> String).join().unwrap()), "");
    assert_eq!(suffix(&spawn(AssertUnwindSafe(worker)).join().unwrap()), "");
    assert_eq!(suffix(&Task.start().join().unwrap()), "");
}

#[test]
fn a_given_name_is_taken_and_an_empty_one_is_none() {
    let name = |name: &str| {
        Builder::new()
            .name(name)
            .spawn(worker)
            .unwrap()
            .join()
            .unwrap()
    };
    assert_eq!(name("5"), "5");
    assert_eq!(suffix(&name("")), " (worker)");
    assert_eq!(
        Builder::new()
            .name("task")
            .run(Task)
            .unwrap()
            .join()
            .unwrap(),
        "task"
    );
}

#[test]
fn any_name_will_do() {
    for name in ["nul\0inside", "\0", "äöüäöüäöü", &"x".repeat(10_000)] {
        let handle = Builder::new().name(name).spawn(worker).unwrap();
        assert_eq!(handle.name(), name);
        assert_eq!(handle.join().unwrap(), name);
    }
}

#[test]
#[cfg(target_os = "linux")]
fn the_system_knows_the_name() {
    let comm = || std::fs::read_to_string("/proc/thread-self/comm").unwrap();
    let seen = |name: &str| {
        Builder::new()
            .name(name)
            .spawn(comm)
            .unwrap()
            .join()
            .unwrap()
    };
    assert_eq!(seen("painter"), "painter\n");
    assert_eq!(seen("äöüäöüäöü"), "äöüäöüä\n");
    assert_eq!(seen("nul\0inside"), "nul\n");
}

#[test]
fn numbers_are_taken_in_the_order_of_starting() {
    let number = |name: String| suffix_free(&name);
    let (first, second) = (spawn(|| ()), spawn(|| ()));
    assert!(number(first.name()) < number(second.name()));
}

fn suffix_free(name: &str) -> u64 {
    let digits = &name["Thread-".len()..name.len() - suffix(name).len()];
    digits.parse().unwrap()
}

#[test]
fn the_main_thread_comes_first() {
    assert_eq!(main_thread().name(), "MainThread");
    assert_eq!(enumerate()[0], main_thread());
}

#[test]
fn debug_is_as_pythons_repr() {
    let handle = Builder::new()
        .name("shown")
        .daemon(true)
        .spawn(|| format!("{:?}", current()))
        .unwrap();
    let (thread, id) = (handle.thread().clone(), handle.id());
    assert_eq!(
        handle.join().unwrap(),
        format!("<Thread(shown, started daemon {id})>")
    );
    assert_eq!(
        format!("{thread:?}"),
        format!("<Thread(shown, stopped daemon {id})>")
    );
}

#[test]
fn a_thread_can_be_renamed_by_another() {
    let handle = spawn({
        let me = current();
        move || me.is_alive()
    });
    handle.set_name("renamed");
    assert_eq!(handle.name(), "renamed");
    handle.join().unwrap();
}
