//! The rules of coins that come and go at once.

use crate::books::*;
use billing_core::{
    Counted, CreditRules, Crediting, End, EndReason, EvidenceRecord, Flow, Opening, Payer, Settled,
    Spending,
};
use store::{Hot, Ledger, Options, Transaction};
use units::{ElapsedMs, MicroCoins, Shard, UnixMs};

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
    // 1.5 of it is owed.
    store.credit(&credit("c", 0, "2.5")).await.unwrap();
    assert_eq!(tick(&store, 0, 30_000).await, (kinds("0.5+0"), coins("0.5")));
    agree(&store).await;
}

pub(crate) async fn a_purchase_first_pays_off_what_is_owed<H: Hot, L: Ledger>(pair: Pair<H, L>) {
    let store = pair.holding().await;
    store.credit(&credit("a", 0, "5")).await.unwrap();
    store.open_call(&open(2, "0")).await.unwrap();
    let taken = Spending::Taken { coins: kinds("5+0"), funds: MicroCoins::ZERO };
    assert_eq!(store.spend(&chargeback(1, 0, "8")).await.unwrap(), taken);
    let added = |funds| Crediting::Added { funds: coins(funds) };
    for (credit, expected, owes, given) in [
        (promo("p", 0, "9"), added("9"), true, "0+9"),
        (credit("b", 0, "2"), added("9"), true, "0+0"),
        (credit("b", 0, "2"), Crediting::Repeated { funds: coins("9") }, true, "0+0"),
        (credit("c", 0, "1.5"), added("9.5"), false, "0.5+0"),
        (credit("d", 0, "1"), added("10.5"), false, "1+0"),
    ] {
        assert_eq!(store.credit(&credit).await.unwrap(), expected, "{credit:?}");
        let mut tx = pair.ledger.snapshot().await.unwrap();
        let row = tx.credit(&credit.id).await.unwrap().unwrap();
        assert_eq!((&row.credit, row.coins), (&credit, kinds(given)));
        drop(tx);
        let opening = store.open_call(&open(0, "20")).await.unwrap();
        assert_eq!(opening == Opening::Blocked, owes, "{credit:?}: {opening:?}");
        agree(&store).await;
    }
    // The bank takes the one back that paid the debt.
    let taken = Spending::Taken { coins: kinds("1.5+0"), funds: coins("9") };
    assert_eq!(store.spend(&chargeback(2, 0, "1.5")).await.unwrap(), taken);
    assert_eq!(tick(&store, 2, 60_200).await, (kinds("0+3"), coins("6")));
    agree(&store).await;
}

pub(crate) async fn a_refund_gives_back_the_coins_that_paid<H: Hot, L: Ledger>(pair: Pair<H, L>) {
    let store = pair.holding().await;
    store.credit(&credit("a", 0, "5")).await.unwrap();
    store.credit(&promo("b", 0, "0.4")).await.unwrap();
    store.open_call(&open(0, "0")).await.unwrap();
    settle(&store, settlement(0, 60_000)).await;
    store.open_call(&open(2, "0")).await.unwrap();
    for (id, amount, payer, given) in [
        ("r", "0.5", Payer::Both, "0.3+0.2"),
        ("s", "0.000001", Payer::Platform, "0.000001+0"),
        ("t", "0.000002", Payer::Host, "0.000001+0.000001"),
        ("u", "0.499997", Payer::Both, "0.299998+0.199999"),
    ] {
        let credit = refund(id, 0, 0, amount, payer);
        assert!(matches!(store.credit(&credit).await.unwrap(), Crediting::Added { .. }));
        let row = pair.ledger.snapshot().await.unwrap().credit(id).await.unwrap().unwrap();
        assert_eq!(row.coins, kinds(given), "{id}");
        agree(&store).await;
    }
    // What came back as promo coins goes first again, in a call that was open meanwhile.
    assert_eq!(tick(&store, 2, 10_200).await, (kinds("0.1+0.4"), coins("4.9")));
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

pub(crate) async fn what_the_rules_give_back_comes_with_the_bill_and_once<H: Hot, L: Ledger>(
    pair: Pair<H, L>,
) {
    let rules = Options { credits: Some(CreditRules::default()), ..Options::new(meter(1)) };
    let store = pair.store(rules);
    store.hold(1_024, TTL).await.unwrap();
    store.credit(&credit("a", 0, "10")).await.unwrap();
    // Calls of one user at 1, 3 and 5 coins a minute: the seconds between which the host was
    // silent, of how many; how it ended; then what is given back and what is left.
    for (n, silent, seconds, reason, given, left) in [
        (0, (10, 100), 120, EndReason::HungUpByFan, Some("1.5"), "9.5"),
        (2, (10, 40), 60, EndReason::HungUpByFan, None, "6.51"),
        (4, (0, 0), 12, EndReason::HostLost, Some("0.966666"), "6.51"),
    ] {
        store.open_call(&open(n, "0")).await.unwrap();
        let mut settlement = settlement(n, seconds * 1_000);
        settlement.end = Some(End { reason, at: UnixMs(9_000) });
        settlement.evidence = (0..=seconds).map(|second| heard(n, second, silent)).collect();
        let settled = settle(&store, settlement.clone()).await;
        let Settled::Final { funds, credits, .. } = &settled else { panic!("{settled:?}") };
        let amounts: Vec<_> = credits.iter().map(|given| given.credit.amount).collect();
        assert_eq!(amounts, given.map(coins).into_iter().collect::<Vec<_>>(), "call {n}");
        assert_eq!(*funds, coins(left), "call {n}");
        assert_eq!(settle(&store, settlement).await, settled, "call {n} once more");
        assert_eq!(store.funds(&user(0)).await.unwrap(), coins(left), "call {n}");
        agree(&store).await;
    }
    assert_eq!(store.audit().await.unwrap(), []);
    // Rules that come later give nothing for bills that were made without them.
    let everything: Vec<_> = Shard::all().collect();
    store.release(&everything).await.unwrap();
    let plain = pair.holding().await;
    plain.open_call(&open(6, "0")).await.unwrap();
    let mut lost = settlement(6, 1_000);
    lost.end = Some(End { reason: EndReason::HostLost, at: UnixMs(9_000) });
    let without = settle(&plain, lost.clone()).await;
    plain.release(&everything).await.unwrap();
    let store =
        pair.store(Options { credits: Some(CreditRules::default()), ..Options::new(meter(1)) });
    store.hold(1_024, TTL).await.unwrap();
    assert_eq!(settle(&store, lost).await, without);
}

/// The record of a second of a call in which the host was silent between two seconds.
fn heard(n: u8, second: u64, (from, to): (u64, u64)) -> EvidenceRecord {
    let time = ElapsedMs::from_secs(second);
    let to_fan = Flow { forwarded: time, proven: time, ..Flow::default() };
    let silent = ElapsedMs::from_secs(second.clamp(from, to) - from);
    let counted = Counted { to_fan, silent, ..Counted::default() };
    let n_th = u32::try_from(second).unwrap();
    let charged = target(n, time.0).charge;
    EvidenceRecord { n: n_th, at: time, counted, charged }
}
