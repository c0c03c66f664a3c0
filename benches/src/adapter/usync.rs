//! usync: word-sized primitives with queues of their own. Its barrier is good for one round only,
//! so it takes no part.

super::like_parking_lot!("usync", usync);
