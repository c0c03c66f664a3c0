//! What threads cost: to start one that has a name and wait until it is gone, beside the standard library; and to list many.

use std::hint::black_box;
use std::sync::Arc;

use tk_benches::{compare, time};
use tk_event::Event;

/// Threads per measurement: enough to even out what one start owes to chance.
const BATCH: usize = 20;

fn spawn_and_join(rounds: usize) {
    compare(
        "spawn and join, named",
        rounds,
        vec![
            (
                "std",
                Box::new(|| {
                    time(|| {
                        for _ in 0..BATCH {
                            let builder = std::thread::Builder::new().name("worker".to_owned());
                            let handle = builder.spawn(|| black_box(1)).unwrap();
                            black_box(handle.join().unwrap());
                        }
                    }) / BATCH as u32
                }),
            ),
            (
                "tk",
                Box::new(|| {
                    time(|| {
                        for _ in 0..BATCH {
                            let builder = tk_thread::Builder::new().name("worker");
                            let handle = builder.spawn(|| black_box(1)).unwrap();
                            black_box(handle.join().unwrap());
                        }
                    }) / BATCH as u32
                }),
            ),
        ],
    );
}

fn spawn_and_join_in_a_scope(rounds: usize) {
    compare(
        "ten in a scope",
        rounds,
        vec![
            (
                "std",
                Box::new(|| {
                    time(|| {
                        std::thread::scope(|s| {
                            for _ in 0..10 {
                                s.spawn(|| black_box(1));
                            }
                        });
                    })
                }),
            ),
            (
                "tk",
                Box::new(|| {
                    time(|| {
                        tk_thread::scope(|s| {
                            for _ in 0..10 {
                                s.spawn(|| black_box(1));
                            }
                        });
                    })
                }),
            ),
        ],
    );
}

fn list_a_thousand(rounds: usize) {
    let done = Arc::new(Event::new());
    let threads: Vec<_> = (0..1000)
        .map(|_| {
            let done = Arc::clone(&done);
            let builder = tk_thread::Builder::new().stack_size(64 << 10);
            builder.spawn(move || done.wait()).unwrap()
        })
        .collect();
    compare(
        "a thousand threads",
        rounds,
        vec![
            ("enumerate", Box::new(|| time(tk_thread::enumerate))),
            ("active_count", Box::new(|| time(tk_thread::active_count))),
        ],
    );
    done.set();
    for thread in threads {
        thread.join().unwrap();
    }
}

fn main() {
    // As criterion's: to see that it runs.
    let rounds = match std::env::args().any(|argument| argument == "--test") {
        true => 3,
        false => 500,
    };
    println!("case                         contender         median       ratio  10 to 90 %");
    spawn_and_join(rounds);
    spawn_and_join_in_a_scope(rounds);
    list_a_thousand(rounds);
}
