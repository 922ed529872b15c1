//! The rules of coins that come and go at once.

use crate::books::*;
use billing_core::{Crediting, Opening, Payer, Spending};
use store::{Hot, Ledger};
use units::MicroCoins;

pub(crate) async fn a_credit_counts_once_per_id<H: Hot, L: Ledger>(pair: Pair<H, L>) {
    let store = pair.holding().await;
    let added = |funds| Crediting::Added { funds: coins(funds) };
    let repeated = |funds| Crediting::Repeated { funds: coins(funds) };
    for (credit, expected) in [
        (credit("a", 0, "5"), added("5")),
        (credit("a", 0, "5"), repeated("5")),
        (credit("b", 0, "0.000001"), added("5.000001")),
        (credit("a", 0, "6"), Crediting::OtherCredit),
        (credit("a", 1, "5"), Crediting::OtherCredit),
        (promo("a", 0, "5"), Crediting::OtherCredit),
        (credit("nothing", 0, "0"), added("5.000001")),
        (promo("c", 0, "1"), added("6.000001")),
    ] {
        assert_eq!(store.credit(&credit).await.unwrap(), expected, "{credit:?}");
    }
    assert_eq!(store.funds(&user(0)).await.unwrap(), coins("6.000001"));
    assert_eq!(store.funds(&user(1)).await.unwrap(), MicroCoins::ZERO);
}

pub(crate) async fn a_wallet_never_passes_the_largest_amount<H: Hot, L: Ledger>(pair: Pair<H, L>) {
    let store = pair.holding().await;
    store.credit(&credit("a", 0, &MicroCoins::MAX.to_string())).await.unwrap();
    for more in [credit("b", 0, "0.000001"), promo("b", 0, "0.000001")] {
        assert_eq!(store.credit(&more).await.unwrap(), Crediting::TooLarge);
    }
    assert_eq!(store.funds(&user(0)).await.unwrap(), MicroCoins::MAX);
    store.open_call(&open(0, &MicroCoins::MAX.to_string())).await.unwrap();
    assert_eq!(tick(&store, 0, 1).await.0, kinds("0.000016+0"));
    agree(&store).await;
}

pub(crate) async fn a_refund_never_exceeds_what_the_call_cost<H: Hot, L: Ledger>(pair: Pair<H, L>) {
    let store = pair.holding().await;
    store.credit(&credit("a", 0, "5")).await.unwrap();
    store.open_call(&open(0, "0")).await.unwrap();
    tick(&store, 0, 60_000).await;
    let too_early = refund("r", 0, 0, "0.5", Payer::Host);
    assert_eq!(store.credit(&too_early).await.unwrap(), Crediting::NotRefundable);
    settle(&store, settlement(0, 60_000)).await;
    for (credit, expected) in [
        (refund("r", 0, 0, "1.000001", Payer::Platform), Crediting::NotRefundable),
        (refund("r", 1, 0, "0.5", Payer::Platform), Crediting::NotRefundable),
        (refund("r", 0, 2, "0.5", Payer::Platform), Crediting::NotRefundable),
        (refund("r", 0, 0, "0.5", Payer::Both), Crediting::Added { funds: coins("4.5") }),
        (refund("r", 0, 0, "0.5", Payer::Both), Crediting::Repeated { funds: coins("4.5") }),
        (refund("r", 0, 0, "0.5", Payer::Host), Crediting::OtherCredit),
        (refund("s", 0, 0, "0.500001", Payer::Host), Crediting::NotRefundable),
        (refund("s", 0, 0, "0.5", Payer::Host), Crediting::Added { funds: coins("5") }),
        (refund("t", 0, 0, "0.000001", Payer::Host), Crediting::NotRefundable),
    ] {
        assert_eq!(store.credit(&credit).await.unwrap(), expected, "{credit:?}");
    }
}

pub(crate) async fn a_gift_is_all_or_nothing<H: Hot, L: Ledger>(pair: Pair<H, L>) {
    let store = pair.holding().await;
    assert_eq!(store.spend(&gift(1, 0, "1")).await.unwrap(), Spending::NoFunds);
    store.credit(&credit("a", 0, "5")).await.unwrap();
    store.credit(&promo("b", 0, "0.5")).await.unwrap();
    store.open_call(&open(0, "0")).await.unwrap();
    assert_eq!(tick(&store, 0, 60_000).await, (kinds("0.5+0.5"), coins("4.5")));
    assert_eq!(store.spend(&gift(2, 0, "4.500001")).await.unwrap(), Spending::NoFunds);
    let all = Spending::Taken { coins: kinds("4.5+0"), funds: MicroCoins::ZERO };
    assert_eq!(store.spend(&gift(3, 0, "4.5")).await.unwrap(), all);
    assert_eq!(tick(&store, 0, 120_000).await, (kinds("0.5+0.5"), MicroCoins::ZERO));
    store.credit(&credit("c", 0, "1")).await.unwrap();
    assert_eq!(tick(&store, 0, 120_000).await, (kinds("1.5+0.5"), MicroCoins::ZERO));
    agree(&store).await;
}

pub(crate) async fn a_chargeback_takes_what_is_there_and_the_rest_is_owed<H: Hot, L: Ledger>(
    pair: Pair<H, L>,
) {
    let store = pair.holding().await;
    store.credit(&credit("a", 0, "5")).await.unwrap();
    store.credit(&promo("b", 0, "1")).await.unwrap();
    let taken =
        |coins, left| Spending::Taken { coins: kinds(coins), funds: crate::books::coins(left) };
    assert_eq!(store.spend(&chargeback(1, 0, "3")).await.unwrap(), taken("3+0", "3"));
    store.open_call(&open(0, "0")).await.unwrap();
    assert_eq!(store.spend(&chargeback(2, 0, "2.5")).await.unwrap(), taken("2+0.5", "0.5"));
    assert!(matches!(store.open_call(&open(2, "0")).await.unwrap(), Opening::Open { .. }));
    assert_eq!(store.spend(&chargeback(3, 0, "2")).await.unwrap(), taken("0+0.5", "0"));
    assert_eq!(store.open_call(&open(4, "0")).await.unwrap(), Opening::Blocked);
    // Calls that are open go on, and are opened again.
    assert!(matches!(store.open_call(&open(0, "0")).await.unwrap(), Opening::Open { .. }));
    store.credit(&credit("c", 0, "1")).await.unwrap();
    assert_eq!(tick(&store, 0, 30_000).await, (kinds("0.5+0"), coins("0.5")));
    agree(&store).await;
}

pub(crate) async fn coins_are_spent_once_per_id<H: Hot, L: Ledger>(pair: Pair<H, L>) {
    let store = pair.holding().await;
    store.credit(&credit("a", 0, "5")).await.unwrap();
    let taken = |left| Spending::Taken { coins: kinds("2+0"), funds: coins(left) };
    for (spend, expected) in [
        (gift(1, 0, "2"), taken("3")),
        (gift(1, 0, "2"), taken("3")),
        (gift(1, 0, "3"), Spending::OtherSpend),
        (gift(1, 1, "2"), Spending::OtherSpend),
        (chargeback(1, 0, "2"), Spending::OtherSpend),
        (gift(2, 0, "4"), Spending::NoFunds),
        (chargeback(3, 0, "2"), taken("1")),
        (chargeback(3, 0, "2"), taken("1")),
    ] {
        assert_eq!(store.spend(&spend).await.unwrap(), expected, "{spend:?}");
    }
    // What was refused for want of funds stays refused.
    store.credit(&credit("b", 0, "9")).await.unwrap();
    assert_eq!(store.spend(&gift(2, 0, "4")).await.unwrap(), Spending::NoFunds);
    assert_eq!(store.funds(&user(0)).await.unwrap(), coins("10"));
}
