//! The process's clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use units::{MonotonicMs, MonotonicUs, UnixMs};

/// Monotonic time since the process started, and the calendar's time. Cheap to copy; one per
/// process, so that all its monotonic times can be compared.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// Now, for cores that count milliseconds.
    #[must_use]
    pub fn now(&self) -> MonotonicMs {
        self.now_us().ms()
    }

    /// Now, for the media path.
    ///
    /// # Panics
    /// Never: 2^64 microseconds are 584,000 years.
    #[must_use]
    pub fn now_us(&self) -> MonotonicUs {
        let elapsed = self.start.elapsed().as_micros();
        MonotonicUs(u64::try_from(elapsed).expect("a process runs less than 584,000 years"))
    }

    /// The same moment for libraries that take an [`Instant`].
    #[must_use]
    pub fn instant_at(&self, time: MonotonicUs) -> Instant {
        self.start + Duration::from_micros(time.0)
    }

    /// A library's [`Instant`] on this clock; the start, if it is earlier. Rounded up: whoever is
    /// woken then is not told that it is too early, again and again until the microsecond is over.
    #[must_use]
    pub fn at_instant(&self, instant: Instant) -> MonotonicUs {
        let elapsed = instant.saturating_duration_since(self.start).as_nanos().div_ceil(1_000);
        MonotonicUs(u64::try_from(elapsed).unwrap_or(u64::MAX))
    }

    /// The tokio instant of a core's wake-up time.
    #[must_use]
    pub fn tokio_at(&self, time: MonotonicMs) -> tokio::time::Instant {
        (self.start + Duration::from_millis(time.0)).into()
    }

    /// The calendar's time; 0 before 1970.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the calendar")]
    pub fn unix(&self) -> UnixMs {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixMs(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_at_an_instant_is_due_at_its_time() {
        let clock = Clock::start();
        for nanos in [0, 1, 999, 1_000, 1_001, 5_000_000_001] {
            let instant = clock.start + Duration::from_nanos(nanos);
            let time = clock.at_instant(instant);
            assert!(clock.instant_at(time) >= instant, "{nanos}");
            assert!(time.0 * 1_000 < nanos + 1_000, "{nanos}");
        }
        assert_eq!(clock.at_instant(clock.start - Duration::from_secs(1)), MonotonicUs(0));
    }
}
