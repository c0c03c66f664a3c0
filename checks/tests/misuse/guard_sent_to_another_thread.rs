//! Whoever has taken a lock gives it back: CPython's `test_different_thread` of `RLockTests`.
use tk_condvar::{ConditionGuard, MonitorGuard};
use tk_lock::{LockGuard, RLockGuard};

fn sent<T: Send>() {}

fn main() {
    sent::<LockGuard<'_, u32>>();
    sent::<RLockGuard<'_, u32>>();
    sent::<ConditionGuard<'_, u32>>();
    sent::<MonitorGuard<'_, u32>>();
}
