//! What the operations on hot balances do to one wallet: pure, and the same wherever it is kept.

use super::{Debited, HotWallet, Mode, Slot, Surplus};
use billing_core::advance;
use units::{Coins, MicroCoins};

impl HotWallet {
    /// What is left: credits - settled - live charges; never below nothing.
    #[must_use]
    pub fn funds(&self) -> Coins {
        self.slots.iter().fold(self.credited.saturating_sub(self.settled), |left, (_, charged)| {
            left.saturating_sub(*charged)
        })
    }

    /// This wallet as the ledger knows it, with what the hot one `before` knew more.
    #[must_use]
    pub fn restored(mut self, before: Option<&Self>, surplus: Surplus) -> Self {
        let Some(before) = before else { return self };
        self.credited = self.credited.max(before.credited);
        self.settled = self.settled.max(before.settled);
        if surplus == Surplus::Keep {
            let mut left = self.funds();
            for (slot, charged) in &mut self.slots {
                let Some(more) = before.charged(*slot).and_then(|took| beyond(took, *charged))
                else {
                    continue;
                };
                let kept =
                    Coins { paid: more.paid.min(left.paid), promo: more.promo.min(left.promo) };
                left = left.saturating_sub(kept);
                *charged = charged.checked_add(kept).unwrap_or(*charged);
            }
        }
        self
    }

    /// Raises a slot to a cumulative target, as far as `mode` lets it.
    pub fn debit(&mut self, slot: Slot, target: MicroCoins, mode: Mode) -> Debited {
        let funds = self.funds();
        let Some((_, charged)) = self.slots.iter_mut().find(|(id, _)| *id == slot) else {
            return Debited::Missing;
        };
        let raised = match mode {
            Mode::UpTo => advance(*charged, target, funds),
            Mode::AllOrNothing => {
                let all = advance(*charged, target, funds);
                if all.total() >= Some(target) { all } else { *charged }
            }
            Mode::TakeBack => swapped(advance(swapped(*charged), target, swapped(funds))),
        };
        *charged = raised;
        Debited::Done { charged: raised, funds: self.funds() }
    }

    /// Removes a slot whose charge is part of `settled` by now.
    pub fn close(&mut self, slot: Slot, settled: Coins) {
        self.settled = self.settled.max(settled);
        self.slots.retain(|(id, _)| *id != slot);
    }

    /// What a slot has taken.
    #[must_use]
    pub fn charged(&self, slot: Slot) -> Option<Coins> {
        self.slots.iter().find(|(id, _)| *id == slot).map(|(_, charged)| *charged)
    }
}

/// What `took` has beyond `known`, if it has at least as much of both kinds.
fn beyond(took: Coins, known: Coins) -> Option<Coins> {
    Some(Coins {
        paid: took.paid.checked_sub(known.paid)?,
        promo: took.promo.checked_sub(known.promo)?,
    })
}

/// Paid for promo: so that what takes promo coins first takes paid ones first.
const fn swapped(coins: Coins) -> Coins {
    Coins { paid: coins.promo, promo: coins.paid }
}
