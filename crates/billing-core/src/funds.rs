//! How far a wallet goes that one or more calls draw on (BILLING.md, rule 13).

use crate::{CALL_MS_MAX, Tariff};
use units::{ElapsedMs, MicroCoins};

/// One call's draw on a wallet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draw {
    pub(crate) tariff: Tariff,
    /// What the wallet was charged for it so far.
    pub(crate) charged: MicroCoins,
    /// Media that is billed or may still be.
    pub(crate) media: ElapsedMs,
    /// Whether more media may come. An ended call only claims what is not charged yet.
    pub(crate) running: bool,
}

impl Draw {
    /// What it would still take from the wallet, `more` media from now.
    fn claim(&self, more: ElapsedMs) -> u128 {
        let media = if self.running { self.media + more } else { self.media };
        self.tariff.charge(media).saturating_sub(self.charged).micro().into()
    }

    /// The media time at which to cut, if all running calls of the wallet last `left` from now.
    /// Free time is never cut.
    pub(crate) fn limit(&self, left: ElapsedMs) -> ElapsedMs {
        (self.media + left).max(self.tariff.free).min(CALL_MS_MAX)
    }
}

/// How long the `funds` last if all running calls go on together: the least time at which their
/// claims reach the funds.
///
/// With limits set by this, the claims of all calls exceed the funds by less than one millisecond's
/// price of each, which the clamp absorbs. A call that pauses leaves its part to the others at the
/// next tick.
pub(crate) fn time_left(funds: MicroCoins, draws: &[Draw]) -> ElapsedMs {
    if let [only] = draws
        && only.running
    {
        let total = only.charged.checked_add(funds).unwrap_or(MicroCoins::MAX);
        return only.tariff.funded(total).saturating_sub(only.media);
    }
    let reached = |more: u64| {
        let claims: u128 = draws.iter().map(|draw| draw.claim(ElapsedMs(more))).sum();
        claims >= funds.micro().into()
    };
    let (mut low, mut high) = (0, CALL_MS_MAX.0);
    while low < high {
        let middle = low.midpoint(high);
        if reached(middle) { high = middle } else { low = middle + 1 }
    }
    ElapsedMs(high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use units::Rate;

    fn draw(rate: &str, charged: &str, media_ms: u64, running: bool) -> Draw {
        let tariff = Tariff { rate: rate.parse().unwrap(), free: ElapsedMs::ZERO };
        Draw { tariff, charged: charged.parse().unwrap(), media: ElapsedMs(media_ms), running }
    }

    #[test]
    fn calls_share_the_time_that_the_funds_last() {
        for (funds, draws, left_ms) in [
            ("2.00", vec![draw("6.00", "0", 0, true)], 20_000),
            // 5 s are carried but not charged yet.
            ("2.00", vec![draw("6.00", "0", 5_000, true)], 15_000),
            ("2.00", vec![draw("6.00", "0", 0, true), draw("6.00", "0", 0, true)], 10_000),
            ("2.00", vec![draw("3.00", "0", 0, true), draw("9.00", "1.5", 10_000, true)], 10_000),
            // An ended call's last 10 s come first.
            ("2.00", vec![draw("6.00", "0", 0, true), draw("6.00", "0", 10_000, false)], 10_000),
            ("0.00", vec![draw("6.00", "2", 20_000, true)], 0),
            ("1.00", vec![draw("0.00", "0", 0, true), draw("0.00", "0", 0, true)], CALL_MS_MAX.0),
        ] {
            assert_eq!(time_left(funds.parse().unwrap(), &draws), ElapsedMs(left_ms), "{draws:?}");
        }
    }

    proptest! {
        #[test]
        fn limits_of_one_wallet_exceed_its_funds_by_less_than_a_millisecond_each(
            funds in 1_u64..100_000_000,
            calls in proptest::collection::vec((1_000_000_u64..=15_000_000, 0_u64..600_000), 1..5),
        ) {
            let funds = MicroCoins::new(funds).unwrap();
            let draws: Vec<Draw> = calls
                .iter()
                .map(|&(rate, media_ms)| {
                    let rate = Rate::per_minute(rate).unwrap();
                    let tariff = Tariff { rate, free: ElapsedMs::ZERO };
                    let media = ElapsedMs(media_ms);
                    Draw { tariff, charged: tariff.charge(media), media, running: true }
                })
                .collect();
            let left = time_left(funds, &draws);
            let spent = |left| -> u64 {
                draws.iter().map(|draw| {
                    draw.tariff.charge(draw.limit(left)).saturating_sub(draw.charged).micro()
                }).sum()
            };
            let slack: u64 = calls.iter().map(|(rate, _)| rate / 60_000 + 1).sum();
            prop_assert!(spent(left) >= funds.micro(), "unspendable dust");
            prop_assert!(spent(left) <= funds.micro() + slack);
        }

        #[test]
        fn one_call_lasts_as_long_by_search_as_by_formula(
            funds in 1_u64..100_000_000,
            rate in 1_000_000_u64..=15_000_000,
            media_ms in 0_u64..600_000,
            free_ms in 0_u64..60_000,
        ) {
            let tariff =
                Tariff { rate: Rate::per_minute(rate).unwrap(), free: ElapsedMs(free_ms) };
            let media = ElapsedMs(media_ms);
            let running = Draw { tariff, charged: tariff.charge(media), media, running: true };
            let over = Draw { tariff, charged: MicroCoins::ZERO, media: ElapsedMs::ZERO, running: false };
            let funds = MicroCoins::new(funds).unwrap();
            prop_assert_eq!(time_left(funds, &[running]), time_left(funds, &[running, over]));
        }
    }
}
