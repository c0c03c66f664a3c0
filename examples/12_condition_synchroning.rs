//! Two consumers that wait until a producer has made something available.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use log::{LevelFilter, debug};
use tk_threading::{Builder, Condition, logging, sleep};

/// Waits for the condition and uses the resource.
fn consumer(available: Arc<Condition<bool>>) {
    debug!("Starting consumer thread");
    let mut available = available.lock();
    available.wait_while(|available| !*available);
    debug!("Resource is available to consumer");
}

/// Sets up the resource to be used by the consumers.
fn producer(available: Arc<Condition<bool>>) {
    debug!("Starting producer thread");
    let mut available = available.lock();
    debug!("Making resource available");
    *available = true;
    available.notify_all();
}

/// Starts the consumers, then the producer.
pub fn main() -> io::Result<()> {
    logging::basic_config()
        .level(LevelFilter::Debug)
        .format("%(asctime)s (%(threadName)-2s) %(message)s")
        .init();

    tk_threading::main(|| {
        // The resource is inside the condition. The Python program waits for the notification
        // alone, so a consumer that is late waits forever. Here, it finds the resource.
        let available = Arc::new(Condition::new(false));

        let c1 = Builder::new().name("c1");
        c1.spawn_with(consumer, Arc::clone(&available))?;
        sleep(Duration::from_millis(200));
        let c2 = Builder::new().name("c2");
        c2.spawn_with(consumer, Arc::clone(&available))?;
        sleep(Duration::from_millis(200));
        let p = Builder::new().name("p");
        p.spawn_with(producer, available)?;
        Ok(())
    })
}
