//! Holding shards: leases in the ledger, and what a new owner does before it debits.
//!
//! Safe to repeat: a shard counts as held here only when its hot balances are restored. After a
//! crash or failure in between, its lease is found by the next renewal and it is taken over again.

use super::Store;
use crate::{Epoch, Error, Hot, Lease, Ledger, Surplus, Transaction};
use billing_core::{Held, LiveCall};
use std::collections::BTreeMap;
use units::{CallId, ElapsedMs, Shard};

impl<H: Hot, L: Ledger> Store<H, L> {
    /// Prolongs what is held, takes up to `claim` free shards, and takes those over: hot balances
    /// are restored and spendings that are under way driven to their end.
    ///
    /// # Errors
    /// As the ledger and hot balances; leases may have been taken, and are taken over next time.
    pub async fn hold(&self, claim: u16, ttl: ElapsedMs) -> Result<Held, Error> {
        let meter = self.options.meter;
        let (mut leases, owners) = self.ledger.renew(meter, ttl).await?;
        let renewed: BTreeMap<Shard, Epoch> =
            leases.iter().map(|lease| (lease.shard, lease.epoch)).collect();
        {
            let mut owned = self.owned();
            owned.epochs.retain(|shard, epoch| renewed.get(shard) == Some(epoch));
            let held = owned.epochs.clone();
            owned.stale.retain(|shard| held.contains_key(shard));
            leases.retain(|lease| !held.contains_key(&lease.shard));
        }
        if claim > 0 {
            leases.extend(self.ledger.claim(meter, claim, ttl).await?);
        }
        let adopted = if leases.is_empty() { Vec::new() } else { self.take_over(&leases).await? };
        let shards = self.owned().epochs.keys().copied().collect();
        Ok(Held { shards, adopted, owners })
    }

    async fn take_over(&self, leases: &[Lease]) -> Result<Vec<LiveCall>, Error> {
        let generation = self.hot.generation().await?;
        let shards: Vec<Shard> = leases.iter().map(|lease| lease.shard).collect();
        let live = self.live_of(&shards).await?;
        self.restore(leases, &live, Surplus::Drop).await?;
        {
            let mut owned = self.owned();
            // The first shards: there was nothing to lose before.
            if owned.epochs.is_empty() {
                owned.generation = Some(generation);
            }
            owned.epochs.extend(leases.iter().map(|lease| (lease.shard, lease.epoch)));
        }
        for row in &live.spends {
            let lease = self.lease(&row.spend.fan)?;
            if let Err(error) = self.drive(lease, &row.spend, &[]).await {
                // Not adopted: the next time starts over.
                shards.iter().for_each(|shard| self.lost(*shard));
                return Err(error);
            }
        }
        let mut adopted: Vec<LiveCall> = live.calls.into_iter().map(|row| row.live).collect();
        with_last(&mut self.ledger.snapshot().await?, &mut adopted).await?;
        Ok(adopted)
    }

    /// Gives shards to whoever claims them next.
    ///
    /// # Errors
    /// As the ledger; the shards are not held here any more all the same.
    pub async fn release(&self, shards: &[Shard]) -> Result<(), Error> {
        shards.iter().for_each(|shard| self.lost(*shard));
        self.ledger.release(self.options.meter, shards).await
    }
}

/// Fills in what a meter goes on from.
pub(super) async fn with_last(
    tx: &mut impl Transaction,
    calls: &mut [LiveCall],
) -> Result<(), Error> {
    let written = calls.iter().filter(|live| live.records > 0);
    let ids: Vec<CallId> = written.map(|live| live.call).collect();
    if !ids.is_empty() {
        let last = tx.last_records(&ids).await?;
        calls.iter_mut().for_each(|live| live.last = last.get(&live.call).copied().map(Box::new));
    }
    Ok(())
}
