//! Short names for wallets, slots and debits.

use store::{Debit, Debited, Epoch, Hot, HotWallet, Mode, Slot};
use units::{Coins, MicroCoins, Shard, UserId};
use uuid::Uuid;

pub(crate) const FIRST: Epoch = Epoch(1);

/// What it has when it is restored again.
pub(crate) const SECOND: Epoch = Epoch(2);

pub(crate) fn micro(amount: u64) -> MicroCoins {
    MicroCoins::new(amount).unwrap()
}

pub(crate) fn coins(paid: u64, promo: u64) -> Coins {
    Coins { paid: micro(paid), promo: micro(promo) }
}

/// Ids that differ in their last byte alone, so that nothing less than all of it tells them apart.
pub(crate) fn slot(n: u8) -> Slot {
    Slot(Uuid::from_u128(0x0192_0000_0000_7000_8000_0000_0000_0000 | u128::from(n)))
}

/// Users whose wallets are in the same shard as the first one's.
pub(crate) fn neighbours(count: usize) -> (Shard, Vec<UserId>) {
    let users = || (0..).map(|n| format!("fan-{n}").parse::<UserId>().unwrap());
    let shard = Shard::of(&users().next().unwrap());
    (shard, users().filter(|user| Shard::of(user) == shard).take(count).collect())
}

pub(crate) fn wallet(user: &UserId, credited: Coins, slots: &[(Slot, Coins)]) -> HotWallet {
    HotWallet { user: user.clone(), credited, settled: Coins::ZERO, slots: slots.to_vec() }
}

pub(crate) fn debit(user: &UserId, slot: Slot, target: u64) -> Debit {
    Debit { user: user.clone(), slot, target: micro(target), mode: Mode::UpTo }
}

/// Raises one slot of the user's wallet.
pub(crate) async fn raise(
    hot: &impl Hot,
    epoch: Epoch,
    user: &UserId,
    slot: Slot,
    target: u64,
) -> Debited {
    let debits = [debit(user, slot, target)];
    hot.debit(Shard::of(user), epoch, &debits).await.unwrap()[0]
}

pub(crate) fn done(charged: Coins, funds: Coins) -> Debited {
    Debited::Done { charged, funds }
}
