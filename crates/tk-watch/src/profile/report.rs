//! A profile as values, as a table, and as JSON.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

use tk_core::{Owner, thread_by_owner};

use super::table::Rows;
use super::tally::Tally;
use super::{Tables, pprof};
use crate::duration::Short;
use crate::json::{self, Array, Object as JsonObject};
use crate::snapshot;
use crate::text::Escaped;

/// The counts of a contention profile: the result of [`read`](super::read).
///
/// `Display` shows tables. The rows are sorted by their total time.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Profile {
    /// For how long the profile has been on.
    pub elapsed: Duration,
    /// The waits by source line.
    pub lines: Vec<Line>,
    /// The waits by object.
    pub objects: Vec<Object>,
    /// The waits by thread.
    pub threads: Vec<Thread>,
    /// The waits at lines without a row of their own, if there are any.
    pub other_lines: Option<Waits>,
    /// The waits for objects without a row of their own, if there are any.
    pub other_objects: Option<Waits>,
    /// The waits of threads without a row of their own, if there are any.
    pub other_threads: Option<Waits>,
    /// How many times a wait is missing in one of the tables, because another thread that was
    /// counting lost its processor.
    pub missed: u64,
}

/// The waits that a source line has requested.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Line {
    /// The source file, as the compiler names it.
    pub file: &'static str,
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
    /// The kind of thing that was waited for.
    pub kind: &'static str,
    /// The waits.
    pub waits: Waits,
}

/// The waits for one object.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Object {
    /// The address of the object.
    pub address: usize,
    /// The kind of thing.
    pub kind: &'static str,
    /// The [name](crate::name()) of the object, if it has one now.
    pub name: Option<String>,
    /// The source file, line and column that waited for it last.
    pub last_at: (&'static str, u32, u32),
    /// The waits.
    pub waits: Waits,
}

/// The waits of one thread.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Thread {
    /// The thread's id.
    pub id: u64,
    /// The thread's name. `None` if the thread is not known any more.
    pub name: Option<String>,
    /// The waits.
    pub waits: Waits,
}

/// Some waits, summed up.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Waits {
    /// How many there were.
    pub count: u64,
    /// How many of them ended because the time was up.
    pub timed_out: u64,
    /// How many of them a stop request ended.
    pub stopped: u64,
    /// How long they lasted together.
    pub total: Duration,
    /// Half of them were not longer than this. Right to six percent.
    pub median: Duration,
    /// 99 of 100 were not longer than this. Right to six percent.
    pub p99: Duration,
    /// The longest.
    pub longest: Duration,
    /// The threads that held the object when the waits began: at most eight, the most frequent
    /// first. If there were more than eight, the counts may be too high by an eighth of all.
    pub held_by: Vec<Held>,
}

/// A thread that held an object while others began to wait.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Held {
    /// The number of the thread, which is its id unless that is very large.
    pub owner: Owner,
    /// The thread's name. `None` if the thread is not known any more.
    pub name: Option<String>,
    /// How many waits began while it held the object.
    pub count: u64,
}

impl Profile {
    /// Writes the profile as JSON: an object whose `lines`, `objects` and `threads` are arrays.
    /// Times are in nanoseconds.
    ///
    /// # Errors
    ///
    /// If `out` can't be written to.
    ///
    /// ```
    /// let mut json = Vec::new();
    /// tk_watch::profile::read().write_json(&mut json)?;
    /// assert!(json.starts_with(b"{"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn write_json(&self, mut out: impl Write) -> io::Result<()> {
        json::object(&mut out, |o| self.fill_json(o))
    }

    /// Writes the profile in the format of pprof, so that `go tool pprof` and other viewers open
    /// it: a sample for each source line, with the number of its waits and their total time.
    ///
    /// # Errors
    ///
    /// If `out` can't be written to.
    ///
    /// ```
    /// let mut file = Vec::new();
    /// tk_watch::profile::read().write_pprof(&mut file)?;
    /// // go tool pprof -top waits.pb
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn write_pprof(&self, mut out: impl Write) -> io::Result<()> {
        out.write_all(&pprof::encode(self))
    }

    pub(crate) fn fill_json<W: Write>(&self, o: &mut JsonObject<'_, W>) -> io::Result<()> {
        o.number("elapsed_ns", self.elapsed.as_nanos())?;
        o.number("missed", self.missed)?;
        o.array("lines", |a| {
            for line in &self.lines {
                a.object(|o| {
                    o.string("file", line.file)?;
                    o.number("line", line.line)?;
                    o.number("column", line.column)?;
                    o.string("kind", line.kind)?;
                    line.waits.fill_json(o)
                })?;
            }
            others(a, self.other_lines.as_ref())
        })?;
        o.array("objects", |a| {
            for object in &self.objects {
                a.object(|o| {
                    o.string("address", format_args!("{:#x}", object.address))?;
                    o.string("kind", object.kind)?;
                    if let Some(name) = &object.name {
                        o.string("name", name)?;
                    }
                    let (file, line, column) = object.last_at;
                    o.string("last_at", format_args!("{file}:{line}:{column}"))?;
                    object.waits.fill_json(o)
                })?;
            }
            others(a, self.other_objects.as_ref())
        })?;
        o.array("threads", |a| {
            for thread in &self.threads {
                a.object(|o| {
                    o.number("id", thread.id)?;
                    if let Some(name) = &thread.name {
                        o.string("name", name)?;
                    }
                    thread.waits.fill_json(o)
                })?;
            }
            others(a, self.other_threads.as_ref())
        })
    }

    /// All waits that have been counted by line.
    fn all(&self) -> (u64, Duration) {
        let rows = self.lines.iter().map(|line| &line.waits);
        rows.chain(&self.other_lines)
            .fold((0, Duration::ZERO), |(count, total), waits| {
                (count + waits.count, total.saturating_add(waits.total))
            })
    }
}

fn others<W: Write>(a: &mut Array<'_, W>, waits: Option<&Waits>) -> io::Result<()> {
    match waits {
        Some(waits) => a.object(|o| {
            o.number("is_others", true)?;
            waits.fill_json(o)
        }),
        None => Ok(()),
    }
}

impl Waits {
    fn fill_json<W: Write>(&self, o: &mut JsonObject<'_, W>) -> io::Result<()> {
        o.number("waits", self.count)?;
        o.number("timed_out", self.timed_out)?;
        o.number("stopped", self.stopped)?;
        o.number("total_ns", self.total.as_nanos())?;
        o.number("median_ns", self.median.as_nanos())?;
        o.number("p99_ns", self.p99.as_nanos())?;
        o.number("longest_ns", self.longest.as_nanos())?;
        o.array("held_by", |a| {
            for held in &self.held_by {
                a.object(|o| {
                    o.number("id", held.owner)?;
                    if let Some(name) = &held.name {
                        o.string("name", name)?;
                    }
                    o.number("waits", held.count)
                })?;
            }
            Ok(())
        })
    }
}

/// Shows the thread: `painter (thread 7)`.
impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        who(f, self.name.as_deref(), self.owner)
    }
}

fn who(f: &mut fmt::Formatter<'_>, name: Option<&str>, number: impl fmt::Display) -> fmt::Result {
    match name {
        // A name may contain anything, and must not look like another row.
        Some(name) => write!(f, "{} (thread {number})", Escaped(name)),
        None => write!(f, "thread {number}"),
    }
}

/// Shows the ten longest rows of each table.
impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, total) = self.all();
        write!(
            f,
            "{count} waits in {}, {} in total",
            Short(self.elapsed),
            Short(total)
        )?;
        if self.missed > 0 {
            write!(f, "; {} times, a wait is missing in a table", self.missed)?;
        }
        section(f, "line", &self.lines, self.other_lines.as_ref(), |row| {
            let text = format!("{} at {}:{}:{}", row.kind, row.file, row.line, row.column);
            (&row.waits, text)
        })?;
        section(
            f,
            "object",
            &self.objects,
            self.other_objects.as_ref(),
            |row| {
                let (file, line, column) = row.last_at;
                let object = snapshot::Object {
                    kind: row.kind,
                    address: row.address,
                    name: row.name.clone(),
                };
                let text = format!("{object}, last at {file}:{line}:{column}");
                (&row.waits, text)
            },
        )?;
        section(
            f,
            "thread",
            &self.threads,
            self.other_threads.as_ref(),
            |row| {
                let text = fmt::from_fn(|f| who(f, row.name.as_deref(), row.id)).to_string();
                (&row.waits, text)
            },
        )
    }
}

const SHOWN: usize = 10;

fn section<R>(
    f: &mut fmt::Formatter<'_>,
    title: &str,
    rows: &[R],
    others: Option<&Waits>,
    describe: impl Fn(&R) -> (&Waits, String),
) -> fmt::Result {
    if rows.is_empty() && others.is_none() {
        return Ok(());
    }
    write!(
        f,
        "\n\n{:>8} {:>10} {:>9} {:>9} {:>9}  {title}",
        "waits", "total", "median", "p99", "longest"
    )?;
    let mut show = |waits: &Waits, text: &str| {
        write!(
            f,
            "\n{:>8} {:>10} {:>9} {:>9} {:>9}  {text}",
            waits.count,
            Short(waits.total),
            Short(waits.median),
            Short(waits.p99),
            Short(waits.longest),
        )?;
        let Some(held) = waits.held_by.first() else {
            return Ok(());
        };
        write!(f, ", held {} times by {held}", held.count)
    };
    for row in rows.iter().take(SHOWN) {
        let (waits, text) = describe(row);
        show(waits, &text)?;
    }
    if let Some(others) = others {
        show(others, "all others, for which the table has no room")?;
    }
    if rows.len() > SHOWN {
        write!(f, "\n{:>51} … and {} more", "", rows.len() - SHOWN)?;
    }
    Ok(())
}

/// Finds the names of threads, also of those that have ended.
struct Names(HashMap<u64, String>);

impl Names {
    fn of(&self, owner: Owner) -> Option<String> {
        let known = self.0.get(&owner.get().into()).cloned();
        known.or_else(|| Some(thread_by_owner(owner)?.name().to_string()))
    }

    fn waits(&self, tally: &Tally) -> Waits {
        let held_by = tally.holders().into_iter().map(|(owner, count)| Held {
            owner,
            name: self.of(owner),
            count,
        });
        Waits {
            count: tally.waits,
            timed_out: tally.timed_out,
            stopped: tally.stopped,
            total: tally.total(),
            median: tally.quantile(0.5),
            p99: tally.quantile(0.99),
            longest: tally.longest(),
            held_by: held_by.collect(),
        }
    }

    fn others(&self, tally: &Tally) -> Option<Waits> {
        (tally.waits > 0).then(|| self.waits(tally))
    }
}

pub(super) fn read(tables: &Tables) -> Profile {
    let (lines, objects, threads) = (
        tables.lines.read(),
        tables.objects.read(),
        tables.threads.read(),
    );
    let objects_by_name = crate::name::Names::now();
    let records = threads.rows.iter().filter_map(|row| row.label.as_ref());
    let names = Names(
        records
            .filter_map(|label| Some((label.id, label.record.as_ref()?.name().to_string())))
            .collect(),
    );
    let mut profile = Profile {
        elapsed: Duration::from_nanos(tables.elapsed()),
        lines: by_line(&lines, &names),
        objects: labeled(&objects, |label, tally| Object {
            address: label.address,
            kind: label.kind,
            name: objects_by_name.of(label.address).map(str::to_owned),
            last_at: (
                label.location.file(),
                label.location.line(),
                label.location.column(),
            ),
            waits: names.waits(tally),
        }),
        threads: labeled(&threads, |label, tally| Thread {
            id: label.id,
            name: names.0.get(&label.id).cloned(),
            waits: names.waits(tally),
        }),
        other_lines: names.others(&lines.others),
        other_objects: names.others(&objects.others),
        other_threads: names.others(&threads.others),
        missed: lines.missed + objects.missed + threads.missed,
    };
    let by_total = |waits: &Waits| std::cmp::Reverse(waits.total);
    profile.lines.sort_by_key(|row| by_total(&row.waits));
    profile.objects.sort_by_key(|row| by_total(&row.waits));
    profile.threads.sort_by_key(|row| by_total(&row.waits));
    profile
}

fn labeled<L, R>(rows: &Rows<L>, make: impl Fn(&L, &Tally) -> R) -> Vec<R> {
    let rows = rows.rows.iter();
    rows.filter_map(|row| Some(make(row.label.as_ref()?, &row.tally)))
        .collect()
}

/// The compiler may describe one line at several addresses: their tallies are merged.
fn by_line(rows: &Rows<super::LineLabel>, names: &Names) -> Vec<Line> {
    let mut lines: BTreeMap<_, Tally> = BTreeMap::new();
    for row in &rows.rows {
        let Some(label) = row.label else {
            continue;
        };
        let at = label.location;
        let key = (at.file(), at.line(), at.column(), label.kind);
        lines
            .entry(key)
            .and_modify(|tally| tally.merge(&row.tally))
            .or_insert_with(|| row.tally.clone());
    }
    lines
        .iter()
        .map(|(&(file, line, column, kind), tally)| Line {
            file,
            line,
            column,
            kind,
            waits: names.waits(tally),
        })
        .collect()
}
