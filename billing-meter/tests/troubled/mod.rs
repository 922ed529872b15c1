//! Real hot balances with one trouble that a file can't be brought into.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use store::hot::Memory;
use store::{Debit, Debited, Epoch, Error, Hot, HotWallet, Slot, Surplus};
use tokio::sync::Notify;
use units::{Coins, Shard, UserId};

#[derive(Debug)]
pub(crate) enum Trouble {
    /// The first look at what is there fails.
    FirstLook(AtomicBool),
    /// No charge is ever answered; told when the first is asked for.
    Charging(Arc<Notify>),
}

/// Hot balances in trouble.
#[derive(Debug)]
pub(crate) struct Troubled(Memory, Trouble);

impl Troubled {
    pub(crate) fn new(trouble: Trouble) -> Self {
        Self(Memory::default(), trouble)
    }
}

impl Hot for Troubled {
    async fn restore(
        &self,
        shard: Shard,
        epoch: Epoch,
        wallets: &[HotWallet],
        surplus: Surplus,
    ) -> Result<Vec<Coins>, Error> {
        if let Trouble::FirstLook(is_over) = &self.1
            && !is_over.swap(true, Ordering::Relaxed)
        {
            return Err(Error::Unavailable("not yet"));
        }
        self.0.restore(shard, epoch, wallets, surplus).await
    }

    async fn debit(
        &self,
        shard: Shard,
        epoch: Epoch,
        debits: &[Debit],
    ) -> Result<Vec<Debited>, Error> {
        if let Trouble::Charging(asked) = &self.1 {
            asked.notify_one();
            return pending().await;
        }
        self.0.debit(shard, epoch, debits).await
    }

    async fn credit(
        &self,
        shard: Shard,
        epoch: Epoch,
        user: &UserId,
        credited: Coins,
    ) -> Result<(), Error> {
        self.0.credit(shard, epoch, user, credited).await
    }

    async fn close(
        &self,
        shard: Shard,
        epoch: Epoch,
        closed: &[(UserId, Slot, Coins)],
    ) -> Result<(), Error> {
        self.0.close(shard, epoch, closed).await
    }

    async fn wallet(&self, user: &UserId) -> Result<Option<HotWallet>, Error> {
        self.0.wallet(user).await
    }

    async fn users(&self, shard: Shard) -> Result<Vec<UserId>, Error> {
        self.0.users(shard).await
    }

    async fn generation(&self) -> Result<u64, Error> {
        self.0.generation().await
    }
}
