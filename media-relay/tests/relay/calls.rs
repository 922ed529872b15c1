//! Whole calls: two clients of another WebRTC stack through the relay, over real UDP.

use super::config;
use crate::scene::{Nat, Peer, Picture, Stage, relay_of};
use media_relay::Config;
use protocol::client::Party;
use protocol::service::{Carried, OfferRefusal, RelayCommand, RelayEvent};
use units::ElapsedMs;

/// More than any test lasts.
const AMPLE_MS: u64 = 3_600_000;

#[tokio::test]
async fn a_call_carries_audio_and_video_both_ways_and_is_proven() {
    for picture in [Picture::Vp8, Picture::H264, Picture::None] {
        let mut stage = Stage::new(config());
        let call = stage.open(AMPLE_MS);
        let mut fan = stage.join(call, Party::Fan, picture).await;
        let mut host = stage.join(call, Party::Host, picture).await;
        let video = if picture == Picture::None { 0 } else { 15 };
        fan.sees_more(50, video).await;
        host.sees_more(50, video).await;
        stage.event(|event| *event == RelayEvent::Flowing { call }).await;
        let going_on = stage.report(|report| report.to_fan.proven_ms >= ElapsedMs(1_000)).await;
        assert!(!going_on.last && going_on.to_host.proven_ms > ElapsedMs::ZERO);
        let last = stage.close(call).await;
        assert!(last.to_fan.proven_ms >= going_on.to_fan.proven_ms);
        assert!(last.to_fan.packets >= 50 && last.to_fan.bytes >= 50 * 80, "{last:?}");
        assert_eq!(last.to_fan.lost, 0);
        let all = last.to_fan.proven_ms.0 + last.to_fan.lost_ms.0;
        // Each is rounded down.
        assert!(last.to_fan.forwarded_ms.0 - all <= 1, "in the end all is decided: {last:?}");
        let pictured = picture != Picture::None;
        for carried in [last.to_fan, last.to_host] {
            assert_eq!(carried.video_ms > ElapsedMs(500), pictured, "{last:?}");
        }
        assert!(stage.events().is_empty(), "{:?}", stage.events());
        stage.stop().await;
    }
}

#[tokio::test]
async fn the_limit_cuts_at_the_exact_millisecond_and_a_new_one_lets_it_go_on() {
    let mut stage = Stage::new(config());
    let call = stage.open(1_234);
    let mut fan = stage.join(call, Party::Fan, Picture::Vp8).await;
    let mut host = stage.join(call, Party::Host, Picture::Vp8).await;
    let cut = RelayEvent::LimitReached { call };
    stage.event(|event| *event == cut).await;
    let exactly = ElapsedMs(1_234);
    let report = stage.report(|report| report.to_fan.proven_ms >= exactly).await;
    assert_eq!(report.to_fan.proven_ms, exactly);
    assert_eq!(report.to_fan.forwarded_ms.saturating_sub(report.to_fan.lost_ms), exactly);
    stage.limit(call, 2_345);
    fan.sees_more(10, 1).await;
    host.sees_more(10, 1).await;
    stage.event(|event| *event == cut).await;
    let last = stage.close(call).await;
    let exactly = ElapsedMs(2_345);
    assert_eq!(last.to_fan.proven_ms, exactly, "{last:?}");
    assert_eq!(last.to_fan.forwarded_ms.saturating_sub(last.to_fan.lost_ms), exactly);
    stage.stop().await;
}

#[tokio::test]
async fn after_the_cut_nothing_reaches_either_side() {
    let mut stage = Stage::new(config());
    let call = stage.open(500);
    let mut fan = stage.join(call, Party::Fan, Picture::None).await;
    let mut host = stage.join(call, Party::Host, Picture::None).await;
    stage.event(|event| *event == RelayEvent::LimitReached { call }).await;
    // What was under way when the cut was made arrives before the next report.
    stage.report(|report| report.to_fan.proven_ms == ElapsedMs(500)).await;
    let (fan_before, host_before) = (fan.now(), host.now());
    fan.sees(|seen| seen.frames_sent >= fan_before.frames_sent + 50).await;
    host.sees(|seen| seen.frames_sent >= host_before.frames_sent + 50).await;
    assert_eq!(fan.now().audio_frames, fan_before.audio_frames);
    assert_eq!(host.now().audio_frames, host_before.audio_frames);
    stage.stop().await;
}

#[tokio::test]
async fn a_certificate_that_was_not_offered_never_connects() {
    let mut stage = Stage::new(config());
    let call = stage.open(AMPLE_MS);
    let (peer, offer) = Peer::new(stage.clock, Picture::None).await;
    let start = offer.find("a=fingerprint:sha-256 ").expect("a fingerprint") + 22;
    let digit = if offer.as_bytes()[start] == b'0' { "1" } else { "0" };
    let mut forged = offer.clone();
    forged.replace_range(start..=start, digit);
    let answer = stage.admit(call, Party::Fan, &forged).await.unwrap();
    let _running = peer.run(&answer);
    let gone = RelayEvent::Gone { call, party: Party::Fan };
    stage.event(|event| *event == gone).await;
    assert!(stage.events().is_empty(), "{:?}", stage.events());
    // The same client is let in by its own fingerprint.
    stage.join(call, Party::Fan, Picture::None).await;
    stage.stop().await;
}

#[tokio::test]
async fn an_abandoned_join_is_forgotten_and_makes_room() {
    let config = Config { legs_max: 1, join_timeout_ms: 300, ..config() };
    let mut stage = Stage::new(config);
    let call = stage.open(AMPLE_MS);
    let (_fan, offer) = Peer::new(stage.clock, Picture::None).await;
    stage.admit(call, Party::Fan, &offer).await.unwrap();
    assert_eq!(stage.admit(call, Party::Host, &offer).await, Err(OfferRefusal::Full));
    // Offering anew takes the place of the same side's earlier offer.
    stage.admit(call, Party::Fan, &offer).await.unwrap();
    let gone = RelayEvent::Gone { call, party: Party::Fan };
    stage.event(|event| *event == gone).await;
    stage.join(call, Party::Host, Picture::None).await;
    stage.stop().await;
}

#[tokio::test]
async fn offers_that_cannot_be_answered_are_refused_by_name() {
    let mut stage = Stage::new(config());
    let call = stage.open(AMPLE_MS);
    let (_peer, vp8) = Peer::new(stage.clock, Picture::Vp8).await;
    let (_peer, h264) = Peer::new(stage.clock, Picture::H264).await;
    let unsupported =
        |missing: &str| Err(OfferRefusal::Unsupported { missing: missing.to_owned() });
    let not_an_offer = stage.admit(call, Party::Fan, "v=0\r\n").await;
    assert_eq!(not_an_offer, unsupported("a BUNDLE group (a=group:BUNDLE)"));
    stage.admit(call, Party::Fan, &vp8).await.unwrap();
    let other_codec = stage.admit(call, Party::Host, &h264).await;
    assert_eq!(other_codec, unsupported("video codec VP8"));
    // Nobody else has chosen yet when the only side offers again.
    stage.admit(call, Party::Fan, &h264).await.unwrap();
    stage.close(call).await;
    assert_eq!(stage.admit(call, Party::Fan, &vp8).await, Err(OfferRefusal::NoRoom));
    stage.stop().await;
}

#[tokio::test]
async fn closing_a_room_that_is_not_there_reports_zero() {
    let mut stage = Stage::new(config());
    let call = service_kit::entropy::call_id();
    let last = stage.close(call).await;
    assert_eq!((last.to_fan, last.to_host), (Carried::default(), Carried::default()));
    stage.stop().await;
}

#[tokio::test]
async fn a_side_that_says_goodbye_is_gone_at_once() {
    let mut stage = Stage::new(config());
    let call = stage.open(AMPLE_MS);
    let mut fan = stage.join(call, Party::Fan, Picture::Vp8).await;
    let host = stage.join(call, Party::Host, Picture::Vp8).await;
    fan.sees_more(10, 1).await;
    host.close();
    let gone = RelayEvent::Gone { call, party: Party::Host };
    stage.event(|event| *event == gone).await;
    let last = stage.close(call).await;
    assert!(last.to_fan.proven_ms > ElapsedMs::ZERO, "{last:?}");
    stage.stop().await;
}

#[tokio::test]
async fn a_side_that_rejoins_goes_on_where_it_was() {
    let mut stage = Stage::new(config());
    let call = stage.open(AMPLE_MS);
    let mut earlier = stage.join(call, Party::Fan, Picture::Vp8).await;
    let mut host = stage.join(call, Party::Host, Picture::Vp8).await;
    earlier.sees_more(25, 5).await;
    let before = stage.report(|report| report.to_fan.proven_ms > ElapsedMs(200)).await;

    // Until the new connection stands, the earlier one carries the call.
    let (peer, offer) = Peer::new(stage.clock, Picture::Vp8).await;
    let answer = stage.admit(call, Party::Fan, &offer).await.unwrap();
    earlier.sees_more(10, 1).await;
    let mut later = peer.run(&answer);
    stage.event(|event| *event == RelayEvent::Connected { call, party: Party::Fan }).await;
    later.sees_more(25, 5).await;
    host.sees_more(25, 5).await;
    let after = stage.report(|report| report.to_fan.packets > before.to_fan.packets + 30).await;
    assert!(after.to_fan.proven_ms > before.to_fan.proven_ms);
    let replaced = RelayEvent::Gone { call, party: Party::Fan };
    assert!(!stage.events().contains(&replaced), "{:?}", stage.events());
    stage.stop().await;
}

#[tokio::test]
async fn calls_do_not_touch_each_other() {
    let mut stage = Stage::new(config());
    let (one, other) = (stage.open(AMPLE_MS), stage.open(AMPLE_MS));
    let mut one_fan = stage.join(one, Party::Fan, Picture::None).await;
    let mut other_fan = stage.join(other, Party::Fan, Picture::None).await;
    let _host = stage.join(one, Party::Host, Picture::None).await;
    one_fan.sees_more(25, 0).await;
    assert_eq!(other_fan.now().audio_frames, 0);
    stage.close(one).await;
    let _host = stage.join(other, Party::Host, Picture::None).await;
    other_fan.sees_more(25, 0).await;
    stage.stop().await;
}

#[tokio::test]
async fn a_repeated_opening_changes_nothing() {
    let mut stage = Stage::new(config());
    let call = stage.open(AMPLE_MS);
    let mut fan = stage.join(call, Party::Fan, Picture::None).await;
    let _host = stage.join(call, Party::Host, Picture::None).await;
    stage.send(RelayCommand::OpenRoom { call, funded_ms: ElapsedMs::ZERO });
    fan.sees_more(50, 0).await;
    assert!(!stage.events().contains(&RelayEvent::LimitReached { call }));
    stage.stop().await;
}

#[tokio::test]
async fn a_client_whose_address_changes_is_followed() {
    let mut stage = Stage::new(config());
    let call = stage.open(AMPLE_MS);
    let _host = stage.join(call, Party::Host, Picture::None).await;
    let (peer, offer) = Peer::new(stage.clock, Picture::None).await;
    let answer = stage.admit(call, Party::Fan, &offer).await.unwrap();
    let relay = relay_of(&answer);
    let nat = Nat::new(relay).await;
    let port = |address: std::net::SocketAddr| format!("127.0.0.1 {} typ host", address.port());
    let mut fan = peer.run(&answer.replace(&port(relay), &port(nat.inside)));
    fan.sees_more(25, 0).await;
    let before = stage.report(|report| report.to_host.packets > 0).await;
    nat.rebind().await;
    fan.sees_more(50, 0).await;
    stage.report(|report| report.to_host.packets > before.to_host.packets + 50).await;
    assert!(!stage.events().contains(&RelayEvent::Gone { call, party: Party::Fan }));
    stage.stop().await;
}

#[tokio::test]
async fn a_restart_of_ice_moves_a_call_to_another_network_without_a_handshake() {
    let mut stage = Stage::new(config());
    let call = stage.open(AMPLE_MS);
    let mut host = stage.join(call, Party::Host, Picture::Vp8).await;
    let (peer, offer) = Peer::new(stage.clock, Picture::Vp8).await;
    let answer = stage.admit(call, Party::Fan, &offer).await.unwrap();
    let relay = relay_of(&answer);
    let port = |address: std::net::SocketAddr| format!("127.0.0.1 {} typ host", address.port());
    let (wifi, mobile) = (Nat::new(relay).await, Nat::new(relay).await);
    let mut fan = peer.run(&answer.replace(&port(relay), &port(wifi.inside)));
    fan.sees_more(25, 5).await;
    let before = stage.report(|report| report.to_fan.proven_ms > ElapsedMs(200)).await;
    let connected = RelayEvent::Connected { call, party: Party::Fan };
    stage.event(|event| *event == connected).await;

    let offer = fan.restart().await;
    // From here on only the other network's address is known to the client.
    let answer = stage.admit(call, Party::Fan, &offer).await.unwrap();
    drop(wifi);
    fan.answered(&answer.replace(&port(relay), &port(mobile.inside)));
    fan.sees_more(50, 10).await;
    host.sees_more(50, 10).await;
    let goes_on = ElapsedMs(before.to_fan.proven_ms.0 + 500);
    stage.report(|report| report.to_fan.proven_ms > goes_on).await;
    assert_eq!(fan.now().broken_frames, 0);
    // A handshake would have made another connection, and told of it.
    let again = [connected, RelayEvent::Gone { call, party: Party::Fan }];
    assert!(!stage.events().iter().any(|event| again.contains(event)), "{:?}", stage.events());
    stage.stop().await;
}

#[tokio::test]
async fn a_relay_that_stops_and_a_signaling_that_restarted_have_every_room_report_for_the_last_time()
 {
    for stops in [true, false] {
        let mut stage = Stage::new(config());
        let call = stage.open(AMPLE_MS);
        let mut fan = stage.join(call, Party::Fan, Picture::None).await;
        let _host = stage.join(call, Party::Host, Picture::None).await;
        fan.sees_more(50, 0).await;
        stage.event(|event| *event == RelayEvent::Flowing { call }).await;
        if stops {
            stage.ask_to_stop();
        } else {
            stage.send(RelayCommand::CloseAll);
        }
        let last = stage.report(|report| report.call == call && report.last).await;
        assert!(last.to_fan.proven_ms > ElapsedMs(500), "{last:?}");
        assert_eq!(stage.events().contains(&RelayEvent::Restarted), stops);
        stage.stop().await;
    }
}
