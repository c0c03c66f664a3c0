//! The activities of all threads at one moment: the data of a dump.
//!
//! | file | holds |
//! |---|---|
//! | `snapshot/wait.rs` | a wait: its object, limit and holders |
//! | `snapshot/system.rs` | what the operating system says of a thread |
//! | `snapshot/table.rs` | the text for a terminal |
//! | `snapshot/dot.rs` | the graph for Graphviz |

mod dot;
mod system;
mod table;
mod wait;

use std::time::SystemTime;

pub use self::system::{ForeignThread, ForeignThreads, SystemCall, SystemState};
pub(crate) use self::system::{foreign_threads, state_of};
pub use self::wait::{Holder, Object, Wait, WaitLimit};
use crate::Deadlock;

/// A snapshot of all threads of the process: the result of [`dump`](crate::dump()).
///
/// `Display` shows a table for a terminal, and [`to_dot`](Snapshot::to_dot) returns the wait graph
/// for Graphviz.
///
/// ```
/// let snapshot = tk_watch::dump();
/// assert_eq!(snapshot.threads[0].name, "MainThread");
/// println!("{snapshot}");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// The number of the process.
    pub process: u32,
    /// When the snapshot was taken.
    pub taken: SystemTime,
    /// The threads of the kit, in the order of their ids.
    pub threads: Vec<ThreadSnapshot>,
    /// The threads that have never used the kit, as far as the system lists them.
    pub foreign: ForeignThreads,
    /// The deadlocks among the threads.
    pub deadlocks: Vec<Deadlock>,
}

/// A thread of the kit, in a [`Snapshot`].
///
/// ```
/// let snapshot = tk_watch::dump();
/// let main = snapshot.thread(1).unwrap();
/// assert!(main.is_main && !main.is_daemon);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ThreadSnapshot {
    /// The [thread's id](tk_core::ThreadId).
    pub id: u64,
    /// The [thread's slot](tk_core::Slot).
    pub slot: u32,
    /// The thread's name, as it was set. It may contain anything.
    pub name: String,
    /// The thread's number in the system, if it is known.
    pub native_id: Option<u64>,
    /// Whether this is the main thread.
    pub is_main: bool,
    /// Whether the program may end while the thread runs.
    pub is_daemon: bool,
    /// Whether the thread serves only the kit, so that [`enumerate`](tk_core::enumerate()) does not
    /// show it.
    pub is_service: bool,
    /// The thread's activity.
    pub activity: Activity,
}

/// The activity of a thread.
///
/// ```
/// use tk_watch::Activity;
///
/// let snapshot = tk_watch::dump();
/// let waiting = |activity: &Activity| matches!(activity, Activity::Waits(_));
/// let count = snapshot.threads.iter().filter(|thread| waiting(&thread.activity)).count();
/// println!("{count} of {} threads wait", snapshot.threads.len());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Activity {
    /// The thread is in no wait of the kit. The system says whether it sleeps in a call, if it
    /// can say anything.
    Runs(Option<SystemState>),
    /// The thread is in a wait of the kit.
    Waits(Wait),
}

impl Activity {
    /// Returns the wait of the kit that the thread is in.
    ///
    /// ```
    /// assert!(tk_watch::dump().threads[0].activity.wait().is_none());
    /// ```
    pub fn wait(&self) -> Option<&Wait> {
        match self {
            Activity::Waits(wait) => Some(wait),
            Activity::Runs(_) => None,
        }
    }
}

impl Snapshot {
    /// Returns the thread with this id.
    ///
    /// ```
    /// assert!(tk_watch::dump().thread(0).is_none());
    /// ```
    pub fn thread(&self, id: u64) -> Option<&ThreadSnapshot> {
        let at = self.threads.binary_search_by_key(&id, |thread| thread.id);
        at.ok().map(|at| &self.threads[at])
    }
}
