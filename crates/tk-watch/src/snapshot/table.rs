//! The text of a snapshot, for a terminal.
//!
//! A thread has a row, and under it the line of the program where it waits. Long names are cut in
//! the row, and stand in full below it.

use std::fmt::{self, Write as _};

use tk_core::__private::Rounded;

use super::{Activity, ForeignThreads, Snapshot, ThreadSnapshot};
use crate::text::{Count, Escaped};

/// A text in a column of this width: cut if it is longer, filled if it is shorter.
struct Cell<'a>(&'a str, usize);

impl fmt::Display for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cell(text, width) = *self;
        let length = text.chars().count();
        if length <= width {
            return write!(f, "{text:width$}");
        }
        text.chars()
            .take(width - 1)
            .try_for_each(|char| f.write_char(char))?;
        f.write_char('…')
    }
}

const NAME: usize = 18;
const WHAT: usize = 22;
const SINCE: usize = 10;
const LIMIT: usize = 7;
const HOLDER: usize = 18;

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = |thread: &&ThreadSnapshot| thread.activity.wait().is_some();
        let waiting = self.threads.iter().filter(waiting).count();
        writeln!(
            f,
            "process {}: {}, {waiting} of them wait",
            self.process,
            Count(self.threads.len(), "thread"),
        )?;
        write!(
            f,
            "{:>6}  {} {} {} {} HELD BY",
            "ID",
            Cell("NAME", NAME),
            Cell("WAITS FOR", WHAT),
            Cell("FOR", SINCE),
            Cell("LIMIT", LIMIT),
        )?;
        for thread in &self.threads {
            self.write_thread(f, thread)?;
        }
        match &self.foreign {
            ForeignThreads::Known(threads) if threads.is_empty() => {}
            ForeignThreads::Known(threads) => {
                write!(f, "\nthreads that have not used tk:")?;
                for thread in threads {
                    let (id, name) = (thread.native_id, Escaped(&thread.name).to_string());
                    write!(f, "\n{id:>8} {} {}", Cell(&name, NAME), thread.state)?;
                }
            }
            ForeignThreads::Unknown(reason) => {
                let reason = Escaped(reason);
                write!(f, "\nthreads that have not used tk are unknown: {reason}")?;
            }
        }
        for deadlock in &self.deadlocks {
            write!(f, "\ndeadlock: {deadlock}")?;
        }
        Ok(())
    }
}

impl Snapshot {
    fn write_thread(&self, f: &mut fmt::Formatter<'_>, thread: &ThreadSnapshot) -> fmt::Result {
        let full_name = Escaped(&thread.name).to_string();
        write!(f, "\n{:>6}  {}", thread.id, Cell(&full_name, NAME))?;
        let wait = match &thread.activity {
            Activity::Waits(wait) => wait,
            Activity::Runs(Some(state)) => {
                write!(f, " - {state}")?;
                return write_full(f, &full_name, NAME, "named");
            }
            Activity::Runs(None) => {
                f.write_str(" - runs")?;
                return write_full(f, &full_name, NAME, "named");
            }
        };
        let object = wait.object.to_string();
        let first = wait.holders.first();
        let holder = match (first, wait.holders.len()) {
            (None, _) => String::new(),
            (Some(holder), 1) => short(holder),
            (Some(holder), n) => format!("{}, {} more", short(holder), n - 1),
        };
        write!(
            f,
            " {} {} {} {}",
            Cell(&object, WHAT),
            Cell(&Rounded(wait.waited).to_string(), SINCE),
            Cell(&wait.limit.to_string(), LIMIT),
            // The last column is not filled.
            Cell(&holder, HOLDER).to_string().trim_end(),
        )?;
        write_full(f, &full_name, NAME, "named")?;
        write_full(f, &object, WHAT, "waits for")?;
        write!(f, "\n{:8}at {}", "", wait.location)?;
        for holder in &wait.holders {
            if wait.holders.len() > 1 || holder.is_gone {
                write!(f, "\n{:8}held by {holder}", "")?;
            }
            let next = holder.id.and_then(|id| self.thread(id));
            if let Some(next) = next.and_then(|next| next.activity.wait()) {
                write!(f, "\n{:8}{} waits for {}", "", short(holder), next.object)?;
            }
        }
        Ok(())
    }
}

/// The text in full, if it was cut.
fn write_full(f: &mut fmt::Formatter<'_>, text: &str, width: usize, what: &str) -> fmt::Result {
    if text.chars().count() > width {
        write!(f, "\n{:8}{what} {text}", "")?;
    }
    Ok(())
}

/// The id and the name.
fn short(holder: &super::Holder) -> String {
    match (holder.id, &holder.name) {
        (Some(id), Some(name)) => format!("{id} {}", Escaped(name)),
        (Some(id), None) => id.to_string(),
        (None, _) => "unknown".into(),
    }
}
