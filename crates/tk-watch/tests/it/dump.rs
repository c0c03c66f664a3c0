//! The contents of a dump.

use std::sync::Arc;
use std::time::Duration;

use tk_condvar::Condvar;
use tk_event::Event;
use tk_lock::{Lock, LockExt, RwLock};
use tk_park::{Limit, StopSource};
use tk_testing::until;
use tk_thread::{Builder, JoinHandle};
use tk_watch::{Activity, Snapshot, ThreadSnapshot, Wait, WaitLimit, dump};

use crate::reports::waits_for;

fn spawn(name: &str, f: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    Builder::new().name(name).spawn(f).unwrap()
}

fn thread<'a>(snapshot: &'a Snapshot, of: &JoinHandle<()>) -> &'a ThreadSnapshot {
    snapshot.thread(of.id().get()).unwrap()
}

fn wait<'a>(snapshot: &'a Snapshot, of: &JoinHandle<()>) -> &'a Wait {
    thread(snapshot, of).activity.wait().unwrap()
}

#[test]
fn a_wait_has_its_object_its_line_its_limit_and_its_holder() {
    let lock = Arc::new(Lock::new(()));
    let _name = tk_watch::name(&*lock, "the \"lock\"\n");
    let source = StopSource::new();
    let guard = lock.lock();
    let (mine, line) = (Arc::clone(&lock), line!() + 1);
    let forever = spawn("dump-forever", move || drop(mine.lock()));
    let (mine, token) = (Arc::clone(&lock), source.token());
    let limited = spawn("dump-limited", move || {
        let limit = Limit::after(Duration::from_secs(100)).or_stop(&token);
        assert!(mine.lock_with(limit).is_err());
    });
    until("both wait", || {
        [&forever, &limited].iter().all(|it| waits_for(it, "lock"))
    });
    let snapshot = dump();

    let wait = wait(&snapshot, &forever);
    assert_eq!((wait.object.kind, wait.location.line()), ("lock", line));
    assert_eq!(wait.object.name.as_deref(), Some("the \"lock\"\n"));
    assert_eq!(wait.limit, WaitLimit::None);
    let me = tk_core::current_id().get();
    assert_eq!(
        wait.holders.iter().map(|it| it.id).collect::<Vec<_>>(),
        [Some(me)]
    );
    assert!(wait.only_holders_can_end_it);
    let wait = self::wait(&snapshot, &limited);
    let WaitLimit::DeadlineOrStop(left) = wait.limit else {
        panic!("{wait:?}");
    };
    assert!(left > Duration::from_secs(10) && left <= Duration::from_secs(100));
    let text = snapshot.to_string();
    assert!(text.contains("lock \"the \\\"lock\\\"\\n\""), "{text}");
    assert!(
        text.lines().all(|line| !line.contains("the \"lock\"\n")),
        "{text}"
    );
    assert!(text.contains(&format!("at {}:{line}:", file!())), "{text}");

    source.request_stop();
    limited.join().unwrap();
    drop(guard);
    forever.join().unwrap();
}

#[test]
fn a_thread_that_a_notification_has_moved_waits_for_the_lock() {
    let things = Arc::new((Lock::new(()), Condvar::new()));
    let mine = Arc::clone(&things);
    let moved = spawn("dump-moved", move || mine.1.wait(&mut mine.0.lock()));
    until("it waits", || waits_for(&moved, "condition"));
    let guard = things.0.lock();
    assert!(wait(&dump(), &moved).holders.is_empty());
    assert!(things.1.notify_one());
    let snapshot = dump();
    let wait = wait(&snapshot, &moved);
    assert_eq!(wait.object.kind, "lock");
    assert_eq!(wait.holders[0].id, Some(tk_core::current_id().get()));
    drop(guard);
    moved.join().unwrap();
}

#[test]
fn a_writer_waits_for_all_readers_and_the_holder_is_the_one_of_now() {
    let lock = Arc::new(RwLock::new(()));
    let (first, second) = (Arc::new(Event::new()), Arc::new(Event::new()));
    let reader = |name: &str, end: &Arc<Event>| {
        let (lock, end) = (Arc::clone(&lock), Arc::clone(end));
        let reader = spawn(name, move || {
            let _read = lock.read();
            end.wait();
        });
        until("it reads", || waits_for(&reader, "event"));
        reader
    };
    let readers = [reader("dump-r1", &first), reader("dump-r2", &second)];
    let mine = Arc::clone(&lock);
    let writer = spawn("dump-writer", move || drop(mine.write()));
    until("it waits", || waits_for(&writer, "write lock"));
    let holders = || {
        let snapshot = dump();
        let wait = wait(&snapshot, &writer);
        let mut holders: Vec<_> = wait
            .holders
            .iter()
            .filter_map(|it| it.name.clone())
            .collect();
        holders.sort();
        holders
    };
    assert_eq!(holders(), ["dump-r1", "dump-r2"]);
    first.set();
    until("the first has left", || holders() == ["dump-r2"]);
    second.set();
    writer.join().unwrap();
    readers
        .into_iter()
        .for_each(|reader| reader.join().unwrap());
}

#[cfg(target_os = "linux")]
#[test]
fn a_thread_that_reads_a_pipe_is_not_shown_as_running() {
    let (reader, writer) = std::io::pipe().unwrap();
    let mine = spawn("dump-read", move || {
        _ = std::io::read_to_string(reader).unwrap()
    });
    let (foreign_reader, foreign_writer) = std::io::pipe().unwrap();
    let foreign = std::thread::Builder::new().name("dump-foreign".into());
    let foreign = foreign
        .spawn(move || std::io::read_to_string(foreign_reader))
        .unwrap();
    until("both sleep", || {
        let snapshot = dump();
        let Activity::Runs(Some(state)) = &thread(&snapshot, &mine).activity else {
            return false;
        };
        let tk_watch::ForeignThreads::Known(others) = &snapshot.foreign else {
            panic!("{snapshot}");
        };
        let other = others.iter().find(|other| other.name == "dump-foreign");
        state.state == 'S' && other.is_some_and(|other| other.state.state == 'S')
    });
    let text = dump().to_string();
    assert!(text.contains("- sleeps in"), "{text}");
    drop((writer, foreign_writer));
    mine.join().unwrap();
    foreign.join().unwrap().unwrap();
}

#[test]
fn names_with_anything_in_them_stay_in_their_row() {
    let event = Arc::new(Event::new());
    let evil = "evil \u{1b}[31m\n<script>\"&\u{202e}";
    let mine = Arc::clone(&event);
    let thread = spawn(evil, move || _ = mine.wait());
    until("it waits", || waits_for(&thread, "event"));
    let snapshot = dump();
    let text = snapshot.to_string();
    assert!(
        text.contains("evil \\u{1b}[31m\\n<script>\\\"&\\u{202e}"),
        "{text}"
    );
    assert!(
        !text.contains('\u{1b}') && !text.contains('\u{202e}'),
        "{text}"
    );
    let dot = snapshot.to_dot();
    assert!(
        dot.contains(r#"evil \\u{1b}[31m\\n<script>\\\"&\\u{202e}"#),
        "{dot}"
    );
    event.set();
    thread.join().unwrap();
}

#[test]
fn threads_are_born_and_end_during_dumps() {
    std::thread::scope(|s| {
        for _ in 0..2 {
            s.spawn(|| {
                for _ in 0..150 {
                    let lock = Arc::new(Lock::new(()));
                    let guard = lock.lock();
                    let mine = Arc::clone(&lock);
                    let thread = tk_thread::spawn(move || drop(mine.lock()));
                    drop(guard);
                    thread.join().unwrap();
                }
            });
        }
        s.spawn(|| {
            for _ in 0..50 {
                let snapshot = dump();
                assert!(snapshot.to_string().contains("MainThread"));
                assert!(snapshot.to_dot().ends_with("}\n"));
            }
        });
    });
}

#[test]
fn many_threads_take_a_reasonable_time() {
    let many = std::env::var("TK_WATCH_THREADS")
        .ok()
        .and_then(|it| it.parse().ok());
    let event = Arc::new(Event::new());
    let threads: Vec<_> = (0..many.unwrap_or(300))
        .map(|at| {
            let event = Arc::clone(&event);
            let builder = Builder::new()
                .name(format!("many-{at}"))
                .stack_size(64 * 1024);
            builder.spawn(move || _ = event.wait()).unwrap()
        })
        .collect();
    until("all wait", || {
        threads.iter().all(|it| waits_for(it, "event"))
    });
    let begun = std::time::Instant::now();
    let snapshot = dump();
    let text = snapshot.to_string();
    println!(
        "a dump of {} threads took {:?}",
        snapshot.threads.len(),
        begun.elapsed()
    );
    for thread in &threads {
        assert!(matches!(
            self::thread(&snapshot, thread).activity,
            Activity::Waits(_)
        ));
        assert!(text.contains(&*thread.name()));
    }
    event.set();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
}

#[test]
fn a_thread_that_calls_the_function_of_a_timer_is_shown_as_that_timer_alone() {
    let (runs, is_run) = std::sync::mpsc::channel();
    let go_on = Arc::new(Event::new());
    let mine = Arc::clone(&go_on);
    let timer = move || {
        runs.send(tk_core::current().native_id()).unwrap();
        mine.wait();
    };
    let timer = tk_timer::Timer::new(Duration::ZERO, timer).name("alone");
    let timer = timer.start();
    let native_id = is_run.recv().unwrap();
    let snapshot = tk_watch::dump();
    let mut names = Vec::new();
    for thread in &snapshot.threads {
        if thread.native_id == native_id {
            names.push(&*thread.name);
        }
    }
    assert!(native_id.is_none() || names == ["alone"], "{snapshot}");
    go_on.set();
    timer.join().unwrap();
}

#[test]
fn a_wait_for_a_timer_names_the_thread_that_runs_it_now() {
    let (runs, is_run) = std::sync::mpsc::channel();
    let (may_run, go_on) = (Arc::new(Event::new()), Arc::new(Event::new()));
    let (gate, mine) = (Arc::clone(&may_run), Arc::clone(&go_on));
    let timer = move || {
        gate.wait();
        runs.send(tk_core::current().id().get()).unwrap();
        mine.wait();
    };
    let far = Duration::from_secs(3600);
    let timer = tk_timer::Timer::new(far, timer).name("named").start();
    let join = |timer: &tk_timer::TimerHandle| {
        let timer = timer.clone();
        spawn("joins", move || timer.join().unwrap())
    };
    // It begins to wait before there is a runner.
    let early = join(&timer);
    until("it waits", || waits_for(&early, "timer"));
    assert!(wait(&dump(), &early).holders.is_empty());
    timer.reschedule(Duration::ZERO);
    may_run.set();
    let runner = is_run.recv().unwrap();
    let late = join(&timer);
    until("it waits", || waits_for(&late, "timer"));
    let holder = late.blocked_on().and_then(|wait| wait.holder());
    assert_eq!(holder.map(|it| u64::from(it.get())), Some(runner));
    let snapshot = dump();
    for thread in [&early, &late] {
        let [holder] = &wait(&snapshot, thread).holders[..] else {
            panic!("{snapshot}");
        };
        assert_eq!(
            (holder.id, holder.name.as_deref()),
            (Some(runner), Some("named"))
        );
    }
    go_on.set();
    early.join().unwrap();
    late.join().unwrap();
}
