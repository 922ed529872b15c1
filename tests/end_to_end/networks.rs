//! Calls over networks that change, or that let no media through.

use crate::bottleneck::Bottleneck;
use crate::browser::turn;
use crate::desk::Desk;
use crate::money::{charge, sees_and_hears, told_ms};
use serde_json::json;
use test_servers::Coturn;

#[tokio::test(flavor = "multi_thread")]
async fn who_changes_the_network_keeps_the_connection_and_its_keys() {
    let _turn = turn().await;
    let desk = Desk::open("100.00").await;
    desk.call("video").await;
    sees_and_hears(&desk.fan).await;
    let watch = "(() => {
        window.__peer = coinline.session.media.peer;
        window.__handshakes = 0;
        __peer.getSenders()[0].transport.onstatechange = () => __handshakes++;
        return true;
    })()";
    assert!(desk.fan.value::<bool>(watch).await);
    let ufrag: String = desk.fan.value("coinline.stats().then(s => s.iceUfrag)").await;

    assert!(desk.fan.value::<bool>("dispatchEvent(new Event('online'))").await);
    desk.fan.until(&format!("coinline.stats().then(s => s.iceUfrag !== '{ufrag}')")).await;
    sees_and_hears(&desk.fan).await;
    sees_and_hears(&desk.host).await;
    let before = told_ms(&desk.fan).await;
    desk.fan.until(&format!("coinline.session.tick.proven_ms >= {}", before + 2_000)).await;
    let kept = "coinline.session.media.peer === __peer && __handshakes === 0
        && __peer.connectionState === 'connected'";
    assert!(desk.fan.value::<bool>(kept).await, "the connection was made anew");

    desk.fan.tap("hang-up").await;
    let bill = desk.receipt().await;
    assert_eq!(bill.charged, charge(bill.proven_ms));
    desk.close().await;
}

/// Lets the page's next peer connections use nothing but TURN.
const RELAYED_ONLY: &str = "(() => {
    const Plain = RTCPeerConnection;
    window.RTCPeerConnection = class extends Plain {
        constructor(config) {
            super({ ...config, iceTransportPolicy: 'relay' });
        }
    };
    return true;
})()";

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_lets_nothing_through_is_left_by_turn() {
    let _turn = turn().await;
    let coturn = Coturn::start().unwrap();
    let urls = [coturn.url("udp"), coturn.url("tcp")];
    let settings =
        format!("[turn]\nurls = {}\nsecret_file = {}\n", json!(urls), json!(coturn.secret_file()));
    let desk = Desk::open_with("100.00", &settings).await;
    for window in [&desk.fan, &desk.host] {
        assert!(window.value::<bool>(RELAYED_ONLY).await);
    }
    desk.call("video").await;
    sees_and_hears(&desk.fan).await;
    sees_and_hears(&desk.host).await;
    for window in [&desk.fan, &desk.host] {
        let ways: Vec<String> = window
            .value("coinline.stats().then(s => Object.keys(s).filter(k => k.startsWith('local_')))")
            .await;
        assert_eq!(ways, ["local_relay"]);
    }
    desk.fan.until("coinline.session.tick?.proven_ms >= 2000").await;
    desk.host.tap("hang-up").await;
    let bill = desk.receipt().await;
    assert_eq!(bill.charged, charge(bill.proven_ms));
    desk.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_sends_no_more_than_the_fans_network_carries() {
    let _turn = turn().await;
    let desk = Desk::open("100.00").await;
    let bottleneck = Bottleneck::wide().await;
    // The fan's page sees the bottleneck where the relay is.
    let through = "(() => {
        const plain = RTCPeerConnection.prototype.setRemoteDescription;
        RTCPeerConnection.prototype.setRemoteDescription = function ({ type, sdp }) {
            const candidate = / (127\\.0\\.0\\.1) (\\d+) typ host/;
            window.__relay = sdp.match(candidate).slice(1).join(':');
            return plain.call(this, { type, sdp: sdp.replace(candidate, ' $1 PORT typ host') });
        };
        return true;
    })()";
    let through = through.replace("PORT", &bottleneck.port.to_string());
    assert!(desk.fan.value::<bool>(&through).await);
    desk.ring("video").await;
    desk.host.tap("accept").await;
    desk.fan.until("window.__relay").await;
    bottleneck.leads_to(&desk.fan.value::<String>("__relay").await);
    sees_and_hears(&desk.fan).await;
    let target = "coinline.stats().then(s => s.out_video?.targetBitrate ?? 0)";
    desk.host.until(&format!("{target}.then(target => target > 450_000)")).await;

    bottleneck.narrow(300_000);
    desk.host.until(&format!("{target}.then(target => target > 0 && target < 280_000)")).await;
    sees_and_hears(&desk.fan).await;
    // It does not creep back while the network stays narrow.
    let frames = "coinline.stats().then(s => s.in_video.framesDecoded)";
    let before: u64 = desk.fan.value(frames).await;
    desk.fan.until(&format!("{frames}.then(now => now > {before} + 100)")).await;
    let target: f64 = desk.host.value(target).await;
    assert!(target < 400_000.0, "{target} bit/s");

    desk.fan.tap("hang-up").await;
    let bill = desk.receipt().await;
    assert_eq!(bill.charged, charge(bill.proven_ms));
    desk.close().await;
}
