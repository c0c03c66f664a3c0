//! Ending a thread or the program from anywhere in it.
//!
//! [`exit`] panics with the payload [`Exit`], which the kit recognizes wherever it catches a panic.
//! The panic hook is not called, because `resume_unwind` does not call it.

use std::panic::resume_unwind;

use crate::program::exit_without_unwinding;

/// The payload of the panic by which [`exit`] and [`exit_with`] end a thread. It is not reported.
///
/// ```
/// use tk_thread::{Exit, exit_with, spawn};
///
/// let error = spawn(|| exit_with(3)).join().unwrap_err();
/// let exit = *error.into_payload().downcast::<Exit>().unwrap();
/// assert_eq!(exit, Exit::with(3));
/// ```
#[doc(alias = "SystemExit")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exit {
    status: i32,
}

impl Exit {
    /// The payload of [`exit`], with the status 0.
    ///
    /// ```
    /// use tk_thread::{Exit, spawn};
    ///
    /// let error = spawn(|| std::panic::panic_any(Exit::SUCCESS)).join().unwrap_err();
    /// assert!(error.is_exit());
    /// ```
    pub const SUCCESS: Exit = Exit { status: 0 };

    /// Returns the payload of [`exit_with`], with this status.
    ///
    /// ```
    /// assert_eq!(tk_thread::Exit::with(0), tk_thread::Exit::SUCCESS);
    /// ```
    pub const fn with(status: i32) -> Exit {
        Exit { status }
    }

    /// Returns the status that the process ends with, if this payload ends it.
    ///
    /// ```
    /// assert_eq!(tk_thread::Exit::with(3).status(), 3);
    /// ```
    pub const fn status(self) -> i32 {
        self.status
    }
}

/// Ends the calling thread: drops what is on its stack, and reports nothing.
///
/// | called in | effect |
/// |---|---|
/// | a thread of the kit | The thread ends as if it had returned. Its join returns an error with [`Panicked::is_exit`]. |
/// | the function of [`main`](crate::main()), on the main thread | The function ends. The exit hooks run, the program waits for everything that holds it open, and the process ends with success. |
/// | a timer's function | The function ends. |
/// | an exit hook, a hook of threads, the excepthook | The hook ends. |
/// | any other thread | It is a panic with the payload [`Exit`] that is not reported. |
///
/// `exit` unwinds, as a panic does. `catch_unwind` catches it, and a [`Drop`] that runs meanwhile
/// must not panic.
///
/// In a program with `panic = "abort"` nothing can be unwound. There, in the function of `main`,
/// `exit` runs the exit hooks, waits, and ends the process without dropping what is on the stack.
/// Anywhere else it prints an error and aborts the process.
///
/// ```
/// let error = tk_thread::spawn(|| tk_thread::exit()).join().unwrap_err();
/// assert!(error.is_exit());
/// ```
///
/// [`Panicked::is_exit`]: crate::Panicked::is_exit
#[doc(alias = "_thread.exit")]
#[doc(alias = "pthread_exit")]
pub fn exit() -> ! {
    exit_with(0)
}

/// As [`exit`], with a status.
///
/// In the function of [`main`](crate::main()), on the main thread, it is the status of the process.
/// In another thread of the kit, [`Panicked::exit_status`](crate::Panicked::exit_status) returns
/// it.
///
/// ```
/// let error = tk_thread::spawn(|| tk_thread::exit_with(3)).join().unwrap_err();
/// assert_eq!(error.exit_status(), Some(3));
/// ```
///
/// ```no_run
/// tk_thread::main(|| {
///     tk_thread::spawn(|| println!("the process waits for me, and ends with 3"));
///     tk_thread::exit_with(3);
/// });
/// ```
#[doc(alias = "sys.exit")]
pub fn exit_with(status: i32) -> ! {
    let exit = Exit::with(status);
    if cfg!(panic = "abort") {
        exit_without_unwinding(exit);
    }
    resume_unwind(Box::new(exit))
}
