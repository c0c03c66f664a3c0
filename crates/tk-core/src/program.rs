//! Programs: what a call of `tk_thread::main` runs and waits for.
//!
//! Every thread belongs to a program, which it takes from the thread that started it. The main thread and threads that the
//! kit did not start belong to the program of the process. A call of `main` on another thread than the main one (in a test,
//! say) makes a program of its own; so the end of one program refuses nothing to another.
//!
//! # The word of a program
//!
//! | generation | ended | count | meaning |
//! |---|---|---|---|
//! | this process's | 0 | n | n tokens hold the program open |
//! | this process's | 1 | n | the program has ended, with n tokens left behind; there will be no more |
//! | another one | any | any | the word was written before a fork: this process's program has no tokens and has not ended |
//!
//! # Invariants
//!
//! 1. *One step*: whether a program has no tokens, and that it gets none from now on, is decided by one compare-exchange.
//! 2. *A fork starts from zero*: each operation reads a word of another generation as zero, and writes its own
//!    generation. So the child of a fork need not visit the programs, and tokens of threads that it does not have hold
//!    nothing open in it.
//! 3. *The list of exit hooks is closed before the first hook runs*, so that no hook is added and forgotten.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::fork::{Inherit, Mutex};
use crate::record::Callback;
use crate::{Holder, ShuttingDown, ThreadRecord, current, fork, keep_alive};

const COUNT: u64 = ENDED - 1;
const ENDED: u64 = 1 << 31;

/// The program that a thread belongs to.
#[derive(Clone)]
pub struct Program(Option<Arc<State>>);

struct State {
    word: AtomicU64,
    /// The thread that called `main`, if it is another one than the main thread.
    main: Option<ThreadRecord>,
    main_has_returned: AtomicBool,
    hooks: Mutex<Hooks>,
}

/// What `at_exit` has collected; `Closed` from the moment when the hooks run.
enum Hooks {
    /// The latest comes first.
    Open(Option<Box<Hook>>),
    Closed,
}

struct Hook {
    f: Callback,
    next: Option<Box<Hook>>,
}

impl Inherit for Hooks {
    fn anew() -> Hooks {
        Hooks::Open(None)
    }
}

/// A thread that is in the child of a fork belongs to the program that it belonged to. Its program is not known if another
/// thread has just looked it up.
impl Inherit for Program {
    fn anew() -> Program {
        Program::root()
    }
}

/// The program of the process: `Program(None)`.
static ROOT: State = State::new();

/// What is called when a program's last token is dropped.
static ON_LAST: Mutex<Wake> = Mutex::constant(Wake(None));

#[derive(Clone, Copy)]
struct Wake(Option<fn()>);

impl Inherit for Wake {
    fn anew() -> Wake {
        Wake(None)
    }
}

thread_local! {
    /// Whether the calling thread's program is another one than that of the process. Without a destructor.
    static OWN: Cell<bool> = const { Cell::new(false) };
}

impl State {
    const fn new() -> State {
        State {
            word: AtomicU64::new(0),
            main: None,
            main_has_returned: AtomicBool::new(false),
            hooks: Mutex::constant(Hooks::Open(None)),
        }
    }
}

/// The generation's bits in a word of this process.
fn generation() -> u64 {
    u64::from(fork::generation()) << 32
}

/// The word as this process reads it: invariant 2.
fn of_this_process(word: u64) -> u64 {
    let generation = generation();
    if word & !(ENDED | COUNT) == generation {
        word
    } else {
        generation
    }
}

impl Program {
    /// The number of this process: two equal ones are of one process.
    pub fn process() -> u32 {
        fork::generation()
    }

    /// The program of the process, which the main thread belongs to.
    pub fn root() -> Program {
        Program(None)
    }

    /// A new one, for a call of `main` on this thread, which is another one than the main thread.
    pub fn of(main: ThreadRecord) -> Program {
        Program(Some(Arc::new(State {
            main: Some(main),
            ..State::new()
        })))
    }

    /// The thread that called `main`, if it is another one than the main thread.
    pub fn main(&self) -> Option<&ThreadRecord> {
        self.state().main.as_ref()
    }

    /// Whether the function that was given to `main` by a thread other than the main one has returned.
    pub fn main_has_returned(&self) -> bool {
        // Acquire: pairs with the Release in `note_return`.
        self.state().main_has_returned.load(Ordering::Acquire)
    }

    /// The function that was given to `main` has returned.
    pub fn note_return(&self) {
        // Release: a thread that has joined the one that called `main` sees what the function did.
        self.state()
            .main_has_returned
            .store(true, Ordering::Release);
    }

    /// The calling thread's.
    #[inline]
    pub fn current() -> Program {
        if OWN.get() {
            current::current().program()
        } else {
            Program(None)
        }
    }

    /// Has the calling thread belong to this program, and returns the one that it belonged to.
    pub fn enter(&self) -> Program {
        let before = current::current().set_program(self.clone());
        self.note();
        before
    }

    /// The calling thread has got a record with this program.
    pub(crate) fn note(&self) {
        OWN.set(self.0.is_some());
    }

    fn state(&self) -> &State {
        self.0.as_deref().unwrap_or(&ROOT)
    }

    /// Whether the calling thread is the one that may begin the program anew when it has ended: the main thread, which is
    /// in the function that called `main`, after that has returned.
    fn may_begin_anew(&self) -> bool {
        self.0.is_none() && current::current().is_main()
    }

    /// Counts one more token.
    pub(crate) fn hold(&self) -> Result<(), ShuttingDown> {
        let word = &self.state().word;
        let take = |word| {
            let word = of_this_process(word);
            (word & ENDED == 0).then_some(word + 1)
        };
        // Relaxed: a thread that holds a token already keeps the count from zero; nothing is published.
        if word
            .try_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .is_ok()
        {
            return Ok(());
        }
        if !self.may_begin_anew() {
            return Err(ShuttingDown::new());
        }
        self.begin();
        Ok(())
    }

    /// Whether a token could be taken now.
    pub(crate) fn check(&self) -> Result<(), ShuttingDown> {
        let word = of_this_process(self.state().word.load(Ordering::Relaxed));
        if word & ENDED == 0 || self.may_begin_anew() {
            Ok(())
        } else {
            Err(ShuttingDown::new())
        }
    }

    /// Takes a token also if the program has ended: it begins anew.
    pub(crate) fn begin(&self) {
        let _ = self
            .state()
            .word
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
                Some((of_this_process(word) & !ENDED) + 1)
            });
    }

    /// Gives back a token of this process.
    pub fn release(&self) {
        // Release: pairs with the Acquire in `tokens` and `end`. The chain of decrements is one release sequence.
        let word = self.state().word.fetch_sub(1, Ordering::Release);
        if word & (ENDED | COUNT) != 1 {
            return;
        }
        // Either this thread finds the function, or it has had the lock before the thread that sets the function, which then
        // finds the count at zero.
        let Wake(wake) = *ON_LAST.lock();
        if let Some(wake) = wake {
            wake();
        }
    }

    /// How many tokens hold the program open.
    pub fn tokens(&self) -> usize {
        // Acquire: pairs with the Release in `release`, so that a thread that reads zero sees all that the holders did.
        let word = of_this_process(self.state().word.load(Ordering::Acquire));
        (word & COUNT) as usize
    }

    /// Ends the program if there is no token, and says whether that is so. From here on none can be taken.
    pub fn end(&self) -> bool {
        let end = |word| {
            let word = of_this_process(word);
            (word & COUNT == 0).then_some(word | ENDED)
        };
        // Acquire: as in `tokens`.
        self.state()
            .word
            .try_update(Ordering::Acquire, Ordering::Acquire, end)
            .is_ok()
    }

    /// Ends the program, whatever holds it open.
    pub fn end_now(&self) {
        let end = |word| Some(of_this_process(word) | ENDED);
        let _ = self
            .state()
            .word
            .try_update(Ordering::Acquire, Ordering::Acquire, end);
    }

    /// Sets the function that is called, by the thread that drops it, after the last token of a program is gone. It may be
    /// called when a new token exists already: read the count again. Only the first function is kept.
    pub fn on_last(wake: fn()) {
        ON_LAST.lock().0.get_or_insert(wake);
    }

    /// Opens the list of exit hooks again if it is closed.
    pub fn open_hooks(&self) {
        let mut hooks = self.state().hooks.lock();
        if matches!(*hooks, Hooks::Closed) {
            *hooks = Hooks::Open(None);
        }
    }

    /// Adds an exit hook. Gives it back if the hooks are running, or have run.
    pub fn at_exit(&self, f: Callback) -> Result<(), Callback> {
        // Made before the lock is taken, and freed after it is given back.
        let mut hook = Box::new(Hook { f, next: None });
        let mut hooks = self.state().hooks.lock();
        match &mut *hooks {
            Hooks::Open(latest) => {
                hook.next = latest.take();
                *latest = Some(hook);
                Ok(())
            }
            Hooks::Closed => {
                drop(hooks);
                Err(hook.f)
            }
        }
    }

    /// Closes the list of exit hooks, and returns them, the latest first.
    pub fn close_hooks(&self) -> impl Iterator<Item = Callback> + use<> {
        let hooks = std::mem::replace(&mut *self.state().hooks.lock(), Hooks::Closed);
        let mut latest = match hooks {
            Hooks::Open(latest) => latest,
            Hooks::Closed => None,
        };
        std::iter::from_fn(move || {
            let hook = latest.take()?;
            latest = hook.next;
            Some(hook.f)
        })
    }

    /// What holds the program open beside threads: the tokens that the program has taken by itself, and timers.
    pub fn holders(&self) -> Vec<Holder> {
        keep_alive::holders(self)
    }

    /// Whether this thread belongs to the program.
    pub fn has(&self, record: &ThreadRecord) -> bool {
        *self == record.program()
    }
}

impl PartialEq for Program {
    fn eq(&self, other: &Program) -> bool {
        std::ptr::eq(self.state(), other.state())
    }
}

impl Eq for Program {}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Program")
            .field("of_the_process", &self.0.is_none())
            .field("tokens", &self.tokens())
            .finish()
    }
}
