//! What becomes of the main thread's own values.

use std::thread::ThreadId;

use tk_local::{Local, SharedLocal};

use crate::{cases, say};

/// Says by whom it is dropped.
struct Noisy(&'static str, ThreadId);

impl Drop for Noisy {
    fn drop(&mut self) {
        let by = match std::thread::current().id() == self.1 {
            true => "its thread",
            false => "another thread",
        };
        say(&format!("{} dropped by {by}", self.0));
    }
}

fn noisy(name: &'static str) -> Noisy {
    Noisy(name, std::thread::current().id())
}

static LOCAL: Local<Noisy> = Local::new();
static SHARED: SharedLocal<Noisy> = SharedLocal::new();

cases! {
    test_locals_at_exit: || {
        tk_thread::main(|| {
            LOCAL.set(noisy("main's"));
            SHARED.set(noisy("main's shared"));
            let worker = tk_thread::Builder::new().daemon(false).spawn(|| {
                // Waits until the main thread's function has returned.
                tk_thread::main_thread().join().unwrap();
                LOCAL.set(noisy("worker's"));
                assert_eq!(SHARED.iter().count(), 1);
            });
            drop(worker.unwrap());
            say("main is done");
        });
        say("the program ends");
    } => |ended| ended.printed(&[
        "main is done",
        "worker's dropped by its thread",
        "the program ends",
        "main's shared dropped by its thread",
        "main's dropped by its thread",
    ]);
}
