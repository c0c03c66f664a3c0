//! Programs: what a call of `tk_thread::main` runs and waits for.
//!
//! Each thread belongs to a program, which it inherits from the thread that started it. The main
//! thread, and threads that tk did not start, belong to the program of the process. A call of
//! `main` on another thread than the main one, such as in a test, makes its own program. So the end
//! of one program refuses nothing to another.
//!
//! # The word of a program, and operations
//!
//! The word has a generation, a flag `CLOSED` and a count of tokens.
//!
//! | generation | flag | count | `hold` | `release` | `try_close` | `close` | `reopen` |
//! |---|---|---|---|---|---|---|---|
//! | this | open | 0 | 1 | – | closed | closed | 1 |
//! | this | open | n | n + 1 | n - 1 | `false` | closed, n | n + 1 |
//! | this | closed | n | an error | n - 1 | `true` if n is 0 | – | open, n + 1 |
//! | another | any | any | like open, 0 | – | like open, 0 | like open, 0 | like open, 0 |
//!
//! A closed program with n tokens was closed without waiting for them. A word of another generation
//! was written before a fork: the program of this process is open and has no tokens. The main
//! thread is an exception: after `main` has returned to it, its `hold` reopens the program.
//!
//! # Invariants
//!
//! **One step.** One compare-exchange decides that a program has no tokens, and that it gets none
//! from then on.
//!
//! **A fork starts from zero.** Each operation reads a word of another generation as zero, and
//! writes its own generation. So the child of a fork need not visit the programs, and tokens of
//! threads that it does not have hold nothing open.
//!
//! **Hooks are closed first.** The list of exit hooks is closed before the first hook runs, so each
//! hook either runs or is returned to its caller.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::callbacks::Callback;
use crate::fork::{Inherit, Kept, Mutex};
use crate::guard::drop_guarded;
use crate::{Holder, ShuttingDown, ThreadRecord, current, fork, holder};

const COUNT: u64 = CLOSED - 1;
const CLOSED: u64 = 1 << 31;

/// The program that a thread belongs to.
#[derive(Clone)]
pub struct Program(Option<Arc<State>>);

struct State {
    word: AtomicU64,
    /// The thread that called `main`, unless that is the main thread.
    main: Option<ThreadRecord>,
    main_has_returned: AtomicBool,
    /// The exit hook that was added last. The child of a fork has the hooks too.
    hooks: Mutex<Kept<Arc<Hook>>>,
    /// From when the hooks run (*hooks are closed first*). Changed with the hooks locked.
    hooks_are_closed: AtomicBool,
}

struct Hook {
    /// Until it runs.
    f: Mutex<Option<Callback>>,
    /// The one that was added before.
    next: Option<Arc<Hook>>,
}

impl Drop for Hook {
    fn drop(&mut self) {
        // A loop, because recursion could overflow the stack.
        let mut next = self.next.take();
        while let Some(mut hook) = next.and_then(Arc::into_inner) {
            next = hook.next.take();
        }
    }
}

/// The program of the process: `Program(None)`.
static ROOT: State = State::new();

/// The function that is called when a program's last token is dropped.
static ON_ZERO: Mutex<Wake> = Mutex::constant(Wake(None));

#[derive(Clone, Copy)]
struct Wake(Option<fn()>);

impl Inherit for Wake {
    fn anew() -> Wake {
        Wake(None)
    }
}

thread_local! {
    /// Whether the calling thread's program is not that of the process. Without a destructor.
    static HAS_OWN: Cell<bool> = const { Cell::new(false) };
}

impl State {
    const fn new() -> State {
        State {
            word: AtomicU64::new(0),
            main: None,
            main_has_returned: AtomicBool::new(false),
            hooks: Mutex::constant(Kept::none()),
            hooks_are_closed: AtomicBool::new(false),
        }
    }
}

/// The bits of this process's generation in a word.
fn generation() -> u64 {
    u64::from(fork::generation()) << 32
}

/// The word as this process reads it (*a fork starts from zero*).
fn of_this_process(word: u64) -> u64 {
    let generation = generation();
    if word & !(CLOSED | COUNT) == generation {
        word
    } else {
        generation
    }
}

impl Program {
    /// Returns the generation of this process.
    pub fn process() -> u32 {
        fork::generation()
    }

    /// The program of the process, to which the main thread belongs.
    pub fn root() -> Program {
        Program(None)
    }

    /// Creates a program for a call of `main` on this thread, which is not the main thread.
    pub fn of(main: ThreadRecord) -> Program {
        Program(Some(Arc::new(State {
            main: Some(main),
            ..State::new()
        })))
    }

    /// The thread that called `main`, unless that is the main thread.
    pub fn main(&self) -> Option<&ThreadRecord> {
        self.state().main.as_ref()
    }

    /// Returns whether the main function has returned, of a program that is not that of the
    /// process.
    pub fn main_has_returned(&self) -> bool {
        // Acquire: pairs with the Release in `note_return`.
        self.state().main_has_returned.load(Ordering::Acquire)
    }

    /// Notes that the main function has returned.
    pub fn note_return(&self) {
        // Release: a thread that has joined the one that called `main` sees what the function did.
        self.state()
            .main_has_returned
            .store(true, Ordering::Release);
    }

    /// Returns the calling thread's program.
    #[inline]
    pub fn current() -> Program {
        // Most threads belong to the program of the process, and need not look at their record.
        if HAS_OWN.get() {
            current::current().program()
        } else {
            Program(None)
        }
    }

    /// Moves the calling thread to this program, and returns the one that it belonged to.
    pub fn enter(&self) -> Program {
        let before = current::current().set_program(self.clone());
        // After the record, which `Program::current` reads if this flag is set.
        self.note();
        before
    }

    /// Notes that the calling thread's record has this program.
    pub(crate) fn note(&self) {
        HAS_OWN.set(self.0.is_some());
    }

    fn state(&self) -> &State {
        self.0.as_deref().unwrap_or(&ROOT)
    }

    /// Whether the calling thread may reopen the program: the main thread may, when `main` has
    /// returned to it.
    fn may_reopen(&self) -> bool {
        self.0.is_none() && current::current().is_main()
    }

    /// Takes a token.
    pub(crate) fn hold(&self) -> Result<(), ShuttingDown> {
        let word = &self.state().word;
        let take = |word| {
            let word = of_this_process(word);
            (word & CLOSED == 0).then_some(word + 1)
        };
        // Relaxed: taking a token publishes nothing. The program stays open meanwhile, because
        // either another token holds it open, or this exchange comes before the one of `try_close`.
        if word
            .try_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .is_ok()
        {
            return Ok(());
        }
        if !self.may_reopen() {
            return Err(ShuttingDown::new());
        }
        self.reopen();
        Ok(())
    }

    /// Returns whether a token could be taken now.
    pub fn is_open(&self) -> bool {
        let word = of_this_process(self.state().word.load(Ordering::Relaxed));
        word & CLOSED == 0 || self.may_reopen()
    }

    /// Takes a token, and reopens the program if it is closed.
    pub(crate) fn reopen(&self) {
        let _ = self
            .state()
            .word
            .try_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
                // The flag and the count in one step, so that `try_close` cannot come between.
                Some((of_this_process(word) & !CLOSED) + 1)
            });
    }

    /// Returns a token that was taken in this process.
    pub fn release(&self) {
        // Release: pairs with the Acquire in `tokens` and `try_close`. The decrements form one
        // release sequence, so the reader of zero sees what all holders did.
        let word = self.state().word.fetch_sub(1, Ordering::Release);
        if word & (CLOSED | COUNT) != 1 {
            // Not the last token, or nobody waits for a closed program.
            return;
        }
        // If this thread does not find the function, it had the lock before the thread that sets
        // it. Then that thread finds the count at zero.
        let Wake(wake) = *ON_ZERO.lock();
        if let Some(wake) = wake {
            wake();
        }
    }

    /// Returns the number of tokens that hold the program open.
    pub fn tokens(&self) -> usize {
        // Acquire: pairs with the Release in `release`.
        let word = of_this_process(self.state().word.load(Ordering::Acquire));
        (word & COUNT) as usize
    }

    /// Closes the program if it has no tokens, and returns whether it had none (*one step*).
    pub fn try_close(&self) -> bool {
        let close = |word| {
            let word = of_this_process(word);
            (word & COUNT == 0).then_some(word | CLOSED)
        };
        // Acquire: pairs with the Release in `release`.
        self.state()
            .word
            .try_update(Ordering::Acquire, Ordering::Acquire, close)
            .is_ok()
    }

    /// Closes the program, whatever holds it open.
    pub fn close(&self) {
        let close = |word| Some(of_this_process(word) | CLOSED);
        let _ = self
            .state()
            .word
            .try_update(Ordering::Acquire, Ordering::Acquire, close);
    }

    /// Sets the function that is called after a program's last token is dropped, by the thread that
    /// has dropped it. Only the first function is kept.
    ///
    /// A new token may exist when it is called, so it has to read the count again.
    pub fn on_zero(wake: fn()) {
        ON_ZERO.lock().0.get_or_insert(wake);
    }

    /// Opens the list of exit hooks again if it is closed.
    pub fn open_hooks(&self) {
        let state = self.state();
        let mut hooks = state.hooks.lock();
        // Relaxed, here and below: the hooks are locked.
        if state.hooks_are_closed.load(Ordering::Relaxed) {
            // A thread that was about to run these was lost in a fork.
            let lost = hooks.replace(None);
            state.hooks_are_closed.store(false, Ordering::Relaxed);
            drop(hooks);
            drop_guarded(lost);
        }
    }

    /// Adds an exit hook. Returns it if the hooks are running or have run.
    pub fn at_exit(&self, f: Callback) -> Result<(), Callback> {
        let state = self.state();
        let mut f = Some(f);
        loop {
            // Nothing is allocated or freed with the hooks locked.
            let latest = state.hooks.lock().get().cloned();
            let hook = Arc::new(Hook {
                f: Mutex::new(f.take()),
                next: latest.clone(),
            });
            let mut hooks = state.hooks.lock();
            let is_closed = state.hooks_are_closed.load(Ordering::Relaxed);
            if !is_closed && hooks.get().map(Arc::as_ptr) == latest.as_ref().map(Arc::as_ptr) {
                let before = hooks.replace(Some(hook));
                drop(hooks);
                drop(before);
                return Ok(());
            }
            drop(hooks);
            f = hook.f.lock().take();
            if is_closed {
                return Err(f.expect("it has not run"));
            }
        }
    }

    /// Closes the list of exit hooks, and returns them. The one that was added last is first.
    pub fn close_hooks(&self) -> impl Iterator<Item = Callback> + use<> {
        let mut hooks = self.state().hooks.lock();
        self.state().hooks_are_closed.store(true, Ordering::Relaxed);
        let mut latest = hooks.replace(None);
        drop(hooks);
        std::iter::from_fn(move || {
            loop {
                let hook = latest.take()?;
                latest = hook.next.clone();
                let f = hook.f.lock().take();
                if f.is_some() {
                    return f;
                }
            }
        })
    }

    /// Returns what holds the program open, except for threads: listed tokens and timers.
    pub fn holders(&self) -> Vec<Holder> {
        holder::holders(self)
    }

    /// Returns whether this thread belongs to the program.
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
