//! Starting threads.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tk_core::__private::{
    KeepAliveExt, Program, RegistrationExt, ThreadRecordExt, drop_guarded, log_guarded,
    note_thread, shutting_down,
};
use tk_core::{KeepAlive, Registration, function_name, next_name};

use crate::handle::Packet;
use crate::hook::{self, Moment};
use crate::panic_hook::install_panic_hook;
use crate::scope::Members;
use crate::state::ThreadState;
use crate::{JoinHandle, Run, Scope, ScopedJoinHandle, Thread, catch_panic};

/// The settings of a thread that is about to be started.
///
/// ```
/// use tk_thread::Builder;
///
/// let handle = Builder::new()
///     .name("archivist")
///     .daemon(true)
///     .stack_size(256 * 1024)
///     .spawn(|| tk_thread::current().name())?;
/// assert_eq!(handle.join().unwrap(), "archivist");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a thread is started by one of the methods that take the builder"]
pub struct Builder {
    name: String,
    daemon: Option<bool>,
    stack_size: Option<usize>,
}

impl Builder {
    /// Makes a builder with a default name and stack size. The thread will be a daemon if the
    /// thread that starts it is one.
    ///
    /// ```
    /// let builder = tk_thread::Builder::new();
    /// # let _ = builder;
    /// ```
    pub fn new() -> Builder {
        Builder::default()
    }

    /// Sets the thread's name, which may be any text. An empty name means the default: `Thread-N`,
    /// or `Thread-N (worker)` if the thread runs a function whose name is `worker`.
    ///
    /// The operating system gets as much of the name as it takes: 15 bytes on Linux, up to 63
    /// elsewhere. It is cut between characters, and at a NUL.
    ///
    /// ```
    /// let handle = tk_thread::Builder::new().name("").spawn(|| ())?;
    /// assert!(handle.name().starts_with("Thread-"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn name(mut self, name: impl Into<String>) -> Builder {
        self.name = name.into();
        self
    }

    /// Sets whether the thread is a daemon. [`main`](crate::main()) does not wait for daemons.
    ///
    /// By default, the thread is a daemon if the thread that starts it is one. Threads that the kit
    /// did not start are daemons.
    ///
    /// ```
    /// let handle = tk_thread::Builder::new().daemon(true).spawn(|| ())?;
    /// assert!(handle.is_daemon());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn daemon(mut self, daemon: bool) -> Builder {
        self.daemon = Some(daemon);
        self
    }

    /// Sets the size of the thread's stack, in bytes. The default is that of [`stack_size`]. The
    /// system may make the stack larger.
    ///
    /// With a size of zero, or one for which there is no memory, the start returns an error.
    ///
    /// ```
    /// tk_thread::Builder::new().stack_size(1 << 20).spawn(|| ())?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn stack_size(mut self, bytes: usize) -> Builder {
        self.stack_size = Some(bytes);
        self
    }

    /// Starts a thread that calls `f`.
    ///
    /// # Errors
    ///
    /// If the operating system does not start the thread, or if the program is [shutting
    /// down](tk_core::ShuttingDown). Then `f` is dropped, and the thread is in no list.
    ///
    /// ```
    /// let handle = tk_thread::Builder::new().spawn(|| 1 + 1)?;
    /// assert_eq!(handle.join().unwrap(), 2);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn spawn<F, T>(self, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.start(function_name::<F>(), f)
    }

    /// Starts a thread that calls `f` with these arguments. The thread is named after `f`, which is
    /// not possible when the call is wrapped in a closure.
    ///
    /// # Errors
    ///
    /// As [`spawn`](Builder::spawn).
    ///
    /// ```
    /// fn double(n: u32) -> u32 {
    ///     2 * n
    /// }
    ///
    /// let handle = tk_thread::Builder::new().spawn_with(double, 21)?;
    /// assert!(handle.name().ends_with(" (double)"));
    /// assert_eq!(handle.join().unwrap(), 42);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[doc(alias = "args")]
    pub fn spawn_with<F, A, T>(self, f: F, arguments: A) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce(A) -> T + Send + 'static,
        A: Send + 'static,
        T: Send + 'static,
    {
        self.start(function_name::<F>(), move || f(arguments))
    }

    /// Starts a thread that runs this value.
    ///
    /// # Errors
    ///
    /// As [`spawn`](Builder::spawn).
    ///
    /// ```
    /// use tk_thread::{Builder, Run};
    ///
    /// struct Greeter(&'static str);
    ///
    /// impl Run for Greeter {
    ///     type Output = String;
    ///
    ///     fn run(self) -> String {
    ///         format!("hello, {}", self.0)
    ///     }
    /// }
    ///
    /// let handle = Builder::new().name("greeter").run(Greeter("world"))?;
    /// assert_eq!(handle.join().unwrap(), "hello, world");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn run<R: Run>(self, task: R) -> io::Result<JoinHandle<R::Output>> {
        self.start(None, move || task.run())
    }

    /// Starts a thread in this scope that calls `f`, which may borrow values that outlive the
    /// [scope](crate::scope()).
    ///
    /// # Errors
    ///
    /// As [`spawn`](Builder::spawn).
    ///
    /// ```
    /// use tk_thread::Builder;
    ///
    /// let numbers = [1, 2, 3];
    /// let sum = tk_thread::scope(|s| {
    ///     let add = || numbers.iter().sum::<u32>();
    ///     let adder = Builder::new().name("adder").spawn_scoped(s, add)?;
    ///     assert_eq!(adder.name(), "adder");
    ///     Ok::<_, std::io::Error>(adder.join().unwrap())
    /// })?;
    /// assert_eq!(sum, 6);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn spawn_scoped<'scope, F, T>(
        self,
        scope: Scope<'scope, '_>,
        f: F,
    ) -> io::Result<ScopedJoinHandle<'scope, T>>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        let (builder, registration, thread) =
            self.prepare(function_name::<F>(), Some(scope.members()))?;
        let handle = JoinHandle::new(
            thread.clone(),
            Packet::new(Some(Arc::clone(scope.members()))),
        );
        let packet = handle.packet().clone();
        let body = move || run(registration, thread, packet, f);
        let os_thread = scope.start(builder, body)?;
        Ok(ScopedJoinHandle::new(handle, os_thread, scope.members()))
    }

    fn start<F, T>(self, function: Option<&str>, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let (builder, registration, thread) = self.prepare(function, None)?;
        let handle = JoinHandle::new(thread.clone(), Packet::new(None));
        let packet = handle.packet().clone();
        let body = move || run(registration, thread, packet, f);
        handle.state().start(|| builder.spawn(body))?;
        Ok(handle)
    }

    /// Does everything that comes before the operating system is asked for a thread.
    fn prepare(
        self,
        function: Option<&str>,
        scope: Option<&Arc<Members>>,
    ) -> io::Result<(std::thread::Builder, Registration, Thread)> {
        install_panic_hook();
        tk_park::watch_forks();
        note_thread();
        let program = Program::current();

        let stack_size = self.stack_size.or_else(stack_size);
        if stack_size == Some(0) {
            return Err(no_stack());
        }
        let daemon = self
            .daemon
            .unwrap_or_else(|| tk_core::current().is_daemon());
        // From here on the thread holds the program open.
        let keep_alive = if !daemon {
            KeepAlive::unlisted(&program).map(Some)
        } else if program.is_open() {
            Ok(None)
        } else {
            Err(shutting_down())
        }
        .map_err(io::Error::other)?;
        let name = match self.name {
            name if name.is_empty() => next_name(function),
            name => name,
        };

        let registered: Arc<str> = Arc::from(&*name);
        // The standard library refuses a NUL, where the system would end the name.
        let mut named = name;
        named.truncate(named.find('\0').unwrap_or(named.len()));
        let mut builder = std::thread::Builder::new().name(named);
        if let Some(size) = stack_size {
            builder = builder.stack_size(size);
        }

        // From here on the thread is in the registry. If it can't be started, its closure is
        // dropped, and the registration in it undoes all of this.
        let scope = scope.cloned();
        let mut state = None;
        let registration = Registration::prepared(registered, daemon, |record| {
            if let Some(scope) = &scope {
                scope.enter();
            }
            let leaving = scope.clone();
            let started = ThreadState::starting(record, scope.is_some(), || {
                drop(keep_alive);
                if let Some(scope) = leaving {
                    scope.leave();
                }
            });
            if let Some(scope) = &scope {
                scope.list(Thread::from_parts(record.clone(), Arc::clone(&started)));
            }
            state = Some(started);
        });
        let state = state.expect("a registration is prepared");
        let thread = Thread::from_parts(registration.record().clone(), state);
        Ok((builder, registration, thread))
    }
}

/// The body of the new thread.
fn run<T>(
    registration: Registration,
    thread: Thread,
    packet: Arc<Packet<T>>,
    f: impl FnOnce() -> T,
) {
    // First, so that the thread's guard is its oldest thread-local value, which is destroyed last.
    registration.begin_named();
    thread.state().set_running();

    log_guarded(|| log::trace!("{thread:?} begins"));
    hook::call(Moment::Start, &thread);
    let result = catch_panic(f);
    hook::call(Moment::Exit, &thread);
    let end = if result.is_ok() {
        "returns"
    } else {
        "panicked"
    };

    // If there is no handle left, the value is dropped here. A panic in the drop is reported too,
    // and must not reach the standard library, which would abort the process.
    drop_guarded(catch_panic(|| packet.hand_over(result)));
    // From here on, nothing catches a panic.
    thread.record().note_return();
    log_guarded(|| log::trace!("{thread:?} {end}"));
}

/// Returns the default stack size of threads, in bytes. Returns `None` if the standard library
/// decides, as it does until [`set_stack_size`] is called.
///
/// ```
/// assert_eq!(tk_thread::stack_size(), None);
/// ```
#[doc(alias = "threading.stack_size")]
pub fn stack_size() -> Option<usize> {
    match STACK_SIZE.load(Ordering::Relaxed) {
        0 => None,
        size => Some(size),
    }
}

/// Sets the default stack size of threads that are started from now on, in bytes. With `None` the
/// standard library decides. Returns the previous setting.
///
/// # Errors
///
/// If the size is zero. A size for which there is no memory is an error when a thread is started.
///
/// ```
/// let before = tk_thread::set_stack_size(Some(1 << 20))?;
/// tk_thread::spawn(|| ()).join().unwrap();
/// tk_thread::set_stack_size(before)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "threading.stack_size")]
pub fn set_stack_size(bytes: Option<usize>) -> io::Result<Option<usize>> {
    if bytes == Some(0) {
        return Err(no_stack());
    }
    match STACK_SIZE.swap(bytes.unwrap_or(0), Ordering::Relaxed) {
        0 => Ok(None),
        size => Ok(Some(size)),
    }
}

/// Zero if the standard library decides.
static STACK_SIZE: AtomicUsize = AtomicUsize::new(0);

fn no_stack() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidInput,
        "the size of a stack must not be zero",
    )
}

/// Starts a thread that calls `f`, with a default name.
///
/// # Panics
///
/// If the operating system does not start the thread. Also if the program has ended (see
/// [`main`](crate::main())) and the calling thread is left over from it. [`Builder::spawn`] returns
/// an error instead.
///
/// ```
/// fn worker() -> u32 {
///     7
/// }
///
/// let handle = tk_thread::spawn(worker);
/// assert!(handle.name().ends_with(" (worker)"));
/// assert_eq!(handle.join().unwrap(), 7);
/// ```
#[doc(alias = "threading.Thread")]
#[track_caller]
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    started(Builder::new().spawn(f))
}

/// Starts a thread that calls `f` with these arguments, and is named after `f`.
///
/// # Panics
///
/// As [`spawn`]. [`Builder::spawn_with`] returns an error instead.
///
/// ```
/// fn greet(name: &str) -> String {
///     format!("hello, {name}")
/// }
///
/// assert_eq!(tk_thread::spawn_with(greet, "world").join().unwrap(), "hello, world");
/// ```
#[track_caller]
pub fn spawn_with<F, A, T>(f: F, arguments: A) -> JoinHandle<T>
where
    F: FnOnce(A) -> T + Send + 'static,
    A: Send + 'static,
    T: Send + 'static,
{
    started(Builder::new().spawn_with(f, arguments))
}

/// Returns the handle, or panics for a function that returns no error.
#[track_caller]
pub(crate) fn started<H>(result: io::Result<H>) -> H {
    match result {
        Ok(handle) => handle,
        // Not in a closure, which would not have the line of the caller.
        Err(error) => panic!("failed to start a thread: {error}"),
    }
}
