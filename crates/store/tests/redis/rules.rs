//! What the random sequences do not reach: the largest amounts, many wallets, broken records.

use crate::wallets::{FIRST, SECOND, coins, debit, done, neighbours, raise, slot, wallet};
use futures::future::join_all;
use store::{Debit, Debited, Epoch, Error, Hot, Mode, Redis, Slot, Surplus};
use test_servers::{Cluster, Engine, Redis as Server, RedisOptions};
use units::{Coins, Shard, UserId};

async fn started() -> (Server, Redis) {
    let server = Server::start(RedisOptions::default()).unwrap();
    let redis = Redis::one(&server.url()).unwrap();
    (server, redis)
}

/// A record as a quoted word of the protocol's inline commands: `version`, `paid` coins credited,
/// nothing else but an empty slot.
fn record(version: u8, paid: u64, slot: Slot) -> String {
    let mut bytes = vec![version];
    bytes.extend_from_slice(&paid.to_be_bytes()[1..]);
    bytes.extend_from_slice(&[0; 21]);
    bytes.extend_from_slice(slot.0.as_bytes());
    bytes.extend_from_slice(&[0; 14]);
    let escaped: String = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
    format!("\"{escaped}\"")
}

#[tokio::test]
async fn each_mode_takes_its_coins_in_its_order() {
    let (_server, redis) = started().await;
    let (shard, users) = neighbours(1);
    // Of 6 paid and 4 promo coins.
    let modes = [
        (Mode::UpTo, 3, 0, 3),
        (Mode::UpTo, 5, 1, 4),
        (Mode::UpTo, 11, 6, 4),
        (Mode::AllOrNothing, 10, 6, 4),
        (Mode::AllOrNothing, 11, 0, 0),
        (Mode::TakeBack, 3, 3, 0),
        (Mode::TakeBack, 7, 6, 1),
        (Mode::TakeBack, 11, 6, 4),
    ];
    for (epoch, (mode, target, paid, promo)) in (1..).map(Epoch).zip(modes) {
        let fresh = [wallet(&users[0], coins(6, 4), &[(slot(1), Coins::ZERO)])];
        redis.restore(shard, epoch, &fresh, Surplus::Drop).await.unwrap();
        let asked = Debit { mode, ..debit(&users[0], slot(1), target) };
        let found = redis.debit(shard, epoch, &[asked]).await.unwrap();
        assert_eq!(
            found,
            [done(coins(paid, promo), coins(6 - paid, 4 - promo))],
            "{mode:?} {target}"
        );
    }
}

#[tokio::test]
async fn amounts_are_exact_up_to_the_largest() {
    const MAX: u64 = 1 << 53;
    let (server, redis) = started().await;
    let (shard, users) = neighbours(1);
    // credited paid and promo, then targets and what was charged paid and promo.
    let wallets = [
        (MAX, 0, vec![(1, 1, 0), (MAX - 1, MAX - 1, 0), (MAX, MAX, 0)]),
        (MAX - 1, 1, vec![(MAX - 2, MAX - 3, 1), (MAX - 1, MAX - 2, 1), (MAX, MAX - 1, 1)]),
        (1, MAX - 1, vec![(MAX - 1, 0, MAX - 1), (MAX, 1, MAX - 1)]),
        (MAX - 2, 0, vec![(MAX - 3, MAX - 3, 0), (MAX, MAX - 2, 0)]),
        (123_456_789_012_345, 0, vec![(123_456_789_012_344, 123_456_789_012_344, 0)]),
    ];
    for (paid, promo, steps) in wallets {
        // A fresh wallet: what was credited never falls.
        server.ask("FLUSHALL").unwrap();
        let fresh = [wallet(&users[0], coins(paid, promo), &[(slot(1), Coins::ZERO)])];
        let funds = redis.restore(shard, FIRST, &fresh, Surplus::Drop).await.unwrap();
        assert_eq!(funds, [coins(paid, promo)]);
        for (target, from_paid, from_promo) in steps {
            let left = coins(paid - from_paid, promo - from_promo);
            let expected = done(coins(from_paid, from_promo), left);
            assert_eq!(
                raise(&redis, FIRST, &users[0], slot(1), target).await,
                expected,
                "{target}"
            );
        }
    }
}

#[tokio::test]
async fn more_than_a_wallet_can_hold_is_not_written() {
    const MAX: u64 = 1 << 53;
    let (_server, redis) = started().await;
    let (shard, users) = neighbours(1);
    let here = wallet(&users[0], coins(MAX, 0), &[(slot(1), coins(5, 0))]);
    redis.restore(shard, FIRST, std::slice::from_ref(&here), Surplus::Keep).await.unwrap();
    // Each can be held, their maximum can't.
    let more = [wallet(&users[0], coins(0, 1), &[(slot(1), Coins::ZERO)])];
    let refused = redis.restore(shard, SECOND, &more, Surplus::Keep).await;
    assert!(matches!(refused, Err(Error::Corrupt { .. })), "{refused:?}");
    assert_eq!(redis.wallet(&users[0]).await.unwrap(), Some(here));
}

#[tokio::test]
async fn debits_of_one_wallet_at_the_same_time_all_count() {
    let (server, first) = started().await;
    let second = Redis::one(&server.url()).unwrap();
    let (shard, users) = neighbours(1);
    let slots: Vec<_> = (0..40).map(|n| (slot(n), Coins::ZERO)).collect();
    let here = [wallet(&users[0], coins(35, 0), &slots)];
    first.restore(shard, FIRST, &here, Surplus::Keep).await.unwrap();
    let asked = (0..40).map(async |n| {
        let redis = if n % 2 == 0 { &first } else { &second };
        raise(redis, FIRST, &users[0], slot(n), 1).await
    });
    let debited = join_all(asked).await;
    let (mut short, mut last) = (0, 0);
    for found in &debited {
        let Debited::Done { charged, funds } = found else { panic!("{found:?}") };
        short += u32::from(*charged == Coins::ZERO);
        last += u32::from(*charged != Coins::ZERO && *funds == Coins::ZERO);
    }
    assert_eq!((short, last), (5, 1), "who came too late, and who took the last coin: {debited:?}");
    assert_eq!(first.wallet(&users[0]).await.unwrap().unwrap().funds(), Coins::ZERO);
}

#[tokio::test]
async fn a_shard_of_many_wallets_is_debited_in_order() {
    let (_server, redis) = started().await;
    let (shard, users) = neighbours(1_300);
    let wallets: Vec<_> =
        users.iter().map(|user| wallet(user, coins(90, 10), &[(slot(1), Coins::ZERO)])).collect();
    let funds = redis.restore(shard, FIRST, &wallets, Surplus::Keep).await.unwrap();
    assert_eq!(funds, vec![coins(90, 10); 1_300]);
    // Each once, then the first one again twice, the second time in another mode.
    let mut debits: Vec<_> = (20..).zip(&users).map(|(n, user)| debit(user, slot(1), n)).collect();
    debits.push(debit(&users[0], slot(1), 60));
    debits.push(debit(&users[0], slot(1), 101));
    debits.last_mut().unwrap().mode = Mode::AllOrNothing;
    let debited = redis.debit(shard, FIRST, &debits).await.unwrap();
    assert_eq!(debited.len(), 1_302);
    for (n, found) in (20..).zip(&debited[..1_300]) {
        let charged = n.min(100) - 10;
        assert_eq!(*found, done(coins(charged, 10), coins(90 - charged, 0)));
    }
    let again = done(coins(50, 10), coins(40, 0));
    assert_eq!(debited[1_300..], [again, again]);
    let closed: Vec<_> = users.iter().map(|user| (user.clone(), slot(1), Coins::ZERO)).collect();
    redis.close(shard, FIRST, &closed).await.unwrap();
    assert_eq!(redis.wallet(&users[1_299]).await.unwrap(), None);
}

#[tokio::test]
async fn a_forgotten_script_is_loaded_again() {
    let (server, redis) = started().await;
    let (shard, users) = neighbours(1);
    for target in 1..4 {
        let epoch = Epoch(target);
        let here = [wallet(&users[0], coins(9, 0), &[(slot(1), Coins::ZERO)])];
        redis.restore(shard, epoch, &here, Surplus::Keep).await.unwrap();
        assert_eq!(server.ask("SCRIPT FLUSH").unwrap(), "+OK");
        let expected = done(coins(target, 0), coins(9 - target, 0));
        assert_eq!(raise(&redis, epoch, &users[0], slot(1), target).await, expected);
        assert_eq!(server.ask("SCRIPT FLUSH").unwrap(), "+OK");
    }
}

#[tokio::test]
async fn a_broken_record_stops_its_wallet_alone_until_it_is_restored() {
    let (server, redis) = started().await;
    let (shard, users) = neighbours(2);
    let wallets = [0, 1].map(|n| wallet(&users[n], coins(9, 0), &[(slot(1), Coins::ZERO)]));
    let debits = [0, 1].map(|n| debit(&users[n], slot(1), 4));
    let sound = done(coins(4, 0), coins(5, 0));
    // These hold the slot that is asked for, so nothing but the check itself keeps them.
    let other_version = record(2, 9, slot(1));
    // The next number that a script can tell from the largest.
    let too_much = record(1, (1 << 53) + 2, slot(1));
    for broken in ["x", "\"\"", &"y".repeat(59), &"y".repeat(600), &other_version, &too_much] {
        server.ask("FLUSHALL").unwrap();
        redis.restore(shard, FIRST, &wallets, Surplus::Drop).await.unwrap();
        let write = format!("HSET {{{shard}}} {} {broken}", users[0]);
        assert_eq!(server.ask(&write).unwrap(), ":0", "{broken}");
        let stored = server.ask(&format!("HGET {{{shard}}} {}", users[0])).unwrap();
        let debited = redis.debit(shard, FIRST, &debits).await.unwrap();
        assert_eq!(debited, [Debited::Corrupt, sound], "{broken}");
        assert!(matches!(redis.wallet(&users[0]).await, Err(Error::Corrupt { .. })), "{broken}");
        redis.credit(shard, FIRST, &users[0], coins(20, 0)).await.unwrap();
        redis.close(shard, FIRST, &[(users[0].clone(), slot(1), coins(4, 0))]).await.unwrap();
        let after = server.ask(&format!("HGET {{{shard}}} {}", users[0])).unwrap();
        assert_eq!(after, stored, "what can't be read is not touched");
        let funds = redis.restore(shard, SECOND, &wallets[..1], Surplus::Keep).await.unwrap();
        assert_eq!(funds, [coins(9, 0)]);
    }
}

#[tokio::test]
async fn a_later_epoch_fences_the_earlier_one_off() {
    let (_server, redis) = started().await;
    let (shard, users) = neighbours(1);
    let here = [wallet(&users[0], coins(9, 0), &[(slot(1), Coins::ZERO)])];
    let one = [debit(&users[0], slot(1), 1)];
    // Digits are compared as numbers.
    for (known, earlier, later) in [(2, 1, 3), (10, 9, 11), (u64::MAX - 1, 10, u64::MAX)] {
        let [known, earlier, later] = [known, earlier, later].map(Epoch);
        redis.restore(shard, known, &here, Surplus::Keep).await.unwrap();
        let fenced = redis.debit(shard, earlier, &one).await;
        assert!(matches!(fenced, Err(Error::Fenced(s)) if s == shard), "{fenced:?}");
        for early_or_again in [earlier, known] {
            let fenced = redis.restore(shard, early_or_again, &here, Surplus::Keep).await;
            assert!(matches!(fenced, Err(Error::Fenced(_))), "{fenced:?}");
        }
        let fenced = redis.credit(shard, earlier, &users[0], coins(50, 0)).await;
        assert!(matches!(fenced, Err(Error::Fenced(_))), "{fenced:?}");
        let fenced = redis.close(shard, earlier, &[(users[0].clone(), slot(1), coins(0, 0))]).await;
        assert!(matches!(fenced, Err(Error::Fenced(_))), "{fenced:?}");
        let forgotten = redis.debit(shard, later, &one).await;
        assert!(matches!(forgotten, Err(Error::Forgotten(s)) if s == shard), "{forgotten:?}");
        assert_eq!(redis.wallet(&users[0]).await.unwrap().as_ref(), Some(&here[0]));
    }
}

#[tokio::test]
async fn shards_of_a_cluster_are_on_all_its_nodes() {
    let cluster = Cluster::start(Engine::Redis, 3).unwrap();
    let redis = Redis::cluster(&cluster.urls()[..1]).unwrap();
    let users: Vec<UserId> = (0..200).map(|n| format!("fan-{n}").parse().unwrap()).collect();
    for (epoch, user) in (1..).map(Epoch).zip(&users) {
        let here = [wallet(user, coins(9, 0), &[(slot(1), Coins::ZERO)])];
        redis.restore(Shard::of(user), epoch, &here, Surplus::Keep).await.unwrap();
        assert_eq!(raise(&redis, epoch, user, slot(1), 4).await, done(coins(4, 0), coins(5, 0)));
    }
    for node in &cluster.nodes {
        let keys: u32 = node.ask("DBSIZE").unwrap().trim_start_matches(':').parse().unwrap();
        assert!(keys > 30, "{keys} of about 60 shards");
    }
}
