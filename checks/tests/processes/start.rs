//! The start of a thread where it depends on the state of the whole process.

use std::time::Duration;

use tk_testing::panic_line;
use tk_thread::{
    Builder, Run, Scope, on_thread_exit, on_thread_start, scope, set_stack_size, spawn, spawn_with,
    stack_size,
};

use crate::{cases, say};

/// The threads of this process, as the system names them.
#[cfg(target_os = "linux")]
fn names() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let mut names: Vec<_> = tasks
        // One that is about to end may be gone by now.
        .filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok())
        .collect();
    names.sort();
    names
}

/// Has the system refuse memory for more than a little.
#[cfg(target_os = "linux")]
fn limit_memory() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let size = size
        .and_then(|line| line.trim().strip_suffix(" kB"))
        .unwrap();
    let bytes = size.parse::<u64>().unwrap() * 1024 + (32 << 20);
    let limit = libc::rlimit {
        rlim_cur: bytes,
        rlim_max: bytes,
    };
    // SAFETY: the limit is there to be read.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0);
}

/// Has the system refuse threads. As root, for which it would not, the process becomes another
/// user.
#[cfg(target_os = "linux")]
fn limit_threads() {
    let limit = libc::rlimit {
        rlim_cur: 1,
        rlim_max: 1,
    };
    // SAFETY: the limit is there to be read; no thread of this process is asked for its user before
    // it ends.
    unsafe {
        assert_eq!(libc::setrlimit(libc::RLIMIT_NPROC, &limit), 0);
        if libc::getuid() == 0 {
            assert_eq!(libc::setuid(65534), 0);
        }
    }
}

/// More bytes than any address space has in one piece, also one of 32 bits.
const TOO_LARGE: usize = usize::MAX / 4 * 3;

struct Task;

impl Run for Task {
    type Output = ();

    fn run(self) {}
}

cases! {
    a_thread_that_cannot_start_is_reported_at_the_line_of_the_caller: || {
        std::panic::set_hook(Box::new(|_| ()));
        set_stack_size(Some(TOO_LARGE)).unwrap();
        assert_eq!(panic_line(|| drop(spawn(|| ()))), Some(line!()));
        assert_eq!(panic_line(|| drop(spawn_with(drop, 1))), Some(line!()));
        assert_eq!(panic_line(|| drop(Task.start())), Some(line!()));
        let in_scope = |s: Scope<'_, '_>| drop(s.spawn(|| ()));
        let line = line!() - 1;
        assert_eq!(panic_line(|| scope(in_scope)), Some(line));
    } => |ended| ended.printed(&[]);

    #[cfg(target_os = "linux")] the_system_shows_the_names: || {
        let done = std::sync::Arc::new(tk_event::Event::new());
        let start = |name: &str| {
            let done = done.clone();
            let thread = Builder::new().name(name).spawn(move || assert!(done.wait())).unwrap();
            thread.wait_started();
            thread
        };
        let threads = ["plain", "longer than fifteen bytes", "äöüäöüäöü", "nul\0inside"].map(start);
        for name in names() {
            print!("{name}");
        }
        threads[0].set_name("renamed by another thread");
        assert!(names().contains(&"renamed by anot\n".to_owned()), "{:?}", names());
        done.set();
        for thread in threads {
            thread.join().unwrap();
        }
        // A new name of a thread that is gone is given to no other thread.
        let gone = spawn(|| ());
        gone.thread().join().unwrap();
        gone.set_name("ghost");
        assert!(!names().contains(&"ghost\n".to_owned()));
    } => |ended| {
        let own = ended.stdout.lines().find(|line| line.starts_with("processes-"));
        ended.printed(&["longer than fif", "nul", "plain", own.unwrap(), "äöüäöüä"]);
    };

    #[cfg(target_os = "linux")] a_thread_that_is_renamed_before_it_runs_is_shown_so: || {
        let held = std::sync::Arc::new(tk_event::Event::new());
        let (go_on, go) = (held.clone(), held);
        // The name is changed by the first thing that the thread does, and by others at the same
        // time.
        let thread = Builder::new().name("before").spawn(move || {
            go_on.wait();
            std::fs::read_to_string("/proc/thread-self/comm").unwrap()
        }).unwrap();
        thread.set_name("after");
        thread.wait_started();
        go.set();
        say(thread.join().unwrap().trim());
    } => |ended| ended.printed(&["after"]);

    #[cfg(target_os = "linux")] test_start_new_thread_failed: || {
        limit_memory();
        limit_threads();
        let before = (tk_thread::active_count(), tk_core::KeepAlive::count());
        for size in [1 << 20, 256 << 20] {
            let thread = Builder::new().daemon(false).stack_size(size).spawn(|| say("never"));
            let error = thread.unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "{error}");
        }
        let scoped = tk_thread::scope(|s| Builder::new().spawn_scoped(s, || say("never")).is_err());
        assert!(scoped);
        assert_eq!((tk_thread::active_count(), tk_core::KeepAlive::count()), before);
        say("refused");
    } => |ended| ended.printed(&["refused"]);

    test_various_ops_stack_size: || {
        assert_eq!(set_stack_size(Some(256 << 10)).unwrap(), None);
        assert_eq!(spawn(|| 1).join().unwrap(), 1);
        assert_eq!(set_stack_size(Some(1 << 20)).unwrap(), Some(256 << 10));
        // More than a stack of the size before would hold.
        let deep = || std::hint::black_box([1u8; 300 << 10]).len();
        assert_eq!(spawn(deep).join().unwrap(), 300 << 10);
        assert_eq!(stack_size(), Some(1 << 20));
        assert!(set_stack_size(Some(0)).is_err());
        assert_eq!(set_stack_size(None).unwrap(), Some(1 << 20));
        assert_eq!(set_stack_size(None).unwrap(), None);
    } => |ended| ended.printed(&[]);

    test_gettrace_and_getprofile: || {
        let first = on_thread_start(|thread| say(&format!("{} first", thread.name())));
        let second = on_thread_start(|thread| say(&format!("{} second", thread.name())));
        let hooks = [on_thread_exit(|_| say("last")), on_thread_exit(|_| say("last but one"))];
        Builder::new().name("a").spawn(|| say("runs")).unwrap().join().unwrap();
        drop((first, hooks));
        Builder::new().name("b").spawn(|| say("runs")).unwrap().join().unwrap();
        second.keep();
        tk_thread::scope(|s| {
            Builder::new().name("c").spawn_scoped(s, || say("runs")).unwrap();
        });
    } => |ended| ended.printed(&[
        "a first", "a second", "runs", "last but one", "last",
        "b second", "runs",
        "c second", "runs",
    ]);

    ten_thousand_threads_one_after_the_other_leave_nothing: || {
        let wait = Duration::from_secs(30);
        for _ in 0..10_000 {
            spawn(|| ()).join_for(wait).unwrap();
        }
        assert_eq!(tk_thread::active_count(), 1);
        // Their slots are reused.
        assert!(spawn(tk_core::current_slot).join().unwrap().get() < 1000);
    } => |ended| ended.printed(&[]);
}
