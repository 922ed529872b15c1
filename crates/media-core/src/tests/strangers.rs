//! Garbage: from strangers it changes nothing; from a client it harms nobody but that client.

use super::call::{CALL, Call};
use super::client::{AUDIO, AUDIO_SSRC, VIDEO, VIDEO_SSRC, negotiated};
use crate::*;
use proptest::prelude::*;
use units::ElapsedMs;

/// All there is to the forwarder's state but the schedule.
fn state(call: &Call) -> String {
    format!("{:?}", call.forwarder)
}

/// A call in which everything has happened once.
fn lively() -> Call {
    let mut call = Call::new(60_000);
    for sequence in [1, 2, 5, 4] {
        call.audio(sequence);
        call.video(sequence, &[0x10, 0x00, 5]);
        call.pass(20);
    }
    call.confirm(&[0, 1, 2]);
    call
}

#[test]
fn every_cut_and_every_flipped_bit_of_a_packet_changes_nothing() {
    let mut call = lively();
    let genuine = [
        call.host.rtp(VIDEO, VIDEO_SSRC, 9, &[0x10, 0x00, 5, 6, 7]),
        call.host.rtp(AUDIO, AUDIO_SSRC, 9, b"sound"),
        call.host.rtcp(|bytes| crate::rtcp::sender_report(bytes, VIDEO_SSRC, 1, 2, 3, 4)),
    ];
    let before = state(&call);
    for datagram in &genuine {
        for len in 0..datagram.len() {
            call.send(Side::Host, datagram[..len].to_vec());
        }
        for bit in 0..8 * datagram.len() {
            let mut forged = datagram.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            call.send(Side::Host, forged);
        }
        call.send(Side::Fan, datagram.clone());
    }
    assert_eq!(state(&call), before);
    let [video, ..] = genuine;
    call.send(Side::Host, video.clone());
    assert_ne!(state(&call), before);
    let after = state(&call);
    call.send(Side::Host, video);
    assert_eq!(state(&call), after, "replayed");
}

#[test]
fn a_join_without_keys_leaves_the_leg_as_it_was() {
    let mut call = lively();
    let mut short = negotiated(5);
    short.keying_material.truncate(80);
    let leg = LegKey { call: CALL, side: Side::Fan };
    call.input(Input::Join { leg, negotiated: short });
    call.fan.packets();
    call.audio(6);
    assert_eq!(call.fan.packets().len(), 1);
}

#[test]
fn limits_of_nothing_forward_what_they_can_and_never_panic() {
    let nothing = Limits {
        history_packets: 0,
        history_bytes: 0,
        history_age_ms: 0,
        group_seats: 0,
        awaited_packets: 0,
        inbound_ssrcs: 0,
        control_bytes_per_s: 0,
        control_burst_bytes: 0,
        resend_bytes_per_s: 0,
        resend_burst_bytes: 0,
    };
    for (inbound_ssrcs, forwarded) in [(0, 0), (1, 3), (2, 6)] {
        let limits = Limits { inbound_ssrcs, ..nothing };
        let mut call = Call::within(limits, 60_000, negotiated(1), negotiated(2));
        for sequence in [1, 2, 5] {
            call.audio(sequence);
            call.video(sequence, &[0x10, 0x00, 5]);
            call.pass(20);
        }
        let media = call.fan.negotiated.lines[VIDEO].ssrc;
        call.control(Side::Fan, |bytes| crate::rtcp::nack(bytes, 1, media, &[4_096, 4_097]));
        call.confirm(&[0, 1, 2, 3, 4, 5]);
        assert_eq!(call.fan.packets().len(), forwarded, "{inbound_ssrcs}");
        call.pass(5_000);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn random_datagrams_change_nothing(
        datagrams in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..120), 1..40),
    ) {
        let mut call = lively();
        let before = state(&call);
        for mut datagram in datagrams {
            if let Some(first) = datagram.first_mut() {
                *first = 0x80 | *first & 0x3f;
            }
            for side in Side::ALL {
                call.send(side, datagram.clone());
            }
        }
        prop_assert_eq!(state(&call), before);
    }

    /// A client may seal whatever it likes.
    #[test]
    fn sealed_garbage_harms_nobody(
        packets in prop::collection::vec(
            (any::<bool>(), 199u8..208, 0u8..64, prop::collection::vec(any::<u8>(), 8..100)),
            1..60,
        ),
    ) {
        let mut call = lively();
        for (is_rtcp, kind, count, body) in packets {
            let side = if kind % 2 == 0 { Side::Fan } else { Side::Host };
            let client = call.client(side);
            let datagram = if is_rtcp {
                let body = &body[..body.len() / 4 * 4];
                client.rtcp(|bytes| {
                    bytes.extend_from_slice(&[0x80 | count, kind, 0, (body.len() / 4) as u8]);
                    bytes.extend_from_slice(body);
                })
            } else {
                // Known payload types, few SSRCs, any flags and extensions.
                let line = client.negotiated.lines[usize::from(kind % 2)];
                let mut datagram = vec![0x80 | count, line.payload_type + (kind / 2) % 2];
                datagram.extend_from_slice(&body[..6]);
                datagram.extend_from_slice(&[0, 0, 0, kind % 5]);
                datagram.extend_from_slice(&body[6..]);
                match client.srtp.sealer.seal_rtp(&mut datagram, 0) {
                    Ok(()) => datagram,
                    Err(_) => continue,
                }
            };
            call.send(side, datagram);
            call.pass(u64::from(kind));
        }
        let (to_fan, _) = call.totals();
        prop_assert!(to_fan.proven_ms <= to_fan.forwarded_ms);
        prop_assert!(to_fan.forwarded_ms <= ElapsedMs(call.now_us / 1_000));
        call.input(Input::CloseRoom { call: CALL });
        call.pass(2_000);
        let closed = matches!(call.events.last(), Some(Event::Closed { .. }));
        prop_assert!(closed);
    }
}
