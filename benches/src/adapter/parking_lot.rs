//! parking_lot, in its newest version and in the one before.

/// Version 0.13.
pub mod v13 {
    use parking_lot as from;

    crate::adapter::like_parking_lot!("parking_lot", from);
    crate::adapter::timed_like_parking_lot!();
}

/// Version 0.12.
pub mod v12 {
    use parking_lot_012 as from;

    crate::adapter::like_parking_lot!("parking_lot 0.12", from);
    crate::adapter::timed_like_parking_lot!();
}
