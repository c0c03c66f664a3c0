//! The trace as a file: the trace event format of Chrome, which is an object with an array of
//! events.
//!
//! | event | `ph` | for |
//! |---|---|---|
//! | complete | `X` | a slice: a wait, a wake-up, the life of a thread |
//! | flow | `s`, `f` | an arrow from the wake-up to the end of the wait |
//! | instant | `i` | what is missing |
//! | metadata | `M` | the names of the process and of the rows |
//!
//! Viewers expect that the slices of a row are nested: a slice that begins within another ends in
//! it too. A flow begins and ends in a slice. Times are in microseconds, with three digits for the
//! nanoseconds.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::{self, Write};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

use tk_core::{BlockedOn, Owner, enumerate, thread_by_owner};
use tk_park::__private::WaitEnd;

use super::ring::{self, Contents, Event, Waited, What};
use super::{STARTED, STOPPED, nanos};
use crate::json::{self, Array, Object};
use crate::name::Names;

/// A row of the trace: a thread, or threads of one name that followed one another.
struct Row {
    name: String,
    /// Their ids, in their order. The first one is the number of the row.
    threads: Vec<u64>,
    /// When the last of them wrote its last event.
    until: u64,
    slices: Vec<Slice>,
}

struct Slice {
    start: u64,
    end: u64,
    what: Shown,
}

enum Shown {
    Life { thread: u64 },
    Wait { thread: u64, wait: Waited },
    Waiting { thread: u64, wait: BlockedOn },
    Wake { woken: String },
}

/// An arrow. The rows are numbers of rows.
struct Arrow {
    from: (u64, u64),
    to: (u64, u64),
}

/// Writes the file.
pub(super) fn write(out: &mut impl Write) -> io::Result<()> {
    let now = nanos(Instant::now());
    let contents = ring::rings().map(ring::Rings::read);
    let started = STARTED.load(Relaxed);
    let stopped = STOPPED.load(Relaxed).min(now).max(started);
    let mut trace = Trace::new(started, stopped);
    if let Some(contents) = &contents {
        trace.add(contents);
        trace.add_waiting();
        trace.nest();
    }
    trace.write(out, contents.as_ref())
}

struct Trace {
    started: u64,
    stopped: u64,
    names: HashMap<u64, String>,
    objects: Names,
    rows: Vec<Row>,
    /// The row of each thread.
    row_of: HashMap<u64, usize>,
    arrows: Vec<Arrow>,
}

impl Trace {
    fn new(started: u64, stopped: u64) -> Trace {
        Trace {
            started,
            stopped,
            names: HashMap::new(),
            objects: Names::now(),
            rows: Vec::new(),
            row_of: HashMap::new(),
            arrows: Vec::new(),
        }
    }

    fn name_of(&self, owner: Owner) -> String {
        match self.names.get(&owner.get().into()) {
            Some(name) => format!("{name} (thread {owner})"),
            None => match thread_by_owner(owner) {
                Some(thread) => format!("{} (thread {owner})", thread.name()),
                None => format!("thread {owner}"),
            },
        }
    }

    fn add(&mut self, contents: &Contents) {
        let records = contents.people.iter().cloned().chain(enumerate());
        self.names = records
            .map(|thread| (thread.id().get(), thread.name().to_string()))
            .collect();

        let mut waits: HashMap<u64, Vec<(u64, u64)>> = HashMap::new();
        for events in &contents.rings {
            self.add_ring(events, &mut waits);
        }
        for ends in waits.values_mut() {
            ends.sort_unstable();
        }
        for event in contents.rings.iter().flatten() {
            let What::Wakes(woken) = event.what else {
                continue;
            };
            // The wake-up comes after the beginning of the wait that it ends, and before its end.
            let woken = u64::from(woken);
            let wait = waits.get(&woken).and_then(|waits| {
                let at = waits.partition_point(|&(end, _)| end < event.at);
                waits.get(at).filter(|&&(_, since)| since <= event.at)
            });
            if let (Some(&(end, _)), Some(&row), Some(&from)) = (
                wait,
                self.row_of.get(&woken),
                self.row_of.get(&event.thread),
            ) {
                self.arrows.push(Arrow {
                    from: (from as u64, event.at),
                    // Within the slice, not at its end.
                    to: (row as u64, end.saturating_sub(1).max(event.at)),
                });
            }
        }
    }

    /// Adds the rows of a ring. Notes when the waits of each thread ended, and when they began.
    fn add_ring(&mut self, events: &[Event], waits: &mut HashMap<u64, Vec<(u64, u64)>>) {
        let mut threads: BTreeMap<u64, Vec<Event>> = BTreeMap::new();
        for event in events {
            threads.entry(event.thread).or_default().push(*event);
        }
        let mut threads: Vec<_> = threads.into_iter().collect();
        threads.sort_by_key(|(_, events)| events[0].begin());
        let mut rows: HashMap<String, usize> = HashMap::new();
        for (thread, events) in threads {
            let (first, last) = (events[0].begin(), events[events.len() - 1].at);
            let name = match self.names.get(&thread) {
                _ if thread == 0 => "threads that are not registered".to_owned(),
                Some(name) => name.clone(),
                None => "unknown".to_owned(),
            };
            let row = match rows.get(&name) {
                Some(&row) if self.rows[row].until <= first => row,
                _ => {
                    self.rows.push(Row {
                        name: name.clone(),
                        threads: Vec::new(),
                        until: 0,
                        slices: Vec::new(),
                    });
                    self.rows.len() - 1
                }
            };
            rows.insert(name, row);
            self.row_of.insert(thread, row);
            self.rows[row].threads.push(thread);
            self.rows[row].until = last;
            self.add_thread(row, thread, &events, waits.entry(thread).or_default());
        }
    }

    fn add_thread(
        &mut self,
        row: usize,
        thread: u64,
        events: &[Event],
        waits: &mut Vec<(u64, u64)>,
    ) {
        let mut begun = None;
        let mut slices = Vec::new();
        for event in events {
            let (start, what) = match event.what {
                What::Begins => {
                    begun = Some(event.at);
                    continue;
                }
                What::Ends => (
                    begun.take().unwrap_or(events[0].begin()),
                    Shown::Life { thread },
                ),
                What::Waited(wait) => {
                    if wait.end != WaitEnd::TimedOut {
                        waits.push((event.at, wait.since));
                    }
                    (wait.since, Shown::Wait { thread, wait })
                }
                What::Wakes(woken) => {
                    let woken =
                        Owner::new(woken).map_or("?".to_owned(), |owner| self.name_of(owner));
                    (event.at, Shown::Wake { woken })
                }
            };
            // A wake-up takes a nanosecond, because an arrow must begin within a slice.
            let end = match what {
                Shown::Wake { .. } => event.at + 1,
                _ => event.at,
            };
            slices.push(Slice { start, end, what });
        }
        if let Some(start) = begun {
            slices.push(Slice {
                start,
                end: self.stopped,
                what: Shown::Life { thread },
            });
        }
        self.rows[row].slices.extend(slices);
    }

    /// Adds the waits that go on.
    fn add_waiting(&mut self) {
        for thread in enumerate() {
            let Some(wait) = thread.blocked_on() else {
                continue;
            };
            let since = nanos(wait.since());
            if since >= self.stopped {
                continue;
            }
            let id = thread.id().get();
            let row = self.row_of.get(&id).copied().unwrap_or_else(|| {
                self.rows.push(Row {
                    name: thread.name().to_string(),
                    threads: vec![id],
                    until: since,
                    slices: Vec::new(),
                });
                self.rows.len() - 1
            });
            self.row_of.insert(id, row);
            let row = &mut self.rows[row];
            // It may have parked before in the same wait.
            let ends = row.slices.iter().filter_map(|slice| match slice.what {
                Shown::Wait { thread, .. } if thread == id => Some(slice.end),
                _ => None,
            });
            let start = ends.max().unwrap_or(0).max(since);
            row.slices.push(Slice {
                start,
                end: self.stopped.max(start),
                what: Shown::Waiting { thread: id, wait },
            });
        }
    }

    /// Sorts the slices, cuts off what is outside of the trace, and makes them nested.
    fn nest(&mut self) {
        for row in &mut self.rows {
            for slice in &mut row.slices {
                slice.start = slice.start.max(self.started);
                slice.end = slice.end.max(slice.start);
            }
            row.slices
                .sort_by_key(|slice| (slice.start, std::cmp::Reverse(slice.end)));
            let mut open: Vec<u64> = Vec::new();
            for slice in &mut row.slices {
                while open.pop_if(|end| *end <= slice.start).is_some() {}
                if let Some(&end) = open.last()
                    && slice.end > end
                {
                    // It overlaps with the one around it, whose rest is shown.
                    slice.end = end;
                }
                open.push(slice.end);
            }
        }
    }

    fn write(&self, out: &mut impl Write, contents: Option<&Contents>) -> io::Result<()> {
        json::object(out, |o| {
            o.string("displayTimeUnit", "ns")?;
            o.array("traceEvents", |a| {
                self.write_names(a)?;
                for row in &self.rows {
                    for slice in &row.slices {
                        a.object(|o| self.write_slice(o, row, slice))?;
                    }
                }
                for (number, arrow) in self.arrows.iter().enumerate() {
                    self.write_arrow(a, number, arrow)?;
                }
                contents.map_or(Ok(()), |contents| self.write_missing(a, contents))
            })?;
            o.object("otherData", |o| {
                o.number("overwritten_events", contents.map_or(0, |c| c.overwritten))?;
                o.number("lost_events", contents.map_or(0, |c| c.lost))?;
                o.number("threads_without_name", contents.map_or(0, |c| c.nameless))
            })
        })
    }

    fn write_names<W: Write>(&self, a: &mut Array<'_, W>) -> io::Result<()> {
        let program = std::env::current_exe().ok();
        let program = program.as_deref().and_then(|path| path.file_name());
        let program = program.map_or("program".into(), |name| name.to_string_lossy());
        a.object(|o| {
            begin(o, "process_name", "M", 0)?;
            o.object("args", |o| o.string("name", program))
        })?;
        for (number, row) in self.rows.iter().enumerate() {
            a.object(|o| {
                begin(o, "thread_name", "M", row.number())?;
                o.object("args", |o| o.string("name", row))
            })?;
            a.object(|o| {
                begin(o, "thread_sort_index", "M", row.number())?;
                o.object("args", |o| o.number("sort_index", number))
            })?;
        }
        Ok(())
    }

    fn write_slice<W: Write>(
        &self,
        o: &mut Object<'_, W>,
        row: &Row,
        slice: &Slice,
    ) -> io::Result<()> {
        let (name, category) = match &slice.what {
            Shown::Life { .. } => ("runs", "thread"),
            Shown::Wait { wait, .. } => (wait.kind, "wait"),
            Shown::Waiting { wait, .. } => (wait.kind(), "wait"),
            Shown::Wake { .. } => ("wakes", "wake"),
        };
        begin(o, name, "X", row.number())?;
        o.string("cat", category)?;
        o.number("ts", self.time(slice.start))?;
        o.number("dur", Micros(slice.end - slice.start))?;
        o.object("args", |o| match &slice.what {
            Shown::Life { thread } => o.number("thread", thread),
            Shown::Wake { woken } => o.string("woken", woken),
            Shown::Wait { thread, wait } => {
                o.number("thread", thread)?;
                self.write_object(o, wait.address)?;
                o.string("line", wait.location)?;
                self.write_holder(o, Owner::new(wait.holder))?;
                let end = match wait.end {
                    WaitEnd::Unparked => "woken",
                    WaitEnd::TimedOut => "timed out",
                    WaitEnd::Stopped => "stopped",
                    WaitEnd::Broken => "deadlock broken",
                };
                o.string("end", end)
            }
            Shown::Waiting { thread, wait } => {
                o.number("thread", thread)?;
                self.write_object(o, wait.address())?;
                o.string("line", wait.location())?;
                self.write_holder(o, wait.holder())?;
                o.string("end", "still waiting")
            }
        })
    }

    fn write_object<W: Write>(&self, o: &mut Object<'_, W>, address: usize) -> io::Result<()> {
        match self.objects.of(address) {
            Some(name) => o.string("object", format_args!("{name} {address:#x}")),
            None => o.string("object", format_args!("{address:#x}")),
        }
    }

    fn write_holder<W: Write>(
        &self,
        o: &mut Object<'_, W>,
        holder: Option<Owner>,
    ) -> io::Result<()> {
        holder.map_or(Ok(()), |holder| o.string("held by", self.name_of(holder)))
    }

    fn write_arrow<W: Write>(
        &self,
        a: &mut Array<'_, W>,
        number: usize,
        arrow: &Arrow,
    ) -> io::Result<()> {
        for (phase, (row, at)) in [("s", arrow.from), ("f", arrow.to)] {
            a.object(|o| {
                begin(o, "wakes", phase, self.rows[row as usize].number())?;
                o.string("cat", "wake")?;
                o.number("id", number)?;
                o.number("ts", self.time(at))?;
                match phase {
                    // It ends in the slice around that time, not in the next one.
                    "f" => o.string("bp", "e"),
                    _ => Ok(()),
                }
            })?;
        }
        Ok(())
    }

    /// Says in the trace itself what is missing in it.
    fn write_missing<W: Write>(&self, a: &mut Array<'_, W>, contents: &Contents) -> io::Result<()> {
        let missing = [
            (
                contents.overwritten,
                "events were overwritten by newer ones",
            ),
            (contents.lost, "events were lost: their ring was being read"),
            (contents.nameless, "threads have no name here"),
        ];
        for (count, text) in missing {
            if count > 0 {
                a.object(|o| {
                    begin(o, &format!("{count} {text}"), "i", 0)?;
                    o.string("s", "p")?;
                    o.number("ts", self.time(self.started))
                })?;
            }
        }
        Ok(())
    }

    fn time(&self, at: u64) -> Micros {
        Micros(at.saturating_sub(self.started))
    }
}

impl Event {
    fn begin(&self) -> u64 {
        match self.what {
            What::Waited(wait) => wait.since,
            _ => self.at,
        }
    }
}

impl Row {
    fn number(&self) -> u64 {
        self.threads.first().copied().unwrap_or(0)
    }
}

/// Shows the name and the ids: `worker (thread 7)`, `worker (threads 7, 9 and 12 more)`.
impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match *self.threads {
            [] | [0] => Ok(()),
            [id] => write!(f, " (thread {id})"),
            [first, last] => write!(f, " (threads {first} and {last})"),
            [first, second, ref more @ ..] => {
                write!(f, " (threads {first}, {second} and {} more)", more.len())
            }
        }
    }
}

fn begin<W: Write>(o: &mut Object<'_, W>, name: &str, phase: &str, row: u64) -> io::Result<()> {
    o.string("name", name)?;
    o.string("ph", phase)?;
    o.number("pid", std::process::id())?;
    o.number("tid", row)
}

/// Nanoseconds, shown as microseconds.
struct Micros(u64);

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1_000, self.0 % 1_000)
    }
}
