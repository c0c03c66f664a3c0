//! Stop sources and tokens. `stop/node.rs` has the tree, and `stop/request.rs` how a request goes
//! through it.

mod callback;
mod list;
mod lock;
mod node;
mod request;
mod waits;

use std::fmt;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;

use callback::{Registration, Unregistered};
use node::Node;
use request::discard;
pub(crate) use waits::StopWaits;

use crate::{Limit, WaitError};

/// The side that requests a stop, and creates tokens.
///
/// A clone is another handle on the same state. Dropping a source requests nothing, unless it is a
/// [drop guard](StopSource::drop_guard).
///
/// ```
/// use tk_park::StopSource;
///
/// let source = StopSource::new();
/// let token = source.token();
/// assert!(!token.stop_requested());
///
/// assert!(source.request_stop());
/// assert!(token.stop_requested());
/// assert!(!source.request_stop()); // Only the first request counts.
/// ```
///
/// # Trees
///
/// A [child](StopToken::child) is stopped with its parent, and can be stopped alone.
/// [`StopSource::child_of`] creates a child of several parents, which is stopped with the first of
/// them. Children may have children, to any depth and in any number. Creating or dropping a child
/// takes the same time beside a million others. The time of a request is proportional to the number
/// of descendants.
///
/// A child keeps the state of its parents alive, and so does a registered callback. A request
/// reaches a descendant even if all sources and tokens in between have been dropped.
///
/// # Signals
///
/// A signal handler may call [`StopToken::stop_requested`] and [`StopSource::stop_requested`],
/// which are one load each, and nothing else of this module. It must not request a stop:
/// `request_stop` takes locks, and if the interrupted thread holds one of them, the handler waits
/// forever for the thread that it has interrupted. It must not create, clone or drop sources,
/// tokens and callbacks either.
///
/// To stop on Ctrl-C or another signal, let a thread wait for signals, and request the stop there.
/// The crates [`ctrlc`](https://docs.rs/ctrlc) and [`signal-hook`](https://docs.rs/signal-hook)
/// (`Signals::forever`) provide such a thread. `ctrlc` calls its handler in that thread, so the
/// handler may do anything.
///
/// ```standalone_crate
/// use std::sync::atomic::AtomicU32;
/// use tk_park::{Limit, StopSource, WaitError, WaitInfo, park};
///
/// let source = StopSource::new();
/// let token = source.token();
/// # #[cfg(unix)] {
/// // Not a signal handler, but a function that a thread of `ctrlc` calls.
/// ctrlc::set_handler(move || _ = source.request_stop()).unwrap();
///
/// # let kill = format!("kill -TERM {}", std::process::id());
/// # std::process::Command::new("sh").args(["-c", &kill]).spawn().unwrap().wait().unwrap();
/// // … the user presses Ctrl-C …
/// let word = AtomicU32::new(0);
/// let parked = park(&word, || true, &WaitInfo::new("work"), Limit::from(&token));
/// assert_eq!(parked, Err(WaitError::Stopped));
/// # }
/// ```
#[doc(alias = "std::stop_source")]
#[doc(alias = "CancellationTokenSource")]
#[derive(Clone)]
pub struct StopSource(Arc<Node>);

/// The side that is stopped. Every blocking call of the kit accepts a token, and ends when a stop
/// is requested.
///
/// See [`StopSource`]. A clone is another handle on the same state.
///
/// A call looks at its token only when it has to wait. A call that can succeed without waiting does
/// so, even if a stop has been requested. So a loop that may never have to wait must check
/// [`stop_requested`](StopToken::stop_requested) itself:
///
/// ```
/// use tk_park::{StopSource, StopToken};
///
/// fn work(token: &StopToken) -> u32 {
///     let mut rounds = 0;
///     while !token.stop_requested() && rounds < 3 {
///         rounds += 1;
///     }
///     rounds
/// }
///
/// assert_eq!(work(&StopSource::new().token()), 3);
/// ```
#[doc(alias = "std::stop_token")]
#[doc(alias = "CancellationToken")]
#[derive(Clone)]
pub struct StopToken(Arc<Node>);

impl StopSource {
    /// Creates a source of which no stop has been requested.
    ///
    /// ```
    /// assert!(!tk_park::StopSource::new().stop_requested());
    /// ```
    pub fn new() -> StopSource {
        StopSource(Node::root())
    }

    /// Creates a source that is stopped when the first of these tokens is, and that can be stopped
    /// alone. If one of the tokens is stopped already, so is the new source. Without tokens, this
    /// is [`StopSource::new`].
    ///
    /// ```
    /// use tk_park::StopSource;
    ///
    /// let (program, request) = (StopSource::new(), StopSource::new());
    /// let either = StopSource::child_of([&program.token(), &request.token()]);
    ///
    /// request.request_stop();
    /// assert!(either.stop_requested() && !program.stop_requested());
    /// ```
    #[doc(alias = "CreateLinkedTokenSource")]
    pub fn child_of<'a>(parents: impl IntoIterator<Item = &'a StopToken>) -> StopSource {
        // The iterator is user code, so it runs before anything else happens.
        let parents: Vec<_> = parents
            .into_iter()
            .map(|parent| Arc::clone(&parent.0))
            .collect();
        StopSource(Node::child_of(parents.into_iter()))
    }

    /// Returns a token of this source.
    ///
    /// ```
    /// let source = tk_park::StopSource::new();
    /// let _token = source.token();
    /// ```
    pub fn token(&self) -> StopToken {
        StopToken(Arc::clone(&self.0))
    }

    /// Requests the stop. Returns whether this was the first request.
    ///
    /// The request goes through this source and all its descendants in three steps:
    ///
    /// 1. Every token is stopped.
    /// 2. Every wait that carries one of the tokens is woken.
    /// 3. The callbacks are called, one after another, in this thread, with nothing locked: first
    ///    those of this source, then those of its children, then those of their children, and so
    ///    on. Children come in the order in which they were created, and callbacks of one token in
    ///    the order of their registration. A descendant with several parents comes with the first
    ///    of them.
    ///
    /// So a callback may wait for a thread that waits with any of the tokens. It may also request
    /// other stops, register and unregister callbacks, and drop any source, token or callback.
    ///
    /// If another request has stopped a descendant before, that request also wakes and calls
    /// everything below it. When this call returns, all descendants are stopped, whatever it
    /// returns. But callbacks that another request calls may still be running.
    ///
    /// Must not be called in a signal handler: see [Signals](StopSource#signals).
    ///
    /// # Panics
    ///
    /// If a callback panics. The first panic continues after all callbacks have been called.
    ///
    /// # In the child of a fork
    ///
    /// Tokens work in the child as in its parent. A request that another thread was making at the
    /// time of the fork ends where it was: it may have reached some of the descendants and not
    /// the others.
    ///
    /// ```
    /// let source = tk_park::StopSource::new();
    /// assert!(source.request_stop());
    /// assert!(!source.request_stop());
    /// ```
    #[doc(alias = "cancel")]
    pub fn request_stop(&self) -> bool {
        self.0.request_stop()
    }

    /// Returns whether a stop has been requested. This is one load, and allowed in a signal
    /// handler.
    ///
    /// ```
    /// assert!(!tk_park::StopSource::new().stop_requested());
    /// ```
    #[inline]
    pub fn stop_requested(&self) -> bool {
        self.0.stop_requested()
    }

    /// Returns a guard that requests the stop when it is dropped, including by a panic or an early
    /// return.
    ///
    /// ```
    /// use tk_park::StopSource;
    ///
    /// let source = StopSource::new();
    /// let token = source.token();
    /// {
    ///     let _guard = source.drop_guard();
    ///     assert!(!token.stop_requested());
    /// }
    /// assert!(token.stop_requested());
    /// ```
    pub fn drop_guard(self) -> DropGuard {
        DropGuard { source: Some(self) }
    }
}

impl StopToken {
    fn node(&self) -> &Node {
        &self.0
    }

    /// Returns whether a stop has been requested. This is one load, and allowed in a signal
    /// handler.
    ///
    /// ```
    /// let source = tk_park::StopSource::new();
    /// let token = source.token();
    /// source.request_stop();
    /// assert!(token.stop_requested());
    /// ```
    #[inline]
    pub fn stop_requested(&self) -> bool {
        self.0.stop_requested()
    }

    /// Registers a function that is called once when a stop is requested, in the thread that
    /// requests it. If a stop has been requested already, calls `f` now, in this thread.
    ///
    /// Nothing is locked while `f` runs. If the returned handle is dropped before the request, `f`
    /// is dropped without a call. [`StopCallback`] describes a drop while `f` runs.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicBool, Ordering};
    /// use std::sync::Arc;
    /// use tk_park::StopSource;
    ///
    /// let source = StopSource::new();
    /// let stopping = Arc::new(AtomicBool::new(false));
    /// let callback = source.token().on_stop({
    ///     let stopping = Arc::clone(&stopping);
    ///     move || stopping.store(true, Ordering::Relaxed)
    /// });
    /// source.request_stop();
    /// assert!(stopping.load(Ordering::Relaxed));
    /// # drop(callback);
    /// ```
    #[doc(alias = "std::stop_callback")]
    #[doc(alias = "CancellationToken.Register")]
    #[track_caller]
    pub fn on_stop(&self, f: impl FnOnce() + Send + 'static) -> StopCallback {
        if self.stop_requested() {
            f();
            return StopCallback(None);
        }
        match Registration::new(&self.0, Box::new(f), Location::caller()) {
            Ok(registration) => StopCallback(Some(registration)),
            Err(f) => {
                f();
                StopCallback(None)
            }
        }
    }

    /// Creates a source that is stopped when this token is, and that can be stopped alone. If this
    /// token is stopped already, so is the new source.
    ///
    /// ```
    /// use tk_park::StopSource;
    ///
    /// let program = StopSource::new();
    /// let request = program.token().child();
    /// let other = program.token().child();
    ///
    /// request.request_stop();
    /// assert!(!program.stop_requested() && !other.stop_requested());
    ///
    /// program.request_stop();
    /// assert!(other.stop_requested());
    /// ```
    #[doc(alias = "child_token")]
    pub fn child(&self) -> StopSource {
        StopSource(Node::child_of(std::iter::once(Arc::clone(&self.0))))
    }
}

/// A function registered with [`StopToken::on_stop`]. Dropping this unregisters it.
///
/// When the drop returns, the function has ended or will never run. So the drop blocks while the
/// function runs in another thread, without a limit. The record of the thread shows this wait as a
/// `stop callback`, with the line of the registration and the thread that runs the function. A drop
/// inside of the function itself does not block.
///
/// [`unregister`](StopCallback::unregister) does not block, and
/// [`unregister_with`](StopCallback::unregister_with) blocks until a limit.
///
/// ```
/// use tk_park::{StopCallback, StopSource};
///
/// let source = StopSource::new();
/// let callback: StopCallback = source.token().on_stop(|| panic!("it is never called"));
/// drop(callback); // Before the stop: it never runs.
/// source.request_stop();
/// ```
#[must_use = "the function is forgotten when this is dropped"]
pub struct StopCallback(Option<Registration>);

impl StopCallback {
    /// Unregisters the function without blocking. Returns `true` if the function will never run; it
    /// has been dropped. Returns `false` if it has been called, and may still be running.
    ///
    /// ```
    /// use tk_park::StopSource;
    ///
    /// let source = StopSource::new();
    /// let (first, second) = (source.token().on_stop(|| ()), source.token().on_stop(|| ()));
    /// assert!(first.unregister());
    /// source.request_stop();
    /// assert!(!second.unregister());
    /// ```
    #[doc(alias = "CancellationTokenRegistration.Unregister")]
    pub fn unregister(mut self) -> bool {
        self.0
            .take()
            .is_some_and(|registration| matches!(registration.unregister(), Unregistered::Never))
    }

    /// Unregisters the function, and blocks until the limit while it runs in another thread.
    /// Returns what [`unregister`](StopCallback::unregister) returns.
    ///
    /// # Errors
    ///
    /// If the limit is reached while the function runs in another thread.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tk_park::StopSource;
    ///
    /// let source = StopSource::new();
    /// let callback = source.token().on_stop(|| ());
    /// source.request_stop();
    /// assert_eq!(callback.unregister_with(Duration::from_secs(1)), Ok(false));
    /// ```
    pub fn unregister_with<'l>(mut self, limit: impl Into<Limit<'l>>) -> Result<bool, WaitError> {
        let limit = limit.into();
        let Some(registration) = self.0.take() else {
            return Ok(false);
        };
        match registration.unregister() {
            Unregistered::Never => Ok(true),
            Unregistered::Called => registration.wait(limit).map(|()| false),
        }
    }
}

impl Drop for StopCallback {
    fn drop(&mut self) {
        let Some(registration) = self.0.take() else {
            return;
        };
        if let Unregistered::Called = registration.unregister() {
            // Without a limit, the wait can't fail.
            let _ended = registration.wait(Limit::never());
        }
    }
}

/// Requests the stop of its source when it is dropped. Created by [`StopSource::drop_guard`].
///
/// It dereferences to the source.
///
/// If the guard is dropped by a panic, and a callback panics too, the second panic is swallowed,
/// because it would abort the program.
///
/// ```
/// use tk_park::{DropGuard, StopSource};
///
/// let guard: DropGuard = StopSource::new().drop_guard();
/// let token = guard.token();
/// drop(guard);
/// assert!(token.stop_requested());
/// ```
#[derive(Debug)]
#[must_use = "the stop is requested when this is dropped"]
pub struct DropGuard {
    /// Taken by `disarm`, and in the drop.
    source: Option<StopSource>,
}

impl DropGuard {
    /// Returns the source without requesting a stop.
    ///
    /// ```
    /// let guard = tk_park::StopSource::new().drop_guard();
    /// let source = guard.disarm();
    /// assert!(!source.stop_requested());
    /// ```
    #[must_use = "the source is dropped"]
    pub fn disarm(mut self) -> StopSource {
        let source = self.source.take();
        source.expect("it is taken once")
    }
}

impl Deref for DropGuard {
    type Target = StopSource;

    fn deref(&self) -> &StopSource {
        self.source.as_ref().expect("it is taken at the end")
    }
}

impl Drop for DropGuard {
    fn drop(&mut self) {
        let Some(source) = self.source.take() else {
            return;
        };
        if !std::thread::panicking() {
            source.request_stop();
        } else if let Err(payload) = catch_unwind(AssertUnwindSafe(|| source.request_stop())) {
            discard(payload);
        }
    }
}

impl Default for StopSource {
    fn default() -> Self {
        StopSource::new()
    }
}

impl fmt::Debug for StopSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopSource")
            .field("stop_requested", &self.stop_requested())
            .field("child", &self.0.has_parents())
            .finish()
    }
}

impl fmt::Debug for StopToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopToken")
            .field("stop_requested", &self.stop_requested())
            .finish()
    }
}

impl fmt::Debug for StopCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StopCallback").finish_non_exhaustive()
    }
}
