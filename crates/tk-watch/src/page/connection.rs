//! The connection that a thread serves.

use std::net::{Shutdown, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The place for the one connection of a thread, so that another thread can cut it.
#[derive(Default)]
pub(super) struct Connection(Mutex<Option<TcpStream>>);

impl Connection {
    /// Calls `f` with a connection that can be cut. A panic in `f` ends here.
    pub(super) fn serve(&self, stream: TcpStream, f: impl FnOnce(&TcpStream)) {
        // Without a second handle, the connection ends by its time limits.
        *self.lock() = stream.try_clone().ok();
        // The panic hook has reported it, and the program goes on.
        let _ = catch_unwind(AssertUnwindSafe(|| f(&stream)));
        let handle = self.lock().take();
        drop(handle);
    }

    /// Cuts the connection, if there is one: reads and writes end now.
    pub(super) fn cut(&self) {
        if let Some(stream) = &*self.lock() {
            // It may have ended by itself.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<TcpStream>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
