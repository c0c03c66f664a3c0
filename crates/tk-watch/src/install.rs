//! The settings of the watcher: what it does, and when.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use log::Level;
use tk_core::__private::fork::{Kept, Mutex};
use tk_thread::Exit;

use crate::call::{self, Line, call};
use crate::output::{Destination, write_and_wait, write_aside, write_to};
use crate::{Deadlock, environment, signal, watcher};

/// The reaction to a deadlock, after it has been reported.
///
/// ```
/// assert_eq!(tk_watch::Reaction::default(), tk_watch::Reaction::Report);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reaction {
    /// Nothing more.
    #[default]
    Report,
    /// One thread of the deadlock panics in its call, with the report as the message, and so
    /// releases the locks that it holds. It is the thread that frees all others, such as a writer
    /// for which many readers wait, or else the one that began to wait last.
    ///
    /// Threads that must not panic there are left out: those that take a lock again after a wait
    /// for a condition variable, scopes, threads that are panicking already, and threads of the kit
    /// whose function has returned, so that only destructors of thread-local values run. If no
    /// thread is left, nothing happens. Of a thread that the kit did not start, it is not known
    /// whether it runs such a destructor. A panic that leaves one aborts the process.
    Panic,
    /// The process aborts.
    Abort,
}

/// A function for deadlocks, and its calls.
pub(crate) struct Hook {
    pub(crate) f: Box<dyn Fn(&Deadlock) + Send + Sync>,
    pub(crate) line: Arc<Line>,
}

/// The settings that are in force.
#[derive(Clone, Default)]
pub(crate) struct Settings {
    finds_deadlocks: bool,
    reaction: Reaction,
    hooks: Vec<Arc<Hook>>,
    /// `None` stands for the standard error, and for reports the logger alone.
    destinations: Vec<Destination>,
    after: Vec<Arc<Timed>>,
}

/// A dump at a time.
struct Timed {
    at: Instant,
    is_done: AtomicBool,
}

static SETTINGS: Mutex<Kept<Arc<Settings>>> = Mutex::constant(Kept::none());

impl Settings {
    pub(crate) fn current() -> Arc<Settings> {
        // A statement of its own, so that the lock is released before the settings are made.
        let settings = SETTINGS.lock().get().cloned();
        settings.unwrap_or_default()
    }

    /// Changes the settings. If two threads do that at the same time, both changes count.
    fn change(change: impl Fn(&mut Settings)) {
        loop {
            // A statement of its own, so that it is unlocked: nothing is allocated, and nothing of
            // the program is dropped, with the settings locked.
            let before = SETTINGS.lock().get().cloned();
            let mut settings = before.as_deref().cloned().unwrap_or_default();
            change(&mut settings);
            let new = Arc::new(settings);
            let mut now = SETTINGS.lock();
            if now.get().map(Arc::as_ptr) == before.as_ref().map(Arc::as_ptr) {
                let old = now.replace(Some(new));
                drop(now);
                drop(old);
                return;
            }
            drop(now);
        }
    }

    pub(crate) fn finds_deadlocks(&self) -> bool {
        self.finds_deadlocks
    }

    pub(crate) fn reaction(&self) -> Reaction {
        self.reaction
    }

    pub(crate) fn hooks(&self) -> &[Arc<Hook>] {
        &self.hooks
    }

    /// Returns the destinations of reports of deadlocks, beside the logger.
    pub(crate) fn report_destinations(&self) -> Vec<Destination> {
        let is_other = |place: &&Destination| !matches!(place, Destination::Log);
        self.destinations.iter().filter(is_other).cloned().collect()
    }

    /// Writes a dump, with the reason for it. Does not wait for the logger.
    pub(crate) fn dump(&self, reason: &str) {
        write_to(&self.dump_destinations(), Level::Error, &dump_for(reason));
    }

    /// Does the same, and waits for the logger for up to a second, because the process may be about
    /// to end.
    fn dump_and_wait(&self, reason: &str) {
        write_and_wait(&self.dump_destinations(), Level::Error, &dump_for(reason));
    }

    /// Takes a dump, with the reason for it, and has it written.
    pub(crate) fn dump_aside(&self, reason: &str) {
        let text = Arc::from(dump_for(reason));
        write_aside(self.dump_destinations(), Level::Error, text);
    }

    fn dump_destinations(&self) -> Vec<Destination> {
        if self.destinations.is_empty() {
            vec![Destination::Stderr]
        } else {
            self.destinations.clone()
        }
    }

    /// Writes the dumps whose time has come. Returns the time of the next one.
    pub(crate) fn dump_if_due(&self, now: Instant) -> Option<Instant> {
        let mut next = None;
        for timed in &self.after {
            if timed.at > now {
                next = Some(next.map_or(timed.at, |next: Instant| next.min(timed.at)));
            } else if !timed.is_done.swap(true, Relaxed) {
                self.dump_aside("a dump after the time that was set");
            }
        }
        next
    }
}

fn dump_for(reason: &str) -> String {
    format!("{reason}\n{}", crate::dump())
}

/// Returns the default settings of a watcher. [`start`](Install::start) starts it.
///
/// By default, the watcher looks for deadlocks, and reports them through `log::error!`; if no
/// logger takes that, to the standard error. The environment variable `TK_WATCH` adds to what the
/// program says: see [the crate](crate#the-environment-variable).
///
/// The watcher is one thread, which sleeps until a wait without a limit has lasted for a tenth of a
/// second. It costs nothing where locks are taken without a wait, and one load where a thread goes
/// to sleep.
///
/// The child of a fork has no watcher until it calls this again.
///
/// ```
/// tk_watch::install().start().unwrap();
/// ```
pub fn install() -> Install {
    Install {
        finds_deadlocks: true,
        ..Install::default()
    }
}

/// The settings of a watcher that is about to start: see [`install`].
///
/// ```no_run
/// use std::time::Duration;
///
/// tk_watch::install()
///     .deadlocks(tk_watch::Reaction::Panic)
///     .signal(signal_hook::consts::SIGQUIT)
///     .after(Duration::from_secs(60))
///     .to_stderr()
///     .to_file("/tmp/hang.txt")
///     .start()
///     .unwrap();
/// ```
#[derive(Default)]
#[must_use = "nothing is watched before `start`"]
pub struct Install {
    pub(crate) finds_deadlocks: bool,
    pub(crate) reaction: Option<Reaction>,
    hooks: Vec<Arc<Hook>>,
    pub(crate) signals: Vec<i32>,
    pub(crate) at_panic: bool,
    pub(crate) after: Vec<Duration>,
    pub(crate) to_stderr: bool,
    pub(crate) to_log: bool,
    pub(crate) files: Vec<PathBuf>,
}

impl Install {
    /// Says what happens when a deadlock has been reported.
    ///
    /// ```
    /// use tk_watch::Reaction;
    ///
    /// tk_watch::install().deadlocks(Reaction::Report).start().unwrap();
    /// ```
    pub fn deadlocks(mut self, reaction: Reaction) -> Install {
        self.finds_deadlocks = true;
        self.reaction = Some(reaction);
        self
    }

    /// Does not look for deadlocks, unless an earlier `start` or `TK_WATCH` says so.
    ///
    /// ```
    /// let install = tk_watch::install().without_deadlocks();
    /// # let _ = install;
    /// ```
    pub fn without_deadlocks(mut self) -> Install {
        self.finds_deadlocks = false;
        self
    }

    /// Calls this function for each deadlock, after it has been reported. The function runs in a
    /// thread of its own, for which neither the watcher nor another function waits. If it panics,
    /// the panic is reported. If eight calls of it have not returned, the next waits until one has.
    ///
    /// ```
    /// tk_watch::install()
    ///     .on_deadlock(|deadlock| println!("{} threads hang", deadlock.members.len()))
    ///     .start()
    ///     .unwrap();
    /// ```
    pub fn on_deadlock(mut self, hook: impl Fn(&Deadlock) + Send + Sync + 'static) -> Install {
        self.hooks.push(Arc::new(Hook {
            f: Box::new(hook),
            line: Arc::new(Line::new()),
        }));
        self
    }

    /// Writes a dump whenever the process gets this signal: a number such as
    /// `signal_hook::consts::SIGQUIT`. Its handler writes a byte to a pipe, and a thread that reads
    /// the pipe takes the dump.
    ///
    /// In the child of a fork, the signal still makes the parent take the dump, until the child
    /// calls `install` itself.
    ///
    /// ```no_run
    /// tk_watch::install().signal(signal_hook::consts::SIGQUIT).start().unwrap();
    /// // kill -QUIT the process.
    /// ```
    pub fn signal(mut self, signal: i32) -> Install {
        self.signals.push(signal);
        self
    }

    /// Writes a dump at each panic, after the panic has been reported. Keeps the panic hook.
    ///
    /// ```
    /// tk_watch::install().at_panic().start().unwrap();
    /// ```
    pub fn at_panic(mut self) -> Install {
        self.at_panic = true;
        self
    }

    /// Writes a dump after this time.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// // A test that should take a second.
    /// tk_watch::install().after(Duration::from_secs(60)).start().unwrap();
    /// ```
    #[doc(alias = "dump_traceback_later")]
    pub fn after(mut self, time: Duration) -> Install {
        self.after.push(time);
        self
    }

    /// Writes dumps and reports to the standard error. That is where dumps go if nothing is said.
    pub fn to_stderr(mut self) -> Install {
        self.to_stderr = true;
        self
    }

    /// Writes dumps through `log::error!`. Deadlocks are reported there anyway. The logger is
    /// called in a thread of its own, for which a panic waits a second at most. If the logger does
    /// not take a dump, it goes to the standard error.
    pub fn to_log(mut self) -> Install {
        self.to_log = true;
        self
    }

    /// Appends dumps and reports to this file, which is created if it does not exist. A FIFO must
    /// have a reader already, and loses what it has no room for to the standard error.
    pub fn to_file(mut self, path: impl Into<PathBuf>) -> Install {
        self.files.push(path.into());
        self
    }

    /// Starts the watcher, or adds to what it does if it runs already.
    ///
    /// # Errors
    ///
    /// If a file can't be written, if the program already has a handler for a signal, or if the
    /// system allows no handler or starts no thread. Then nothing of this call counts, except that
    /// there is a dump at the signals that come before the one in the error. The settings of
    /// earlier calls stay in force.
    ///
    /// ```
    /// let error = tk_watch::install().to_file("/no/such/directory/file").start().unwrap_err();
    /// assert!(error.to_string().starts_with("cannot write to /no/such/directory/file: "));
    /// ```
    pub fn start(self) -> Result<(), InstallError> {
        let started = self.start_as_is();
        // Also if that has failed: the variable is for those who run the program.
        environment::start();
        started
    }

    /// Without the environment variable. The steps that can fail come first.
    pub(crate) fn start_as_is(self) -> Result<(), InstallError> {
        let files = self.files.into_iter().map(Destination::file);
        let mut destinations = files
            .collect::<Result<Vec<_>, _>>()
            .map_err(|(path, error)| InstallError::File(path, error))?;
        watcher::start().map_err(InstallError::Thread)?;
        for number in self.signals {
            signal::dump_at(number)?;
        }

        destinations.extend(self.to_stderr.then_some(Destination::Stderr));
        destinations.extend(self.to_log.then_some(Destination::Log));
        let now = Instant::now();
        let times = self.after.into_iter();
        let after = times.filter_map(|time| {
            let at = tk_park::checked_add_instant(now, time)?;
            let is_done = AtomicBool::new(false);
            Some(Arc::new(Timed { at, is_done }))
        });
        let after: Vec<_> = after.collect();
        Settings::change(|settings| {
            settings.finds_deadlocks |= self.finds_deadlocks;
            settings.reaction = self.reaction.unwrap_or(settings.reaction);
            settings.hooks.extend(self.hooks.iter().cloned());
            settings.after.retain(|timed| !timed.is_done.load(Relaxed));
            settings.after.extend(after.iter().cloned());
            for new in &destinations {
                // The new one replaces the old: the file may have been moved away since.
                settings.destinations.retain(|old| !old.is_same(new));
                settings.destinations.push(new.clone());
            }
        });
        if self.at_panic {
            dump_at_panics();
        }
        watcher::look_again();
        Ok(())
    }
}

impl fmt::Debug for Install {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Install").finish_non_exhaustive()
    }
}

/// Adds the dump to the panic hook, once.
fn dump_at_panics() {
    static IS_SET: AtomicBool = AtomicBool::new(false);
    static SETTERS: Line = Line::new();

    if IS_SET.swap(true, Relaxed) {
        return;
    }
    if !std::thread::panicking() {
        set_panic_hook();
    } else if call(&SETTERS, set_panic_hook).is_err() {
        // A thread that panics may not set the hook, and nobody waits for the one that does: the
        // thread may be in the hook. The next call tries again.
        IS_SET.store(false, Relaxed);
    }
}

fn set_panic_hook() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        report(info);
        // The first is the panic by which a thread ends itself. The second is a panic of a hook, or
        // of the logger, which would get the dump.
        if info.payload().is::<Exit>() || call::is_within() {
            return;
        }
        let thread = tk_core::current();
        let name = thread.name();
        let name = crate::text::Escaped(&name);
        let reason = format!("a dump at the panic of {name} (thread {})", thread.id());
        Settings::current().dump_and_wait(&reason);
    }));
}

/// Why something can't be watched.
#[derive(Debug)]
#[non_exhaustive]
pub enum InstallError {
    /// The file can't be written.
    File(PathBuf, io::Error),
    /// The program has a handler for the signal of this number.
    SignalTaken(i32),
    /// The system allows no handler for the signal of this number.
    Signal(i32, io::Error),
    /// The system starts no thread.
    Thread(io::Error),
}

impl fmt::Display for InstallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InstallError::File(path, error) => {
                write!(f, "cannot write to {}: {error}", path.display())
            }
            InstallError::SignalTaken(signal) => {
                write!(f, "the program has a handler for signal {signal} already")
            }
            InstallError::Signal(signal, error) => {
                write!(f, "cannot handle signal {signal}: {error}")
            }
            InstallError::Thread(error) => write!(f, "cannot start the watcher: {error}"),
        }
    }
}

impl Error for InstallError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            InstallError::File(_, error)
            | InstallError::Signal(_, error)
            | InstallError::Thread(error) => Some(error),
            InstallError::SignalTaken(_) => None,
        }
    }
}
