//! Any text can be a thread's name.

use std::thread;

use tk_core::{Registration, current, next_name};

/// The name of the calling thread in the system.
#[cfg(target_os = "linux")]
fn system_name() -> String {
    let name = std::fs::read("/proc/thread-self/comm").unwrap();
    String::from_utf8(name)
        .unwrap()
        .trim_end_matches('\n')
        .to_owned()
}

fn in_a_thread<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> T {
    thread::spawn(f).join().unwrap()
}

#[test]
fn default_names_count_up() {
    let number = |name: String| {
        name.strip_prefix("Thread-")
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    assert!(number(next_name(None)) < number(next_name(None)));
    assert!(next_name(Some("worker")).ends_with(" (worker)"));
}

#[test]
fn a_name_can_be_any_text() {
    in_a_thread(|| {
        let me = current();
        let long = "x".repeat(10_000);
        for name in ["", "\0", "nul\0inside", "naïve ☃ 雪だるま", long.as_str()] {
            me.set_name(name);
            assert_eq!(&*me.name(), name);
            assert_eq!(&*Registration::new(name, true).record().name(), name);
        }
    });
}

#[test]
#[cfg(target_os = "linux")]
fn the_system_sees_what_fits_of_a_name() {
    in_a_thread(|| {
        let me = current();
        for (name, seen) in [
            ("short", "short"),
            ("exactly 15 long", "exactly 15 long"),
            ("sixteen is more!", "sixteen is more"),
            ("äöüäöüäöü", "äöüäöüä"),
            ("☃☃☃☃☃☃", "☃☃☃☃☃"),
            ("cut\0here", "cut"),
            ("", ""),
        ] {
            me.set_name(name);
            assert_eq!(system_name(), seen);
        }
    });
}

#[test]
#[cfg(target_os = "linux")]
fn the_system_sees_the_name_that_a_thread_begins_with_uncut_in_a_character() {
    let registration = Registration::new("äöüäöüäöü", true);
    let seen = thread::Builder::new()
        .name("äöüäöüäöü".into())
        .spawn(|| {
            registration.begin();
            system_name()
        })
        .unwrap()
        .join()
        .unwrap();
    assert_eq!(seen, "äöüäöüä");
}

#[test]
#[cfg(target_os = "linux")]
fn renaming_another_thread_renames_only_that_one() {
    use std::sync::mpsc;

    let before = in_a_thread(|| {
        let (tell, told) = mpsc::channel();
        let (end, ended) = mpsc::channel::<()>();
        let other = thread::spawn(move || {
            tell.send(current()).unwrap();
            let _ = ended.recv();
            current().name().to_string()
        });
        let before = system_name();
        told.recv().unwrap().set_name("renamed");
        assert_eq!(system_name(), before);
        drop(end);
        assert_eq!(other.join().unwrap(), "renamed");
        before
    });
    assert!(!before.is_empty());
}

#[test]
fn names_can_be_changed_and_read_by_many_at_once() {
    let me = current();
    let names = ["one", "two", "three"];
    let old = me.name();
    me.set_name(names[0]);
    thread::scope(|s| {
        for name in names {
            let me = &me;
            s.spawn(move || {
                for _ in 0..1000 {
                    me.set_name(name);
                    assert!(names.contains(&&*me.name()));
                }
            });
        }
    });
    me.set_name(old);
}

#[test]
fn a_long_name_that_the_standard_library_knows_is_whole() {
    let name = "a name of more than fifteen bytes, and of \"more\" than one \\ kind";
    let thread = thread::Builder::new().name(name.into());
    let thread = thread.spawn(|| current().name()).unwrap();
    assert_eq!(&*thread.join().unwrap(), name);
}

/// A record, and what the system calls its thread.
#[cfg(target_os = "linux")]
fn system_name_of(record: &tk_core::ThreadRecord) -> String {
    let path = format!("/proc/self/task/{}/comm", record.native_id().unwrap());
    std::fs::read_to_string(path)
        .unwrap()
        .trim_end_matches('\n')
        .to_owned()
}

/// A thread that is there until the sender is dropped.
#[cfg(target_os = "linux")]
fn sleeper(
    name: &str,
) -> (
    tk_core::ThreadRecord,
    std::sync::mpsc::Sender<()>,
    thread::JoinHandle<()>,
) {
    let (tell, told) = std::sync::mpsc::channel();
    let (stay, wait) = std::sync::mpsc::channel::<()>();
    let thread = thread::Builder::new().name(name.into()).spawn(move || {
        tell.send(current()).unwrap();
        let _ = wait.recv();
    });
    (told.recv().unwrap(), stay, thread.unwrap())
}

#[cfg(target_os = "linux")]
#[test]
fn of_two_renames_the_later_one_counts_in_the_system_too() {
    let (record, stay, thread) = sleeper("renamed");
    let barrier = std::sync::Barrier::new(3);
    thread::scope(|scope| {
        for renamer in 0..2 {
            let (record, barrier) = (&record, &barrier);
            scope.spawn(move || {
                for round in 0..1000 {
                    barrier.wait();
                    record.set_name(format!("{renamer} {round}"));
                    barrier.wait();
                }
            });
        }
        for _ in 0..1000 {
            barrier.wait();
            barrier.wait();
            assert_eq!(system_name_of(&record), *record.name());
        }
    });
    drop(stay);
    thread.join().unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn an_empty_name_reaches_the_system_from_any_thread() {
    let (record, stay, thread) = sleeper("not empty");
    for empty in ["", "\0", "\0not seen"] {
        record.set_name("not empty");
        assert_eq!(system_name_of(&record), "not empty");
        record.set_name(empty);
        assert_eq!((&*record.name(), &*system_name_of(&record)), (empty, ""));
    }
    record.set_name("of fifteen byte");
    assert_eq!(system_name_of(&record), "of fifteen byte");
    drop(stay);
    thread.join().unwrap();
    in_a_thread(|| {
        for empty in ["", "\0"] {
            current().set_name("not empty");
            current().set_name(empty);
            assert_eq!(system_name(), "");
        }
    });
}

#[test]
fn a_thread_that_is_named_main_is_not_the_main_thread() {
    let thread = thread::Builder::new().name("main".into());
    let look = || (current().is_main(), current().name(), current().is_daemon());
    let thread = thread.spawn(look).unwrap();
    assert_eq!(thread.join().unwrap(), (false, "main".into(), true));
}

/// Starts a thread as C does, which calls `f`.
#[cfg(target_os = "linux")]
fn in_a_c_thread<T: Send>(f: impl FnOnce() -> T + Send) -> T {
    extern "C" fn run<F: FnOnce()>(f: *mut libc::c_void) -> *mut libc::c_void {
        // SAFETY: the place is the caller's, who waits for this thread. It is taken once.
        let f = unsafe { &mut *f.cast::<Option<F>>() }.take();
        f.expect("it runs once")();
        std::ptr::null_mut()
    }
    fn start<F: FnOnce()>(f: F) {
        let mut place = Some(f);
        let mut thread = 0;
        let place = (&raw mut place).cast();
        // SAFETY: `run` is given what it expects, and the thread is joined before the place goes.
        unsafe {
            let error = libc::pthread_create(&mut thread, std::ptr::null(), run::<F>, place);
            assert_eq!(error, 0);
            assert_eq!(libc::pthread_join(thread, std::ptr::null_mut()), 0);
        }
    }
    let mut result = None;
    start(|| result = Some(f()));
    result.unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn a_thread_that_c_has_named_has_that_name() {
    let named = |name: &'static std::ffi::CStr| {
        move || {
            // SAFETY: it is the calling thread, and a string.
            let error = unsafe { libc::pthread_setname_np(libc::pthread_self(), name.as_ptr()) };
            assert_eq!(error, 0);
            current().name()
        }
    };
    assert_eq!(&*in_a_c_thread(named(c"c-worker")), "c-worker");
    // So has each of several that are called alike, and what such a thread starts itself.
    let pool = in_a_c_thread(|| {
        let name = named(c"c-pool")();
        (
            name,
            in_a_c_thread(named(c"c-pool")),
            in_a_c_thread(|| current().name()),
        )
    });
    assert_eq!(pool, ("c-pool".into(), "c-pool".into(), "c-pool".into()));
}

#[cfg(target_os = "linux")]
#[test]
fn a_thread_that_nobody_has_named_is_a_dummy_even_if_a_named_one_starts_it() {
    let is_dummy = |name: std::sync::Arc<str>| name.starts_with("Dummy-");
    let (record, stay, sleeper) = sleeper("lender");
    // A thread that is registered, and one that is not.
    let starts = || {
        current();
        (
            in_a_thread(|| current().name()),
            in_a_c_thread(|| current().name()),
        )
    };
    let thread = thread::Builder::new().name("starter".into());
    let (std, c) = thread.spawn(starts).unwrap().join().unwrap();
    assert!(is_dummy(std) && is_dummy(c));
    let starts = || in_a_thread(|| current().name());
    let thread = thread::Builder::new().name("unknown".into());
    assert!(is_dummy(thread.spawn(starts).unwrap().join().unwrap()));
    drop((record, stay));
    sleeper.join().unwrap();
}

#[test]
fn a_default_name_takes_its_number_when_somebody_asks() {
    let unnamed = in_a_thread(current);
    let number = |name: &str| name.rsplit('-').next().unwrap().parse::<u64>().unwrap();
    let before = number(&next_name(None));
    let name = unnamed.name();
    assert!(number(&name) > before);
    assert_eq!(unnamed.name(), name);
}
