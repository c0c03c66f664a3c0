//! The registry: which threads are in it, with which numbers, and for how long.

use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;

use tk_core::__private::{ThreadRecordExt, can_detect_exit};
use tk_core::{
    Registration, Slot, ThreadId, ThreadRecord, active_count, at_thread_exit, current, current_id,
    current_slot, enumerate, main_thread, thread_at,
};

/// Tests that count what is registered must be alone.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> std::sync::MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(|e| e.into_inner())
}

/// Those of the enumerated threads whose name begins so. Other tests' threads come and go.
fn named(prefix: &str) -> Vec<ThreadRecord> {
    let mut threads = enumerate();
    threads.retain(|thread| thread.name().starts_with(prefix));
    threads
}

fn spawn_named<T: Send + 'static>(
    name: &str,
    f: impl FnOnce() -> T + Send + 'static,
) -> thread::JoinHandle<T> {
    thread::Builder::new().name(name.into()).spawn(f).unwrap()
}

#[test]
fn the_main_thread_is_registered_even_if_it_never_asked() {
    let main = main_thread();
    assert_eq!(&*main.name(), "MainThread");
    assert!(main.is_main() && main.is_alive() && !main.is_daemon());
    assert_eq!(enumerate()[0], main);
    assert_ne!(current(), main, "the test harness runs tests in threads");
}

#[test]
fn a_thread_keeps_its_numbers() {
    let me = current();
    assert_eq!(me, current());
    assert_eq!(me.slot(), current_slot());
    assert_eq!(thread_at(me.slot()), Some(me));
}

#[test]
fn a_foreign_thread_has_its_std_name_and_leaves_when_it_ends() {
    let record = spawn_named("foreign-1", || {
        assert_eq!(named("foreign-1"), []);
        let me = current();
        assert_eq!(&*me.name(), "foreign-1");
        assert!(me.is_daemon() && me.is_alive() && !me.is_main());
        assert_eq!(named("foreign-1"), std::slice::from_ref(&me));
        me
    })
    .join()
    .unwrap();
    assert!(!record.is_alive());
    assert_eq!(named("foreign-1"), []);
    assert_eq!(
        format!("{record:?}"),
        format!("<Thread(foreign-1, stopped daemon {})>", record.id())
    );
}

#[test]
fn a_foreign_thread_without_a_name_is_a_dummy() {
    let name = thread::spawn(|| current().name()).join().unwrap();
    let number = name.strip_prefix("Dummy-").unwrap();
    assert!(number.parse::<u64>().is_ok(), "{name}");
}

#[test]
fn a_foreign_thread_that_panics_leaves_too() {
    let (sender, receiver) = mpsc::channel();
    let result = spawn_named("panicking", move || {
        sender.send(current()).unwrap();
        std::panic::resume_unwind(Box::new(()));
    })
    .join();
    assert!(result.is_err());
    assert!(!receiver.recv().unwrap().is_alive());
    assert_eq!(named("panicking"), []);
}

#[test]
#[cfg(target_os = "linux")]
fn native_ids_differ_and_are_kept() {
    let mine = current().native_id().unwrap();
    let other = thread::spawn(current).join().unwrap();
    assert_ne!(other.native_id().unwrap(), mine);
}

#[test]
fn ten_thousand_short_threads_leave_the_registry_as_it_was() {
    let _alone = alone();
    const AT_ONCE: usize = 1000;
    let mut highest = 0;
    let mut ids = HashSet::new();
    for _ in 0..10 {
        let barrier = Arc::new(Barrier::new(AT_ONCE + 1));
        let threads: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                let barrier = Arc::clone(&barrier);
                thread::Builder::new()
                    .name("short".into())
                    .stack_size(64 * 1024)
                    .spawn(move || {
                        let me = current();
                        barrier.wait();
                        barrier.wait();
                        me
                    })
                    .unwrap()
            })
            .collect();
        barrier.wait();
        assert_eq!(named("short").len(), AT_ONCE);
        barrier.wait();
        let mut slots = HashSet::new();
        for thread in threads {
            let record = thread.join().unwrap();
            assert!(!record.is_alive());
            assert!(slots.insert(record.slot()), "two threads with one slot");
            assert!(ids.insert(record.id()), "two threads with one id");
            highest = highest.max(record.slot().get());
        }
        assert_eq!(named("short"), []);
    }
    // Slots are dense: they are used again. There is some room for those whose threads the system
    // had not yet forgotten when they were looked at, and for the other tests' threads.
    assert!(highest < 3 * AT_ONCE as u32, "slot {highest}");
}

#[test]
fn the_count_goes_with_the_list() {
    let _alone = alone();
    let (tell, told) = mpsc::channel();
    let (end, ended) = mpsc::channel::<()>();
    let thread = spawn_named("counted", move || {
        tell.send(current()).unwrap();
        let _ = ended.recv();
    });
    let record = told.recv().unwrap();
    assert!(active_count() >= 2);
    assert!(enumerate().contains(&record));
    drop(end);
    thread.join().unwrap();
    assert!(!enumerate().contains(&record));
}

#[test]
fn a_registration_that_never_begins_leaves_nothing() {
    let finished = Arc::new(AtomicUsize::new(0));
    let registration = Registration::new("ghost", false);
    let record = registration.record().clone();
    record.on_finish({
        let finished = Arc::clone(&finished);
        move || {
            finished.fetch_add(1, Ordering::Relaxed);
        }
    });
    assert_eq!(named("ghost"), std::slice::from_ref(&record));
    drop(registration);
    assert_eq!(named("ghost"), []);
    assert!(!record.is_alive());
    assert_eq!(finished.load(Ordering::Relaxed), 1);
}

#[test]
fn a_registration_is_listed_before_it_begins_and_is_the_thread_after() {
    let registration = Registration::new("to-be", true);
    let record = registration.record().clone();
    assert!(record.is_alive());
    assert_eq!(record.native_id(), None);
    assert_eq!(named("to-be"), std::slice::from_ref(&record));
    let inside = thread::spawn(move || {
        registration.begin();
        current()
    })
    .join()
    .unwrap();
    assert_eq!(inside, record);
    assert!(!record.is_alive());
}

#[test]
fn a_thread_that_was_registered_before_it_began_changes_its_record() {
    let registration = Registration::new("second", true);
    let (first, second) = spawn_named("first", move || {
        let first = current();
        let slot = current_slot();
        registration.begin();
        assert_ne!(current_slot(), slot);
        (first, current())
    })
    .join()
    .unwrap();
    assert_eq!((&*first.name(), &*second.name()), ("first", "second"));
    assert!(!first.is_alive() && !second.is_alive());
    assert_eq!(named("first"), []);
}

/// Does something when the thread's destructors run.
struct AtEnd(Box<dyn FnMut()>);

impl Drop for AtEnd {
    fn drop(&mut self) {
        (self.0)();
    }
}

thread_local! {
    static BEFORE: RefCell<Option<AtEnd>> = const { RefCell::new(None) };
    static AFTER: RefCell<Option<AtEnd>> = const { RefCell::new(None) };
}

/// The slot, the id and the name that a destructor sees.
fn look(sender: &mpsc::Sender<(Slot, ThreadId, String)>) {
    let me = current();
    assert_eq!((me.slot(), me.id()), (current_slot(), current_id()));
    let seen = (me.slot(), me.id(), me.name().to_string());
    sender.send(seen).unwrap();
}

#[test]
fn thread_local_destructors_see_their_thread_in_any_order() {
    for _ in 0..50 {
        let (sender, receiver) = mpsc::channel();
        let (slot, id) = spawn_named("ending", move || {
            let looks = [sender.clone(), sender];
            let [first, last] = looks;
            // Older than the thread's registration: it is destroyed after the guard.
            BEFORE.set(Some(AtEnd(Box::new(move || look(&first)))));
            let slot = current_slot();
            AFTER.set(Some(AtEnd(Box::new(move || look(&last)))));
            (slot, current_id())
        })
        .join()
        .unwrap();
        let seen: Vec<_> = receiver.iter().collect();
        // Where the system can't say when a thread is gone, the thread's slot is free when its
        // guard is destroyed. Another thread may take it before the last destructor asks.
        let last = if can_detect_exit() { slot } else { seen[1].0 };
        let name = "ending".to_owned();
        assert_eq!(seen, [(slot, id, name.clone()), (last, id, name)]);
        assert_eq!(named("ending"), []);
    }
}

#[test]
fn a_thread_may_register_first_in_a_destructor() {
    let (sender, receiver) = mpsc::channel();
    spawn_named("late", move || {
        BEFORE.set(Some(AtEnd(Box::new(move || look(&sender)))));
    })
    .join()
    .unwrap();
    let (.., name) = receiver.recv().unwrap();
    assert_eq!(name, "late");
    assert_eq!(named("late"), []);
}

#[test]
fn nobody_gets_a_slot_whose_thread_is_still_in_its_destructors() {
    let (at_end, ending) = mpsc::channel();
    let (go_on, wait) = mpsc::channel::<()>();
    let dying = spawn_named("dying", move || {
        BEFORE.set(Some(AtEnd(Box::new(move || {
            // The guard is gone: the record is no longer listed.
            at_end.send(current_slot()).unwrap();
            let _ = wait.recv();
            at_end.send(current_slot()).unwrap();
        }))));
        current_slot();
    });
    let slot = ending.recv().unwrap();
    assert_eq!(named("dying"), []);
    for _ in 0..200 {
        let other = thread::spawn(current_slot).join().unwrap();
        assert_ne!(other, slot);
    }
    drop(go_on);
    assert_eq!(ending.recv().unwrap(), slot);
    dying.join().unwrap();
}

#[test]
fn the_slot_of_a_joined_thread_is_reused_without_a_question_to_the_system() {
    let (at_end, ending) = mpsc::channel();
    let (go_on, wait) = mpsc::channel::<()>();
    let (known, record) = mpsc::channel();
    let dying = thread::spawn(move || {
        BEFORE.set(Some(AtEnd(Box::new(move || {
            at_end.send(()).unwrap();
            let _ = wait.recv();
        }))));
        // Not at the end: where the system can't be asked, the thread would get another slot there.
        known.send(tk_core::current()).unwrap();
    });
    let record = record.recv().unwrap();
    ending.recv().unwrap();
    let is_there = || tk_core::thread_at(record.slot()).as_ref() == Some(&record);
    let others = || (0..1000).for_each(|_| _ = thread::spawn(current_slot).join().unwrap());
    if can_detect_exit() {
        others();
        assert!(is_there());
    }
    // The system still has the thread, so the slot can be free only because of this.
    record.note_gone();
    others();
    assert!(!is_there());
    drop(go_on);
    dying.join().unwrap();
}

#[test]
fn exit_functions_run_last_first_in_their_thread_and_in_view() {
    let (sender, receiver) = mpsc::channel();
    let record = spawn_named("exiting", move || {
        for n in 0..3 {
            let sender = sender.clone();
            let tell = move || {
                let me = current();
                assert!(enumerate().contains(&me));
                sender.send((n, me)).unwrap();
            };
            at_thread_exit(Box::new(tell)).ok().unwrap();
        }
        current()
    })
    .join()
    .unwrap();
    let order: Vec<_> = receiver.iter().collect();
    assert_eq!(order, [2, 1, 0].map(|n| (n, record.clone())));
}

#[test]
fn exit_functions_may_add_more_and_may_panic() {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let inner = sender.clone();
        let add = move || {
            let tell = move || inner.send("added").unwrap();
            at_thread_exit(Box::new(tell)).ok().unwrap();
        };
        at_thread_exit(Box::new(move || sender.send("last").unwrap()))
            .ok()
            .unwrap();
        at_thread_exit(Box::new(|| std::panic::resume_unwind(Box::new("expected"))))
            .ok()
            .unwrap();
        at_thread_exit(Box::new(add)).ok().unwrap();
    })
    .join()
    .unwrap();
    assert_eq!(receiver.iter().collect::<Vec<_>>(), ["added", "last"]);
}

#[test]
fn exit_functions_that_come_too_late_are_given_back() {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        BEFORE.set(Some(AtEnd(Box::new(move || {
            let refused = at_thread_exit(Box::new(|| unreachable!()));
            sender.send(refused.is_err()).unwrap();
        }))));
        current_slot();
    })
    .join()
    .unwrap();
    assert_eq!(receiver.recv(), Ok(true));
}

#[test]
fn a_finish_function_runs_when_the_thread_is_out_of_the_list_or_at_once() {
    let (sender, receiver) = mpsc::channel();
    let record = spawn_named("finishing", move || {
        let me = current();
        let look = {
            let me = me.clone();
            move || sender.send(enumerate().contains(&me)).unwrap()
        };
        me.on_finish(look);
        me
    })
    .join()
    .unwrap();
    assert_eq!(receiver.recv(), Ok(false));
    let at_once = Arc::new(AtomicUsize::new(0));
    record.on_finish({
        let at_once = Arc::clone(&at_once);
        move || at_once.store(1, Ordering::Relaxed)
    });
    assert_eq!(at_once.load(Ordering::Relaxed), 1);
}

#[test]
fn what_is_kept_with_a_record_stays_there() {
    let record = thread::spawn(current).join().unwrap();
    let first = record.attachment(|| Arc::new(7u32));
    let second = record.attachment(|| Arc::new(8u32));
    assert_eq!((*first, *second), (7, 7));
}

#[test]
fn a_thread_can_be_listed_a_thousand_times_while_others_come_and_go() {
    let stop = Arc::new(AtomicUsize::new(0));
    let churn: Vec<_> = (0..2)
        .map(|_| {
            let stop = Arc::clone(&stop);
            thread::spawn(move || {
                while stop.load(Ordering::Relaxed) == 0 {
                    thread::spawn(|| drop(current())).join().unwrap();
                }
            })
        })
        .collect();
    let me = current();
    for _ in 0..1000 {
        let all = enumerate();
        assert!(all.contains(&me));
        let ids: Vec<_> = all.iter().map(ThreadRecord::id).collect();
        assert!(ids.is_sorted());
    }
    stop.store(1, Ordering::Relaxed);
    for thread in churn {
        thread.join().unwrap();
    }
}

#[test]
fn an_owner_is_one_thread_and_never_the_next_in_its_slot() {
    let (owner, id) = thread::spawn(|| (tk_core::current_owner(), current().id()))
        .join()
        .unwrap();
    assert_eq!(u64::from(owner.get()), id.get());
    for _ in 0..100 {
        let other = thread::spawn(tk_core::current_owner).join().unwrap();
        assert_ne!(other, owner);
    }
}

#[test]
fn an_owner_is_the_same_in_a_late_destructor() {
    struct Late(mpsc::Sender<(tk_core::Owner, tk_core::ThreadId)>);
    impl Drop for Late {
        fn drop(&mut self) {
            let _ = self
                .0
                .send((tk_core::current_owner(), tk_core::current_id()));
        }
    }
    thread_local!(static LATE: RefCell<Option<Late>> = const { RefCell::new(None) });
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        // Older than the guard of the registry, and so destroyed after it.
        LATE.set(Some(Late(sender.clone())));
        sender
            .send((tk_core::current_owner(), tk_core::current_id()))
            .unwrap();
    })
    .join()
    .unwrap();
    assert_eq!(receiver.recv().unwrap(), receiver.recv().unwrap());
}

#[test]
fn a_record_keeps_one_value_of_each_type() {
    // As two versions of a crate do, each with a type of its own.
    struct One(u32);
    struct Other(u32);
    let record = current();
    assert_eq!(record.attachment(|| Arc::new(One(1))).0, 1);
    assert_eq!(record.attachment(|| Arc::new(Other(2))).0, 2);
    assert_eq!(record.attachment::<One>(|| unreachable!()).0, 1);
    assert_eq!(record.attachment::<Other>(|| unreachable!()).0, 2);
    // The function that makes a value may attach another one.
    struct Outer(Arc<One>);
    let outer = record.attachment(|| Arc::new(Outer(record.attachment(|| unreachable!()))));
    assert_eq!(outer.0.0, 1);
}

#[test]
fn threads_that_attach_at_once_get_the_same_value() {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    struct Value<const N: usize>(usize);
    impl<const N: usize> Drop for Value<N> {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }
    const THREADS: usize = 4;
    static MADE: AtomicUsize = AtomicUsize::new(0);
    for _ in 0..100 {
        let record = thread::spawn(current).join().unwrap();
        let barrier = Barrier::new(THREADS);
        let attach = |number| {
            barrier.wait();
            let make = |n| {
                MADE.fetch_add(1, Ordering::Relaxed);
                n
            };
            let a = record.attachment(|| Arc::new(Value::<0>(make(number)))).0;
            let b = record.attachment(|| Arc::new(Value::<1>(make(number)))).0;
            (a, b)
        };
        let seen: HashSet<_> = thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|n| scope.spawn(move || attach(n)))
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        assert_eq!(seen.len(), 1);
    }
    // Those that lost are gone, and the registry may keep the others as long as it likes.
    let (made, dropped) = (
        MADE.load(Ordering::Relaxed),
        DROPPED.load(Ordering::Relaxed),
    );
    assert!(dropped <= made && made - dropped <= 200, "{made} {dropped}");
}

/// A panic's payload, and a capture, that panics when it is dropped.
struct Bomb(&'static AtomicUsize);

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
        if !thread::panicking() {
            panic!("a drop panics, as it should");
        }
    }
}

#[test]
fn functions_for_the_end_may_do_what_they_like() {
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    let thread = thread::spawn(move || {
        let me = current();
        let (at_exit, finish) = (sender.clone(), sender.clone());
        assert!(at_thread_exit(Box::new(|| std::panic::panic_any(Bomb(&DROPS)))).is_ok());
        me.on_finish(|| std::panic::panic_any(Bomb(&DROPS)));
        let bomb = Bomb(&DROPS);
        assert!(at_thread_exit(Box::new(move || drop(bomb))).is_ok());
        // They may rename, ask, list, wait, log, start threads, and add to either list.
        let busy = move |sender: mpsc::Sender<&'static str>, what| {
            let me = current();
            me.set_name("at its end");
            assert!(enumerate().len() + active_count() > 0);
            assert_eq!(thread_at(current_slot()), Some(me.clone()));
            thread::spawn(current).join().unwrap();
            let registration = Registration::new("never begins", true);
            drop(registration);
            me.on_finish(|| std::panic::panic_any(Bomb(&DROPS)));
            sender.send(what).unwrap();
        };
        assert!(at_thread_exit(Box::new(move || busy(at_exit, "exit"))).is_ok());
        if cfg!(all(target_os = "linux", not(tk_blind))) {
            me.on_finish(move || busy(finish, "finish"));
        } else {
            me.on_finish(move || finish.send("finish").unwrap());
        }
        me
    });
    let record = thread.join().unwrap();
    assert!(!record.is_alive());
    assert_eq!(receiver.iter().collect::<Vec<_>>(), ["exit", "finish"]);
    assert!(DROPS.load(Ordering::Relaxed) >= 4);
}

#[test]
fn a_function_for_the_end_that_adds_itself_does_not_keep_the_thread() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    static REFUSED: AtomicUsize = AtomicUsize::new(0);
    fn again() {
        CALLS.fetch_add(1, Ordering::Relaxed);
        if let Err(f) = at_thread_exit(Box::new(again)) {
            REFUSED.fetch_add(1, Ordering::Relaxed);
            drop(f);
        }
    }
    thread::spawn(|| assert!(at_thread_exit(Box::new(again)).is_ok()))
        .join()
        .unwrap();
    assert!(CALLS.load(Ordering::Relaxed) > 4);
    assert_eq!(REFUSED.load(Ordering::Relaxed), 1);
}

#[test]
fn what_was_never_called_is_dropped_with_the_last_handle_and_may_panic() {
    static DROPS: AtomicUsize = AtomicUsize::new(0);
    let registration = Registration::new("never begins", true);
    let record = registration.record().clone();
    // Called by the drop of the registration, not by a thread's end; it drops its captures, one of
    // which panics.
    for _ in 0..10_000 {
        let bomb = Bomb(&DROPS);
        record.on_finish(move || {
            let _bomb = bomb;
        });
    }
    drop(registration);
    assert_eq!(DROPS.load(Ordering::Relaxed), 10_000);
    record.on_finish(|| ());
}

thread_local!(static BEGINS: RefCell<Option<BeginsLate>> = const { RefCell::new(None) });

struct BeginsLate(Option<Registration>, mpsc::Sender<ThreadRecord>);

impl Drop for BeginsLate {
    fn drop(&mut self) {
        let registration = self.0.take().unwrap();
        let record = registration.record().clone();
        registration.begin();
        assert_eq!(current(), record);
        let _ = self.1.send(record);
    }
}

#[test]
fn a_registration_that_begins_in_a_destructor_ends_with_the_thread() {
    static ENDED: AtomicUsize = AtomicUsize::new(0);
    for late in [false, true] {
        let registration = Registration::new("begins at the end", false);
        registration.record().on_finish(|| {
            ENDED.fetch_add(1, Ordering::Relaxed);
        });
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            // A thread-local value that is older than the guard is destroyed after it.
            if !late {
                current();
            }
            BEGINS.set(Some(BeginsLate(Some(registration), sender)));
            current();
        })
        .join()
        .unwrap();
        let record = receiver.recv().unwrap();
        assert!(!record.is_alive() && !enumerate().contains(&record));
    }
    assert_eq!(ENDED.load(Ordering::Relaxed), 2);
}

#[test]
fn a_registration_can_begin_in_a_thread_that_has_begun_another() {
    let (first, second) = (
        Registration::new("first", false),
        Registration::new("second", false),
    );
    let records = (first.record().clone(), second.record().clone());
    thread::spawn(move || {
        first.begin();
        let slot = current_slot();
        second.begin();
        assert_ne!(slot, current_slot());
        assert_eq!(&*current().name(), "second");
        assert!(named("first").is_empty());
    })
    .join()
    .unwrap();
    assert!(!records.0.is_alive() && !records.1.is_alive());
}
