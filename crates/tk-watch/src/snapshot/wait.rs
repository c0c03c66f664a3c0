//! A wait: for what, since when, where, how long at most, and who holds it.

use std::fmt;
use std::panic::Location;
use std::time::Duration;

use tk_core::__private::Rounded;

use crate::text::Escaped;

/// A wait of a thread, in a [`Snapshot`](crate::Snapshot).
///
/// `Display` shows a line: `lock "orders" 0x7f… for 3.2 s at src/main.rs:7:29, held by …`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Wait {
    /// The thing that the thread waits for. If a notification has moved the thread into the queue
    /// of a lock, that lock.
    pub object: Object,
    /// How long the thread has waited.
    pub waited: Duration,
    /// The line of the program that called the wait.
    pub location: &'static Location<'static>,
    /// When the wait gives up.
    pub limit: WaitLimit,
    /// The threads that hold the thing at this moment, as far as they are known. The wait ends only
    /// when all of them have released it.
    pub holders: Vec<Holder>,
    /// Whether only the holders can end the wait. Other threads can release a
    /// [`RawLock`](tk_lock::RawLock), or notify a condition variable.
    pub only_holders_can_end_it: bool,
}

/// A thing that threads wait for.
///
/// `Display` shows its kind, and its name or its address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Object {
    /// The kind of thing: `lock`, `event`, `join` or another one.
    pub kind: &'static str,
    /// The address of the thing. Two threads that wait at one address wait for the same thing.
    pub address: usize,
    /// The [name](crate::name()) of the thing, if it has one. It may contain anything.
    pub name: Option<String>,
}

/// When a wait gives up.
///
/// ```
/// assert_eq!(tk_watch::WaitLimit::None.to_string(), "none");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitLimit {
    /// Never.
    None,
    /// After this time.
    Deadline(Duration),
    /// When a stop token is stopped.
    Stop,
    /// After this time, or when a stop token is stopped.
    DeadlineOrStop(Duration),
    /// The wait is not one of tk's queues, and only its thread knows.
    Unknown,
}

/// A thread that holds what another one waits for. A thread that is joined holds its own end.
///
/// `Display` shows the thread's name and id.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// The thread's id. `None` after 2^30 threads, when locks do not know their owners any more.
    pub id: Option<u64>,
    /// The thread's name, if it is known.
    pub name: Option<String>,
    /// Whether the thread has exited, and has left the thing held.
    pub is_gone: bool,
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{} \"{}\"", self.kind, Escaped(name)),
            None => write!(f, "{} {:#x}", self.kind, self.address),
        }
    }
}

impl fmt::Display for WaitLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WaitLimit::None => f.write_str("none"),
            WaitLimit::Deadline(left) => write!(f, "{}", Rounded(*left)),
            WaitLimit::Stop => f.write_str("stop"),
            WaitLimit::DeadlineOrStop(left) => write!(f, "{}, stop", Rounded(*left)),
            WaitLimit::Unknown => f.write_str("?"),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, self.id) {
            (Some(name), Some(id)) => write!(f, "{} (thread {id})", Escaped(name))?,
            (_, Some(id)) => write!(f, "thread {id}")?,
            (_, None) => f.write_str("an unknown thread")?,
        }
        if self.is_gone {
            f.write_str(", which has exited")?;
        }
        Ok(())
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (object, waited) = (&self.object, Rounded(self.waited));
        write!(f, "{object} for {waited} at {}", self.location)?;
        for (at, holder) in self.holders.iter().enumerate() {
            let before = if at == 0 { ", held by " } else { " and " };
            write!(f, "{before}{holder}")?;
        }
        Ok(())
    }
}
