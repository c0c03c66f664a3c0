//! Deadlocks: what is certain, and how it is told.

use std::fmt;

use crate::text::{Count, Escaped};
use crate::{Holder, Wait};

/// Threads that will wait forever, because each waits without a limit for the next one, or because
/// the thread that holds what they wait for has exited.
///
/// `Display` shows a line for each thread.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Deadlock {
    /// Why the threads wait forever.
    pub kind: DeadlockKind,
    /// The threads. In a cycle, each waits for the next one, and the last for the first.
    pub members: Vec<Member>,
    /// The ids of other threads that wait for members without a limit, directly or not. They wait
    /// as long as the members do.
    pub victims: Vec<u64>,
}

/// Why the threads of a [`Deadlock`] wait forever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeadlockKind {
    /// They wait for each other.
    Cycle,
    /// A thread has exited while it held what the one member waits for. It has leaked a guard.
    HolderGone,
}

/// A thread of a [`Deadlock`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Member {
    /// The thread's id.
    pub id: u64,
    /// The thread's name. It may contain anything.
    pub name: String,
    /// The thread's wait.
    pub wait: Wait,
    /// The thread that it waits for: the next member, or the one that has exited.
    pub waits_for: Holder,
}

impl Deadlock {
    /// Returns the ids of the members.
    pub fn ids(&self) -> impl Iterator<Item = u64> + '_ {
        self.members.iter().map(|member| member.id)
    }
}

impl fmt::Display for Deadlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.kind, self.members.len()) {
            (DeadlockKind::HolderGone, _) => {
                f.write_str("a lock is held by a thread that has exited:")?;
            }
            (DeadlockKind::Cycle, 1) => f.write_str("a thread waits for itself:")?,
            (DeadlockKind::Cycle, n) => write!(f, "{n} threads wait for each other:")?,
        }
        for member in &self.members {
            let Member { id, name, wait, .. } = member;
            let name = Escaped(name);
            let held = if wait.object.kind == "join" {
                "which is"
            } else {
                "held by"
            };
            write!(
                f,
                "\n  {name} (thread {id}) waits for {} at {}\n    {held} {}",
                wait.object, wait.location, member.waits_for
            )?;
        }
        if !self.victims.is_empty() {
            let more = Count(self.victims.len(), "more thread");
            let wait = if self.victims.len() == 1 {
                "waits"
            } else {
                "wait"
            };
            write!(f, "\n  {more} {wait} for them")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_counts_the_other_threads_that_wait() {
        let mut deadlock = Deadlock {
            kind: DeadlockKind::Cycle,
            members: Vec::new(),
            victims: vec![3],
        };
        assert!(
            deadlock
                .to_string()
                .ends_with("\n  1 more thread waits for them")
        );
        deadlock.victims.push(4);
        assert!(
            deadlock
                .to_string()
                .ends_with("\n  2 more threads wait for them")
        );
    }
}
