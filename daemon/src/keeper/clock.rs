//! The one place that reads clocks, and two timers: one that fires at a boot-clock instant however long the machine
//! slept, one that tells when somebody sets the wall clock.

use std::io;
use std::time::{Duration, SystemTime};

use rustix::io::Errno;
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create,
    timerfd_settime,
};

use super::fd::Readable;
use crate::time::{Boot, BootId, Now, Wall};

/// Reads the clocks of this machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    boot_id: BootId,
}

impl Clock {
    /// # Errors
    /// When `/proc/sys/kernel/random/boot_id` cannot be read.
    pub(super) fn of_this_machine() -> io::Result<Self> {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
        Ok(Self { boot_id: parse_boot_id(&text).ok_or_else(|| io::Error::other("boot_id is no UUID"))? })
    }

    /// What time it is.
    pub(super) fn now(&self) -> Now {
        Now { boot: Boot(duration(clock_gettime(ClockId::Boottime))), wall: wall_clock(), boot_id: self.boot_id }
    }
}

/// Read by way of the C library, unlike the others: there a test can make it jump.
#[allow(clippy::disallowed_methods, reason = "the shell's clock is here")]
fn wall_clock() -> Wall {
    let millis = |span: Duration| i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => Wall(millis(since)),
        Err(before) => Wall(-millis(before.duration())),
    }
}

/// How far CLOCK_BOOTTIME is ahead of CLOCK_MONOTONIC: the time this machine has slept since boot.
pub(super) fn slept() -> Duration {
    duration(clock_gettime(ClockId::Boottime)).saturating_sub(duration(clock_gettime(ClockId::Monotonic)))
}

fn parse_boot_id(text: &str) -> Option<BootId> {
    let digits: String = text.trim().chars().filter(|&c| c != '-').collect();
    u128::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 32).map(|id| BootId(id.to_be_bytes()))
}

fn duration(time: Timespec) -> Duration {
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

/// Fires at an instant of the boot clock. Tokio's own timers stand still while the machine sleeps.
pub(super) struct Alarm(Readable);

impl Alarm {
    pub(super) fn new() -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        Ok(Self(Readable::new(timer)?))
    }

    /// Fires at `when`, in place of any earlier setting; `None` = never.
    pub(super) fn set(&self, when: Option<Boot>) -> io::Result<()> {
        // An all-zero value disarms a timerfd (timerfd_settime(2)), so an instant at zero becomes one nanosecond.
        let value = when.map_or(Duration::ZERO, |Boot(at)| at.max(Duration::from_nanos(1)));
        Ok(timerfd_settime(self.0.fd(), TimerfdTimerFlags::ABSTIME, &once(value)).map(drop)?)
    }

    pub(super) async fn rang(&self) -> io::Result<()> {
        Ok(expired(&self.0).await?)
    }
}

/// Tells when the wall clock is set (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET).
pub(super) struct ClockSteps(Readable);

impl ClockSteps {
    pub(super) fn new() -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let steps = Self(Readable::new(timer)?);
        steps.arm()?;
        Ok(steps)
    }

    fn arm(&self) -> io::Result<()> {
        let flags = TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET;
        let far_ahead = Duration::from_secs(u32::MAX.into());
        Ok(timerfd_settime(self.0.fd(), flags, &once(far_ahead)).map(drop)?)
    }

    pub(super) async fn stepped(&self) -> io::Result<()> {
        match expired(&self.0).await {
            Err(Errno::CANCELED) => self.arm(),
            other => Ok(other?),
        }
    }
}

fn once(value: Duration) -> Itimerspec {
    let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
    let it_value =
        Timespec { tv_sec: value.as_secs().try_into().unwrap_or(i64::MAX), tv_nsec: value.subsec_nanos().into() };
    Itimerspec { it_interval: zero, it_value }
}

async fn expired(timer: &Readable) -> Result<(), Errno> {
    let mut expirations = [0; 8];
    timer.read(&mut expirations).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_boot_id() {
        let id = parse_boot_id("01234567-89ab-cdef-0123-456789abcdef\n").expect("a UUID");
        assert_eq!(id.0[..4], [0x01, 0x23, 0x45, 0x67]);
        assert_eq!(parse_boot_id("nonsense"), None);
    }

    #[tokio::test]
    async fn an_alarm_rings_at_its_instant_and_an_unset_one_does_not() {
        let clock = Clock::of_this_machine().expect("a boot id");
        let alarm = Alarm::new().expect("a timerfd");
        let when = clock.now().boot.after(Duration::from_millis(20));
        alarm.set(Some(when)).expect("set");
        alarm.rang().await.expect("rings");
        assert!(clock.now().boot >= when);
        alarm.set(None).expect("unset");
        assert!(tokio::time::timeout(Duration::from_millis(20), alarm.rang()).await.is_err());
    }
}
