//! Loss on either way, key frames, and what bounds them.

use super::call::Call;
use super::client::{RTX_SSRC, VIDEO, VIDEO_SSRC, negotiated};
use crate::rtcp;
use crate::*;

const KEY: &[u8] = &[0x10, 0x00, 1, 2, 3];
const DELTA: &[u8] = &[0x10, 0x01, 4, 5, 6];

/// The fan asks for packets of its video feed.
fn nack(call: &mut Call, sequences: &[u16]) {
    let media = call.fan.negotiated.lines[VIDEO].ssrc;
    call.control(Side::Fan, |bytes| rtcp::nack(bytes, 1, media, sequences));
}

/// The host repeats a packet on its RTX stream.
fn rtx(call: &mut Call, sequence: u16, original: u16, payload: &[u8]) {
    let mut header = call.host.header(VIDEO, RTX_SSRC, sequence);
    header.payload_type = call.host.negotiated.lines[VIDEO].rtx_payload_type.unwrap();
    header.timestamp = u32::from(original) * 960;
    header.original = Some(original);
    let datagram = call.host.seal(header, payload);
    call.send(Side::Host, datagram);
}

#[test]
fn what_the_publisher_lost_is_asked_for_and_fills_its_gap() {
    let mut call = Call::new(60_000);
    call.video(1, KEY);
    call.video(4, DELTA);
    assert_eq!(call.host.reports(), ["nack b0 [2, 3]"]);
    rtx(&mut call, 1, 3, b"\x10\x01third");
    call.pass(100);
    assert_eq!(call.host.reports()[1..], ["nack b0 [2]"]);
    rtx(&mut call, 2, 2, b"\x10\x01second");
    let got: Vec<_> = call
        .fan
        .packets()
        .into_iter()
        .map(|p| (p.sequence - 4_096, p.timestamp / 960, p.payload))
        .collect();
    assert_eq!(
        got,
        [
            (0, 1, KEY.to_vec()),
            (3, 4, DELTA.to_vec()),
            (2, 3, b"\x10\x01third".to_vec()),
            (1, 2, b"\x10\x01second".to_vec()),
        ]
    );
    call.pass(500);
    assert!(!call.host.reports().iter().any(|report| report.starts_with("nack")));
}

#[test]
fn what_was_lost_before_a_listener_joined_is_not_its_loss() {
    let mut call = Call::new(60_000);
    call.video(1, KEY);
    call.video(3, DELTA);
    call.rejoin(Side::Fan, negotiated(3));
    rtx(&mut call, 1, 2, DELTA);
    call.video(4, KEY);
    call.video(5, DELTA);
    let sequences: Vec<_> = call.fan.packets().iter().map(|p| p.sequence - 4_096).collect();
    assert_eq!(sequences, [0, 1], "packet 3 never went to this listener");
}

#[test]
fn repetitions_that_nobody_misses_are_acknowledged_and_dropped() {
    let mut call = Call::new(60_000);
    call.video(1, KEY);
    call.video(2, DELTA);
    for (sequence, original, payload) in [(1, 1, KEY), (2, 2, &[]), (3, 900, DELTA)] {
        rtx(&mut call, sequence, original, payload);
    }
    assert_eq!(call.fan.packets().len(), 2);
    call.pass(50);
    let arrived = &call.host.reports()[0];
    assert_eq!(arrived.split(' ').count(), 6, "{arrived}");
}

#[test]
fn a_listeners_loss_is_answered_on_its_rtx_stream() {
    let mut call = Call::new(60_000);
    call.video(1, KEY);
    call.video(2, DELTA);
    call.fan.packets();
    nack(&mut call, &[4_096, 4_097]);
    nack(&mut call, &[4_097]);
    let spec = call.fan.negotiated.lines[VIDEO];
    let repeated = call.fan.packets();
    assert_eq!(repeated.len(), 3);
    for (packet, (original, payload)) in
        repeated.iter().zip([(4_096u16, KEY), (4_097, DELTA), (4_097, DELTA)])
    {
        assert_eq!(Some(packet.ssrc), spec.rtx_ssrc);
        assert_eq!(Some(packet.payload_type), spec.rtx_payload_type);
        assert_eq!(packet.payload, [&original.to_be_bytes()[..], payload].concat());
    }
    let sequences: Vec<_> = repeated.iter().map(|packet| packet.sequence).collect();
    assert_eq!(sequences, [4_096, 4_097, 4_098]);
    let numbers: Vec<_> = repeated.iter().map(|packet| packet.transport.unwrap()).collect();
    assert_eq!(numbers, [2, 3, 4]);
}

#[test]
fn without_rtx_the_very_same_datagram_goes_out_again() {
    let mut fan = negotiated(1);
    fan.lines[VIDEO].rtx_payload_type = None;
    fan.lines[VIDEO].rtx_ssrc = None;
    let mut call = Call::with(60_000, fan, negotiated(2));
    call.video(1, KEY);
    // The mid is not told any more, but it was in the packet that is repeated.
    call.receiver_report(VIDEO, 4_096, 0);
    call.video(2, DELTA);
    nack(&mut call, &[4_096, 4_097]);
    assert_eq!(call.fan.raw.len(), 4);
    assert_eq!(call.fan.raw[..2], call.fan.raw[2..]);
}

#[test]
fn a_packet_is_taken_once_however_it_comes() {
    let mut fan = negotiated(1);
    fan.lines[VIDEO].rtx_payload_type = None;
    let mut call = Call::with(60_000, fan, negotiated(2));
    for sequence in [1, 2, 5] {
        call.video(sequence, KEY);
    }
    // Numbers 3 and 4 come both ways, each time with another payload.
    rtx(&mut call, 1, 3, b"\x10\x01first");
    call.video(3, b"\x10\x01other");
    call.video(4, b"\x10\x01first");
    rtx(&mut call, 2, 4, b"\x10\x01other");
    assert_eq!(call.fan.packets().len(), 5);
    nack(&mut call, &[4_098, 4_099]);
    // A plain repetition is the same datagram, or the cipher's nonce would be used twice.
    assert_eq!(call.fan.raw.len(), 7);
    assert_eq!(call.fan.raw[3..5], call.fan.raw[5..]);
}

#[test]
fn a_packet_that_is_merely_late_is_not_asked_for_again() {
    let mut call = Call::new(60_000);
    call.video(1, KEY);
    call.video(3, DELTA);
    call.video(2, DELTA);
    call.pass(500);
    let nacks = call.host.reports().iter().filter(|report| report.starts_with("nack")).count();
    assert_eq!(nacks, 1);
}

#[test]
fn a_repaired_packet_is_no_evidence() {
    let mut call = Call::new(60_000);
    call.video(1, KEY);
    call.video(3, DELTA);
    call.pass(300);
    rtx(&mut call, 1, 2, DELTA);
    let to_fan = call.totals().0;
    assert_eq!((to_fan.packets, to_fan.forwarded_ms.0), (3, 0));
}

#[test]
fn packets_of_an_earlier_source_are_repeated_as_they_were() {
    let mut call = Call::new(60_000);
    call.video(1, KEY);
    let datagram = call.host.rtp(VIDEO, 0xb7, 1, DELTA);
    call.send(Side::Host, datagram);
    call.fan.packets();
    nack(&mut call, &[4_096, 4_097]);
    let payloads: Vec<_> =
        call.fan.packets().into_iter().map(|p| p.payload[2..].to_vec()).collect();
    assert_eq!(payloads, [KEY, DELTA]);
}

#[test]
fn packets_of_an_earlier_publisher_are_repeated_as_they_were() {
    let mut call = Call::new(60_000);
    call.video(1, KEY);
    call.rejoin(Side::Host, negotiated(3));
    call.video(1, DELTA);
    call.fan.packets();
    nack(&mut call, &[4_096, 4_097]);
    let payloads: Vec<_> = call.fan.packets().into_iter().map(|packet| packet.payload).collect();
    let again = |sequence: u16, payload| [&sequence.to_be_bytes()[..], payload].concat();
    assert_eq!(payloads, [again(4_096, KEY), again(4_097, DELTA)]);
}

#[test]
fn a_listener_cannot_ask_for_more_than_its_share() {
    let mut call = Call::new(60_000);
    let large = [&[0x10u8, 0x01][..], &[7; 1_000]].concat();
    for sequence in 0..100 {
        call.video(sequence, &large);
    }
    call.fan.packets();
    let all: Vec<_> = (4_096..4_196).collect();
    for _ in 0..20 {
        nack(&mut call, &all);
    }
    let burst = call.fan.packets().len();
    assert_eq!(burst, 60, "64 KiB of packets of 1,002 bytes and their headers");
    call.pass(1_000);
    nack(&mut call, &all);
    call.pass(1_000);
    let repeated = call.fan.packets().len();
    assert!(repeated <= burst, "{repeated} after a second");
}

#[test]
fn small_packets_do_not_multiply_a_listeners_share() {
    let mut call = Call::new(60_000);
    for sequence in 0..100 {
        call.video(sequence, &[0x10, 0x01]);
    }
    call.fan.packets();
    let all: Vec<_> = (4_096..4_196).collect();
    for _ in 0..20 {
        nack(&mut call, &all);
    }
    let repeated = call.fan.packets().len();
    assert_eq!(repeated, 65_536 / 82);
}

#[test]
fn wishes_for_a_key_frame_are_merged_and_repeated_until_it_comes() {
    let mut call = Call::new(60_000);
    call.video(1, KEY);
    let media = call.fan.negotiated.lines[VIDEO].ssrc;
    let keyframes = |call: &mut Call| {
        call.host.reports().iter().filter(|report| *report == "keyframe b0").count()
    };
    for _ in 0..3 {
        call.control(Side::Fan, |bytes| rtcp::pli(bytes, 1, media));
        let mut fir = vec![0x84, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0];
        fir.extend_from_slice(&media.to_be_bytes());
        fir.extend_from_slice(&[1, 0, 0, 0]);
        call.control(Side::Fan, |bytes| bytes.extend_from_slice(&fir));
        call.pass(100);
    }
    assert_eq!(keyframes(&mut call), 1);
    call.pass(200);
    assert_eq!(keyframes(&mut call), 1, "again after 500 ms");
    call.video(2, DELTA);
    call.pass(500);
    assert_eq!(keyframes(&mut call), 1, "that was no key frame");
    call.video(3, KEY);
    call.pass(5_000);
    assert_eq!(keyframes(&mut call), 0);
    // Wishes for what is not ours, or is audio, go nowhere.
    for media in [12_345, call.fan.negotiated.lines[0].ssrc] {
        call.control(Side::Fan, |bytes| rtcp::pli(bytes, 1, media));
    }
    assert_eq!(keyframes(&mut call), 0);
}

#[test]
fn a_listener_that_joins_gets_a_key_frame() {
    let mut call = Call::new(60_000);
    call.video(1, KEY);
    assert_eq!(call.host.reports(), [""; 0]);
    call.rejoin(Side::Fan, negotiated(3));
    assert_eq!(call.host.reports(), ["keyframe b0"]);
}

#[test]
fn a_publisher_that_begins_without_a_key_frame_is_asked_for_one() {
    let mut call = Call::new(60_000);
    call.video(1, DELTA);
    assert_eq!(call.host.reports(), ["keyframe b0"]);
    // An outage too long to repair is mended the same way.
    call.video(2, KEY);
    call.pass(1_000);
    call.host.reports();
    call.video(200, DELTA);
    assert_eq!(call.host.reports(), ["keyframe b0"]);
}

#[test]
fn a_publisher_that_said_bye_is_left_alone_until_it_speaks() {
    let mut call = Call::new(60_000);
    call.video(1, KEY);
    call.video(5, DELTA);
    let mut bye = vec![0x81, 203, 0, 1];
    bye.extend_from_slice(&VIDEO_SSRC.to_be_bytes());
    call.control(Side::Host, |bytes| bytes.extend_from_slice(&bye));
    call.host.reports();
    let media = call.fan.negotiated.lines[VIDEO].ssrc;
    call.control(Side::Fan, |bytes| rtcp::pli(bytes, 1, media));
    call.pass(3_000);
    assert_eq!(call.host.reports()[1..], [""; 0], "apart from the arrivals");
    call.video(6, DELTA);
    assert_eq!(call.host.reports(), ["keyframe b0"]);
}

#[test]
fn what_has_arrived_is_not_sent_again() {
    let mut call = Call::new(60_000);
    (1..5).for_each(|sequence| call.video(sequence, DELTA));
    call.fan.packets();
    call.confirm(&[0, 2]);
    nack(&mut call, &[4_096, 4_097, 4_098, 4_099]);
    let again: Vec<_> = call.fan.packets().iter().map(|p| p.payload[1]).collect();
    assert_eq!(again, [1, 3], "the second and the fourth");
    call.confirm(&[4]);
    nack(&mut call, &[4_097, 4_099]);
    let again: Vec<_> = call.fan.packets().iter().map(|p| p.payload[1]).collect();
    assert_eq!(again, [3], "the second has arrived as a repetition");
}
