//! Adapters prove themselves before they are timed: mutual exclusion holds, and the wake-up
//! arrives.
//!
//! Each proof returns an error that names the fault. A proof that waits for something that never
//! comes does not return. The runner [gives up](crate::case::Contender::prove) after a time.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::*};
use std::sync::{Arc, Mutex as StdMutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use crate::cases::queue;
use crate::kind::*;
use crate::measure::{StartLine, together};

/// The result of a proof: nothing, or the fault.
pub type Proven = Result<(), String>;

fn holds(it: bool, otherwise: &str) -> Proven {
    if it {
        Ok(())
    } else {
        Err(otherwise.to_owned())
    }
}

const THREADS: usize = 4;
const ROUNDS: u64 = 200;

/// One call runs, and each thread sees its effect.
pub fn once<O: Once>() -> Proven {
    for _ in 0..ROUNDS {
        let (once, calls) = (O::new(), AtomicUsize::new(0));
        let saw = together(THREADS, |_| {
            once.call(|| _ = calls.fetch_add(1, Relaxed));
            calls.load(Relaxed)
        });
        holds(
            saw.results.iter().all(|calls| *calls == 1),
            "not one call ran",
        )?;
    }
    Ok(())
}

/// One thread writes the number, and each thread reads that one.
pub fn once_cell<C: OnceCell>() -> Proven {
    for _ in 0..ROUNDS {
        let cell = C::new();
        holds(cell.get().is_none(), "a new one is set")?;
        let saw = together(THREADS, |thread| cell.get_or_init(|| thread as u64));
        let value = cell.get();
        holds(
            saw.results.iter().all(|saw| Some(*saw) == value),
            "not all have the same number",
        )?;
    }
    Ok(())
}

/// One thread is inside at a time, and each thread sees the changes of the threads before it.
pub fn mutex<M: Mutex>() -> Proven {
    let lock = M::new();
    let inside = AtomicUsize::new(0);
    let ran = together(THREADS, |_| {
        let mut alone = true;
        for _ in 0..ROUNDS {
            lock.with(|count| {
                alone &= inside.fetch_add(1, SeqCst) == 0;
                let seen = *count;
                thread::yield_now();
                *count = seen + 1;
                inside.fetch_sub(1, SeqCst);
            });
        }
        alone
    });
    holds(
        ran.results.iter().all(|alone| *alone),
        "two threads were inside at the same time",
    )?;
    let count = lock.with(|count| *count);
    holds(
        count == THREADS as u64 * ROUNDS,
        "what a thread did inside was lost",
    )
}

/// One thread writes at a time, nobody reads meanwhile, and readers read at the same time.
pub fn read_write<L: ReadWrite>() -> Proven {
    let lock = L::new();
    let ran = together(THREADS, |number| {
        let mut whole = true;
        for round in 0..ROUNDS {
            if round % THREADS as u64 == number as u64 {
                lock.write(|numbers| {
                    for number in numbers {
                        *number += 1;
                        thread::yield_now();
                    }
                });
            }
            lock.read(|numbers| {
                let first = numbers[0];
                thread::yield_now();
                whole &= numbers.iter().all(|number| *number == first);
            });
        }
        whole
    });
    holds(
        ran.results.iter().all(|whole| *whole),
        "a thread has read while another one wrote",
    )?;
    let count = lock.read(|numbers| numbers[0]);
    holds(count == ROUNDS, "what a thread has written was lost")?;
    let meeting = std::sync::Barrier::new(2);
    together(2, |_| lock.read(|_| meeting.wait().is_leader()));
    Ok(())
}

/// It is a mutex, and an attempt at a lock that is held fails, not before its timeout.
pub fn timed_mutex<M: TimedMutex>() -> Proven {
    mutex::<M>()?;
    let lock = M::new();
    let length = Duration::from_millis(2);
    holds(
        lock.try_with_for(length, |count| *count) == Some(0),
        "an attempt at a free lock has failed",
    )?;
    lock.with(|_| {
        let other = || {
            let start = Instant::now();
            (lock.try_with_for(length, |_| ()), start.elapsed())
        };
        let (got, waited) = thread::scope(|scope| scope.spawn(other).join().expect("no panic"));
        holds(got.is_none(), "two threads were inside at the same time")?;
        holds(waited >= length, "it gave up before its time")
    })
}

/// Its holder can take it again. Another thread can't take it until it has been released as often.
pub fn reentrant<R: Reentrant>() -> Proven {
    let lock = R::new();
    let inside = AtomicUsize::new(0);
    let ran = together(THREADS, |_| {
        let mut alone = true;
        for _ in 0..ROUNDS {
            lock.with(|| {
                alone &= inside.fetch_add(1, SeqCst) == 0;
                lock.with(|| lock.with(thread::yield_now));
                thread::yield_now();
                inside.fetch_sub(1, SeqCst);
            });
        }
        alone
    });
    holds(
        ran.results.iter().all(|alone| *alone),
        "two threads were inside at the same time",
    )
}

/// It is a lock. A notification wakes a thread that waits, and one to all wakes all. A wait with a
/// limit ends at it.
pub fn monitor<M: Monitor>() -> Proven {
    mutex::<M>()?;
    // One thread makes items, and the other takes them. The number is the stock.
    let (store, made) = (M::new(), 100);
    together(2, |number| {
        for _ in 0..made {
            if number == 0 {
                store.with(|stock| *stock += 1);
                store.notify_one();
            } else {
                store.wait_until(|stock| *stock > 0, |stock| *stock -= 1);
            }
        }
    });
    let gate = Arc::new(M::new());
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let gate = Arc::clone(&gate);
            thread::spawn(move || gate.wait_until(|open| *open > 0, |_| ()))
        })
        .collect();
    gate.with(|open| *open = 1);
    gate.notify_all();
    for thread in threads {
        thread.join().map_err(|_| "it panics".to_owned())?;
    }
    let (start, length) = (Instant::now(), Duration::from_millis(2));
    holds(
        !gate.wait_for(length, |open| *open > 1),
        "a wait that timed out says that it was ready",
    )?;
    holds(start.elapsed() >= length, "it gave up before its time")
}

/// With both ways to notify, every item arrives once, and there are never more items inside than
/// slots.
///
/// A notification that is lost leaves threads waiting, so that the proof does not end.
pub fn buffer<B: Buffer>() -> Proven {
    for how in [Notify::One, Notify::All] {
        let items = ROUNDS;
        let buffer = B::new(items);
        let ran = together(THREADS, |number| {
            let (mut sum, mut most) = (0, 0);
            if number < THREADS / 2 {
                for item in (number as u64..items).step_by(THREADS / 2) {
                    queue::put(&buffer, 1, how, item);
                }
            } else {
                let look = |stock: &Stock| most = most.max(stock.items.len());
                sum = queue::take_all(&buffer, how, look);
            }
            (sum, most)
        });
        let sum: u64 = ran.results.iter().map(|(sum, _)| sum).sum();
        holds(
            sum == items * (items - 1) / 2,
            "an item was lost or came twice",
        )?;
        let most = ran.results.iter().map(|(_, most)| *most).max();
        holds(
            most == Some(1),
            "more items were inside than there are slots",
        )?;
    }
    Ok(())
}

/// A set event lets all threads through, those that wait and those that come. A cleared one lets
/// none through.
pub fn event<E: Event>() -> Proven {
    let event = Arc::new(E::new());
    holds(!event.is_set(), "a new one is set")?;
    let (start, length) = (Instant::now(), Duration::from_millis(2));
    holds(
        !event.wait_for(length),
        "a wait that timed out says that the event is set",
    )?;
    holds(start.elapsed() >= length, "it gave up before its time")?;
    let through = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (event, through) = (Arc::clone(&event), Arc::clone(&through));
            thread::spawn(move || {
                event.wait();
                through.fetch_add(1, SeqCst);
            })
        })
        .collect();
    // Gives the threads time to fall asleep. The proof holds without that, too.
    thread::sleep(length);
    holds(
        through.load(SeqCst) == 0,
        "a wait ended before the event was set",
    )?;
    event.set();
    for thread in threads {
        thread.join().map_err(|_| "it panics".to_owned())?;
    }
    event.wait();
    holds(
        event.is_set() && event.wait_for(length),
        "it does not stay set",
    )?;
    event.clear();
    holds(
        !event.is_set() && !event.wait_for(length),
        "it cannot be cleared",
    )
}

/// As many waits end as signals are given, and none before.
pub fn signal<S: Signal>() -> Proven {
    let (ping, pong) = (S::new(), S::new());
    let turns = AtomicU64::new(0);
    let ran = together(2, |number| {
        let mut in_turn = true;
        for round in 0..ROUNDS {
            if number == 0 {
                in_turn &= turns.fetch_add(1, SeqCst) == 2 * round;
                ping.signal();
                pong.wait();
            } else {
                ping.wait();
                in_turn &= turns.fetch_add(1, SeqCst) == 2 * round + 1;
                pong.signal();
            }
        }
        in_turn
    });
    holds(
        ran.results.iter().all(|in_turn| *in_turn),
        "a wait ended without a signal",
    )
}

/// No more threads are in it than it has permits, and a permit given back goes to one that waits.
pub fn semaphore<S: Semaphore>() -> Proven {
    let permits = 2;
    let semaphore = S::new(permits);
    let inside = AtomicUsize::new(0);
    let ran = together(THREADS, |_| {
        let mut most = 0;
        for _ in 0..ROUNDS {
            semaphore.with(|| {
                most = most.max(inside.fetch_add(1, SeqCst) + 1);
                thread::yield_now();
                inside.fetch_sub(1, SeqCst);
            });
        }
        most
    });
    let most = ran.results.into_iter().max();
    holds(
        most <= Some(permits),
        "more threads were inside than there are permits",
    )
}

/// No thread leaves before the last one has come.
pub fn barrier<B: Barrier>() -> Proven {
    let barrier = B::new(THREADS);
    let come = AtomicU64::new(0);
    let ran = together(THREADS, |_| {
        let mut complete = true;
        for round in 1..=ROUNDS / 4 {
            come.fetch_add(1, SeqCst);
            barrier.wait();
            complete &= come.load(SeqCst) >= round * THREADS as u64;
            barrier.wait();
        }
        complete
    });
    holds(
        ran.results.iter().all(|complete| *complete),
        "a thread left before the last had come",
    )
}

/// Each thread has its own value, while all live. A peer may hand on the value of a thread that has
/// ended to a later one.
pub fn local<L: Local>() -> Proven {
    let (one, other) = (L::new(), L::new());
    let (all, end) = (StartLine::new(THREADS), StartLine::new(THREADS));
    let ran = together(THREADS, |number| {
        let number = number as u64;
        let before = (one.get(), other.get());
        all.wait();
        one.set_first(number);
        let after = (one.get(), other.get());
        end.wait();
        before == (None, None) && after == (Some(number), None)
    });
    holds(
        ran.results.iter().all(|own| *own),
        "a thread met what it has not set",
    )
}

/// Every timer that is canceled immediately is canceled in time.
pub fn timer_queue<Q: TimerQueue>() -> Proven {
    let mut queue = Q::new();
    let delays: Vec<_> = (0..100).map(|n| Duration::from_secs(3600 + n)).collect();
    queue.fill(&delays);
    holds(
        queue.insert_and_cancel(&delays) == delays.len(),
        "a timer was not cancelled",
    )
}

/// It rings, once, and not before its time.
pub fn alarm<A: Alarm>() -> Proven {
    let mut alarm = A::new();
    let (sender, receiver) = mpsc::channel();
    // Between the ticks of the contenders' clocks.
    for n in [2370, 990, 1640] {
        let (sender, delay) = (sender.clone(), Duration::from_micros(n));
        let due = Instant::now() + delay;
        alarm.ring(delay, move || {
            let _ = sender.send(Instant::now() >= due);
        });
    }
    drop(sender);
    let rings: Vec<bool> = receiver.iter().collect();
    holds(rings.len() == 3, "not every alarm rang once")?;
    holds(
        rings.iter().all(|in_time| *in_time),
        "an alarm rang before its time",
    )
}

/// The thread has run when it has been joined, and what it returned arrives.
pub fn spawner<S: Spawner>() -> Proven {
    let ran = Arc::new(AtomicBool::new(false));
    let own = Arc::clone(&ran);
    let caller = thread::current().id();
    let value = S::spawn_and_join(move || {
        own.store(thread::current().id() != caller, SeqCst);
        7
    });
    holds(ran.load(SeqCst), "it did not run in a thread of its own")?;
    holds(value == 7, "what the thread returned did not arrive")
}

/// All threads have run when the scope ends.
pub fn scope<S: Scope>() -> Proven {
    let ran = AtomicUsize::new(0);
    S::scope(THREADS, || {
        ran.fetch_add(1, SeqCst);
    });
    holds(ran.load(SeqCst) == THREADS, "not every thread ran once")
}

/// The line has all its parts, and a disabled record writes nothing.
pub fn logger<L: Logger>() -> Proven {
    for line in [Line::Plain, Line::Full] {
        let (sender, receiver) = mpsc::channel();
        let logger = L::new(line, Sender(StdMutex::new(sender)));
        let run = || {
            let log = |level, target| {
                let arguments = format_args!("a message");
                let mut record = log::Record::builder();
                logger
                    .log()
                    .log(&record.level(level).target(target).args(arguments).build());
            };
            log(log::Level::Info, "target");
            log(log::Level::Debug, "target");
            log(log::Level::Info, "quiet");
        };
        thread::scope(|scope| {
            let builder = thread::Builder::new().name("worker".to_owned());
            builder
                .spawn_scoped(scope, run)
                .map(|thread| thread.join().is_ok())
        })
        .map_err(|error| error.to_string())?;
        drop(logger);
        let text: Vec<u8> = receiver.iter().flatten().collect();
        let text = String::from_utf8_lossy(&text).into_owned();
        let wrong = |what: &str| format!("{what}: {text:?}");
        holds(text.lines().count() == 1, &wrong("it is not one line"))?;
        holds(
            text.contains("INFO") && text.contains("a message"),
            &wrong("something is missing"),
        )?;
        if line == Line::Full {
            holds(
                text.contains("worker"),
                &wrong("the thread's name is missing"),
            )?;
            holds(text.contains(':'), &wrong("the time is missing"))?;
        } else {
            holds(text.contains("target"), &wrong("the target is missing"))?;
        }
    }
    Ok(())
}

/// A writer that sends each write to a channel.
struct Sender(StdMutex<mpsc::Sender<Vec<u8>>>);

impl std::io::Write for Sender {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let sender = self
            .0
            .lock()
            .map_err(|_| std::io::Error::other("a panic"))?;
        sender.send(bytes.to_vec()).map_err(std::io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
