//! The return types of a repeating timer's function.

use std::ops::ControlFlow;

/// The return type of the function of a timer that [repeats](crate::Timer::every).
///
/// A function that returns nothing goes on. A function that returns a [`ControlFlow`] says whether
/// it does.
///
/// ```
/// use std::ops::ControlFlow;
/// use std::time::Duration;
/// use tk_timer::Timer;
///
/// let mut left = 3;
/// let countdown = Timer::every(Duration::from_millis(1), move || {
///     println!("{left}");
///     left -= 1;
///     if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
/// })
/// .start();
/// countdown.join().unwrap(); // The function has ended its timer.
/// ```
///
/// The type `!` of a function that never returns, because it panics or calls [`tk_thread::exit`],
/// is a `Tick` too.
pub trait Tick: sealed::Sealed {
    /// Returns whether the timer goes on.
    ///
    /// ```
    /// use std::ops::ControlFlow;
    /// use tk_timer::Tick;
    ///
    /// assert!(().goes_on().is_continue());
    /// assert!(ControlFlow::Break(()).goes_on().is_break());
    /// ```
    fn goes_on(self) -> ControlFlow<()>;
}

impl Tick for () {
    #[inline]
    fn goes_on(self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

impl Tick for ControlFlow<()> {
    #[inline]
    fn goes_on(self) -> ControlFlow<()> {
        self
    }
}

impl Tick for Never {
    fn goes_on(self) -> ControlFlow<()> {
        self
    }
}

/// The type `!`, which stable Rust can name only as a return type.
type Never = <fn() -> ! as sealed::Function>::Output;

mod sealed {
    use std::ops::ControlFlow;

    pub trait Sealed {}

    impl Sealed for () {}
    impl Sealed for ControlFlow<()> {}
    impl Sealed for super::Never {}

    /// A function pointer, by its return type.
    pub trait Function {
        type Output;
    }

    impl<T> Function for fn() -> T {
        type Output = T;
    }
}
