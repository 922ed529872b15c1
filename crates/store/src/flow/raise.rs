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

impl<H: Hot, L: Ledger> Store<H, L> {
    /// Raises slots, in order within a wallet. What hot balances have lost is restored from the
    /// ledger and debited again, so that what comes back as [`Debited::Missing`] is open nowhere.
    pub(super) async fn raise(&self, debits: Vec<Debit>) -> Result<Raised, Error> {
        let mut raised: Raised = vec![None; debits.len()];
        let mut waiting: Vec<(usize, Debit)> = debits.into_iter().enumerate().collect();
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
            let missing: BTreeSet<UserId> = waiting
                .iter()
                .filter(|(place, _)| raised[*place] == Some(Debited::Missing))
                .map(|(_, debit)| debit.user.clone())
                .collect();
            if attempt == ATTEMPTS || (!moved && !forgotten && missing.is_empty()) {
                return if moved || forgotten { Err(Error::Unsettled) } else { Ok(raised) };
            }
            if !moved && !forgotten {
                if attempt > 1 {
                    return Ok(raised);
                }
                // Only those wallets are debited again: a wallet's debits keep their order.
                self.restore_users(&missing).await?;
                waiting.retain(|(_, debit)| missing.contains(&debit.user));
            }
        }
    }

    /// One attempt; whether a shard was forgotten.
    async fn raise_once(
        &self,
        waiting: &[(usize, Debit)],
    ) -> Result<(Vec<(usize, Debited)>, bool), Error> {
        let mut shards: BTreeMap<Shard, (Vec<usize>, Vec<Debit>)> = BTreeMap::new();
        for (place, debit) in waiting {
            let (places, debits) = shards.entry(Shard::of(&debit.user)).or_default();
            places.push(*place);
            debits.push(debit.clone());
        }
        let epochs: BTreeMap<Shard, Epoch> = self.owned().epochs.clone();
        let asked = shards.iter().filter_map(|(shard, (places, debits))| {
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
