//! The one place that reads the clocks: both, because a token has to be valid by both. CLOCK_BOOTTIME counts sleep and
//! cannot be set; the wall clock is the one that servers go by.

use rustix::time::{ClockId, clock_gettime};

/// What time it is, in whole seconds, on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Now {
    /// Since boot.
    pub(crate) boot: u64,
    /// Since the Unix epoch.
    pub(crate) wall: u64,
}

impl Now {
    pub(crate) fn read() -> Self {
        let seconds = |clock| u64::try_from(clock_gettime(clock).tv_sec).unwrap_or(0);
        // The coarse clock is some milliseconds behind at most, and seconds are all that is needed.
        Self { boot: seconds(ClockId::Boottime), wall: seconds(ClockId::RealtimeCoarse) }
    }
}
