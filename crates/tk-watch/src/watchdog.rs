//! Watchdogs: a part of the program that must show signs of life.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use tk_core::__private::Rounded;
use tk_core::__private::fork::{Inherit, Mutex};

use crate::install::Settings;
use crate::text::Escaped;
use crate::{InstallError, watcher};

/// A part of the program that says again and again that it makes progress.
///
/// If it has not called [`pet`](Watchdog::pet) for a while, a dump is written that names it and the
/// thread that petted it last. That happens once, until it is petted again. Dropping the watchdog
/// ends the watch.
///
/// ```
/// use std::time::Duration;
///
/// let dog = tk_watch::watchdog("main loop", Duration::from_secs(10)).unwrap();
/// for _request in 0..3 {
///     dog.pet();
/// }
/// ```
#[must_use = "dropping the watchdog ends the watch"]
pub struct Watchdog(Arc<Dog>);

struct Dog {
    name: Arc<str>,
    patience: Duration,
    begun: Instant,
    /// When it was petted last, in nanoseconds after `begun`.
    petted: AtomicU64,
    /// The id of the thread that has done so.
    by: AtomicU64,
    /// The time in `petted` at which it has barked, or `u64::MAX`.
    barked: AtomicU64,
}

struct Dogs(Vec<Weak<Dog>>);

static DOGS: Mutex<Dogs> = Mutex::constant(Dogs(Vec::new()));

impl Inherit for Dogs {
    fn anew() -> Dogs {
        Dogs(Vec::new())
    }
}

/// Starts a watchdog of this name, which must be [petted](Watchdog::pet) at least once in
/// `patience`.
///
/// # Errors
///
/// If the system starts no thread for the watcher.
///
/// ```
/// let dog = tk_watch::watchdog("queue", std::time::Duration::from_secs(10)).unwrap();
/// dog.pet();
/// ```
pub fn watchdog(name: impl Into<Arc<str>>, patience: Duration) -> Result<Watchdog, InstallError> {
    let dog = Arc::new(Dog {
        name: name.into(),
        patience,
        begun: Instant::now(),
        petted: AtomicU64::new(0),
        by: AtomicU64::new(tk_core::current_id().get()),
        barked: AtomicU64::new(u64::MAX),
    });
    let mut room: Vec<Weak<Dog>> = Vec::new();
    loop {
        let mut dogs = DOGS.lock();
        if dogs.0.len() < dogs.0.capacity() {
            dogs.0.push(Arc::downgrade(&dog));
            break;
        }
        if room.capacity() > dogs.0.len() {
            room.append(&mut dogs.0);
            std::mem::swap(&mut dogs.0, &mut room);
            continue;
        }
        let needed = 2 * dogs.0.len() + 4;
        drop(dogs);
        // Memory is allocated and freed while the list is not locked.
        room = Vec::with_capacity(needed);
    }
    watcher::start().map_err(InstallError::Thread)?;
    watcher::note_change();
    Ok(Watchdog(dog))
}

impl Watchdog {
    /// Shows a sign of life. Costs a look at the clock and two stores.
    ///
    /// ```
    /// let dog = tk_watch::watchdog("loop", std::time::Duration::from_secs(10)).unwrap();
    /// dog.pet();
    /// ```
    pub fn pet(&self) {
        let nanos = self.0.begun.elapsed().as_nanos();
        // Relaxed: the watcher looks at them some time.
        self.0.by.store(tk_core::current_id().get(), Relaxed);
        self.0
            .petted
            .store(u64::try_from(nanos).unwrap_or(u64::MAX - 1), Relaxed);
    }
}

impl fmt::Debug for Watchdog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Watchdog").field(&self.0.name).finish()
    }
}

/// Writes a dump for each watchdog that has not been petted in time. Returns when to look again.
pub(crate) fn bark(settings: &Settings, now: Instant) -> Option<Instant> {
    let mut dogs = Vec::new();
    loop {
        let mut list = DOGS.lock();
        // A weak reference that is the last one frees memory, so the dead are taken out later.
        if list.0.len() <= dogs.capacity() {
            dogs.append(&mut list.0);
            break;
        }
        let needed = list.0.len();
        drop(list);
        dogs.reserve(needed);
    }
    dogs.retain(|dog| dog.strong_count() > 0);
    let alive: Vec<Arc<Dog>> = dogs.iter().filter_map(Weak::upgrade).collect();
    give_back(dogs);
    let mut next = None;
    for dog in alive {
        let petted = dog.petted.load(Relaxed);
        let end = tk_park::checked_add_instant(dog.begun, Duration::from_nanos(petted))
            .and_then(|last| tk_park::checked_add_instant(last, dog.patience));
        let Some(end) = end else {
            continue;
        };
        if end > now {
            next = Some(next.map_or(end, |next: Instant| next.min(end)));
        } else if dog.barked.swap(petted, Relaxed) != petted {
            settings.dump_aside(&dog.complaint(now));
            // A pet that comes now does not wake the watcher.
        }
        if end <= now {
            let again = now + dog.patience.max(Duration::from_millis(100));
            next = Some(next.map_or(again, |next: Instant| next.min(again)));
        }
    }
    next
}

/// Puts the watchdogs back, beside those that have come since.
fn give_back(mut dogs: Vec<Weak<Dog>>) {
    loop {
        let mut list = DOGS.lock();
        if list.0.len() <= dogs.capacity() - dogs.len() {
            dogs.append(&mut list.0);
            std::mem::swap(&mut list.0, &mut dogs);
            return;
        }
        let needed = list.0.len();
        drop(list);
        dogs.reserve(needed);
    }
}

impl Dog {
    fn complaint(&self, now: Instant) -> String {
        let petted = Duration::from_nanos(self.petted.load(Relaxed));
        let silent = now
            .saturating_duration_since(self.begun)
            .saturating_sub(petted);
        let id = self.by.load(Relaxed);
        let records = tk_core::enumerate();
        let by = records.iter().find(|record| record.id().get() == id);
        let by = by.map_or_else(String::new, |record| {
            format!("{} ", Escaped(&record.name()))
        });
        format!(
            "the watchdog \"{}\" was not petted for {}, last by {by}(thread {id})",
            Escaped(&self.name),
            Rounded(silent),
        )
    }
}
