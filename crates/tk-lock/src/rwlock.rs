//! The readers-writer lock that guards a value.

use tk_core::Owner;
use tk_park::{Limit, WaitError};

use crate::RawRwLock;

/// A value that many threads can read at the same time, or one thread can write.
///
/// ```
/// use tk_lock::RwLock;
///
/// static LIMITS: RwLock<(u32, u32)> = RwLock::new((1, 10));
///
/// let limits = LIMITS.read();
/// assert!(LIMITS.try_read().is_some()); // Others can read meanwhile,
/// assert!(LIMITS.try_write().is_none()); // and nobody can write.
/// drop(limits);
/// LIMITS.write().1 = 20;
/// assert_eq!(*LIMITS.read(), (1, 20));
/// ```
///
/// # When to use it
///
/// Where reads are frequent or long, and writes are rare. A reader writes to nothing that another
/// thread writes, so any number of processors can read at the same time without slowing each other
/// down. With less than some dozens of reads to a write, it works like a [`Lock`](crate::Lock), and
/// that is smaller and simpler.
///
/// # Reads and writes of one thread
///
/// | the thread has | and asks for a read | the upgradable lock | a write |
/// |---|---|---|---|
/// | a read | is granted, even while a writer waits | is granted; panics if it had to wait | panics |
/// | the upgradable lock | is granted | panics | panics: use `upgrade` |
/// | the lock for writing | panics | panics | panics |
///
/// Where it says that it panics, the thread would wait for itself, or might: the thread that has
/// the upgradable lock waits for all readers when it upgrades it. A call with a limit waits until
/// that instead, and a `try_` call fails.
///
/// # The upgradable lock
///
/// One thread at a time can have it, beside readers. That thread can [upgrade] it to a lock for
/// writing. No other thread writes in between, so what it has read is still true. A thread that
/// waits for the upgradable lock does not keep readers out. A thread that upgrades does: it waits
/// for the readers inside, and new ones wait for it.
///
/// [upgrade]: lock_api::RwLockUpgradableReadGuard::upgrade
///
/// # Fairness
///
/// Nobody starves:
///
/// - A thread that wants to write, and finds no other writer, closes the door. It waits for the
///   readers that are inside, and for no reader that comes later, except for those inside who read
///   again.
/// - All others wait in a queue. A release wakes the first, and all readers with it if that is no
///   writer. A thread that comes at that moment may be faster. But if the first thread in the queue
///   has waited for a millisecond, the release hands the lock to it, and if it is a reader, to all
///   readers in the queue.
///
/// A fair release ([`unlock_fair`](lock_api::RwLockWriteGuard::unlock_fair)) hands the lock over in
/// any case.
///
/// A `try_` call fails while another thread has the lock in a way that excludes it, or waits at the
/// door, or tries to write at this very moment.
///
/// # Forgotten guards
///
/// A guard that is forgotten ([`std::mem::forget`]) leaves the lock as it is. If it was a read,
/// nobody can write from then on. A new lock at the same address is not affected.
///
/// # Panics
///
/// If the lock has a million reads, because so many guards were forgotten, or if a thread reads
/// four thousand times under the same lock while a writer waits.
#[doc(alias = "ReaderWriterLock")]
#[doc(alias = "ReentrantReadWriteLock")]
#[doc(alias = "SharedMutex")]
#[doc(alias = "shared_mutex")]
#[doc(alias = "ShardedLock")]
pub type RwLock<T> = lock_api::RwLock<RawRwLock, T>;

/// Gives shared access to the value of an [`RwLock`], and ends the read when dropped.
///
/// ```
/// use tk_lock::{RwLock, RwLockReadGuard};
///
/// fn first(numbers: RwLockReadGuard<'_, Vec<u32>>) -> Option<u32> {
///     numbers.first().copied()
/// }
///
/// assert_eq!(first(RwLock::new(vec![1, 2]).read()), Some(1));
/// ```
pub type RwLockReadGuard<'a, T> = lock_api::RwLockReadGuard<'a, RawRwLock, T>;

/// Gives exclusive access to the value of an [`RwLock`], and releases the lock when dropped.
///
/// It can be made a read, or the upgradable lock, without a moment in between in which another
/// thread could write:
///
/// ```
/// use tk_lock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
///
/// let lock = RwLock::new(1);
/// let mut guard = lock.write();
/// *guard += 1;
/// let guard: RwLockReadGuard<'_, i32> = RwLockWriteGuard::downgrade(guard);
/// assert_eq!(*guard, 2);
/// ```
pub type RwLockWriteGuard<'a, T> = lock_api::RwLockWriteGuard<'a, RawRwLock, T>;

/// Gives shared access to the value of an [`RwLock`], and can be upgraded.
///
/// ```
/// use tk_lock::{RwLock, RwLockUpgradableReadGuard};
///
/// let lock = RwLock::new(vec![1]);
/// let numbers = lock.upgradable_read();
/// if !numbers.contains(&2) {
///     // Nobody else writes before this.
///     RwLockUpgradableReadGuard::upgrade(numbers).push(2);
/// }
/// assert_eq!(*lock.read(), [1, 2]);
/// ```
pub type RwLockUpgradableReadGuard<'a, T> = lock_api::RwLockUpgradableReadGuard<'a, RawRwLock, T>;

/// A [`RwLockReadGuard`] for a part of the value.
///
/// ```
/// use tk_lock::{MappedRwLockReadGuard, RwLock, RwLockReadGuard};
///
/// let lock = RwLock::new((1, 2));
/// let second: MappedRwLockReadGuard<'_, i32> = RwLockReadGuard::map(lock.read(), |pair| &pair.1);
/// assert_eq!(*second, 2);
/// ```
pub type MappedRwLockReadGuard<'a, T> = lock_api::MappedRwLockReadGuard<'a, RawRwLock, T>;

/// A [`RwLockWriteGuard`] for a part of the value.
///
/// ```
/// use tk_lock::{MappedRwLockWriteGuard, RwLock, RwLockWriteGuard};
///
/// let lock = RwLock::new((1, 2));
/// let mut second: MappedRwLockWriteGuard<'_, i32> =
///     RwLockWriteGuard::map(lock.write(), |pair| &mut pair.1);
/// *second = 3;
/// drop(second);
/// assert_eq!(*lock.read(), (1, 3));
/// ```
pub type MappedRwLockWriteGuard<'a, T> = lock_api::MappedRwLockWriteGuard<'a, RawRwLock, T>;

/// Adds to an [`RwLock`] waits with a [`Limit`], and the threads that have it.
///
/// ```
/// use std::time::Duration;
/// use tk_lock::{RwLock, RwLockExt};
///
/// assert!(RwLock::new(1).read_with(Duration::from_millis(1)).is_ok());
/// ```
pub trait RwLockExt<T: ?Sized> {
    /// Reads. Blocks while a writer has the lock or waits for the readers inside, until the limit
    /// is reached. Does not block if this thread reads already.
    ///
    /// # Errors
    ///
    /// If the limit is reached first. The error says which limit that was.
    ///
    /// # Panics
    ///
    /// If the wait would never end, because there is no limit ([`Limit::never`], or a time too long
    /// for the clock) and the lock is held for writing by this thread, or by a thread that a fork
    /// has left in the parent. [`read`](lock_api::RwLock::read) panics in the same cases.
    ///
    /// ```
    /// use tk_lock::{RwLock, RwLockExt, StopSource, WaitError};
    ///
    /// let (lock, source) = (RwLock::new(()), StopSource::new());
    /// let _written = lock.write();
    /// source.request_stop();
    /// assert_eq!(lock.read_with(&source.token()).err(), Some(WaitError::Stopped));
    /// ```
    #[track_caller]
    fn read_with<'l>(
        &self,
        limit: impl Into<Limit<'l>>,
    ) -> Result<RwLockReadGuard<'_, T>, WaitError>;

    /// Gets the lock for writing. Blocks while other threads have it in any way, until the limit is
    /// reached.
    ///
    /// # Errors
    ///
    /// If the limit is reached first. The error says which limit that was.
    ///
    /// # Panics
    ///
    /// If the wait would never end, because there is no limit ([`Limit::never`], or a time too long
    /// for the clock) and the lock is held in any way by this thread, or by a thread that a fork
    /// has left in the parent. [`write`](lock_api::RwLock::write) panics in the same cases.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_lock::{RwLock, RwLockExt, WaitError};
    ///
    /// let lock = RwLock::new(());
    /// let _read = lock.read();
    /// let written = lock.write_with(Duration::from_millis(1));
    /// assert_eq!(written.err(), Some(WaitError::TimedOut));
    /// ```
    #[track_caller]
    fn write_with<'l>(
        &self,
        limit: impl Into<Limit<'l>>,
    ) -> Result<RwLockWriteGuard<'_, T>, WaitError>;

    /// Gets the upgradable lock. Blocks while another thread has it or wants to write, until the
    /// limit is reached.
    ///
    /// # Errors
    ///
    /// If the limit is reached first. The error says which limit that was.
    ///
    /// # Panics
    ///
    /// If the wait might never end, because there is no limit ([`Limit::never`], or a time too long
    /// for the clock) and the lock is held in any way by this thread, or by a thread that a fork
    /// has left in the parent. [`upgradable_read`](lock_api::RwLock::upgradable_read) panics in the
    /// same cases.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_lock::{RwLock, RwLockExt};
    ///
    /// let lock = RwLock::new(1);
    /// let _read = lock.read(); // Readers are no obstacle.
    /// assert!(lock.upgradable_read_with(Duration::from_millis(1)).is_ok());
    /// ```
    #[track_caller]
    fn upgradable_read_with<'l>(
        &self,
        limit: impl Into<Limit<'l>>,
    ) -> Result<RwLockUpgradableReadGuard<'_, T>, WaitError>;

    /// Returns the threads that read at this moment, each once, in no order. The thread with the
    /// upgradable lock is not among them.
    ///
    /// For reports: it looks at the cells of all threads that have ever read the lock.
    ///
    /// ```
    /// use tk_lock::{RwLock, RwLockExt};
    ///
    /// let lock = RwLock::new(());
    /// let _read = lock.read();
    /// let names: Vec<_> = lock
    ///     .readers()
    ///     .into_iter()
    ///     .filter_map(tk_core::thread_by_owner)
    ///     .map(|thread| thread.name())
    ///     .collect();
    /// assert_eq!(names, [tk_core::current().name()]);
    /// ```
    fn readers(&self) -> Vec<Owner>;

    /// Returns the thread that has the lock for writing at this moment, or waits only for readers
    /// that are still inside.
    ///
    /// ```
    /// use tk_lock::{RwLock, RwLockExt};
    ///
    /// let lock = RwLock::new(());
    /// assert_eq!(lock.writer(), None);
    /// let _written = lock.write();
    /// assert_eq!(lock.writer(), Some(tk_core::current_owner()));
    /// ```
    fn writer(&self) -> Option<Owner>;

    /// Returns the thread that has the upgradable lock at this moment.
    ///
    /// ```
    /// use tk_lock::{RwLock, RwLockExt};
    ///
    /// let lock = RwLock::new(());
    /// let _guard = lock.upgradable_read();
    /// assert_eq!(lock.upgradable_reader(), Some(tk_core::current_owner()));
    /// ```
    fn upgradable_reader(&self) -> Option<Owner>;
}

impl<T: ?Sized> RwLockExt<T> for RwLock<T> {
    #[track_caller]
    fn read_with<'l>(
        &self,
        limit: impl Into<Limit<'l>>,
    ) -> Result<RwLockReadGuard<'_, T>, WaitError> {
        let limit = limit.into();
        // SAFETY: to read invalidates no guard.
        let token = unsafe { self.raw() }.read(limit)?;
        // SAFETY: this thread has just got that read, and there is no other guard for it.
        Ok(unsafe { self.make_read_guard_unchecked(token) })
    }

    #[track_caller]
    fn write_with<'l>(
        &self,
        limit: impl Into<Limit<'l>>,
    ) -> Result<RwLockWriteGuard<'_, T>, WaitError> {
        let limit = limit.into();
        // SAFETY: to get the lock invalidates no guard.
        unsafe { self.raw() }.write(limit)?;
        // SAFETY: this thread has just got the lock, and there is no other guard for that.
        Ok(unsafe { self.make_write_guard_unchecked(lock_api::GuardNoSend::new()) })
    }

    #[track_caller]
    fn upgradable_read_with<'l>(
        &self,
        limit: impl Into<Limit<'l>>,
    ) -> Result<RwLockUpgradableReadGuard<'_, T>, WaitError> {
        let limit = limit.into();
        // SAFETY: to get the lock invalidates no guard.
        unsafe { self.raw() }.upgradable(limit)?;
        // SAFETY: this thread has just got the lock, and there is no other guard for that.
        Ok(unsafe { self.make_upgradable_guard_unchecked(lock_api::GuardNoSend::new()) })
    }

    fn readers(&self) -> Vec<Owner> {
        // SAFETY: to look invalidates no guard.
        unsafe { self.raw() }.readers()
    }

    fn writer(&self) -> Option<Owner> {
        // SAFETY: to look invalidates no guard.
        unsafe { self.raw() }.writer()
    }

    fn upgradable_reader(&self) -> Option<Owner> {
        // SAFETY: to look invalidates no guard.
        unsafe { self.raw() }.upgradable_reader()
    }
}
