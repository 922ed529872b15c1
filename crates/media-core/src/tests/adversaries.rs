//! Clients that hold their keys and mean harm: what they do costs their own leg, and nobody else's.

use super::call::Call;
use super::client::{AUDIO, AUDIO_SSRC, VIDEO, VIDEO_SSRC, negotiated};
use crate::rtp::Header;
use crate::*;

/// The host's sound still reaches the fan.
fn goes_on(call: &mut Call, sequence: u16) {
    call.fan.packets();
    call.audio(sequence);
    assert_eq!(call.fan.packets().len(), 1, "the call does not go on");
}

/// What the forwarder made of the latest datagrams.
fn refused(call: &mut Call) -> Vec<Refused> {
    std::mem::take(&mut call.refused)
}

#[test]
fn what_is_of_no_use_is_told_by_its_reason() {
    let mut call = Call::new(60_000);
    let sound = call.host.rtp(AUDIO, AUDIO_SSRC, 1, b"sound");
    let report = call.host.rtcp(|bytes| rtcp::sender_report(bytes, AUDIO_SSRC, 1, 2, 3, 4));
    for genuine in [&sound, &report] {
        let mut forged = genuine.clone();
        *forged.last_mut().unwrap() ^= 1;
        call.send(Side::Host, forged);
        call.send(Side::Host, genuine[..8].to_vec());
        call.send(Side::Host, genuine.clone());
        call.send(Side::Host, genuine.clone());
        let reasons = [Refused::Forged, Refused::Malformed, Refused::Replayed];
        assert_eq!(refused(&mut call), reasons);
    }
    // A client's own compound that can't be read.
    call.control(Side::Host, |bytes| bytes.extend_from_slice(&[0x80, 201, 0, 9, 0, 0, 0, 1]));
    assert_eq!(refused(&mut call), [Refused::Malformed]);
    let most = u32::try_from(Limits::default().inbound_ssrcs).unwrap();
    for ssrc in 1..=most {
        let packet = call.host.rtp(AUDIO, 1_000 + ssrc, 1, b"sound");
        call.send(Side::Host, packet);
    }
    assert_eq!(refused(&mut call), [Refused::TooManyStreams]);
}

#[test]
fn a_flood_of_rtcp_is_cut_off_at_its_rate_and_costs_only_its_sender() {
    let mut call = Call::new(60_000);
    for sequence in 1..=40 {
        call.video(sequence, &[0x10, 0x00, 5]);
    }
    call.pass(20);
    let media = call.fan.negotiated.lines[VIDEO].ssrc;
    let everything: Vec<u16> = (0..40).map(|n| 4_096 + n).collect();
    call.fan.raw.clear();
    for _ in 0..5_000 {
        let wishes = call.fan.rtcp(|bytes| {
            for _ in 0..50 {
                rtcp::nack(bytes, 1, media, &everything);
                rtcp::pli(bytes, 1, media);
            }
        });
        call.send(Side::Fan, wishes);
    }
    let limits = Limits::default();
    let cut_off = refused(&mut call);
    assert!(cut_off.len() > 4_900, "{}", cut_off.len());
    assert!(cut_off.iter().all(|why| *why == Refused::OverRate));
    let sent: usize = call.fan.raw.iter().map(Vec::len).sum();
    assert!(sent as u64 <= limits.resend_burst_bytes, "{sent}");
    goes_on(&mut call, 1);
    // Whoever was quiet for a while is listened to again.
    call.pass(3_000);
    call.control(Side::Fan, |bytes| rtcp::pli(bytes, 1, media));
    assert_eq!(refused(&mut call), []);
}

#[test]
fn forged_rtcp_does_not_use_up_what_a_client_may_send() {
    let mut call = Call::new(60_000);
    for _ in 0..5_000 {
        let mut forged = call.fan.rtcp(|bytes| rtcp::pli(bytes, 1, 2));
        *forged.last_mut().unwrap() ^= 1;
        call.send(Side::Fan, forged);
    }
    assert!(refused(&mut call).iter().all(|why| *why == Refused::Forged));
    call.audio(1);
    call.confirm(&[0]);
    assert_eq!(refused(&mut call), []);
}

#[test]
fn a_packet_full_of_extensions_costs_no_more_than_the_first_ones_and_is_sent_on_without_them() {
    let one_byte: Vec<u8> = [0xe0, 7].repeat(690);
    let two_byte: Vec<u8> = [200, 0].repeat(690);
    let nothing = vec![0; 1_380];
    let mut call = Call::new(60_000);
    let mut sequence = 0;
    for (profile, block) in [(0xbede_u16, &one_byte), (0x1000, &two_byte), (0xbede, &nothing)] {
        for _ in 0..1_000 {
            sequence += 1;
            let payload_type = call.host.negotiated.lines[AUDIO].payload_type;
            let mut packet = vec![0x90, payload_type];
            packet.extend_from_slice(&u16::to_be_bytes(sequence));
            packet.extend_from_slice(&u32::from(sequence).to_be_bytes());
            packet.extend_from_slice(&AUDIO_SSRC.to_be_bytes());
            packet.extend_from_slice(&profile.to_be_bytes());
            packet.extend_from_slice(&u16::to_be_bytes((block.len() / 4) as u16));
            packet.extend_from_slice(block);
            packet.extend_from_slice(b"sound");
            let header = Header::parse(&packet).unwrap();
            assert!(header.extensions(&packet).count() <= 32);
            call.host.srtp.sealer.seal_rtp(&mut packet, 0).unwrap();
            call.fan.raw.clear();
            call.send(Side::Host, packet);
            let sent: usize = call.fan.raw.iter().map(Vec::len).sum();
            assert!((1..100).contains(&sent), "{sent}");
        }
    }
    goes_on(&mut call, sequence + 1);
}

#[test]
fn an_ssrc_of_another_line_or_of_ours_takes_nothing_from_anybody() {
    let mut call = Call::new(60_000);
    call.audio(1);
    call.video(1, &[0x10, 0x00, 5]);
    assert_eq!(call.fan.packets().len(), 2);
    // The picture under the sound's SSRC, and the other way around.
    for (line, ssrc) in [(VIDEO, AUDIO_SSRC), (AUDIO, VIDEO_SSRC)] {
        let packet = call.host.rtp(line, ssrc, 2, &[0x10, 0x00, 5]);
        call.send(Side::Host, packet);
        assert_eq!(call.fan.packets().len(), 0, "line {line}");
    }
    // The fan under the host's SSRC, and under ours by which it hears the host.
    let ours = call.fan.negotiated.lines[AUDIO].ssrc;
    for ssrc in [AUDIO_SSRC, ours] {
        let packet = call.fan.rtp(AUDIO, ssrc, 7, b"mine");
        call.send(Side::Fan, packet);
        let heard = call.host.packets();
        let names: Vec<u32> = heard.iter().map(|packet| packet.ssrc).collect();
        assert_eq!(names, [call.host.negotiated.lines[AUDIO].ssrc]);
    }
    goes_on(&mut call, 3);
    call.video(3, &[0x10, 0x00, 5]);
    assert_eq!(call.fan.packets().len(), 1, "the picture goes on");
}

#[test]
fn who_sends_what_it_did_not_offer_is_not_heard_and_proves_nothing() {
    let mut muted = negotiated(2);
    muted.lines[VIDEO].client_sends = false;
    let mut call = Call::with(60_000, negotiated(1), muted);
    call.video(1, &[0x10, 0x00, 5]);
    for payload_type in 0..=127 {
        let mut header = call.host.header(AUDIO, 0xc0, u16::from(payload_type));
        if call.host.negotiated.lines.iter().any(|line| line.payload_type == payload_type) {
            continue;
        }
        header.payload_type = payload_type;
        let packet = call.host.seal(header, b"something");
        // What reads as a packet type of RTCP is none (RFC 5761 section 4).
        call.send(Side::Host, packet);
    }
    assert_eq!(call.fan.packets().len(), 0);
    // Receipts for what never went out.
    call.confirm(&(0..200).collect::<Vec<_>>());
    let (to_fan, _) = call.totals();
    assert_eq!((to_fan.forwarded_ms, to_fan.proven_ms), Default::default());
    goes_on(&mut call, 200);
}
