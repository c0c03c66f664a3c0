//! A snapshot as JSON.

use std::io::{self, Write};

use super::{Object as JsonObject, object};
use crate::{
    Activity, Deadlock, DeadlockKind, ForeignThreads, Holder, Snapshot, ThreadSnapshot, Wait,
};

impl Snapshot {
    /// Writes the snapshot as JSON: an object with the arrays `threads`, `foreign` and `deadlocks`.
    /// Times are in nanoseconds, addresses are strings.
    ///
    /// # Errors
    ///
    /// If `out` can't be written to.
    ///
    /// ```
    /// let mut json = Vec::new();
    /// tk_watch::dump().write_json(&mut json)?;
    /// assert!(String::from_utf8(json).unwrap().contains("\"MainThread\""));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn write_json(&self, mut out: impl Write) -> io::Result<()> {
        object(&mut out, |o| self.fill_json(o))
    }

    pub(crate) fn fill_json<W: Write>(&self, o: &mut JsonObject<'_, W>) -> io::Result<()> {
        o.number("process", self.process)?;
        let taken = self.taken.duration_since(std::time::UNIX_EPOCH);
        o.number("taken_unix_ms", taken.unwrap_or_default().as_millis())?;
        o.array("threads", |a| {
            self.threads
                .iter()
                .try_for_each(|thread| a.object(|o| fill_thread(o, thread)))
        })?;
        match &self.foreign {
            ForeignThreads::Known(threads) => o.array("foreign", |a| {
                threads.iter().try_for_each(|thread| {
                    a.object(|o| {
                        o.number("native_id", thread.native_id)?;
                        o.string("name", &thread.name)?;
                        o.string("state", &thread.state)
                    })
                })
            })?,
            ForeignThreads::Unknown(reason) => o.string("foreign_unknown", reason)?,
        }
        o.array("deadlocks", |a| {
            self.deadlocks
                .iter()
                .try_for_each(|deadlock| a.object(|o| fill_deadlock(o, deadlock)))
        })
    }
}

fn fill_thread<W: Write>(o: &mut JsonObject<'_, W>, thread: &ThreadSnapshot) -> io::Result<()> {
    o.number("id", thread.id)?;
    o.number("slot", thread.slot)?;
    o.string("name", &thread.name)?;
    if let Some(native_id) = thread.native_id {
        o.number("native_id", native_id)?;
    }
    o.number("is_main", thread.is_main)?;
    o.number("is_daemon", thread.is_daemon)?;
    o.number("is_service", thread.is_service)?;
    match &thread.activity {
        Activity::Runs(None) => Ok(()),
        Activity::Runs(Some(state)) => o.string("system", state),
        Activity::Waits(wait) => o.object("wait", |o| fill_wait(o, wait)),
    }
}

fn fill_wait<W: Write>(o: &mut JsonObject<'_, W>, wait: &Wait) -> io::Result<()> {
    o.string("kind", wait.object.kind)?;
    o.string("address", format_args!("{:#x}", wait.object.address))?;
    if let Some(name) = &wait.object.name {
        o.string("name", name)?;
    }
    o.number("waited_ns", wait.waited.as_nanos())?;
    o.string("line", wait.location)?;
    o.string("limit", wait.limit)?;
    o.number("only_holders_can_end_it", wait.only_holders_can_end_it)?;
    o.array("holders", |a| {
        wait.holders
            .iter()
            .try_for_each(|holder| a.object(|o| fill_holder(o, holder)))
    })
}

fn fill_holder<W: Write>(o: &mut JsonObject<'_, W>, holder: &Holder) -> io::Result<()> {
    if let Some(id) = holder.id {
        o.number("id", id)?;
    }
    if let Some(name) = &holder.name {
        o.string("name", name)?;
    }
    o.number("is_gone", holder.is_gone)
}

fn fill_deadlock<W: Write>(o: &mut JsonObject<'_, W>, deadlock: &Deadlock) -> io::Result<()> {
    let kind = match deadlock.kind {
        DeadlockKind::Cycle => "cycle",
        DeadlockKind::HolderGone => "holder gone",
    };
    o.string("kind", kind)?;
    o.numbers("members", deadlock.ids())?;
    o.numbers("victims", deadlock.victims.iter().copied())?;
    o.string("text", deadlock)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::{Member, Object, WaitLimit};

    #[test]
    fn a_snapshot_is_read_back_by_a_reader_of_json() {
        let wait = Wait {
            object: Object {
                kind: "lock",
                address: 0xffff_ffff_ffff_fff8_u64 as usize,
                name: Some("\"<b>\"\n".to_owned()),
            },
            waited: Duration::from_nanos(1_500),
            location: std::panic::Location::caller(),
            limit: WaitLimit::None,
            holders: vec![Holder {
                id: Some(2),
                name: None,
                is_gone: true,
            }],
            only_holders_can_end_it: true,
        };
        let snapshot = Snapshot {
            process: 7,
            taken: SystemTime::now(),
            threads: vec![ThreadSnapshot {
                id: 1,
                slot: 1,
                name: "</script>\u{2028}".to_owned(),
                native_id: None,
                is_main: true,
                is_daemon: false,
                is_service: false,
                activity: Activity::Waits(wait.clone()),
            }],
            foreign: ForeignThreads::Unknown("no /proc".to_owned()),
            deadlocks: vec![Deadlock {
                kind: DeadlockKind::HolderGone,
                members: vec![Member {
                    id: 1,
                    name: String::new(),
                    waits_for: wait.holders[0].clone(),
                    wait,
                }],
                victims: vec![3, 4],
            }],
        };
        let mut out = Vec::new();
        snapshot.write_json(&mut out).unwrap();
        let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let thread = &read["threads"][0];
        assert_eq!(thread["name"], "</script>\u{2028}");
        assert_eq!(thread["wait"]["name"], "\"<b>\"\n");
        assert_eq!(thread["wait"]["waited_ns"], 1_500);
        assert_eq!(thread["wait"]["holders"][0]["is_gone"], true);
        assert_eq!(read["foreign_unknown"], "no /proc");
        assert_eq!(read["deadlocks"][0]["members"], serde_json::json!([1]));
        assert_eq!(read["deadlocks"][0]["victims"], serde_json::json!([3, 4]));
    }
}
