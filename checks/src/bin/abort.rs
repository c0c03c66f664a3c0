//! A program that is built with `panic = "abort"`: `ci/abort.sh` runs it, once for each case.

use std::time::Duration;

use tk_thread::{at_exit, exit, exit_with, set_excepthook, spawn};

fn main() {
    let case = std::env::args().nth(1).unwrap_or_default();
    match &*case {
        "hook" => {
            set_excepthook(|panic| {
                println!("{} {}", panic.message(), panic.location().is_some());
            });
            let _ = spawn(|| panic!("out of paint")).join();
        }
        "default" => drop(spawn(|| panic!("out of paint")).join()),
        "exit_in_main" => tk_thread::main(|| {
            at_exit(|| println!("hook")).unwrap();
            spawn(|| {
                std::thread::sleep(Duration::from_millis(50));
                println!("waited");
            });
            exit_with(3);
        }),
        "exit_in_a_thread" => drop(spawn(|| exit()).join()),
        "returns" => tk_thread::main(|| drop(spawn(|| println!("ran")))),
        other => panic!("no case {other}"),
    }
}
