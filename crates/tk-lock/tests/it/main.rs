//! The promises of locks.
#![cfg(not(tk_loom))]

mod converting;
mod java;
mod lazy_lock;
mod light;
mod lock;
#[cfg(feature = "lock_api_04")]
mod lock_api_04;
mod once;
mod once_lock;
mod raw_lock;
mod rlock;
mod rwlock;
mod send;
mod stress;
