//! Time as a value. Nothing here reads a clock: whoever decides is told what time it is.
//!
//! Two clocks are carried side by side because neither is enough. The boot clock (CLOCK_BOOTTIME) counts sleep and never
//! steps, but means nothing after a reboot; the wall clock survives a reboot, but can be set.

use std::time::Duration;

/// One boot of the kernel: `/proc/sys/kernel/random/boot_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BootId(pub [u8; 16]);

/// An instant on CLOCK_BOOTTIME, as time since boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Boot(pub Duration);

/// An instant on CLOCK_REALTIME, as milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wall(pub i64);

/// What time it is, on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// The boot clock.
    pub boot: Boot,
    /// The wall clock.
    pub wall: Wall,
    /// Which boot the boot clock counts from.
    pub boot_id: BootId,
}

/// A moment remembered on both clocks, so that it can be judged after sleep, a clock step or a reboot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The moment on the boot clock of `boot_id`.
    pub boot: Boot,
    /// The same moment on the wall clock.
    pub wall: Wall,
    /// The boot in which it was noted down.
    pub boot_id: BootId,
    /// The wall clock when it was noted down; a wall clock before it has been set back.
    pub noted: Wall,
}

/// How far the clocks may disagree before the smaller remainder counts (refresh.md "Clocks").
const DISAGREEMENT: Duration = Duration::from_secs(60);

impl Boot {
    /// `self + span`, at the far end of time at most.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }

    /// `self − span`, at boot at the earliest.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(span))
    }

    /// Time from `earlier` until `self`; zero if it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Wall {
    /// `self + span`.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Time from `earlier` until `self`; zero if it lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Whole seconds since the Unix epoch; zero before it.
    pub fn unix(self) -> u64 {
        u64::try_from(self.0.div_euclid(1000)).unwrap_or(0)
    }

    /// From whole seconds since the Unix epoch.
    pub fn from_unix(seconds: u64) -> Self {
        Self(i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX))
    }
}

impl Now {
    /// The moment `span` from now, noted down now.
    pub fn plus(&self, span: Duration) -> Moment {
        Moment { boot: self.boot.after(span), wall: self.wall.after(span), boot_id: self.boot_id, noted: self.wall }
    }

    /// Time until `moment`; zero if it has passed. In the same boot the boot clock counts, unless the wall clock says
    /// there is over a minute less; after a reboot the wall clock counts, unless it was set back.
    pub fn until(&self, moment: &Moment) -> Duration {
        let by_wall = moment.wall.since(self.wall);
        if moment.boot_id != self.boot_id {
            let set_back = self.wall < moment.noted;
            return if set_back { Duration::ZERO } else { by_wall };
        }
        let by_boot = moment.boot.since(self.boot);
        if by_boot.abs_diff(by_wall) > DISAGREEMENT { by_boot.min(by_wall) } else { by_boot }
    }

    /// The instant on this boot's clock at which `moment` comes.
    pub fn when(&self, moment: &Moment) -> Boot {
        self.boot.after(self.until(moment))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(boot: u64, wall: u64, boot_id: u8) -> Now {
        Now { boot: Boot(Duration::from_secs(boot)), wall: Wall::from_unix(wall), boot_id: BootId([boot_id; 16]) }
    }

    #[test]
    fn same_boot_goes_by_the_boot_clock() {
        let moment = at(100, 1_000, 1).plus(Duration::from_secs(300));
        assert_eq!(at(150, 1_051, 1).until(&moment), Duration::from_secs(250));
        assert_eq!(at(500, 1_400, 1).until(&moment), Duration::ZERO);
    }

    #[test]
    fn clocks_that_disagree_leave_the_smaller_remainder() {
        let moment = at(100, 1_000, 1).plus(Duration::from_secs(300));
        assert_eq!(at(110, 90_000, 1).until(&moment), Duration::ZERO, "set a day ahead");
        assert_eq!(at(110, 500, 1).until(&moment), Duration::from_secs(290), "set back");
        assert_eq!(at(110, 1_070, 1).until(&moment), Duration::from_secs(290), "a minute is no disagreement yet");
        assert_eq!(at(110, 1_071, 1).until(&moment), Duration::from_secs(229), "a second more is");
    }

    #[test]
    fn after_a_reboot_the_wall_clock_counts_unless_it_was_set_back() {
        let moment = at(100, 1_000, 1).plus(Duration::from_secs(300));
        assert_eq!(at(5, 1_100, 2).until(&moment), Duration::from_secs(200));
        assert_eq!(at(5, 1_000, 2).until(&moment), Duration::from_secs(300), "in the second of its making");
        assert_eq!(at(5, 999, 2).until(&moment), Duration::ZERO);
    }
}
