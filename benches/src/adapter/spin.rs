//! spin: a thread that waits keeps its processor.

use crate::kind::{Barrier, Mutex};

/// Its mutex.
pub struct Lock(spin::Mutex<u64>);

/// Its barrier.
pub struct Meeting(spin::Barrier);

super::named!("spin": Lock, Meeting);

impl Mutex for Lock {
    fn new() -> Self {
        Lock(spin::Mutex::new(0))
    }

    #[inline]
    fn with<R>(&self, f: impl FnOnce(&mut u64) -> R) -> R {
        f(&mut self.0.lock())
    }
}

impl Barrier for Meeting {
    fn new(parties: usize) -> Self {
        Meeting(spin::Barrier::new(parties))
    }

    fn wait(&self) {
        self.0.wait();
    }
}
