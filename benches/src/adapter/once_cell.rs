//! once_cell.

use crate::kind::OnceCell;

/// Its cell for threads.
pub struct WrittenOnce(once_cell::sync::OnceCell<u64>);

super::named!("once_cell": WrittenOnce);

impl OnceCell for WrittenOnce {
    fn new() -> Self {
        WrittenOnce(once_cell::sync::OnceCell::new())
    }

    #[inline]
    fn get(&self) -> Option<u64> {
        self.0.get().copied()
    }

    #[inline]
    fn get_or_init(&self, f: impl FnOnce() -> u64) -> u64 {
        *self.0.get_or_init(f)
    }
}
