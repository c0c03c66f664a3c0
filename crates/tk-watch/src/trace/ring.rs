//! The rings, into which threads write their events, and from which a reader copies them.
//!
//! Each thread writes into the ring of its slot. No two live threads have the same slot, so a ring
//! has one writer, which finds its lock free unless a reader has it. If there are more threads than
//! rings, several threads share a ring. So each event has the id of its thread.
//!
//! # Invariants
//!
//! **Nobody waits.** A thread that finds its ring locked counts its event as lost and goes on.
//!
//! **Nothing is allocated or freed with a ring locked**, because the allocator of the program may
//! be what waits. The room is made before, at the start of the trace, and events are plain data.

use std::cell::Cell;
use std::panic::Location;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};

use once_cell::race::OnceBox;
use tk_core::__private::fork::{Inherit, Mutex};
use tk_core::__private::peek_slot_and_id;
use tk_core::ThreadRecord;
use tk_park::__private::WaitEnd;

/// Something that happened to a thread. Times are in nanoseconds from the origin of `mod.rs`.
#[derive(Clone, Copy)]
pub(super) struct Event {
    /// The thread's id, or zero if it is not registered.
    pub(super) thread: u64,
    pub(super) at: u64,
    pub(super) what: What,
}

#[derive(Clone, Copy)]
pub(super) enum What {
    /// A wait ended.
    Waited(Waited),
    /// The thread is about to wake the one of this number.
    Wakes(u32),
    /// The thread has begun to run its function, or has ended it.
    Begins,
    Ends,
}

#[derive(Clone, Copy)]
pub(super) struct Waited {
    pub(super) kind: &'static str,
    pub(super) address: usize,
    pub(super) location: &'static Location<'static>,
    pub(super) since: u64,
    /// The number of the holder, or zero.
    pub(super) holder: u32,
    pub(super) end: WaitEnd,
}

/// The largest number of rings, even if a program asks for more.
pub(super) const MOST_RINGS: usize = 4096;
/// The number of threads that are remembered by record, so that their names are known when they
/// have ended.
pub(super) const MOST_PEOPLE: usize = 8192;

static RINGS: OnceBox<Rings> = OnceBox::new();

/// The number of the trace: each start counts it up.
static TRACE: AtomicU32 = AtomicU32::new(0);

thread_local! {
    /// The trace in which this thread has been noted last, and the ids under which it has. There
    /// are two, because a thread of a timer's service has the id of each call, and its own again
    /// in between. Without a destructor, so that it takes no memory of the allocator.
    static NOTED: Cell<(u32, [u64; 2])> = const { Cell::new((0, [0; 2])) };
}

pub(super) struct Rings {
    rings: Box<[Mutex<Ring>]>,
    /// How many of the rings are in use.
    used: AtomicUsize,
    people: Mutex<Vec<ThreadRecord>>,
    /// How many times a thread found no place in `people`.
    nameless: AtomicU64,
    /// How many events found their ring locked or without room.
    lost: AtomicU64,
}

struct Ring {
    events: Vec<Event>,
    /// The number of events that were written in all. They are at their number modulo the room.
    written: u64,
    /// The thread that wrote last.
    last: u64,
    /// The end of that thread's last wait, or zero.
    last_end: u64,
}

impl Inherit for Ring {
    /// The child of a fork begins with no events.
    fn inherit(&mut self) {
        self.events.clear();
        self.written = 0;
    }

    fn anew() -> Ring {
        Ring {
            events: Vec::new(),
            written: 0,
            last: 0,
            last_end: 0,
        }
    }
}

/// The contents of all rings.
pub(super) struct Contents {
    /// The events of each ring, in the order in which they were written.
    pub(super) rings: Vec<Vec<Event>>,
    pub(super) people: Vec<ThreadRecord>,
    /// How many events newer ones have replaced.
    pub(super) overwritten: u64,
    pub(super) lost: u64,
    pub(super) nameless: u64,
}

/// The rings, if there has been a trace.
pub(super) fn rings() -> Option<&'static Rings> {
    RINGS.get()
}

/// Makes room for so many events in each of so many rings, which are empty then.
pub(super) fn prepare(rings: usize, events: usize) -> &'static Rings {
    let all = RINGS.get_or_init(|| {
        Box::new(Rings {
            rings: (0..MOST_RINGS).map(|_| Mutex::new(Ring::anew())).collect(),
            used: AtomicUsize::new(0),
            people: Mutex::new(Vec::new()),
            nameless: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        })
    });
    let rings = rings.clamp(1, MOST_RINGS);
    all.empty(|at| if at < rings { events.max(1) } else { 0 });
    all.used.store(rings, Relaxed);
    TRACE.fetch_add(1, Relaxed);
    all
}

impl Rings {
    /// Replaces the contents of each ring by room for so many events.
    fn empty(&self, room: impl Fn(usize) -> usize) {
        for (at, ring) in self.rings.iter().enumerate() {
            let mut events = Vec::new();
            // Without the memory, the ring has no room: the program must not end for a trace.
            let _ = events.try_reserve_exact(room(at));
            let mut ring = ring.lock();
            std::mem::swap(&mut ring.events, &mut events);
            (ring.written, ring.last, ring.last_end) = (0, 0, 0);
            drop(ring);
            drop(events);
        }
        let room = if room(0) > 0 { MOST_PEOPLE } else { 0 };
        let mut people = Vec::with_capacity(room);
        std::mem::swap(&mut *self.people.lock(), &mut people);
        drop(people);
        self.lost.store(0, Relaxed);
        self.nameless.store(0, Relaxed);
    }

    /// Gives the memory back.
    pub(super) fn free(&self) {
        self.empty(|_| 0);
    }

    /// Writes an event of the calling thread.
    pub(super) fn write(&self, at: u64, mut what: What) {
        let (slot, thread) = peek_slot_and_id();
        let used = self.used.load(Relaxed);
        // Relaxed: the room of the ring decides, which is read with the ring locked.
        let ring = (slot as usize).saturating_sub(1).checked_rem(used);
        let Some(mut ring) = ring.and_then(|ring| self.rings[ring].try_lock()) else {
            self.lost.fetch_add(1, Relaxed);
            return;
        };
        let room = ring.events.capacity();
        if room == 0 {
            drop(ring);
            self.lost.fetch_add(1, Relaxed);
            return;
        }
        if std::mem::replace(&mut ring.last, thread) != thread {
            ring.last_end = 0;
        }
        if let What::Waited(wait) = &mut what {
            // A wait may park more than once. Its slices do not overlap.
            wait.since = wait.since.max(ring.last_end);
            ring.last_end = at;
        }
        let event = Event { thread, at, what };
        let place = (ring.written % room as u64) as usize;
        if place < ring.events.len() {
            ring.events[place] = event;
        } else {
            // There is room for it, so nothing is allocated.
            ring.events.push(event);
        }
        ring.written += 1;
        drop(ring);
        if slot != 0 {
            self.note_current(thread);
        }
    }

    /// Notes the calling thread, which is registered, unless that has been done.
    fn note_current(&self, id: u64) {
        // Relaxed: a thread that sees an old number is noted once more.
        let trace = TRACE.load(Relaxed);
        let (of_trace, mut ids) = NOTED.get();
        if of_trace != trace {
            ids = [0; 2];
        }
        if ids[0] == id {
            return;
        }
        // Registered, so `current` only counts a reference.
        if ids[1] != id && !self.remember(tk_core::current()) {
            return; // The next event tries again.
        }
        NOTED.set((trace, [id, ids[0]]));
    }

    /// Keeps the record of a thread, so that its name is known later. Returns `false` if another
    /// thread does the same at this moment.
    pub(super) fn remember(&self, record: ThreadRecord) -> bool {
        let people = self.people.try_lock();
        let is_free = people.is_some();
        match people {
            Some(mut people) if people.len() < people.capacity() => people.push(record),
            // Another handle is left, so the drop of this one frees nothing.
            _ => _ = self.nameless.fetch_add(1, Relaxed),
        }
        is_free
    }

    /// Copies what is there.
    pub(super) fn read(&self) -> Contents {
        let mut contents = Contents {
            rings: Vec::new(),
            people: Vec::with_capacity(MOST_PEOPLE),
            overwritten: 0,
            lost: self.lost.load(Relaxed),
            nameless: self.nameless.load(Relaxed),
        };
        for ring in &self.rings[..self.used.load(Relaxed)] {
            let room = ring.lock().events.len();
            if room == 0 {
                continue;
            }
            let mut events = Vec::with_capacity(room);
            let ring = ring.lock();
            let there = ring.events.len();
            let overwritten = ring.written.saturating_sub(there as u64);
            // The oldest event is the next to be overwritten.
            let oldest = match overwritten {
                0 => 0,
                _ => ring.written.checked_rem(there as u64).unwrap_or(0) as usize,
            };
            let (late, early) = ring.events.split_at(oldest);
            // If events have come in between, there is room for the oldest only.
            events.extend(early.iter().chain(late).take(room));
            contents.overwritten += overwritten;
            drop(ring);
            contents.rings.push(events);
        }
        contents
            .people
            .extend(self.people.lock().iter().take(MOST_PEOPLE).cloned());
        contents
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_as_small_as_the_docs_say() {
        assert_eq!(size_of::<Event>(), 64);
    }

    #[test]
    fn a_full_ring_keeps_the_newest_events_in_their_order() {
        let rings = Rings {
            rings: Box::new([Mutex::new(Ring::anew())]),
            used: AtomicUsize::new(1),
            people: Mutex::new(Vec::new()),
            nameless: AtomicU64::new(0),
            lost: AtomicU64::new(0),
        };
        rings.write(0, What::Begins);
        assert_eq!(rings.read().lost, 1, "there is no room yet");

        rings.empty(|_| 4);
        for n in 0..11 {
            rings.write(n, What::Wakes(1));
        }
        let contents = rings.read();
        let times: Vec<_> = contents.rings[0].iter().map(|event| event.at).collect();
        assert_eq!(times, [7, 8, 9, 10]);
        assert_eq!((contents.overwritten, contents.lost), (7, 0));

        let locked = rings.rings[0].lock();
        rings.write(0, What::Begins);
        drop(locked);
        assert_eq!(rings.read().lost, 1);
    }
}
