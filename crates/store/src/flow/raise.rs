//! Raising slots in hot balances, which heal on the way.
//!
//! Safe to repeat: a target is its own key.

use super::Store;
use crate::{Debit, Debited, Epoch, Error, Hot, Lease, Ledger};
use futures::future::join_all;
use std::collections::{BTreeMap, BTreeSet};
use units::{Shard, UserId};

/// How often hot balances are restored for one batch. Once is enough unless they fail over again
/// meanwhile; more would go on for ever against one that loses everything at once.
const ATTEMPTS: u8 = 3;

/// What became of each debit of a batch; `None` where its shard is not held here.
pub(super) type Raised = Vec<Option<Debited>>;

/// Debits that wait for an answer, and their places in the batch, by shard.
struct Waiting(BTreeMap<Shard, (Vec<usize>, Vec<Debit>)>);

impl Waiting {
    fn all(debits: Vec<Debit>) -> Self {
        let mut shards: BTreeMap<Shard, (Vec<usize>, Vec<Debit>)> = BTreeMap::new();
        for (place, debit) in debits.into_iter().enumerate() {
            let (places, debits) = shards.entry(Shard::of(&debit.user)).or_default();
            places.push(place);
            debits.push(debit);
        }
        Self(shards)
    }

    /// Whose debits are at such places.
    fn users(&self, is_wanted: impl Fn(usize) -> bool) -> BTreeSet<UserId> {
        let all = self.0.values().flat_map(|(places, debits)| places.iter().zip(debits));
        all.filter(|(place, _)| is_wanted(**place)).map(|(_, debit)| debit.user.clone()).collect()
    }

    /// Keeps the debits of these users.
    fn retain(&mut self, users: &BTreeSet<UserId>) {
        self.0.retain(|_, (places, debits)| {
            let kept = std::mem::take(places).into_iter().zip(std::mem::take(debits));
            (*places, *debits) = kept.filter(|(_, debit)| users.contains(&debit.user)).unzip();
            !debits.is_empty()
        });
    }
}

impl<H: Hot, L: Ledger> Store<H, L> {
    /// Raises slots, in order within a wallet. What hot balances have lost is restored from the
    /// ledger and debited again, so that what comes back as [`Debited::Missing`] is open nowhere.
    pub(super) async fn raise(&self, debits: Vec<Debit>) -> Result<Raised, Error> {
        let mut raised: Raised = vec![None; debits.len()];
        let mut waiting = Waiting::all(debits);
        let mut attempt = 0;
        loop {
            attempt += 1;
            self.heal().await?;
            let before = self.owned().generation;
            let outcome = self.raise_once(&waiting).await;
            // A failover in the middle: what was debited may have been debited from the past.
            let moved = Some(self.hot.generation().await?) != before;
            let (answers, forgotten) = outcome?;
            for (place, debited) in answers {
                raised[place] = Some(debited);
            }
            let missing = waiting.users(|place| raised[place] == Some(Debited::Missing));
            if attempt == ATTEMPTS || (!moved && !forgotten && missing.is_empty()) {
                return if moved || forgotten { Err(Error::Unsettled) } else { Ok(raised) };
            }
            if !moved && !forgotten {
                if attempt > 1 {
                    return Ok(raised);
                }
                // Only those wallets are debited again: a wallet's debits keep their order.
                self.restore_users(&missing).await?;
                waiting.retain(&missing);
            }
        }
    }

    /// One attempt; whether a shard was forgotten.
    async fn raise_once(&self, waiting: &Waiting) -> Result<(Vec<(usize, Debited)>, bool), Error> {
        let epochs: BTreeMap<Shard, Epoch> = self.owned().epochs.clone();
        let asked = waiting.0.iter().filter_map(|(shard, (places, debits))| {
            let lease = Lease { shard: *shard, epoch: *epochs.get(shard)? };
            let epoch = self.hot_epoch(lease);
            Some(
                async move { (*shard, epoch, places, self.hot.debit(*shard, epoch, debits).await) },
            )
        });
        let (mut answers, mut forgotten, mut failed) = (Vec::new(), false, None);
        for (shard, epoch, places, outcome) in join_all(asked).await {
            match outcome {
                Ok(debited) => answers.extend(places.iter().copied().zip(debited)),
                Err(Error::Forgotten(_)) => {
                    self.stale(shard);
                    forgotten = true;
                }
                // By ourselves: it was restored meanwhile.
                Err(Error::Fenced(_)) if self.has_moved(shard, epoch) => forgotten = true,
                Err(error) => failed = Some(self.noted(error)),
            }
        }
        failed.map_or(Ok((answers, forgotten)), Err)
    }
}
