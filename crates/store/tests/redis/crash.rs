//! Servers that crash, forget, split and hang.

use crate::wallets::{FIRST, SECOND, coins, debit, done, neighbours, raise, slot, wallet};
use std::time::Duration;
use store::{Debited, Epoch, Error, Hot, HotWallet, Redis, Surplus};
use test_servers::{AppendOnly, Cluster, Engine, Redis as Server, RedisOptions};
use units::{Coins, Shard, UserId};

const CREDITED: u64 = 1_000_000;

fn wallets(count: usize) -> (Shard, Vec<UserId>, Vec<HotWallet>) {
    let (shard, users) = neighbours(count);
    let slots = [(slot(1), Coins::ZERO)];
    let wallets = users.iter().map(|user| wallet(user, coins(CREDITED, 0), &slots)).collect();
    (shard, users, wallets)
}

/// Asks again while no server can be reached; what one answered then.
async fn patiently<T>(mut ask: impl AsyncFnMut() -> Result<T, Error>) -> Result<T, Error> {
    for _ in 0..100 {
        match ask().await {
            Err(Error::Redis(_) | Error::Unavailable(_)) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            answer => return answer,
        }
    }
    ask().await
}

/// Raises all to `target`; what became of it.
async fn tick(
    redis: &Redis,
    epoch: Epoch,
    users: &[UserId],
    target: u64,
) -> Result<Vec<Debited>, Error> {
    let debits: Vec<_> = users.iter().map(|user| debit(user, slot(1), target)).collect();
    redis.debit(Shard::of(&users[0]), epoch, &debits).await
}

#[tokio::test]
async fn killed_with_a_file_no_acknowledged_debit_is_lost() {
    for append_only in [AppendOnly::Always, AppendOnly::EverySecond] {
        let mut server =
            Server::start(RedisOptions { append_only, ..RedisOptions::default() }).unwrap();
        let redis = Redis::one(&server.url()).unwrap();
        let (shard, users, here) = wallets(100);
        redis.restore(shard, FIRST, &here, Surplus::Keep).await.unwrap();
        let (mut acknowledged, mut durable) = (0, 0);
        for round in 1..4_u64 {
            let before = redis.generation().await.unwrap();
            // Killed by another thread while debits go on.
            let killer = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(100 * round));
                server.kill9();
                server
            });
            let first = acknowledged;
            while tick(&redis, FIRST, &users, acknowledged + 1).await.is_ok() {
                acknowledged += 1;
            }
            server = killer.join().unwrap();
            assert!(acknowledged > first, "{acknowledged}");
            server.restart().unwrap();
            assert_ne!(patiently(|| redis.generation()).await.unwrap(), before);
            // Synced each second, Redis holds what it acknowledged back while the disk is busy.
            let least = if append_only == AppendOnly::Always { acknowledged } else { durable };
            for user in &users {
                durable = redis.wallet(user).await.unwrap().unwrap().slots[0].1.paid.micro();
                assert!((least..=acknowledged + 1).contains(&durable), "{durable} {acknowledged}");
            }
            acknowledged += 1;
            let exact = done(coins(acknowledged, 0), coins(CREDITED - acknowledged, 0));
            assert_eq!(
                tick(&redis, FIRST, &users, acknowledged).await.unwrap(),
                vec![exact; 100],
                "sent again, it is exact"
            );
        }
    }
}

#[tokio::test]
async fn an_empty_server_takes_no_debit_before_it_is_restored() {
    let mut server = Server::start(RedisOptions::default()).unwrap();
    let redis = Redis::one(&server.url()).unwrap();
    let (shard, users, here) = wallets(3);
    redis.restore(shard, FIRST, &here, Surplus::Keep).await.unwrap();
    tick(&redis, FIRST, &users, 40).await.unwrap();
    server.kill9();
    server.restart().unwrap();
    patiently(|| redis.generation()).await.unwrap();
    for found in [
        patiently(async || tick(&redis, FIRST, &users, 41).await.map(|_| ())).await,
        redis.credit(shard, FIRST, &users[0], coins(CREDITED, 9)).await,
        redis.close(shard, FIRST, &[(users[0].clone(), slot(1), Coins::ZERO)]).await,
    ] {
        assert!(matches!(found, Err(Error::Forgotten(s)) if s == shard), "{found:?}");
    }
    // The checkpoint was behind; the target is cumulative.
    let checkpoint: Vec<_> = users
        .iter()
        .map(|user| wallet(user, coins(CREDITED, 0), &[(slot(1), coins(30, 0))]))
        .collect();
    redis.restore(shard, FIRST, &checkpoint, Surplus::Keep).await.unwrap();
    let exact = done(coins(41, 0), coins(CREDITED - 41, 0));
    assert_eq!(tick(&redis, FIRST, &users, 41).await.unwrap(), [exact; 3]);
    let stranger = "nobody".parse().unwrap();
    let other = Shard::of(&stranger);
    redis.restore(other, FIRST, &[], Surplus::Keep).await.unwrap();
    assert_eq!(raise(&redis, FIRST, &stranger, slot(1), 1).await, Debited::Missing);
}

#[tokio::test]
async fn a_split_brain_heals_when_the_targets_are_sent_again() {
    let old = Server::start(RedisOptions::default()).unwrap();
    let (shard, users, here) = wallets(50);
    let before = Redis::one(&old.url()).unwrap();
    before.restore(shard, FIRST, &here, Surplus::Keep).await.unwrap();
    tick(&before, FIRST, &users, 100).await.unwrap();
    let options = RedisOptions { replica_of: Some(old.port()), ..RedisOptions::default() };
    let new = Server::start(options).unwrap();
    new.wait_for_master().unwrap();
    let after = Redis::one(&new.url()).unwrap();
    for user in &users {
        patiently(async || {
            let here = after.wallet(user).await?;
            let charged = here.and_then(|wallet| wallet.charged(slot(1)));
            charged.filter(|c| *c == coins(100, 0)).ok_or(Error::Unavailable("it lags"))
        })
        .await
        .unwrap();
    }
    // Promoted while the old master goes on taking debits, and funds run out at one of them.
    new.promote().unwrap();
    let known = before.generation().await.unwrap();
    for target in [200, 300, CREDITED + 5] {
        tick(&before, FIRST, &users, target).await.unwrap();
    }
    assert_ne!(after.generation().await.unwrap(), known);
    let behind = after.wallet(&users[0]).await.unwrap().unwrap();
    assert_eq!(behind.charged(slot(1)), Some(coins(100, 0)), "the test needs something lost");
    // Restored from checkpoints, some of them ahead of the replica, then asked again, twice.
    let checkpoint: Vec<_> = (0..)
        .zip(&users)
        .map(|(n, user)| {
            let charged = if n % 2 == 0 { 300 } else { 50 };
            wallet(user, coins(CREDITED, 0), &[(slot(1), coins(charged, 0))])
        })
        .collect();
    after.restore(shard, SECOND, &checkpoint, Surplus::Keep).await.unwrap();
    for _ in 0..2 {
        let exact = done(coins(CREDITED, 0), Coins::ZERO);
        assert_eq!(tick(&after, SECOND, &users, CREDITED + 5).await.unwrap(), vec![exact; 50]);
    }
}

/// Around a failover by address, a connection that stands leads to the old master and a new one to
/// the new: what they take in is not one and the same.
#[tokio::test]
async fn connections_that_lead_to_different_servers_are_another_generation() {
    let [old, new] = [0, 1].map(|_| Server::start(RedisOptions::default()).unwrap());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let redis = Redis::one(&format!("redis://{}", listener.local_addr().unwrap())).unwrap();
    let (cut, mut to_cut) = tokio::sync::mpsc::channel::<()>(1);
    let ports = [old.port(), old.port(), new.port()];
    tokio::spawn(async move {
        for (n, port) in (0..).zip(ports) {
            let (mut inner, _) = listener.accept().await.unwrap();
            let mut outer = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            let mut cut = if n == 1 { Some(std::mem::replace(&mut to_cut, never())) } else { None };
            tokio::spawn(async move {
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut inner, &mut outer) => {}
                    Some(()) = async { cut.as_mut()?.recv().await } => {}
                }
            });
        }
    });
    let before = redis.generation().await.unwrap();
    assert_eq!(redis.generation().await.unwrap(), before);
    cut.send(()).await.unwrap();
    let after = patiently(async || match redis.generation().await? {
        same if same == before => Err(Error::Unavailable("not cut yet")),
        other => Ok(other),
    });
    assert_ne!(after.await.unwrap(), before);
}

/// A channel of which nothing comes.
fn never() -> tokio::sync::mpsc::Receiver<()> {
    tokio::sync::mpsc::channel(1).1
}

#[tokio::test]
async fn a_demoted_master_and_a_server_that_hangs_give_errors_in_time_and_are_left() {
    let mut server = Server::start(RedisOptions::default()).unwrap();
    let redis = Redis::one(&server.url()).unwrap();
    let (shard, users, here) = wallets(1);
    redis.restore(shard, FIRST, &here, Surplus::Keep).await.unwrap();
    let generation = redis.generation().await.unwrap();
    assert_eq!(redis.generation().await.unwrap(), generation);
    // It hangs.
    assert_eq!(server.ask("CLIENT PAUSE 100000 ALL").unwrap(), "+OK");
    let bounded =
        tokio::time::timeout(Duration::from_secs(8), tick(&redis, FIRST, &users, 1)).await;
    assert!(matches!(bounded, Ok(Err(Error::Redis(_)))), "{bounded:?}");
    server.kill9();
    let bounded =
        tokio::time::timeout(Duration::from_secs(8), tick(&redis, FIRST, &users, 1)).await;
    assert!(matches!(bounded, Ok(Err(Error::Redis(_)))), "{bounded:?}");
    server.restart().unwrap();
    patiently(|| redis.generation()).await.unwrap();
    redis.restore(shard, FIRST, &here, Surplus::Keep).await.unwrap();
    tick(&redis, FIRST, &users, 1).await.unwrap();
    // It becomes somebody's replica, and is promoted again.
    let other = Server::start(RedisOptions::default()).unwrap();
    let before = redis.generation().await.unwrap();
    server.follow(other.port()).unwrap();
    let refused = redis.restore(shard, FIRST, &here, Surplus::Keep).await;
    assert!(matches!(&refused, Err(Error::Redis(why)) if why.contains("read only")), "{refused:?}");
    server.promote().unwrap();
    assert_ne!(
        patiently(|| redis.generation()).await.unwrap(),
        before,
        "its data went with the resync"
    );
    let forgotten = patiently(|| tick(&redis, FIRST, &users, 2)).await;
    assert!(matches!(forgotten, Err(Error::Forgotten(_))), "{forgotten:?}");
}

#[tokio::test]
async fn a_cluster_whose_node_comes_back_empty_is_another_generation() {
    let mut cluster = Cluster::start(Engine::Redis, 3).unwrap();
    let redis = Redis::cluster(&cluster.urls()).unwrap();
    let (shard, users, here) = wallets(1);
    patiently(|| redis.restore(shard, FIRST, &here, Surplus::Keep)).await.unwrap();
    let before = redis.generation().await.unwrap();
    assert_eq!(redis.generation().await.unwrap(), before);
    for node in &mut cluster.nodes {
        node.kill9();
        node.restart().unwrap();
    }
    let after = patiently(async || match redis.generation().await? {
        same if same == before => Err(Error::Unavailable("not yet")),
        other => Ok(other),
    });
    assert_ne!(after.await.unwrap(), before);
    let forgotten = patiently(|| tick(&redis, FIRST, &users, 1)).await;
    assert!(matches!(forgotten, Err(Error::Forgotten(s)) if s == shard), "{forgotten:?}");
}
