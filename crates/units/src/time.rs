//! Time: spans, the process's own clock, and the calendar's.
//!
//! Only spans and monotonic times may enter a bill; [`UnixMs`] stamps records for people.

use serde::{Deserialize, Serialize};
use std::ops::{Add, AddAssign, Sub};

/// A span of time in milliseconds.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ElapsedMs(pub u64);

impl ElapsedMs {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A span of whole seconds.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds * 1_000)
    }

    /// The span less `other`, or zero.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Add for ElapsedMs {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl AddAssign for ElapsedMs {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

/// Milliseconds on the process's monotonic clock, counted from its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonotonicMs(pub u64);

impl MonotonicMs {
    /// The time since `earlier`, or zero if that is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> ElapsedMs {
        ElapsedMs(self.0.saturating_sub(earlier.0))
    }
}

impl Add<ElapsedMs> for MonotonicMs {
    type Output = Self;

    fn add(self, span: ElapsedMs) -> Self {
        Self(self.0 + span.0)
    }
}

/// Microseconds on the process's monotonic clock, counted from its start: the media clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonotonicUs(pub u64);

impl MonotonicUs {
    /// The same moment in whole milliseconds, rounded down.
    #[must_use]
    pub const fn ms(self) -> MonotonicMs {
        MonotonicMs(self.0 / 1_000)
    }

    /// Microseconds since `earlier`, or zero if that is not earlier.
    #[must_use]
    pub const fn us_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<ElapsedMs> for MonotonicUs {
    type Output = Self;

    fn add(self, span: ElapsedMs) -> Self {
        Self(self.0 + span.0 * 1_000)
    }
}

/// Milliseconds since 1970-01-01 UTC. Stamps records; never measures a span.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct UnixMs(pub u64);

impl Sub for UnixMs {
    type Output = ElapsedMs;

    fn sub(self, earlier: Self) -> ElapsedMs {
        ElapsedMs(self.0.saturating_sub(earlier.0))
    }
}
