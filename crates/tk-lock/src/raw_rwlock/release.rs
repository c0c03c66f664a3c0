//! Releasing the lock: which threads get it next.
//!
//! | step | wakes | hands over to |
//! |---|---|---|
//! | a writer releases, or gives up | the first thread; if it is no writer, all readers; if it is a reader, also the first that is none | the first thread if it starves, or if the release is fair; if it is a reader, to all readers |
//! | the upgradable lock is given back | the same | the same |
//! | a writer goes on as a reader | the same | readers only |
//! | a writer goes on with the upgradable lock, or gives an upgrade up | all readers | none |
//! | a reader leaves | the writer that waits for it | |
//!
//! # Invariants
//!
//! **A release is to come.** While the queue is not locked: if a thread is in it that wants to
//! write, or wants the upgradable lock, another one has the door or the upgradable lock, or such a
//! thread has been woken and has not tried yet. If a reader is in it, another thread has the door,
//! or a writer has been woken and has not tried yet. The thread that has the door or the upgradable
//! lock finds `PARKED` when it lets go. Readers that leave need not look into the queue.
//!
//! If a release that finds a reader first woke only readers, this could happen:
//!
//! 1. A has the lock for writing. B waits to read, and then C to write.
//! 2. A releases the lock and wakes B. B reads, and leaves without a look into the queue.
//! 3. C sleeps forever.
//!
//! **Starvation bound.** A release that finds a thread in the queue looks at the clock. If the
//! first one has been there for [`STARVATION_THRESHOLD`], it gets the lock in that step (a
//! handoff), and if it is a reader, so do all readers in the queue. A thread that was woken and
//! came too late queues again, at the end, but its time counts from the start of its wait. So after
//! a millisecond a thread waits for those before it in the queue and for nobody else. A writer at
//! the door waits for the readers inside only (*A writer waits for no new reader*).

use std::cell::RefCell;
use std::time::Duration;

use tk_core::Owner;
use tk_park::{FilterOp, Limit, Waiter, unpark_filter};

use super::word::{Keep, Step};
use super::{RawRwLock, TOKEN_NORMAL, TOKEN_OWNER, TOKEN_READ, Wish};

/// How long running threads may take the lock before the first thread in the queue: see the same
/// constant of `RawLock`.
const STARVATION_THRESHOLD: Duration = Duration::from_millis(1);

/// The threads that a release takes out of the queue.
struct Batch {
    keep: Keep,
    is_fair: bool,
    /// The wish of the first of them.
    lead: Option<Wish>,
    is_handed_over: bool,
    readers: u32,
    /// The one that is no reader.
    other: Option<Owner>,
}

impl Batch {
    fn new(keep: Keep, is_fair: bool) -> Batch {
        Batch {
            keep,
            is_fair,
            lead: None,
            is_handed_over: false,
            readers: 0,
            other: None,
        }
    }

    /// Whether this thread is woken. They are asked in FIFO order.
    fn decide(&mut self, waiter: &Waiter) -> FilterOp {
        let wish = Wish::of_tag(waiter.tag());
        if self.keep == Keep::Upgradable {
            // Nobody else can have that meanwhile.
            return self.take(waiter, wish, wish == Wish::Read);
        }
        match self.lead {
            None => {
                self.lead = Some(wish);
                self.is_handed_over = (self.is_fair || is_starving(waiter))
                    && (self.keep == Keep::Nothing || wish == Wish::Read);
                self.take(waiter, wish, true)
            }
            Some(Wish::Write) => FilterOp::Stop,
            Some(Wish::Upgradable) => self.take(waiter, wish, wish == Wish::Read),
            // A release is to come.
            Some(Wish::Read) => {
                let is_next = wish == Wish::Read || self.other.is_none();
                self.take(waiter, wish, is_next)
            }
        }
    }

    fn take(&mut self, waiter: &Waiter, wish: Wish, is_taken: bool) -> FilterOp {
        if !is_taken {
            return FilterOp::Skip;
        }
        if wish == Wish::Read {
            self.readers += 1;
        } else {
            self.other = Some(waiter.owner());
        }
        FilterOp::Unpark
    }

    /// The token that they get.
    fn token(&self) -> u16 {
        match self.lead {
            Some(Wish::Read) if self.is_handed_over => TOKEN_READ,
            Some(_) if self.is_handed_over => TOKEN_OWNER,
            _ => TOKEN_NORMAL,
        }
    }
}

fn is_starving(waiter: &Waiter) -> bool {
    waiter.queued_since().elapsed() >= STARVATION_THRESHOLD
}

impl RawRwLock {
    /// Lets others in, for the thread that has the door or the upgradable lock.
    #[inline]
    pub(super) fn open(&self, step: Step, keep: Keep) {
        // At the last moment, also in `open_slow`: in the child of a fork, a wait for an owner that
        // was lost without its number never ends.
        let before = || self.clear_owner_unless_kept(keep);
        if !self.word.release_unqueued(step, keep, before) {
            self.open_slow(step, keep, false);
        }
    }

    /// As [`open`](RawRwLock::open), and hands over to the first thread in the queue.
    pub(super) fn open_fair(&self, step: Step) {
        self.open_slow(step, Keep::Nothing, true);
    }

    #[inline]
    fn clear_owner_unless_kept(&self, keep: Keep) {
        if keep != Keep::Upgradable {
            self.set_owner(None);
        }
    }

    #[cold]
    #[inline(never)]
    fn open_slow(&self, step: Step, keep: Keep, is_fair: bool) {
        // Both closures use it, one after the other.
        let batch = RefCell::new(Batch::new(keep, is_fair));
        let filter = |waiter: &Waiter| batch.borrow_mut().decide(waiter);
        unpark_filter(self.word.queue(), filter, |unparked| {
            let batch = batch.borrow();
            let token = batch.token();
            // Before the word says so.
            if token == TOKEN_OWNER {
                self.set_owner(batch.other);
            } else {
                self.clear_owner_unless_kept(keep);
            }
            self.word.replace(|state| {
                // Parked bit.
                let next = state
                    .released(step, keep)
                    .with_parked(unparked.have_more_threads);
                match (token, batch.lead) {
                    (TOKEN_READ, _) => next.with_reads(batch.readers),
                    (TOKEN_OWNER, Some(Wish::Write)) => next.with_writer(),
                    (TOKEN_OWNER, _) => next.with_upgradable(),
                    _ => next,
                }
            });
            token
        });
    }

    /// Lets waiting threads have the lock, if there are some, and gets it again for writing.
    #[track_caller]
    pub(super) fn bump_write_as(&self, me: Owner) {
        if self.word.load().is_parked() {
            self.open_fair(Step::Written);
            // Its guard exists meanwhile, so the call must not panic.
            let written = self.write_as(me, Limit::never(), false);
            debug_assert_eq!(written, Ok(()));
        }
    }

    /// The same for the upgradable lock. Does nothing if this thread reads too: a thread that got
    /// the lock might upgrade it, and wait for that read.
    #[track_caller]
    pub(super) fn bump_upgradable_read_as(&self, me: Owner) {
        if self.word.load().is_parked() && !self.is_read_by_me() {
            self.open_fair(Step::Undrained);
            let taken = self.upgradable_as(me, Limit::never(), false);
            debug_assert_eq!(taken, Ok(()));
        }
    }
}
