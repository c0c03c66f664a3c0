//! thread_local: a value per thread and object.

use std::cell::Cell;

use thread_local::ThreadLocal;

use crate::kind::{Halves, Local};

/// A number in it.
pub struct Number(ThreadLocal<Cell<u64>>);

/// A struct in it.
pub struct Pair(ThreadLocal<Cell<Halves>>);

super::named!("thread_local": Number, Pair);

impl Local for Number {
    fn new() -> Self {
        Number(ThreadLocal::new())
    }

    #[inline]
    fn get(&self) -> Option<u64> {
        self.0.get().map(Cell::get)
    }

    #[inline]
    fn set_first(&self, value: u64) {
        self.0.get_or(|| Cell::new(value));
    }
}

impl Local for Pair {
    fn new() -> Self {
        Pair(ThreadLocal::new())
    }

    #[inline]
    fn get(&self) -> Option<u64> {
        self.0.get().map(|value| value.get().into())
    }

    #[inline]
    fn set_first(&self, value: u64) {
        self.0.get_or(|| Cell::new(value.into()));
    }
}
