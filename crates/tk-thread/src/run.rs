//! Tasks that are values.

use crate::{Builder, JoinHandle};

/// Something that a thread can run: what Python does by a subclass of `Thread`.
///
/// ```
/// use tk_thread::Run;
///
/// struct Sum(Vec<u32>);
///
/// impl Run for Sum {
///     type Output = u32;
///
///     fn run(self) -> u32 {
///         self.0.iter().sum()
///     }
/// }
///
/// assert_eq!(Sum(vec![1, 2, 3]).start().join().unwrap(), 6);
/// ```
#[doc(alias = "threading.Thread.run")]
pub trait Run: Send + Sized + 'static {
    /// What the thread's join returns.
    type Output: Send + 'static;

    /// What the thread does.
    fn run(self) -> Self::Output;

    /// Starts a thread that runs this, under the name `Thread-N`. See [`Builder::run`] for other names.
    ///
    /// # Panics
    ///
    /// If the operating system does not start it.
    #[track_caller]
    fn start(self) -> JoinHandle<Self::Output> {
        Builder::new().run(self).expect("failed to start a thread")
    }
}
