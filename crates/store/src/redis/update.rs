//! Changing wallets in one step: the new records are computed here, by the rules of hot/wallet.rs,
//! and written by a script if what they were computed from still stands there. Otherwise it answers
//! what does, and they are computed anew.

use super::{Redis, hex, key, link, record};
use crate::{Epoch, Error, HotWallet};
use units::{Shard, UserId};

/// How often a change is computed before it is given up. Only this process writes to the shards
/// that it owns; of so many requests for one wallet at a time, the last is done. More would hide
/// somebody else who keeps on writing.
const ATTEMPTS: u8 = 50;

/// How wide an epoch is written. Any number fits in 20 digits; a value longer than 64 bytes makes
/// the hash a table, which finds a record at once. A short one would leave shards of up to 128
/// wallets as a list that is searched from its beginning.
const EPOCH_DIGITS: usize = 72;

/// The field that holds the epoch. No user is called that.
const EPOCH_FIELD: &str = "#";

/// What stands under a user's name.
pub(super) enum Found {
    Nothing,
    Wallet(HotWallet),
    /// A record that is none that we write.
    Broken(Vec<u8>),
}

/// Who changes a shard.
#[derive(Clone, Copy)]
pub(super) struct Owner {
    pub(super) shard: Shard,
    pub(super) epoch: Epoch,
    /// Whether the shard is to learn the epoch now, and must not know it yet.
    pub(super) takes_over: bool,
}

impl Found {
    fn of(user: &UserId, record: Option<Vec<u8>>) -> Self {
        match record {
            None => Self::Nothing,
            Some(record) => record::unpack(user.clone(), &record)
                .map_or_else(|| Self::Broken(record), Self::Wallet),
        }
    }

    /// A wallet whose totals are what one can hold.
    pub(super) fn sound(wallet: HotWallet) -> Result<Self, Error> {
        let record = record::pack(&wallet);
        if record::unpack(wallet.user.clone(), &record).is_some() {
            Ok(Self::Wallet(wallet))
        } else {
            Err(super::unreadable(&record))
        }
    }

    pub(super) fn wallet(&mut self) -> Option<&mut HotWallet> {
        match self {
            Self::Wallet(wallet) => Some(wallet),
            Self::Nothing | Self::Broken(_) => None,
        }
    }

    fn into_wallet(self) -> Option<HotWallet> {
        match self {
            Self::Wallet(wallet) => Some(wallet),
            Self::Nothing | Self::Broken(_) => None,
        }
    }

    /// As it stands in the shard; empty for nothing.
    fn record(&self) -> Vec<u8> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Wallet(wallet) => record::pack(wallet),
            Self::Broken(record) => record.clone(),
        }
    }
}

impl Redis {
    /// Changes what stands under these names, each given once, in one step. `change` may be called
    /// again with what stands there by then; an error of it changes nothing.
    pub(super) async fn update<T>(
        &self,
        owner: Owner,
        users: &[&UserId],
        mut change: impl FnMut(&mut [Found]) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let Owner { shard, epoch, takes_over } = owner;
        let (before, wallets) = self.seen.take(shard, users);
        let mut known =
            if takes_over { before.filter(|before| *before < epoch) } else { Some(epoch) };
        let seen = |wallet: Option<HotWallet>| wallet.map_or(Found::Nothing, Found::Wallet);
        let mut found: Vec<Found> = wallets.into_iter().map(seen).collect();
        for _ in 0..ATTEMPTS {
            let before: Vec<Vec<u8>> = found.iter().map(Found::record).collect();
            let answer = change(&mut found);
            let mut swap = Swap::new(owner, known);
            for ((user, before), found) in users.iter().zip(before).zip(&found) {
                swap.replace(user, before, found.record());
            }
            if answer.is_err() {
                // It counts if it came of what stands there.
                swap.only_compare();
            }
            let there = self.swap(shard, swap).await?;
            let Some((stands, records)) = there.split_first() else {
                if answer.is_ok() {
                    let wallets = found.into_iter().filter_map(Found::into_wallet);
                    self.seen.put(shard, epoch, wallets);
                }
                return answer;
            };
            known = self.checked(owner, stands.as_deref())?;
            let records = super::answers(records.to_vec(), users.len())?;
            found = users.iter().zip(records).map(|(user, there)| Found::of(user, there)).collect();
        }
        Err(Error::Redis(format!("shard {shard} changed {ATTEMPTS} times while it was written to")))
    }

    /// What stands in the compared fields, the epoch first, or nothing if it was done.
    async fn swap(&self, shard: Shard, swap: Swap) -> Result<Vec<Option<Vec<u8>>>, Error> {
        let mut call = self.script.prepare_invoke();
        call.key(key(shard)).arg(swap.names.len()).arg(swap.removed.len());
        for argument in [swap.names, swap.stands, swap.removed, swap.written].into_iter().flatten()
        {
            call.arg(argument);
        }
        self.link.run(shard.number(), &call).await.map_err(link::error)
    }

    /// The epoch that a shard knows, if this owner may write under it.
    fn checked(&self, owner: Owner, stands: Option<&[u8]>) -> Result<Option<Epoch>, Error> {
        let Owner { shard, epoch, takes_over } = owner;
        let known = stands.map(read_epoch).transpose()?;
        let may_write = if takes_over { known < Some(epoch) } else { known == Some(epoch) };
        if may_write {
            return Ok(known);
        }
        self.seen.forget(shard);
        Err(if known < Some(epoch) { Error::Forgotten(shard) } else { Error::Fenced(shard) })
    }
}

/// What the script is asked to do.
struct Swap {
    names: Vec<Vec<u8>>,
    stands: Vec<Vec<u8>>,
    removed: Vec<Vec<u8>>,
    /// Names and values in turn.
    written: Vec<Vec<u8>>,
}

impl Swap {
    /// Compares the epoch with the one that the shard knows.
    fn new(owner: Owner, known: Option<Epoch>) -> Self {
        let name = || EPOCH_FIELD.as_bytes().to_vec();
        let written =
            if owner.takes_over { vec![name(), write_epoch(owner.epoch)] } else { Vec::new() };
        let stands = vec![known.map(write_epoch).unwrap_or_default()];
        Self { names: vec![name()], stands, removed: Vec::new(), written }
    }

    fn replace(&mut self, user: &UserId, before: Vec<u8>, after: Vec<u8>) {
        let name = || user.as_str().as_bytes().to_vec();
        self.names.push(name());
        if after.is_empty() && !before.is_empty() {
            self.removed.push(name());
        } else if after != before {
            self.written.extend([name(), after]);
        }
        self.stands.push(before);
    }

    fn only_compare(&mut self) {
        self.removed.clear();
        self.written.clear();
    }
}

fn write_epoch(epoch: Epoch) -> Vec<u8> {
    format!("{:0EPOCH_DIGITS$}", epoch.0).into_bytes()
}

fn read_epoch(text: &[u8]) -> Result<Epoch, Error> {
    let number = std::str::from_utf8(text).ok().and_then(|text| text.parse().ok());
    number.map(Epoch).ok_or_else(|| Error::Corrupt { column: "#", value: hex(text) })
}
