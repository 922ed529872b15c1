//! What must agree between hot balances and the ledger while calls go on.
//!
//! Reads only.

use super::Store;
use super::restore::Live;
use crate::{Error, Hot, HotWallet, Ledger, Slot};
use futures::future::try_join_all;
use std::collections::{BTreeMap, BTreeSet};
use units::{Coins, MicroCoins, Shard};

/// How many shards one call looks at: all are seen after 16. More would make one longer than a
/// tick where many calls are live; fewer would let a difference go unseen longer.
const SHARDS_AT_ONCE: usize = 64;

/// The rules, by the names of their metrics.
const RULES: [&str; 5] = [
    "credits_equal_spent_plus_funds",
    "funds_not_negative",
    "hot_not_behind_checkpoint",
    "slots_are_open_calls",
    "amounts_are_exact",
];

impl<H: Hot, L: Ledger> Store<H, L> {
    /// Compares some of the shards that are held, others each time: how many wallets or slots break
    /// each rule, by its name. All are 0 unless hot balances have just been lost.
    ///
    /// # Errors
    /// As the ledger and hot balances.
    pub async fn reconcile(&self) -> Result<Vec<(&'static str, u64)>, Error> {
        let shards = self.next_shards();
        let live = {
            let mut tx = self.ledger.snapshot().await?;
            Live::of_shards(&mut tx, &shards, BTreeSet::new()).await?
        };
        let known: Vec<HotWallet> = live.hot().into_values().flatten().collect();
        let hot = try_join_all(known.iter().map(|wallet| self.hot.wallet(&wallet.user))).await?;
        let mut found: BTreeMap<&'static str, u64> = RULES.map(|rule| (rule, 0)).into();
        for (known, hot) in known.iter().zip(hot) {
            for rule in broken(known, hot.as_ref()) {
                *found.entry(rule).or_default() += 1;
            }
        }
        Ok(RULES.map(|rule| (rule, found.get(rule).copied().unwrap_or(0))).to_vec())
    }

    fn next_shards(&self) -> Vec<Shard> {
        let mut owned = self.owned();
        let held: Vec<Shard> = owned.epochs.keys().copied().collect();
        let parts = held.len().div_ceil(SHARDS_AT_ONCE).max(1);
        let part = usize::from(owned.reconciled) % parts;
        owned.reconciled = owned.reconciled.wrapping_add(1);
        held.chunks(SHARDS_AT_ONCE).nth(part).map(<[Shard]>::to_vec).unwrap_or_default()
    }
}

/// The rules that a live wallet breaks.
fn broken(known: &HotWallet, hot: Option<&HotWallet>) -> Vec<&'static str> {
    let Some(hot) = hot else { return vec![RULES[3]] };
    let mut rules = Vec::new();
    let sum = |wallet: &HotWallet| {
        let slots = wallet.slots.iter().map(|(_, charged)| *charged);
        slots.chain([wallet.settled]).try_fold(Coins::ZERO, Coins::checked_add)
    };
    let covers = |more: Coins, less: Coins| more.paid >= less.paid && more.promo >= less.promo;
    match sum(hot) {
        None => rules.push(RULES[4]),
        Some(spent) if !covers(hot.credited, spent) => rules.push(RULES[1]),
        Some(spent) => {
            let funds = hot.funds();
            if spent.checked_add(funds) != Some(hot.credited) || hot.credited != known.credited {
                rules.push(RULES[0]);
            }
        }
    }
    let behind = known.slots.iter().any(|(slot, checkpoint)| {
        let total = |coins: Coins| coins.total().unwrap_or(MicroCoins::MAX);
        hot.charged(*slot).is_some_and(|charged| total(charged) < total(*checkpoint))
    });
    if behind || !covers(hot.settled, known.settled) {
        rules.push(RULES[2]);
    }
    let ids = |wallet: &HotWallet| {
        let mut ids: Vec<Slot> = wallet.slots.iter().map(|(slot, _)| *slot).collect();
        ids.sort();
        ids
    };
    if ids(known) != ids(hot) {
        rules.push(RULES[3]);
    }
    rules
}
