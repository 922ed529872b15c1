//! What one sends, the other gets: in its own numbering, without gaps of our making.

use super::call::{CALL, Call, leg};
use super::client::{AUDIO, AUDIO_SSRC, VIDEO, negotiated};
use crate::*;

const KEY: &[u8] = &[0x10, 0x00, 1, 2, 3];
const DELTA: &[u8] = &[0x10, 0x01, 4, 5, 6];

/// Sequence numbers relative to the first that ever goes out, which is 4,096.
fn sequences(call: &mut Call) -> Vec<u16> {
    call.fan.packets().iter().map(|packet| packet.sequence - 4_096).collect()
}

#[test]
fn media_arrives_as_it_was_sent_under_the_listeners_own_names() {
    let mut call = Call::new(60_000);
    call.audio(65_535);
    call.audio(0);
    call.video(7, KEY);
    let [fan, host] = [&call.fan, &call.host].map(|client| client.negotiated.clone());
    assert_ne!(fan.lines[VIDEO].payload_type, host.lines[VIDEO].payload_type);
    let packets = call.fan.packets();
    assert_eq!(packets.len(), 3);
    for (packet, (line, sequence, payload)) in
        packets.iter().zip([(AUDIO, 65_535, &b"sound"[..]), (AUDIO, 0, b"sound"), (VIDEO, 7, KEY)])
    {
        let spec = &fan.lines[line];
        assert_eq!((packet.ssrc, packet.payload_type), (spec.ssrc, spec.payload_type));
        assert_eq!(packet.mid.as_deref(), Some(["0", "1"][line]));
        assert_eq!(packet.payload, payload);
        assert_eq!(packet.timestamp, u32::from(sequence as u16) * 960);
        assert_eq!(packet.marker, sequence % 2 == 1);
        assert_eq!(packet.level, (line == AUDIO).then_some(0x80 | 40));
    }
    let sequences: Vec<_> = packets.iter().map(|packet| packet.sequence).collect();
    assert_eq!(sequences, [4_096, 4_097, 4_096]);
    let numbers: Vec<_> = packets.iter().map(|packet| packet.transport.unwrap()).collect();
    assert_eq!(numbers, [0, 1, 2]);
    assert!(call.host.packets().is_empty());
}

#[test]
fn the_fans_media_reaches_the_host() {
    let mut call = Call::new(60_000);
    let datagram = call.fan.rtp(AUDIO, AUDIO_SSRC, 5, b"hello");
    call.send(Side::Fan, datagram);
    assert_eq!(call.host.packets()[0].payload, b"hello");
    let (to_fan, to_host) = call.totals();
    assert_eq!((to_fan.packets, to_host.packets, to_host.bytes), (0, 1, 5));
}

#[test]
fn the_networks_gaps_stay_and_padding_leaves_none() {
    let mut call = Call::new(60_000);
    call.video(1, KEY);
    call.video(3, DELTA);
    call.video(2, DELTA);
    call.video(4, &[]);
    call.video(5, &[]);
    call.video(6, DELTA);
    assert_eq!(sequences(&mut call), [0, 2, 1, 3]);
}

#[test]
fn the_mid_is_told_until_the_listener_has_reported() {
    let mut call = Call::new(60_000);
    call.audio(1);
    call.receiver_report(AUDIO, 4_096, 0);
    call.audio(2);
    let mids: Vec<_> = call.fan.packets().into_iter().map(|packet| packet.mid).collect();
    assert_eq!(mids, [Some("0".into()), None]);
}

#[test]
fn a_publisher_that_rejoins_continues_its_streams() {
    let mut call = Call::new(60_000);
    call.video(1, KEY);
    call.video(2, DELTA);
    call.pass(100);
    call.rejoin(Side::Host, negotiated(3));
    let datagram = call.host.rtp(VIDEO, 0xbeef, 40_000, KEY);
    call.send(Side::Host, datagram);
    let packets = call.fan.packets();
    let sequences: Vec<_> = packets.iter().map(|packet| packet.sequence).collect();
    assert_eq!(sequences, [4_096, 4_097, 4_098]);
    // 100 ms later on a clock of 90 kHz.
    assert_eq!(packets[2].timestamp, packets[1].timestamp + 9_000);
    assert!(packets.iter().all(|packet| packet.ssrc == packets[0].ssrc));
}

#[test]
fn a_new_ssrc_takes_the_line_over_for_good() {
    let mut call = Call::new(60_000);
    for (ssrc, sequence) in [(AUDIO_SSRC, 1), (0xa1, 500), (AUDIO_SSRC, 2), (0xa2, 9), (0xa1, 501)]
    {
        let datagram = call.host.rtp(AUDIO, ssrc, sequence, &ssrc.to_be_bytes());
        call.send(Side::Host, datagram);
    }
    let payloads: Vec<_> = call.fan.packets().into_iter().map(|packet| packet.payload).collect();
    assert_eq!(payloads, [AUDIO_SSRC, 0xa1, 0xa2].map(u32::to_be_bytes));
}

#[test]
fn a_repeated_join_with_the_same_keys_never_reuses_an_index() {
    let mut call = Call::new(60_000);
    call.audio(1);
    call.video(1, KEY);
    let mut changed = call.fan.negotiated.clone();
    call.input(Input::Join { leg: leg(Side::Fan), negotiated: changed.clone() });
    call.audio(2);
    changed.lines[VIDEO].transport_cc = false;
    call.input(Input::Join { leg: leg(Side::Fan), negotiated: changed });
    call.audio(3);
    call.video(2, DELTA);
    // The client's own opener refuses an index that comes twice.
    assert_eq!(sequences(&mut call), [0, 0, 1, 2, 1]);
}

#[test]
fn only_lines_of_one_codec_and_direction_are_connected() {
    let mut fan = negotiated(1);
    fan.lines[VIDEO].codec = Codec::H264;
    fan.lines[AUDIO].client_receives = false;
    let mut host = negotiated(2);
    host.lines[AUDIO].client_sends = false;
    let mut call = Call::with(60_000, fan, host);
    call.audio(1);
    call.video(1, KEY);
    assert!(call.fan.packets().is_empty());
    let datagram = call.fan.rtp(AUDIO, AUDIO_SSRC, 1, b"hello");
    call.send(Side::Fan, datagram);
    assert_eq!(call.host.packets().len(), 1);
}

#[test]
fn who_has_left_gets_nothing() {
    let mut call = Call::new(60_000);
    call.input(Input::Leave { leg: leg(Side::Fan) });
    call.audio(1);
    assert!(call.fan.packets().is_empty());
    call.input(Input::Leave { leg: leg(Side::Host) });
    call.pass(10_000);
    assert_eq!(call.events, [], "no leg, no report");
    call.input(Input::SetLimit { call: CALL, funded: units::ElapsedMs(1) });
    assert_eq!(call.events, []);
}
