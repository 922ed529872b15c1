//! Hot balances: the wallets that live calls draw on, written to once a second.
//!
//! Everything here is cumulative and merges by maximum, so whatever is lost (a restart, a failover
//! to a stale replica, an empty server) heals when it is sent again. Prices never come here: the
//! store only fences, clamps, and takes promo coins before paid ones. What the operations do to one
//! wallet stands in `hot/wallet.rs`, once, wherever it is kept.

mod memory;
mod wallet;

pub use memory::{Memory, Snapshot};

use crate::{Epoch, Error};
use std::future::Future;
use std::sync::Arc;
use units::{Coins, MicroCoins, Shard, UserId};
use uuid::Uuid;

/// A live charge of a wallet: a call, or a gift or chargeback that is under way. Its id is theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub Uuid);

/// What a wallet holds, as far as hot balances need to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HotWallet {
    pub user: UserId,
    /// Everything that was ever credited.
    pub credited: Coins,
    /// What all charges took that have no slot any more.
    pub settled: Coins,
    /// Live charges and what each took so far.
    pub slots: Vec<(Slot, Coins)>,
}

/// How far a debit may fall short of its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Whatever is there, promo coins first: a call.
    UpTo,
    /// All of it or nothing: a gift.
    AllOrNothing,
    /// Whatever is there, paid coins first: a chargeback.
    TakeBack,
}

/// What becomes of the part of a slot that hot balances took and the ledger does not know yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surplus {
    /// It stays, as far as the funds reach, where the slot continues what the ledger knows (both
    /// kinds of coins at least as much). For an owner who goes on and whose evidence is in memory.
    Keep,
    /// It goes: charges rest on evidence, and of this part a later owner has none. What the relays
    /// still prove is debited again.
    Drop,
}

/// A slot to be raised to a cumulative target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debit {
    pub user: UserId,
    pub slot: Slot,
    pub target: MicroCoins,
    pub mode: Mode,
}

/// What became of a debit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Debited {
    /// The slot is as far as the funds allowed; all of it short of the target says that they ended.
    Done {
        /// What the slot has taken in all.
        charged: Coins,
        /// What the wallet has left.
        funds: Coins,
    },
    /// There is no such wallet or slot: the owner restores it and asks again.
    Missing,
    /// The wallet's record is none that we write: it stops, the others go on.
    Corrupt,
}

/// Hot balances, by shard. Each call is atomic. A shard's writes carry its owner's epoch:
/// [`Error::Fenced`] if a later owner has been here, [`Error::Forgotten`] if the store does not
/// know this epoch (it lost its memory, or a replica took over): then the owner restores.
pub trait Hot: Send + Sync + 'static {
    /// Brings wallets up to these totals by maximum, and the shard's epoch up to `epoch`, which must
    /// be later than the shard's: one that comes late or twice is [`Error::Fenced`]. Of a wallet
    /// that is named, exactly the named slots remain, at what is named or, by `surplus`, more.
    /// Returns the wallets' funds in the same order.
    fn restore(
        &self,
        shard: Shard,
        epoch: Epoch,
        wallets: &[HotWallet],
        surplus: Surplus,
    ) -> impl Future<Output = Result<Vec<Coins>, Error>> + Send;

    /// Raises slots, in order: `charged = max(charged, min(target, charged + funds))`, promo coins
    /// first; with [`Mode::AllOrNothing`] not at all where the funds fall short.
    fn debit(
        &self,
        shard: Shard,
        epoch: Epoch,
        debits: &[Debit],
    ) -> impl Future<Output = Result<Vec<Debited>, Error>> + Send;

    /// Raises what was credited, by maximum. Does nothing for a wallet that is not here.
    fn credit(
        &self,
        shard: Shard,
        epoch: Epoch,
        user: &UserId,
        credited: Coins,
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// Removes slots whose charge is in `settled` now, which is raised by maximum. A wallet without
    /// slots is forgotten: the ledger knows all of it.
    fn close(
        &self,
        shard: Shard,
        epoch: Epoch,
        closed: &[(UserId, Slot, Coins)],
    ) -> impl Future<Output = Result<(), Error>> + Send;

    /// A wallet that is here.
    fn wallet(
        &self,
        user: &UserId,
    ) -> impl Future<Output = Result<Option<HotWallet>, Error>> + Send;

    /// Whose wallets are here: after a failover, also of users whose charges have ended since.
    fn users(&self, shard: Shard) -> impl Future<Output = Result<Vec<UserId>, Error>> + Send;

    /// Changes whenever the store may have lost something: after a restart, a failover, a loss.
    fn generation(&self) -> impl Future<Output = Result<u64, Error>> + Send;
}

impl<H: Hot> Hot for Arc<H> {
    async fn restore(
        &self,
        shard: Shard,
        epoch: Epoch,
        wallets: &[HotWallet],
        surplus: Surplus,
    ) -> Result<Vec<Coins>, Error> {
        H::restore(self, shard, epoch, wallets, surplus).await
    }

    async fn debit(
        &self,
        shard: Shard,
        epoch: Epoch,
        debits: &[Debit],
    ) -> Result<Vec<Debited>, Error> {
        H::debit(self, shard, epoch, debits).await
    }

    async fn credit(
        &self,
        shard: Shard,
        epoch: Epoch,
        user: &UserId,
        credited: Coins,
    ) -> Result<(), Error> {
        H::credit(self, shard, epoch, user, credited).await
    }

    async fn close(
        &self,
        shard: Shard,
        epoch: Epoch,
        closed: &[(UserId, Slot, Coins)],
    ) -> Result<(), Error> {
        H::close(self, shard, epoch, closed).await
    }

    async fn wallet(&self, user: &UserId) -> Result<Option<HotWallet>, Error> {
        H::wallet(self, user).await
    }

    async fn users(&self, shard: Shard) -> Result<Vec<UserId>, Error> {
        H::users(self, shard).await
    }

    async fn generation(&self) -> Result<u64, Error> {
        H::generation(self).await
    }
}
