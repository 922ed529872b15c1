//! Hot balances in Redis or Valkey, alone or as a cluster.
//!
//! A shard is one hash, `{sNNNN}`: users to packed records (`redis/record.rs`), and `#` to the epoch
//! of its owner. So every change is one script over one key: atomic, and the same alone and in a
//! cluster; and a shard that is lost loses its epoch with it, which fences off who does not know.
//!
//! The arithmetic is that of all hot balances (`hot/wallet.rs`) and runs here. The script compares
//! and writes (`redis/update.rs`): it takes a third of the time that one takes which computes.

mod link;
mod record;
mod seen;
mod update;

use crate::hot::{Debit, Debited, Hot, HotWallet, Slot, Surplus};
use crate::{Epoch, Error};
use ::redis::Script;
use link::Link;
use seen::Seen;
use std::collections::HashMap;
use std::fmt;
use units::{Coins, Shard, UserId};
use update::{Found, Owner};

/// Wallets of one script call. More would hold up other shards (512 take about 1 ms) and save
/// nothing: what a call costs besides its wallets is spread thin from about 30 on.
const WALLETS_MAX: usize = 512;

/// Hot balances in Redis or Valkey, from version 7 on.
///
/// Requests time out, and connections come back by themselves: after an error, ask again.
pub struct Redis {
    link: Link,
    script: Script,
    seen: Seen,
}

impl fmt::Debug for Redis {
    /// Without the address, which may hold a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.link {
            Link::One(_) => "one server",
            Link::Cluster(_) => "cluster",
        };
        f.debug_tuple("Redis").field(&kind).finish()
    }
}

impl Redis {
    /// One server at `redis://[[user]:password@]host:port[/database]`, connected to when it is
    /// first asked. Call it within a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Redis`] if that is no such address.
    pub fn one(url: &str) -> Result<Self, Error> {
        Ok(Self::over(Link::one(url)?))
    }

    /// A cluster, found through any of these servers, connected to when it is first asked. Call it
    /// within a tokio runtime.
    ///
    /// # Errors
    /// [`Error::Redis`] if these are no such addresses.
    pub fn cluster(urls: &[String]) -> Result<Self, Error> {
        Ok(Self::over(Link::cluster(urls)?))
    }

    fn over(link: Link) -> Self {
        let script = Script::new(include_str!("redis/swap.lua"));
        Self { link, script, seen: Seen::nothing() }
    }
}

impl Hot for Redis {
    async fn restore(
        &self,
        shard: Shard,
        epoch: Epoch,
        wallets: &[HotWallet],
        surplus: Surplus,
    ) -> Result<Vec<Coins>, Error> {
        let mut funds = Vec::with_capacity(wallets.len());
        // Without wallets it still raises the epoch.
        for (n, wallets) in chunks(wallets).enumerate() {
            let owner = Owner { shard, epoch, takes_over: n == 0 };
            let (users, places) = distinct(wallets.iter().map(|wallet| &wallet.user));
            let restored = self.update(owner, &users, |found| {
                let named = wallets.iter().zip(&places);
                named.map(|(named, place)| restore(&mut found[*place], named, surplus)).collect()
            });
            funds.extend::<Vec<Coins>>(restored.await?);
        }
        Ok(funds)
    }

    async fn debit(
        &self,
        shard: Shard,
        epoch: Epoch,
        debits: &[Debit],
    ) -> Result<Vec<Debited>, Error> {
        let owner = Owner { shard, epoch, takes_over: false };
        let mut debited = Vec::with_capacity(debits.len());
        // Without debits it still checks the epoch.
        for debits in chunks(debits) {
            let (users, places) = distinct(debits.iter().map(|debit| &debit.user));
            let raised = self.update(owner, &users, |found| {
                let asked = debits.iter().zip(&places);
                Ok(asked.map(|(asked, place)| debit(&mut found[*place], asked)).collect::<Vec<_>>())
            });
            debited.extend(raised.await?);
        }
        Ok(debited)
    }

    async fn credit(
        &self,
        shard: Shard,
        epoch: Epoch,
        user: &UserId,
        credited: Coins,
    ) -> Result<(), Error> {
        let owner = Owner { shard, epoch, takes_over: false };
        let credit = |found: &mut [Found]| {
            if let Some(wallet) = found[0].wallet() {
                wallet.credited = wallet.credited.max(credited);
            }
            Ok(())
        };
        self.update(owner, &[user], credit).await
    }

    async fn close(
        &self,
        shard: Shard,
        epoch: Epoch,
        closed: &[(UserId, Slot, Coins)],
    ) -> Result<(), Error> {
        let owner = Owner { shard, epoch, takes_over: false };
        for closed in chunks(closed) {
            let (users, places) = distinct(closed.iter().map(|(user, ..)| user));
            let close = |found: &mut [Found]| {
                for ((_, slot, settled), place) in closed.iter().zip(&places) {
                    if let Some(wallet) = found[*place].wallet() {
                        wallet.close(*slot, *settled);
                        if wallet.slots.is_empty() {
                            found[*place] = Found::Nothing;
                        }
                    }
                }
                Ok(())
            };
            self.update(owner, &users, close).await?;
        }
        Ok(())
    }

    async fn wallet(&self, user: &UserId) -> Result<Option<HotWallet>, Error> {
        let field = self.link.field(&key(Shard::of(user)), user.as_str()).await;
        let Some(record) = field.map_err(link::error)? else { return Ok(None) };
        record::unpack(user.clone(), &record).map(Some).ok_or_else(|| unreadable(&record))
    }

    async fn users(&self, shard: Shard) -> Result<Vec<UserId>, Error> {
        let fields = self.link.fields(&key(shard)).await.map_err(link::error)?;
        Ok(fields.iter().filter_map(|field| field.parse().ok()).collect())
    }

    /// The run and replication ids of all masters, folded into one number.
    async fn generation(&self) -> Result<u64, Error> {
        let masters = self.link.masters().await.map_err(link::error)?;
        let ids = masters
            .iter()
            .flat_map(|info| info.lines())
            .filter(|line| line.starts_with("run_id:") || line.starts_with("master_replid:"));
        Ok(ids.flat_map(str::bytes).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        }))
    }
}

fn key(shard: Shard) -> String {
    format!("{{{shard}}}")
}

/// Cuts a list into what one script call can take: at least one call.
fn chunks<T>(list: &[T]) -> impl Iterator<Item = &[T]> {
    let (first, rest) = list.split_at(list.len().min(WALLETS_MAX));
    std::iter::once(first).chain(rest.chunks(WALLETS_MAX))
}

/// Each user once, and the place of each that was named.
fn distinct<'a>(named: impl Iterator<Item = &'a UserId>) -> (Vec<&'a UserId>, Vec<usize>) {
    let (mut users, mut place_of) = (Vec::new(), HashMap::new());
    let place = |user| {
        *place_of.entry(user).or_insert_with(|| {
            users.push(user);
            users.len() - 1
        })
    };
    let places = named.map(place).collect();
    (users, places)
}

/// Brings a wallet up to the ledger's totals. One without slots is forgotten, since the ledger
/// knows all of it; so is a record that can't be read.
fn restore(found: &mut Found, named: &HotWallet, surplus: Surplus) -> Result<Coins, Error> {
    let wallet = named.clone().restored(found.wallet().as_deref(), surplus);
    let funds = wallet.funds();
    *found = if wallet.slots.is_empty() { Found::Nothing } else { Found::sound(wallet)? };
    Ok(funds)
}

fn debit(found: &mut Found, asked: &Debit) -> Debited {
    match found {
        Found::Nothing => Debited::Missing,
        Found::Wallet(wallet) => wallet.debit(asked.slot, asked.target, asked.mode),
        Found::Broken(record) => {
            let (user, record) = (&asked.user, hex(record));
            tracing::error!(%user, record, "a wallet in redis can't be read");
            Debited::Corrupt
        }
    }
}

/// As many answers as were asked for.
fn answers<T>(answers: Vec<T>, asked: usize) -> Result<Vec<T>, Error> {
    if answers.len() == asked {
        Ok(answers)
    } else {
        Err(Error::Redis(format!("{} answers where {asked} were asked for", answers.len())))
    }
}

fn unreadable(record: &[u8]) -> Error {
    Error::Corrupt { column: "record", value: hex(record) }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
