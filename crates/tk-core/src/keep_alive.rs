//! What holds a program open.
//!
//! A [`KeepAlive`] is one token in the count of its [`Program`]. The tokens that a program takes by itself are in a list,
//! with their names, so that those can be named which the program has not waited for. Threads and timers are not in it:
//! `tk-thread` and `tk-timer` know them.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::num::NonZeroU32;
use std::panic::Location;
use std::sync::Arc;

use crate::fork::{self, Inherit, Mutex};
use crate::program::Program;

/// The tokens that programs have taken by themselves, by number.
///
/// The map allocates while it is locked. That is no danger to a program whose allocator has a lock of the kit, because nobody
/// waits for this lock while he holds another one.
static NAMED: Mutex<Tokens> = Mutex::constant(Tokens(BTreeMap::new()));

struct Tokens(BTreeMap<u32, Named>);

impl Inherit for Tokens {
    fn anew() -> Tokens {
        Tokens(BTreeMap::new())
    }
}

struct Named {
    name: Option<Arc<str>>,
    location: &'static Location<'static>,
    program: Program,
    generation: NonZeroU32,
}

/// The functions that list what other crates have.
static LISTS: Mutex<Lists> = Mutex::constant(Lists([None; 4]));

#[derive(Clone, Copy)]
struct Lists([Option<List>; 4]);

impl Inherit for Lists {
    fn anew() -> Lists {
        Lists([None; 4])
    }
}

/// Adds one [`Holder`] for each thing that holds this program open.
pub type List = fn(&Program, &mut Vec<Holder>);

/// Has `f` called when somebody wants to know what holds a program open. Of use to a crate that takes tokens of the kit.
/// There is room for four.
pub fn list_holders(f: List) {
    let lists = &mut LISTS.lock().0;
    let known = lists
        .iter()
        .flatten()
        .any(|list| *list as usize == f as usize);
    if !known && let Some(place) = lists.iter_mut().find(|place| place.is_none()) {
        *place = Some(f);
    }
}

pub(crate) fn holders(program: &Program) -> Vec<Holder> {
    let generation = this_generation();
    let mut holders: Vec<_> = (NAMED.lock().0.values())
        .filter(|named| named.generation == generation && named.program == *program)
        .map(Named::holder)
        .collect();
    let Lists(lists) = *LISTS.lock();
    for list in lists.iter().flatten() {
        list(program, &mut holders);
    }
    holders
}

/// That of this process.
fn this_generation() -> NonZeroU32 {
    NonZeroU32::new(fork::generation()).unwrap_or(NonZeroU32::MIN)
}

impl Named {
    fn holder(&self) -> Holder {
        let name = self.name.clone().unwrap_or_else(|| Arc::from("(unnamed)"));
        Holder::new("keep-alive", name, format!("taken at {}", self.location))
    }
}

/// Something that holds a program open: a thread, a timer or a [`KeepAlive`].
///
/// `tk_thread::Shutdown` tells which of them are left when its grace period is over. `Display` is a line for people.
///
/// ```
/// fn report(left: &[tk_core::Holder]) {
///     for holder in left {
///         println!("{} {}: {holder}", holder.kind(), holder.name());
///     }
/// }
/// # report(&[]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    kind: &'static str,
    name: Arc<str>,
    text: String,
}

impl Holder {
    /// A holder of this kind and name. The detail says what it waits for, or where it comes from.
    #[doc(hidden)]
    pub fn new(kind: &'static str, name: impl Into<Arc<str>>, detail: impl fmt::Display) -> Holder {
        let name = name.into();
        let text = format!("{kind} {name}, {detail}");
        Holder { kind, name, text }
    }

    /// As [`new`](Holder::new), with all of the line.
    #[doc(hidden)]
    pub fn with_text(kind: &'static str, name: impl Into<Arc<str>>, text: String) -> Holder {
        let name = name.into();
        Holder { kind, name, text }
    }

    /// What it is: `thread`, `timer` or `keep-alive`.
    ///
    /// ```
    /// fn threads(left: &[tk_core::Holder]) -> usize {
    ///     left.iter().filter(|holder| holder.kind() == "thread").count()
    /// }
    /// # assert_eq!(threads(&[]), 0);
    /// ```
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// Its name.
    ///
    /// ```
    /// fn names(left: &[tk_core::Holder]) -> Vec<&str> {
    ///     left.iter().map(tk_core::Holder::name).collect()
    /// }
    /// # assert!(names(&[]).is_empty());
    /// ```
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// What it is, its name, and what it waits for.
impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
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
    /// In the child of a fork, those of the parent count for nothing.
    generation: NonZeroU32,
    /// Its number in the list, if it is there.
    number: Option<NonZeroU32>,
}

impl KeepAlive {
    /// Takes one more token of the calling thread's program. If a grace period runs out while it exists, it is shown with
    /// the line that took it. To give it a name, call [`named`](KeepAlive::named).
    ///
    /// # Errors
    ///
    /// If the program has ended: `tk_thread::main` has waited for the last token, or has given up.
    ///
    /// ```
    /// use tk_core::KeepAlive;
    ///
    /// let upload = KeepAlive::new()?; // Until it is dropped, the program does not end.
    /// # drop(upload);
    /// # Ok::<(), tk_core::ShuttingDown>(())
    /// ```
    #[track_caller]
    pub fn new() -> Result<KeepAlive, ShuttingDown> {
        KeepAlive::listed(None)
    }

    /// As [`new`](KeepAlive::new), with a name that is shown if a grace period runs out.
    ///
    /// # Errors
    ///
    /// As [`new`](KeepAlive::new).
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
        KeepAlive::listed(Some(name.into()))
    }

    #[track_caller]
    fn listed(name: Option<Arc<str>>) -> Result<KeepAlive, ShuttingDown> {
        let mut token = KeepAlive::of_kit(&Program::current())?;
        let entry = Named {
            name,
            location: Location::caller(),
            program: token.program.clone(),
            generation: token.generation,
        };
        let list = &mut NAMED.lock().0;
        // The number after the latest; from the start again after 2^32 of them, past those that exist.
        let latest = list.last_key_value().map_or(0, |(number, _)| *number);
        let free = || (1..=u32::MAX).find(|number| !list.contains_key(number));
        let number = latest.checked_add(1).or_else(free);
        if let Some(number) = number.and_then(NonZeroU32::new) {
            list.insert(number.get(), entry);
            token.number = Some(number);
        }
        Ok(token)
    }

    /// A token that is not in the list: the crate that takes it lists what it is for.
    #[doc(hidden)]
    #[inline]
    pub fn of_kit(program: &Program) -> Result<KeepAlive, ShuttingDown> {
        program.hold()?;
        Ok(KeepAlive {
            program: program.clone(),
            generation: this_generation(),
            number: None,
        })
    }

    /// Whether a token could be taken now.
    #[doc(hidden)]
    pub fn check_for(program: &Program) -> Result<(), ShuttingDown> {
        program.check()
    }

    /// A token for the time in which the program's main function runs. If the program has ended, it begins anew.
    #[doc(hidden)]
    pub fn begin(program: &Program) -> KeepAlive {
        program.begin();
        KeepAlive {
            program: program.clone(),
            generation: this_generation(),
            number: None,
        }
    }

    /// The program that is held open.
    #[doc(hidden)]
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// How many tokens hold the calling thread's program open.
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
            .and_then(|number| NAMED.lock().0.remove(&number.get()));
        drop(entry);
        if self.generation == this_generation() {
            self.program.release();
        }
    }
}

impl fmt::Debug for KeepAlive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.number.map_or(0, NonZeroU32::get);
        let name = NAMED
            .lock()
            .0
            .get(&number)
            .and_then(|named| named.name.clone());
        f.debug_struct("KeepAlive")
            .field("name", &name)
            .finish_non_exhaustive()
    }
}

/// The program is ending, or has ended: what was asked for comes too late.
///
/// ```
/// fn too_late(error: tk_core::ShuttingDown) {
///     assert_eq!(error.to_string(), "the program is shutting down");
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShuttingDown(());

impl ShuttingDown {
    #[doc(hidden)]
    #[allow(clippy::new_without_default, reason = "an error is no default")]
    pub const fn new() -> ShuttingDown {
        ShuttingDown(())
    }
}

impl fmt::Display for ShuttingDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the program is shutting down")
    }
}

impl Error for ShuttingDown {}
