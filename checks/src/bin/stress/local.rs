//! Rounds for per-thread values.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::thread::ThreadId;

use tk_local::{Local, SharedLocal};
use tk_lock::Lock;

use crate::round::{Round, Tally, Worker};

/// The values of a round: made, and dropped.
#[derive(Default)]
struct Book {
    made: AtomicU64,
    dropped: AtomicU64,
}

struct Value {
    book: Arc<Book>,
    maker: ThreadId,
    /// One while the value is there.
    there: Box<AtomicU64>,
}

impl Value {
    fn new(book: &Arc<Book>) -> Value {
        book.made.fetch_add(1, SeqCst);
        Value {
            book: Arc::clone(book),
            maker: std::thread::current().id(),
            there: Box::new(AtomicU64::new(1)),
        }
    }

    fn check(&self) {
        assert_eq!(self.there.load(SeqCst), 1, "a value that was dropped");
    }

    fn check_mine(&self) {
        self.check();
        let me = std::thread::current().id();
        assert_eq!(self.maker, me, "the value of another thread");
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        assert_eq!(self.there.swap(0, SeqCst), 1, "dropped twice");
        self.book.dropped.fetch_add(1, SeqCst);
    }
}

/// A few objects that all threads use, and that are replaced now and then.
struct Shelf<L>(Vec<Lock<Arc<L>>>);

impl<L: Default> Shelf<L> {
    fn new() -> Shelf<L> {
        Shelf((0..4).map(|_| Lock::new(Arc::default())).collect())
    }

    fn one(&self, worker: &mut Worker<'_>) -> Arc<L> {
        let place = &self.0[worker.random.below(4) as usize];
        if !worker.random.one_in(16) {
            return Arc::clone(&place.lock());
        }
        // The last thread that has it drops it: this one, or one that still uses it, which may be
        // about to end.
        let old = std::mem::take(&mut *place.lock());
        Arc::clone(&old)
    }
}

/// Runs `user` in one short-lived thread after another, in each worker; then the books must
/// balance.
fn users<L: Default + Send + Sync>(
    round: &Round,
    user: impl Fn(&mut Worker<'_>, &Shelf<L>, &Arc<Book>) + Sync,
) -> Tally {
    let (shelf, book) = (Shelf::new(), Arc::new(Book::default()));
    let tally = round.run(
        |worker| {
            while !worker.is_expired() {
                std::thread::scope(|s| {
                    let (shelf, book, user) = (&shelf, &book, &user);
                    let worker = &mut *worker;
                    let thread = s.spawn(move || {
                        for _ in 0..worker.random.below(64) {
                            user(worker, shelf, book);
                            worker.done();
                        }
                    });
                    // Also for its destructors.
                    thread.join().expect("a user that fails has said so");
                });
            }
        },
        || {},
    );
    drop(shelf);
    let (made, dropped) = (book.made.load(SeqCst), book.dropped.load(SeqCst));
    assert_eq!(made, dropped, "values made, and dropped");
    tally
}

/// Threads that set, borrow and take, and end while the objects go.
pub fn values(round: &Round) -> Tally {
    users(round, |worker, shelf: &Shelf<Local<Value>>, book| {
        let mut local = shelf.one(worker);
        match worker.random.below(6) {
            0 => drop(local.take()),
            1 => local.set(Value::new(book)),
            2 => drop(local.with_borrow(Value::check_mine)),
            3 => drop(local.with_borrow_mut(|value| {
                value.check_mine();
                assert!(local.try_take().is_err());
                *value = Value::new(book);
            })),
            4 => {
                if let Some(local) = Arc::get_mut(&mut local) {
                    local.iter_mut().for_each(|value| value.check());
                    let local = std::mem::take(local);
                    local.into_iter().for_each(|value| value.check());
                }
            }
            _ => worker.work(),
        }
    })
}

/// The same with values that others look at meanwhile.
pub fn shared(round: &Round) -> Tally {
    users(round, |worker, shelf: &Shelf<SharedLocal<Value>>, book| {
        let local = shelf.one(worker);
        match worker.random.below(5) {
            0 => drop(local.take()),
            1 => local.set(Value::new(book)),
            2 => drop(local.with(Value::check_mine)),
            3 => local.for_each(Value::check),
            _ => worker.work(),
        }
    })
}
