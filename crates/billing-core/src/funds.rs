//! How far a wallet goes that one or more calls draw on (BILLING.md, rule 13).

use crate::{CALL_MS_MAX, Plan, Proven};
use units::{ElapsedMs, MicroCoins};

/// One call's draw on a wallet.
#[derive(Clone, Debug)]
pub(crate) struct Draw<'a> {
    pub(crate) plan: &'a Plan,
    /// What the wallet was charged for it so far.
    pub(crate) charged: MicroCoins,
    /// Media that is billed or may still be.
    pub(crate) media: Proven,
    /// Whether what comes has picture.
    pub(crate) picture: bool,
    /// Whether more media may come. An ended call only claims what is not charged yet.
    pub(crate) running: bool,
}

impl Draw<'_> {
    /// What it would still take from the wallet, `more` media from now.
    fn claim(&self, more: ElapsedMs) -> u128 {
        let Proven { media, video } = self.media;
        let (media, video) = match (self.running, self.picture) {
            (true, true) => (media + more, video + more),
            (true, false) => (media + more, video),
            (false, _) => (media, video),
        };
        let charge = self.plan.charge(Proven { media, video });
        charge.saturating_sub(self.charged).micro().into()
    }

    /// The media time at which to cut, if all running calls of the wallet last `left` from now.
    /// Free time is never cut.
    pub(crate) fn limit(&self, left: ElapsedMs) -> ElapsedMs {
        (self.media.media + left).max(self.plan.tariff.free).min(CALL_MS_MAX)
    }
}

/// How long the `funds` last if all running calls go on together: the least time at which their
/// claims reach the funds.
///
/// With limits set by this, the claims of all calls exceed the funds by less than one millisecond's
/// price of each, which the clamp absorbs. A call that pauses leaves its part to the others at the
/// next tick.
pub(crate) fn time_left(funds: MicroCoins, draws: &[Draw<'_>]) -> ElapsedMs {
    if let [only] = draws
        && only.running
    {
        let total = only.charged.checked_add(funds).unwrap_or(MicroCoins::MAX);
        let funded = only.plan.funded(only.media, only.picture, total);
        return funded.saturating_sub(only.media.media);
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
    use crate::Tariff;
    use proptest::prelude::*;
    use units::{Rate, Rates};

    /// A call: price, charged so far, media so far, whether it runs.
    type Row = (&'static str, &'static str, u64, bool);

    fn plan(rate: Rate, free_ms: u64) -> Plan {
        let free = ElapsedMs(free_ms);
        Plan::new(Tariff { free, ..Tariff::plain(Rates::flat(rate)) })
    }

    #[test]
    fn calls_share_the_time_that_the_funds_last() {
        let rows: [(&str, &[Row], u64); 7] = [
            ("2.00", &[("6.00", "0", 0, true)], 20_000),
            // 5 s are carried but not charged yet.
            ("2.00", &[("6.00", "0", 5_000, true)], 15_000),
            ("2.00", &[("6.00", "0", 0, true), ("6.00", "0", 0, true)], 10_000),
            ("2.00", &[("3.00", "0", 0, true), ("9.00", "1.5", 10_000, true)], 10_000),
            // An ended call's last 10 s come first.
            ("2.00", &[("6.00", "0", 0, true), ("6.00", "0", 10_000, false)], 10_000),
            ("0.00", &[("6.00", "2", 20_000, true)], 0),
            ("1.00", &[("0.00", "0", 0, true), ("0.00", "0", 0, true)], CALL_MS_MAX.0),
        ];
        for (funds, calls, left_ms) in rows {
            let plans: Vec<Plan> =
                calls.iter().map(|(rate, ..)| plan(rate.parse().unwrap(), 0)).collect();
            let draws: Vec<Draw<'_>> = plans
                .iter()
                .zip(calls)
                .map(|(plan, &(_, charged, media_ms, running))| Draw {
                    plan,
                    charged: charged.parse().unwrap(),
                    media: Proven::voice(ElapsedMs(media_ms)),
                    picture: false,
                    running,
                })
                .collect();
            assert_eq!(time_left(funds.parse().unwrap(), &draws), ElapsedMs(left_ms), "{draws:?}");
        }
    }

    proptest! {
        #[test]
        fn limits_of_one_wallet_exceed_its_funds_by_less_than_a_millisecond_each(
            funds in 1_u64..100_000_000,
            calls in proptest::collection::vec(
                (1_000_000_u64..=15_000_000, 0_u64..600_000, proptest::bool::ANY), 1..5,
            ),
        ) {
            let funds = MicroCoins::new(funds).unwrap();
            // The camera is dearer than the voice, so that what is on matters.
            let plans: Vec<Plan> = calls.iter().map(|&(rate, ..)| {
                let per_minute = |micro| Rate::per_minute(micro).unwrap();
                let rates = Rates { voice: per_minute(rate / 2), video: per_minute(rate) };
                Plan::new(Tariff::plain(rates))
            }).collect();
            let draws: Vec<Draw<'_>> = plans.iter().zip(&calls).map(|(plan, &(_, ms, picture))| {
                let media = Proven { media: ElapsedMs(ms), video: ElapsedMs(ms / 3) };
                Draw { plan, charged: plan.charge(media), media, picture, running: true }
            }).collect();
            let left = time_left(funds, &draws);
            let spent = |left: ElapsedMs| draws.iter().map(|draw| draw.claim(left)).sum::<u128>();
            let slack: u128 = calls.iter().map(|(rate, ..)| u128::from(rate / 60_000 + 1)).sum();
            prop_assert!(spent(left) >= funds.micro().into(), "unspendable dust");
            prop_assert!(spent(left) <= u128::from(funds.micro()) + slack);
        }

        #[test]
        fn one_call_lasts_as_long_by_search_as_by_formula(
            funds in 1_u64..100_000_000,
            rate in 1_000_000_u64..=15_000_000,
            media_ms in 0_u64..600_000,
            free_ms in 0_u64..60_000,
            picture in proptest::bool::ANY,
        ) {
            let plan = plan(Rate::per_minute(rate).unwrap(), free_ms);
            let media = Proven::voice(ElapsedMs(media_ms));
            let running =
                Draw { plan: &plan, charged: plan.charge(media), media, picture, running: true };
            let over = Draw {
                plan: &plan,
                charged: MicroCoins::ZERO,
                media: Proven::ZERO,
                picture,
                running: false,
            };
            let funds = MicroCoins::new(funds).unwrap();
            let alone = time_left(funds, std::slice::from_ref(&running));
            prop_assert_eq!(alone, time_left(funds, &[running, over]));
        }
    }
}
