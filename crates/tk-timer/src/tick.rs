//! What a repeating timer's function may return.

use std::ops::ControlFlow;

/// What the function of a timer that [repeats](crate::Timer::every) returns: nothing, and the timer
/// goes on; or a [`ControlFlow`], which says whether it does.
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
/// countdown.join().unwrap(); // It has ended itself.
/// ```
///
/// A function that never returns, because it panics or calls [`tk_thread::exit`], has a type that
/// is a `Tick` too.
pub trait Tick: sealed::Sealed {
    /// Whether the timer goes on.
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

/// The type `!`, which the language has no name for yet outside of a function's return type.
type Never = <fn() -> ! as sealed::Function>::Output;

mod sealed {
    use std::ops::ControlFlow;

    pub trait Sealed {}

    impl Sealed for () {}
    impl Sealed for ControlFlow<()> {}
    impl Sealed for super::Never {}

    /// A function pointer, by what it returns.
    pub trait Function {
        type Output;
    }

    impl<T> Function for fn() -> T {
        type Output = T;
    }
}
