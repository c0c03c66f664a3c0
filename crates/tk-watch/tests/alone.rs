//! Programs that are watched in a process of their own: some do not call this crate, some only
//! wait.
//!
//! Each test runs this program again, with a mode in the environment.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use tk_event::Event;
use tk_lock::Lock;
use tk_thread::Builder;

const MODE: &str = "TK_WATCH_TEST_MODE";

fn main() {
    match std::env::var(MODE).as_deref() {
        Err(_) => run_tests(),
        Ok("deadlock") => deadlock(),
        Ok("deadlock-abort") => {
            let install = tk_watch::install().deadlocks(tk_watch::Reaction::Abort);
            install.start().unwrap();
            deadlock();
        }
        Ok("all-wait") => tk_thread::main(|| {
            tk_watch::install().start().unwrap();
            Event::new().wait();
        }),
        Ok("all-wait-later") => tk_thread::main(|| {
            tk_watch::install().start().unwrap();
            let main = tk_thread::current();
            // It ends without setting the event, and begins no wait without a limit.
            tk_thread::spawn(move || {
                // By then the watcher has heard of that wait, and has looked.
                let since = || Some(main.blocked_on()?.since());
                tk_testing::until("the main thread waits for long", || {
                    since().is_some_and(|since| since.elapsed() > Duration::from_millis(1500))
                });
            });
            Event::new().wait();
        }),
        Ok("all-wait-in-timer") => tk_thread::main(|| {
            static NEVER: Event = Event::new();
            tk_watch::install().start().unwrap();
            // A service that ends has no thread that waits for other timers.
            let service = tk_timer::TimerService::new();
            let (runs, is_run) = std::sync::mpsc::channel();
            let wait = move || {
                runs.send(()).unwrap();
                NEVER.wait();
            };
            let timer = tk_timer::Timer::new(Duration::ZERO, wait);
            timer.start_on(&service);
            is_run.recv().unwrap();
            drop(service);
            NEVER.wait();
        }),
        Ok("all-wait-and-watchdog") => tk_thread::main(|| {
            tk_watch::install().start().unwrap();
            let _dog = tk_watch::watchdog("dog", Duration::from_millis(2300)).unwrap();
            Event::new().wait();
        }),
        Ok("panic") => tk_thread::main(|| {
            tk_watch::install().at_panic().start().unwrap();
            let thread = Builder::new().name("panics").spawn(|| panic!("on purpose"));
            assert!(thread.unwrap().join().is_err());
        }),
        Ok("watchdog") => tk_thread::main(watchdog),
        Ok("hooks") => tk_thread::main(|| {
            tk_watch::install()
                .deadlocks(tk_watch::Reaction::Panic)
                .on_deadlock(|_| panic!("a hook"))
                .on_deadlock(|_| std::thread::sleep(Duration::from_secs(1000)))
                .start()
                .unwrap();
            for round in 1..=2 {
                let results = deadlock_of_two().map(|thread| thread.join());
                assert_eq!(results.iter().filter(|result| result.is_err()).count(), 1);
                println!("round {round}");
            }
            std::process::exit(0);
        }),
        Ok("burst") => tk_thread::main(burst),
        Ok("unwinding") => {
            // The hook is set while this thread panics, when it may not set one itself.
            let panic = || {
                let _install = Installs;
                panic!("first");
            };
            assert!(std::panic::catch_unwind(panic).is_err());
            let path = own_file();
            tk_testing::until("the hook is set", || {
                assert!(std::panic::catch_unwind(|| panic!("second")).is_err());
                let dumps = std::fs::read_to_string(&path).unwrap();
                dumps.contains("a dump at the panic of MainThread")
            });
            std::fs::remove_file(&path).unwrap();
        }
        #[cfg(unix)]
        Ok("fifo") => {
            let path = own_file();
            let made = Command::new("mkfifo").arg(&path).status().unwrap();
            assert!(made.success());
            let install = || tk_watch::install().to_file(&path).at_panic().start();
            assert!(install().is_err(), "nobody reads");
            let mut options = std::fs::OpenOptions::new();
            let reader = options.read(true).write(true).open(&path).unwrap();
            install().unwrap();
            // More than it has room for.
            tk_core::current().set_name("x".repeat(1 << 20));
            assert!(std::panic::catch_unwind(|| panic!("on purpose")).is_err());
            drop(reader);
            std::fs::remove_file(&path).unwrap();
        }
        Ok("bad-logger") => {
            log_as(Behavior::Panics);
            tk_watch::install().at_panic().to_log().start().unwrap();
            assert!(std::panic::catch_unwind(|| panic!("first")).is_err());
            log_as(Behavior::Locks);
            let panic = || {
                let _guard = OF_LOGGER.lock();
                panic!("second");
            };
            assert!(std::panic::catch_unwind(panic).is_err());
            println!("over");
        }
        Ok("deaf-logger") => {
            log_as(Behavior::Refuses);
            tk_watch::install().start().unwrap();
            deadlock();
        }
        Ok("hanging-logger") => tk_thread::main(hanging_logger),
        Ok("locked-stderr") => {
            let install = tk_watch::install().deadlocks(tk_watch::Reaction::Abort);
            install.start().unwrap();
            // Its holder hangs.
            std::mem::forget(std::io::stderr().lock());
            deadlock();
        }
        Ok("failed") => {
            let calls = Arc::new(AtomicU32::new(0));
            let hook = || {
                let calls = Arc::clone(&calls);
                move |_: &tk_watch::Deadlock| _ = calls.fetch_add(1, Relaxed)
            };
            // Nothing of the first call counts.
            let failed = tk_watch::install().on_deadlock(hook()).signal(-1).start();
            assert!(failed.is_err());
            let (send, called) = std::sync::mpsc::channel();
            let (send, calls_so_far) = (std::sync::Mutex::new(send), hook());
            tk_watch::install()
                .deadlocks(tk_watch::Reaction::Panic)
                .on_deadlock(move |deadlock| {
                    calls_so_far(deadlock);
                    send.lock().unwrap().send(()).unwrap();
                })
                .start()
                .unwrap();
            for rounds in 1..=2 {
                let _ = deadlock_of_two().map(|thread| thread.join());
                called.recv().unwrap();
                assert_eq!(calls.load(Relaxed), rounds);
            }
        }
        #[cfg(target_os = "linux")]
        Ok("signals") => {
            // Real-time signals, each by four threads at the same time, and once more.
            let signals = 40..60;
            for signal in signals.clone() {
                let barrier = std::sync::Barrier::new(4);
                let install = || {
                    barrier.wait();
                    tk_watch::install().signal(signal).start().unwrap();
                };
                std::thread::scope(|s| (0..4).for_each(|_| _ = s.spawn(install)));
                tk_watch::install().signal(signal).start().unwrap();
            }
            // This one, the watcher, and a reader for each signal.
            tk_testing::until("the others have ended", || {
                let threads = std::fs::read_dir("/proc/self/task").unwrap();
                threads.count() == 2 + signals.len()
            });
        }
        #[cfg(unix)]
        Ok("taken") => {
            let flag = Arc::new(std::sync::atomic::AtomicBool::new(false));
            signal_hook::flag::register(signal_hook::consts::SIGUSR1, flag).unwrap();
            let taken = tk_watch::install()
                .signal(signal_hook::consts::SIGUSR1)
                .start();
            println!("{}", taken.unwrap_err());
            let refused = tk_watch::install()
                .signal(signal_hook::consts::SIGKILL)
                .start();
            println!("{}", refused.unwrap_err());
            for number in [i32::MIN, -1, 0, 1000, i32::MAX] {
                let no_signal = tk_watch::install().signal(number).start();
                assert!(no_signal.is_err(), "{number}");
            }
            tk_watch::install()
                .signal(signal_hook::consts::SIGUSR2)
                .start()
                .unwrap();
            // Its own.
            tk_watch::install()
                .signal(signal_hook::consts::SIGUSR2)
                .start()
                .unwrap();
        }
        #[cfg(unix)]
        Ok("fork") => fork(),
        Ok(other) => panic!("unknown mode {other}"),
    }
}

/// The behavior of the logger.
#[derive(Clone, Copy)]
enum Behavior {
    Panics,
    Refuses,
    Hangs,
    /// It takes a lock of the program.
    Locks,
}

static BEHAVIOR: std::sync::Mutex<Behavior> = std::sync::Mutex::new(Behavior::Refuses);
static OF_LOGGER: Lock<()> = Lock::new(());

struct Logger;

impl log::Log for Logger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        !matches!(*BEHAVIOR.lock().unwrap(), Behavior::Refuses)
    }

    fn log(&self, _: &log::Record<'_>) {
        let behavior = *BEHAVIOR.lock().unwrap();
        match behavior {
            Behavior::Panics => panic!("the logger"),
            Behavior::Refuses => {}
            Behavior::Hangs => loop {
                std::thread::park();
            },
            Behavior::Locks => drop(OF_LOGGER.lock()),
        }
    }

    fn flush(&self) {}
}

fn log_as(behavior: Behavior) {
    let _ = log::set_logger(&Logger);
    log::set_max_level(log::LevelFilter::Error);
    *BEHAVIOR.lock().unwrap() = behavior;
}

/// Has dumps at panics when it is dropped.
struct Installs;

impl Drop for Installs {
    fn drop(&mut self) {
        let install = tk_watch::install().at_panic().to_file(own_file());
        install.start().unwrap();
        // As this does, if the variable says so.
        tk_thread::spawn(|| ()).join().unwrap();
    }
}

/// A file of this process.
fn own_file() -> std::path::PathBuf {
    std::env::temp_dir().join(format!("tk-watch-alone-{}", std::process::id()))
}

/// No call of the logger returns. Deadlocks are found and broken, hooks are called, and the other
/// destination gets its dumps.
fn hanging_logger() {
    log_as(Behavior::Hangs);
    let path = own_file();
    let calls = Arc::new(AtomicU32::new(0));
    let in_hook = Arc::clone(&calls);
    tk_watch::install()
        .deadlocks(tk_watch::Reaction::Panic)
        .on_deadlock(|_| {
            loop {
                std::thread::park();
            }
        })
        .on_deadlock(move |_| _ = in_hook.fetch_add(1, Relaxed))
        .after(Duration::from_millis(1))
        .at_panic()
        .to_log()
        .to_file(&path)
        .start()
        .unwrap();
    let dumps = |reason: &str| {
        let text = std::fs::read_to_string(&path).unwrap();
        text.matches(reason).count()
    };
    tk_testing::until("the dump is there", || {
        dumps("after the time that was set") == 1
    });
    let dog = tk_watch::watchdog("dog", Duration::from_millis(1)).unwrap();
    tk_testing::until("the watchdog barks", || {
        dumps("\"dog\" was not petted") == 1
    });
    for round in 1..=12 {
        let results = deadlock_of_two().map(|thread| thread.join());
        assert_eq!(results.iter().filter(|result| result.is_err()).count(), 1);
        tk_testing::until("the hook is called", || calls.load(Relaxed) == round);
    }
    drop(dog);
    std::fs::remove_file(&path).unwrap();
    if let Ok(threads) = std::fs::read_dir("/proc/self/task") {
        // Eight for the logger, eight for its writers, and eight for the hook, at most.
        let count = threads.count();
        assert!(count <= 32, "{count}");
    }
    std::process::exit(0);
}

/// Two threads with names wait for each other, and the main thread for both.
fn deadlock() {
    tk_thread::main(|| {
        let threads = deadlock_of_two();
        tk_testing::until("both wait", || {
            threads.iter().all(|it| it.blocked_on().is_some())
        });
        println!("ready");
    });
}

fn deadlock_of_two() -> [tk_thread::JoinHandle<()>; 2] {
    let two = Arc::new([Lock::new(()), Lock::new(())]);
    let both = Arc::new(std::sync::Barrier::new(2));
    [("knife", 0), ("fork", 1)].map(|(name, own)| {
        let (two, both) = (Arc::clone(&two), Arc::clone(&both));
        let body = move || {
            let _mine = two[own].lock();
            both.wait();
            let _other = two[1 - own].lock();
        };
        Builder::new().name(name).spawn(body).unwrap()
    })
}

/// Many deadlocks are found before the hook has returned from the first ones.
fn burst() {
    const MANY: u32 = 12;
    let (may_return, calls) = (Arc::new(Event::new()), Arc::new(AtomicU32::new(0)));
    let (gate, called) = (Arc::clone(&may_return), Arc::clone(&calls));
    tk_watch::install()
        .deadlocks(tk_watch::Reaction::Panic)
        .on_deadlock(move |_| {
            gate.wait();
            called.fetch_add(1, Relaxed);
        })
        .start()
        .unwrap();
    let threads: Vec<_> = (0..MANY).flat_map(|_| deadlock_of_two()).collect();
    let results = threads.into_iter().map(|thread| thread.join());
    assert_eq!(
        results.filter(|result| result.is_err()).count(),
        MANY as usize
    );
    may_return.set();
    tk_testing::until("the hook has been called for each", || {
        calls.load(Relaxed) == MANY
    });
    std::process::exit(0);
}

/// Runs a watchdog that barks, is petted, and barks again.
fn watchdog() {
    const PATIENCE: Duration = Duration::from_millis(50);
    let path = std::env::temp_dir().join(format!("tk-watch-dog-{}.txt", std::process::id()));
    tk_watch::install().to_file(&path).start().unwrap();
    let dumps = || std::fs::read_to_string(&path).unwrap_or_default();
    let barks = |name: &str| {
        let bark = format!("the watchdog \"{name}\" was not petted for");
        dumps().matches(&bark).count()
    };
    let dog = tk_watch::watchdog("main \"loop\"", PATIENCE).unwrap();
    let barks_of_dog = || barks("main \\\"loop\\\"");
    tk_testing::until("it barks", || barks_of_dog() > 0);
    // The watcher looks at all watchdogs. So whenever another one barks, it has looked at this one.
    let other = tk_watch::watchdog("other", PATIENCE).unwrap();
    for times in 1..=3 {
        tk_testing::until("the other barks", || barks("other") == times);
        other.pet();
    }
    assert_eq!(barks_of_dog(), 1);
    dog.pet();
    tk_testing::until("it barks again", || barks_of_dog() > 1);
    println!("{}", dumps());
    std::fs::remove_file(&path).unwrap();
}

/// The child of a fork watches itself after it has called `install`.
#[cfg(unix)]
fn fork() {
    tk_watch::install().start().unwrap();
    // A wait that the watcher of the parent hears of.
    let event = Arc::new(Event::new());
    let mine = Arc::clone(&event);
    let waiter = tk_thread::spawn(move || _ = mine.wait());
    tk_testing::until("it waits", || waiter.blocked_on().is_some());
    tk_testing::fork(|| {
        assert!(tk_watch::dump().threads.len() <= 2, "{}", tk_watch::dump());
        let (send, found) = std::sync::mpsc::channel();
        tk_watch::install()
            .deadlocks(tk_watch::Reaction::Panic)
            .on_deadlock(move |it| _ = send.send(it.members.len()))
            .start()
            .unwrap();
        let two = Arc::new([Lock::new(()), Lock::new(())]);
        let mine = Arc::clone(&two);
        let (first, met) = (two[0].lock(), Arc::new(Event::new()));
        let meet = Arc::clone(&met);
        let other = tk_thread::spawn(move || {
            let _second = mine[1].lock();
            meet.set();
            drop(mine[0].lock());
        });
        met.wait();
        let wait = || drop(two[1].lock());
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(wait));
        drop(first);
        let _ = other.join();
        assert_eq!(found.recv_timeout(Duration::from_secs(30)), Ok(2));
    });
    event.set();
    waiter.join().unwrap();
    println!("parent ends");
}

fn start(mode: &str, variable: Option<&str>) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env(MODE, mode).env_remove("TK_WATCH");
    if let Some(value) = variable {
        command.env("TK_WATCH", value);
    }
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Runs a program that ends by itself.
fn run(mode: &str, variable: Option<&str>) -> (Output, String) {
    let output = start(mode, variable).wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, stderr)
}

/// Runs a program that hangs, until the standard error contains this text; then ends it.
fn run_until(mode: &str, variable: Option<&str>, text: &str) -> String {
    let mut child = start(mode, variable);
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let child = Arc::new(std::sync::Mutex::new(child));
    let (seen_all, is_seen) = std::sync::mpsc::channel::<()>();
    let late = Arc::clone(&child);
    let killer = std::thread::spawn(move || {
        let _ = is_seen.recv_timeout(tk_testing::PATIENCE);
        late.lock().unwrap().kill().unwrap();
    });
    let mut seen = String::new();
    while !seen.contains(text) {
        assert!(
            stderr.read_line(&mut seen).unwrap() > 0,
            "{mode} has ended: {seen}"
        );
    }
    drop(seen_all);
    killer.join().unwrap();
    stderr.read_to_string(&mut seen).unwrap();
    child.lock().unwrap().wait().unwrap();
    seen
}

fn run_tests() {
    let tests: &[(&str, fn())] = &[
        #[cfg(target_os = "linux")]
        ("the variable alone starts the watcher", || {
            let seen = run_until("deadlock", Some("deadlocks,nonsense"), "held by knife");
            assert!(
                seen.contains("TK_WATCH: \"nonsense\" is not understood"),
                "{seen}"
            );
            assert!(
                seen.contains("deadlock: 2 threads wait for each other:"),
                "{seen}"
            );
        }),
        #[cfg(target_os = "linux")]
        ("a signal writes a dump to a file", signal_to_file),
        #[cfg(target_os = "linux")]
        (
            "a file that can't be written keeps nothing from its work",
            || {
                let (output, stderr) = run("panic", Some("file=/no/such/directory/x,signal=KILL"));
                assert!(output.status.success(), "{stderr}");
                let complaint = "TK_WATCH: cannot write to /no/such/directory/x: ";
                assert!(stderr.contains(complaint), "{stderr}");
                assert!(stderr.contains("a dump at the panic of panics"), "{stderr}");
            },
        ),
        #[cfg(target_os = "linux")]
        ("any word of the variable has deadlocks reported", || {
            let value = "signal=USR2,file=/no/such/directory/x";
            let seen = run_until("deadlock", Some(value), "held by");
            assert!(seen.contains("deadlock: "), "{seen}");
        }),
        ("a hook is called for each of many deadlocks", || {
            let (output, stderr) = run("burst", None);
            assert!(output.status.success(), "{stderr}");
        }),
        #[cfg(unix)]
        ("an abort comes after the report", || {
            use std::os::unix::process::ExitStatusExt;

            let (output, stderr) = run("deadlock-abort", None);
            assert_eq!(output.status.signal(), Some(signal_hook::consts::SIGABRT));
            assert!(stderr.contains("knife (thread "), "{stderr}");
        }),
        ("a program that can't go on is suspected", || {
            if cfg!(target_os = "linux") {
                let seen = run_until("all-wait", None, "only a signal or another process");
                assert!(seen.contains("all threads wait without a limit"), "{seen}");
            }
        }),
        #[cfg(target_os = "linux")]
        ("a program that comes to hang later is suspected", || {
            let seen = run_until("all-wait-later", None, "only a signal or another process");
            assert!(seen.contains("all threads wait without a limit"), "{seen}");
        }),
        #[cfg(target_os = "linux")]
        ("a timer's function that hangs is suspected", || {
            let seen = run_until(
                "all-wait-in-timer",
                None,
                "only a signal or another process",
            );
            assert!(seen.contains("all threads wait without a limit"), "{seen}");
        }),
        #[cfg(target_os = "linux")]
        ("a program that hangs is suspected once", || {
            // The watchdog barks when the watcher has looked twice.
            let seen = run_until("all-wait-and-watchdog", None, "was not petted");
            let suspicions = seen.matches("all threads wait without a limit");
            assert_eq!(suspicions.count(), 1, "{seen}");
        }),
        ("a panic is followed by a dump", || {
            let (output, stderr) = run("panic", None);
            assert!(output.status.success(), "{stderr}");
            assert!(stderr.contains("on purpose"), "{stderr}");
            assert!(
                stderr.contains("a dump at the panic of panics (thread "),
                "{stderr}"
            );
        }),
        ("a watchdog barks once each time", || {
            let (output, stderr) = run("watchdog", None);
            assert!(output.status.success(), "{stderr}");
            let dumps = String::from_utf8_lossy(&output.stdout);
            let bark = "the watchdog \"main \\\"loop\\\"\" was not petted for";
            assert_eq!(dumps.matches(bark).count(), 2, "{dumps}");
            assert!(dumps.contains("last by MainThread (thread 1)"), "{dumps}");
        }),
        ("a dump after a time", || {
            let seen = run_until("deadlock", Some("after=0.1"), "HELD BY");
            assert!(
                seen.contains("a dump after the time that was set"),
                "{seen}"
            );
        }),
        #[cfg(target_os = "linux")]
        ("a signal that is taken is an error", || {
            let (output, stderr) = run("taken", None);
            assert!(output.status.success(), "{stderr}");
            let lines: Vec<_> = output.stdout.lines().map(Result::unwrap).collect();
            assert_eq!(lines[0], "the program has a handler for signal 10 already");
            assert!(
                lines[1].starts_with("cannot handle signal 9: "),
                "{}",
                lines[1]
            );
        }),
        #[cfg(target_os = "linux")]
        ("each signal has one handler of any number", || {
            let (output, stderr) = run("signals", None);
            assert!(output.status.success(), "{stderr}");
        }),
        ("the watcher survives hooks that hang and panic", || {
            let (output, stderr) = run("hooks", None);
            assert_eq!(output.stdout, b"round 1\nround 2\n", "{stderr}");
            assert!(stderr.contains("a hook"), "{stderr}");
        }),
        (
            "dumps at panics can be asked for while a thread panics",
            || {
                for variable in [None, Some("panic")] {
                    let (output, stderr) = run("unwinding", variable);
                    assert!(output.status.success(), "{stderr}");
                }
            },
        ),
        (
            "a logger that panics or waits at a panic aborts nothing",
            || {
                let (output, stderr) = run("bad-logger", None);
                assert!(output.status.success(), "{stderr}");
                assert_eq!(output.stdout, b"over\n");
                // The one that the logger did not take.
                assert_eq!(stderr.matches("a dump at the panic").count(), 1, "{stderr}");
            },
        ),
        ("a report that the logger does not take is written", || {
            let seen = run_until("deaf-logger", None, "held by knife");
            assert!(seen.contains("deadlock: 2 threads"), "{seen}");
        }),
        (
            "a logger and a hook that hang keep nobody else from its work",
            || {
                let (output, stderr) = run("hanging-logger", None);
                assert!(output.status.success(), "{stderr}");
                assert!(stderr.contains("no call of the logger"), "{stderr}");
            },
        ),
        #[cfg(unix)]
        ("a report needs no lock of the standard error", || {
            use std::os::unix::process::ExitStatusExt;

            let (output, stderr) = run("locked-stderr", None);
            assert_eq!(output.status.signal(), Some(signal_hook::consts::SIGABRT));
            assert!(stderr.contains("knife (thread "), "{stderr}");
        }),
        ("nothing of a call that has failed counts", || {
            let (output, stderr) = run("failed", None);
            assert!(output.status.success(), "{stderr}");
        }),
        #[cfg(unix)]
        ("a FIFO blocks nobody", || {
            let (output, stderr) = run("fifo", None);
            assert!(output.status.success(), "{stderr}");
            assert!(stderr.contains("tk-watch: cannot write: "));
            assert!(stderr.contains("a dump at the panic of xxx"));
        }),
        #[cfg(unix)]
        ("the child of a fork watches itself", || {
            let (output, stderr) = run("fork", None);
            assert!(output.status.success(), "{stderr}");
        }),
    ];
    let filter = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    for (name, test) in tests {
        if filter
            .as_ref()
            .is_none_or(|filter| name.contains(filter.as_str()))
        {
            test();
            println!("test {name} ... ok");
        }
    }
}

#[cfg(target_os = "linux")]
fn signal_to_file() {
    let path = std::env::temp_dir().join(format!("tk-watch-{}.txt", std::process::id()));
    let variable = format!("signal=QUIT,file={}", path.display());
    let mut child = start("deadlock", Some(&variable));
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "ready\n");
    let dump = || std::fs::read_to_string(&path).unwrap_or_default();
    for round in 1..=2 {
        let pid = child.id().to_string();
        tk_testing::until("the signal has a handler, and makes a dump", || {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
            let mask = status
                .lines()
                .find_map(|line| line.strip_prefix("SigCgt:"))
                .unwrap();
            let mask = u64::from_str_radix(mask.trim(), 16).unwrap();
            mask & 1 << 2 != 0
        });
        Command::new("kill").args(["-QUIT", &pid]).status().unwrap();
        tk_testing::until("the dump is in the file", || {
            let dump = dump();
            dump.matches("a dump at signal 3\n").count() == round
                && dump.matches("deadlock: 2 threads").count() >= round
        });
    }
    assert!(dump().contains("knife"));
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::remove_file(&path).unwrap();
    let _ = std::io::stdout().flush();
}
