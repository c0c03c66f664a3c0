//! parking_lot, in its newest version and in the one before.

/// Version 0.13.
pub mod v13 {
    use parking_lot as from;

    crate::adapter::like_parking_lot!("parking_lot", from);
    crate::adapter::timed_like_parking_lot!();

    /// Its step that runs once.
    pub struct Start(from::Once);

    /// Its readers-writer lock.
    pub struct RwLock(from::RwLock<[u64; 4]>);

    crate::adapter::named!("parking_lot": RwLock, Start);

    impl crate::kind::Once for Start {
        fn new() -> Self {
            Start(from::Once::new())
        }

        #[inline]
        fn call(&self, f: impl FnOnce()) {
            self.0.call_once(f);
        }
    }

    impl crate::kind::ReadWrite for RwLock {
        fn new() -> Self {
            RwLock(from::RwLock::new([0; 4]))
        }

        #[inline]
        fn read<R>(&self, f: impl FnOnce(&[u64; 4]) -> R) -> R {
            f(&self.0.read())
        }

        #[inline]
        fn write<R>(&self, f: impl FnOnce(&mut [u64; 4]) -> R) -> R {
            f(&mut self.0.write())
        }
    }
}

/// Version 0.12.
pub mod v12 {
    use parking_lot_012 as from;

    crate::adapter::like_parking_lot!("parking_lot 0.12", from);
    crate::adapter::timed_like_parking_lot!();

    /// Its step that runs once.
    pub struct Start(from::Once);

    crate::adapter::named!("parking_lot 0.12": Start);

    impl crate::kind::Once for Start {
        fn new() -> Self {
            Start(from::Once::new())
        }

        #[inline]
        fn call(&self, f: impl FnOnce()) {
            self.0.call_once(f);
        }
    }
}
