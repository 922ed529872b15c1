//! Which coins a credit puts into a wallet: bought ones less what is owed, and for what is given
//! back those that it was paid with (BILLING.md, rules 58 and 59).
//!
//! * Units: micro-coins.
//! * Rounding: of promo coins down, so that the fan's part of a micro-coin is one that was bought.
//! * Errors: none. More than a call took is never given back.

use units::{Coins, MicroCoins};

/// What is left of a purchase of `amount` for a wallet that owes `owed`.
#[must_use]
pub const fn bought(amount: MicroCoins, owed: MicroCoins) -> Coins {
    Coins { paid: amount.saturating_sub(owed), promo: MicroCoins::ZERO }
}

/// The coins of a refund of `amount` for a call that took `charged`, of which `before` is given
/// back already: promo coins in the part that they had in the charge, over all refunds together, so
/// that the sum does not depend on how it is divided. `None` if it is more than is left.
#[must_use]
pub fn given_back(charged: Coins, before: Coins, amount: MicroCoins) -> Option<Coins> {
    let (all, known) = (charged.total()?, before.total()?);
    let after = known.checked_add(amount)?;
    if after > all {
        return None;
    }
    let promo = u128::from(after.micro()) * u128::from(charged.promo.micro())
        / u128::from(all.micro()).max(1);
    let promo = MicroCoins::new(u64::try_from(promo).ok()?).ok()?;
    // What was given back by other rules may have been of the other kind: then the rest is bounded
    // by what the call took of each.
    let least = amount.saturating_sub(charged.paid.saturating_sub(before.paid));
    let most = amount.min(charged.promo.saturating_sub(before.promo));
    let promo = promo.saturating_sub(before.promo).max(least).min(most);
    Some(Coins { paid: amount.saturating_sub(promo), promo })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn micro(amount: u64) -> MicroCoins {
        MicroCoins::new(amount).unwrap()
    }

    fn coins(paid: u64, promo: u64) -> Coins {
        Coins { paid: micro(paid), promo: micro(promo) }
    }

    #[test]
    fn a_purchase_pays_first_what_is_owed() {
        for (amount, owed, left) in [(5, 0, 5), (5, 2, 3), (5, 5, 0), (5, 9, 0), (0, 9, 0)] {
            assert_eq!(bought(micro(amount), micro(owed)), coins(left, 0), "{amount} owing {owed}");
        }
    }

    #[test]
    fn a_refund_is_of_the_coins_that_paid() {
        for (charged, before, amount, expected) in [
            (coins(10, 0), coins(0, 0), 4, Some(coins(4, 0))),
            (coins(0, 10), coins(0, 0), 4, Some(coins(0, 4))),
            (coins(6, 4), coins(0, 0), 10, Some(coins(6, 4))),
            (coins(6, 4), coins(0, 0), 5, Some(coins(3, 2))),
            // 4/10 of 3 is one whole promo coin, of 6 it is two.
            (coins(6, 4), coins(0, 0), 3, Some(coins(2, 1))),
            (coins(6, 4), coins(2, 1), 3, Some(coins(2, 1))),
            (coins(6, 4), coins(2, 1), 7, Some(coins(4, 3))),
            (coins(6, 4), coins(2, 1), 8, None),
            (coins(0, 0), coins(0, 0), 0, Some(coins(0, 0))),
            (coins(0, 0), coins(0, 0), 1, None),
            // Given back in another proportion before: each kind is bounded by what was taken.
            (coins(6, 4), coins(6, 0), 4, Some(coins(0, 4))),
            (coins(6, 4), coins(6, 0), 2, Some(coins(0, 2))),
            (coins(6, 4), coins(0, 4), 5, Some(coins(5, 0))),
        ] {
            let found = given_back(charged, before, micro(amount));
            assert_eq!(found, expected, "{amount} of {charged:?} after {before:?}");
        }
    }

    proptest! {
        #[test]
        fn refunds_add_up_however_they_are_divided(
            paid in 0_u64..1 << 51, promo in 0_u64..1 << 51,
            parts in proptest::collection::vec(0_u64..1 << 50, 0..6),
        ) {
            let charged = coins(paid, promo);
            let mut given = Coins::ZERO;
            for part in parts {
                let all = charged.total().unwrap();
                let Some(more) = given_back(charged, given, micro(part)) else {
                    prop_assert!(given.total().unwrap().checked_add(micro(part)).unwrap() > all);
                    continue;
                };
                prop_assert_eq!(more.total(), Some(micro(part)));
                given = given.checked_add(more).unwrap();
                let at_once = given_back(charged, Coins::ZERO, given.total().unwrap());
                prop_assert_eq!(Some(given), at_once);
                prop_assert!(given.paid <= charged.paid && given.promo <= charged.promo);
            }
        }
    }
}
