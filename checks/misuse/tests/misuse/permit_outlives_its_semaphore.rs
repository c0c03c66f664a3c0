//! A permit borrows its semaphore; an owned one keeps it alive.
use tk_semaphore::Semaphore;

fn main() {
    let permit = {
        let semaphore = Semaphore::new(1);
        semaphore.acquire()
    };
    drop(permit);
}
