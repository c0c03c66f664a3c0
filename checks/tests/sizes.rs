//! The sizes in the documents against those of the types.

// Elsewhere they may differ.
#![cfg(all(target_os = "linux", target_pointer_width = "64"))]

use std::path::Path;

use tk_barrier::Barrier;
use tk_condvar::{Condition, Condvar, Monitor};
use tk_event::Event;
use tk_local::{Local, SharedLocal};
use tk_lock::{Lock, Once, RLock, RwLock};
use tk_semaphore::{BoundedSemaphore, Semaphore};
use tk_thread::JoinHandle;

/// A file of the repository.
fn read(path: &str) -> String {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    std::fs::read_to_string(root.join(path)).unwrap()
}

/// A cell of the first table of a section of docs/COMPARE.md.
fn cell(section: &str, row: &str, column: &str) -> String {
    let page = read("docs/COMPARE.md");
    let mut lines = page
        .lines()
        .skip_while(|line| *line != format!("## {section}"));
    let mut cells_of = |is_wanted: &dyn Fn(&str) -> bool| {
        let line = lines
            .by_ref()
            .find(|line| line.starts_with('|') && is_wanted(line));
        let line = line.unwrap_or_else(|| panic!("no {row} in {section}"));
        line.split('|')
            .map(|cell| cell.trim().to_owned())
            .collect::<Vec<_>>()
    };
    let head = cells_of(&|_| true);
    let column = head.iter().position(|cell| cell == column).unwrap();
    cells_of(&|line| line.starts_with(&format!("| {row} |")))[column].clone()
}

#[test]
fn the_tables_of_compare_have_the_sizes() {
    let semaphores = format!(
        "{}, bounded {}",
        size_of::<Semaphore>(),
        size_of::<BoundedSemaphore>()
    );
    let bytes = |section, row| cell(section, row, "bytes");
    assert_eq!(
        bytes("Events", "tk `Event`"),
        size_of::<Event>().to_string()
    );
    assert_eq!(bytes("Semaphores", "tk `Semaphore`"), semaphores);
    assert_eq!(
        bytes("Barriers", "tk `Barrier`"),
        size_of::<Barrier>().to_string()
    );
    let local = bytes("Per-thread data", "tk `Local<T>`");
    assert_eq!(local, size_of::<Local<u32>>().to_string());
    let shared = bytes("Per-thread data", "tk `SharedLocal<T>`");
    assert_eq!(shared, size_of::<SharedLocal<u32>>().to_string());

    let of_lock = format!(
        "{}; {} with a `u8`",
        size_of::<Lock<()>>(),
        size_of::<Lock<u8>>()
    );
    let of_condition = format!(
        "{}; `Monitor` {}",
        size_of::<Condition<()>>(),
        size_of::<Monitor<()>>()
    );
    let tk = |row| cell("Sizes", row, "tk");
    assert_eq!(tk("lock"), of_lock);
    assert_eq!(tk("reentrant lock"), size_of::<RLock<()>>().to_string());
    assert_eq!(tk("read-write lock"), size_of::<RwLock<()>>().to_string());
    assert_eq!(tk("once"), size_of::<Once>().to_string());
    assert_eq!(tk("condition variable"), size_of::<Condvar>().to_string());
    assert_eq!(tk("lock and condition"), of_condition);
    assert_eq!(tk("event"), size_of::<Event>().to_string());
    assert_eq!(tk("semaphore"), semaphores.replace(',', ";"));
    assert_eq!(tk("barrier"), size_of::<Barrier>().to_string());
    assert_eq!(tk("per-thread data"), size_of::<Local<u32>>().to_string());
    assert_eq!(
        tk("handle of a thread"),
        size_of::<JoinHandle<()>>().to_string()
    );
}

#[test]
fn other_documents_have_the_sizes() {
    let (lock, rlock) = (size_of::<Lock<()>>(), size_of::<RLock<()>>());
    let (rwlock, once, condvar) = (
        size_of::<RwLock<()>>(),
        size_of::<Once>(),
        size_of::<Condvar>(),
    );
    let (event, barrier) = (size_of::<Event>(), size_of::<Barrier>());

    let compare = read("docs/COMPARE.md");
    assert!(compare.contains(&format!(
        "**Locks are larger**: {lock} bytes beside the value"
    )));
    assert!(compare.contains(&format!("A `Barrier` takes {barrier} bytes")));
    let tk_event = read("crates/tk-event/README.md");
    assert!(tk_event.contains(&format!("An event takes {event} bytes")));
    let tk_lock = read("crates/tk-lock/README.md") + &read("crates/tk-lock/src/lib.rs");
    assert!(tk_lock.contains(&format!("`Lock<T>` takes {lock} bytes beside the value")));
    assert!(tk_lock.contains(&format!("and takes {rwlock} bytes beside the value")));
    assert!(tk_lock.contains(&format!(
        "A lock takes {lock} bytes beside the value, and a reentrant lock {rlock}"
    )));
    let migrate = read("docs/MIGRATE.md");
    assert!(migrate.contains(&format!("| {lock} bytes beside the value, not 1 |")));
    assert!(migrate.contains(&format!("| {rwlock} bytes beside the value, not 8;")));
    assert!(migrate.contains(&format!("| {once} bytes, not one;")));
    for name in ["tk-parking-lot", "tk-parking-lot-012"] {
        let readme = read(&format!("crates/{name}/README.md"));
        assert!((rwlock, condvar) == (once, once));
        assert!(readme.contains(&format!(
            "a `Mutex` takes {lock} bytes beside the value, an `RwLock`, a `Condvar` and a `Once` \
             take {once}"
        )));
        let docs = read(&format!("crates/{name}/src/lib.rs"));
        let row = format!("| 1, 8, 8, 1 | {lock}, {rwlock}, {condvar}, {once} |");
        assert!(docs.contains(&row));
    }
}
