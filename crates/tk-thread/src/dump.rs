//! A dump: all threads and their waits, in one call.

use std::fmt;

use tk_core::__private::{HolderName, Rounded};
use tk_core::{BlockedOn, ThreadId};

use crate::{current, enumerate};

/// Returns what every live thread is doing: running, or waiting, and then for what, for how long,
/// at which line of the program, and for which thread.
///
/// Call it when the program hangs, and print the result. It never blocks, and can be called from
/// any thread, but not from a signal handler, because it allocates memory. The threads are read one
/// after another, so a thread may wake up while others are read.
///
/// A thread that blocks in something that is not of the kit, such as a read or a mutex of std,
/// shows as running. A thread that the kit has not started is listed once it has used the kit. The
/// calling thread has done so by this call.
///
/// ```
/// use tk_lock::Lock;
///
/// let account = Lock::new(100);
/// let guard = account.lock();
/// std::thread::scope(|s| {
///     s.spawn(|| *account.lock() -= 1); // Needs the lock that the main thread holds.
///     # while !tk_thread::dump().to_string().contains("lock") { std::thread::yield_now() }
///     println!("{}", tk_thread::dump());
///     // MainThread (thread 1) runs
///     // Dummy-1 (thread 2) waits for lock 0x7ffd50 for 0.1 s at src/main.rs:7:29, held by
///     // MainThread (thread 1)
///     drop(guard);
/// });
/// ```
#[doc(alias = "faulthandler")]
#[doc(alias = "deadlock")]
#[doc(alias = "hang")]
pub fn dump() -> Dump {
    // A thread that has not used the kit before is registered by this, and listed.
    current();
    let threads = enumerate().into_iter().map(|thread| ThreadDump {
        id: thread.id(),
        blocked_on: thread.blocked_on(),
        name: thread.name(),
        is_daemon: thread.is_daemon(),
    });
    Dump {
        threads: threads.collect(),
    }
}

/// The state of all threads when [`dump`] was called. `Display` shows one line per thread.
///
/// ```
/// assert!(tk_thread::dump().to_string().starts_with("MainThread (thread 1) runs"));
/// ```
#[derive(Clone, Debug)]
pub struct Dump {
    threads: Vec<ThreadDump>,
}

impl Dump {
    /// Returns the threads in the order of [`enumerate`](crate::enumerate()).
    ///
    /// ```
    /// let dump = tk_thread::dump();
    /// let blocked = dump.threads().iter().filter(|thread| thread.blocked_on().is_some());
    /// println!("{} of {} threads wait", blocked.count(), dump.threads().len());
    /// ```
    pub fn threads(&self) -> &[ThreadDump] {
        &self.threads
    }
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, thread) in self.threads.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            fmt::Display::fmt(thread, f)?;
        }
        Ok(())
    }
}

/// The state of one thread when [`dump`] was called.
///
/// ```
/// let dump = tk_thread::dump();
/// let me = dump.threads().iter().find(|thread| thread.id() == tk_thread::current().id());
/// assert!(me.unwrap().blocked_on().is_none()); // It runs.
/// ```
#[derive(Clone, Debug)]
pub struct ThreadDump {
    id: ThreadId,
    name: String,
    is_daemon: bool,
    blocked_on: Option<BlockedOn>,
}

impl ThreadDump {
    /// Returns the thread's id.
    ///
    /// ```
    /// assert!(tk_thread::dump().threads()[0].id().get() > 0);
    /// ```
    pub fn id(&self) -> ThreadId {
        self.id
    }

    /// Returns the name that the thread had.
    ///
    /// ```
    /// assert_eq!(tk_thread::dump().threads()[0].name(), "MainThread");
    /// ```
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns whether the thread is a daemon.
    ///
    /// ```
    /// assert!(!tk_thread::dump().threads()[0].is_daemon());
    /// ```
    pub fn is_daemon(&self) -> bool {
        self.is_daemon
    }

    /// Returns what the thread waited for, or `None` if it was running.
    ///
    /// ```
    /// assert!(tk_thread::dump().threads()[0].blocked_on().is_none());
    /// ```
    pub fn blocked_on(&self) -> Option<&BlockedOn> {
        self.blocked_on.as_ref()
    }
}

impl fmt::Display for ThreadDump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A name may contain anything, and must not look like another line.
        write!(f, "{} (thread {})", self.name.escape_debug(), self.id)?;
        let Some(blocked_on) = &self.blocked_on else {
            return f.write_str(" runs");
        };
        write!(
            f,
            " waits for {} {:#x} for {} at {}",
            blocked_on.kind(),
            blocked_on.address(),
            Rounded(blocked_on.since().elapsed()),
            blocked_on.location(),
        )?;
        match blocked_on.holder() {
            Some(holder) => write!(f, ", held by {}", HolderName(holder)),
            None => Ok(()),
        }
    }
}
