//! One value per thread, per object.
//!
//! A [`Local`] looks like one variable, and is another one in each thread:
//!
//! ```
//! use tk_local::Local;
//!
//! let user = Local::new();
//! user.set("admin");
//! std::thread::scope(|s| {
//!     s.spawn(|| {
//!         assert_eq!(user.get(), None);
//!         user.set("guest");
//!     });
//! });
//! assert_eq!(user.get(), Some("admin"));
//! ```
//!
//! This is `threading.local` of Python. What [`std::thread_local!`] does for a static, it does for
//! any object: there can be one in each connection pool, parser or logger, they come and go, and
//! each has its own values.
//!
//! # A value, or none
//!
//! A thread that has not set a value has none, and each method says so in its type, where Python
//! raises `AttributeError`: [`get`](Local::get) and [`take`](Local::take) return an `Option`,
//! [`with_borrow`](Local::with_borrow) and [`with_borrow_mut`](Local::with_borrow_mut) a `Result`
//! with [`Unset`].
//!
//! With an initializer, each thread has a value from its first read on:
//!
//! ```
//! use tk_local::Local;
//!
//! struct Pool {
//!     buffers: Local<Vec<u8>, Box<dyn Fn() -> Vec<u8> + Send + Sync>>,
//! }
//!
//! impl Pool {
//!     fn new(size: usize) -> Pool {
//!         Pool { buffers: Local::with_init(Box::new(move || Vec::with_capacity(size))) }
//!     }
//! }
//!
//! let pool = Pool::new(4096);
//! let capacity = pool.buffers.with_borrow_mut(|buffer| {
//!     buffer.extend(b"mine alone");
//!     buffer.capacity()
//! });
//! assert_eq!(capacity, Ok(4096));
//! ```
//!
//! A value is borrowed for the time of a closure. What that closure, an initializer or a `clone`
//! does with the same value is checked as in a [`RefCell`](std::cell::RefCell): what cannot be is a
//! panic, and an [`AccessError`] in the methods that begin with `try_`.
//!
//! # The values of all threads
//!
//! Exclusive access to the `Local` gives access to the values of all threads:
//! [`iter_mut`](Local::iter_mut) lends them, [`into_iter`](Local::into_iter) takes them out. No
//! thread can use its value then, but threads may end.
//!
//! Otherwise no thread sees the value of another one in a `Local`. The owner may be changing it,
//! and notes that for itself only, which is why reading costs so little. To look at values while
//! their threads use them, use a [`SharedLocal`]. Its values are set and read but not changed,
//! unless their type is made for it, like an atomic.
//!
//! ```
//! use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
//! use tk_local::SharedLocal;
//!
//! static JOBS: SharedLocal<AtomicUsize> = SharedLocal::with_init(|| AtomicUsize::new(0));
//!
//! JOBS.with(|n| n.fetch_add(1, Relaxed)).unwrap();
//! let by_all: usize = JOBS.iter().map(|n| n.load(Relaxed)).sum();
//! assert_eq!(by_all, 1);
//! ```
//!
//! # When a value is dropped
//!
//! A value is dropped once, by the first of these:
//!
//! - its thread, when it takes or replaces the value;
//! - its thread, when that ends, among its thread-local destructors;
//! - the thread that drops the `Local` or takes the values out of it: all that are left, those of
//!   other threads included;
//! - the thread that looks at the value through `iter_mut`, when it is done, if the value's thread
//!   has ended meanwhile.
//!
//! If a `Local` is dropped while a thread ends, each of the two drops some of the values, and no
//! value is dropped twice or forgotten.
//!
//! A thread that ends drops its values in the reverse order of its first uses: the value in the
//! `Local` that the thread was the last to set or initialize a value in for the first time goes
//! first. Setting a value again does not move it.
//!
//! ## What a value's `Drop` may do
//!
//! Anything. It may set, take, initialize and borrow values in the same and in any other `Local`,
//! iterate over a `SharedLocal`, drop the `Local` that the value was in, start threads, and panic.
//! The value has left its place before its `Drop` begins, and no lock is held.
//!
//! What a `Drop` sets while its thread ends is dropped in turn. That is bounded, as it is with the
//! keys of POSIX threads: a value that is set while another one is dropped is of the next
//! *generation*, and a thread drops 32 generations. While the last of them is dropped, initializers
//! are not called any more: that is [`AccessError::ThreadEnding`]. What is set then is leaked. So a
//! value that logs its end through its own `Local` does not keep its thread from ending.
//!
//! A panic in a value's `Drop` keeps no other value from being dropped. It goes on to the caller
//! that has set, cleared or dropped something; at the end of a thread the panic hook reports it,
//! and no more comes of it.
//!
//! ## Late destructors
//!
//! A thread can use a `Local` in its thread-local destructors, whatever their order. Some of them
//! may run after the thread has dropped its values. What is set or initialized then stays until the
//! `Local` is dropped, or until a later thread that gets the same [slot](tk_core::Slot) sets a
//! value and drops that one. No other thread reads it. The same goes for a value that is in use
//! while its thread ends, which takes a call of `std::process::exit` in a closure or an
//! initializer.
//!
//! A thread that joins another one finds its values dropped. The end of a [`std::thread::scope`] by
//! itself does not wait for that, as it does not wait for thread-local destructors.
//!
//! The main thread's values are dropped like any other's, if the system runs its thread-local
//! destructors: with `tk_thread::main`, after all threads that the program waits for. Values in a
//! static are never dropped for the sake of the static, so those of daemon threads are left behind
//! with them.
//!
//! # What it costs
//!
//! Every thread has a slot: a small number, its own while it lives. A read loads the slot, follows
//! a pointer, compares the owner's id, and marks the value as borrowed, in memory that no other
//! thread uses. There is no lock, no hashing, and no atomic read-modify-write. The `get` of a
//! number, a `bool` or a `char` is without the mark.
//!
//! The first value of a thread in a `Local` allocates, unless a former thread in the same slot had
//! one there; later ones reuse the place. A thread's very first one registers it with tk, if it is
//! not known there.
//!
//! A `Local` is 35 words. Per thread that has set a value it has one place for it, of the value and
//! six words more, and beyond the first 31 threads a share in pages of 32 pointers, of which a read
//! then goes through two. A thread that has a slot reuses the place of the one that had it before,
//! so the number of places is that of threads at one time, not of all that ever were. What a
//! `Local` leaves behind in threads that have set a value in it is the empty place, until the
//! thread sets more.
//!
//! Values need not be `Send`, but to share the `Local` between threads they must: `Local<T>` is
//! `Send` and `Sync` if `T` is `Send`. A `SharedLocal<T>` is if `T` is `Send` and `Sync`.

mod caller;
mod error;
mod iter;
mod list;
mod local;
mod node;
mod shared;
mod sync;
mod table;

pub use error::{AccessError, SetError, Unset};
pub use iter::{IntoIter, IterMut, ValueMut};
pub use local::Local;
pub use shared::{SharedIter, SharedLocal};
#[cfg(tk_loom)]
#[doc(hidden)]
pub use sync::model;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
