//! Hot balances behind a way, with requests that arrive after their sender is gone.

use super::Way;
use futures::FutureExt;
use std::sync::{Arc, Mutex, PoisonError};
use store::hot::Memory;
use store::{Debit, Debited, Epoch, Error, Hot, HotWallet, Slot, Surplus};
use units::{Coins, Shard, UserId};

/// Once in how many requests a copy of it arrives late.
const GHOST_ONE_IN: u64 = 50;

/// How late, at most: longer than a takeover takes.
const GHOST_MS: u64 = 20_000;

/// A request that the network still holds.
#[derive(Clone, Debug)]
pub(crate) enum Ghost {
    Restore(Shard, Epoch, Vec<HotWallet>, Surplus),
    Debit(Shard, Epoch, Vec<Debit>),
    Close(Shard, Epoch, Vec<(UserId, Slot, Coins)>),
}

/// Requests that will arrive late, and when.
pub(crate) type Ghosts = Arc<Mutex<Vec<(u64, Ghost)>>>;

/// The server at the end of a way.
#[derive(Clone, Debug)]
pub(crate) struct FaultyHot {
    pub(crate) way: Way,
    pub(crate) inner: Arc<Memory>,
    pub(crate) ghosts: Ghosts,
}

impl FaultyHot {
    fn haunt(&self, ghost: impl FnOnce() -> Ghost) {
        let way = &self.way;
        if way.trouble.load(std::sync::atomic::Ordering::Relaxed) > 0
            && way.chance.one_in(GHOST_ONE_IN)
        {
            let at = way.timeline.now().0 + way.chance.between(1, GHOST_MS);
            self.ghosts.lock().unwrap_or_else(PoisonError::into_inner).push((at, ghost()));
        }
    }
}

/// Lets what is due arrive at the server, whoever sent it. Its answer goes nowhere.
pub(crate) fn arrive(server: &Memory, ghosts: &Ghosts, now: u64) -> Vec<Ghost> {
    let mut held = ghosts.lock().unwrap_or_else(PoisonError::into_inner);
    let (due, later): (Vec<_>, Vec<_>) = held.drain(..).partition(|(at, _)| *at <= now);
    *held = later;
    drop(held);
    for (_, ghost) in &due {
        match ghost {
            Ghost::Restore(shard, epoch, wallets, surplus) => {
                let _ = server.restore(*shard, *epoch, wallets, *surplus).now_or_never();
            }
            Ghost::Debit(shard, epoch, debits) => {
                let _ = server.debit(*shard, *epoch, debits).now_or_never();
            }
            Ghost::Close(shard, epoch, closed) => {
                let _ = server.close(*shard, *epoch, closed).now_or_never();
            }
        }
    }
    due.into_iter().map(|(_, ghost)| ghost).collect()
}

impl Hot for FaultyHot {
    async fn restore(
        &self,
        shard: Shard,
        epoch: Epoch,
        wallets: &[HotWallet],
        surplus: Surplus,
    ) -> Result<Vec<Coins>, Error> {
        if wallets.is_empty() {
            // A takeover sends a thousand of these: with troubles of their own none would succeed.
            return self.inner.restore(shard, epoch, wallets, surplus).await;
        }
        self.haunt(|| Ghost::Restore(shard, epoch, wallets.to_vec(), surplus));
        let fate = self.way.there().await?;
        let answer = self.inner.restore(shard, epoch, wallets, surplus).await;
        self.way.back(fate, answer).await
    }

    async fn debit(
        &self,
        shard: Shard,
        epoch: Epoch,
        debits: &[Debit],
    ) -> Result<Vec<Debited>, Error> {
        self.haunt(|| Ghost::Debit(shard, epoch, debits.to_vec()));
        let fate = self.way.there().await?;
        let answer = self.inner.debit(shard, epoch, debits).await;
        self.way.back(fate, answer).await
    }

    async fn credit(
        &self,
        shard: Shard,
        epoch: Epoch,
        user: &UserId,
        credited: Coins,
    ) -> Result<(), Error> {
        let fate = self.way.there().await?;
        let answer = self.inner.credit(shard, epoch, user, credited).await;
        self.way.back(fate, answer).await
    }

    async fn close(
        &self,
        shard: Shard,
        epoch: Epoch,
        closed: &[(UserId, Slot, Coins)],
    ) -> Result<(), Error> {
        self.haunt(|| Ghost::Close(shard, epoch, closed.to_vec()));
        let fate = self.way.there().await?;
        let answer = self.inner.close(shard, epoch, closed).await;
        self.way.back(fate, answer).await
    }

    async fn wallet(&self, user: &UserId) -> Result<Option<HotWallet>, Error> {
        let fate = self.way.there().await?;
        let answer = self.inner.wallet(user).await;
        self.way.back(fate, answer).await
    }

    async fn users(&self, shard: Shard) -> Result<Vec<UserId>, Error> {
        // As for the restoring of nothing: a takeover sends a thousand of these.
        self.inner.users(shard).await
    }

    async fn generation(&self) -> Result<u64, Error> {
        let fate = self.way.there().await?;
        let answer = self.inner.generation().await;
        self.way.back(fate, answer).await
    }
}
