//! The rules of shards and their owners.

use crate::books::*;
use crate::evidence;
use billing_core::{Settled, Spending};
use futures::{join, poll};
use std::pin::pin;
use store::{Error, Hot, Ledger, Options};
use units::{MicroCoins, Shard, UnixMs};

pub(crate) async fn a_shard_has_one_owner_at_a_time<H: Hot, L: Ledger>(pair: Pair<H, L>) {
    let (first, second) = (pair.store(Options::new(meter(1))), pair.store(Options::new(meter(2))));
    let held = first.hold(1_024, TTL).await.unwrap();
    assert_eq!((held.shards.len(), held.owners), (1_024, 1));
    let held = second.hold(1_024, TTL).await.unwrap();
    assert_eq!((held.shards.len(), held.owners), (0, 2));
    let given: Vec<Shard> = Shard::all().filter(|shard| shard.number() % 2 == 0).collect();
    first.release(&given).await.unwrap();
    assert_eq!(second.hold(1_024, TTL).await.unwrap().shards, given);
    let held = first.hold(0, TTL).await.unwrap();
    assert!(held.shards.iter().all(|shard| shard.number() % 2 == 1));
    assert_eq!((held.shards.len(), held.owners), (512, 2));
    assert!(matches!(
        (Shard::of(&user(0)).number() % 2, first.credit(&credit("a", 0, "1")).await),
        (0, Err(Error::NotHeld(_))) | (1, Ok(_))
    ));
}

pub(crate) async fn who_leaves_is_no_owner_any_more<H: Hot, L: Ledger>(pair: Pair<H, L>) {
    let (first, second) = (pair.holding().await, pair.store(Options::new(meter(2))));
    assert_eq!(second.hold(0, TTL).await.unwrap().owners, 2);
    let all: Vec<Shard> = Shard::all().collect();
    let (some, rest) = all.split_at(1_000);
    first.release(some).await.unwrap();
    assert_eq!(second.hold(0, TTL).await.unwrap().owners, 2);
    first.release(rest).await.unwrap();
    assert_eq!(second.hold(0, TTL).await.unwrap().owners, 1);
    // It has stayed after all.
    assert_eq!(first.hold(0, TTL).await.unwrap().owners, 2);
}

/// The meter never heard that it holds them: its lease had ended, or the answer was lost.
pub(crate) async fn calls_of_shards_that_their_holder_does_not_know_are_told_again<
    H: Hot,
    L: Ledger,
>(
    pair: Pair<H, L>,
) {
    let first = pair.holding().await;
    first.credit(&credit("a", 0, "5")).await.unwrap();
    first.open_call(&open(0, "0")).await.unwrap();
    let all: Vec<Shard> = Shard::all().collect();
    assert_eq!(first.hold_beside(&all, 0, TTL).await.unwrap().adopted, []);
    let shard = Shard::of(&user(0));
    let others: Vec<Shard> = Shard::all().filter(|other| *other != shard).collect();
    for _ in 0..2 {
        let held = first.hold_beside(&others, 0, TTL).await.unwrap();
        assert_eq!((held.shards.len(), held.adopted.len()), (1_024, 1));
    }
    assert_eq!(first.hold_beside(&all, 0, TTL).await.unwrap().adopted, []);
    assert_eq!(tick(&first, 0, 30_000).await, (kinds("0.5+0"), coins("4.5")));
    agree(&first).await;
}

/// The first owner believes that it still holds what the second one took.
pub(crate) async fn an_earlier_owner_is_fenced_off<H: Hot, L: Ledger>(pair: Pair<H, L>) {
    let first = pair.holding().await;
    first.credit(&credit("a", 0, "5")).await.unwrap();
    first.open_call(&open(0, "0")).await.unwrap();
    let all: Vec<Shard> = Shard::all().collect();
    pair.ledger.release(meter(1), &all).await.unwrap();
    let second = pair.store(Options::new(meter(2)));
    assert_eq!(second.hold(1_024, TTL).await.unwrap().adopted.len(), 1);
    let refused = first.apply(UnixMs(5), &[target(0, 60_000)]).await;
    assert!(matches!(refused, Err(Error::Fenced(shard)) if shard == Shard::of(&user(0))));
    // It knows that by now.
    assert_eq!(first.apply(UnixMs(5), &[target(0, 60_000)]).await.unwrap().charged, []);
    assert!(matches!(first.settle(&[settlement(0, 60_000)]).await, Err(Error::NotHeld(_))));
    assert!(matches!(first.credit(&credit("b", 0, "1")).await, Err(Error::NotHeld(_))));
    let other = first.credit(&credit("b", 1, "1")).await;
    assert!(matches!(other, Err(Error::Fenced(_))), "{other:?}");
    assert_eq!(tick(&second, 0, 30_000).await, (kinds("0.5+0"), coins("4.5")));
    assert_eq!(second.funds(&user(1)).await.unwrap(), MicroCoins::ZERO);
    agree(&second).await;
}

/// What an owner took beyond the last checkpoint has no evidence any more.
pub(crate) async fn a_later_owner_goes_on_where_the_ledger_is<H: Hot, L: Ledger>(pair: Pair<H, L>) {
    let first = pair.holding().await;
    first.credit(&credit("a", 0, "5")).await.unwrap();
    first.open_call(&open(0, "0")).await.unwrap();
    for (media_ms, records) in [(12_000, 0..12), (30_000, 12..30)] {
        checkpoint(&first, 0, media_ms, records.map(evidence::second).collect()).await;
    }
    tick(&first, 0, 90_000).await;
    assert_eq!(first.funds(&user(0)).await.unwrap(), coins("3.5"));
    first.release(&Shard::all().collect::<Vec<_>>()).await.unwrap();
    let second = pair.store(Options::new(meter(2)));
    let held = second.hold(1_024, TTL).await.unwrap();
    let [live] = &held.adopted[..] else { panic!("{held:?}") };
    assert_eq!((live.charged, live.proven), (kinds("0.5+0"), target(0, 30_000).proven));
    assert_eq!((live.records, live.last.as_deref()), (30, Some(&evidence::second(29))));
    assert_eq!(second.funds(&user(0)).await.unwrap(), coins("4.5"));
    assert_eq!(second.hold(1_024, TTL).await.unwrap().adopted, []);
    let settled = settle(&second, settlement(0, 0)).await;
    let Settled::Final { receipt, funds, .. } = settled else { panic!("{settled:?}") };
    assert_eq!((receipt.charged, funds), (kinds("0.5+0"), coins("4.5")));
}

pub(crate) async fn what_was_under_way_is_driven_on_by_the_next_owner<H: Hot, L: Ledger>(
    pair: Pair<H, L>,
) {
    use store::{SpendRow, Transaction};
    let first = pair.holding().await;
    first.credit(&credit("a", 0, "5")).await.unwrap();
    first.open_call(&open(0, "0")).await.unwrap();
    // It stops just after it wrote them down.
    let mut tx = pair.ledger.begin().await.unwrap();
    for spend in [gift(1, 0, "2"), gift(2, 0, "9"), chargeback(3, 0, "4")] {
        tx.put_spend(&SpendRow { spend, outcome: None }).await.unwrap();
    }
    tx.commit().await.unwrap();
    first.release(&Shard::all().collect::<Vec<_>>()).await.unwrap();
    let second = pair.store(Options::new(meter(2)));
    second.hold(1_024, TTL).await.unwrap();
    assert_eq!(second.funds(&user(0)).await.unwrap(), MicroCoins::ZERO);
    let taken = |coins| Spending::Taken { coins: kinds(coins), funds: MicroCoins::ZERO };
    assert_eq!(second.spend(&gift(1, 0, "2")).await.unwrap(), taken("2+0"));
    assert_eq!(second.spend(&gift(2, 0, "9")).await.unwrap(), Spending::NoFunds);
    assert_eq!(second.spend(&chargeback(3, 0, "4")).await.unwrap(), taken("3+0"));
    agree(&second).await;
}

/// Hot balances are away while a bill is made, and meanwhile the leases end.
#[tokio::test]
async fn a_bill_that_waits_while_its_shard_is_lost_is_not_made() {
    let (pair, ()) = Pair::memory().await;
    let first = pair.holding().await;
    first.credit(&credit("a", 0, "5")).await.unwrap();
    first.open_call(&open(0, "0")).await.unwrap();
    checkpoint(&first, 0, 30_000, Vec::new()).await;
    pair.hot.fall_back(pair.hot.snapshot());
    let others = pair.ledger.begin().await.unwrap();
    let bill = [settlement(0, 90_000)];
    let mut billed = pin!(first.settle(&bill));
    assert!(poll!(billed.as_mut()).is_pending(), "it looks into the ledger");
    let all: Vec<Shard> = Shard::all().collect();
    let mut released = pin!(first.release(&all));
    assert!(poll!(released.as_mut()).is_pending(), "here they are lost, there not yet");
    drop(others);
    let (billed, released) = join!(billed, released);
    released.unwrap();
    assert!(matches!(billed, Err(Error::NotHeld(_))), "{billed:?}");
    let second = pair.store(Options::new(meter(2)));
    second.hold(1_024, TTL).await.unwrap();
    let settled = settle(&second, settlement(0, 90_000)).await;
    let Settled::Final { receipt, .. } = settled else { panic!("{settled:?}") };
    assert_eq!(receipt.charged, kinds("1.5+0"));
}
