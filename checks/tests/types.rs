//! The auto traits of every public type (`Send`, `Sync`, `UnwindSafe`, `RefUnwindSafe`, `Unpin`),
//! beside the type of the standard library for the same job. A row whose types differ has a reason.
//!
//! `docs/TYPES.md` is this table. `TK_BLESS=1 cargo test -p tk-checks --test types` writes it anew.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

/// The traits of a type, in the order of [`NAMES`].
type Traits = [bool; 5];

const NAMES: [&str; 5] = ["Send", "Sync", "UnwindSafe", "RefUnwindSafe", "Unpin"];

/// Whether a type implements a trait. Where the bound holds, the constant of `Probe` takes
/// precedence over that of the trait.
macro_rules! implements {
    ($type:ty: $($bound:tt)+) => {{
        #[allow(dead_code, reason = "unused where the bound holds")]
        trait Otherwise {
            const YES: bool = false;
        }
        impl<T: ?Sized> Otherwise for Probe<T> {}
        struct Probe<T: ?Sized>(std::marker::PhantomData<T>);
        #[allow(dead_code, reason = "unused where the bound does not hold")]
        impl<T: ?Sized + $($bound)+> Probe<T> {
            const YES: bool = true;
        }
        <Probe<$type>>::YES
    }};
}

macro_rules! traits {
    ($type:ty) => {
        [
            implements!($type: Send),
            implements!($type: Sync),
            implements!($type: std::panic::UnwindSafe),
            implements!($type: std::panic::RefUnwindSafe),
            implements!($type: Unpin),
        ]
    };
}

struct Row {
    name: &'static str,
    traits: Traits,
    peer: Option<(&'static str, Traits)>,
    why: &'static str,
}

/// `Type = "expected traits"`, then `as StdType` if the standard library has one, and the reason
/// for a difference.
macro_rules! table {
    ($($type:ty = $expected:literal $(as $peer:ty)? $(, because $why:literal)?;)+) => {{
        let mut rows = Vec::new();
        $({
            let traits: Traits = traits!($type);
            let name = stringify!($type);
            assert_eq!(written(traits), $expected, "{name}");
            #[allow(unused_mut, unused_assignments)]
            let mut peer = None;
            $(peer = Some((stringify!($peer), traits!($peer)));)?
            #[allow(unused_mut, unused_assignments)]
            let mut why = "";
            $(why = $why;)?
            rows.push(Row { name, traits, peer, why });
        })+
        rows
    }};
}

fn written(traits: Traits) -> String {
    let names = NAMES.iter().zip(traits).filter(|(_, yes)| *yes);
    names.map(|(name, _)| *name).collect::<Vec<_>>().join(" ")
}

/// Type parameters are `u32`, and also `Cell<u32>`, which is not `Sync`, where that makes a
/// difference.
#[rustfmt::skip]
fn rows() -> Vec<Row> {
    table! {
        tk_core::ThreadRecord = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::thread::Thread;
        tk_core::Owner = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_core::Slot = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_core::ThreadId = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::thread::ThreadId;
        tk_core::KeepAlive = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_core::Holder = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_core::Registration = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_core::ShuttingDown = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_core::BlockedOn = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_core::BlockedGuard = "UnwindSafe RefUnwindSafe Unpin";
        tk_core::logging::BasicConfig = "Send Unpin";
        tk_core::logging::Logger = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_core::logging::ConfigError = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::num::ParseIntError;
        tk_core::logging::FormatError = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::num::ParseIntError;
        tk_core::logging::FormatErrorKind = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::num::IntErrorKind;
        tk_core::logging::InitError = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::io::Error,
            because "it contains no value of the program";
        tk_core::logging::Stream = "Send Unpin";
        tk_core::logging::Style = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_park::Limit<'static> = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_park::WaitError = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::sync::mpsc::RecvTimeoutError;
        tk_park::WaitInfo = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_park::Waiter = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_park::Parked = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_park::UnparkResult = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_park::Poll = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_park::Pace = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_park::FilterOp = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_park::RequeueOp = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_park::Spin = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_park::AdaptiveSpin = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_park::SecondQueue = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_park::StopSource = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_park::StopToken = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_park::StopCallback = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_park::DropGuard = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_lock::Lock<u32> = "Send Sync UnwindSafe Unpin"
            as std::sync::Mutex<u32>,
            because "a panic can leave the value half changed, and there is no poisoning";
        tk_lock::Lock<Cell<u32>> = "Send Sync UnwindSafe Unpin"
            as std::sync::Mutex<Cell<u32>>,
            because "a panic can leave the value half changed, and there is no poisoning";
        tk_lock::LockGuard<'static, u32> = "Sync Unpin"
            as std::sync::MutexGuard<'static, u32>,
            because "a panic can leave the value half changed, and there is no poisoning";
        tk_lock::MappedLockGuard<'static, u32> = "Sync UnwindSafe RefUnwindSafe Unpin"
            as std::sync::MutexGuard<'static, u32>;
        tk_lock::RawLock = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_lock::RLock<u32> = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::sync::Mutex<u32>;
        tk_lock::RLock<Cell<u32>> = "Send Sync UnwindSafe Unpin"
            as std::sync::Mutex<Cell<u32>>,
            because "a panic can leave the value half changed, and there is no poisoning";
        tk_lock::RLockGuard<'static, u32> = "Sync UnwindSafe RefUnwindSafe Unpin"
            as std::sync::MutexGuard<'static, u32>;
        tk_lock::RawRLock = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_lock::RwLock<u32> = "Send Sync UnwindSafe Unpin"
            as std::sync::RwLock<u32>, because
            "a panic can leave the value half changed, and there is no poisoning";
        tk_lock::RwLockReadGuard<'static, u32> = "Sync Unpin"
            as std::sync::RwLockReadGuard<'static, u32>, because
            "a panic can leave the value half changed, and there is no poisoning";
        tk_lock::RwLockWriteGuard<'static, u32> = "Sync Unpin"
            as std::sync::RwLockWriteGuard<'static, u32>, because
            "a panic can leave the value half changed, and there is no poisoning";
        tk_lock::RwLockUpgradableReadGuard<'static, u32> = "Sync Unpin";
        tk_lock::MappedRwLockReadGuard<'static, u32> = "Sync UnwindSafe RefUnwindSafe Unpin";
        tk_lock::MappedRwLockWriteGuard<'static, u32> = "Sync UnwindSafe RefUnwindSafe Unpin";
        tk_lock::RawRwLock = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_lock::RawSendRwLock = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_lock::RawSendLock = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_lock::RawThreadId = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_lock::ReadToken = "Sync UnwindSafe RefUnwindSafe Unpin";
        tk_lock::Once = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::sync::Once;
        tk_lock::OnceState = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_lock::OnceError = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_lock::OnceLock<u32> = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::sync::OnceLock<u32>;
        tk_lock::OnceLock<Cell<u32>> = "Send UnwindSafe Unpin"
            as std::sync::OnceLock<Cell<u32>>;
        tk_lock::LazyLock<u32> = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::sync::LazyLock<u32>;
        tk_lock::LazyLock<Cell<u32>> = "Send UnwindSafe Unpin"
            as std::sync::LazyLock<Cell<u32>>;
        tk_lock::NotLocked = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_lock::NotOwned = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_condvar::Condvar = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::sync::Condvar;
        tk_condvar::RawCondvar = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::sync::Condvar;
        tk_condvar::LockApiCondvar = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::sync::Condvar;
        tk_condvar::Condition<u32> = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::sync::Mutex<u32>;
        tk_condvar::Condition<Cell<u32>> = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::sync::Mutex<Cell<u32>>;
        tk_condvar::ConditionGuard<'static, u32> = "Sync Unpin"
            as std::sync::MutexGuard<'static, u32>,
            because "a panic can leave the value half changed, and there is no poisoning";
        tk_condvar::Monitor<u32> = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::sync::Mutex<u32>;
        tk_condvar::Monitor<Cell<u32>> = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::sync::Mutex<Cell<u32>>;
        tk_condvar::MonitorGuard<'static, u32> = "Unpin"
            as std::sync::MutexGuard<'static, u32>,
            because "it lends the value as a `RefCell` does";
        tk_condvar::Monitored<tk_lock::Lock<u32>> = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::sync::Mutex<u32>;
        tk_condvar::MonitoredGuard<'static, tk_lock::Lock<u32>> = "Sync Unpin"
            as std::sync::MutexGuard<'static, u32>,
            because "a panic can leave the value half changed, and there is no poisoning";
        tk_event::Event = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::sync::Condvar;
        tk_semaphore::Semaphore = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::sync::Condvar;
        tk_semaphore::BoundedSemaphore = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::sync::Condvar;
        tk_semaphore::CountingSemaphore<tk_semaphore::Unbounded> =
            "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::sync::Condvar;
        tk_semaphore::Unbounded = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_semaphore::Bounded = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_semaphore::Permit<'static> = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_semaphore::OwnedPermit = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_semaphore::AcquireError = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::sync::mpsc::RecvTimeoutError;
        tk_semaphore::ReleaseError = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::sync::mpsc::RecvTimeoutError;
        tk_barrier::Barrier = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::sync::Barrier;
        tk_barrier::BarrierError = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::sync::mpsc::RecvTimeoutError;
        tk_local::Local<u32> = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::thread::LocalKey<u32>;
        tk_local::Local<Cell<u32>> = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::thread::LocalKey<Cell<u32>>;
        tk_local::SharedLocal<u32> = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::sync::Arc<u32>;
        tk_local::IntoIter<u32> = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::vec::IntoIter<u32>;
        tk_local::IterMut<'static, u32> = "Send Sync RefUnwindSafe Unpin"
            as std::slice::IterMut<'static, u32>;
        tk_local::SharedIter<u32> = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::vec::IntoIter<std::sync::Arc<u32>>;
        tk_local::ValueMut<'static, u32> = "Send Sync RefUnwindSafe Unpin"
            as &'static mut u32;
        tk_local::AccessError = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::thread::AccessError;
        tk_local::SetError<u32> = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::sync::mpsc::SendError<u32>;
        tk_local::Unset = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_thread::Thread = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::thread::Thread;
        tk_thread::Builder = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::thread::Builder;
        tk_thread::JoinHandle<u32> = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::thread::JoinHandle<u32>,
            because "the join returns a panic of the thread as an error";
        tk_thread::JoinError = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_thread::Panicked = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::io::Error,
            because "it lends the payload to one thread at a time";
        tk_watch::Snapshot = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_watch::ThreadSnapshot = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_watch::Activity = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_watch::Wait = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_watch::WaitLimit = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_watch::Holder = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_watch::Object = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_watch::ForeignThreads = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_watch::ForeignThread = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_watch::SystemState = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_watch::SystemCall = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_watch::Deadlock = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_watch::DeadlockKind = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_watch::Member = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_watch::Reaction = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_watch::Install = "Send Sync Unpin";
        tk_watch::InstallError = "Send Sync Unpin"
            as std::io::Error;
        tk_watch::Watchdog = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_watch::Named<'static> = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_watch::page::Options = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_watch::page::Page = "Send Sync Unpin";
        tk_watch::profile::Profile = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_watch::profile::Line = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_watch::profile::Object = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_watch::profile::Thread = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_watch::profile::Waits = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_watch::profile::Held = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_watch::trace::Options = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_parking_lot::RawFairMutex = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_parking_lot::RawRwLock = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_parking_lot_012::RawFairMutex = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_parking_lot_012::Condvar = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::sync::Condvar;
        tk_parking_lot_012::WaitTimeoutResult = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::sync::WaitTimeoutResult;
        tk_thread::Exit = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_thread::PanicLocation = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_thread::UncaughtPanic<'static> = "Unpin"
            as std::panic::PanicHookInfo<'static>;
        tk_thread::Scope<'static, 'static> = "Send Sync RefUnwindSafe Unpin"
            as std::thread::Scope<'static, 'static>;
        tk_thread::ScopedJoinHandle<'static, u32> = "Send Sync Unpin"
            as std::thread::ScopedJoinHandle<'static, u32>;
        tk_thread::StopOnDrop<tk_thread::JoinHandle<u32>> =
            "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::thread::JoinHandle<u32>,
            because "the join returns a panic of the thread as an error";
        tk_thread::Shutdown = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_thread::GraceExpired<u32> = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::sync::mpsc::SendError<u32>;
        tk_thread::Dump = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_thread::ThreadDump = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_thread::ThreadHook = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_timer::Timer = "Send Unpin"
            as std::thread::Builder,
            because "it contains the function";
        tk_timer::TimerHandle = "Send Sync UnwindSafe RefUnwindSafe Unpin"
            as std::thread::Thread;
        tk_timer::CancelOnDrop = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_timer::TimerService = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_timer::PendingTimer = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_timer::Schedule = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_timer::MissedTicks = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_timer::OnPanic = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_timer::CancelOutcome = "Send Sync UnwindSafe RefUnwindSafe Unpin";
        tk_timer::RescheduleOutcome = "Send Sync UnwindSafe RefUnwindSafe Unpin";
    }
}

/// The table as a page.
fn page() -> String {
    let mut page = String::from(
        "# Auto traits\n\n\
         Each row shows the auto traits of a public type. If the standard library has a type for \
         the same job, the row names it\n(*std's type*) and its auto traits. Where the two differ, \
         the last column gives the reason. The test\n`checks/tests/types.rs` compares this page \
         with the code, and writes it anew with `TK_BLESS=1`.\n\n\
         | type | Send | Sync | UnwindSafe | RefUnwindSafe | Unpin | std's type | its traits | \
         reason for the difference |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows() {
        write!(page, "| `{}` |", row.name).unwrap();
        for yes in row.traits {
            page += if yes { " yes |" } else { " no |" };
        }
        let (peer, differs) = match row.peer {
            Some((peer, traits)) if traits == row.traits => {
                (format!("`{peer}`"), "the same".into())
            }
            Some((peer, traits)) => (format!("`{peer}`"), written(traits)),
            None => ("·".into(), "·".into()),
        };
        writeln!(page, " {peer} | {differs} | {} |", row.why).unwrap();
    }
    page
}

/// A path in the repository.
fn repository(path: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(path)
}

#[test]
fn a_type_that_differs_from_the_standard_librarys_says_why() {
    for row in rows() {
        if let Some((peer, traits)) = row.peer {
            let (same, silent) = (traits == row.traits, row.why.is_empty());
            assert_eq!(same, silent, "{} and {peer}, {}", row.name, written(traits));
        }
    }
}

#[test]
fn the_page_is_this_table() {
    let path = repository("docs/TYPES.md");
    if std::env::var_os("TK_BLESS").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    assert!(
        std::fs::read_to_string(&path).unwrap() == page(),
        "docs/TYPES.md is out of date: TK_BLESS=1 cargo test -p tk-checks --test types"
    );
}

#[test]
fn every_public_type_is_in_the_table() {
    let rows = rows();
    let known: BTreeSet<_> = rows
        .iter()
        .map(|row| row.name.split('<').next().unwrap())
        .collect();
    for listing in std::fs::read_dir(repository("ci/api")).unwrap() {
        let listing = std::fs::read_to_string(listing.unwrap().path()).unwrap();
        for line in listing.lines() {
            let mut words = line.split(' ').skip_while(|word| word.starts_with("#["));
            if words.next() != Some("pub") || !matches!(words.next(), Some("struct" | "enum")) {
                continue;
            }
            let path = words.next().unwrap();
            let path = path.split(['<', '(', '{', ';']).next().unwrap();
            // A feature that is off here.
            let optional = ["tk_lock::ArcRLockGuard", "tk_parking_lot::RawCondvar"];
            let optional = optional.contains(&path);
            assert!(optional || known.contains(path), "{path}: {line}");
        }
    }
}
