//! The end of the program. Each test runs in a process of its own, in which `child` is what it
//! does.

use std::process::{Command, Output};
use std::time::Duration;

use tk_thread::{Builder, main_thread, sleep};

fn run(part: &str) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "program::child",
            "--nocapture",
            "--test-threads=1",
        ])
        .env("TK_PROGRAM_CHILD", part)
        .output()
        .unwrap()
}

/// Returns the lines that the child printed with `say`, in order.
fn said(output: &Output) -> Vec<String> {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let ours = stdout.lines().filter_map(|line| line.split_once("say: "));
    ours.map(|(_, text)| text.to_owned()).collect()
}

fn say(text: &str) {
    println!("\nsay: {text}");
}

fn non_daemon(f: impl FnOnce() + Send + 'static) -> tk_thread::JoinHandle<()> {
    Builder::new().daemon(false).spawn(f).unwrap()
}

/// A time in which a program that does not wait would have ended.
const A_WHILE: Duration = Duration::from_millis(30);

/// Does nothing in a run of all tests.
#[test]
fn child() {
    let Ok(part) = std::env::var("TK_PROGRAM_CHILD") else {
        return;
    };
    match &*part {
        "waits" => {
            let value = tk_thread::main(|| {
                non_daemon(|| {
                    sleep(A_WHILE);
                    say("first");
                    non_daemon(|| {
                        sleep(A_WHILE);
                        say("second");
                    });
                });
                7
            });
            say(&format!("main {value}"));
        }
        "daemons" => {
            tk_thread::main(|| {
                Builder::new()
                    .daemon(true)
                    .spawn(|| sleep(Duration::MAX))
                    .unwrap();
            });
            say("main");
        }
        "joins_main" => {
            tk_thread::main(|| {
                non_daemon(|| {
                    main_thread().join().unwrap();
                    say("end of thread");
                });
                sleep(A_WHILE);
                say("end of main");
            });
        }
        "panics" => {
            tk_thread::main(|| {
                non_daemon(|| {
                    sleep(A_WHILE);
                    say("waited");
                });
                panic!("expected");
            });
        }
        "logger" => {
            log::set_logger(&Panics).unwrap();
            log::set_max_level(log::LevelFilter::Trace);
            say(&format!("value {}", tk_thread::spawn(|| 7).join().unwrap()));
            let unlucky = Builder::new().name("unlucky").spawn(|| 7).unwrap();
            say(if unlucky.join().is_err() {
                "panicked"
            } else {
                "returned"
            });
        }
        other => panic!("no part {other}"),
    }
}

#[test]
fn the_program_waits_for_threads_that_are_not_daemons_and_for_theirs() {
    let output = run("waits");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(said(&output), ["first", "second", "main 7"]);
}

#[test]
fn daemons_are_left_behind() {
    let output = run("daemons");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(said(&output), ["main"]);
}

#[test]
fn a_worker_may_join_the_main_thread() {
    // The harness runs the child in a thread of its own, which is the main thread to the program
    // that it runs.
    let output = run("joins_main");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(said(&output), ["end of main", "end of thread"]);
}

#[test]
fn a_panic_of_the_main_function_is_carried_out_after_the_wait() {
    let output = run("panics");
    assert!(!output.status.success(), "{output:?}");
    assert_eq!(said(&output), ["waited"]);
}

#[test]
fn a_logger_that_panics_loses_neither_function_nor_value() {
    let output = run("logger");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(said(&output), ["value 7", "returned"]);
}

/// Panics at the end of a thread, or, in the thread called `unlucky`, at its beginning.
struct Panics;

impl log::Log for Panics {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        let message = record.args().to_string();
        let unlucky = tk_thread::current().name() == "unlucky";
        assert!(!message.ends_with("returns") && !unlucky, "expected");
    }

    fn flush(&self) {}
}
