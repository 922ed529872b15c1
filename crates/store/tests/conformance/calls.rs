//! The rules of calls.

use crate::books::*;
use billing_core::{Applied, OpenCall, Opening, Proven, Settled, Target};
use store::{Hot, Ledger};
use units::{Coins, ElapsedMs, MicroCoins, UnixMs};

fn opened(opening: Opening) -> (Coins, Proven, MicroCoins) {
    let Opening::Open { live, funds } = opening else { panic!("{opening:?}") };
    (live.charged, live.proven, funds)
}

fn bill(settled: &Settled) -> (Coins, Proven, MicroCoins) {
    let Settled::Final { receipt, funds, .. } = settled else { panic!("{settled:?}") };
    (receipt.charged, receipt.proven, *funds)
}

pub(crate) async fn a_call_is_opened_once_at_its_terms_and_not_below_the_minimum<
    H: Hot,
    L: Ledger,
>(
    pair: Pair<H, L>,
) {
    let store = pair.holding().await;
    assert_eq!(store.open_call(&open(0, "0.000001")).await.unwrap(), Opening::NoFunds);
    store.credit(&credit("a", 0, "5")).await.unwrap();
    assert_eq!(store.open_call(&open(0, "5.000001")).await.unwrap(), Opening::NoFunds);
    let fresh = opened(store.open_call(&open(0, "5")).await.unwrap());
    assert_eq!(fresh, (Coins::ZERO, Proven::ZERO, coins("5")));
    checkpoint(&store, 0, 60_000, Vec::new()).await;
    let again = opened(store.open_call(&open(0, "5")).await.unwrap());
    assert_eq!(again, (kinds("1+0"), target(0, 60_000).proven, coins("4")));
    let other = OpenCall { call: call(0), ..open(2, "0") };
    assert_eq!(store.open_call(&other).await.unwrap(), Opening::OtherTerms);
    let Settled::Final { receipt, .. } = settle(&store, settlement(0, 60_000)).await else {
        panic!("it has ended")
    };
    let settled = Opening::Settled(receipt);
    assert_eq!(store.open_call(&open(0, "0")).await.unwrap(), settled);
    agree(&store).await;
}

pub(crate) async fn a_charge_is_clamped_to_the_funds_and_never_falls<H: Hot, L: Ledger>(
    pair: Pair<H, L>,
) {
    let store = pair.holding().await;
    store.credit(&credit("a", 0, "1.5")).await.unwrap();
    store.open_call(&open(0, "0")).await.unwrap();
    for (media_ms, charged, funds) in [
        (30_000, "0.5+0", "1"),
        (30_000, "0.5+0", "1"),
        (15_000, "0.5+0", "1"),
        (60_000, "1+0", "0.5"),
        (600_000, "1.5+0", "0"),
        (60_000, "1.5+0", "0"),
    ] {
        assert_eq!(tick(&store, 0, media_ms).await, (kinds(charged), coins(funds)), "{media_ms}");
        assert_eq!(store.funds(&user(0)).await.unwrap(), coins(funds));
        agree(&store).await;
    }
    store.credit(&credit("b", 0, "1")).await.unwrap();
    assert_eq!(tick(&store, 0, 600_000).await.0, kinds("2.5+0"));
}

pub(crate) async fn a_target_of_a_call_that_is_not_open_is_passed_over<H: Hot, L: Ledger>(
    pair: Pair<H, L>,
) {
    let store = pair.holding().await;
    store.credit(&credit("a", 0, "5")).await.unwrap();
    store.open_call(&open(0, "0")).await.unwrap();
    store.open_call(&open(2, "0")).await.unwrap();
    settle(&store, settlement(2, 0)).await;
    let targets = [target(7, 60_000), target(2, 60_000), target(0, 60_000)];
    let applied = store.apply(UnixMs(5), &targets).await.unwrap();
    assert_eq!(applied.charged, [(call(0), kinds("1+0"))]);
    assert_eq!(applied.funds, [(user(0), coins("4"))]);
    assert_eq!(store.apply(UnixMs(6), &[]).await.unwrap(), Applied::default());
    assert_eq!(settle(&store, settlement(7, 0)).await, Settled::Unknown(call(7)));
    assert_eq!(store.receipt(call(0)).await.unwrap(), None);
}

pub(crate) async fn calls_of_one_wallet_share_its_funds<H: Hot, L: Ledger>(pair: Pair<H, L>) {
    let store = pair.holding().await;
    store.credit(&credit("a", 0, "3")).await.unwrap();
    store.open_call(&open(0, "0")).await.unwrap();
    store.open_call(&open(2, "0")).await.unwrap();
    let targets = [target(0, 60_000), target(2, 60_200), target(0, 60_000)];
    let applied = store.apply(UnixMs(5), &targets).await.unwrap();
    assert_eq!(applied.charged, [(call(0), kinds("1+0")), (call(2), kinds("2+0"))]);
    assert_eq!(applied.funds, [(user(0), MicroCoins::ZERO)]);
    let bills = store.settle(&[settlement(0, 60_000), settlement(2, 60_200)]).await.unwrap();
    let bills: Vec<_> = bills.iter().map(bill).map(|(charged, ..)| charged).collect();
    assert_eq!(bills, [kinds("1+0"), kinds("2+0")]);
    agree(&store).await;
}

pub(crate) async fn promo_coins_go_first<H: Hot, L: Ledger>(pair: Pair<H, L>) {
    let store = pair.holding().await;
    store.credit(&credit("a", 0, "5")).await.unwrap();
    store.credit(&promo("b", 0, "0.75")).await.unwrap();
    store.open_call(&open(0, "5.75")).await.unwrap();
    assert_eq!(tick(&store, 0, 30_000).await, (kinds("0+0.5"), coins("5.25")));
    assert_eq!(tick(&store, 0, 60_000).await, (kinds("0.25+0.75"), coins("4.75")));
    store.credit(&promo("c", 0, "0.5")).await.unwrap();
    assert_eq!(tick(&store, 0, 90_000).await, (kinds("0.25+1.25"), coins("4.75")));
    let settled = settle(&store, settlement(0, 120_000)).await;
    assert_eq!(bill(&settled), (kinds("0.75+1.25"), target(0, 120_000).proven, coins("4.25")));
}

pub(crate) async fn a_call_is_settled_once<H: Hot, L: Ledger>(pair: Pair<H, L>) {
    let store = pair.holding().await;
    store.credit(&credit("a", 0, "5")).await.unwrap();
    store.open_call(&open(0, "0")).await.unwrap();
    checkpoint(&store, 0, 60_000, Vec::new()).await;
    // A settlement that knows less than the store takes nothing back.
    let first = settle(&store, settlement(0, 30_000)).await;
    assert_eq!(bill(&first), (kinds("1+0"), target(0, 60_000).proven, coins("4")));
    let Settled::Final { receipt, .. } = &first else { panic!("{first:?}") };
    let split = receipt.split();
    assert_eq!((split.host, split.platform), (coins("0.7001"), coins("0.2999")));
    assert_eq!(settle(&store, settlement(0, 120_000)).await, first);
    let twice = store.settle(&[settlement(0, 1), settlement(0, 2)]).await.unwrap();
    assert_eq!(twice, [first.clone(), first.clone()]);
    assert_eq!(store.receipt(call(0)).await.unwrap().as_ref(), Some(receipt));
    assert_eq!(store.document(call(0)).await.unwrap(), None);
    assert_eq!(store.funds(&user(0)).await.unwrap(), coins("4"));
    agree(&store).await;
}

pub(crate) async fn settlements_on_the_way_post_what_was_charged_so_far<H: Hot, L: Ledger>(
    pair: Pair<H, L>,
) {
    let store = pair.holding().await;
    store.credit(&credit("a", 0, "2.5")).await.unwrap();
    store.open_call(&open(0, "0")).await.unwrap();
    for (media_ms, posted) in
        [(30_000, "0.5+0"), (30_000, "0.5+0"), (10_000, "0.5+0"), (60_000, "1+0")]
    {
        let expected = Settled::Interim { call: call(0), posted: kinds(posted) };
        assert_eq!(settle(&store, interim(0, media_ms)).await, expected, "{media_ms}");
        agree(&store).await;
    }
    assert_eq!(store.funds(&user(0)).await.unwrap(), coins("1.5"));
    let settled = settle(&store, settlement(0, 600_000)).await;
    assert_eq!(bill(&settled), (kinds("2.5+0"), target(0, 600_000).proven, MicroCoins::ZERO));
    assert_eq!(settle(&store, interim(0, 0)).await, settled);
}

/// Whatever hot balances took: what was taken without evidence goes back.
pub(crate) async fn a_call_is_never_charged_more_than_its_plan_says<H: Hot, L: Ledger>(
    pair: Pair<H, L>,
) {
    let store = pair.holding().await;
    store.credit(&credit("a", 0, "5")).await.unwrap();
    store.open_call(&open(0, "0")).await.unwrap();
    let beyond = Target { proven: Proven::voice(ElapsedMs(30_000)), ..target(0, 90_000) };
    store.apply(UnixMs(5), &[beyond]).await.unwrap();
    let settled = settle(&store, settlement(0, 60_000)).await;
    assert_eq!(bill(&settled), (kinds("1+0"), target(0, 60_000).proven, coins("4")));
}

pub(crate) async fn a_change_is_made_once_and_prices_what_follows<H: Hot, L: Ledger>(
    pair: Pair<H, L>,
) {
    let store = pair.holding().await;
    store.credit(&credit("a", 0, "9")).await.unwrap();
    let (of, fan) = (call(0), user(0));
    assert_eq!(store.change(of, &fan, &change(1, 0, 2)).await.unwrap(), None);
    store.open_call(&open(0, "0")).await.unwrap();
    for (asked, stands) in [
        (change(2, 0, 2), None),
        (change(1, 30_000, 2), Some(change(1, 30_000, 2))),
        (change(1, 40_000, 3), Some(change(1, 30_000, 2))),
        (change(2, 60_000, 6), Some(change(2, 60_000, 6))),
    ] {
        assert_eq!(store.change(of, &fan, &asked).await.unwrap(), stands, "{asked:?}");
    }
    let Opening::Open { live, .. } = store.open_call(&open(0, "0")).await.unwrap() else {
        panic!("it is open")
    };
    assert_eq!(live.changes, [change(1, 30_000, 2), change(2, 60_000, 6)]);
    let last = Target { charge: coins("9"), ..target(0, 90_000) };
    let settled = settle(&store, billing_core::Settlement { target: last, ..settlement(0, 0) });
    let settled = settled.await;
    // 30 s at 1, 30 s at 2, 30 s at 6.
    assert_eq!(bill(&settled).0, kinds("4.5+0"));
    assert_eq!(store.change(of, &fan, &change(3, 90_000, 1)).await.unwrap(), None);
}
