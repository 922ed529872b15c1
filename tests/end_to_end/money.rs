//! Paid calls between two browsers: what is seen, what is heard, what is paid.

use crate::books;
use crate::browser::{PATIENCE, Window, element, turn};
use crate::desk::{Desk, FAN, heard_ms};
use serde_json::Value;
use std::time::{Duration, Instant};

/// The price of every call here, in micro-coins per minute.
const RATE: u64 = 6_000_000;

/// `floor(rate x ms / 60000)`, written down once more so that the product can't excuse itself.
pub(crate) fn charge(proven_ms: u64) -> u64 {
    RATE * proven_ms / 60_000
}

/// Waits until a page has decoded more of the other side than now, picture and sound.
pub(crate) async fn sees_and_hears(window: &Window) {
    let frames: u64 =
        window.value("coinline.stats().then(s => s.in_video?.framesDecoded ?? 0)").await;
    window
        .until(&format!(
            "coinline.stats().then(s => s.in_video?.framesDecoded > {} && s.in_audio?.energy > 0)",
            frames + 10
        ))
        .await;
}

/// The proven time that a page has been told of.
pub(crate) async fn told_ms(window: &Window) -> u64 {
    window.value("coinline.session.tick?.proven_ms ?? 0").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fan_with_20_s_of_funds_is_cut_at_20_s_with_nothing_left() {
    let _turn = turn().await;
    let desk = Desk::open("2.00").await;
    desk.call("video").await;
    sees_and_hears(&desk.fan).await;
    sees_and_hears(&desk.host).await;
    desk.fan
        .until("document.querySelector('[data-testid=\"low-funds\"]')?.checkVisibility()")
        .await;

    let bill = desk.receipt().await;
    assert_eq!(bill.reason, "funds_exhausted");
    assert_eq!((bill.proven_ms, bill.charged), (20_000, 2_000_000));
    assert_eq!((bill.host, bill.platform), (1_400_000, 600_000));
    let lasted_ms = heard_ms(&desk.fan).await;
    assert!((19_900.0..21_000.0).contains(&lasted_ms), "media lasted {lasted_ms} ms");
    desk.fan.tap("receipt-close").await;
    desk.fan.shows("balance", "0.00").await;

    let database = desk.server.database();
    let _folder = desk.close().await;
    assert_eq!(books::funds(&database, FAN).await.micro(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_top_up_in_the_last_seconds_lets_the_call_go_on() {
    let _turn = turn().await;
    let desk = Desk::open("1.20").await;
    desk.call("voice").await;
    desk.fan.until("coinline.session.tick?.proven_ms >= 6000").await;
    desk.fan.tap("top-up").await;
    desk.fan.until("coinline.session.tick.proven_ms >= 13000").await;
    desk.fan.call_is("live").await;
    desk.fan.tap("hang-up").await;

    let bill = desk.receipt().await;
    assert_eq!(bill.charged, charge(bill.proven_ms));
    let database = desk.server.database();
    let _folder = desk.close().await;
    assert_eq!(books::funds(&database, FAN).await.micro(), 11_200_000 - bill.charged);
}

#[tokio::test(flavor = "multi_thread")]
async fn hanging_up_bills_the_proven_milliseconds_and_no_more() {
    let _turn = turn().await;
    let desk = Desk::open("100.00").await;
    desk.call("voice").await;
    desk.fan.until("coinline.session.tick?.proven_ms >= 6500").await;
    desk.fan.tap("hang-up").await;

    let bill = desk.receipt().await;
    assert_eq!(bill.reason, "hung_up_by_fan");
    assert_eq!(bill.charged, charge(bill.proven_ms));
    let lasted_ms = heard_ms(&desk.fan).await;
    let proven_ms = bill.proven_ms as f64;
    assert!(proven_ms <= lasted_ms + 150.0, "{proven_ms} ms proven, {lasted_ms} ms heard");
    assert!(proven_ms >= lasted_ms - 600.0, "{proven_ms} ms proven, {lasted_ms} ms heard");

    let database = desk.server.database();
    let _folder = desk.close().await;
    let left = 100_000_000 - bill.charged;
    assert_eq!(books::funds(&database, FAN).await.micro(), left);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_socket_stops_neither_media_nor_bill_and_resumes() {
    let _turn = turn().await;
    let desk = Desk::open("100.00").await;
    desk.call("video").await;
    desk.fan.until("coinline.session.tick?.proven_ms >= 1000").await;
    let session: String = desk.fan.value("coinline.client.welcome.session").await;
    let before = told_ms(&desk.fan).await;
    let host_before = told_ms(&desk.host).await;

    desk.proxy.cut();
    desk.fan.until("coinline.client.state !== 'open'").await;
    let cut_at = Instant::now();
    while cut_at.elapsed() < Duration::from_secs(5) {
        sees_and_hears(&desk.fan).await;
    }
    // The host's page was told all the while; the fan's was not.
    assert!(told_ms(&desk.host).await >= host_before + 4_000);
    assert!(told_ms(&desk.fan).await <= before + 1_500);

    desk.proxy.mend();
    desk.fan.until("coinline.client.state === 'open'").await;
    desk.fan.until(&format!("coinline.session.tick.proven_ms >= {}", before + 5_000)).await;
    let resumed: String = desk.fan.value("coinline.client.welcome.session").await;
    assert_eq!(session, resumed, "the page began a new session");
    desk.fan.call_is("live").await;
    sees_and_hears(&desk.fan).await;

    desk.host.tap("hang-up").await;
    let bill = desk.receipt().await;
    assert_eq!(bill.reason, "hung_up_by_host");
    assert_eq!(bill.charged, charge(bill.proven_ms));
    assert!(bill.proven_ms >= before + 5_000);
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_who_mutes_is_not_paid_meanwhile_and_both_see_it() {
    let _turn = turn().await;
    let desk = Desk::open("100.00").await;
    desk.call("voice").await;
    desk.fan.until("coinline.session.tick?.proven_ms >= 1000").await;

    desk.host.tap("mute").await;
    for window in [&desk.fan, &desk.host] {
        window.until("coinline.session.tick.paused").await;
        window.until(&format!("{}?.checkVisibility()", element("not-charged"))).await;
    }
    let stood_at = told_ms(&desk.fan).await;
    assert!(desk.fan.value::<bool>(COUNT_TICKS).await);
    desk.fan.until("__ticks >= 3").await;
    assert_eq!(told_ms(&desk.fan).await, stood_at, "silence was billed");

    desk.host.tap("mute").await;
    desk.fan.until(&format!("coinline.session.tick.proven_ms >= {}", stood_at + 1_000)).await;
    desk.fan.tap("hang-up").await;
    let bill = desk.receipt().await;
    assert_eq!(bill.charged, charge(bill.proven_ms));
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_settles_what_was_durable_and_no_more_than_was_carried() {
    let _turn = turn().await;
    let mut desk = Desk::open("100.00").await;
    desk.call("voice").await;
    desk.fan.until("coinline.session.tick?.proven_ms >= 4000").await;
    let call = desk.fan.value::<Value>("coinline.session.tick.call").await;
    let told = told_ms(&desk.fan).await;
    desk.server.kill();
    let carried_ms = heard_ms(&desk.fan).await;
    desk.server.restart().await;

    // Both pages come back by themselves and learn what the call cost.
    let bill = desk.receipt().await;
    assert_eq!(bill.reason, "interrupted");
    let proven = bill.proven_ms;
    // What a page was told is durable; what is billed was carried.
    assert!(proven >= told, "{proven} ms billed, {told} ms were told");
    assert!(proven as f64 <= carried_ms + 150.0, "{proven} ms billed, {carried_ms} ms carried");
    assert_eq!(bill.charged, charge(proven));

    let database = desk.server.database();
    let _folder = desk.close().await;
    let kept = books::receipt(&database, call.as_str().unwrap().parse().unwrap()).await;
    assert_eq!((kept.total().micro(), kept.proven.media.0), (bill.charged, proven));
    // A call that broke off in its first 20 s is given back by rule (BILLING.md, rule 39).
    assert_eq!(books::funds(&database, FAN).await.micro(), 100_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn h264_reaches_both_sides_and_bitrate_rises() {
    let _turn = turn().await;
    let desk = Desk::open("100.00").await;
    for window in [&desk.fan, &desk.host] {
        assert!(window.value::<bool>(PREFER_H264).await);
    }
    desk.call("video").await;
    for window in [&desk.fan, &desk.host] {
        sees_and_hears(window).await;
        assert_eq!(window.value::<String>(VIDEO_CODEC).await, "video/H264");
        // Feedback lets Chromium leave its 300 kbit/s start, on a busy machine too.
        window
            .until_within("coinline.stats().then(s => s.availableOutgoingBitrate > 6e5)", PATIENCE)
            .await;
    }
    desk.fan.tap("hang-up").await;
    let bill = desk.receipt().await;
    assert_eq!(bill.charged, charge(bill.proven_ms));
    desk.close().await;
}

/// Counts what the page is told from now on.
const COUNT_TICKS: &str = "
    (() => {
        window.__ticks = 0;
        coinline.client.addEventListener('call.tick', () => { window.__ticks += 1 });
        return true;
    })()
";

/// Has the page's next connection offer H.264 before anything else.
const PREFER_H264: &str = "
    (() => {
        const plain = RTCPeerConnection.prototype.addTransceiver;
        RTCPeerConnection.prototype.addTransceiver = function (...given) {
            const made = plain.apply(this, given);
            if (given[0] === 'video') {
                const { codecs } = RTCRtpReceiver.getCapabilities('video');
                const first = codecs.filter(c => c.mimeType === 'video/H264');
                made.setCodecPreferences([...first, ...codecs.filter(c => !first.includes(c))]);
            }
            return made;
        };
        return true;
    })()
";

/// What the page decodes of the other side's picture.
const VIDEO_CODEC: &str = "
    coinline.session.media.peer.getStats().then(reports => {
        const all = [...reports.values()];
        const video = all.find(r => r.type === 'inbound-rtp' && r.kind === 'video');
        return all.find(r => r.id === video.codecId).mimeType;
    })
";
