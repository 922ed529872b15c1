//! The rules, each as a table.

use crate::books::*;
use billing_core::{Crediting, Opening, Settled, Spending};
use units::MicroCoins;

#[tokio::test]
async fn a_paid_evening() {
    let store = memory().await;
    assert_eq!(
        store.credit(&credit("a", 0, "5")).await.unwrap(),
        Crediting::Added { funds: coins("5") }
    );
    store.credit(&promo("b", 0, "0.25")).await.unwrap();
    assert!(matches!(
        store.open_call(&open(0, "0")).await.unwrap(),
        Opening::Open { funds, .. } if funds == coins("5.25")
    ));
    let applied = store.apply(units::UnixMs(5), &[target(0, 30_000)]).await.unwrap();
    assert_eq!(applied.charged, [(call(0), kinds("0.25+0.25"))]);
    assert_eq!(applied.funds, [(user(0), coins("4.75"))]);
    let gifted = store.spend(&gift(1, 0, "2")).await.unwrap();
    assert_eq!(gifted, Spending::Taken { coins: kinds("2+0"), funds: coins("2.75") });
    let settled = store.settle(&[settlement(0, 60_000)]).await.unwrap();
    let [Settled::Final { receipt, funds }] = &settled[..] else { panic!("{settled:?}") };
    assert_eq!((receipt.charged, *funds), (kinds("0.75+0.25"), coins("2.25")));
    let owes = store.spend(&chargeback(2, 0, "5")).await.unwrap();
    assert_eq!(owes, Spending::Taken { coins: kinds("2.25+0"), funds: MicroCoins::ZERO });
    assert_eq!(store.open_call(&open(2, "0")).await.unwrap(), Opening::Blocked);
    assert!(store.reconcile().await.unwrap().iter().all(|(_, differences)| *differences == 0));
}
