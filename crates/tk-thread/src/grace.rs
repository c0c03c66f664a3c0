//! The error of a program whose grace period is over, which names everything that holds it open.

use std::error::Error;
use std::fmt;

use tk_core::__private::{HolderExt, Program, ending, log_guarded};
use tk_core::{Holder, ThreadRecord};

use crate::panic_hook::print_at_panic;
use crate::{current, enumerate};

/// The error of a [`Shutdown`](crate::Shutdown) whose grace period is over while something still
/// holds the program open.
///
/// `fn main() -> Result<(), GraceExpired<()>>` can return it. Then the process names the stragglers
/// and ends with a failure.
///
/// ```
/// use std::time::Duration;
/// use tk_thread::{Builder, Shutdown};
///
/// let result = Shutdown::new().grace(Duration::ZERO).run(|| {
///     Builder::new().name("straggler").spawn(|| tk_thread::sleep(Duration::MAX)).unwrap();
///     7
/// });
/// let expired = result.unwrap_err();
/// assert_eq!(expired.stragglers()[0].kind(), "thread");
/// assert_eq!(expired.into_value(), 7);
/// ```
pub struct GraceExpired<T> {
    pub(crate) value: T,
    pub(crate) stragglers: Vec<Holder>,
}

impl<T> GraceExpired<T> {
    /// Returns what the program has not waited for: threads, timers and [`KeepAlive`]s.
    ///
    /// [`KeepAlive`]: tk_core::KeepAlive
    ///
    /// ```
    /// # use tk_thread::GraceExpired;
    /// fn names<T>(expired: &GraceExpired<T>) -> Vec<&str> {
    ///     expired.stragglers().iter().map(|straggler| straggler.name()).collect()
    /// }
    /// # let _ = names::<()>;
    /// ```
    pub fn stragglers(&self) -> &[Holder] {
        &self.stragglers
    }

    /// Returns the value that the main function has returned.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tk_thread::Shutdown;
    /// let shutdown = Shutdown::new().grace(Duration::ZERO);
    /// let value = shutdown.run(|| 7).unwrap_or_else(|expired| expired.into_value());
    /// assert_eq!(value, 7);
    /// ```
    pub fn into_value(self) -> T {
        self.value
    }
}

impl<T> fmt::Display for GraceExpired<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the grace period is over, and the program ends without ")?;
        for (i, straggler) in self.stragglers.iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}{straggler}")?;
        }
        Ok(())
    }
}

impl<T> fmt::Debug for GraceExpired<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraceExpired")
            .field("stragglers", &self.stragglers)
            .finish_non_exhaustive()
    }
}

impl<T> Error for GraceExpired<T> {}

/// Returns the threads of the program that have left the registry and may still run destructors.
pub(crate) fn tails(program: &Program) -> impl Iterator<Item = ThreadRecord> {
    let tails = ending().into_iter();
    tails.filter(|record| !record.is_daemon() && program.has(record))
}

/// Ends the program because its grace period is over. Returns what still holds it open, and logs
/// it.
pub(crate) fn expire(program: &Program) -> Vec<Holder> {
    program.close();
    let stragglers = holders(program);
    for straggler in &stragglers {
        if log::max_level() == log::LevelFilter::Off {
            print_at_panic(&format!("the program ends without {straggler}\n"));
        } else {
            log_guarded(|| log::warn!("the program ends without {straggler}"));
        }
    }
    stragglers
}

/// Returns what holds the program open.
fn holders(program: &Program) -> Vec<Holder> {
    let me = current();
    let threads = enumerate().into_iter().filter(|thread| {
        *thread != me && !thread.is_daemon() && !thread.is_main() && program.has(thread.record())
    });
    let threads = threads.map(|thread| {
        let does = match thread.blocked_on() {
            Some(waiting) => format!("waits for {waiting:?}"),
            None => "runs".to_owned(),
        };
        Holder::with_text("thread", thread.name(), format!("{thread:?}, which {does}"))
    });
    let tails = tails(program).map(|record| {
        let text = format!("{record:?}, which runs its last destructors");
        Holder::with_text("thread", record.name(), text)
    });
    let mut holders: Vec<_> = threads.chain(program.holders()).collect();
    let unlisted = program.tokens().saturating_sub(holders.len());
    holders.extend(tails);
    if unlisted > 0 {
        let are_some_named = holders.iter().any(|holder| holder.kind() == "timer");
        let more = if are_some_named { "more " } else { "" };
        let plural = if unlisted == 1 { "" } else { "s" };
        let text = format!("{unlisted} {more}timer{plural}");
        holders.push(Holder::with_text("timer", "(unnamed)", text));
    }
    holders
}
