//! Calls that never connect cost nothing.

use crate::books;
use crate::browser::{Window, turn};
use crate::desk::{Desk, FAN, HOST};

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

#[tokio::test(flavor = "multi_thread")]
async fn a_fan_who_forbids_the_microphone_is_told_what_to_do_and_rings_nobody() {
    let _turn = turn().await;
    let desk = Desk::open("100.00").await;
    let url = format!("{}/?as={FAN}&lang=en", desk.server.url);
    let shy = Window::open_forbidding_devices(&url).await;
    shy.tap(&format!("call-voice-{HOST}")).await;
    shy.tap("quote-confirm").await;
    shy.shows("quote-problem", "microphone").await;
    assert!(shy.value::<bool>("coinline.session.call === null").await);
    assert!(!desk.host.has("incoming").await);
    shy.close().await;
    desk.close().await;
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
