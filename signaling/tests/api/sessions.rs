//! Clients that are cut off, come back, come twice, or stop reading.

use crate::calls::{id, live, ring, there};
use crate::client::{Client, handshake};
use crate::stage::Stage;
use protocol::client::{EndReason, Receipt};
use protocol::service::MeterEvent;
use protocol::token::Role;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use units::{CallId, ElapsedMs, Medium, MicroCoins, Rate, ShareBps, UnixMs};

fn metered(call: CallId, proven_ms: u64) -> MeterEvent {
    MeterEvent::Metered {
        call,
        proven_ms: ElapsedMs(proven_ms),
        video_ms: ElapsedMs::ZERO,
        charged: MicroCoins::ZERO,
        host_earned: MicroCoins::ZERO,
        balance: MicroCoins::ZERO,
        remaining_ms: ElapsedMs::ZERO,
        paused: false,
    }
}

#[tokio::test]
async fn a_cut_client_comes_back_and_has_missed_nothing() {
    let stage = Stage::new().await;
    let (fan, mut host, call) = live(&stage).await;
    let token = stage.token("asha", Role::Fan);
    let (session, seq, next_id) = (fan.session().to_owned(), fan.seq, fan.next_id);
    drop(fan);
    assert_eq!(host.call("live").await["peer"]["online"], false);
    stage.meter.send(metered(id(&call), 1_000)).unwrap();
    stage.meter.send(metered(id(&call), 2_000)).unwrap();
    host.event("call.tick").await;
    host.event("call.tick").await;

    let query = format!("session={session}&after={seq}");
    let mut fan = Client::connect(stage.address, &token, &query).await;
    (fan.seq, fan.next_id) = (seq, next_id);
    assert_eq!(fan.welcome["resumed"], true);
    assert_eq!(fan.welcome["call"]["state"], "live");
    assert_eq!(fan.event("call.tick").await["proven_ms"], 1_000);
    assert_eq!(fan.event("call.tick").await["proven_ms"], 2_000);
    assert_eq!(host.call("live").await["peer"]["online"], true);
    assert_eq!(fan.ask(json!({"type": "ping"})).await["type"], "pong");
}

#[tokio::test]
async fn a_request_that_is_sent_again_is_carried_out_once() {
    let stage = Stage::new().await;
    let (mut fan, mut host) = there(&stage).await;
    fan.send(ring()).await;
    host.event("call.incoming").await;
    // The answer was not read; the resumed client asks again with the old number.
    let mut fan = fan.resume(stage.address, &stage.token("asha", Role::Fan)).await;
    assert_eq!(fan.welcome["resumed"], true);
    let mut again = ring();
    again["id"] = json!(1);
    fan.send_text(again.to_string()).await;
    let answer = fan.event("call").await;
    assert_eq!((&answer["re"], &answer["call"]["state"]), (&json!(1), &json!("ringing")));
    let pong = fan.ask(json!({"type": "ping"})).await;
    assert_eq!(pong["seq"], answer["seq"].as_u64().unwrap() + 1, "no second answer");
}

#[tokio::test]
async fn who_stays_away_longer_than_the_grace_loses_the_call() {
    let config = signaling::Config { grace_ms: 300, ..signaling::Config::default() };
    let stage = Stage::with(config, true).await;
    let (fan, mut host, _) = live(&stage).await;
    let query = format!("session={}&after={}", fan.session(), fan.seq);
    drop(fan);
    let ended = host.event("call.ended").await;
    assert_eq!((&ended["reason"], ended["receipt"].is_object()), (&json!("fan_lost"), true));
    let token = stage.token("asha", Role::Fan);
    let mut back = Client::connect(stage.address, &token, &query).await;
    assert_eq!((&back.welcome["resumed"], back.welcome.get("call")), (&json!(false), None));
    let told = back.frame().await;
    assert_eq!((&told["type"], &told["receipt"]), (&json!("call.ended"), &ended["receipt"]));
}

#[tokio::test]
async fn the_bill_of_a_call_that_a_crash_cut_comes_with_the_next_login() {
    let stage = Stage::new().await;
    // What a meter says as it starts, before anybody is there.
    let call = "0193a1b2-0000-7000-8000-000000000001".parse().unwrap();
    let receipt = Receipt {
        call,
        fan: "asha".parse().unwrap(),
        host: "meera".parse().unwrap(),
        medium: Medium::Voice,
        rate_micro_per_min: Rate::per_minute(5_000_000).unwrap(),
        voice_rate_micro_per_min: Rate::per_minute(5_000_000).unwrap(),
        reason: EndReason::Interrupted,
        accepted_at_unix_ms: UnixMs(1),
        ended_at_unix_ms: UnixMs(2),
        proven_ms: ElapsedMs(60_000),
        free_ms: ElapsedMs::ZERO,
        charged_micro: MicroCoins::coins(5),
        paid_micro: MicroCoins::coins(5),
        promo_micro: MicroCoins::ZERO,
        video_ms: ElapsedMs::ZERO,
        silent_ms: ElapsedMs::ZERO,
        frozen_ms: ElapsedMs::ZERO,
        host_share_bps: ShareBps::WHOLE,
        host_micro: MicroCoins::coins(5),
        platform_micro: MicroCoins::ZERO,
    };
    stage.meter.send(MeterEvent::Settled { call, receipt: receipt.clone() }).unwrap();
    // The hub takes whichever comes first; a question to the meter is answered after the bill.
    let mut stranger = stage.fan("bela").await;
    stranger.ask(json!({"type": "wallet.show"})).await;
    for mut client in [stage.fan("asha").await, stage.host("meera").await] {
        let ended = client.frame().await;
        assert_eq!((&ended["seq"], &ended["type"]), (&json!(1), &json!("call.ended")));
        assert_eq!(ended["reason"], "interrupted");
        assert_eq!(ended["receipt"], serde_json::to_value(&receipt).unwrap());
        client.ask(json!({"type": "ping"})).await;
    }
    let mut asha = stage.fan("asha").await;
    assert_eq!(asha.ask(json!({"type": "ping"})).await["seq"], 1, "told once");
}

#[tokio::test]
async fn a_goodbye_is_returned() {
    let stage = Stage::new().await;
    let mut fan = stage.fan("asha").await;
    let goodbye = CloseFrame { code: CloseCode::Normal, reason: "".into() };
    fan.socket.close(Some(goodbye)).await.unwrap();
    assert_eq!(fan.closed().await.0, Some(1000));
}

#[tokio::test]
async fn the_newest_login_wins() {
    let stage = Stage::new().await;
    let (mut fan, _host, call) = live(&stage).await;
    let newer = stage.fan("asha").await;
    assert_eq!(newer.welcome["call"]["call"], call);
    let (code, frames) = fan.closed().await;
    assert_eq!(code, Some(4001));
    assert_eq!(frames.last().unwrap()["type"], "session.replaced");
}

#[tokio::test]
async fn who_was_replaced_while_away_is_told_so_and_takes_nothing_back() {
    let stage = Stage::new().await;
    let older = stage.fan("asha").await;
    let token = stage.token("asha", Role::Fan);
    let query = format!("session={}&after=0&access_token={token}", older.session());
    drop(older);
    let mut newer = stage.fan("asha").await;
    let protocol = ("sec-websocket-protocol", "coinline.v1");
    let socket = handshake(stage.address, &query, &[protocol]).await.unwrap();
    let mut older = Client { socket, welcome: Value::Null, seq: 0, next_id: 1 };
    let (code, frames) = older.closed().await;
    assert_eq!((code, &frames[0]["type"]), (Some(4001), &json!("session.replaced")));
    assert_eq!(newer.ask(json!({"type": "ping"})).await["type"], "pong");
}

#[tokio::test]
async fn a_session_is_its_users_alone() {
    let stage = Stage::new().await;
    let fan = stage.fan("asha").await;
    let query = format!("session={}&after=0", fan.session());
    let token = stage.token("bela", Role::Fan);
    let other = Client::connect(stage.address, &token, &query).await;
    assert_eq!(
        (&other.welcome["user"], &other.welcome["resumed"]),
        (&json!("bela"), &json!(false))
    );
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed_and_nobody_else_notices() {
    let stage = Stage::new().await;
    let (mut fan, mut host, call) = live(&stage).await;
    // Until the kernel's buffers and the queue are full and the server gives up: the host, who
    // reads on, sees the fan go.
    let call = id(&call);
    let mut sent = 0;
    let mut fan_online = true;
    while fan_online {
        assert!(sent < 1_000_000, "a client that reads nothing was never closed");
        for _ in 0..200 {
            sent += 1;
            stage.meter.send(metered(call, sent)).unwrap();
        }
        loop {
            let frame = host.frame().await;
            if frame["type"] == "call" {
                fan_online = frame["call"]["peer"]["online"].as_bool().unwrap();
            }
            if frame["proven_ms"] == sent {
                break;
            }
        }
    }
    // One that reads again in time sees the code; for others the connection just ends.
    let (code, frames) = fan.closed().await;
    assert!(code.is_none_or(|code| code == 4002), "{code:?}");
    assert!(frames.len() > 256);
    assert_eq!(host.ask(json!({"type": "ping"})).await["type"], "pong");
}

#[tokio::test]
async fn a_stopping_server_settles_and_says_goodbye() {
    let stage = Stage::new().await;
    let (mut fan, mut host, _) = live(&stage).await;
    stage.begin_to_stop();
    for client in [&mut fan, &mut host] {
        let (code, frames) = client.closed().await;
        assert_eq!(code, Some(1001));
        let ended = frames.iter().find(|frame| frame["type"] == "call.ended").unwrap();
        assert_eq!(ended["reason"], "interrupted");
        assert!(ended["receipt"].is_object());
    }
    stage.stop().await.unwrap();
}
