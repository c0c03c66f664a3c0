//! The things that hold a program open, for reports.
//!
//! Threads, timers and keep-alive tokens hold a program open. `tk-core` knows the tokens. Other
//! crates of the kit register a function that lists theirs.

use std::fmt;
use std::sync::Arc;

use crate::fork::{Inherit, Mutex};
use crate::keep_alive;
use crate::program::Program;

/// The functions that list the holders of other crates.
static LISTERS: Mutex<Listers> = Mutex::constant(Listers([None; 4]));

#[derive(Clone, Copy)]
struct Listers([Option<List>; 4]);

impl Inherit for Listers {
    fn anew() -> Listers {
        Listers([None; 4])
    }
}

/// Adds a [`Holder`] for each thing that holds this program open.
pub type List = fn(&Program, &mut Vec<Holder>);

/// Registers a function that lists the holders of one crate. There is room for four functions.
pub fn list_holders(f: List) {
    let listers = &mut LISTERS.lock().0;
    let is_known = listers
        .iter()
        .flatten()
        .any(|list| *list as usize == f as usize);
    if !is_known && let Some(place) = listers.iter_mut().find(|place| place.is_none()) {
        *place = Some(f);
    }
}

/// Something that holds a program open: a thread, a timer or a [`KeepAlive`](crate::KeepAlive).
///
/// `tk_thread::Shutdown` reports those that are left when its grace period expires. `Display` shows
/// a line of text.
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
    /// A holder of this kind and name. `detail` says what it waits for, or where it comes from.
    pub(crate) fn new(
        kind: &'static str,
        name: impl Into<Arc<str>>,
        detail: impl fmt::Display,
    ) -> Holder {
        let name = name.into();
        let text = format!("{kind} {name}, {detail}");
        Holder { kind, name, text }
    }

    /// Does the same as [`new`](Holder::new), with the whole line.
    pub(crate) fn with_text(kind: &'static str, name: impl Into<Arc<str>>, text: String) -> Holder {
        let name = name.into();
        Holder { kind, name, text }
    }

    /// Returns what it is: `thread`, `timer` or `keep-alive`.
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

    /// Returns its name.
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

/// Shows the kind, the name, and what it waits for.
impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Returns what holds this program open, except for threads.
pub(crate) fn holders(program: &Program) -> Vec<Holder> {
    let mut holders = keep_alive::listed(program);
    // Copied, because the functions run without the lock.
    let Listers(listers) = *LISTERS.lock();
    for list in listers.iter().flatten() {
        list(program, &mut holders);
    }
    holders
}
