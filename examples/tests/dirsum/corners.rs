//! States that are hard to bring about in the program as a whole: its queue and its hashing, in
//! this process.

use std::cell::Cell;
use std::io::ErrorKind;
use std::sync::mpsc;
use std::time::Duration;

use tk_threading::{Builder, JoinHandle, Panicked, StopSource, Thread, WaitError, spawn};

use crate::hash::{HashError, hash_file};
use crate::queue::{Closed, bounded};
use crate::tree::Tree;

/// Joins the thread. If it hangs, the test fails.
#[track_caller]
fn end<T>(thread: JoinHandle<T>) -> Result<T, Panicked> {
    match thread.join_for(Duration::from_secs(120)) {
        Ok(()) => thread.join(),
        Err(error) => panic!("{thread:?}, {:?}: {error}", thread.blocked_on()),
    }
}

fn wait_until_it_waits(thread: &Thread) {
    while thread.blocked_on().is_none() {
        assert!(thread.is_alive());
        std::thread::yield_now();
    }
}

#[test]
fn each_item_is_received_once() {
    const ITEMS: usize = 5_000;
    // The queue has the least room that it allows. If a notification went to the wrong side, it
    // would stand still.
    for receivers in [1, 2, 3, 5] {
        let never = StopSource::new().token();
        let (mut sender, receiver) = bounded(receivers + 1);
        let threads: Vec<_> = (0..receivers)
            .map(|_| {
                let (receiver, never) = (receiver.clone(), never.clone());
                spawn(move || {
                    let mut items = Vec::new();
                    while let Some(item) = receiver.receive(&never) {
                        items.push(item);
                    }
                    items
                })
            })
            .collect();
        drop(receiver);
        let sending = spawn(move || (0..ITEMS).try_for_each(|item| sender.send(item, &never)));
        assert_eq!(end(sending).unwrap(), Ok(()));
        let mut items: Vec<_> = threads
            .into_iter()
            .flat_map(|thread| {
                let items = end(thread).unwrap();
                assert!(items.is_sorted(), "the oldest comes first");
                items
            })
            .collect();
        items.sort_unstable();
        assert!(items.into_iter().eq(0..ITEMS));
    }
}

#[test]
fn a_sender_does_not_wait_for_receivers_that_have_panicked() {
    let never = StopSource::new().token();
    let (mut sender, receiver) = bounded(2);
    let (panic_now, told) = mpsc::channel();
    let doomed = Builder::new().name("doomed").spawn(move || {
        let _receiver = receiver;
        told.recv().unwrap();
        panic!("as it was told");
    });
    let doomed: JoinHandle<()> = doomed.unwrap();
    let sending = spawn(move || {
        let mut sent = 0;
        while sender.send(sent, &never).is_ok() {
            sent += 1;
        }
        sent
    });
    wait_until_it_waits(&sending);
    panic_now.send(()).unwrap();
    assert_eq!(end(sending).unwrap(), 2);
    assert_eq!(end(doomed).unwrap_err().thread_name(), "doomed");
}

#[test]
fn receivers_that_wait_go_when_the_sender_has_gone() {
    let never = StopSource::new().token();
    let (sender, receiver) = bounded::<()>(3);
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let (receiver, never) = (receiver.clone(), never.clone());
            spawn(move || receiver.receive(&never))
        })
        .collect();
    for thread in &waiting {
        wait_until_it_waits(thread);
    }
    drop(sender);
    for thread in waiting {
        assert_eq!(end(thread).unwrap(), None);
    }
}

#[test]
fn a_stop_ends_the_waits_of_both_sides() {
    let source = StopSource::new();
    let stop = source.token();
    let (mut sender, receiver) = bounded(1);
    sender.send(1, &stop).unwrap();
    let sending = spawn({
        let stop = stop.clone();
        move || (sender.send(2, &stop), sender)
    });
    let (_open, empty) = bounded::<()>(1);
    let receiving = spawn({
        let stop = stop.clone();
        move || empty.receive(&stop)
    });
    wait_until_it_waits(&sending);
    wait_until_it_waits(&receiving);
    source.request_stop();
    let (sent, _sender) = end(sending).unwrap();
    assert_eq!(sent, Err(Closed));
    assert_eq!(end(receiving).unwrap(), None);
    // The items in the queue stay there.
    assert_eq!(receiver.receive(&stop), None);
    assert_eq!(Closed::from(WaitError::Stopped), Closed);
}

#[test]
#[should_panic(expected = "more receivers than the queue has room for")]
fn more_receivers_than_room_is_refused() {
    let (_sender, receiver) = bounded::<()>(1);
    let _second = receiver.clone();
}

#[test]
fn a_stop_ends_hashing_between_two_blocks() {
    let tree = Tree::new();
    tree.write("large", vec![0; 1 << 20]);
    let source = StopSource::new();
    let blocks = Cell::new(0);
    let result = hash_file(tree.root().join("large"), &source.token(), |_| {
        blocks.set(blocks.get() + 1);
        if blocks.get() == 3 {
            source.request_stop();
        }
    });
    assert!(matches!(result, Err(HashError::Stopped)), "{result:?}");
    assert_eq!(blocks.get(), 3);
}

#[test]
fn hashing_says_why_it_could_not() {
    let tree = Tree::new();
    let never = StopSource::new().token();
    match hash_file(tree.root().join("nothing"), &never, |_| ()) {
        Err(HashError::Io(error)) => assert_eq!(error.kind(), ErrorKind::NotFound),
        other => panic!("{other:?}"),
    }
}

/// A file to be read that nobody writes to: opening it blocks, and takes no time of the processor.
#[cfg(unix)]
#[test]
fn no_more_files_are_open_than_permits_and_a_stop_ends_the_wait_for_one() {
    use std::fs::File;
    use std::process::Command;

    const PERMITS: usize = 64;

    let tree = Tree::new();
    let pipe = tree.root().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());

    let source = StopSource::new();
    let mut hashing: Vec<_> = (0..=PERMITS)
        .map(|_| {
            let (pipe, stop) = (pipe.clone(), source.token());
            spawn(move || hash_file(pipe, &stop, |_| ()))
        })
        .collect();
    let one_too_many = loop {
        if let Some(waiting) = hashing.iter().position(|one| one.blocked_on().is_some()) {
            break hashing.swap_remove(waiting);
        }
        std::thread::yield_now();
    };
    source.request_stop();
    let result = end(one_too_many).unwrap();
    assert!(matches!(result, Err(HashError::Stopped)), "{result:?}");

    // No token ends the call in which the others wait. They wait until the pipe has a writer.
    assert!(hashing.iter().all(|one| one.is_alive()));
    let _writer = File::options().read(true).write(true).open(&pipe).unwrap();
    for one in hashing {
        let result = end(one).unwrap();
        assert!(matches!(result, Err(HashError::Stopped)), "{result:?}");
    }
}
