//! Calls that never connect cost nothing.

use crate::books;
use crate::browser::turn;
use crate::desk::{Desk, FAN};

#[tokio::test(flavor = "multi_thread")]
async fn declined_unanswered_and_cancelled_calls_cost_nothing() {
    let _turn = turn().await;
    let desk = Desk::open_ringing("100.00", 4_000).await;

    desk.ring("voice").await;
    desk.host.tap("decline").await;
    ended(&desk, "declined").await;

    desk.ring("video").await;
    desk.fan.tap("cancel").await;
    ended(&desk, "cancelled").await;

    desk.ring("voice").await;
    ended(&desk, "unanswered").await;

    let database = desk.server.database();
    let _folder = desk.close().await;
    assert_eq!(books::funds(&database, FAN).await.micro(), 100_000_000);
}

/// The call is over on both pages, for this reason, without a bill, and put away.
async fn ended(desk: &Desk, reason: &str) {
    desk.fan.until(&format!("coinline.session.ended?.reason === '{reason}'")).await;
    assert!(desk.fan.value::<bool>("coinline.session.ended.receipt === null").await);
    desk.host.until("coinline.session.call === null").await;
    assert!(!desk.host.has("receipt").await);
    desk.fan.tap("receipt-close").await;
    desk.fan.shows("balance", "100.00").await;
}
