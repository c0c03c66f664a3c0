//! The main thread's own values are dropped when the program ends, by the main thread, after all that it waits for.
//!
//! Run without arguments this starts itself once more, with one, and looks at what that prints.

use std::process::Command;
use std::thread::ThreadId;

use tk_local::{Local, SharedLocal};

struct Noisy(&'static str, ThreadId);

impl Drop for Noisy {
    fn drop(&mut self) {
        let by = match std::thread::current().id() == self.1 {
            true => "its thread",
            false => "another thread",
        };
        println!("{} dropped by {by}", self.0);
    }
}

fn noisy(name: &'static str) -> Noisy {
    Noisy(name, std::thread::current().id())
}

static LOCAL: Local<Noisy> = Local::new();
static SHARED: SharedLocal<Noisy> = SharedLocal::new();

fn program() {
    tk_thread::main(|| {
        LOCAL.set(noisy("main's"));
        SHARED.set(noisy("main's shared"));
        tk_thread::Builder::new()
            .daemon(false)
            .spawn(|| {
                // Waits until the main thread's function has returned.
                tk_thread::main_thread().join().unwrap();
                LOCAL.set(noisy("worker's"));
                assert_eq!(SHARED.iter().count(), 1);
            })
            .unwrap();
        println!("main is done");
    });
    println!("the program ends");
}

fn main() {
    if std::env::args().any(|argument| argument == "child") {
        return program();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .arg("child")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let expected = "main is done\n\
        worker's dropped by its thread\n\
        the program ends\n\
        main's shared dropped by its thread\n\
        main's dropped by its thread\n";
    assert_eq!(lines, expected);
}
