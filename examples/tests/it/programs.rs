//! One test for each program: it prints the lines that CPython 3.11 prints.

use crate::run::{run, run_in_time, run_in_time_together};
use crate::said::{Said, assert_in_order, assert_same_by_thread, by_thread, masked, without_time};

/// The lines in alphabetical order, where no two threads wait for each other and each prints one.
fn sorted(mut lines: Vec<&str>) -> Vec<&str> {
    lines.sort_unstable();
    lines
}

/// Whether these lines were logged, and nothing else was printed; each thread's in order.
fn logged(expected: &[&str]) -> impl Fn(&Said) -> bool {
    move |said| said.out().is_empty() && by_thread(&said.err()) == by_thread(expected)
}

#[test]
fn p01a_thread_objects() {
    let said = run("01a_thread_objects", &[], 0);
    assert_eq!(said.out(), ["worker"; 5]);
    assert!(said.err().is_empty(), "{said:?}");
}

#[test]
fn p01b_thread_objects() {
    let said = run("01b_thread_objects", &[], 0);
    assert_eq!(
        sorted(said.out()),
        [
            "Worker: 0",
            "Worker: 1",
            "Worker: 2",
            "Worker: 3",
            "Worker: 4"
        ]
    );
    assert!(said.err().is_empty(), "{said:?}");
}

#[test]
fn p02_determining_the_current_thread() {
    let said = run("02_determining_the_current_thread", &[], 0);
    assert_same_by_thread(
        &said.out(),
        &[
            "worker Starting",
            "Thread-1 (worker) Starting",
            "my_service Starting",
            "worker Exiting",
            "Thread-1 (worker) Exiting",
            "my_service Exiting",
        ],
    );
    assert!(said.err().is_empty(), "{said:?}");
}

#[test]
fn p03_using_logging() {
    let said = run("03_using_logging", &[], 0);
    assert_same_by_thread(
        &said.logged(),
        &[
            "[DEBUG] (worker    ) Starting",
            "[DEBUG] (Thread-1 (worker1)) Starting",
            "[DEBUG] (my_service) Starting",
            "[DEBUG] (worker    ) Exiting",
            "[DEBUG] (Thread-1 (worker1)) Exiting",
            "[DEBUG] (my_service) Exiting",
        ],
    );
}

/// There is no `Exiting` of the daemon: the program has ended.
#[test]
fn p04a_daemon() {
    let expected = [
        "(daemon    ) Starting",
        "(non-daemon) Starting",
        "(non-daemon) Exiting",
    ];
    let said = run_in_time("04a_daemon", logged(&expected));
    assert_same_by_thread(&said.logged(), &expected);
}

#[test]
fn p04b_daemon() {
    let said = run("04b_daemon", &[], 0);
    assert_same_by_thread(
        &said.logged(),
        &[
            "(daemon    ) Starting",
            "(non-daemon) Starting",
            "(non-daemon) Exiting",
            "(daemon    ) Exiting",
        ],
    );
}

/// There is no `Exiting` of the daemon, which outlives the join and then the program.
#[test]
fn p05_join_waiting_timeout() {
    let expected = [
        "(daemon    ) Starting",
        "(non-daemon) Starting",
        "(non-daemon) Exiting",
    ];
    let said = run_in_time("05_join_waiting_timeout", |said| {
        by_thread(&said.err()) == by_thread(&expected) && said.out() == ["d.is_alive() true"]
    });
    assert_same_by_thread(&said.err(), &expected);
    assert_eq!(said.out(), ["d.is_alive() true"]);
}

/// With both streams in one, the order shows that the join gives up after the beginning of the
/// daemon and before its end.
#[test]
fn p05_join_waiting_timeout_gives_up_in_between() {
    const ORDER: [&str; 2] = ["(daemon    ) Starting", "d.is_alive() true"];
    let of_interest = |said: &Said| -> Vec<String> {
        let lines = said.both().into_iter();
        let lines = lines.filter(|line| !line.starts_with("(non-daemon)"));
        lines.map(str::to_owned).collect()
    };
    let said = run_in_time_together("05_join_waiting_timeout", |said| of_interest(said) == ORDER);
    assert_eq!(of_interest(&said), ORDER);
}

#[test]
fn p06_enumerating_all_threads() {
    const JOINING: [&str; 3] = [
        "(MainThread) joining Thread-1 (worker)",
        "(MainThread) joining Thread-2 (worker)",
        "(MainThread) joining Thread-3 (worker)",
    ];
    let joining = |said: &Said| -> Vec<String> {
        let lines = said.err().into_iter();
        let joining = lines.filter(|line| line.starts_with("(MainThread)"));
        joining.map(str::to_owned).collect()
    };
    // The main thread does not join a thread that has ended before it looks.
    let said = run_in_time("06_enumerating_all_threads", |said| {
        joining(said) == JOINING
    });
    assert_eq!(joining(&said), JOINING);

    let lines = said.logged();
    let mut others = Vec::new();
    for line in lines.iter().filter(|line| !JOINING.contains(line)) {
        let (line, pause) = masked(line, "sleep ");
        let possible = |pause| [0.1, 0.2, 0.3, 0.4, 0.5].contains(&pause);
        assert!(pause.is_none_or(possible), "{said:?}");
        others.push(line);
    }
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    assert_same_by_thread(
        &others,
        &[
            "(Thread-1 (worker)) sleep N",
            "(Thread-2 (worker)) sleep N",
            "(Thread-3 (worker)) sleep N",
            "(Thread-1 (worker)) ending",
            "(Thread-2 (worker)) ending",
            "(Thread-3 (worker)) ending",
        ],
    );

    // A join comes after the end of the thread that was joined before.
    assert_in_order(&lines, &["(Thread-1 (worker)) ending", JOINING[1]]);
    assert_in_order(&lines, &["(Thread-2 (worker)) ending", JOINING[2]]);
}

#[test]
fn p07_1_with_arguments() {
    let said = run("07_1_with_arguments", &[], 0);
    assert_eq!(
        sorted(said.logged()),
        [
            r#"(Thread-1  ) running with (0,) and {"a": "A", "b": "B"}"#,
            r#"(Thread-2  ) running with (1,) and {"a": "A", "b": "B"}"#,
            r#"(Thread-3  ) running with (2,) and {"a": "A", "b": "B"}"#,
            r#"(Thread-4  ) running with (3,) and {"a": "A", "b": "B"}"#,
            r#"(Thread-5  ) running with (4,) and {"a": "A", "b": "B"}"#,
        ]
    );
}

#[test]
fn p07_subclass_of_threading_thread() {
    let said = run("07_subclass_of_threading_thread", &[], 0);
    assert_eq!(
        sorted(said.logged()),
        [
            "(Thread-1  ) running",
            "(Thread-2  ) running",
            "(Thread-3  ) running",
            "(Thread-4  ) running",
            "(Thread-5  ) running",
        ]
    );
}

/// The second timer never runs, and the first holds the program open.
#[test]
fn p08_timer_thread() {
    let expected = [
        "(MainThread) starting timers",
        "(MainThread) waiting before canceling t2",
        "(MainThread) canceling t2",
        "(MainThread) done",
        "(t1        ) worker running",
    ];
    // The main thread has a tenth of a second to spare.
    let said = run_in_time("08_timer_thread", |said| said.err() == expected);
    assert_eq!(said.logged(), expected);
}

#[test]
fn p09_signaling_between_threads() {
    let expected = [
        "(block     ) wait_for_event starting",
        "(nonblock  ) wait_for_event_timeout starting",
        "(MainThread) Waiting before calling Event.set()",
        "(MainThread) Event is set",
        "(nonblock  ) event set: true",
        "(nonblock  ) processing event",
        "(block     ) event set: true",
    ];
    let said = run_in_time("09_signaling_between_threads", logged(&expected));
    let lines = said.logged();
    assert_same_by_thread(&lines, &expected);
    for thread in ["(block     )", "(nonblock  )"] {
        assert_in_order(
            &lines,
            &[
                "(MainThread) Waiting before calling Event.set()",
                &format!("{thread} event set: true"),
            ],
        );
    }
}

#[test]
fn p10_controlling_access_to_resources() {
    let said = run("10_controlling_access_to_resources", &[], 0);
    let mut lines = Vec::new();
    for line in said.logged() {
        let (line, pause) = masked(line, "Sleeping ");
        assert!(
            pause.is_none_or(|pause| (0.0..=1.0).contains(&pause)),
            "{said:?}"
        );
        lines.push(line);
    }
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert_same_by_thread(
        &lines,
        &[
            "(Thread-1 (worker)) Sleeping N",
            "(Thread-2 (worker)) Sleeping N",
            "(MainThread) Waiting for worker threads",
            "(Thread-1 (worker)) Waiting for lock",
            "(Thread-1 (worker)) Acquired lock",
            "(Thread-1 (worker)) Sleeping N",
            "(Thread-2 (worker)) Waiting for lock",
            "(Thread-2 (worker)) Acquired lock",
            "(Thread-2 (worker)) Sleeping N",
            "(Thread-1 (worker)) Waiting for lock",
            "(Thread-1 (worker)) Acquired lock",
            "(Thread-1 (worker)) Done",
            "(Thread-2 (worker)) Waiting for lock",
            "(Thread-2 (worker)) Acquired lock",
            "(Thread-2 (worker)) Done",
            "(MainThread) Counter: 4",
        ],
    );
    // The main thread has waited for both.
    assert_eq!(lines.last(), Some(&"(MainThread) Counter: 4"));
}

#[test]
fn p11_locks_as_context_managers() {
    let said = run("11_locks_as_context_managers", &[], 0);
    assert_eq!(
        sorted(said.logged()),
        [
            "(Thread-1 (worker_with)) Lock acquired via with",
            "(Thread-2 (worker_no_with)) Lock acquired directly",
        ]
    );
}

#[test]
fn p12_condition_synchroning() {
    const ORDER: [&str; 4] = [
        "(c1) Starting consumer thread",
        "(c2) Starting consumer thread",
        "(p ) Starting producer thread",
        "(p ) Making resource available",
    ];
    let without_times = |said: &Said| -> Vec<String> {
        let lines = said.err().into_iter();
        lines.map(|line| without_time(line).to_owned()).collect()
    };
    let said = run_in_time("12_condition_synchroning", |said| {
        without_times(said).starts_with(&ORDER.map(str::to_owned))
    });
    assert!(said.out().is_empty(), "{said:?}");

    let lines = without_times(&said);
    let (first, last) = lines.split_at(ORDER.len().min(lines.len()));
    assert_eq!(first, ORDER);
    // Either of the two consumers may be first.
    assert_eq!(
        sorted(last.iter().map(String::as_str).collect()),
        [
            "(c1) Resource is available to consumer",
            "(c2) Resource is available to consumer",
        ]
    );
}

/// The threads in the pool are logged with the pool's lock held, so the lines tell the whole story:
/// each one adds the thread that logs it, or takes it out.
#[test]
fn p13_limiting_concurrent_access_to_resources() {
    const WAITING: &str = "Waiting to join the pool";

    let said = run("13_limiting_concurrent_access_to_resources", &[], 0);
    let mut waiting = Vec::new();
    let mut active = Vec::new();
    let mut changes = 0;
    for line in said.logged() {
        // `(3 ) Running: ["2", "3"]`
        let (thread, message) = without_time(line).split_once(" ) ").unwrap();
        let name = thread.strip_prefix('(').unwrap();
        if message == WAITING {
            assert!(!waiting.contains(&name), "{said:?}");
            waiting.push(name);
            continue;
        }
        assert!(waiting.contains(&name), "{said:?}");
        match active.iter().position(|&other| other == name) {
            None => active.push(name),
            Some(at) => drop(active.remove(at)),
        }
        changes += 1;
        assert_eq!(message, format!("Running: {active:?}"), "{said:?}");
        assert!(active.len() <= 2, "{said:?}");
    }
    assert_eq!(sorted(waiting), ["0", "1", "2", "3"]);
    assert_eq!(changes, 8, "{said:?}");
    assert!(active.is_empty(), "{said:?}");
}

#[test]
fn p14_thread_specific_data() {
    let said = run("14_thread_specific_data", &[], 0);
    let mut lines = Vec::new();
    for line in said.logged() {
        let (hidden, value) = masked(line, "(worker)) value=");
        let whole = |value: f64| value.fract() == 0.0 && (1.0..=100.0).contains(&value);
        assert!(value.is_none_or(whole), "{said:?}");
        lines.push(hidden);
    }
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert_same_by_thread(
        &lines,
        &[
            "(MainThread) No value yet",
            "(MainThread) value=1000",
            "(Thread-1 (worker)) No value yet",
            "(Thread-2 (worker)) No value yet",
            "(Thread-1 (worker)) value=N",
            "(Thread-2 (worker)) value=N",
        ],
    );
    // The threads are started after that.
    assert_eq!(
        lines[..2],
        ["(MainThread) No value yet", "(MainThread) value=1000"]
    );
}

#[test]
fn hang_philosophers() {
    let said = run("hang", &["philosophers"], 0);
    assert_eq!(said.err()[0], "deadlock: 5 threads wait for each other:");
    let (out, report) = (said.out().join("\n"), said.err().join("\n"));
    for (name, fork) in [("Plato", 2), ("Descartes", 1)] {
        let waits = format!("waits for lock \"fork {fork}\" at examples/hang.rs:");
        assert!(report.contains(name) && report.contains(&waits), "{said:?}");
    }
    assert!(
        out.contains("lock \"fork 3\"") && out.contains("none    5 Socrates"),
        "{said:?}"
    );
    assert!(
        out.contains("deadlock: 5 threads wait for each other:"),
        "{said:?}"
    );
}

#[test]
fn hang_service() {
    let said = run("hang", &["service"], 0);
    assert!(said.err().is_empty(), "{said:?}");
    let waits = |line: &&&str| line.contains("lock \"orders\"") && line.contains("nightly report");
    assert_eq!(said.out().iter().filter(waits).count(), 3, "{said:?}");
}
