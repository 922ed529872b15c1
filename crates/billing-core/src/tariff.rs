//! What a call is sold at.
//!
//! * Units: micro-coins per minute; milliseconds of media.
//! * Errors: none. [`Rate::MAX`] and [`CALL_MS_MAX`] rule out overflow.

use serde::{Deserialize, Serialize};
use units::{ElapsedMs, MicroCoins, Rate, Rates};

/// The longest call that is metered: 48 hours of media. At the highest rate a longer one would
/// not fit the bound of [`Rate::MAX`]; a shorter one would end real calls.
pub const CALL_MS_MAX: ElapsedMs = ElapsedMs::from_secs(48 * 3_600);

pub(crate) const MS_PER_MINUTE: u128 = 60_000;

const _: () = assert!(
    Rate::MAX.micro_per_minute() as u128 * CALL_MS_MAX.0 as u128 / MS_PER_MINUTE
        <= MicroCoins::MAX.micro() as u128
);

/// A price and its terms, locked in a quote when the host accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tariff {
    /// The price of a minute after the free time, without and with picture.
    pub rates: Rates,
    /// Media time at the start that is never charged. It pays for time with picture first.
    pub free: ElapsedMs,
    /// Charged time is rounded up to a multiple of this; 0 and 1 bill the exact millisecond.
    pub pulse: ElapsedMs,
    /// The least time that is charged, once any is.
    pub minimum: ElapsedMs,
    /// Charged once, as soon as any time is charged.
    pub connect_fee: MicroCoins,
}

impl Tariff {
    /// Billed by the exact millisecond at `rates`, with nothing else to it.
    #[must_use]
    pub fn plain(rates: Rates) -> Self {
        Self { rates, ..Self::default() }
    }

    /// The time that is charged for `media` beyond the free time: at least the minimum, in whole
    /// pulses; nothing for nothing. Monotone, and never less than `media`.
    #[must_use]
    pub(crate) fn charged_time(&self, media: ElapsedMs) -> ElapsedMs {
        if media == ElapsedMs::ZERO {
            return ElapsedMs::ZERO;
        }
        let pulse = self.pulse.0.max(1);
        ElapsedMs(media.0.max(self.minimum.0).div_ceil(pulse).saturating_mul(pulse))
    }
}
