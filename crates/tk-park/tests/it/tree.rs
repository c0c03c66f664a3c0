//! Tokens with parents and children.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::*};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tk_park::{Limit, Parked, StopCallback, StopSource, StopToken, WaitError, WaitInfo, park};
use tk_testing::{start, start_parked, until};

fn sleep_on(word: &AtomicU32, limit: Limit<'_>) -> Result<Parked, WaitError> {
    park(word, || true, &WaitInfo::new("test"), limit)
}

#[test]
fn children_stop_with_their_parent_and_alone() {
    let parent = StopSource::new();
    let (first, second) = (parent.token().child(), parent.token().child());
    let grandchild = second.token().child();
    assert!(first.request_stop());
    assert!(!parent.stop_requested() && !second.stop_requested());
    assert!(parent.request_stop());
    assert!(second.stop_requested() && grandchild.stop_requested());
    assert!(!second.request_stop());
}

#[test]
fn a_child_of_a_stopped_parent_is_stopped() {
    let parent = StopSource::new();
    parent.request_stop();
    let child = parent.token().child();
    assert!(child.stop_requested());
    assert!(!child.request_stop());
    assert!(child.token().child().stop_requested());
}

#[test]
fn a_parents_stop_wakes_the_waits_of_its_children() {
    let word = AtomicU32::new(0);
    let parent = StopSource::new();
    let token = parent.token().child().token();
    std::thread::scope(|s| {
        let sleeper = start_parked(s, "test", || sleep_on(&word, Limit::from(&token)));
        parent.request_stop();
        assert_eq!(sleeper.join(), Err(WaitError::Stopped));
    });
}

#[test]
fn descendants_are_stopped_though_those_in_between_are_dropped() {
    let program = StopSource::new();
    let called = Arc::new(AtomicBool::new(false));
    let token = program.token().child().token();
    let grandchild = program.token().child().token().child();
    let callback = program.token().child().token().child().token().on_stop({
        let called = Arc::clone(&called);
        move || called.store(true, Relaxed)
    });
    program.request_stop();
    assert!(token.stop_requested() && grandchild.stop_requested());
    assert!(called.load(Relaxed));
    drop(callback);
}

#[test]
fn a_dropped_child_leaves_nothing_at_its_parent() {
    let parent = StopSource::new();
    let witness = Arc::new(());
    let child = parent.token().child();
    let held = Arc::clone(&witness);
    let callback = child.token().on_stop(move || drop(held));
    drop(child);
    drop(callback);
    assert_eq!(Arc::strong_count(&witness), 1);
    parent.request_stop();
}

/// The smallest stack that a thread can have, more or less: what recurses overflows it.
fn on_a_small_stack(f: impl FnOnce() + Send) {
    std::thread::scope(|s| {
        let builder = std::thread::Builder::new().stack_size(64 * 1024);
        let thread = builder.spawn_scoped(s, f).unwrap();
        thread.join().unwrap();
    });
}

/// A chain, from its first source to its last.
fn chain(depth: usize) -> Vec<StopSource> {
    let mut chain = vec![StopSource::new()];
    for _ in 0..depth {
        chain.push(chain.last().unwrap().token().child());
    }
    chain
}

const MANY: usize = 50_000;
const DEEP: usize = 20_000;

#[test]
fn a_request_goes_through_a_long_chain() {
    on_a_small_stack(|| {
        let chain = chain(DEEP);
        chain[0].request_stop();
        assert!(chain.iter().all(StopSource::stop_requested));
    });
}

#[test]
fn a_long_chain_is_dropped_from_either_end_and_as_a_whole() {
    on_a_small_stack(|| {
        let from_the_root = chain(DEEP);
        drop(from_the_root);

        let mut from_the_leaf = chain(DEEP);
        while from_the_leaf.pop().is_some() {}

        // The leaf holds all the others.
        let leaf = chain(DEEP).pop().unwrap();
        drop(leaf);

        // A stopped one, and one whose end a callback holds.
        let mut stopped = chain(DEEP);
        stopped[0].request_stop();
        drop(stopped.pop());

        let leaf = chain(DEEP).pop().unwrap();
        let callback = leaf.token().on_stop(|| ());
        drop(leaf);
        drop(callback);
    });
}

#[test]
fn a_ladder_of_tokens_with_two_parents_is_no_trouble() {
    on_a_small_stack(|| {
        // The number of ways from the top to the bottom doubles with each rung.
        let top = StopSource::new();
        let (mut left, mut right) = (top.token(), top.token());
        for _ in 0..1000 {
            let rung = [(); 2].map(|()| StopSource::child_of([&left, &right]).token());
            [left, right] = rung;
        }
        let callback = right.on_stop(|| ());
        drop(right);
        top.request_stop();
        assert!(left.stop_requested());
        drop(callback);
    });
}

/// Much more than it takes, and much less than if each of them had to be searched for among the
/// others.
#[track_caller]
fn soon(what: impl FnOnce()) {
    let start = Instant::now();
    what();
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn each_of_many_children_and_callbacks_leaves_in_no_time() {
    let source = StopSource::new();
    let token = source.token();
    soon(|| {
        let children: Vec<_> = (0..MANY).map(|_| token.child()).collect();
        let callbacks: Vec<_> = (0..MANY).map(|_| token.on_stop(|| ())).collect();
        // In the order in which they came, and against it.
        children.into_iter().for_each(drop);
        callbacks.into_iter().rev().for_each(drop);
    });
    soon(|| {
        let children: Vec<_> = (0..MANY).map(|_| token.child()).collect();
        let called = Arc::new(AtomicUsize::new(0));
        let callbacks: Vec<_> = (0..MANY)
            .map(|_| {
                let called = Arc::clone(&called);
                token.on_stop(move || _ = called.fetch_add(1, Relaxed))
            })
            .collect();
        source.request_stop();
        assert!(children.iter().all(StopSource::stop_requested));
        assert_eq!(called.load(Relaxed), MANY);
        drop(callbacks);
    });
}

/// A callback that adds to a list.
fn noting(token: &StopToken, list: &Arc<Mutex<Vec<u32>>>, number: u32) -> StopCallback {
    let list = Arc::clone(list);
    token.on_stop(move || list.lock().unwrap().push(number))
}

#[test]
fn callbacks_run_from_the_top_down_and_in_the_order_of_registration() {
    let list = Arc::new(Mutex::new(Vec::new()));
    let program = StopSource::new();
    let [first, second] = [(); 2].map(|()| program.token().child().token());
    let grandchild = first.child().token();
    let callbacks = [
        noting(&grandchild, &list, 30),
        noting(&second, &list, 20),
        noting(&first, &list, 10),
        noting(&program.token(), &list, 0),
        noting(&grandchild, &list, 31),
        noting(&second, &list, 21),
        noting(&first, &list, 11),
        noting(&program.token(), &list, 1),
    ];
    program.request_stop();
    assert_eq!(*list.lock().unwrap(), [0, 1, 10, 11, 20, 21, 30, 31]);
    drop(callbacks);
}

#[test]
fn the_whole_tree_is_stopped_before_the_first_callback_runs() {
    let program = StopSource::new();
    let tokens = Arc::new(Mutex::new(Vec::new()));
    let callback = program.token().on_stop({
        let tokens = Arc::clone(&tokens);
        move || {
            let tokens: std::sync::MutexGuard<'_, Vec<StopToken>> = tokens.lock().unwrap();
            assert_eq!(tokens.len(), 3);
            assert!(tokens.iter().all(StopToken::stop_requested));
        }
    });
    let child = program.token().child().token();
    let grandchild = child.child().token();
    let linked = StopSource::child_of([&grandchild, &StopSource::new().token()]).token();
    tokens.lock().unwrap().extend([child, grandchild, linked]);
    assert!(program.request_stop());
    drop(callback);
}

#[test]
fn a_callback_may_wait_for_a_thread_that_waits_with_a_token_that_came_later() {
    let word = AtomicU32::new(0);
    let program = StopSource::new();
    let gone = Arc::new(AtomicBool::new(false));
    let callback = program.token().on_stop({
        let gone = Arc::clone(&gone);
        move || until("the sleeper is gone", || gone.load(Acquire))
    });
    let token = program.token().child().token().child().token();
    std::thread::scope(|s| {
        let sleeper = start_parked(s, "test", || {
            let parked = sleep_on(&word, Limit::from(&token));
            gone.store(true, Release);
            parked
        });
        assert!(program.request_stop());
        assert_eq!(sleeper.join(), Err(WaitError::Stopped));
    });
    drop(callback);
}

#[test]
fn any_of_several_parents_stops_a_child() {
    for stopped in 0..3 {
        let parents = [(); 3].map(|()| StopSource::new());
        let [a, b, c] = parents.each_ref().map(StopSource::token);
        let child = StopSource::child_of([&a, &b, &c]);
        let called = Arc::new(AtomicUsize::new(0));
        let callback = child.token().on_stop({
            let called = Arc::clone(&called);
            move || _ = called.fetch_add(1, Relaxed)
        });
        assert!(!child.stop_requested());
        parents[stopped].request_stop();
        assert!(child.stop_requested());
        for parent in &parents {
            parent.request_stop();
        }
        assert_eq!(called.load(Relaxed), 1);
        drop(callback);
    }
}

#[test]
fn a_child_of_several_can_be_stopped_alone_and_dropped() {
    let parents = [(); 2].map(|()| StopSource::new());
    let [a, b] = parents.each_ref().map(StopSource::token);
    let child = StopSource::child_of([&a, &b]);
    assert!(child.request_stop());
    assert!(!a.stop_requested() && !b.stop_requested());
    drop(child);
    drop(StopSource::child_of([&a, &b, &a])); // The same parent twice does no harm.
    let twice = StopSource::child_of([&a, &a]);
    parents[0].request_stop();
    assert!(twice.stop_requested());
    parents[1].request_stop();
}

#[test]
fn a_child_of_several_is_stopped_if_one_of_them_was() {
    let (stopped, other) = (StopSource::new(), StopSource::new());
    stopped.request_stop();
    let (stopped, other) = (stopped.token(), other.token());
    assert!(StopSource::child_of([&stopped, &other]).stop_requested());
    assert!(StopSource::child_of([&other, &stopped]).stop_requested());
    assert!(!StopSource::child_of([]).stop_requested());
}

#[test]
fn a_callback_below_two_parents_of_one_request_runs_once() {
    let top = StopSource::new();
    let [left, right] = [(); 2].map(|()| top.token().child().token());
    let bottom = StopSource::child_of([&left, &right]);
    let called = Arc::new(AtomicUsize::new(0));
    let callback = bottom.token().on_stop({
        let called = Arc::clone(&called);
        move || _ = called.fetch_add(1, Relaxed)
    });
    top.request_stop();
    assert_eq!(called.load(Relaxed), 1);
    drop(callback);
}

#[test]
fn the_iterator_of_the_parents_may_use_the_tokens_and_panic() {
    let parent = StopSource::new();
    let token = parent.token();
    let child = StopSource::child_of([(); 2].iter().map(|()| {
        drop(token.child());
        drop(token.on_stop(|| ()));
        parent.request_stop();
        &token
    }));
    assert!(child.stop_requested());
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        StopSource::child_of([1, 2].iter().map(|&n| {
            assert!(n < 2, "in the iterator");
            &token
        }))
    }));
    assert!(panic.is_err());
}

/// This also holds for a request that is not the first.
#[test]
fn a_request_that_returns_has_stopped_all_descendants() {
    let start_time = Instant::now();
    while start_time.elapsed() < Duration::from_millis(250) {
        let chain = chain(20);
        let leaf = chain.last().unwrap();
        std::thread::scope(|s| {
            for source in [&chain[0], &chain[0], &chain[1], &chain[10]] {
                s.spawn(move || {
                    source.request_stop();
                    assert!(leaf.stop_requested());
                });
            }
        });
    }
}

#[test]
fn children_that_come_and_go_during_a_request_are_stopped_or_gone() {
    let start_time = Instant::now();
    while start_time.elapsed() < Duration::from_millis(250) {
        let (program, other) = (StopSource::new(), StopSource::new());
        let other = other.token();
        let called = AtomicUsize::new(0);
        let expected = AtomicUsize::new(0);
        std::thread::scope(|s| {
            for _ in 0..2 {
                s.spawn(|| {
                    for _ in 0..20 {
                        let child = StopSource::child_of([&program.token(), &other]);
                        let grandchild = child.token().child();
                        drop(child);
                        drop(program.token().child());
                        drop(grandchild.token().on_stop(|| ()));
                        std::hint::black_box(grandchild);
                    }
                    let kept = program.token().child().token().child();
                    expected.fetch_add(1, Relaxed);
                    until("the child is stopped", || kept.stop_requested());
                    called.fetch_add(1, Relaxed);
                });
            }
            let request = start(s, || program.request_stop());
            assert!(request.join());
        });
        assert_eq!(called.into_inner(), expected.into_inner());
    }
}
