//! Who may write which shards.

use crate::ledger;
use std::time::Duration;
use store::{Epoch, Error, Lease, Ledger, Transaction};
use units::{ElapsedMs, MeterId, Shard};
use uuid::Uuid;

const LONG: ElapsedMs = ElapsedMs::from_secs(60);
const SHORT: ElapsedMs = ElapsedMs(1);

fn meter(n: u128) -> MeterId {
    MeterId(Uuid::from_u128(n))
}

fn shard(number: u16) -> Shard {
    Shard::new(number).unwrap()
}

fn lease(number: u16, epoch: u64) -> Lease {
    Lease { shard: shard(number), epoch: Epoch(epoch) }
}

#[tokio::test]
async fn a_shard_has_one_owner_and_each_owner_an_epoch_of_its_own() {
    let (ledger, _) = ledger().await;
    let (one, two) = (meter(1), meter(2));
    assert_eq!(ledger.claim(one, 2, LONG).await.unwrap(), [lease(0, 1), lease(1, 1)]);
    assert_eq!(ledger.claim(two, 1, LONG).await.unwrap(), [lease(2, 1)]);
    assert_eq!(ledger.renew(one, LONG).await.unwrap(), (vec![lease(0, 1), lease(1, 1)], 1));
    assert_eq!(ledger.renew(two, LONG).await.unwrap(), (vec![lease(2, 1)], 2));

    // Nobody gives away what is another's.
    ledger.release(two, &[shard(0)]).await.unwrap();
    assert_eq!(ledger.renew(one, LONG).await.unwrap().0.len(), 2);
    ledger.release(one, &[shard(0)]).await.unwrap();
    assert_eq!(ledger.renew(one, LONG).await.unwrap().0, [lease(1, 1)]);
    assert_eq!(ledger.claim(two, 1, LONG).await.unwrap(), [lease(0, 2)]);

    let rest = ledger.claim(one, u16::MAX, LONG).await.unwrap();
    assert_eq!(rest.len(), usize::from(Shard::COUNT) - 3);
    assert_eq!(ledger.claim(two, 1, LONG).await.unwrap(), []);
}

/// Waits until something holds, for a quarter of a minute.
async fn until(holds: impl AsyncFn() -> bool) {
    let patience = Duration::from_secs(15);
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(patience, waiting).await.unwrap();
}

#[tokio::test]
async fn a_lease_that_ran_out_is_lost_and_its_owner_fenced_off() {
    let (ledger, _) = ledger().await;
    let (one, two) = (meter(1), meter(2));
    ledger.claim(one, 1, SHORT).await.unwrap();
    until(async || ledger.renew(one, SHORT).await.unwrap() == (vec![], 1)).await;
    // The other one is gone.
    until(async || ledger.renew(two, LONG).await.unwrap() == (vec![], 1)).await;

    let fenced_off = |epoch| {
        let ledger = ledger.clone();
        async move {
            let mut tx = ledger.begin().await.unwrap();
            let answer = tx.fence(&[(shard(1), Epoch(0)), (shard(0), Epoch(epoch))]).await;
            // A transaction that is dropped holds its rows a little longer.
            tx.commit().await.unwrap();
            matches!(answer, Err(Error::Fenced(stale)) if stale == shard(0))
        }
    };
    assert!(!fenced_off(1).await, "nobody else has it yet");
    assert_eq!(ledger.claim(two, 1, LONG).await.unwrap(), [lease(0, 2)]);
    assert!(fenced_off(1).await);
    assert!(!fenced_off(2).await);
}

#[tokio::test]
async fn a_shard_is_not_taken_while_its_owner_writes_and_a_renewal_waits_for_nobody() {
    let (ledger, _) = ledger().await;
    let (one, two) = (meter(1), meter(2));
    ledger.claim(one, 1, LONG).await.unwrap();
    let mut tx = ledger.begin().await.unwrap();
    tx.fence(&[(shard(0), Epoch(1))]).await.unwrap();

    let renewal = tokio::time::timeout(Duration::from_secs(2), ledger.renew(one, SHORT));
    renewal.await.expect("a renewal waits for no writer").unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(ledger.claim(two, 1, LONG).await.unwrap(), [lease(1, 1)], "0 is being written");
    tx.commit().await.unwrap();
    assert_eq!(ledger.claim(two, 1, LONG).await.unwrap(), [lease(0, 2)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shards_that_many_claim_at_once_go_to_one_each() {
    let (ledger, _) = ledger().await;
    let claims = (1..=8).map(|n| {
        let ledger = ledger.clone();
        tokio::spawn(async move { ledger.claim(meter(n), 200, LONG).await.unwrap() })
    });
    let mut taken = Vec::new();
    for claim in claims.collect::<Vec<_>>() {
        taken.extend(claim.await.unwrap());
    }
    let count = taken.len();
    taken.sort_unstable();
    taken.dedup_by_key(|lease| lease.shard);
    assert_eq!(taken.len(), count, "no shard was taken twice");
    assert!(taken.iter().all(|lease| lease.epoch == Epoch(1)));
    assert!(count >= 200, "whoever came first got all they asked for: {count}");
}
