//! `BaseLocalTest` of `test_threading_local.py`.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;

use crate::suite;

/// One value per thread, per object.
trait PerThread: Send + Sync + 'static {
    fn new() -> Self;
    /// For a thread that has no value.
    fn set_first(&self, value: Value);
    fn with<R>(&self, f: impl FnOnce(Option<&Value>) -> R) -> R;
}

impl PerThread for tk_local::Local<Value> {
    fn new() -> Self {
        tk_local::Local::new()
    }

    fn set_first(&self, value: Value) {
        assert!(self.replace(value).is_none());
    }

    fn with<R>(&self, f: impl FnOnce(Option<&Value>) -> R) -> R {
        if self.is_set() {
            self.with_borrow(|value| f(Some(value))).unwrap()
        } else {
            f(None)
        }
    }
}

impl PerThread for tk_local::SharedLocal<Value> {
    fn new() -> Self {
        tk_local::SharedLocal::new()
    }

    fn set_first(&self, value: Value) {
        assert!(!self.is_set());
        self.set(value);
    }

    fn with<R>(&self, f: impl FnOnce(Option<&Value>) -> R) -> R {
        if self.is_set() {
            tk_local::SharedLocal::with(self, |value| f(Some(value))).unwrap()
        } else {
            f(None)
        }
    }
}

impl PerThread for thread_local::ThreadLocal<Value> {
    fn new() -> Self {
        thread_local::ThreadLocal::new()
    }

    fn set_first(&self, value: Value) {
        self.get_or(|| value);
    }

    fn with<R>(&self, f: impl FnOnce(Option<&Value>) -> R) -> R {
        f(self.get())
    }
}

/// A value: its text, and the count of values that exist.
struct Value(String, Arc<AtomicUsize>);

impl Value {
    fn new(text: impl ToString, living: &Arc<AtomicUsize>) -> Value {
        living.fetch_add(1, SeqCst);
        Value(text.to_string(), Arc::clone(living))
    }

    fn of(text: impl ToString) -> Value {
        Value::new(text, &Arc::default())
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.1.fetch_sub(1, SeqCst);
    }
}

/// Whether the calling thread's value is this one, or whether it has none.
fn has(local: &impl PerThread, text: Option<&str>) -> bool {
    local.with(|value| value.map(|value| &*value.0) == text)
}

/// In some versions of CPython, the value of the last thread is kept. Here all values are gone.
fn test_local_refs<L: PerThread>() {
    for n in [20, 50, 100] {
        let (local, living) = (L::new(), Arc::new(AtomicUsize::new(0)));
        for _ in 0..n {
            thread::scope(|s| {
                let thread = s.spawn(|| local.set_first(Value::new("", &living)));
                thread.join().unwrap();
            });
        }
        assert_eq!(living.load(SeqCst), 0);

        // The same with threads that live at one time.
        let all_set = Barrier::new(n);
        thread::scope(|s| {
            let threads: Vec<_> = (0..n)
                .map(|_| {
                    s.spawn(|| {
                        local.set_first(Value::new("", &living));
                        all_set.wait();
                        assert!(living.load(SeqCst) > 0);
                    })
                })
                .collect();
            for thread in threads {
                thread.join().unwrap();
            }
        });
        assert_eq!(living.load(SeqCst), 0);
    }
}

/// CPython's initializers sleep for a moment. These wait for each other, so that all ten run at the
/// same time.
fn test_derived<L: PerThread>() {
    const THREADS: usize = 10;
    let (local, barrier) = (L::new(), Barrier::new(THREADS));
    thread::scope(|s| {
        for i in 0..THREADS {
            let (local, barrier) = (&local, &barrier);
            s.spawn(move || {
                assert!(has(local, None));
                barrier.wait();
                local.set_first(Value::of(i));
                barrier.wait();
                assert!(has(local, Some(&i.to_string())));
            });
        }
    });
}

/// An object at a recycled address starts empty.
fn test_derived_cycle_dealloc<L: PerThread>() {
    let mut local = L::new();
    for i in 0..100 {
        assert!(has(&local, None));
        local.set_first(Value::of(i));
        assert!(has(&local, Some(&i.to_string())));
        local = L::new();
    }
}

fn test_threading_local<L: PerThread>() {
    let local = L::new();
    local.set_first(Value::of("mine"));
    thread::scope(|s| {
        s.spawn(|| {
            assert!(has(&local, None));
            local.set_first(Value::of("yours"));
            assert!(has(&local, Some("yours")));
        });
    });
    assert!(has(&local, Some("mine")));
}

/// A foreign thread sets a value in each of the objects that come and go, and ends.
fn test_threading_local_clear_race<L: PerThread>() {
    let living = Arc::new(AtomicUsize::new(0));
    let (sender, receiver) = mpsc::sync_channel::<Arc<L>>(0);
    let count = Arc::clone(&living);
    let foreign = thread::spawn(move || {
        for local in receiver {
            let count = Arc::clone(&count);
            let user = thread::spawn(move || local.set_first(Value::new("", &count)));
            user.join().unwrap();
        }
    });
    for _ in 0..1000 {
        let local = Arc::new(L::new());
        local.set_first(Value::new("", &living));
        sender.send(Arc::clone(&local)).unwrap();
        assert!(has(&*local, Some("")));
    }
    drop(sender);
    foreign.join().unwrap();
    assert_eq!(living.load(SeqCst), 0);
}

/// Each thread runs the initializer, with the same arguments.
#[test]
fn test_threading_local_subclass() {
    let start = vec![1, 2];
    let local = tk_local::Local::with_init(move || start.clone());
    local.with_borrow_mut(|list| list.push(3)).unwrap();
    thread::scope(|s| {
        s.spawn(|| assert_eq!(local.get(), Some(vec![1, 2])));
    });
    assert_eq!(local.get(), Some(vec![1, 2, 3]));
}

suite! {
    kit_local: tk_local::Local<super::Value>,
    test_local_refs,
    test_derived,
    test_derived_cycle_dealloc,
    test_threading_local,
    test_threading_local_clear_race,
}

suite! {
    kit_shared_local: tk_local::SharedLocal<super::Value>,
    test_local_refs,
    test_derived,
    test_derived_cycle_dealloc,
    test_threading_local,
    test_threading_local_clear_race,
}

// It drops no value when a thread ends.
suite! {
    peer: thread_local::ThreadLocal<super::Value>,
    test_derived,
    test_derived_cycle_dealloc,
    test_threading_local,
    test_threading_local_clear_race,
}
