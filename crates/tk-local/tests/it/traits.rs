//! The traits of the types.

use std::cell::Cell;
use std::error::Error;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::rc::Rc;
use std::sync::MutexGuard;
use std::sync::atomic::AtomicU32;

use static_assertions::{assert_impl_all, assert_not_impl_any};
use tk_local::{
    AccessError, IntoIter, IterMut, Local, SetError, SharedIter, SharedLocal, Unset, ValueMut,
};

assert_impl_all!(Local<u32>: Send, Sync, Default, std::fmt::Debug);
assert_impl_all!(Local<Cell<u32>>: Send, Sync);
assert_impl_all!(Local<u32, Box<dyn Fn() -> u32 + Send + Sync>>: Send, Sync);
assert_not_impl_any!(Local<Rc<u32>>: Send, Sync);
assert_not_impl_any!(Local<MutexGuard<'static, u32>>: Send, Sync);
assert_not_impl_any!(Local<u32, Rc<u32>>: Send, Sync);
assert_not_impl_any!(Local<u32, Box<dyn Fn() -> u32 + Send>>: Sync);

assert_impl_all!(SharedLocal<u32>: Send, Sync, Default, std::fmt::Debug);
assert_not_impl_any!(SharedLocal<Rc<u32>>: Send, Sync);
// A look from another thread shares it.
assert_not_impl_any!(SharedLocal<Cell<u32>>: Send, Sync);
assert_impl_all!(SharedIter<u32>: Send, Sync, ExactSizeIterator);

assert_impl_all!(IntoIter<Cell<u32>>: Send, ExactSizeIterator);
assert_impl_all!(IterMut<'static, Cell<u32>>: Send, Iterator);
assert_impl_all!(ValueMut<'static, Cell<u32>>: Send);
assert_not_impl_any!(ValueMut<'static, Cell<u32>>: Sync);
assert_not_impl_any!(ValueMut<'static, Rc<u32>>: Send);
assert_not_impl_any!(IterMut<'static, Rc<u32>>: Send);

// As `std::thread::LocalKey`, and a mutable reference, and an `Arc`.
assert_impl_all!(Local<Cell<u32>>: UnwindSafe, RefUnwindSafe);
assert_impl_all!(SharedLocal<AtomicU32>: UnwindSafe, RefUnwindSafe);
assert_not_impl_any!(Local<u32, Cell<u32>>: RefUnwindSafe);
assert_not_impl_any!(SharedLocal<Cell<u32>>: UnwindSafe, RefUnwindSafe);
assert_impl_all!(ValueMut<'static, u32>: RefUnwindSafe);
assert_impl_all!(IterMut<'static, u32>: RefUnwindSafe);
assert_not_impl_any!(ValueMut<'static, u32>: UnwindSafe);
assert_not_impl_any!(ValueMut<'static, Cell<u32>>: RefUnwindSafe);
assert_not_impl_any!(IterMut<'static, u32>: UnwindSafe);
assert_impl_all!(IntoIter<u32>: UnwindSafe, RefUnwindSafe);
assert_impl_all!(SharedIter<u32>: UnwindSafe, RefUnwindSafe);

assert_impl_all!(Unset: Error, Send, Sync, Copy);
assert_impl_all!(AccessError: Error, Send, Sync, Copy, From<Unset>);
assert_impl_all!(SetError<Cell<u32>>: Error, Send);

#[test]
fn a_static_can_have_an_initializer() {
    static LOCAL: Local<Vec<u32>> = Local::with_init(|| vec![1]);
    assert_eq!(LOCAL.get(), Some(vec![1]));
}

#[test]
fn an_unused_local_is_small() {
    // 32 entries, two pages, and the initializer.
    assert!(size_of::<Local<[u64; 100]>>() <= 35 * size_of::<usize>());
}

#[test]
fn debug_shows_no_value_and_works_at_any_time() {
    let local = Local::with_init(|| "secret");
    assert_eq!(format!("{local:?}"), "Local { is_set: false, .. }");
    local.set("secret");
    assert_eq!(format!("{local:?}"), "Local { is_set: true, .. }");
    let inside = local.with_borrow_mut(|_| format!("{local:?}")).unwrap();
    assert_eq!(inside, "Local { is_set: true, .. }");

    let error = local.with_borrow(|_| local.try_set("secret")).unwrap();
    let shown = format!("{:?}", error.unwrap_err());
    assert_eq!(shown, "SetError { reason: Borrowed, .. }");
}

#[test]
fn a_thread_that_only_looks_is_not_registered() {
    static LOCAL: Local<u32> = Local::new();
    LOCAL.set(1);
    let before = std::thread::Builder::new()
        .name("looks at a local".into())
        .spawn(|| {
            let _ = (LOCAL.is_set(), LOCAL.get(), LOCAL.take(), &LOCAL);
            tk_core::enumerate()
        });
    let threads = before.unwrap().join().unwrap();
    assert!(threads.iter().all(|t| &*t.name() != "looks at a local"));
}

#[test]
fn values_need_not_be_send_where_the_local_is_not_shared() {
    let local = Local::new();
    local.set(Rc::new(1));
    let other = local.get().unwrap();
    assert_eq!(Rc::strong_count(&other), 2);
    drop(local);
    assert_eq!(Rc::strong_count(&other), 1);
}
