use std::time::Duration;

/// A sequence of numbers that a seed determines (xorshift).
pub struct Random(u64);

impl Random {
    /// The sequence of this seed.
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// The next number, which is less than `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % bound
    }

    /// A duration of less than 200 µs. One in 200 is zero.
    pub fn moment(&mut self) -> Duration {
        Duration::from_micros(self.below(200))
    }
}
