//! A global allocator behind a lock of the kit. All of the kit runs on top of it, so nothing of the
//! kit may allocate in a state in which it cannot be asked for that lock.
//!
//! The program is its own process, with no harness: the lock is there before `main`.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tk_core::__private::ThreadRecordExt;
use tk_core::{Registration, at_thread_exit, current, enumerate, main_thread};
use tk_lock::Lock;

/// Counts the allocations in use. At first it waits for its lock by trying again and again, and
/// later by sleeping, so that both are tested: trying is enough to find a lock of the kit that is
/// held during an allocation.
struct Guarded {
    in_use: Lock<isize>,
    sleeps: AtomicBool,
    waits: AtomicUsize,
}

// SAFETY: it is the system's, one call at a time.
unsafe impl GlobalAlloc for Guarded {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let mut in_use = self.lock();
        *in_use += 1;
        // SAFETY: the caller keeps the contract.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        let mut in_use = self.lock();
        *in_use -= 1;
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(place, layout) }
    }
}

impl Guarded {
    fn lock(&self) -> tk_lock::LockGuard<'_, isize> {
        loop {
            if let Some(guard) = self.in_use.try_lock() {
                return guard;
            }
            self.waits.fetch_add(1, Ordering::Relaxed);
            if self.sleeps.load(Ordering::Relaxed) {
                return self.in_use.lock();
            }
            std::thread::yield_now();
        }
    }
}

#[global_allocator]
static ALLOCATOR: Guarded = Guarded {
    in_use: Lock::new(0),
    sleeps: AtomicBool::new(false),
    waits: AtomicUsize::new(0),
};

/// Uses the kit and the allocator when it is dropped.
struct AtEnd(Vec<u8>);

impl Drop for AtEnd {
    fn drop(&mut self) {
        self.0 = vec![1; 100];
        let name = current().name();
        log::error!("{} ends", name.len());
    }
}

thread_local! {
    static OLD: RefCell<Option<AtEnd>> = const { RefCell::new(None) };
    static YOUNG: RefCell<Option<AtEnd>> = const { RefCell::new(None) };
}

/// Calls all operations that involve the thread's record.
fn live() {
    OLD.set(Some(AtEnd(Vec::new())));
    let me = current();
    YOUNG.set(Some(AtEnd(Vec::new())));
    me.set_name(format!("renamed {}", me.id()));
    log::error!("{me:?} logs");
    assert!(enumerate().contains(&me));
    assert!(at_thread_exit(Box::new(|| drop(vec![2; 200]))).is_ok());
    drop(Registration::new("never begins", true));
    me.on_finish(|| drop(vec![3; 300]));
    let value = me.attachment(|| std::sync::Arc::new(vec![4; 400]));
    assert_eq!(value.len(), 400);
}

/// Threads that come and go while the lock of the allocator is fought over.
fn many_lives() {
    static LIVES: Lock<u32> = Lock::new(0);
    let before = *LIVES.lock();
    let work = || {
        for _ in 0..10 {
            let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(live)).collect();
            *LIVES.lock() += 1;
            for thread in threads {
                thread.join().unwrap();
            }
        }
    };
    let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(work)).collect();
    // Names are made, dropped and read meanwhile.
    for round in 0..1000 {
        for thread in enumerate() {
            drop((
                thread.name(),
                format!("{thread:?} {:?} {round}", thread.blocked_on()),
            ));
        }
    }
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(*LIVES.lock(), before + 40);
}

fn main() {
    #[cfg(unix)]
    // SAFETY: a program that hangs is ended by the signal.
    unsafe {
        libc::alarm(120);
    }
    assert!(current().is_main() && current() == main_thread());
    assert_eq!(&*main_thread().name(), "MainThread");
    tk_core::logging::basic_config()
        .stream(std::io::sink())
        .init();

    many_lives();
    ALLOCATOR.sleeps.store(true, Ordering::Relaxed);
    many_lives();

    // Threads of the kit have their own names and numbers.
    let named = tk_thread::Builder::new()
        .name("of the kit")
        .spawn(|| current().name());
    assert_eq!(&*named.unwrap().join().unwrap(), "of the kit");
    tk_thread::main(|| {
        let threads: Vec<_> = (0..16)
            .map(|n| tk_thread::spawn(move || vec![n; n]))
            .collect();
        for (n, thread) in threads.into_iter().enumerate() {
            assert_eq!(thread.join().unwrap().len(), n);
        }
        tk_timer::Timer::new(std::time::Duration::from_millis(1), || drop(vec![5; 500]))
            .start()
            .join()
            .unwrap();
    });
    println!(
        "test allocator ... ok ({} waits)",
        ALLOCATOR.waits.load(Ordering::Relaxed)
    );
}
