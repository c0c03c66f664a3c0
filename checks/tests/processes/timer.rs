//! Timers of a whole program: its end, its forks, its limit of threads.

#[cfg(target_os = "linux")]
use std::io::{self, Write};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use tk_core::logging::basic_config;
use tk_event::Event;
use tk_testing::panic_line;
#[cfg(unix)]
use tk_testing::{fork, is_child_of_fork};
use tk_thread::{Limit, Shutdown, at_exit, enumerate, sleep_with, spawn, stop_token};
use tk_timer::{CancelOutcome, RescheduleOutcome, Timer, TimerService};

use crate::{cases, say};

const LONG: Duration = Duration::from_secs(3600);
const A_WHILE: Duration = Duration::from_millis(50);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Returns a timer that fires immediately and holds the program open.
fn soon(f: impl FnOnce() + Send + 'static) -> Timer {
    Timer::new(Duration::ZERO, f).daemon(false)
}

/// Panics whenever something is logged.
struct PanickingLogger;

impl log::Log for PanickingLogger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, _: &log::Record<'_>) {
        panic!("in the logger");
    }

    fn flush(&self) {}
}

#[cfg(target_os = "linux")]
mod system {
    //! Limits of the system, and figures from `/proc`.

    fn limit() -> libc::rlimit {
        let mut limit = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: `limit` is there to be written.
        let got = unsafe { libc::getrlimit(libc::RLIMIT_NPROC, &mut limit) };
        assert_eq!(got, 0);
        limit
    }

    fn set_limit(limit: libc::rlimit) {
        // SAFETY: `limit` is there to be read.
        let set = unsafe { libc::setrlimit(libc::RLIMIT_NPROC, &limit) };
        assert_eq!(set, 0);
    }

    /// From here on the system refuses threads. Root has no limit of threads: the process becomes
    /// nobody.
    pub fn refuse_threads() {
        set_limit(libc::rlimit {
            rlim_cur: 1,
            ..limit()
        });
        // SAFETY: no memory is involved.
        unsafe {
            if libc::getuid() == 0 {
                assert_eq!(libc::setuid(65534), 0);
            }
        }
        assert!(std::thread::Builder::new().spawn(|| ()).is_err());
    }

    /// From here on the system starts threads again.
    pub fn allow_threads() {
        let limit = limit();
        set_limit(libc::rlimit {
            rlim_cur: limit.rlim_max,
            ..limit
        });
    }

    /// Returns how often each thread of the services has gone to sleep. `None` if one of them is
    /// awake.
    pub fn sleeps() -> Option<Vec<(String, u64)>> {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let mut sleeps = Vec::new();
        for task in tasks {
            let Ok(status) = std::fs::read_to_string(task.unwrap().path().join("status")) else {
                continue;
            };
            let field = |name| {
                status
                    .lines()
                    .find_map(|line| line.strip_prefix(name))
                    .unwrap()
                    .trim()
            };
            if field("Name:") != "tk-timer" {
                continue;
            }
            if !field("State:").starts_with('S') {
                return None;
            }
            sleeps.push((
                field("Pid:").to_owned(),
                field("voluntary_ctxt_switches:").parse().unwrap(),
            ));
        }
        Some(sleeps)
    }
}
#[cfg(target_os = "linux")]
use system::*;

/// Waits until so many threads of the services are there, and all of them sleep: see
/// `fork::wait_until_begun`.
#[cfg(unix)]
fn wait_until_asleep(threads: usize) {
    #[cfg(target_os = "linux")]
    while sleeps().is_none_or(|sleeps| sleeps.len() < threads) {
        std::thread::yield_now();
    }
    #[cfg(not(target_os = "linux"))]
    std::thread::sleep(ms(100) * threads as u32);
}

/// Makes the global service start three threads. Returns when they sleep.
#[cfg(unix)]
fn three_threads_asleep() {
    TimerService::global().set_max_threads(Some(3));
    let far = Timer::new(LONG, || ()).start();
    wait_until_asleep(3);
    far.cancel();
}

/// Returns the standard error, and a flag that is set when something has been written to it.
#[cfg(target_os = "linux")]
fn watched_stderr() -> (impl Write + Send, Arc<AtomicBool>) {
    struct Watched(Arc<AtomicBool>);

    impl Write for Watched {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let written = io::stderr().write(bytes)?;
            self.0.store(true, SeqCst);
            Ok(written)
        }

        fn flush(&mut self) -> io::Result<()> {
            io::stderr().flush()
        }
    }

    let is_written = Arc::new(AtomicBool::new(false));
    (Watched(Arc::clone(&is_written)), is_written)
}

cases! {
    a_timer_that_cannot_start_is_reported_at_the_line_of_the_caller: || {
        std::panic::set_hook(Box::new(|_| ()));
        // More bytes than any address space has in one piece.
        tk_thread::set_stack_size(Some(usize::MAX / 4 * 3)).unwrap();
        let timer = || Timer::new(Duration::ZERO, || ());
        assert_eq!(panic_line(|| drop(timer().start())), Some(line!()));
        let service = TimerService::new();
        let line = line!() + 1;
        let start = AssertUnwindSafe(|| drop(timer().start_on(&service)));
        assert_eq!(panic_line(start), Some(line));
    } => |ended| ended.printed(&[]);

    main_returns_after_the_last_timer_has_ended: || {
        for _ in 0..500 {
            let timer = Timer::new(Duration::from_micros(50), || ());
            let handle = tk_thread::main(|| timer.daemon(false).start());
            assert!(handle.is_finished());
        }
    } => |ended| ended.printed(&[]);

    a_thread_that_a_timer_starts_is_waited_for: || tk_thread::main(|| {
        soon(|| {
            spawn(|| {
                std::thread::sleep(A_WHILE);
                say("the thread's work is done");
            });
        }).start();
    }) => |ended| ended.printed(&["the thread's work is done"]);

    a_grace_that_runs_out_names_the_timers_that_are_pending: || {
        basic_config().format("%(levelname)s %(message)s").init();
        let (own, gone) = (TimerService::new(), TimerService::new());
        let running = Arc::new(Event::new());
        let far = |name: &str, hours: u32| Timer::new(LONG * hours, || say("never")).name(name);
        let expired = Shutdown::new().grace(ms(1)).run(|| {
            far("third", 3).daemon(false).start();
            Timer::new(Duration::MAX, || say("never")).name("fourth").daemon(false).start();
            Timer::every(LONG * 2, || say("never")).name("second").daemon(false).start_on(&own);
            far("first", 1).daemon(false).start();
            // These hold nothing open.
            far("a daemon", 1).daemon(true).start();
            far("cancelled", 1).daemon(false).start().cancel();
            far("dropped", 1).daemon(false).start_on(&gone);
            drop(gone);
            Timer::new(Duration::ZERO, {
                let running = running.clone();
                move || {
                    running.set();
                    std::thread::sleep(LONG);
                }
            }).name("running").daemon(false).start();
            running.wait();
        }).unwrap_err();
        for straggler in expired.stragglers() {
            say(&format!("{} {}", straggler.kind(), straggler.name()));
        }
    } => |ended| {
        assert_eq!(
            ended.stdout,
            "thread running\ntimer first\ntimer second\ntimer third\ntimer fourth\n",
            "{ended:#?}"
        );
        ended.complained(&[
            "WARNING the program ends without <Thread(running, started ",
            "WARNING the program ends without timer first, which is due in 3",
            "WARNING the program ends without timer second, which is due in 7",
            "WARNING the program ends without timer third, which is due in 10",
            "WARNING the program ends without timer fourth, which is never due\n",
        ]);
        assert_eq!(ended.stderr.lines().count(), 5, "{ended:#?}");
    };

    a_grace_that_runs_out_says_that_a_timer_is_due_now: || {
        basic_config().format("%(levelname)s %(message)s").init();
        let service = TimerService::new();
        // One thread calls the function, and the other one must not call without a successor.
        service.set_max_threads(Some(2));
        let running = Arc::new(Event::new());
        let expired = Shutdown::new().grace(ms(1)).run(|| {
            Timer::new(Duration::ZERO, {
                let running = running.clone();
                move || {
                    running.set();
                    std::thread::sleep(LONG);
                }
            }).name("running").daemon(true).start_on(&service);
            running.wait();
            Timer::new(Duration::ZERO, || say("never")).name("late").daemon(false)
                .start_on(&service);
        }).unwrap_err();
        assert_eq!(expired.stragglers().len(), 1);
    } => |ended| ended.complained(&[
        "WARNING the program ends without timer late, which is due now",
    ]);

    a_grace_that_runs_out_names_a_hundred_timers_and_counts_the_rest: || {
        basic_config().format("%(levelname)s %(message)s").init();
        let result = Shutdown::new().grace(ms(1)).run(|| {
            for n in 1..=1_000 {
                let timer = Timer::new(LONG * n, || say("never")).name(format!("timer-{n}"));
                timer.daemon(false).start();
            }
        });
        assert_eq!(result.unwrap_err().stragglers().len(), 101);
    } => |ended| {
        assert_eq!(ended.stderr.lines().count(), 101, "{ended:#?}");
        ended.complained(&[
            "without timer timer-1, which is due in ",
            "without timer timer-100, which is due in ",
            "WARNING the program ends without 900 more timers\n",
        ]);
    };

    a_stop_of_all_threads_reaches_no_timer_that_is_yet_to_fire: || tk_thread::main(|| {
        soon(|| ()).start().join().unwrap();
        let timer = Timer::new(LONG, || {
            let limit = ms(1);
            let error = sleep_with(Limit::after(limit).or_stop(&stop_token()));
            say(&format!("{error:?}"));
        }).daemon(false).start();
        at_exit(move || {
            enumerate().iter().for_each(|thread| _ = thread.request_stop());
            assert!(timer.reschedule(Duration::ZERO).is_moved());
        }).unwrap();
    }) => |ended| ended.printed(&["TimedOut"]);

    an_end_while_daemon_timers_fire_logs_nothing: || {
        basic_config().init();
        for _ in 0..20 {
            tk_thread::main(|| {
                for _ in 0..4 {
                    let take_long = || std::thread::sleep(Duration::from_micros(200));
                    Timer::every(Duration::from_micros(100), take_long).daemon(true).start();
                }
                std::thread::sleep(ms(1));
            });
            std::thread::sleep(ms(1));
        }
    } => |ended| ended.printed(&[]);

    no_timer_is_started_when_the_program_has_ended: || {
        let left_behind = tk_thread::main(|| crate::end::left_behind(|| {
            for daemon in [false, true] {
                let late = Timer::new(Duration::ZERO, || say("never")).daemon(daemon);
                let error = late.try_start().unwrap_err();
                say(&error.to_string());
                assert!(error.downcast::<tk_thread::ShuttingDown>().is_ok());
            }
        }));
        left_behind.join().unwrap();
    } => |ended| ended.printed(&["the program is shutting down"; 2]);

    a_logger_that_panics_ends_no_service: || {
        log::set_boxed_logger(Box::new(PanickingLogger)).unwrap();
        log::set_max_level(log::LevelFilter::Trace);
        tk_thread::set_excepthook(|_| ());
        for n in 0..10 {
            let timer = Timer::new(Duration::ZERO, move || say(&n.to_string()));
            timer.start().join().unwrap();
        }
    } => |ended| {
        assert_eq!(ended.stdout.lines().count(), 10, "{ended:#?}");
    };

    services_are_in_no_list_of_threads: || {
        Timer::new(LONG, || ()).start();
        soon(|| assert_eq!(enumerate().len(), 2)).start().join().unwrap();
        assert_eq!((enumerate().len(), tk_thread::active_count()), (1, 1));
    } => |ended| ended.printed(&[]);

    #[cfg(target_os = "linux")]
    nobody_wakes_up_while_nothing_is_due: || {
        let service = TimerService::new();
        let never = || say("never");
        let first = Timer::new(LONG, never).start_on(&service);
        let mut before = None;
        loop {
            let earlier = std::mem::replace(&mut before, sleeps());
            if before.as_ref().is_some_and(|threads| threads.len() == 3) && before == earlier {
                break;
            }
            std::thread::sleep(ms(20));
        }
        let handles: Vec<_> = (1..1000)
            .map(|n| Timer::new(LONG + ms(n * n), never).start_on(&service))
            .collect();
        assert!(first.reschedule(LONG * 2).is_moved());
        for handle in &handles[..500] {
            assert!(handle.cancel().is_cancelled());
        }
        // In this time, a thread that was woken would wake up, and be counted.
        std::thread::sleep(ms(100));
        assert_eq!(sleeps(), before);
    } => |ended| ended.printed(&[]);

    #[cfg(target_os = "linux")]
    a_start_at_the_limit_of_threads_fires_or_is_an_error: || {
        let service = TimerService::new();
        let (begin, end) = (tk_barrier::Barrier::new(3), tk_barrier::Barrier::new(3));
        let (started, fired) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
        let rounds = 500;
        std::thread::scope(|s| {
            for _ in 0..2 {
                s.spawn(|| for _ in 0..rounds {
                    begin.wait().unwrap();
                    let fired = fired.clone();
                    let timer = Timer::new(Duration::ZERO, move || _ = fired.fetch_add(1, SeqCst));
                    started.fetch_add(usize::from(timer.try_start_on(&service).is_ok()), SeqCst);
                    end.wait().unwrap();
                });
            }
            while sleeping_in_barrier() < 2 {
                std::thread::yield_now();
            }
            refuse_threads();
            for _ in 0..rounds {
                begin.wait().unwrap();
                end.wait().unwrap();
            }
        });
        // Each timer that was started fires, now at the latest.
        allow_threads();
        while fired.load(SeqCst) < started.load(SeqCst) {
            std::thread::yield_now();
        }
        assert_eq!(service.pending_count(), 0);
    } => |ended| ended.printed(&[]);

    #[cfg(target_os = "linux")]
    a_timer_is_served_at_the_limit_of_threads_while_a_function_takes_long: || {
        basic_config().init();
        let (running, go_on) = (Arc::new(Event::new()), Arc::new(Event::new()));
        three_threads_and_no_more();
        let long = Timer::new(Duration::ZERO, {
            let (running, go_on) = (running.clone(), go_on.clone());
            move || {
                running.set();
                go_on.wait();
            }
        }).start();
        running.wait();
        for _ in 0..10 {
            Timer::new(ms(1), || ()).start().join().unwrap();
        }
        assert!(!long.is_finished());
        go_on.set();
        long.join().unwrap();
    } => |ended| ended.printed(&[]);

    #[cfg(target_os = "linux")]
    a_start_is_an_error_when_no_thread_is_left_to_call_it: || {
        let go_on = Arc::new(Event::new());
        let running = Arc::new(AtomicUsize::new(0));
        three_threads_and_no_more();
        let long = [(); 2].map(|()| {
            let (running, go_on) = (running.clone(), go_on.clone());
            Timer::new(Duration::ZERO, move || {
                running.fetch_add(1, SeqCst);
                go_on.wait();
            }).start()
        });
        while running.load(SeqCst) < 2 {
            std::thread::yield_now();
        }
        let late = Timer::new(LONG, || say("late"));
        // There is one free thread left, which must not be used up.
        assert!(late.try_start().is_err());
        assert_eq!(TimerService::global().pending_count(), 1);
        allow_threads();
        let third = Timer::new(Duration::ZERO, || say("third")).start();
        third.join().unwrap();
        assert!(long.iter().all(|handle| !handle.is_finished()));
        go_on.set();
        for handle in long {
            handle.join().unwrap();
        }
    } => |ended| ended.printed(&["third"]);

    #[cfg(target_os = "linux")]
    a_warning_at_the_limit_of_threads_is_one_line: || {
        let (stream, is_warned) = watched_stderr();
        basic_config().format("%(levelname)s %(message)s").stream(stream).init();
        let go_on = Arc::new(Event::new());
        let running = Arc::new(AtomicUsize::new(0));
        let fired = Arc::new(AtomicUsize::new(0));
        TimerService::global().set_max_threads(Some(3));
        // Three functions that take long, one after the other, and one that is called again and
        // again.
        let long = [10, 20, 200].map(|after| {
            let (running, go_on) = (running.clone(), go_on.clone());
            Timer::new(ms(after), move || {
                running.fetch_add(1, SeqCst);
                go_on.wait();
            }).start()
        });
        let clock = Timer::every(ms(1), {
            let fired = fired.clone();
            move || _ = fired.fetch_add(1, SeqCst)
        }).start();
        refuse_threads();
        TimerService::global().set_max_threads(None);
        while running.load(SeqCst) < 2 || !is_warned.load(SeqCst) {
            std::thread::yield_now();
        }
        // In this time a third one would run, or another warning would come.
        std::thread::sleep(ms(300));
        assert_eq!(running.load(SeqCst), 2);
        allow_threads();
        let before = fired.load(SeqCst);
        while running.load(SeqCst) < 3 || fired.load(SeqCst) == before {
            std::thread::yield_now();
        }
        go_on.set();
        for handle in long {
            handle.join().unwrap();
        }
        clock.cancel_and_wait();
    } => |ended| {
        assert!(ended.status.success() && ended.stdout.is_empty(), "{ended:#?}");
        assert_eq!(ended.stderr.lines().count(), 1, "{ended:#?}");
        ended.complained(&["WARNING a timer is late"]);
    };

    #[cfg(unix)]
    a_child_of_a_fork_has_timers_of_its_own_and_those_of_its_parent_are_lost: || {
        let own = TimerService::new();
        let far = Timer::new(LONG, || say("never")).daemon(false).start();
        let on_own = Timer::every(LONG, || say("never")).start_on(&own);
        soon(|| ()).start().join().unwrap();
        wait_until_asleep(6);
        fork(|| {
            for lost in [&far, &on_own] {
                assert!(lost.is_lost() && lost.is_finished());
                assert_eq!(lost.join(), Ok(()));
                assert_eq!(lost.cancel(), CancelOutcome::Finished);
                assert_eq!(lost.cancel_and_wait(), CancelOutcome::Finished);
                assert_eq!(lost.reschedule(Duration::ZERO), RescheduleOutcome::Finished);
            }
            assert_eq!((own.pending_count(), TimerService::global().pending_count()), (0, 0));
            Timer::new(ms(1), || say("fired")).start().join().unwrap();
            Timer::new(ms(1), || say("fired")).start_on(&own).join().unwrap();
            // The parent's timers do not hold the child open.
            tk_thread::main(|| _ = soon(|| say("fired")).start());
            three_threads_asleep();
            fork(|| Timer::new(ms(1), || say("fired")).start().join().unwrap());
            drop(own);
        });
        // Here all is as before.
        assert!(!far.is_lost() && !far.is_finished());
        assert_eq!(far.cancel(), CancelOutcome::Cancelled);
    } => |ended| ended.printed(&["fired"; 4]);

    #[cfg(unix)]
    a_fork_while_timers_are_started_and_fire_leaves_a_child_that_works: || {
        // No thread is being started at a fork: the standard library might start none in the child.
        three_threads_asleep();
        let (over, begun) = (AtomicBool::new(false), AtomicUsize::new(0));
        std::thread::scope(|s| {
            for _ in 0..2 {
                s.spawn(|| {
                    begun.fetch_add(1, SeqCst);
                    while !over.load(SeqCst) {
                        Timer::new(Duration::ZERO, || ()).start().join().unwrap();
                    }
                });
            }
            crate::fork::wait_until_begun(&begun, 2);
            for _ in 0..50 {
                fork(|| Timer::new(Duration::ZERO, || ()).start().join().unwrap());
            }
            over.store(true, SeqCst);
        });
    } => |ended| ended.printed(&[]);

    #[cfg(unix)]
    a_function_that_repeats_may_fork_and_return_in_the_child: || {
        use std::ops::ControlFlow;
        struct Captured;
        impl Drop for Captured {
            fn drop(&mut self) {
                say("dropped");
            }
        }
        let captured = Captured;
        let mut left = 50;
        let forks = Timer::every(Duration::from_micros(100), move || {
            let _captured = &captured;
            left -= 1;
            if is_child_of_fork() {
                // The thread is the process's last one, which ends with it.
                return ControlFlow::Break(());
            }
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }).start();
        // So that another thread has the list locked at some of the forks.
        std::thread::scope(|s| for _ in 0..2 {
            s.spawn(|| while !forks.is_finished() {
                Timer::new(LONG, || ()).start().cancel();
            });
        });
    } => |ended| ended.printed(&["dropped"]);

    #[cfg(unix)]
    a_function_may_fork_and_return_in_the_child: || {
        three_threads_asleep();
        let before = Instant::now();
        Timer::new(ms(1), move || {
            if is_child_of_fork() {
                assert!(tk_thread::current().is_main());
                // The threads of a service end when it is dropped. Those of the global one would
                // stay for a while.
                let service = TimerService::new();
                Timer::new(Duration::ZERO, || say("child")).start_on(&service).join().unwrap();
                // The thread is the process's last one, which ends with it.
            } else {
                say("parent");
            }
        }).start().join().unwrap();
        assert!(before.elapsed() < LONG);
    } => |ended| ended.printed(&["child", "parent"]);
}

/// Makes the global service start three threads. The system refuses it more.
#[cfg(target_os = "linux")]
fn three_threads_and_no_more() {
    let service = TimerService::global();
    service.set_max_threads(Some(3));
    Timer::new(LONG, || ()).start();
    refuse_threads();
    service.set_max_threads(None);
}

#[cfg(target_os = "linux")]
fn sleeping_in_barrier() -> usize {
    let waits =
        |thread: &tk_thread::Thread| thread.blocked_on().is_some_and(|w| w.kind() == "barrier");
    enumerate().iter().filter(|thread| waits(thread)).count()
}
