//! What media time costs, and how much media time an amount buys.
//!
//! * Units: micro-coins per minute; milliseconds of media.
//! * Rounding: down, so the remainder stays with the fan (BILLING.md, rule 1).
//! * Errors: none. [`Rate::MAX`] and [`CALL_MS_MAX`] rule out overflow.

use serde::{Deserialize, Serialize};
use units::{ElapsedMs, MicroCoins, Rate};

/// The longest call that is metered: 48 hours of media. At the highest rate a longer one would
/// not fit the bound of [`Rate::MAX`]; a shorter one would end real calls.
pub const CALL_MS_MAX: ElapsedMs = ElapsedMs::from_secs(48 * 3_600);

const MS_PER_MINUTE: u128 = 60_000;

const _: () = assert!(
    Rate::MAX.micro_per_minute() as u128 * CALL_MS_MAX.0 as u128 / MS_PER_MINUTE
        <= MicroCoins::MAX.micro() as u128
);

/// The cumulative charge for `media` at `rate`, rounded down.
///
/// Monotone in `media`: a longer call never costs less. Media beyond [`CALL_MS_MAX`] is free.
///
/// # Panics
/// Never: the bounds of both arguments keep the product in range.
#[must_use]
pub fn charge(rate: Rate, media: ElapsedMs) -> MicroCoins {
    let micro_ms = u128::from(rate.micro_per_minute()) * u128::from(media.min(CALL_MS_MAX).0);
    u64::try_from(micro_ms / MS_PER_MINUTE)
        .ok()
        .and_then(|micro| MicroCoins::new(micro).ok())
        .expect("the longest call at the highest rate costs less than the largest amount")
}

/// A price and the media time at the start of a call that costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tariff {
    /// The price of a minute after the free time.
    pub rate: Rate,
    /// Media time at the start that is never charged.
    pub free: ElapsedMs,
}

impl Tariff {
    /// The cumulative charge for `media`, free time included in it.
    #[must_use]
    pub fn charge(self, media: ElapsedMs) -> MicroCoins {
        charge(self.rate, media.min(CALL_MS_MAX).saturating_sub(self.free))
    }

    /// The media time that `funds` buy (BILLING.md, rule 11): the least at which the charge reaches
    /// them, and never less than the free time. At most [`CALL_MS_MAX`], which is also the answer
    /// where nothing is ever charged.
    ///
    /// The charge of that very millisecond may exceed `funds` by less than a millisecond's price;
    /// the clamp of [`advance`](crate::advance) takes what is there, so that a balance ends at
    /// exactly 0 and leaves no dust that could never be spent.
    #[must_use]
    pub fn funded(self, funds: MicroCoins) -> ElapsedMs {
        let rate = u128::from(self.rate.micro_per_minute());
        if rate == 0 {
            return CALL_MS_MAX;
        }
        let billable = (u128::from(funds.micro()) * MS_PER_MINUTE).div_ceil(rate);
        let funded = billable.saturating_add(self.free.0.into());
        u64::try_from(funded).map_or(CALL_MS_MAX, ElapsedMs).min(CALL_MS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tariff(rate: &str, free_ms: u64) -> Tariff {
        Tariff { rate: rate.parse().unwrap(), free: ElapsedMs(free_ms) }
    }

    #[test]
    fn a_charge_is_the_rate_times_the_time_rounded_down() {
        for (rate, free_ms, media_ms, expected) in [
            ("5.00", 0, 60_000, "5.00"),
            ("2.50", 0, 480 * 60_000, "1200.00"),
            ("5.00", 0, 1_800 * 60_000, "9000.00"),
            ("5.00", 0, 1_000, "0.083333"),
            ("5.00", 0, 0, "0.00"),
            ("5.00", 20_000, 20_000, "0.00"),
            ("5.00", 20_000, 80_000, "5.00"),
            ("1.99", 0, 432_000, "14.328"),
            ("0.00", 0, 60_000, "0.00"),
            ("100000.00", 0, u64::MAX, "288000000.00"),
        ] {
            let charge = tariff(rate, free_ms).charge(ElapsedMs(media_ms));
            assert_eq!(charge, expected.parse().unwrap(), "{rate}, {free_ms}, {media_ms}");
        }
    }

    #[test]
    fn funds_buy_the_time_that_spends_them() {
        for (rate, free_ms, funds, expected_ms) in [
            ("6.00", 0, "2.00", 20_000),
            ("5.00", 0, "5.00", 60_000),
            ("5.00", 0, "0.000001", 1),
            ("5.00", 0, "0.00", 0),
            ("5.00", 20_000, "0.00", 20_000),
            ("5.00", 20_000, "5.00", 80_000),
            ("0.00", 0, "0.00", CALL_MS_MAX.0),
            ("0.000001", 0, "9000000000.00", CALL_MS_MAX.0),
        ] {
            let funded = tariff(rate, free_ms).funded(funds.parse().unwrap());
            assert_eq!(funded, ElapsedMs(expected_ms), "{rate}, {free_ms}, {funds}");
        }
    }

    proptest! {
        #[test]
        fn funded_time_is_the_least_that_reaches_the_funds(
            rate in 1_u64..=15_000_000,
            free_ms in 0_u64..=60_000,
            funds in 1_u64..=100_000_000,
        ) {
            let tariff = Tariff { rate: Rate::per_minute(rate).unwrap(), free: ElapsedMs(free_ms) };
            let funds = MicroCoins::new(funds).unwrap();
            let funded = tariff.funded(funds);
            prop_assume!(funded < CALL_MS_MAX);
            prop_assert!(tariff.charge(funded) >= funds);
            prop_assert!(tariff.charge(ElapsedMs(funded.0 - 1)) < funds);
        }
    }
}
