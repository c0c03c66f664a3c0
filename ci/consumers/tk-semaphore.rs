use tk_semaphore::{BoundedSemaphore, Semaphore};

static PLACES: Semaphore = Semaphore::new(2);

fn main() {
    let (_first, _second) = (PLACES.acquire(), PLACES.acquire());
    assert!(PLACES.try_acquire().is_none());
    assert!(BoundedSemaphore::new(1).release(1).is_err());
}
