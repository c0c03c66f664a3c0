//! A limit that runs the user's code when it is made.

use tk_park::Limit;

/// Runs a function when it is converted into a limit.
pub struct Converting<F>(pub F);

impl<F: FnOnce() -> Limit<'static>> From<Converting<F>> for Limit<'static> {
    fn from(converting: Converting<F>) -> Limit<'static> {
        (converting.0)()
    }
}
