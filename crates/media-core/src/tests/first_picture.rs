//! A listener gets its first key frame even if one was sent before it could open it.

use super::call::Call;
use super::client::{AUDIO, AUDIO_SSRC, VIDEO, negotiated, unnumbered};
use crate::rtcp;
use crate::*;

const KEY: &[u8] = &[0x10, 0x00, 1, 2, 3];
const DELTA: &[u8] = &[0x10, 0x01, 4, 5, 6];

/// Plays `"key speak key"`, 20 ms apart: the host sends, the fan shows that it has its keys.
/// Returns at which word the host was asked for a key frame, as `"1"`.
fn play(script: &str) -> String {
    let mut call = Call::new(60_000);
    let mut asked = Vec::new();
    for (at, word) in (0u16..).zip(script.split(' ')) {
        match word {
            "key" => call.video(at, KEY),
            "delta" => call.video(at, DELTA),
            "speak" => {
                let datagram = call.fan.rtp(AUDIO, AUDIO_SSRC, at, b"hello");
                call.send(Side::Fan, datagram);
            }
            "report" => call.control(Side::Fan, |bytes| rtcp::receiver_report(bytes, 1, &[])),
            "forged" => {
                let mut datagram = call.fan.rtp(AUDIO, AUDIO_SSRC, at, b"hello");
                datagram[20] ^= 1;
                call.send(Side::Fan, datagram);
            }
            "wish" => {
                let media = call.fan.negotiated.lines[VIDEO].ssrc;
                call.control(Side::Fan, |bytes| rtcp::pli(bytes, 1, media));
            }
            "rejoin" => call.rejoin(Side::Fan, negotiated(3)),
            other => panic!("{other}"),
        }
        if call.host.reports().iter().any(|report| report == "keyframe b0") {
            asked.push(at.to_string());
        }
        call.pass(20);
    }
    asked.join(" ")
}

#[test]
fn a_key_frame_sent_before_its_listener_had_keys_is_asked_for_again() {
    for (script, asked) in [
        ("key delta speak delta", "2"),
        ("key delta report delta", "2"),
        // Its own wish comes first: one request is enough.
        ("key wish delta", "1"),
        ("key speak key speak report", "1"),
        // It was there in time.
        ("speak key delta report", ""),
        // Nothing was lost yet, and what was asked for is on its way.
        ("delta speak key report", "0"),
        // Nobody is ready by what a stranger sends.
        ("key forged delta", ""),
        ("key forged speak", "2"),
        // A client that joins again has new keys: asked at once, and again when it can see.
        ("speak key rejoin key speak key speak", "2 4"),
    ] {
        assert_eq!(play(script), asked, "{script}");
    }
}

#[test]
fn the_request_for_a_wasted_key_frame_is_repeated_on_time_though_nothing_else_happens() {
    let mut call = Call::with(60_000, unnumbered(), unnumbered());
    call.video(0, KEY);
    let datagram = call.fan.rtp(AUDIO, AUDIO_SSRC, 0, b"hello");
    call.send(Side::Fan, datagram);
    assert_eq!(call.host.reports(), ["keyframe b0"]);
    call.pass(499);
    assert_eq!(call.host.reports(), [""; 0]);
    call.pass(1);
    assert_eq!(call.host.reports(), ["keyframe b0"]);
}
