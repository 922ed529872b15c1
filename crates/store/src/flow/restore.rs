//! Bringing hot balances up to the ledger, before they are debited.
//!
//! Safe to repeat: everything merges by maximum, and slots are named in full. A crash in between
//! leaves shards whose epoch or generation does not fit, which are restored again.

use super::Store;
use crate::{
    CallRow, Error, Hot, HotWallet, Lease, Ledger, Slot, SpendRow, Surplus, Transaction, WalletRow,
};
use futures::future::{join_all, try_join_all};
use std::collections::{BTreeMap, BTreeSet};
use units::{Coins, MicroCoins, Shard, UserId};

/// What the ledger knows of live charges.
pub(super) struct Live {
    pub(super) calls: Vec<CallRow>,
    pub(super) spends: Vec<SpendRow>,
    pub(super) wallets: Vec<WalletRow>,
}

impl Live {
    /// Of whole shards, and of some users of them who may have none.
    pub(super) async fn of_shards(
        tx: &mut impl Transaction,
        shards: &[Shard],
        users: BTreeSet<UserId>,
    ) -> Result<Self, Error> {
        let calls = tx.open_calls(shards).await?;
        let spends = tx.pending_spends(shards).await?;
        Self::with_wallets(tx, calls, spends, users).await
    }

    /// Of some users, whether they have live charges or not.
    pub(super) async fn of_users(
        tx: &mut impl Transaction,
        users: &BTreeSet<UserId>,
    ) -> Result<Self, Error> {
        let shards: BTreeSet<Shard> = users.iter().map(Shard::of).collect();
        let named: Vec<UserId> = users.iter().cloned().collect();
        let calls = tx.open_calls_of(&named).await?;
        let mut spends = tx.pending_spends(&shards.into_iter().collect::<Vec<_>>()).await?;
        spends.retain(|row| users.contains(&row.spend.fan));
        Self::with_wallets(tx, calls, spends, users.clone()).await
    }

    async fn with_wallets(
        tx: &mut impl Transaction,
        calls: Vec<CallRow>,
        spends: Vec<SpendRow>,
        mut users: BTreeSet<UserId>,
    ) -> Result<Self, Error> {
        users.extend(calls.iter().map(|row| row.live.terms.fan.clone()));
        users.extend(spends.iter().map(|row| row.spend.fan.clone()));
        let users: Vec<UserId> = users.into_iter().collect();
        let wallets = tx.wallets(&users).await?;
        Ok(Self { calls, spends, wallets })
    }

    /// As hot balances, by shard.
    pub(super) fn hot(&self) -> BTreeMap<Shard, Vec<HotWallet>> {
        let mut slots: BTreeMap<&UserId, Vec<(Slot, Coins)>> = BTreeMap::new();
        for row in &self.calls {
            let slot = (Slot(row.live.call.0), row.live.charged);
            slots.entry(&row.live.terms.fan).or_default().push(slot);
        }
        for row in &self.spends {
            let slot = (Slot(row.spend.id.0), Coins::ZERO);
            slots.entry(&row.spend.fan).or_default().push(slot);
        }
        let mut shards: BTreeMap<Shard, Vec<HotWallet>> = BTreeMap::new();
        for row in &self.wallets {
            let (user, credited, settled) = (row.user.clone(), row.credited, row.settled);
            let slots = slots.remove(&user).unwrap_or_default();
            let wallets = shards.entry(Shard::of(&user)).or_default();
            wallets.push(HotWallet { user, credited, settled, slots });
        }
        shards
    }
}

impl<H: Hot, L: Ledger> Store<H, L> {
    /// Restores what has become stale. To be called before debits.
    pub(super) async fn heal(&self) -> Result<(), Error> {
        let generation = self.hot.generation().await?;
        let stale: Vec<Lease> = {
            let mut owned = self.owned();
            if owned.generation != Some(generation) {
                owned.stale = owned.epochs.keys().copied().collect();
            }
            let stale = owned.stale.iter();
            stale
                .filter_map(|shard| Some(Lease { shard: *shard, epoch: *owned.epochs.get(shard)? }))
                .collect()
        };
        if !stale.is_empty() {
            tracing::info!(shards = stale.len(), "restoring hot balances from the ledger");
            let shards: Vec<Shard> = stale.iter().map(|lease| lease.shard).collect();
            let live = self.live_of(&shards).await?;
            self.restore(&stale, &live, Surplus::Keep).await?;
        }
        let mut owned = self.owned();
        owned.generation = Some(generation);
        for lease in &stale {
            owned.stale.remove(&lease.shard);
        }
        Ok(())
    }

    /// What the ledger knows of all whom hot balances have to know, or still do: of these, what has
    /// ended since is to go.
    pub(super) async fn live_of(&self, shards: &[Shard]) -> Result<Live, Error> {
        let known = try_join_all(shards.iter().map(|shard| self.hot.users(*shard))).await?;
        let mut tx = self.ledger.snapshot().await?;
        Live::of_shards(&mut tx, shards, known.into_iter().flatten().collect()).await
    }

    /// Writes what is live to hot balances, shard by shard.
    pub(super) async fn restore(
        &self,
        leases: &[Lease],
        live: &Live,
        surplus: Surplus,
    ) -> Result<BTreeMap<UserId, MicroCoins>, Error> {
        let wallets = live.hot();
        let none = Vec::new();
        let shards = leases.iter().map(|lease| {
            let wallets = wallets.get(&lease.shard).unwrap_or(&none);
            async move {
                let epoch = self.next_turn(*lease);
                let funds = self.hot.restore(lease.shard, epoch, wallets, surplus).await;
                if funds.is_err() {
                    self.stale(lease.shard);
                }
                funds.map(|funds| wallets.iter().map(|wallet| wallet.user.clone()).zip(funds))
            }
        });
        // All to their end: whether one was restored must be known. One that is fenced off may have
        // been here before; whether there is a later owner, the ledger says.
        let restored: Result<Vec<_>, Error> = join_all(shards).await.into_iter().collect();
        let restored = restored?;
        let total = |coins: Coins| coins.total().unwrap_or(MicroCoins::MAX);
        Ok(restored.into_iter().flatten().map(|(user, funds)| (user, total(funds))).collect())
    }

    /// Brings these users' hot wallets up to the ledger, keeping what hot balances know more.
    pub(super) async fn restore_users(&self, users: &BTreeSet<UserId>) -> Result<(), Error> {
        let leases = self.leases(users.iter());
        let mut tx = self.ledger.snapshot().await?;
        let live = Live::of_users(&mut tx, users).await?;
        drop(tx);
        let leases: Vec<Lease> =
            leases.into_iter().map(|(shard, epoch)| Lease { shard, epoch }).collect();
        self.restore(&leases, &live, Surplus::Keep).await?;
        Ok(())
    }
}
