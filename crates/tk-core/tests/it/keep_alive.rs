//! Tokens hold a program open. All tests share the program of the process, so tests that close a
//! program make their own.

use std::sync::atomic::{AtomicUsize, Ordering};

use tk_core::__private::{KeepAliveExt, Program, shutting_down};
use tk_core::KeepAlive;

/// A program of its own, as a call of `main` in a test makes one.
fn program() -> Program {
    Program::of(tk_core::current())
}

static WOKEN: AtomicUsize = AtomicUsize::new(0);

#[test]
fn the_thread_that_drops_the_last_token_calls_the_function() {
    let program = program();
    Program::on_zero(|| {
        WOKEN.fetch_add(1, Ordering::Relaxed);
    });
    Program::on_zero(|| unreachable!("only the first is kept"));
    let new = || KeepAlive::unlisted(&program);
    let held = new().unwrap();
    std::thread::scope(|s| {
        for _ in 0..4 {
            s.spawn(|| {
                for _ in 0..1000 {
                    let token = new().unwrap();
                    assert!(program.tokens() >= 2);
                    drop(token);
                }
            });
        }
    });
    // Others may have dropped a token of another program meanwhile.
    let before = WOKEN.load(Ordering::Relaxed);
    drop(held);
    assert!(WOKEN.load(Ordering::Relaxed) > before);
    assert_eq!(program.tokens(), 0);

    // The program ends when nothing holds it open; then nothing can.
    let held = new().unwrap();
    assert!(!program.try_close());
    drop(held);
    assert!(program.try_close() && program.try_close());
    assert_eq!(new().unwrap_err(), shutting_down());
    assert!(!program.is_open());
    assert_eq!(program.tokens(), 0);

    // It may begin anew, and be ended with a token left behind.
    let held = KeepAlive::reopen(&program);
    program.close();
    assert!(!program.try_close() && new().is_err());
    assert_eq!(program.tokens(), 1);
    drop(held);
    assert_eq!(program.tokens(), 0);
}

#[test]
fn the_end_of_one_program_refuses_nothing_to_another() {
    let (ended, other) = (program(), program());
    ended.close();
    assert!(KeepAlive::unlisted(&ended).is_err());
    assert!(KeepAlive::unlisted(&other).is_ok() && KeepAlive::new().is_ok());
}

#[test]
fn a_thread_belongs_to_the_program_that_it_has_entered() {
    std::thread::spawn(|| {
        let program = program();
        assert_eq!(Program::current(), Program::root());
        assert_eq!(program.enter(), Program::root());
        assert_eq!(Program::current(), program);
        let token = KeepAlive::new().unwrap();
        assert_eq!((program.tokens(), KeepAlive::count()), (1, 1));
        // Threads that it starts belong to it, too.
        let registration = tk_core::Registration::new("inside", false);
        std::thread::spawn(move || {
            registration.begin();
            assert_eq!(KeepAlive::count(), 1);
        })
        .join()
        .unwrap();
        drop(token);
        assert_eq!(Program::root().enter(), program);
    })
    .join()
    .unwrap();
}

#[test]
fn tokens_are_listed_by_name_and_line() {
    let program = program();
    std::thread::spawn(move || {
        program.enter();
        let unnamed = KeepAlive::new().unwrap();
        let named = KeepAlive::named("upload").unwrap();
        let of_kit = KeepAlive::unlisted(&program).unwrap();
        let list = |program: &Program| program.holders();
        let holders = list(&program);
        let shown: Vec<_> = holders.iter().map(ToString::to_string).collect();
        assert_eq!(shown.len(), 2, "{shown:?}");
        assert!(shown[0].starts_with("keep-alive (unnamed), taken at "));
        assert!(shown[1].starts_with("keep-alive upload, taken at "));
        assert!(shown[1].contains("keep_alive.rs:"));
        assert_eq!(
            (holders[1].kind(), holders[1].name()),
            ("keep-alive", "upload")
        );
        assert!(format!("{named:?}").contains("upload"));
        drop((unnamed, named, of_kit));
        assert!(list(&program).is_empty());
    })
    .join()
    .unwrap();
}

#[test]
fn fifty_thousand_tokens_are_dropped_in_any_order() {
    let program = program();
    std::thread::spawn(move || {
        program.enter();
        let mut tokens: Vec<_> = (0..50_000).map(|_| KeepAlive::new().unwrap()).collect();
        assert_eq!(program.holders().len(), 50_000);
        while tokens.len() > 1 {
            drop(tokens.swap_remove(tokens.len() / 2));
        }
        assert_eq!(program.tokens(), 1);
    })
    .join()
    .unwrap();
}
