//! Any text can be a thread's name.

use std::thread;

use tk_core::{Registration, current, next_name};

/// What the system calls the calling thread.
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
