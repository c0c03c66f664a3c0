//! CPython's `test_constructor`s: there is no number of permits or parties below zero.
use tk_barrier::Barrier;
use tk_semaphore::Semaphore;

fn main() {
    Semaphore::new(-1);
    Barrier::new(-1);
}
