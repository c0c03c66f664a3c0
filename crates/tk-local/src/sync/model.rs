//! loom's atomics and cells, and threads that a model begins and ends by hand. To std, all threads
//! of a model are one.

use std::cell::{Cell, RefCell};

pub(crate) use loom::cell::UnsafeCell;
pub(crate) use loom::sync::atomic::{AtomicIsize, AtomicU32, AtomicU64, Ordering};

/// std's `thread_local!` with constants, by loom's.
macro_rules! per_thread {
    ($($(#[$attribute:meta])* static $name:ident: $type:ty = const $value:block;)*) => {
        loom::thread_local! {
            $($(#[$attribute])* static $name: $type = $value;)*
        }
    };
}
pub(crate) use per_thread as thread_local;

type Callback = Box<dyn FnOnce() + Send>;

loom::thread_local! {
    static ME: Cell<(u32, u64)> = Cell::new((0, 0));
    static AT_EXIT: RefCell<Option<Vec<Callback>>> = RefCell::new(Some(Vec::new()));
}

/// Gives the calling thread of a model this slot and this id.
pub fn begin_thread(slot: u32, id: u64) {
    ME.with(|me| me.set((slot, id)));
}

/// Does what tk-core does at the end of a thread. The thread's later calls count as those of late
/// destructors.
pub fn end_thread() {
    while let Some(f) = AT_EXIT.with(|list| list.borrow_mut().as_mut().and_then(Vec::pop)) {
        f();
    }
    AT_EXIT.with(|list| list.replace(None));
}

pub(crate) fn peek() -> (u32, u64) {
    ME.with(Cell::get)
}

pub(crate) fn register() -> u64 {
    let (slot, id) = peek();
    assert_ne!(slot, 0, "a thread of a model begins with `begin_thread`");
    id
}

pub(crate) fn at_thread_exit(f: Callback) -> Result<(), Callback> {
    AT_EXIT.with(|list| match &mut *list.borrow_mut() {
        Some(list) => {
            list.push(f);
            Ok(())
        }
        None => Err(f),
    })
}

/// Releases the nodes of `Local`s that are gone, as a thread does from time to time.
pub fn sweep() {
    crate::caller::sweep();
}
