//! Tokens that hold a program open.
//!
//! A [`KeepAlive`] is one token in the count of its [`Program`]. The tokens that the program's own
//! code takes are also in a list, with their names, so that a report can name them. Tokens of
//! threads and timers are not in it: `tk-thread` and `tk-timer` list those, see `holder.rs`.
//!
//! | operation | the program's count | the list |
//! |---|---|---|
//! | `new`, `named` | + 1, or [`ShuttingDown`] | adds the token |
//! | `unlisted`, for the crates of the kit | + 1, or [`ShuttingDown`] | – |
//! | `reopen`, for a program's main function | + 1, reopens a closed program | – |
//! | drop | - 1 | removes the token |
//! | drop, in the child of a fork | –: the token is one of the parent's | removes the token |

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::num::NonZeroU32;
use std::panic::Location;
use std::sync::Arc;

use crate::Holder;
use crate::fork::{self, Inherit, Mutex};
use crate::program::Program;

/// The listed tokens, by number.
///
/// The map allocates while it is locked. That cannot deadlock with an allocator that uses a lock of
/// the kit, because no thread waits for this lock while it holds another one.
static LISTED: Mutex<Tokens> = Mutex::constant(Tokens(BTreeMap::new()));

struct Tokens(BTreeMap<u32, Listed>);

impl Inherit for Tokens {
    fn anew() -> Tokens {
        Tokens(BTreeMap::new())
    }
}

struct Listed {
    name: Option<Arc<str>>,
    location: &'static Location<'static>,
    program: Program,
    generation: NonZeroU32,
}

/// The generation of this process.
fn this_generation() -> NonZeroU32 {
    NonZeroU32::new(fork::generation()).unwrap_or(NonZeroU32::MIN)
}

/// Returns the listed tokens that hold this program open.
pub(crate) fn listed(program: &Program) -> Vec<Holder> {
    let generation = this_generation();
    (LISTED.lock().0.values())
        .filter(|token| token.generation == generation && token.program == *program)
        .map(Listed::holder)
        .collect()
}

impl Listed {
    fn holder(&self) -> Holder {
        let name = self.name.clone().unwrap_or_else(|| Arc::from("(unnamed)"));
        Holder::new("keep-alive", name, format!("taken at {}", self.location))
    }
}

/// Holds the program open while it exists.
///
/// Every non-daemon thread of `tk-thread` and every pending non-daemon timer of `tk-timer` has one;
/// `tk_thread::main` returns when there are none left.
///
/// ```
/// use tk_core::KeepAlive;
///
/// let before = KeepAlive::count();
/// let token = KeepAlive::new()?;
/// assert_eq!(KeepAlive::count(), before + 1);
/// drop(token);
/// assert_eq!(KeepAlive::count(), before);
/// # Ok::<(), tk_core::ShuttingDown>(())
/// ```
#[must_use = "the program is held open only while the token exists"]
pub struct KeepAlive {
    program: Program,
    /// The generation of the process that counts the token.
    generation: NonZeroU32,
    /// The token's number in the list, if it is listed.
    number: Option<NonZeroU32>,
}

impl KeepAlive {
    /// Takes a token of the calling thread's program.
    ///
    /// If a grace period of `tk_thread::Shutdown` expires while the token exists, the report shows
    /// the line that took it. Use [`named`](KeepAlive::named) to give it a name there.
    ///
    /// # Errors
    ///
    /// Returns [`ShuttingDown`] if the program has ended: `tk_thread::main` has waited for the last
    /// token, or has given up.
    ///
    /// ```
    /// use tk_core::KeepAlive;
    ///
    /// let upload = KeepAlive::new()?; // The program does not end before this is dropped.
    /// # drop(upload);
    /// # Ok::<(), tk_core::ShuttingDown>(())
    /// ```
    #[track_caller]
    pub fn new() -> Result<KeepAlive, ShuttingDown> {
        KeepAlive::take_listed(None)
    }

    /// Takes a token with a name, which is shown if a grace period expires.
    ///
    /// # Errors
    ///
    /// Returns [`ShuttingDown`] if the program has ended, like [`new`](KeepAlive::new).
    ///
    /// ```
    /// use tk_core::KeepAlive;
    ///
    /// let upload = KeepAlive::named("upload of the report")?;
    /// # drop(upload);
    /// # Ok::<(), tk_core::ShuttingDown>(())
    /// ```
    #[track_caller]
    pub fn named(name: impl Into<Arc<str>>) -> Result<KeepAlive, ShuttingDown> {
        KeepAlive::take_listed(Some(name.into()))
    }

    #[track_caller]
    fn take_listed(name: Option<Arc<str>>) -> Result<KeepAlive, ShuttingDown> {
        let mut token = KeepAlive::unlisted(&Program::current())?;
        let entry = Listed {
            name,
            location: Location::caller(),
            program: token.program.clone(),
            generation: token.generation,
        };
        let list = &mut LISTED.lock().0;
        // The number after the last one. After 2^32 numbers, the first that is unused.
        let last = list.last_key_value().map_or(0, |(number, _)| *number);
        let unused = || (1..=u32::MAX).find(|number| !list.contains_key(number));
        let number = last.checked_add(1).or_else(unused);
        if let Some(number) = number.and_then(NonZeroU32::new) {
            list.insert(number.get(), entry);
            token.number = Some(number);
        }
        Ok(token)
    }

    /// Takes a token that is not listed: the crate that takes it lists what the token is for.
    #[inline]
    pub(crate) fn unlisted(program: &Program) -> Result<KeepAlive, ShuttingDown> {
        program.hold()?;
        Ok(KeepAlive {
            program: program.clone(),
            generation: this_generation(),
            number: None,
        })
    }

    /// Takes a token for the main function of a program. If the program has ended, it is reopened.
    pub(crate) fn reopen(program: &Program) -> KeepAlive {
        program.reopen();
        KeepAlive {
            program: program.clone(),
            generation: this_generation(),
            number: None,
        }
    }

    /// The program that the token holds open.
    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    /// Returns the number of tokens that hold the calling thread's program open.
    ///
    /// ```
    /// use tk_core::KeepAlive;
    ///
    /// let token = KeepAlive::new()?;
    /// assert!(KeepAlive::count() >= 1);
    /// # drop(token);
    /// # Ok::<(), tk_core::ShuttingDown>(())
    /// ```
    pub fn count() -> usize {
        Program::current().tokens()
    }
}

impl Drop for KeepAlive {
    fn drop(&mut self) {
        let entry = self
            .number
            .and_then(|number| LISTED.lock().0.remove(&number.get()));
        // The list is unlocked here: the name is freed.
        drop(entry);
        // A token of the parent does not count in a child of a fork.
        if self.generation == this_generation() {
            self.program.release();
        }
    }
}

impl fmt::Debug for KeepAlive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.number.map_or(0, NonZeroU32::get);
        let name = LISTED
            .lock()
            .0
            .get(&number)
            .and_then(|token| token.name.clone());
        f.debug_struct("KeepAlive")
            .field("name", &name)
            .finish_non_exhaustive()
    }
}

/// The error of calls that come too late, because the program is ending or has ended.
///
/// ```
/// fn too_late(error: tk_core::ShuttingDown) {
///     assert_eq!(error.to_string(), "the program is shutting down");
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShuttingDown(());

impl ShuttingDown {
    pub(crate) const fn new() -> ShuttingDown {
        ShuttingDown(())
    }
}

impl fmt::Display for ShuttingDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the program is shutting down")
    }
}

impl Error for ShuttingDown {}
