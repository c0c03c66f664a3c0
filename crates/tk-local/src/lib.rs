//! One value per thread, per object.
//!
//! A [`Local`] looks like one variable, and has a different value in each thread:
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
//! This is Python's `threading.local`. [`std::thread_local!`] works for statics only. A `Local`
//! works in any object: each connection pool, parser or logger can have its own, and they can be
//! created and dropped at any time.
//!
//! # Threads without a value
//!
//! A thread that has not set a value has none. Python raises `AttributeError` then. Here the type
//! of each method shows it: [`get`](Local::get) and [`take`](Local::take) return an `Option`, and
//! [`with_borrow`](Local::with_borrow) and [`with_borrow_mut`](Local::with_borrow_mut) return a
//! `Result` with [`Unset`].
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
//! A value is borrowed for the duration of a closure. Borrows are checked at run time, as in a
//! [`RefCell`](std::cell::RefCell). The closure, an initializer or a `clone` may use the same value
//! again. If that use conflicts with the borrow, it panics. The methods that start with `try_`
//! return an [`AccessError`] instead.
//!
//! # The values of all threads
//!
//! Exclusive access to the `Local` gives access to the values of all threads:
//! [`iter_mut`](Local::iter_mut) lends them, and [`into_iter`](Local#method.into_iter) takes them.
//! No thread can use its value during that, but threads may end.
//!
//! Without exclusive access, no thread sees the value of another one in a `Local`. The owner may be
//! changing it, and records that for itself only, which is why a read costs so little. Use a
//! [`SharedLocal`] to read values while their threads use them. A thread can set and read its value
//! there, but it can change it only if the type allows that, like an atomic.
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
//! - the thread that drops the `Local` or takes the values out of it, which drops or takes the
//!   values of all threads;
//! - the thread that has the value from `iter_mut`, when it drops the guard, if the value's thread
//!   has ended meanwhile.
//!
//! If a `Local` is dropped while a thread ends, each of the two drops some of the values. No value
//! is dropped twice or leaked.
//!
//! A thread that ends drops its values in reverse order: the value in the `Local` that the thread
//! first used last is dropped first. Setting a value again does not change the order.
//!
//! ## What a value's `Drop` may do
//!
//! The `Drop` of a value may do anything. It may set, take, initialize and borrow values in the
//! same and in any other `Local`. It may iterate over a `SharedLocal`, drop the `Local` that the
//! value was in, start threads, and panic. The value has left its place before its `Drop` starts,
//! and no lock is held.
//!
//! A value that such a `Drop` sets while its thread ends is dropped in turn. This is bounded, as
//! with the keys of POSIX threads. A value that is set while another one is dropped belongs to the
//! next *generation*, and a thread drops 32 generations. While the last of them is dropped,
//! initializers are refused with [`AccessError::ThreadEnding`], and values that are set are leaked.
//! So a value that logs its end through its own `Local` does not keep its thread from ending.
//!
//! A panic in a value's `Drop` does not keep other values from being dropped. The panic goes on to
//! the caller that has set, cleared or dropped something. At the end of a thread, the panic hook
//! reports it, and it has no other effect.
//!
//! ## Late destructors
//!
//! A thread can use a `Local` in its thread-local destructors, in any order. Some of them may run
//! after the thread has dropped its values. A value that is set or initialized then stays until the
//! `Local` is dropped, or until a later thread in the same [slot](tk_core::Slot) sets a value and
//! drops the old one. No other thread reads it. The same holds for a value that is in use while its
//! thread ends. That takes a call of `std::process::exit` in a closure or an initializer.
//!
//! When a join of a thread returns, the thread's values have been dropped. The end of a
//! [`std::thread::scope`] alone does not wait for that, nor for any other thread-local destructors.
//!
//! The main thread's values are dropped if the system runs its thread-local destructors. With
//! `tk_thread::main`, that is after all threads that the program waits for. A `Local` in a static
//! is never dropped, so the values of daemon threads are leaked when the program ends.
//!
//! # What it costs
//!
//! Each thread has a slot: a small number that is its own while it lives. A read loads the slot,
//! follows a pointer, compares the owner's id, and marks the value as borrowed. The mark is in
//! memory that no other thread uses. There is no lock, no hashing, and no atomic read-modify-write.
//! The `get` of a number, a `bool` or a `char` needs no mark.
//!
//! A thread's first value in a `Local` allocates a place for it, unless a former thread in the same
//! slot had one there. Later values reuse the place. A thread's very first value also registers the
//! thread with tk, unless it is registered.
//!
//! A `Local` is 35 words. Each place takes the size of the value and six words more. Beyond the
//! first 31 threads, a place also takes a share of a page of 32 pointers, and a read goes through
//! two pages. A thread reuses the place of the former thread in its slot, so the number of places
//! is that of threads at one time, not of all threads ever. When a `Local` is dropped, the empty
//! place of each thread stays until that thread sets more values or ends.
//!
//! Values need not be `Send`, but sharing a `Local` between threads takes that: `Local<T>` is
//! `Send` and `Sync` if `T` is `Send`. A `SharedLocal<T>` is `Send` and `Sync` if `T` is both.

mod caller;
mod chain;
mod error;
mod iter;
mod local;
mod node;
mod node_list;
mod node_ref;
mod shared;
mod state;
mod sync;
mod table;
mod values;

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
