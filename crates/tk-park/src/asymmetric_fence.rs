//! A pair of fences of which one costs nothing: for two sides that run at very different rates.
//!
//! Two threads each write one word and then read the other's. Without a fence between the write and
//! the read, both can read the old value, and each misses the other. With [`light`] on one side and
//! [`heavy`] on the other, at least one of them reads what the other has written:
//!
//! | often | rarely |
//! |---|---|
//! | writes A | writes B |
//! | [`light`]: a few instructions are kept in order | [`heavy`]: a system call, microseconds |
//! | reads B | reads A |
//!
//! Two calls of [`light`] order nothing between them. Two calls of [`heavy`], or a `heavy` and a
//! [`fence(SeqCst)`](std::sync::atomic::fence), order as two `fence(SeqCst)` do. In C++ this is
//! [P1202]: `asymmetric_thread_fence_light` and `asymmetric_thread_fence_heavy`.
//!
//! | state | set by | `light` | `heavy` |
//! |---|---|---|---|
//! | unavailable | the start | `fence(SeqCst)` | `fence(SeqCst)` |
//! | available | the registration, before `main` | keeps the compiler from reordering | the kernel interrupts each running thread of this process |
//! | refused | a `heavy` that the system has refused | `fence(SeqCst)` | `fence(SeqCst)`, and a pause |
//!
//! # Invariants
//!
//! **Interrupted.** While available, the call in `heavy` has the kernel interrupt each other thread
//! of the process that runs, with a full fence. The threads that do not run made one when they were
//! switched out, and make one before they run again. So the interruption falls somewhere into each
//! other thread's instructions, which the compiler has kept in order. If it falls before the read
//! of B, the thread reads the new B. If it falls after, it comes after the write of A too, and the
//! heavy side reads the new A.
//!
//! **Registered first.** The kernel does this only for processes that have registered. That costs a
//! microsecond or two before the process has a second thread, and tens of milliseconds afterwards.
//! So it happens before `main`, as in liburcu. A child of a fork inherits it.
//!
//! **Refused.** A sandbox that the program enters later may refuse the call. By then other threads
//! may have made a `light` that is no fence. Nothing can interrupt them any more. But what they
//! have written can stay in a processor's store buffer only for a moment, after which it is
//! visible. So `heavy` waits much longer than that. An algorithm that has asked `is_available`
//! before may go on without a fence after a refusal. So each `heavy` that is refused waits, not
//! only the first.
//!
//! [P1202]: https://www.open-std.org/jtc1/sc22/wg21/docs/papers/2022/p1202r5.pdf

/// Orders this thread's earlier writes before its later reads, for a thread that calls [`heavy`].
/// Never blocks.
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
/// use tk_park::asymmetric_fence;
///
/// /// Work that is done often, and can be closed.
/// #[derive(Default)]
/// struct Gate { inside: AtomicBool, closed: AtomicBool }
///
/// impl Gate {
///     /// For the one thread that works.
///     fn enter(&self) -> bool {
///         self.inside.store(true, Relaxed);
///         asymmetric_fence::light();
///         !self.closed.load(Relaxed)
///     }
///
///     /// Returns whether nobody is inside, or will be.
///     fn close(&self) -> bool {
///         self.closed.store(true, Relaxed);
///         asymmetric_fence::heavy();
///         !self.inside.load(Relaxed)
///     }
/// }
///
/// let gate = Gate::default();
/// assert!(gate.close());
/// assert!(!gate.enter());
/// ```
#[doc(alias = "asymmetric_thread_fence_light")]
#[inline]
pub fn light() {
    imp::light();
}

/// Orders this thread's earlier writes before its later reads, for all threads that call [`light`]
/// and for all that call `heavy`. Takes microseconds, and longer the more processors run threads of
/// this process, because each of these is interrupted and must answer. If a sandbox that the
/// program has entered refuses the call, it takes ten milliseconds instead.
///
/// See [`light`] for an example.
///
/// ```
/// tk_park::asymmetric_fence::heavy();
/// ```
#[doc(alias = "asymmetric_thread_fence_heavy")]
#[doc(alias = "membarrier")]
pub fn heavy() {
    imp::heavy();
}

/// Returns whether [`light`] costs less than a `fence(SeqCst)`. An algorithm that has another way,
/// which suits an ordinary fence better, asks this first.
///
/// True on Linux, unless the system refuses `membarrier`. False on other systems.
///
/// ```
/// let _ = tk_park::asymmetric_fence::is_available();
/// ```
#[inline]
pub fn is_available() -> bool {
    imp::is_available()
}

#[cfg(all(target_os = "linux", not(any(tk_loom, miri))))]
mod imp {
    use std::sync::atomic::{AtomicU8, Ordering::*, compiler_fence, fence};
    use std::time::{Duration, Instant};

    use rustix::thread::{MembarrierCommand, MembarrierQuery, membarrier, membarrier_query};

    const UNAVAILABLE: u8 = 0;
    const AVAILABLE: u8 = 1;
    const REFUSED: u8 = 2;

    static STATE: AtomicU8 = AtomicU8::new(UNAVAILABLE);

    /// Much longer than a store stays in a store buffer, which is less than a microsecond.
    const PAUSE: Duration = Duration::from_millis(10);

    /// Registered first: the loader calls what this section names before `main`, or when it loads
    /// the library that this crate is part of.
    #[used]
    // SAFETY: the loader expects pointers to functions of the C ABI here. It passes arguments,
    // which the function does not have to take.
    #[unsafe(link_section = ".init_array")]
    static REGISTER: extern "C" fn() = register;

    /// Uses nothing of the standard library that is not there before `main`.
    extern "C" fn register() {
        crate::processors::note();
        if call(MembarrierCommand::RegisterPrivateExpedited) {
            // Release: pairs with the Acquire in `is_available`. The registration comes first.
            STATE.store(AVAILABLE, Release);
        }
    }

    /// Returns whether the kernel has done it. A filter of system calls may say yes to all of them
    /// and do nothing, but then it does not say which commands there are.
    fn call(command: MembarrierCommand) -> bool {
        membarrier_query().contains(MembarrierQuery::PRIVATE_EXPEDITED)
            && membarrier(command).is_ok()
    }

    #[inline]
    pub(super) fn is_available() -> bool {
        STATE.load(Acquire) == AVAILABLE
    }

    #[inline]
    pub(super) fn light() {
        if is_available() {
            compiler_fence(SeqCst);
        } else {
            fence(SeqCst);
        }
    }

    pub(super) fn heavy() {
        // The call is made in any state, because another thread may know more than this one.
        if !call(MembarrierCommand::PrivateExpedited) {
            unregistered();
        }
        // The call is a full fence for this thread. This one keeps the compiler in order.
        fence(SeqCst);
    }

    #[cold]
    fn unregistered() {
        fence(SeqCst);
        if STATE.load(Acquire) != UNAVAILABLE {
            // Refused.
            STATE.store(REFUSED, Release);
            // Not a sleep: a sandbox may refuse that too, or pretend to it.
            let start = Instant::now();
            while start.elapsed() < PAUSE {
                std::thread::yield_now();
            }
        }
    }
}

/// Steps on one word stand for the interruption: if `heavy` comes after `light`, it sees what that
/// thread wrote before, and if it comes before, that thread sees what was written before `heavy`.
/// Unlike fences, `light` orders nothing for threads that make a fence and not `heavy`. Two `light`
/// are ordered here, though they need not be: a word for each thread would multiply the executions.
#[cfg(tk_loom)]
mod imp {
    use crate::sync::{AtomicU32, Ordering::*, fence, lazy_static};

    lazy_static! {
        static ref INTERRUPTION: AtomicU32 = AtomicU32::new(0);
    }

    pub(super) fn is_available() -> bool {
        true
    }

    pub(super) fn light() {
        INTERRUPTION.fetch_add(0, AcqRel);
    }

    pub(super) fn heavy() {
        INTERRUPTION.fetch_add(1, AcqRel);
        fence(SeqCst);
    }
}

#[cfg(not(any(tk_loom, all(target_os = "linux", not(miri)))))]
mod imp {
    use crate::sync::{Ordering::SeqCst, fence};

    #[inline]
    pub(super) fn is_available() -> bool {
        false
    }

    #[inline]
    pub(super) fn light() {
        fence(SeqCst);
    }

    pub(super) fn heavy() {
        fence(SeqCst);
    }
}
