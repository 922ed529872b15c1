//! Hot balances in this process: what one machine needs, and the model of all others.

use super::{Debit, Debited, Hot, HotWallet, Slot, Surplus};
use crate::{Epoch, Error};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use units::{Coins, Shard, UserId};

/// Balances that are gone with the process.
#[derive(Debug, Default)]
pub struct Memory(Mutex<State>);

/// What a [`Memory`] held at a moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot(HashMap<Shard, Wallets>);

#[derive(Debug, Default)]
struct State {
    generation: u64,
    shards: HashMap<Shard, Wallets>,
}

#[derive(Clone, Debug, Default)]
struct Wallets {
    epoch: Option<Epoch>,
    by_user: HashMap<UserId, HotWallet>,
}

impl Memory {
    /// What is held now, as a replica would have it.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.state().shards.clone())
    }

    /// Holds that instead, as after a failover to a replica that was behind. An empty one is a
    /// restart that lost everything.
    pub fn fall_back(&self, snapshot: Snapshot) {
        let mut state = self.state();
        state.generation += 1;
        state.shards = snapshot.0;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The shard, if `epoch` is its owner's.
    fn owned(&mut self, shard: Shard, epoch: Epoch) -> Result<&mut Wallets, Error> {
        let wallets = self.shards.entry(shard).or_default();
        match wallets.epoch {
            Some(known) if known == epoch => Ok(wallets),
            Some(known) if known > epoch => Err(Error::Fenced(shard)),
            Some(_) | None => Err(Error::Forgotten(shard)),
        }
    }
}

impl Hot for Memory {
    async fn restore(
        &self,
        shard: Shard,
        epoch: Epoch,
        wallets: &[HotWallet],
        surplus: Surplus,
    ) -> Result<Vec<Coins>, Error> {
        let mut state = self.state();
        let kept = state.shards.entry(shard).or_default();
        if kept.epoch.is_some_and(|known| known >= epoch) {
            return Err(Error::Fenced(shard));
        }
        kept.epoch = Some(epoch);
        let restored = wallets.iter().map(|named| {
            let wallet = named.clone().restored(kept.by_user.get(&named.user), surplus);
            let funds = wallet.funds();
            if wallet.slots.is_empty() {
                kept.by_user.remove(&named.user);
            } else {
                kept.by_user.insert(named.user.clone(), wallet);
            }
            funds
        });
        Ok(restored.collect())
    }

    async fn debit(
        &self,
        shard: Shard,
        epoch: Epoch,
        debits: &[Debit],
    ) -> Result<Vec<Debited>, Error> {
        let mut state = self.state();
        let wallets = state.owned(shard, epoch)?;
        let debited = debits.iter().map(|debit| {
            wallets.by_user.get_mut(&debit.user).map_or(Debited::Missing, |wallet| {
                wallet.debit(debit.slot, debit.target, debit.mode)
            })
        });
        Ok(debited.collect())
    }

    async fn credit(
        &self,
        shard: Shard,
        epoch: Epoch,
        user: &UserId,
        credited: Coins,
    ) -> Result<(), Error> {
        if let Some(wallet) = self.state().owned(shard, epoch)?.by_user.get_mut(user) {
            wallet.credited = wallet.credited.max(credited);
        }
        Ok(())
    }

    async fn close(
        &self,
        shard: Shard,
        epoch: Epoch,
        closed: &[(UserId, Slot, Coins)],
    ) -> Result<(), Error> {
        let mut state = self.state();
        let wallets = state.owned(shard, epoch)?;
        for (user, slot, settled) in closed {
            let Some(wallet) = wallets.by_user.get_mut(user) else { continue };
            wallet.close(*slot, *settled);
            if wallet.slots.is_empty() {
                wallets.by_user.remove(user);
            }
        }
        Ok(())
    }

    async fn wallet(&self, user: &UserId) -> Result<Option<HotWallet>, Error> {
        let state = self.state();
        Ok(state.shards.get(&Shard::of(user)).and_then(|shard| shard.by_user.get(user)).cloned())
    }

    async fn users(&self, shard: Shard) -> Result<Vec<UserId>, Error> {
        let state = self.state();
        let wallets = state.shards.get(&shard);
        Ok(wallets.into_iter().flat_map(|wallets| wallets.by_user.keys()).cloned().collect())
    }

    async fn generation(&self) -> Result<u64, Error> {
        Ok(self.state().generation)
    }
}
