//! A global allocator that waits for a semaphore can come to wait behind the thread that it serves.
//! In that case, the program aborts with a message, and does not hang.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::process::Command;
use std::time::Duration;

use tk_semaphore::Semaphore;

static NEVER_FREE: Semaphore = Semaphore::new(0);

/// Longer than the test waits, so that a program that hangs does not end by itself.
const LONG: Duration = Duration::from_secs(20);

thread_local! {
    /// Whether the next allocation of this thread waits for the semaphore.
    static WAITS: Cell<bool> = const { Cell::new(false) };
}

/// The system's allocator, which waits for the semaphore if it is told to.
struct Waiting;

// SAFETY: the system's allocator does the work.
unsafe impl GlobalAlloc for Waiting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if WAITS.replace(false) {
            drop(NEVER_FREE.acquire_for(LONG));
        }
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Waiting = Waiting;

/// The program that aborts. Does nothing in a run of all tests.
#[test]
fn child() {
    if std::env::var_os("TK_ALLOCATOR_CHILD").is_none() {
        return;
    }
    // The thread's first use of the kit: it is registered, which allocates, in the queue.
    let thread = std::thread::spawn(|| {
        WAITS.set(true);
        drop(NEVER_FREE.acquire_for(LONG));
    });
    thread.join().unwrap();
}

#[test]
fn a_wait_of_the_allocator_behind_its_own_thread_aborts_with_a_message() {
    let program = std::env::current_exe().unwrap();
    let child = Command::new(program)
        .args(["--exact", "child", "--nocapture"])
        .env("TK_ALLOCATOR_CHILD", "yes")
        .output()
        .unwrap();
    assert!(!child.status.success());
    let said = String::from_utf8_lossy(&child.stderr);
    assert!(
        said.contains("fatal: the global allocator waits for"),
        "{said}"
    );
}
