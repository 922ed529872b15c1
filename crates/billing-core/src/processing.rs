//! What payment providers take of a charge, and what of that falls on a host (BILLING.md, rule 38).
//!
//! Only for quotes, statements and payouts: no fee ever touches a fan's balance.
//!
//! * Units: micro-coins; percentages in hundredths of a percent.
//! * Rounding: half up to the fee's own unit, once per charge: a micro-coin unless set, a cent
//!   where the provider's statement shows cents.
//! * Errors: none.

use crate::Split;
use serde::{Deserialize, Serialize};
use units::{MicroCoins, ShareBps};

/// A percentage of each charge and a fixed part, within bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessingFee {
    /// The part of the charge.
    pub share: ShareBps,
    /// What each charge costs besides.
    pub fixed: MicroCoins,
    /// The least that is taken of a charge.
    pub min: MicroCoins,
    /// The most.
    pub max: MicroCoins,
    /// What fees are whole multiples of: 1 micro-coin is exact, 10,000 are cents.
    pub unit: MicroCoins,
}

impl ProcessingFee {
    /// A percentage and a fixed part, without bounds, to the micro-coin.
    ///
    /// # Panics
    /// Never: one micro-coin is an amount.
    #[must_use]
    pub fn new(share: ShareBps, fixed: MicroCoins) -> Self {
        let unit = MicroCoins::new(1).expect("one micro-coin is an amount");
        Self { share, fixed, min: MicroCoins::ZERO, max: MicroCoins::MAX, unit }
    }

    /// What one charge of `amount` costs; nothing for none. It may be more than the charge: a
    /// fixed part of 0.30 is more than a charge of 0.10.
    #[must_use]
    pub fn of(&self, amount: MicroCoins) -> MicroCoins {
        if amount == MicroCoins::ZERO {
            return MicroCoins::ZERO;
        }
        let whole = u128::from(ShareBps::WHOLE.bps());
        let exact = u128::from(amount.micro()) * u128::from(self.share.bps())
            + u128::from(self.fixed.micro()) * whole;
        let unit = u128::from(self.unit.micro().max(1));
        let rounded = (exact + whole * unit / 2) / (whole * unit) * unit;
        amount_of(rounded).max(self.min).min(self.max)
    }

    /// What `total` costs if it is charged in `charges` parts as equal as can be; nothing for no
    /// charge.
    #[must_use]
    pub fn of_charges(&self, total: MicroCoins, charges: u32) -> MicroCoins {
        if charges == 0 {
            return MicroCoins::ZERO;
        }
        let count = u64::from(charges);
        let (part, larger) = (total.micro() / count, total.micro() % count);
        let fee = |micro: u64| u128::from(self.of(amount_of(micro.into())).micro());
        let smaller = u128::from(count - larger);
        amount_of(u128::from(larger) * fee(part + 1) + smaller * fee(part))
    }

    /// The part of a top-up's fee that falls on `spent` of its coins: with prepaid coins a fan is
    /// charged once for many calls. Cumulative, rounded down; all of the fee when all is spent.
    #[must_use]
    pub fn of_part(&self, top_up: MicroCoins, spent: MicroCoins) -> MicroCoins {
        let fee = u128::from(self.of(top_up).micro());
        let spent = u128::from(spent.min(top_up).micro());
        amount_of(fee * spent / u128::from(top_up.micro().max(1)))
    }
}

/// What is taken of an amount that was authorised on a card, whose fractions of a `unit` (a cent)
/// are dropped: the remainder stays with the fan, as in every charge.
#[must_use]
pub fn captured(amount: MicroCoins, unit: MicroCoins) -> MicroCoins {
    let dropped = amount.micro() % unit.micro().max(1);
    amount_of(u128::from(amount.micro() - dropped))
}

/// The least gross of which the host's part is at least `part`: how much has to be sold for a wish.
/// `None` if no gross is enough.
#[must_use]
pub fn gross_for(part: MicroCoins, host_share: ShareBps) -> Option<MicroCoins> {
    let (whole, share) = (u128::from(ShareBps::WHOLE.bps()), u128::from(host_share.bps()));
    let micro = match (part, share) {
        (MicroCoins::ZERO, _) => 0,
        (_, 0) => return None,
        _ => (u128::from(part.micro()) * whole).div_ceil(share),
    };
    let gross = MicroCoins::new(u64::try_from(micro).ok()?).ok()?;
    debug_assert!(Split::of(gross, host_share).host >= part);
    Some(gross)
}

fn amount_of(micro: u128) -> MicroCoins {
    let amount = u64::try_from(micro).ok().and_then(|micro| MicroCoins::new(micro).ok());
    amount.unwrap_or(MicroCoins::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn amount(text: &str) -> MicroCoins {
        text.parse().unwrap()
    }

    fn fee(bps: u16, fixed: &str) -> ProcessingFee {
        ProcessingFee::new(ShareBps::new(bps).unwrap(), amount(fixed))
    }

    #[test]
    fn fees_are_rounded_half_up_to_their_unit() {
        // share, fixed, unit, charge; expected.
        for (bps, fixed, unit, charge, expected) in [
            (290, "0.30", "0.000001", "45.00", "1.605"),
            (290, "0.30", "0.01", "45.00", "1.61"),
            (290, "0.30", "0.01", "44.99", "1.60"),
            (300, "0", "0.000001", "1200.00", "36.00"),
            (100, "0", "0.01", "804.00", "8.04"),
            (1, "0", "0.000001", "0.005", "0.000001"),
            (1, "0", "0.000001", "0.004999", "0"),
            (290, "0.30", "0.01", "0.00", "0"),
            (290, "0.30", "0.01", "0.10", "0.30"),
            (10_000, "9007199254", "0.000001", "9007199254.00", "9007199254.740992"),
        ] {
            let fee = ProcessingFee { unit: amount(unit), ..fee(bps, fixed) };
            assert_eq!(fee.of(amount(charge)), amount(expected), "{bps} + {fixed} of {charge}");
        }
    }

    #[test]
    fn fees_stay_within_their_bounds() {
        let fee = ProcessingFee { min: amount("0.50"), max: amount("10"), ..fee(100, "0") };
        for (charge, expected) in [
            ("0", "0"),
            ("10", "0.50"),
            ("50", "0.50"),
            ("51", "0.51"),
            ("1000", "10"),
            ("1001", "10"),
        ] {
            assert_eq!(fee.of(amount(charge)), amount(expected), "{charge}");
        }
    }

    #[test]
    fn each_charge_has_its_own_fixed_part() {
        for (charges, expected) in
            [(0, "0"), (1, "35.10"), (8, "37.20"), (16, "39.60"), (7, "36.900003")]
        {
            let fee = fee(290, "0.30").of_charges(amount("1200.00"), charges);
            assert_eq!(fee, amount(expected), "{charges}");
        }
        // 10 micro-coins in 4 parts: 3, 3, 2, 2.
        let half = fee(5_000, "0").of_charges(amount("0.00001"), 4);
        assert_eq!(half, amount("0.000006"));
    }

    #[test]
    fn a_card_is_charged_whole_cents() {
        for (charge, expected) in [("14.328", "14.32"), ("14.32", "14.32"), ("0.009999", "0")] {
            assert_eq!(captured(amount(charge), amount("0.01")), amount(expected), "{charge}");
        }
        assert_eq!(captured(amount("1.5"), MicroCoins::ZERO), amount("1.5"));
    }

    #[test]
    fn a_wish_names_the_gross_it_takes() {
        for (part, bps, expected) in [
            ("35000", 7_000, Some("50000")),
            ("0.000001", 7_000, Some("0.000002")),
            ("0", 0, Some("0")),
            ("1", 0, None),
            ("9007199254", 1, None),
        ] {
            let gross = gross_for(amount(part), ShareBps::new(bps).unwrap());
            assert_eq!(gross, expected.map(amount), "{part} at {bps}");
        }
    }

    proptest! {
        #[test]
        fn the_parts_of_a_top_up_bear_its_fee_and_no_more(
            top_up in 1_u64..1_000_000_000, cuts in proptest::collection::vec(0_u64..=1_000, 0..9),
            bps in 0_u16..=1_000, fixed in 0_u64..1_000_000,
        ) {
            let fee = ProcessingFee::new(
                ShareBps::new(bps).unwrap(), MicroCoins::new(fixed).unwrap(),
            );
            let top_up = MicroCoins::new(top_up).unwrap();
            let mut cuts = cuts;
            cuts.sort_unstable();
            let mut borne = MicroCoins::ZERO;
            for cut in cuts {
                let spent = MicroCoins::new(top_up.micro() * cut / 1_000).unwrap();
                let by_now = fee.of_part(top_up, spent);
                prop_assert!(by_now >= borne);
                borne = by_now;
            }
            prop_assert!(borne <= fee.of(top_up));
            prop_assert_eq!(fee.of_part(top_up, top_up), fee.of(top_up));
            prop_assert_eq!(fee.of_part(top_up, MicroCoins::MAX), fee.of(top_up));
        }

        #[test]
        fn the_gross_for_a_wish_is_the_least(part in 1_u64..1_000_000_000, bps in 1_u16..=10_000) {
            let share = ShareBps::new(bps).unwrap();
            let part = MicroCoins::new(part).unwrap();
            let gross = gross_for(part, share).unwrap();
            prop_assert!(Split::of(gross, share).host >= part);
            let less = MicroCoins::new(gross.micro() - 1).unwrap();
            prop_assert!(Split::of(less, share).host < part);
        }
    }
}
