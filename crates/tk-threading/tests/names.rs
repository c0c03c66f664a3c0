//! Every name of Python's `threading` that has a counterpart is in the namespace, and is the
//! counterpart.
#![cfg(feature = "default")]

use std::any::TypeId;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::Duration;

use tk_threading::*;

fn same<T: 'static, U: 'static>() -> bool {
    TypeId::of::<T>() == TypeId::of::<U>()
}

#[test]
fn types_are_those_of_the_crates() {
    assert!(same::<Thread, tk_thread::Thread>());
    assert!(same::<Builder, tk_thread::Builder>());
    assert!(same::<Timer, tk_timer::Timer>());
    assert!(same::<Event, tk_event::Event>());
    assert!(same::<Lock<u8>, tk_lock::Lock<u8>>());
    assert!(same::<RLock<u8>, tk_lock::RLock<u8>>());
    assert!(same::<Condition<u8>, tk_condvar::Condition<u8>>());
    assert!(same::<Semaphore, tk_semaphore::Semaphore>());
    assert!(same::<BoundedSemaphore, tk_semaphore::BoundedSemaphore>());
    assert!(same::<Barrier, tk_barrier::Barrier>());
    assert!(same::<BarrierError, tk_barrier::BarrierError>());
    assert!(same::<Local<u8>, tk_local::Local<u8>>());
    assert!(same::<StopSource, tk_park::StopSource>());
    assert!(same::<StopToken, tk_park::StopToken>());
    assert!(same::<Limit, tk_park::Limit>());
    assert!(same::<WaitError, tk_park::WaitError>());
}

#[test]
fn functions_of_threads_agree_about_the_calling_thread() {
    let name = thread::current().name().unwrap().to_owned();
    assert_eq!(current().name(), name);
    assert_eq!(current().id(), get_ident());
    assert_eq!(current().native_id(), get_native_id());
    assert!(enumerate().contains(&current()));
    assert!(enumerate().contains(&main_thread()) && main_thread().is_main());
    assert!(active_count() >= 2);
    let dumped = dump().to_string();
    assert!(dumped.contains(&name), "{dumped}");
}

#[test]
fn a_size_of_stacks_is_set_and_read() {
    assert_eq!(stack_size(), None);
    set_stack_size(Some(1 << 20)).unwrap();
    assert_eq!(stack_size(), Some(1 << 20));
    set_stack_size(None).unwrap();
}

#[test]
fn hooks_are_called_in_a_thread_that_is_started() {
    static STARTED: AtomicBool = AtomicBool::new(false);
    static EXITED: AtomicBool = AtomicBool::new(false);
    let start = on_thread_start(|thread| {
        if thread.name() == "hooked" {
            STARTED.store(true, SeqCst);
        }
    });
    let exit = on_thread_exit(|thread| {
        if thread.name() == "hooked" {
            EXITED.store(true, SeqCst);
        }
    });
    let hooked = Builder::new().name("hooked").spawn(|| STARTED.load(SeqCst));
    assert!(hooked.unwrap().join().unwrap());
    assert!(EXITED.load(SeqCst));
    drop((start, exit));
}

#[test]
fn parts_work_together() {
    let (ready, places) = (Event::new(), Semaphore::new(1));
    let jobs = Condition::new(Vec::new());
    let numbers = Local::new();
    scope(|s| {
        let worker = s.spawn(|| {
            ready.wait();
            numbers.set(7);
            let mut jobs = jobs.lock();
            jobs.wait_while(|jobs| jobs.is_empty());
            let _place = places.acquire();
            (jobs.pop(), numbers.take())
        });
        ready.set();
        jobs.lock().push("job");
        jobs.notify_one();
        assert_eq!(worker.join().unwrap(), (Some("job"), Some(7)));
    });
    assert_eq!(numbers.take(), None::<i32>);
    let timer = Timer::new(Duration::ZERO, || ()).start();
    timer.join().unwrap();
}
