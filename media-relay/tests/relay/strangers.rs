//! What strangers send to the port while a call goes on.

use super::config;
use crate::scene::{Peer, Picture, Stage, relay_of};
use is::stun::{StunMessage, TransId};
use protocol::client::Party;
use service_kit::entropy;
use std::net::SocketAddr;
use tokio::net::UdpSocket;

/// The value of the first `a=NAME:` in a description.
fn attribute<'a>(description: &'a str, name: &str) -> &'a str {
    let start = description.find(&format!("a={name}:")).expect(name) + name.len() + 3;
    description[start..].lines().next().expect("a value")
}

/// A check under `username`, sealed with `pwd`.
fn check(username: &str, pwd: &str) -> Vec<u8> {
    let message = StunMessage::binding_request(username, TransId::new(), true, 7, 1, true);
    let mut bytes = vec![0; 512];
    let len = message.to_bytes(Some(pwd.as_bytes()), &mut bytes, hmac_sha1).unwrap();
    bytes.truncate(len);
    bytes
}

fn hmac_sha1(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    use aws_lc_rs::hmac;
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    hmac::sign(&key, &parts.concat()).as_ref().try_into().unwrap()
}

/// A DTLS record that claims to begin a handshake (RFC 6347 section 4.1).
fn client_hello() -> Vec<u8> {
    let mut record = vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 60, 1, 0, 0, 48, 0, 0];
    record.extend([0; 54]);
    record
}

async fn stranger() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:0").await.unwrap()
}

async fn throw(socket: &UdpSocket, relay: SocketAddr, datagram: &[u8]) {
    // An empty or long datagram is as good as any.
    socket.send_to(datagram, relay).await.unwrap();
}

#[tokio::test]
async fn garbage_and_forgeries_get_no_answer_and_change_nothing() {
    let mut stage = Stage::new(config());
    let call = stage.open(3_600_000);
    let (peer, offer) = Peer::new(stage.clock, Picture::Vp8).await;
    let answer = stage.admit(call, Party::Fan, &offer).await.unwrap();
    let mut fan = peer.run(&answer);
    let mut host = stage.join(call, Party::Host, Picture::Vp8).await;
    fan.sees_more(10, 1).await;

    let (ours, theirs) = (attribute(&answer, "ice-ufrag"), attribute(&offer, "ice-ufrag"));
    let named = format!("{ours}:{theirs}");
    let (socket, relay) = (stranger().await, relay_of(&answer));
    for round in 0..200 {
        let mut noise = entropy::bytes::<96>();
        noise[0] = entropy::bytes::<1>()[0];
        throw(&socket, relay, &noise[..round % 97]).await;
        throw(&socket, relay, &check(&named, "not the password, though long")).await;
        throw(&socket, relay, &check("nobody:here", "whatever password it may be")).await;
        throw(&socket, relay, &client_hello()).await;
        // RTP and RTCP headers.
        noise[..2].copy_from_slice(&[0x80, 111]);
        throw(&socket, relay, &noise).await;
        noise[..2].copy_from_slice(&[0x80, 201]);
        throw(&socket, relay, &noise).await;
    }
    fan.sees_more(50, 5).await;
    host.sees_more(50, 5).await;
    let mut buffer = [0; 2_048];
    assert!(socket.try_recv_from(&mut buffer).is_err(), "an answer to a stranger");
    let report = stage.report(|report| report.to_fan.proven_ms.0 > 500).await;
    assert_eq!((report.to_fan.lost, report.to_host.lost), (0, 0));
    let dropped = |reason: &str| {
        stage.metric(&format!("media_relay_dropped_datagrams_total{{reason=\"{reason}\"}}"))
    };
    // The noise is of any kind, so that each count has at least its own.
    assert!(dropped("unknown_check") >= 200 && dropped("unknown_source") >= 600);
    assert!(dropped("forged_check") >= 200);
    stage.stop().await;
}

#[tokio::test]
async fn what_strangers_send_is_counted_by_reason() {
    let mut stage = Stage::new(config());
    let call = stage.open(3_600_000);
    let (_peer, offer) = Peer::new(stage.clock, Picture::None).await;
    let answer = stage.admit(call, Party::Fan, &offer).await.unwrap();
    let named = format!("{}:{}", attribute(&answer, "ice-ufrag"), attribute(&offer, "ice-ufrag"));
    let (socket, relay) = (stranger().await, relay_of(&answer));
    let mut expected = Vec::new();
    for (reason, datagrams) in [
        ("too_long", vec![vec![128; 2_049]]),
        ("unknown_protocol", vec![vec![], vec![4], vec![19; 100], vec![64], vec![127], vec![192]]),
        ("unknown_check", vec![vec![0], check("nobody:here", "whatever it may be, long")]),
        ("forged_check", vec![check(&named, "not the password, though long")]),
        ("unknown_source", vec![client_hello(), vec![128; 40], vec![191], vec![63]]),
    ] {
        for datagram in &datagrams {
            throw(&socket, relay, datagram).await;
        }
        expected.push((reason, datagrams.len() as u64));
    }
    // The last of them is counted after the others.
    let all = expected.iter().map(|(_, count)| count).sum::<u64>();
    stage.metric_reaches("media_relay_received_datagrams_total", all).await;
    for (reason, count) in expected {
        let name = format!("media_relay_dropped_datagrams_total{{reason=\"{reason}\"}}");
        assert_eq!(stage.metric(&name), count, "{reason}");
    }
    assert_eq!(stage.metric("media_relay_sent_datagrams_total"), 0);
    stage.stop().await;
}
