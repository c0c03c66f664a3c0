//! Asking threads to stop. How a request finds those who wait, and in which order, is told in `node.rs`.

mod list;
mod lock;
mod node;

use std::fmt;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;

pub(crate) use node::StopWaits;
use node::{Node, Registration, Unregistered, discard};

use crate::{Limit, WaitError};

/// The side that asks: makes tokens, and requests the stop.
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
/// A [child](StopToken::child) is stopped with its parent, and can be stopped alone. [`StopSource::child_of`] makes a child of
/// several parents, which is stopped with the first of them. Children may have children, to any depth and in any number:
/// making or dropping one takes the same time beside a million others, and a request takes time in proportion to the
/// number of descendants.
///
/// A child keeps the state of its parents alive, and so does a registered callback. A descendant hears of a request even
/// if all sources and tokens between it and the one that is stopped have been dropped.
///
/// # Signals
///
/// A signal handler may call [`StopToken::stop_requested`] and [`StopSource::stop_requested`], which are a load each, and
/// nothing else of this module. In particular, it must not request a stop: `request_stop` takes locks, and if the
/// interrupted thread has one of them, the handler waits forever for the thread that it has interrupted. Nor may it make,
/// clone or drop sources, tokens and callbacks.
///
/// To stop on a signal, let a thread wait for signals, and request the stop there. The crates
/// [`ctrlc`](https://docs.rs/ctrlc) and [`signal-hook`](https://docs.rs/signal-hook) (`Signals::forever`) provide such a
/// thread: `ctrlc` calls its handler in one, so that the handler may do what any thread may.
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

/// The side that is asked: any wait of the kit can carry a token, and ends when a stop is requested.
///
/// See [`StopSource`]. A clone is another handle on the same state.
///
/// A token is looked at when a call has to wait. A call that finds what it wants succeeds, even if a stop has been requested.
/// So a loop that always finds more to do asks [`stop_requested`](StopToken::stop_requested) by itself:
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
    /// A source that has not been asked to stop.
    ///
    /// ```
    /// assert!(!tk_park::StopSource::new().stop_requested());
    /// ```
    pub fn new() -> StopSource {
        StopSource(Node::root())
    }

    /// A source that is stopped when the first of these tokens is, and can be stopped alone. If one of them is stopped
    /// already, so is the new source. Without any, it is like [`StopSource::new`].
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
        // The iterator is the caller's: it runs before anything else happens.
        let parents: Vec<_> = parents
            .into_iter()
            .map(|parent| Arc::clone(&parent.0))
            .collect();
        StopSource(Node::child_of(parents.into_iter()))
    }

    /// A token of this source.
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
    /// 3. The callbacks are called, one after the other, in this thread, with nothing locked: first those of this source,
    ///    then those of its children, then those of their children, and so on. Children come in the order in which they
    ///    were made, and callbacks of one token in the order of their registration. A descendant with several parents
    ///    comes when the first of them has its turn.
    ///
    /// So a callback may wait for a thread that waits with any of the tokens. It may also request other stops, register
    /// and unregister callbacks, and drop any source, token or callback.
    ///
    /// A descendant that another request has stopped before is left to that request, with all below it. When this returns, all
    /// descendants are stopped, whatever it returns; but callbacks that another request calls may still run.
    ///
    /// Not to be called in a signal handler: see [Signals](StopSource#signals).
    ///
    /// # Panics
    ///
    /// With the panic of the first callback that panicked, after all have been called.
    ///
    /// # In the child of a fork
    ///
    /// Tokens work in the child as in its parent. A request that another thread was making at the time of the fork ends
    /// where it was: it may have reached some of the descendants and not the others.
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

    /// Whether a stop has been requested. One load, which a signal handler may do too.
    ///
    /// ```
    /// assert!(!tk_park::StopSource::new().stop_requested());
    /// ```
    #[inline]
    pub fn stop_requested(&self) -> bool {
        self.0.stop_requested()
    }

    /// A guard that requests the stop when it is dropped, also by a panic or an early return.
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

    /// Whether a stop has been requested. One load, which a signal handler may do too.
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

    /// Calls `f` once when a stop is requested, in the thread that requests it. If that has happened already, calls `f` now,
    /// in this thread.
    ///
    /// Nothing is locked while `f` runs. If the returned handle is dropped before, `f` is dropped uncalled. [`StopCallback`]
    /// says what happens if it is dropped meanwhile.
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

    /// A source of its own, which is stopped when this token is, and can be stopped alone. If this token is stopped already,
    /// so is the new source.
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

/// A function registered with [`StopToken::on_stop`]. Dropping this takes the registration back.
///
/// When the drop returns, the function has run to its end or never will. So the drop waits while the function runs in
/// another thread, without a limit. This thread's record shows that wait as a `stop callback`, with the line of the
/// registration and the thread that runs it. The drop does not wait in the function itself, nor in what that calls.
///
/// [`unregister`](StopCallback::unregister) does not wait, and [`unregister_with`](StopCallback::unregister_with) waits up to a
/// limit.
///
/// ```
/// use tk_park::{StopCallback, StopSource};
///
/// let source = StopSource::new();
/// let callback: StopCallback = source.token().on_stop(|| panic!("nobody asked"));
/// drop(callback); // Before the stop: it never runs.
/// source.request_stop();
/// ```
#[must_use = "the function is forgotten when this is dropped"]
pub struct StopCallback(Option<Registration>);

impl StopCallback {
    /// Takes the registration back without waiting. Returns whether that was in time: `true` means that the function never
    /// runs, and has been dropped; `false` that it has been called, and may still be running.
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

    /// Takes the registration back, and waits, up to the limit, for a function that runs. Returns whether it was in time, as
    /// [`unregister`](StopCallback::unregister) does.
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
            // Without a limit, nothing but the end of the function ends it.
            let _ended = registration.wait(Limit::never());
        }
    }
}

/// Requests the stop of its source when it is dropped. From [`StopSource::drop_guard`].
///
/// It dereferences to the source.
///
/// If the drop happens in a panic, and a callback panics too, that second panic goes no further, because it would end the
/// program.
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
    /// Gives the source back, and requests nothing.
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
