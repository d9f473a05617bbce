//! The one place of the tests that reads a clock: the keeper's own code is handed its time, its surroundings are not.
#![allow(clippy::disallowed_methods, reason = "the tests measure the world from outside")]

use std::time::{Duration, Instant, SystemTime};

/// The time since 1970.
pub fn wall() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("the clock is past 1970")
}

/// The same in milliseconds.
pub fn millis() -> u64 {
    u64::try_from(wall().as_millis()).expect("within 500 million years of 1970")
}

/// A point to measure from.
pub fn start() -> Instant {
    Instant::now()
}
