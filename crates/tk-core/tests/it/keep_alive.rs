//! The count of what holds the program open. It is one for the whole program: all is tested in one place.

use std::sync::atomic::{AtomicUsize, Ordering};

use tk_core::{KeepAlive, ShuttingDown};

static WOKEN: AtomicUsize = AtomicUsize::new(0);

#[test]
fn the_one_who_drops_the_last_token_calls_the_function() {
    let held = KeepAlive::new().unwrap();
    assert!(KeepAlive::on_last(|| {
        WOKEN.fetch_add(1, Ordering::Relaxed);
    }));
    assert!(
        !KeepAlive::on_last(|| unreachable!()),
        "only the first is kept"
    );
    std::thread::scope(|s| {
        for _ in 0..4 {
            s.spawn(|| {
                for _ in 0..1000 {
                    let token = KeepAlive::new().unwrap();
                    assert!(KeepAlive::count() >= 2);
                    drop(token);
                }
            });
        }
    });
    assert_eq!(WOKEN.load(Ordering::Relaxed), 0);
    drop(held);
    assert_eq!((WOKEN.load(Ordering::Relaxed), KeepAlive::count()), (1, 0));

    // The program ends when nothing holds it open; then nothing can.
    let held = KeepAlive::new().unwrap();
    assert!(!KeepAlive::end());
    drop(held);
    assert!(KeepAlive::end() && KeepAlive::end());
    assert_eq!(KeepAlive::new().unwrap_err(), ShuttingDown::new());
    assert_eq!(KeepAlive::count(), 0);

    // It may begin anew, and be ended with somebody left behind, who goes without a sound.
    let woken = WOKEN.load(Ordering::Relaxed);
    let held = KeepAlive::begin();
    KeepAlive::end_now();
    assert!(!KeepAlive::end() && KeepAlive::new().is_err());
    assert_eq!(KeepAlive::count(), 1);
    drop(held);
    assert_eq!(
        (WOKEN.load(Ordering::Relaxed), KeepAlive::count()),
        (woken, 0)
    );
}
