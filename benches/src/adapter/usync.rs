//! usync: word-sized primitives with queues of their own.

use crate::kind::Barrier;

super::like_parking_lot!("usync", usync);

/// Its barrier.
pub struct Meeting(usync::Barrier);

super::named!("usync": Meeting);

impl Barrier for Meeting {
    fn new(parties: usize) -> Self {
        Meeting(usync::Barrier::new(parties))
    }

    fn wait(&self) {
        self.0.wait();
    }
}
