use tk_event::Event;
use tk_lock::Lock;
use tk_thread::{Builder, current, dump};

fn line_of(name: &str) -> Option<String> {
    let dump = dump().to_string();
    let lines = dump.lines();
    lines
        .into_iter()
        .find(|line| line.starts_with(name))
        .map(String::from)
}

const LINE_OF_WAIT: u32 = line!() + 2;
fn wait_for(lock: &Lock<i32>) {
    drop(lock.lock());
}

#[test]
fn a_dump_says_what_each_thread_waits_for_and_who_has_it() {
    let (lock, held, done) = (Lock::new(0), Event::new(), Event::new());
    let (holder, shown) = tk_thread::scope(|s| {
        let (lock, held, done) = (&lock, &held, &done);
        let hold = || {
            let _guard = lock.lock();
            held.set();
            done.wait();
        };
        let holder = Builder::new().name("dump-holder").spawn_scoped(s, hold);
        held.wait();
        // A line break in a name must not look like another thread.
        let waiter = Builder::new()
            .name("dump-waiter\n")
            .spawn_scoped(s, || wait_for(lock));
        waiter.unwrap();
        let shown = loop {
            match line_of("dump-waiter") {
                Some(shown) if shown.contains("waits for") => break shown,
                _ => std::thread::yield_now(),
            }
        };
        done.set();
        (holder.unwrap().thread().id(), shown)
    });
    let (before, after) = shown.split_once(" waits for lock 0x").expect(&shown);
    assert!(before.starts_with("dump-waiter\\n (thread "), "{shown}");
    let place = format!(" s at {}:{LINE_OF_WAIT}:", file!());
    assert!(after.contains(&place), "{shown}");
    let holder = format!(", held by dump-holder (thread {holder})");
    assert!(after.ends_with(&holder), "{shown}");
}

#[test]
fn a_dump_knows_the_threads_themselves() {
    let dump = dump();
    let me = dump
        .threads()
        .iter()
        .find(|thread| thread.id() == current().id())
        .unwrap();
    assert_eq!(me.name(), current().name());
    assert_eq!(
        (me.is_daemon(), me.blocked_on()),
        (current().is_daemon(), None)
    );
    assert!(me.to_string().ends_with(" runs"));
}
