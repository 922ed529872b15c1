//! What this process last saw in the shards: a guess that saves reading before writing. The server
//! compares, so a wrong one costs a round trip and nothing else.

use crate::{Epoch, HotWallet};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use units::{Shard, UserId};

/// By shard.
pub(super) struct Seen(Vec<Mutex<Image>>);

#[derive(Default)]
struct Image {
    epoch: Option<Epoch>,
    wallets: HashMap<UserId, HotWallet>,
}

impl Seen {
    pub(super) fn nothing() -> Self {
        Self(Shard::all().map(|_| Mutex::default()).collect())
    }

    /// The epoch that a shard knew, and these wallets. They are taken out, and put back when it is
    /// certain what became of them.
    pub(super) fn take(
        &self,
        shard: Shard,
        users: &[&UserId],
    ) -> (Option<Epoch>, Vec<Option<HotWallet>>) {
        let mut image = self.image(shard);
        let wallets = users.iter().map(|user| image.wallets.remove(*user)).collect();
        (image.epoch, wallets)
    }

    pub(super) fn put(&self, shard: Shard, epoch: Epoch, wallets: impl Iterator<Item = HotWallet>) {
        let mut image = self.image(shard);
        image.epoch = Some(epoch);
        image.wallets.extend(wallets.map(|wallet| (wallet.user.clone(), wallet)));
    }

    /// Forgets a shard that somebody else owns now, or that is lost.
    pub(super) fn forget(&self, shard: Shard) {
        *self.image(shard) = Image::default();
    }

    fn image(&self, shard: Shard) -> MutexGuard<'_, Image> {
        self.0[usize::from(shard.number())].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
