//! What strangers and broken clients send.

use crate::DEADLINE;
use crate::client::handshake;
use crate::stage::Stage;
use futures::SinkExt;
use protocol::token::{Role, TokenKey};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn bad_tokens_are_401_with_a_code() {
    let stage = Stage::new().await;
    let user = "asha".parse().unwrap();
    let forged = TokenKey::new("test", &[8; 32]).unwrap().sign(&user, "", Role::Fan, u64::MAX / 2);
    let expired = stage.key.sign(&user, "", Role::Fan, 1);
    for (token, code) in [
        ("", "auth.missing"),
        ("rubbish", "auth.invalid"),
        (&forged, "auth.invalid"),
        (&expired, "auth.expired"),
    ] {
        let query = format!("access_token={token}");
        let protocol = ("sec-websocket-protocol", "coinline.v1");
        let refused = handshake(stage.address, &query, &[protocol]).await.unwrap_err();
        assert_eq!(refused.status(), 401);
        assert_eq!(refused.headers()["content-type"], "application/problem+json");
        let bearer = format!("Bearer {token}");
        let request = reqwest::Client::new().get(stage.url("/v1/token"));
        let answer = request.header("authorization", bearer).send().await.unwrap();
        assert_eq!(answer.status(), 401);
        let problem: Value = answer.json().await.unwrap();
        assert_eq!((&problem["code"], &problem["status"]), (&json!(code), &json!(401)), "{token}");
    }
}

#[tokio::test]
async fn a_handshake_needs_the_subprotocol_and_a_welcome_origin() {
    let config = signaling::Config {
        allowed_origins: vec!["https://friend.example".to_owned()],
        ..signaling::Config::default()
    };
    let stage = Stage::with(config, false).await;
    let query = format!("access_token={}", stage.token("asha", Role::Fan));
    let own = format!("http://{}", stage.address);
    let protocol = ("sec-websocket-protocol", "coinline.v1");
    for (headers, status) in [
        (vec![protocol], 101),
        (vec![], 400),
        (vec![("sec-websocket-protocol", "coinline.v9")], 400),
        (vec![protocol, ("origin", own.as_str())], 101),
        (vec![protocol, ("origin", "https://friend.example")], 101),
        (vec![protocol, ("origin", "https://foe.example")], 403),
        (vec![protocol, ("origin", "null")], 403),
    ] {
        let got = match handshake(stage.address, &query, &headers).await {
            Ok(_) => 101,
            Err(refused) => refused.status().as_u16(),
        };
        assert_eq!(got, status, "{headers:?}");
    }
}

#[tokio::test]
async fn frames_that_make_no_sense_are_answered_and_survived() {
    let stage = Stage::new().await;
    let mut fan = stage.fan("asha").await;
    for (text, re, code) in [
        ("not json", None, "protocol.malformed"),
        (r#"{"type": "ping"}"#, None, "protocol.malformed"),
        (r#"{"id": 1, "type": "call.ring"}"#, Some(1), "protocol.malformed"),
        (r#"{"id": 2, "type": "fly.away"}"#, Some(2), "protocol.unknown_type"),
    ] {
        fan.send_text(text).await;
        let error = fan.event("error").await;
        assert_eq!((error["re"].as_u64(), error["code"].as_str()), (re, Some(code)), "{text}");
        assert!(error["detail"].is_string());
    }
    fan.socket.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(fan.event("error").await["code"], "protocol.malformed");
    fan.next_id = 3;
    assert_eq!(fan.ask(json!({"type": "ping"})).await["type"], "pong");
}

#[tokio::test]
async fn a_frame_over_64_kib_is_refused_and_the_socket_closed() {
    let stage = Stage::new().await;
    let mut fan = stage.fan("asha").await;
    fan.send_text("x".repeat(64 * 1024 + 1)).await;
    let (code, frames) = fan.closed().await;
    assert_eq!(code, Some(1009));
    assert_eq!(frames.last().unwrap()["code"], "protocol.too_large");
    // One that is not even read: the connection ends.
    let mut fan = stage.fan("asha").await;
    // The server may end the connection while this is still being sent.
    let _ = fan.socket.send(Message::text("x".repeat(4 << 20))).await;
    assert_eq!(fan.closed().await.0, None);
    assert_eq!(stage.fan("asha").await.ask(json!({"type": "ping"})).await["type"], "pong");
}

#[tokio::test]
async fn who_goes_on_sending_rubbish_is_disconnected_and_may_resume() {
    let stage = Stage::new().await;
    let mut other = stage.host("meera").await;
    let mut fan = stage.fan("asha").await;
    for _ in 0..25 {
        fan.send_text("rubbish").await;
    }
    let (code, frames) = fan.closed().await;
    assert_eq!(code, Some(1008));
    assert!(frames.len() >= 20 && frames.iter().all(|f| f["code"] == "protocol.malformed"));
    let fan = fan.resume(stage.address, &stage.token("asha", Role::Fan)).await;
    assert_eq!(fan.welcome["resumed"], true);
    assert_eq!(other.ask(json!({"type": "ping"})).await["type"], "pong");
}

#[tokio::test]
async fn a_flood_is_disconnected() {
    let stage = Stage::new().await;
    let mut fan = stage.fan("asha").await;
    let flood = async {
        // Until the server hangs up.
        for id in 1..10_000_u32 {
            let ping = json!({"id": id, "type": "ping"}).to_string();
            if fan.socket.feed(Message::text(ping)).await.is_err() {
                break;
            }
        }
        let _ = fan.socket.flush().await;
    };
    timeout(DEADLINE, flood).await.expect("the server does not stand still");
    let (code, frames) = fan.closed().await;
    let of = |kind: &str| frames.iter().filter(|frame| frame["type"] == kind).count();
    assert!(code.is_none_or(|code| code == 1008), "{code:?}");
    assert!((90..1_000).contains(&of("pong")), "{} pongs", of("pong"));
}
