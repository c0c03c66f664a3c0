//! The readers-writer lock without a value.
//!
//! | file | holds |
//! |---|---|
//! | `raw_rwlock/word.rs` | the states of the word, and the steps between them |
//! | `raw_rwlock/cells.rs` | the cells in which readers make themselves visible |
//! | `raw_rwlock/rows.rs` | where the cells are |
//! | `raw_rwlock/light.rs` | readers that write their cells with plain stores |
//! | `raw_rwlock/read.rs` | reading |
//! | `raw_rwlock/write.rs` | writing, upgrading, and the wait for readers |
//! | `raw_rwlock/release.rs` | which threads get the lock next: starvation, handoff |
//! | `raw_rwlock/holders.rs` | whom a thread waits for, for a watcher |
//! | `raw_rwlock/traits.rs` | the traits of `lock_api` |
//! | `raw_rwlock/send.rs` | the lock whose guards go from thread to thread |
//!
//! # The three modes
//!
//! | mode | a read costs | a write costs | chosen |
//! |---|---|---|---|
//! | counted | two steps on the lock's word, which all readers share | two steps on the word | at first, and after a write that found no reads since the last one |
//! | visible | two steps on a cell that only this thread writes | the same, and a look at the cells of all threads that have read the lock | after 63 counted reads in a row |
//! | light | two stores to that cell | the same, and a fence of microseconds | after two milliseconds and some thirty thousand reads without a write |
//!
//! In the mode visible, one read in thirteen of each thread looks whether the lock has noted reads
//! since the last write, and notes them if not. So readers write to the lock a few times between
//! two writes at most, and a lock with fewer than about thirteen reads to a write returns to the
//! mode counted. Then readers and writers take turns at one word, as at a mutex, which is faster
//! than a scan for each write.

mod cells;
mod holders;
mod light;
mod read;
mod release;
mod rows;
mod send;
mod traits;
mod word;
mod write;

use std::fmt;

use tk_core::Owner;
// For the owner too, whose word is the key of a queue.
use tk_park::sync::{AtomicU32, Ordering::Relaxed};

use self::cells::{Cell, Identity};
use self::rows::Rows;
use self::word::RwWord;
use crate::lost_thread::LostThread;

pub use self::send::RawSendRwLock;

/// The lock inside an [`RwLock`](crate::RwLock), with the traits of `lock_api`.
///
/// It is of use where a type takes a `lock_api` lock as a parameter. Everything else goes through
/// `RwLock`.
///
/// ```
/// use lock_api::RawRwLock as _;
/// use tk_lock::RawRwLock;
///
/// let lock = RawRwLock::INIT;
/// let read = lock.lock_shared();
/// assert!(lock.try_lock_exclusive().is_none());
/// // SAFETY: this thread holds that read.
/// unsafe { lock.unlock_shared(read) };
/// assert!(lock.try_lock_exclusive().is_some());
/// ```
#[repr(C)]
pub struct RawRwLock {
    /// First, so that the address in the record of a thread that waits is that of the lock.
    word: RwWord,
    /// The number of the thread that has closed the door or has the upgradable lock, or zero. Only
    /// that thread writes it, or the one that hands over. Its address is the key of the queue of
    /// the writer that waits for readers.
    owner: AtomicU32,
    identity: Identity,
}

#[cfg(not(tk_loom))]
const _: () = assert!(size_of::<RawRwLock>() <= 16);

/// A read: where it is, for its release.
///
/// It belongs to the thread that reads, and can't be sent to another one.
pub struct ReadToken {
    place: Place,
    /// Not `Send`.
    here: std::marker::PhantomData<*const ()>,
}

// SAFETY: a shared token can do nothing.
unsafe impl Sync for ReadToken {}

/// Where a read is.
#[derive(Clone, Copy)]
enum Place {
    /// In this cell.
    Visible(&'static Cell),
    /// In the count, with this note.
    Counted(&'static Cell),
    /// In the count, for a thread without a row.
    Unknown,
}

impl ReadToken {
    #[inline]
    fn visible(cell: &'static Cell) -> ReadToken {
        Place::Visible(cell).into()
    }

    /// Takes the note back, of a read that has not been counted.
    #[cold]
    fn unnote(self) {
        if let Place::Counted(note) = self.place {
            note.unnote();
        }
    }
}

impl From<Place> for ReadToken {
    #[inline]
    fn from(place: Place) -> ReadToken {
        ReadToken {
            place,
            here: std::marker::PhantomData,
        }
    }
}

impl fmt::Debug for ReadToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadToken")
    }
}

impl RawRwLock {
    /// Creates a free lock.
    ///
    /// ```
    /// static LOCK: tk_lock::RawRwLock = tk_lock::RawRwLock::new();
    /// assert_eq!(LOCK.writer(), None);
    /// ```
    pub const fn new() -> RawRwLock {
        RawRwLock {
            word: RwWord::new(),
            owner: AtomicU32::new(0),
            identity: Identity::new(),
        }
    }

    /// Returns the thread that has the lock for writing at this moment, or waits only for readers
    /// that are still inside.
    ///
    /// ```
    /// assert_eq!(tk_lock::RawRwLock::new().writer(), None);
    /// ```
    pub fn writer(&self) -> Option<Owner> {
        self.word.load().is_closed().then(|| self.owner()).flatten()
    }

    /// Returns the thread that has the lock for an upgradable read at this moment.
    ///
    /// ```
    /// assert_eq!(tk_lock::RawRwLock::new().upgradable_reader(), None);
    /// ```
    pub fn upgradable_reader(&self) -> Option<Owner> {
        let state = self.word.load();
        let has_it = state.is_upgradable() && !state.is_closed();
        has_it.then(|| self.owner()).flatten()
    }

    /// Returns the threads that read at this moment, each once, in no order. The thread with the
    /// upgradable lock is not among them.
    ///
    /// Looks at the cells of all threads that have ever read the lock: for reports. A read of the
    /// global allocator while its thread is being registered is not found.
    ///
    /// ```
    /// use lock_api::RawRwLock as _;
    ///
    /// let lock = tk_lock::RawRwLock::new();
    /// let _read = lock.lock_shared();
    /// assert_eq!(lock.readers(), [tk_core::current_owner()]);
    /// ```
    pub fn readers(&self) -> Vec<Owner> {
        let mut readers = Vec::new();
        for reader in self.each_reader() {
            if !readers.contains(&reader) {
                readers.push(reader);
            }
        }
        readers
    }

    /// The threads that read. One that has its reads in two rows comes twice.
    fn each_reader(&self) -> impl Iterator<Item = Owner> {
        let known = self.identity.load();
        known.id().into_iter().flat_map(move |id| {
            let rows = Rows::of(known).filter(move |row| row.reads(id));
            rows.filter_map(|row| row.owner())
        })
    }

    /// Returns whether a thread holds the lock in any way at this moment.
    fn is_held(&self) -> bool {
        let state = self.word.load();
        state.is_owned() || state.count() > 0 || self.each_reader().next().is_some()
    }

    /// Returns whether a writer has the lock, and does not wait for readers any more.
    fn is_held_for_writing(&self) -> bool {
        let state = self.word.load();
        state.is_closed() && state.count() == 0 && self.each_reader().next().is_none()
    }

    #[inline]
    fn owner(&self) -> Option<Owner> {
        // Relaxed: a snapshot. A thread that finds itself has written that itself, or was handed
        // the lock.
        Owner::new(self.owner.load(Relaxed))
    }

    #[inline]
    fn set_owner(&self, owner: Option<Owner>) {
        self.owner.store(owner.map_or(0, Owner::get), Relaxed);
    }

    /// Gives a model's atomics to the thread that makes the object.
    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn loom_register(&self) {
        self.word.loom_register();
        self.owner.loom_register();
        self.identity.loom_register();
    }

    /// Begins a model in the mode light, for all threads. The lock has been read.
    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn loom_lighten(&self) {
        self.word.loom_lighten();
        self.identity.loom_make_known();
    }

    /// Begins a model with the last sample before the mode light. The mode is visible.
    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn loom_almost_lighten(&self) {
        self.word.loom_almost_lighten();
    }

    /// The step of the last sample before the mode light, without the sample.
    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn loom_note_many_reads(&self) {
        self.word.loom_almost_lighten();
        self.word.note_many_reads(0);
    }

    #[cfg(tk_loom)]
    #[doc(hidden)]
    pub fn loom_is_light(&self) -> bool {
        self.word.load().is_light()
    }
}

impl Default for RawRwLock {
    fn default() -> RawRwLock {
        RawRwLock::new()
    }
}

impl fmt::Debug for RawRwLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawRwLock")
            .field("locked", &self.is_held())
            .field("writer", &self.writer())
            .finish()
    }
}

/// The purpose for which a thread is in the queue.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    Read = 1,
    Upgradable,
    Write,
}

impl Wish {
    fn tag(self) -> usize {
        self as usize
    }

    fn of_tag(tag: usize) -> Wish {
        match tag {
            1 => Wish::Read,
            2 => Wish::Upgradable,
            _ => Wish::Write,
        }
    }
}

/// Token of threads that are woken: try to get the lock.
const TOKEN_NORMAL: u16 = 0;
/// Token of threads that are woken: the readers among you have a read, which is counted.
const TOKEN_READ: u16 = 1;
/// Token of threads that are woken: the one that is no reader has what it waits for.
const TOKEN_OWNER: u16 = 2;

/// Why a wait without a limit would never end.
#[derive(Clone, Copy)]
enum Hopeless {
    /// The thread has the lock for writing.
    OwnWrite,
    /// The thread has the upgradable lock.
    OwnUpgradable,
    /// The thread reads.
    OwnRead(Wish),
    /// A thread that a fork has left behind has the lock.
    Lost(Owner),
}

impl Hopeless {
    #[cold]
    #[inline(never)]
    #[track_caller]
    fn panic(self) -> ! {
        match self {
            Hopeless::OwnWrite => panic!(
                "this thread has the lock for writing already, and would wait for itself forever"
            ),
            Hopeless::OwnUpgradable => panic!(
                "this thread has the upgradable lock already, and would wait for itself forever: \
                 upgrade it instead"
            ),
            Hopeless::OwnRead(Wish::Write) => panic!(
                "this thread reads under the lock, and would wait for itself forever if it waited \
                 to write: take an upgradable read and upgrade it, or end the read first"
            ),
            Hopeless::OwnRead(_) => panic!(
                "this thread reads under the lock, and could wait for itself forever if it waited \
                 for the upgradable lock: end the read first"
            ),
            Hopeless::Lost(owner) => LostThread(owner).refuse_wait(),
        }
    }
}
