//! Hot balances: the wallets that live calls draw on, written to once a second.
//!
//! Everything here is cumulative and merges by maximum, so whatever is lost (a restart, a failover
//! to a stale replica, an empty server) heals when it is sent again. Prices never come here: the
//! store only fences, clamps, and takes promo coins before paid ones.

use crate::{Epoch, Error};
use std::future::Future;
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
    /// Whatever is there: a call at the end of its funds, a chargeback.
    UpTo,
    /// All of it or nothing: a gift.
    AllOrNothing,
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
    /// Brings wallets up to these totals by maximum, and the shard's epoch up to `epoch`. Of a
    /// wallet that is named, exactly the named slots remain; a slot that was there before keeps
    /// what it took, if that is more. Returns the wallets' funds in the same order.
    fn restore(
        &self,
        shard: Shard,
        epoch: Epoch,
        wallets: &[HotWallet],
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

    /// Changes whenever the store may have lost something: after a restart, a failover, a loss.
    fn generation(&self) -> impl Future<Output = Result<u64, Error>> + Send;
}

impl HotWallet {
    /// What is left: credits - settled - live charges; never below nothing.
    #[must_use]
    pub fn funds(&self) -> Coins {
        self.slots.iter().fold(self.credited.saturating_sub(self.settled), |left, (_, charged)| {
            left.saturating_sub(*charged)
        })
    }
}
