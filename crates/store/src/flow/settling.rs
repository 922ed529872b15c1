//! What a settlement makes of a call and its wallet: pure.

use crate::{CallRow, WalletRow};
use billing_core::{Plan, Settlement, advance};
use units::{Coins, MicroCoins};

/// Brings a call's row to what a settlement says, and its wallet with it; returns what is posted
/// now.
///
/// * `reached`: what hot balances took, where they know the call.
/// * `others`: what is posted of the wallet's other open calls.
///
/// The charge is at most what the plan says for the proven time, whatever hot balances took, and
/// at most what the wallet holds, whatever a checkpoint said: after a failover of hot balances both
/// may have gone too far. It is never less than what is posted.
pub(super) fn settle(
    row: &mut CallRow,
    wallet: &mut WalletRow,
    settlement: &Settlement,
    reached: Option<Coins>,
    others: Coins,
) -> Coins {
    let known = row.live.charged;
    row.live.proven = row.live.proven.merge(settlement.target.proven);
    let next = settlement.evidence.iter().map(|record| record.n + 1).max().unwrap_or(0);
    row.live.records = row.live.records.max(next);
    let plan = Plan { tariff: row.live.terms.tariff, changes: row.live.changes.clone() };
    let bill = plan.charge(row.live.proven).max(total(known));
    let reached = reached.unwrap_or(known);
    let held = wallet.credited.saturating_sub(wallet.settled).saturating_sub(others);
    let charged = fitted(up_to(reached, known, bill), row.posted, held);
    match settlement.end {
        Some(end) => {
            row.live.charged = charged;
            row.live.seen_at = row.live.seen_at.max(end.at);
            row.end = Some(end);
            row.settlements += 1;
            wallet.settled = wallet.settled.checked_add(charged).unwrap_or(wallet.credited);
            row.posted = charged;
        }
        None if covers(charged, known) && charged != row.posted => {
            row.live.charged = charged;
            row.settlements += 1;
            row.posted = charged;
        }
        // Nothing to post, or less than a checkpoint says: the end will tell.
        None => {}
    }
    row.posted
}

/// As much of `reached` as the bill allows, in the kinds of coins that hot balances took where they
/// go on from what the ledger knows, or else promo coins first.
fn up_to(reached: Coins, known: Coins, bill: MicroCoins) -> Coins {
    if !covers(reached, known) {
        let any = Coins { paid: MicroCoins::MAX, promo: MicroCoins::ZERO };
        return advance(known, total(reached).min(bill), any);
    }
    let over = total(reached).saturating_sub(bill);
    let paid_over = over.min(reached.paid.saturating_sub(known.paid));
    let promo_over = over.saturating_sub(paid_over);
    reached.saturating_sub(Coins { paid: paid_over, promo: promo_over })
}

/// As much of `charged` as is held, and all that is posted.
fn fitted(charged: Coins, posted: Coins, held: Coins) -> Coins {
    if covers(charged, posted) && covers(held, charged) {
        return charged;
    }
    advance(posted, total(charged), held.saturating_sub(posted))
}

fn covers(more: Coins, less: Coins) -> bool {
    more.paid >= less.paid && more.promo >= less.promo
}

fn total(coins: Coins) -> MicroCoins {
    coins.total().unwrap_or(MicroCoins::MAX)
}
