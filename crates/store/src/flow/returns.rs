//! What fans get back by rule when a call is settled (BILLING.md, rule 39).
//!
//! Safe to repeat: the credits are written in the transaction that makes the bill, so that no crash
//! comes between them, and each counts once by its id. A bill that is asked for again names those
//! that were given, and gives none.

use super::Store;
use super::credit::{self, Written};
use crate::{Error, Hot, Ledger, Transaction};
use billing_core::{Receipt, RuleCredit};
use std::collections::BTreeMap;
use units::{CallId, Coins, Shard, UserId};

/// What a batch of bills gave back.
#[derive(Default)]
pub(super) struct Returned {
    pub(super) credits: BTreeMap<CallId, Vec<RuleCredit>>,
    /// The credits of each wallet that got some, for hot balances.
    pub(super) credited: BTreeMap<UserId, Coins>,
}

/// Writes what is due for a call; with `ended_here` false, only looks for what was given before.
pub(super) async fn write(
    tx: &mut impl Transaction,
    receipt: &Receipt,
    due: Vec<RuleCredit>,
    ended_here: bool,
    returned: &mut Returned,
) -> Result<(), Error> {
    for each in due {
        if !ended_here && tx.credit(&each.credit.id).await?.is_none() {
            continue;
        }
        match credit::write(tx, &each.credit).await? {
            Written::Added(credited) => {
                returned.credited.insert(receipt.terms.fan.clone(), credited);
            }
            Written::Repeated(_) => {}
            // A wallet that is full, or rules that were changed since.
            Written::Refused(why) => {
                tracing::warn!(call = %receipt.call, ?why, "nothing is given back");
                continue;
            }
        }
        returned.credits.entry(receipt.call).or_default().push(each);
    }
    Ok(())
}

impl<H: Hot, L: Ledger> Store<H, L> {
    /// Brings hot balances up to the credits that are in the ledger.
    pub(super) async fn hand_out(&self, credited: &BTreeMap<UserId, Coins>) {
        for (user, credited) in credited {
            let shard = Shard::of(user);
            let Some(lease) = self.lease_of(shard) else { continue };
            let outcome = self.hot.credit(shard, self.hot_epoch(lease), user, *credited).await;
            self.follow_up(shard, outcome);
        }
    }
}
