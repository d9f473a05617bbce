//! Random choices that can be made again: SplitMix64 (Steele, Lea, Flood 2014) from a seed.

use std::time::Duration;

/// A source of choices.
pub struct Dice(u64);

impl Dice {
    /// From the seed in `TOKENKEEPER_SEED`, or from a new one.
    pub fn new() -> (Self, u64) {
        let given = std::env::var("TOKENKEEPER_SEED").ok().and_then(|text| text.parse().ok());
        let seed = given.unwrap_or_else(|| {
            let mut bytes = [0; 4];
            getrandom::fill(&mut bytes).expect("the kernel has randomness");
            u32::from_le_bytes(bytes).into()
        });
        (Self(seed), seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// One of so many, from 0.
    pub fn below(&mut self, sides: u64) -> u64 {
        self.next() % sides
    }

    /// A span up to so many microseconds.
    pub fn micros(&mut self, most: u64) -> Duration {
        Duration::from_micros(self.below(most + 1))
    }
}
