//! Functions that every thread calls when it begins and when it ends.
//!
//! **Replaced, not changed.** The list of functions is immutable. A registration replaces it by a
//! copy, so a thread calls the functions of the list that it has read, with nothing locked. The
//! functions are the user's, so no list is dropped with the lock held.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tk_core::__private::drop_guarded;
use tk_core::__private::fork::{Kept, Mutex};

use crate::{Thread, catch_panic};

/// The list: *replaced, not changed*. The child of a fork has it too.
static HOOKS: Mutex<Kept<Arc<Vec<Entry>>>> = Mutex::constant(Kept::none());

/// The length of the list. A program without hooks takes no lock for them.
static COUNT: AtomicUsize = AtomicUsize::new(0);

#[derive(Clone)]
struct Entry {
    number: u64,
    moment: Moment,
    function: Arc<dyn Fn(&Thread) + Send + Sync>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    Start,
    Exit,
}

/// Makes every thread that the kit starts from now on call `f` before its own function. Hooks are
/// called in the order of their registration.
///
/// A panic in `f` is reported to the [excepthook](crate::set_excepthook), and the thread goes on.
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// static STARTED: AtomicU32 = AtomicU32::new(0);
///
/// let hook = tk_thread::on_thread_start(|thread| {
///     println!("{} begins", thread.name());
///     STARTED.fetch_add(1, Ordering::Relaxed);
/// });
/// tk_thread::spawn(|| ()).join().unwrap();
/// drop(hook);
/// tk_thread::spawn(|| ()).join().unwrap();
/// assert_eq!(STARTED.load(Ordering::Relaxed), 1);
/// ```
#[doc(alias = "threading.settrace")]
#[doc(alias = "threading.setprofile")]
pub fn on_thread_start(f: impl Fn(&Thread) + Send + Sync + 'static) -> ThreadHook {
    register(Moment::Start, Arc::new(f))
}

/// Makes every thread of the kit that ends from now on call `f` after its own function, whether
/// that has returned or panicked. Hooks are called in the reverse order of their registration. The
/// thread's thread-local values still exist.
///
/// A panic in `f` is reported to the [excepthook](crate::set_excepthook), and does not change what
/// the thread returns.
///
/// ```
/// use std::sync::mpsc;
///
/// let (sender, receiver) = mpsc::channel();
/// let hook = tk_thread::on_thread_exit(move |thread| sender.send(thread.id()).unwrap());
/// let thread = tk_thread::spawn(|| ());
/// assert_eq!(receiver.recv().unwrap(), thread.id());
/// # drop(hook);
/// ```
#[doc(alias = "threading.settrace")]
#[doc(alias = "threading.setprofile")]
pub fn on_thread_exit(f: impl Fn(&Thread) + Send + Sync + 'static) -> ThreadHook {
    register(Moment::Exit, Arc::new(f))
}

fn register(moment: Moment, function: Arc<dyn Fn(&Thread) + Send + Sync>) -> ThreadHook {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    let entry = Entry {
        number,
        moment,
        function,
    };
    change(|list| list.push(entry.clone()));
    ThreadHook { number }
}

/// Replaces the list by a changed copy. Nothing is allocated or dropped with the list locked.
fn change(change: impl Fn(&mut Vec<Entry>)) {
    loop {
        let old = HOOKS.lock().get().cloned();
        let mut list = old.as_deref().cloned().unwrap_or_default();
        change(&mut list);
        let (length, new) = (list.len(), Some(Arc::new(list)));
        let mut hooks = HOOKS.lock();
        let is_old = hooks.get().map(Arc::as_ptr) == old.as_ref().map(Arc::as_ptr);
        if is_old {
            let replaced = hooks.replace(new);
            COUNT.store(length, Ordering::Relaxed);
            drop(hooks);
            // The last thread that has the old list drops its functions, which are the user's.
            drop_guarded((replaced, old));
            return;
        }
        drop(hooks);
        drop_guarded((new, old));
    }
}

/// Calls the hooks of this moment, with nothing locked.
#[inline]
pub(crate) fn call(moment: Moment, thread: &Thread) {
    // Relaxed: a thread that was started after a registration sees it, because its start orders
    // both.
    if COUNT.load(Ordering::Relaxed) != 0 {
        call_all(moment, thread);
    }
}

#[cold]
fn call_all(moment: Moment, thread: &Thread) {
    let hooks = HOOKS.lock().get().cloned();
    let mut ours: Vec<_> = hooks
        .iter()
        .flat_map(|list| list.iter())
        .filter(|hook| hook.moment == moment)
        .cloned()
        .collect();
    drop_guarded(hooks);
    if moment == Moment::Exit {
        ours.reverse();
    }
    for hook in ours {
        // A panic has been reported.
        let result = catch_panic(|| (hook.function)(thread));
        drop_guarded((result, hook));
    }
}

/// The registration of a function with [`on_thread_start`] or [`on_thread_exit`].
///
/// The drop unregisters the function. Threads that begin or end after that do not call it. A thread
/// that begins or ends at the same time may call it.
///
/// ```
/// tk_thread::on_thread_start(|thread| println!("{} begins", thread.name())).keep(); // Forever.
/// ```
#[must_use = "the function is unregistered when this is dropped"]
pub struct ThreadHook {
    number: u64,
}

impl ThreadHook {
    /// Leaves the function registered forever.
    ///
    /// ```
    /// use std::sync::mpsc;
    ///
    /// let (sender, names) = mpsc::channel();
    /// tk_thread::on_thread_start(move |thread| sender.send(thread.name()).unwrap()).keep();
    /// tk_thread::Builder::new().name("painter").spawn(|| ())?;
    /// assert_eq!(names.recv().unwrap(), "painter");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn keep(self) {
        std::mem::forget(self);
    }
}

impl Drop for ThreadHook {
    fn drop(&mut self) {
        change(|list| list.retain(|hook| hook.number != self.number));
    }
}

impl fmt::Debug for ThreadHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ThreadHook")
    }
}
