use std::panic::{AssertUnwindSafe, catch_unwind};

/// Forks. The child calls `child` and ends; the parent waits until the child has ended.
///
/// # Panics
///
/// The parent panics if `child` panicked.
#[track_caller]
pub fn fork(child: impl FnOnce()) {
    if is_child_of_fork() {
        let result = catch_unwind(AssertUnwindSafe(child));
        // `_exit` runs no exit handlers: those are the parent's.
        // SAFETY: `_exit` ends the process and has no other effect.
        unsafe { libc::_exit(if result.is_ok() { 0 } else { 1 }) }
    }
}

/// Forks. Returns `true` in the child. Returns `false` in the parent, when the child has ended.
///
/// # Panics
///
/// The parent panics if the child's exit code was not zero.
#[track_caller]
pub fn is_child_of_fork() -> bool {
    // SAFETY: the child is one thread with a copy of the memory. The tests that call this use no
    // locks there but those of the kit, of the allocator and of the standard output, which are in
    // order after a fork.
    let child = unsafe { libc::fork() };
    if child == 0 {
        return true;
    }
    let mut status = 0;
    // SAFETY: `status` can be written to.
    assert_eq!(unsafe { libc::waitpid(child, &mut status, 0) }, child);
    assert_eq!(status, 0, "the child's end was not a good one");
    false
}
