//! A permit is given back once.
use tk_semaphore::Semaphore;

fn main() {
    let semaphore = Semaphore::new(1);
    let permit = semaphore.acquire();
    drop(permit);
    permit.forget();
}
