//! Tasks as values.

use crate::builder::started;
use crate::{Builder, JoinHandle};

/// A value that a thread can run. In Python, this is a subclass of `Thread`.
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
    /// The type that the thread's join returns.
    type Output: Send + 'static;

    /// Does the work of the thread, and returns the result of its join.
    ///
    /// ```
    /// use tk_thread::{Builder, Run};
    ///
    /// struct Greeting(&'static str);
    ///
    /// impl Run for Greeting {
    ///     type Output = String;
    ///
    ///     fn run(self) -> String {
    ///         format!("{} from {}", self.0, tk_thread::current().name())
    ///     }
    /// }
    ///
    /// let thread = Builder::new().name("painter").run(Greeting("hello"))?;
    /// assert_eq!(thread.join().unwrap(), "hello from painter");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    fn run(self) -> Self::Output;

    /// Starts a thread that runs this value, with the name `Thread-N`. To set a name, use
    /// [`Builder::run`].
    ///
    /// # Panics
    ///
    /// As [`spawn`](crate::spawn()).
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
    /// let thread = Sum(vec![1, 2, 3]).start();
    /// assert!(thread.name().starts_with("Thread-"));
    /// assert_eq!(thread.join().unwrap(), 6);
    /// ```
    #[track_caller]
    fn start(self) -> JoinHandle<Self::Output> {
        started(Builder::new().run(self))
    }
}
