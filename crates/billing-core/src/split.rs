//! Who gets which part of a charge (BILLING.md, rule 7).

use units::{Coins, MicroCoins, ShareBps};

/// A cumulative charge, divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// The host's part, rounded down.
    pub host: MicroCoins,
    /// The platform's part: the rest.
    pub platform: MicroCoins,
}

impl Split {
    /// Divides a cumulative charge. Only ever of the whole, never of a difference: shares of
    /// differences would each lose their own remainder.
    ///
    /// # Panics
    /// Never: a share is at most the whole.
    #[must_use]
    pub fn of(charge: MicroCoins, host_share: ShareBps) -> Self {
        let parts = u128::from(charge.micro()) * u128::from(host_share.bps());
        let host = u64::try_from(parts / u128::from(ShareBps::WHOLE.bps()))
            .ok()
            .and_then(|micro| MicroCoins::new(micro).ok())
            .expect("a share is at most the whole");
        let platform = charge.checked_sub(host).expect("a share is at most the whole");
        Self { host, platform }
    }

    /// Divides each kind of coin by itself, so that neither part ever falls, whichever kind grows.
    ///
    /// # Panics
    /// Never: the parts of a charge add up to it.
    #[must_use]
    pub fn of_coins(charge: Coins, host_share: ShareBps) -> Self {
        let (paid, promo) = (Self::of(charge.paid, host_share), Self::of(charge.promo, host_share));
        let sum = |a: MicroCoins, b: MicroCoins| a.checked_add(b).expect("a part of a charge");
        Self { host: sum(paid.host, promo.host), platform: sum(paid.platform, promo.platform) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_platform_takes_the_rest_of_the_hosts_floor() {
        for (charge, bps, host, platform) in [
            ("1200.00", 7_000, "840.00", "360.00"),
            ("9000.00", 7_000, "6300.00", "2700.00"),
            ("0.000001", 7_000, "0.00", "0.000001"),
            ("0.000003", 5_000, "0.000001", "0.000002"),
            ("5.00", 0, "0.00", "5.00"),
            ("5.00", 10_000, "5.00", "0.00"),
            ("9007199254.740992", 9_999, "9006298534.815517", "900719.925475"),
        ] {
            let split = Split::of(charge.parse().unwrap(), ShareBps::new(bps).unwrap());
            let expected =
                Split { host: host.parse().unwrap(), platform: platform.parse().unwrap() };
            assert_eq!(split, expected, "{charge} at {bps}");
        }
    }

    proptest! {
        #[test]
        fn neither_part_ever_falls_whichever_coins_grow(
            paid in 0_u64..1 << 51, promo in 0_u64..1 << 51, bps in 0_u16..=10_000,
            more_paid in 0_u64..20_000, more_promo in 0_u64..20_000,
        ) {
            let share = ShareBps::new(bps).unwrap();
            let coins = |paid: u64, promo: u64| Coins {
                paid: MicroCoins::new(paid).unwrap(),
                promo: MicroCoins::new(promo).unwrap(),
            };
            let before = Split::of_coins(coins(paid, promo), share);
            let charge = coins(paid + more_paid, promo + more_promo);
            let after = Split::of_coins(charge, share);
            prop_assert!(after.host >= before.host && after.platform >= before.platform);
            prop_assert_eq!(after.host.checked_add(after.platform), charge.total());
        }
    }
}
