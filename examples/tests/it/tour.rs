//! The tour: all of the programs, or some, in order.

use crate::run::{run, run_together};
use crate::said::assert_in_order;

/// Each heading, and a line that comes under it in every run.
const SECTIONS: [(&str, &str); 17] = [
    ("== 01a Thread objects", "worker"),
    ("== 01b Thread objects, with arguments", "Worker: 4"),
    (
        "== 02 Determining the current thread",
        "Thread-1 (worker) Exiting",
    ),
    (
        "== 03 Using logging",
        "[DEBUG] (Thread-1 (worker1)) Exiting",
    ),
    (
        "== 04a Daemon vs. non-daemon threads",
        "(non-daemon) Exiting",
    ),
    (
        "== 04b Daemon vs. non-daemon threads, joined",
        "(daemon    ) Exiting",
    ),
    ("== 05 Joining with a timeout", "(non-daemon) Exiting"),
    (
        "== 06 Enumerating all threads",
        "(MainThread) joining Thread-1 (worker)",
    ),
    (
        "== 07_1 Subclassing Thread, with arguments",
        r#"(Thread-5  ) running with (4,) and {"a": "A", "b": "B"}"#,
    ),
    ("== 07 Subclassing Thread", "(Thread-5  ) running"),
    ("== 08 Timer threads", "(t1        ) worker running"),
    (
        "== 09 Signaling between threads",
        "(MainThread) Event is set",
    ),
    (
        "== 10 Controlling access to resources",
        "(MainThread) Counter: 4",
    ),
    (
        "== 11 Locks as context managers",
        "(Thread-2 (worker_no_with)) Lock acquired directly",
    ),
    ("== 12 Synchronizing threads with a condition", ""),
    ("== 13 Limiting concurrent access to resources", ""),
    ("== 14 Thread-specific data", "(MainThread) value=1000"),
];

/// As `--list` prints them.
const LIST: [&str; 17] = [
    "01a   Thread objects",
    "01b   Thread objects, with arguments",
    "02    Determining the current thread",
    "03    Using logging",
    "04a   Daemon vs. non-daemon threads",
    "04b   Daemon vs. non-daemon threads, joined",
    "05    Joining with a timeout",
    "06    Enumerating all threads",
    "07_1  Subclassing Thread, with arguments",
    "07    Subclassing Thread",
    "08    Timer threads",
    "09    Signaling between threads",
    "10    Controlling access to resources",
    "11    Locks as context managers",
    "12    Synchronizing threads with a condition",
    "13    Limiting concurrent access to resources",
    "14    Thread-specific data",
];

/// The lines under each heading.
fn sections<'a>(lines: &[&'a str]) -> Vec<(&'a str, Vec<&'a str>)> {
    let mut sections = Vec::<(_, Vec<_>)>::new();
    for &line in lines {
        if line.starts_with("== ") {
            sections.push((line, Vec::new()));
        } else {
            let (_, lines) = sections.last_mut().expect("a heading comes first");
            lines.push(line);
        }
    }
    sections
}

#[test]
fn all_sections_run_in_order_each_under_its_heading() {
    let said = run_together("tour", &[], 0);
    let found = sections(&said.both());
    let headings: Vec<&str> = found.iter().map(|(heading, _)| *heading).collect();
    assert_eq!(headings, SECTIONS.map(|(heading, _)| heading));

    for (at, ((heading, lines), (_, line))) in found.iter().zip(SECTIONS).enumerate() {
        match heading.split(' ').nth(1) {
            Some("12") => assert_eq!(
                lines.iter().filter(|l| !l.is_empty()).count(),
                6,
                "{said:?}"
            ),
            Some("13") => assert_eq!(
                lines.iter().filter(|l| !l.is_empty()).count(),
                12,
                "{said:?}"
            ),
            _ => assert_in_order(lines, &[line]),
        }
        // An empty line between two sections.
        let last = at == SECTIONS.len() - 1;
        assert_eq!(lines.last() == Some(&""), !last, "{heading}: {said:?}");
    }
}

#[test]
fn headings_are_on_the_standard_output_and_the_log_is_not() {
    let said = run("tour", &["07"], 0);
    assert_eq!(
        said.out(),
        [
            "== 07_1 Subclassing Thread, with arguments",
            "",
            "== 07 Subclassing Thread"
        ]
    );
    assert_eq!(said.err().len(), 10, "{said:?}");
}

#[test]
fn one_section_can_be_asked_for() {
    let said = run_together("tour", &["01b"], 0);
    let mut lines = said.both();
    assert_eq!(lines[0], "== 01b Thread objects, with arguments");
    lines[1..].sort_unstable();
    assert_eq!(
        lines[1..],
        [
            "Worker: 0",
            "Worker: 1",
            "Worker: 2",
            "Worker: 3",
            "Worker: 4"
        ]
    );
}

#[test]
fn sections_can_be_asked_for_by_number_or_by_the_name_of_the_program() {
    let headings = |arguments: &[&str]| -> Vec<String> {
        let said = run("tour", arguments, 0);
        let out = said
            .out()
            .into_iter()
            .filter(|line| line.starts_with("== "));
        out.map(str::to_owned).collect()
    };
    assert_eq!(
        headings(&["11", "01"]),
        [
            "== 01a Thread objects",
            "== 01b Thread objects, with arguments",
            "== 11 Locks as context managers",
        ]
    );
    assert_eq!(
        headings(&["07_1", "07_subclass_of_threading_thread"]),
        [
            "== 07_1 Subclassing Thread, with arguments",
            "== 07 Subclassing Thread",
        ]
    );
    assert_eq!(
        headings(&["07_subclass_of_threading_thread"]),
        ["== 07 Subclassing Thread"]
    );
}

#[test]
fn the_list_names_every_section() {
    let said = run("tour", &["--list"], 0);
    assert_eq!(said.out(), LIST);
    assert!(said.err().is_empty(), "{said:?}");
}

#[test]
fn help_says_how_it_is_used() {
    let said = run("tour", &["--help"], 0);
    assert_eq!(said.out()[0], "usage: tour [--list] [SECTION]...");
    assert_in_order(&said.out(), &LIST);
}

#[test]
fn an_unknown_section_is_an_error_that_lists_what_there_is() {
    for (arguments, problem) in [
        (&["15"] as &[&str], "tour: there is no section `15`"),
        (&["09", ""], "tour: there is no section ``"),
        (&["--lost"], "tour: there is no option `--lost`"),
        (&["--list", "09"], "tour: there is no option `--list`"),
    ] {
        let said = run("tour", arguments, 2);
        // Nothing has been run.
        assert!(said.out().is_empty(), "{said:?}");
        assert_eq!(said.err()[0], problem);
        assert_in_order(&said.err(), &["usage: tour [--list] [SECTION]..."]);
        assert_in_order(&said.err(), &LIST);
    }
}
