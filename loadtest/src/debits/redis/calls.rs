//! Live calls, what each is to be charged, and what the answer to it has to be.

use super::RedisError;
use futures::stream::{self, StreamExt, TryStreamExt};
use std::collections::BTreeMap;
use store::{Debit, Debited, Epoch, Hot, HotWallet, Mode, Redis, Slot, Surplus};
use units::{Coins, MicroCoins, Shard, UserId};
use uuid::Uuid;

/// 5.00 coins a minute.
const MICRO_PER_MINUTE: u64 = 5_000_000;
/// A wallet holds enough for 12 hours, and promo coins for the first 12 seconds, so that both
/// kinds are taken.
const PAID: u64 = 3_600_000_000;
const PROMO: u64 = 1_000_000;
/// How often a script call is sent before its error ends the run. A machine that is busy with other
/// work may let one time out; a debit that is sent again is the same debit.
const TRIES: u32 = 5;
/// Script calls under way at a time.
const AT_A_TIME: usize = 8;

const EPOCH: Epoch = Epoch(1);

/// Calls, by shard; one debit each per tick.
pub(super) struct Calls {
    shards: Vec<(Shard, Vec<(UserId, Slot)>)>,
    /// How many ticks were debited.
    ticks: u64,
}

impl Calls {
    pub(super) fn new(count: u32) -> Self {
        let mut shards: BTreeMap<Shard, Vec<_>> = BTreeMap::new();
        for n in 1..=count {
            let user: UserId = format!("fan-{n}").parse().expect("letters, a dash and digits");
            // Spread over the bits as the ids of real calls are.
            let id = u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
            shards.entry(Shard::of(&user)).or_default().push((user, Slot(Uuid::from_u128(id))));
        }
        Self { shards: shards.into_iter().collect(), ticks: 0 }
    }

    pub(super) fn count(&self) -> u64 {
        self.shards.iter().map(|(_, calls)| calls.len() as u64).sum()
    }

    pub(super) async fn open(&self, hot: &Redis) -> Result<(), RedisError> {
        let opened = stream::iter(&self.shards).map(Ok).try_for_each_concurrent(
            AT_A_TIME,
            async |(shard, calls)| {
                let wallet = |(user, slot): &(UserId, Slot)| HotWallet {
                    user: user.clone(),
                    credited: coins(PAID, PROMO),
                    settled: Coins::ZERO,
                    slots: vec![(*slot, Coins::ZERO)],
                };
                let wallets: Vec<_> = calls.iter().map(wallet).collect();
                hot.restore(*shard, EPOCH, &wallets, Surplus::Keep).await.map(|_| ())
            },
        );
        Ok(opened.await?)
    }

    /// One debit of each call, a script call per shard.
    pub(super) async fn tick(&mut self, hot: &Redis) -> Result<(), RedisError> {
        self.ticks += 1;
        let ticks = self.ticks;
        let shards = stream::iter(0..self.shards.len()).map(Ok);
        shards
            .try_for_each_concurrent(AT_A_TIME, async |place| self.debit(hot, place, ticks).await)
            .await
    }

    /// One debit each of the first `count` calls, a script call each.
    pub(super) async fn tick_singly(
        &mut self,
        hot: &Redis,
        count: usize,
    ) -> Result<(), RedisError> {
        self.ticks += 1;
        let ticks = self.ticks;
        let calls = self.shards.iter().flat_map(|(shard, calls)| {
            calls.iter().map(|(user, slot)| (*shard, user.clone(), *slot))
        });
        let calls: Vec<_> = calls.take(count).collect();
        stream::iter(calls)
            .map(Ok)
            .try_for_each_concurrent(64, async |(shard, user, slot)| {
                let debits = [debit(user, slot, ticks)];
                check(&debits, &send(hot, shard, &debits).await?, ticks)
            })
            .await
    }

    /// How many shards there are.
    pub(super) fn shards(&self) -> usize {
        self.shards.len()
    }

    /// How many ticks were debited.
    pub(super) fn ticks(&self) -> u64 {
        self.ticks
    }

    /// Debits one shard's calls up to that tick.
    pub(super) async fn debit(
        &self,
        hot: &Redis,
        place: usize,
        ticks: u64,
    ) -> Result<(), RedisError> {
        let (shard, calls) = &self.shards[place];
        let debits: Vec<_> =
            calls.iter().map(|(user, slot)| debit(user.clone(), *slot, ticks)).collect();
        check(&debits, &send(hot, *shard, &debits).await?, ticks)
    }
}

async fn send(hot: &Redis, shard: Shard, debits: &[Debit]) -> Result<Vec<Debited>, store::Error> {
    for _ in 1..TRIES {
        if let Ok(debited) = hot.debit(shard, EPOCH, debits).await {
            return Ok(debited);
        }
    }
    hot.debit(shard, EPOCH, debits).await
}

fn debit(user: UserId, slot: Slot, ticks: u64) -> Debit {
    Debit { user, slot, target: micro(target(ticks)), mode: Mode::UpTo }
}

fn target(ticks: u64) -> u64 {
    MICRO_PER_MINUTE * ticks / 60
}

fn check(debits: &[Debit], debited: &[Debited], ticks: u64) -> Result<(), RedisError> {
    let target = target(ticks);
    let (paid, promo) = (target.saturating_sub(PROMO), target.min(PROMO));
    let expected =
        Debited::Done { charged: coins(paid, promo), funds: coins(PAID - paid, PROMO - promo) };
    let wrong = |user: &UserId, found: String| RedisError::Wrong {
        user: user.to_string(),
        ticks,
        expected: format!("{expected:?}"),
        found,
    };
    for (n, debit) in debits.iter().enumerate() {
        match debited.get(n) {
            Some(found) if *found == expected => {}
            found => return Err(wrong(&debit.user, format!("{found:?}"))),
        }
    }
    Ok(())
}

fn coins(paid: u64, promo: u64) -> Coins {
    Coins { paid: micro(paid), promo: micro(promo) }
}

fn micro(amount: u64) -> MicroCoins {
    MicroCoins::new(amount).expect("far below the largest amount")
}
