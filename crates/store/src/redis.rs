//! Hot balances in Redis or Valkey, alone or as a cluster.
//!
//! A shard is one hash, `{sNNNN}`: users to packed records (`redis/record.rs`), and `#` to the epoch
//! of its owner. So every operation is one script over one key: atomic, and the same alone and in a
//! cluster; and a shard that is lost loses its epoch with it, which fences off who does not know.

mod link;
mod record;

use crate::hot::{Debit, Debited, Hot, HotWallet, Mode, Slot, Surplus};
use crate::{Epoch, Error};
use ::redis::{RedisError, Script, ScriptInvocation};
use link::Link;
use std::collections::HashSet;
use std::fmt;
use units::{Coins, Shard, UserId};

/// Debits of one script call. More would hold up other shards (512 take about 2 ms) and save
/// nothing: what a call costs besides its debits is spread thin from about 30 on.
const DEBITS_MAX: usize = 512;

/// Wallets or slots of one call of the other scripts, which are slower and rarer.
const WALLETS_MAX: usize = 256;

/// How wide an epoch is written. Any number fits in 20 digits; a value longer than 64 bytes makes
/// the hash a table, which finds a record at once. A short one would leave shards of up to 128
/// wallets as a list that is searched from its beginning: the debits cost 1.5 times as much.
const EPOCH_DIGITS: usize = 72;

/// Hot balances in Redis or Valkey, from version 7 on.
///
/// Requests time out, and connections come back by themselves: after an error, ask again.
pub struct Redis {
    link: Link,
    debit: Script,
    restore: Script,
    credit: Script,
    close: Script,
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
        let (fence, wallet) = (include_str!("redis/fence.lua"), include_str!("redis/wallet.lua"));
        let script = |parts: &[&str]| Script::new(&parts.concat());
        Self {
            link,
            debit: script(&[fence, include_str!("redis/debit.lua")]),
            restore: script(&[fence, wallet, include_str!("redis/restore.lua")]),
            credit: script(&[fence, wallet, include_str!("redis/credit.lua")]),
            close: script(&[fence, wallet, include_str!("redis/close.lua")]),
        }
    }

    async fn run<T: redis::FromRedisValue>(
        &self,
        shard: Shard,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, Error> {
        let answer = self.link.run(shard.number(), script).await;
        answer.map_err(|error| refused(shard, error))
    }

    /// Debits of different wallets, in one mode.
    async fn debit_some(
        &self,
        shard: Shard,
        epoch: Epoch,
        debits: &[Debit],
    ) -> Result<Vec<Debited>, Error> {
        // Without debits it still checks the epoch.
        let mode = match debits.first().map_or(Mode::UpTo, |debit| debit.mode) {
            Mode::UpTo => "U",
            Mode::AllOrNothing => "A",
            Mode::TakeBack => "T",
        };
        let mut targets = Vec::with_capacity(debits.len() * 23);
        for debit in debits {
            targets.extend_from_slice(debit.slot.0.as_bytes());
            record::pack_amount(&mut targets, debit.target);
        }
        let mut call = invocation(&self.debit, shard, epoch);
        call.arg(mode).arg(targets);
        for debit in debits {
            call.arg(debit.user.as_str());
        }
        let records: Vec<Option<Vec<u8>>> = self.run(shard, &call).await?;
        // The first is the epoch.
        let records = answers(records.into_iter().skip(1).collect(), debits.len())?;
        Ok(debits.iter().zip(records).map(|(debit, record)| debited(debit, record)).collect())
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
        let surplus = match surplus {
            Surplus::Keep => "K",
            Surplus::Drop => "D",
        };
        let mut funds = Vec::with_capacity(wallets.len());
        // Without wallets it still raises the epoch.
        for (n, wallets) in chunks(wallets).enumerate() {
            let mut call = invocation(&self.restore, shard, epoch);
            call.arg(surplus).arg(n);
            for wallet in wallets {
                call.arg(wallet.user.as_str()).arg(record::pack(wallet));
            }
            let records: Vec<Vec<u8>> = self.run(shard, &call).await?;
            for (wallet, record) in wallets.iter().zip(answers(records, wallets.len())?) {
                let restored = record::unpack(wallet.user.clone(), &record);
                funds.push(restored.ok_or_else(|| unreadable(&record))?.funds());
            }
        }
        Ok(funds)
    }

    async fn debit(
        &self,
        shard: Shard,
        epoch: Epoch,
        debits: &[Debit],
    ) -> Result<Vec<Debited>, Error> {
        let mut debited = Vec::with_capacity(debits.len());
        for debits in batches(debits) {
            debited.extend(self.debit_some(shard, epoch, debits).await?);
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
        let mut packed = Vec::new();
        record::pack_coins(&mut packed, credited);
        let mut call = invocation(&self.credit, shard, epoch);
        call.arg(user.as_str()).arg(packed);
        self.run(shard, &call).await
    }

    async fn close(
        &self,
        shard: Shard,
        epoch: Epoch,
        closed: &[(UserId, Slot, Coins)],
    ) -> Result<(), Error> {
        for closed in chunks(closed) {
            let mut call = invocation(&self.close, shard, epoch);
            for (user, slot, settled) in closed {
                let mut packed = slot.0.as_bytes().to_vec();
                record::pack_coins(&mut packed, *settled);
                call.arg(user.as_str()).arg(packed);
            }
            self.run::<()>(shard, &call).await?;
        }
        Ok(())
    }

    async fn wallet(&self, user: &UserId) -> Result<Option<HotWallet>, Error> {
        let field = self.link.field(&key(Shard::of(user)), user.as_str()).await;
        let Some(record) = field.map_err(link::error)? else { return Ok(None) };
        record::unpack(user.clone(), &record).map(Some).ok_or_else(|| unreadable(&record))
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

fn invocation(script: &Script, shard: Shard, epoch: Epoch) -> ScriptInvocation<'_> {
    let mut call = script.prepare_invoke();
    call.key(key(shard)).arg(format!("{:0EPOCH_DIGITS$}", epoch.0));
    call
}

/// Cuts a list into what one call of a slow script can take: at least one call.
fn chunks<T>(list: &[T]) -> impl Iterator<Item = &[T]> {
    let (first, rest) = list.split_at(list.len().min(WALLETS_MAX));
    std::iter::once(first).chain(rest.chunks(WALLETS_MAX))
}

/// Cuts debits into runs that one script call can take: of one mode, each wallet once.
fn batches(debits: &[Debit]) -> Vec<&[Debit]> {
    let mut batches = Vec::new();
    let (mut begin, mut users) = (0, HashSet::new());
    for (n, debit) in debits.iter().enumerate() {
        let cut = n > begin
            && (n - begin == DEBITS_MAX
                || debits[begin].mode != debit.mode
                || users.contains(&debit.user));
        if cut {
            batches.push(&debits[begin..n]);
            begin = n;
            users.clear();
        }
        users.insert(&debit.user);
    }
    batches.push(&debits[begin..]);
    batches
}

fn debited(debit: &Debit, record: Option<Vec<u8>>) -> Debited {
    let Some(record) = record else { return Debited::Missing };
    let Some(wallet) = record::unpack(debit.user.clone(), &record) else {
        tracing::error!(user = %debit.user, record = hex(&record), "a wallet in redis can't be read");
        return Debited::Corrupt;
    };
    match wallet.charged(debit.slot) {
        Some(charged) => Debited::Done { charged, funds: wallet.funds() },
        None => Debited::Missing,
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

fn refused(shard: Shard, error: RedisError) -> Error {
    match error.code() {
        Some("FENCED") => Error::Fenced(shard),
        Some("FORGOTTEN") => Error::Forgotten(shard),
        _ => link::error(error),
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
