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
//! This is `threading.local` of Python. What [`std::thread_local!`] does for a static, it does for any object: there
//! can be one in each connection pool, parser or logger, they come and go, and each has its own values.
//!
//! # A value, or none
//!
//! A thread that has not set a value has none, and each method says so in its type, where Python raises
//! `AttributeError`: [`get`](Local::get) and [`take`](Local::take) return an `Option`,
//! [`with_borrow`](Local::with_borrow) and [`with_borrow_mut`](Local::with_borrow_mut) a `Result` with [`Unset`].
//!
//! With an initialiser, whoever reads has a value. It is called in each thread, when that first reads:
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
//! A value is borrowed for the time of a closure. What that closure, an initialiser or a `clone` does with the same
//! value is checked as in a [`RefCell`](std::cell::RefCell): what cannot be is a panic, and an [`AccessError`] in the
//! methods that begin with `try_`.
//!
//! # When a value is dropped
//!
//! Once, and by whoever comes first:
//!
//! - the thread, when it takes or replaces the value;
//! - the thread, when it ends. That is when its thread-local destructors run, the latest value first. A value's `drop`
//!   may use this and any other `Local`; what it sets is dropped as well;
//! - whoever drops the `Local`: all values that are left, those of other threads included.
//!
//! When a `Local` goes at the same time as a thread ends, each of the two drops some of the values, and none is dropped
//! twice or forgotten. A panic in a value's `drop` keeps no other value from being dropped. It goes on to who has set,
//! cleared or dropped; at the end of a thread it is reported by the panic hook, and no more comes of it.
//!
//! A thread can use a `Local` in its thread-local destructors, whatever their order. Some of them may run when the
//! thread has dropped its values. What is set then stays until the `Local` is dropped, or until a later thread that
//! gets the slot sets a value and drops that one. No other thread reads it.
//!
//! Who joins a thread finds its values dropped. The end of a [`std::thread::scope`] by itself does not wait for that,
//! as it does not wait for thread-local destructors.
//!
//! The main thread's values are dropped like any other's, if the system runs its thread-local destructors. Values in a
//! static are never dropped for the sake of the static. A program that has to clean up should do so before `main`
//! returns.
//!
//! # What it costs
//!
//! A read is a handful of loads and two stores, in the memory of the thread itself. There is no lock and no
//! hashing. The first value of a thread in a `Local` allocates; later ones reuse the place.
//!
//! A `Local` that was never set is three words. Otherwise it has a table of less than half a kilobyte, and per thread
//! that has set a value, one place for it and a share in a page of 32 pointers. A thread that has a slot reuses the
//! place of the one that had it before, so the number of places is that of threads at one time, not of all that ever
//! were.
//!
//! Values need not be `Send`, but to share the `Local` between threads they must: `Local<T>` is `Send` and `Sync` if
//! `T` is `Send`.

mod caller;
mod error;
mod iter;
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
