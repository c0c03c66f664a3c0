//! Threads that are registered before they run.
//!
//! | operation | registry | `enumerate` |
//! |---|---|---|
//! | `new`, in the thread that starts it | takes a slot, publishes the record | shows it |
//! | `begin`, in the new thread | the record becomes the thread's | shows it |
//! | drop, if the thread could not be started | releases the slot | no longer shows it |

use std::fmt;
use std::sync::Arc;

use crate::program::Program;
use crate::{ThreadRecord, current, registry};

/// A thread that is about to be started: it has a name, an id and a slot, but does not run yet.
///
/// The thread that starts another one creates the registration, and moves it into the new thread,
/// which calls [`begin`](Registration::begin). If the thread cannot be started, drop the
/// registration. Then the registry forgets the thread.
///
/// ```
/// use tk_core::Registration;
///
/// let registration = Registration::new("courier", false);
/// let record = registration.record().clone();
/// assert!(tk_core::enumerate().contains(&record));
///
/// std::thread::spawn(move || {
///     registration.begin();
///     assert_eq!(&*tk_core::current().name(), "courier");
/// })
/// .join()
/// .unwrap();
/// assert!(!tk_core::enumerate().contains(&record));
/// ```
pub struct Registration(Option<ThreadRecord>);

impl Registration {
    /// Registers a thread of this name, in the program of the calling thread.
    ///
    /// ```
    /// use tk_core::{Registration, enumerate};
    ///
    /// let registration = Registration::new("courier", false); // Not a daemon.
    /// assert!(enumerate().iter().any(|thread| &*thread.name() == "courier"));
    /// # drop(registration);
    /// ```
    pub fn new(name: impl Into<Arc<str>>, daemon: bool) -> Registration {
        Registration::prepared(name, daemon, |_| ())
    }

    /// Does the same as [`new`](Registration::new), for a thread of this program.
    pub(crate) fn of_program(
        name: impl Into<Arc<str>>,
        daemon: bool,
        program: &Program,
    ) -> Registration {
        let registration = Registration::new(name, daemon);
        registration.record().set_program(program.clone());
        registration
    }

    /// Registers a thread that serves only the kit: a daemon that [`enumerate`](crate::enumerate)
    /// does not show.
    pub(crate) fn unlisted(name: impl Into<Arc<str>>) -> Registration {
        Registration(Some(registry::claim_unlisted(name.into())))
    }

    /// Does the same as [`new`](Registration::new), and calls `prepare` before any other thread can
    /// find the record.
    pub(crate) fn prepared(
        name: impl Into<Arc<str>>,
        daemon: bool,
        prepare: impl FnOnce(&ThreadRecord),
    ) -> Registration {
        let program = Program::current();
        let prepare = |record: &ThreadRecord| {
            record.set_program(program);
            prepare(record);
        };
        Registration(Some(registry::claim(name.into(), daemon, prepare)))
    }

    /// Returns the record of the thread that is about to be started.
    ///
    /// ```
    /// use tk_core::Registration;
    ///
    /// let registration = Registration::new("courier", false);
    /// assert_eq!(&*registration.record().name(), "courier");
    /// ```
    pub fn record(&self) -> &ThreadRecord {
        self.0
            .as_ref()
            .expect("a registration has its record until it begins")
    }

    /// Makes the calling thread the registered one.
    ///
    /// Call this first in the new thread. If the thread has used tk before, that was under another
    /// record, which ends here.
    ///
    /// ```
    /// use tk_core::{Registration, current};
    ///
    /// let registration = Registration::new("courier", false);
    /// let thread = std::thread::spawn(|| {
    ///     registration.begin();
    ///     current().name()
    /// });
    /// assert_eq!(&*thread.join().unwrap(), "courier");
    /// ```
    pub fn begin(self) {
        self.begin_with(false);
    }

    /// As [`begin`](Registration::begin). `is_named` says that the standard library has just given
    /// the registration's name to the thread.
    pub(crate) fn begin_with(mut self, is_named: bool) {
        let Some(record) = self.0.take() else { return };
        // A loop, because the functions at the end of an identity may register the thread again.
        while let Some(earlier) = current::take_guard_record() {
            current::finish(&earlier);
        }
        registry::adopt(&record);
        // This sets the thread's number in the system before the name. A thread that renames this
        // one from now on tells the system itself.
        record.begin(is_named);
        current::become_current(record.clone());
        if !current::has_guard() {
            // In a late destructor, nothing retires the record later.
            current::finish(&record);
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        if let Some(record) = self.0.take() {
            registry::release(&record);
            record.run_on_finish();
        }
    }
}

impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Registration").field(self.record()).finish()
    }
}
