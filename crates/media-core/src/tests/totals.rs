//! The bill's basis: forwarded and proven time, and the cut.

use super::call::{CALL, Call, leg};
use super::client::{AUDIO, AUDIO_SSRC, VIDEO, VIDEO_SSRC, negotiated};
use super::header::Outgoing;
use crate::*;
use proptest::prelude::*;
use units::{ElapsedMs, MonotonicUs};

/// `forwarded/proven` to the fan.
fn to_fan(call: &mut Call) -> String {
    let carried = call.totals().0;
    format!("{}/{}", carried.forwarded_ms.0, carried.proven_ms.0)
}

fn set_limit(call: &mut Call, funded_ms: u64) {
    call.input(Input::SetLimit { call: CALL, funded: ElapsedMs(funded_ms) });
}

/// The host sends packets 20 ms apart.
fn speak(call: &mut Call, sequences: std::ops::Range<u16>) {
    for sequence in sequences {
        call.audio(sequence);
        call.pass(20);
    }
}

fn limit_reached(call: &Call) -> usize {
    call.events.iter().filter(|event| **event == Event::LimitReached { call: CALL }).count()
}

#[test]
fn only_what_the_fan_confirmed_is_proven() {
    let mut call = Call::new(60_000);
    speak(&mut call, 0..10);
    assert_eq!(call.events, []);
    call.confirm(&[0, 1, 3, 5]);
    assert_eq!(call.events, [Event::Flowing { call: CALL }]);
    assert_eq!(to_fan(&mut call), "180/100");
    call.confirm(&[4, 5]);
    assert_eq!(to_fan(&mut call), "180/100");
    call.confirm(&[9]);
    // Numbers that were never sent prove nothing.
    call.confirm(&[10, 11, 5_000, 65_000]);
    assert_eq!(to_fan(&mut call), "180/180");
    assert_eq!(call.events.iter().filter(|e| matches!(e, Event::Flowing { .. })).count(), 1);
}

#[test]
fn the_fans_own_media_is_not_the_hosts() {
    let mut call = Call::new(60);
    for sequence in 0..10 {
        let datagram = call.fan.rtp(AUDIO, AUDIO_SSRC, sequence, b"hello");
        call.send(Side::Fan, datagram);
        call.pass(20);
    }
    let (to_fan, to_host) = call.totals();
    assert_eq!((to_fan.forwarded_ms, to_host.forwarded_ms), (ElapsedMs(0), ElapsedMs(180)));
    assert_eq!(limit_reached(&call), 0);
}

#[test]
fn the_call_is_cut_at_the_last_funded_millisecond() {
    let mut call = Call::new(50);
    speak(&mut call, 0..10);
    assert_eq!(call.fan.packets().len(), 4, "0, 20, 40 and the one in which 50 lies");
    call.confirm(&[0, 1, 2]);
    assert_eq!(to_fan(&mut call), "50/40");
    assert_eq!(limit_reached(&call), 0);
    call.confirm(&[3]);
    assert_eq!(limit_reached(&call), 1);
    assert_eq!(to_fan(&mut call), "50/50");
    let datagram = call.fan.rtp(AUDIO, AUDIO_SSRC, 1, b"hello");
    call.send(Side::Fan, datagram);
    assert!(call.host.packets().is_empty(), "neither way");
}

#[test]
fn a_call_without_funds_is_cut_at_once() {
    let mut call = Call::new(0);
    assert_eq!(call.events, [Event::LimitReached { call: CALL }]);
    speak(&mut call, 0..3);
    assert!(call.fan.packets().is_empty());
    assert_eq!(to_fan(&mut call), "0/0");
}

#[test]
fn what_was_lost_before_the_cut_is_made_good_behind_it() {
    let mut call = Call::new(100);
    speak(&mut call, 0..10);
    assert_eq!(call.fan.packets().len(), 6);
    // The fan's keys were not ready for the first three. That becomes known 80 ms after the cut.
    call.confirm(&[3, 5]);
    assert_eq!(limit_reached(&call), 0);
    speak(&mut call, 10..20);
    assert_eq!(call.fan.packets().len(), 1, "the silence of 100 ms was media too");
    call.confirm(&[6]);
    assert_eq!(limit_reached(&call), 1);
    let carried = call.totals().0;
    assert_eq!((carried.proven_ms, carried.lost_ms), (ElapsedMs(100), ElapsedMs(60)));
    assert_eq!(carried.forwarded_ms, ElapsedMs(160));
}

#[test]
fn the_end_is_told_without_the_last_proof_after_two_seconds() {
    let mut call = Call::new(50);
    speak(&mut call, 0..4);
    call.pass(1_979);
    assert_eq!(limit_reached(&call), 0);
    call.pass(1);
    assert_eq!(limit_reached(&call), 1);
    // What is lost afterwards makes no room: the end has been told.
    call.confirm(&[2]);
    set_limit(&mut call, 50);
    speak(&mut call, 4..8);
    assert_eq!(call.fan.packets().len(), 4);
    set_limit(&mut call, 51);
    speak(&mut call, 8..12);
    assert_eq!(
        call.fan.packets().len(),
        4,
        "the first is no media, the others are 20, 20 and 1 ms"
    );
}

#[test]
fn the_end_is_told_at_once_if_nobody_is_there_to_prove_it() {
    let mut call = Call::new(50);
    speak(&mut call, 0..4);
    assert_eq!(limit_reached(&call), 0);
    call.input(Input::Leave { leg: leg(Side::Fan) });
    assert_eq!(limit_reached(&call), 1);
}

#[test]
fn the_last_packet_is_repeated_until_it_is_confirmed() {
    let mut call = Call::new(50);
    speak(&mut call, 0..10);
    let last = call.fan.raw.clone().into_iter().rfind(|raw| raw[1] & 0x7f == 101).unwrap();
    let seen = |call: &Call| call.fan.raw.iter().filter(|raw| **raw == last).count();
    assert_eq!(seen(&call), 2, "once when it was due, once 100 ms later");
    call.pass(300);
    assert_eq!(seen(&call), 5);
    call.confirm(&[0, 1, 2, 3]);
    call.pass(1_000);
    assert_eq!(seen(&call), 5);
    assert_eq!(to_fan(&mut call), "50/50");
    assert_eq!(call.totals().0.packets, 4);
}

#[test]
fn a_packet_is_not_repeated_under_other_keys_nor_behind_a_new_limit() {
    let mut call = Call::new(50);
    speak(&mut call, 0..4);
    call.rejoin(Side::Fan, negotiated(3));
    call.pass(1_000);
    assert!(call.fan.packets().is_empty());
    set_limit(&mut call, 70);
    speak(&mut call, 4..6);
    set_limit(&mut call, 1_000);
    set_limit(&mut call, 10);
    call.fan.raw.clear();
    call.pass(1_000);
    assert_eq!(call.fan.raw, [[0u8; 0]; 0]);
}

#[test]
fn a_raised_limit_lets_a_cut_call_go_on_without_a_gap() {
    let mut call = Call::new(20);
    speak(&mut call, 0..5);
    call.confirm(&[0, 1]);
    set_limit(&mut call, 20);
    assert_eq!(limit_reached(&call), 1);
    set_limit(&mut call, 1_000);
    speak(&mut call, 5..8);
    let sequences: Vec<_> = call.fan.packets().iter().map(|p| p.sequence - 4_096).collect();
    assert_eq!(sequences, [0, 1, 2, 3, 4]);
    set_limit(&mut call, 10);
    call.confirm(&[2, 3, 4]);
    assert_eq!(limit_reached(&call), 2);
    assert_eq!(call.totals().0.forwarded_ms, ElapsedMs(140), "nothing is taken back");
}

#[test]
fn a_rejoin_continues_the_totals_but_does_not_bill_the_time_between() {
    let mut call = Call::new(60_000);
    speak(&mut call, 0..6);
    call.confirm(&[5]);
    call.input(Input::Leave { leg: leg(Side::Fan) });
    call.pass(5_000);
    call.rejoin(Side::Fan, negotiated(3));
    speak(&mut call, 6..12);
    call.confirm(&[0, 5]);
    // 100 ms each; of the first 100 only the last moment was confirmed.
    assert_eq!(to_fan(&mut call), "200/100");
}

#[test]
fn feedback_on_an_earlier_leg_proves_nothing_of_the_next() {
    let mut call = Call::new(60_000);
    speak(&mut call, 0..6);
    let stale = call.fan.rtcp(|bytes| {
        let arrivals: Vec<_> = (0..6).map(|number| (number, MonotonicUs(0))).collect();
        crate::rtcp::write_transport_feedback(bytes, (1, 2), 0, 0, &arrivals);
    });
    call.rejoin(Side::Fan, negotiated(3));
    speak(&mut call, 6..12);
    // The new leg's numbers begin anew, so these would fit.
    call.send(Side::Fan, stale.clone());
    assert_eq!(to_fan(&mut call), "220/0");
    call.confirm(&[0, 5]);
    call.send(Side::Fan, stale);
    assert_eq!(to_fan(&mut call), "220/100");
}

#[test]
fn a_pause_is_free_however_its_proof_is_told() {
    for (confirmations, proven) in [
        (&[&[0u16, 1, 2, 3, 4, 5][..]][..], 80),
        (&[&[0, 2], &[3], &[4], &[2, 5]], 80),
        (&[&[2], &[3, 5]], 40),
        // Nobody knows whether the pause came at once after 0 or later, nor does it matter.
        (&[&[0], &[5]], 0),
    ] {
        let mut call = Call::new(60_000);
        speak(&mut call, 0..3);
        call.pass(600);
        speak(&mut call, 3..6);
        confirmations.iter().for_each(|numbers| call.confirm(numbers));
        assert_eq!(to_fan(&mut call), format!("80/{proven}"), "{confirmations:?}");
    }
}

#[test]
fn funds_without_end_never_cut() {
    let mut call = Call::new(u64::MAX);
    speak(&mut call, 0..4);
    set_limit(&mut call, u64::MAX / 1_000 + 1);
    speak(&mut call, 4..6);
    call.confirm(&[0, 1, 2, 3, 4, 5]);
    assert_eq!(to_fan(&mut call), "100/100");
    assert_eq!(limit_reached(&call), 0);
}

#[test]
fn repetitions_are_no_evidence() {
    let mut call = Call::new(60_000);
    call.video(1, &[0x10, 0x00]);
    call.pass(500);
    let media = call.fan.negotiated.lines[1].ssrc;
    call.control(Side::Fan, |bytes| crate::rtcp::nack(bytes, 1, media, &[4_096]));
    call.confirm(&[0, 1]);
    assert_eq!(to_fan(&mut call), "0/0");
}

/// A fan that can't confirm by number.
fn by_reports() -> Call {
    let mut fan = negotiated(1);
    fan.lines.iter_mut().for_each(|line| line.transport_cc = false);
    Call::with(60_000, fan, negotiated(2))
}

#[test]
fn receiver_reports_prove_what_was_not_lost() {
    let mut call = by_reports();
    speak(&mut call, 0..101);
    call.confirm(&[0, 1, 2, 100]);
    assert_eq!(to_fan(&mut call), "2000/0", "not agreed on");
    call.receiver_report(AUDIO, 4_096, 0);
    call.receiver_report(AUDIO, 4_096 + 50, 0);
    assert_eq!(to_fan(&mut call), "2000/1000");
    // 10 of 50 lost: at most 220 ms in a row.
    call.receiver_report(AUDIO, 4_096 + 100, 10);
    call.receiver_report(AUDIO, 4_096 + 100, 10);
    call.receiver_report(AUDIO, 4_096 + 20, 0);
    assert_eq!(to_fan(&mut call), "2000/2000");
    assert_eq!(call.totals().0.lost, 10);
}

#[test]
fn receiver_reports_with_long_losses_prove_their_last_packet_alone() {
    let mut call = by_reports();
    speak(&mut call, 0..101);
    call.receiver_report(AUDIO, 4_096, 0);
    // 40 of 50 lost: they may have made an outage of 820 ms.
    call.receiver_report(AUDIO, 4_096 + 50, 40);
    assert_eq!(to_fan(&mut call), "2000/0");
    call.receiver_report(AUDIO, 4_096 + 100, 40);
    assert_eq!(to_fan(&mut call), "2000/1000");
    // What was never sent can't be proven.
    call.receiver_report(AUDIO, 4_096 + 200, 40);
    assert_eq!(to_fan(&mut call), "2000/1000");
}

#[test]
fn loss_on_the_way_to_us_is_not_held_against_the_listener() {
    let mut call = by_reports();
    speak(&mut call, 0..40);
    speak(&mut call, 80..120);
    call.receiver_report(AUDIO, 4_096, 0);
    call.receiver_report(AUDIO, 4_096 + 119, 40);
    assert_eq!(to_fan(&mut call), "1580/1580");
}

#[test]
fn picture_silence_and_frozen_time_are_told_of_both_directions() {
    for side in Side::ALL {
        let mut call = Call::new(60_000);
        // Four seconds: a frame every 100 ms but for one pause of 1,600 ms; silence in the last.
        for tenth in 0..=40u16 {
            if !(21..36).contains(&tenth) {
                let datagram = call.client(side).rtp(VIDEO, VIDEO_SSRC, tenth, &[0x10, 0, 5]);
                call.send(side, datagram);
            }
            let header = call.client(side).header(AUDIO, AUDIO_SSRC, tenth);
            let audio_level = Some(if tenth >= 30 { 0x7f } else { 0x7f & 99 });
            let header = Outgoing { audio_level, ..header };
            let datagram = call.client(side).seal(header, b"sound");
            call.send(side, datagram);
            call.pass(100);
        }
        let at = MonotonicUs(call.now_us);
        let arrivals: Vec<_> = (0..67).map(|number| (number, at)).collect();
        call.control(side.other(), |bytes| {
            crate::rtcp::write_transport_feedback(bytes, (1, 2), 0, 0, &arrivals);
        });
        let (to_fan, to_host) = call.totals();
        let carried = if side == Side::Host { to_fan } else { to_host };
        assert_eq!(carried.proven_ms, ElapsedMs(4_000), "{side:?}");
        assert_eq!((carried.video_ms, carried.frozen_ms), (ElapsedMs(3_400), ElapsedMs(600)));
        assert_eq!(carried.silent_ms, ElapsedMs(1_000));
    }
}

#[test]
fn a_report_on_sound_does_not_make_that_on_picture_late() {
    let mut call = by_reports();
    for sequence in 0..=50 {
        call.audio(sequence);
        call.pass(10);
        call.video(sequence, &[0x10, 0, 5]);
        call.pass(10);
    }
    for highest in [4_096, 4_096 + 50] {
        let block = |line: usize| crate::rtcp::ReportBlock {
            ssrc: call.fan.negotiated.lines[line].ssrc,
            highest,
            ..Default::default()
        };
        let blocks = [block(AUDIO), block(VIDEO)];
        call.control(Side::Fan, |bytes| crate::rtcp::receiver_report(bytes, 1, &blocks));
    }
    let carried = call.totals().0;
    assert_eq!((carried.proven_ms, carried.video_ms), (ElapsedMs(1_010), ElapsedMs(1_000)));
}

#[test]
fn what_is_lost_is_told_also_when_nothing_follows() {
    let mut call = Call::new(60_000);
    speak(&mut call, 0..10);
    assert_eq!(call.totals().0.lost_ms, ElapsedMs(0));
    call.pass(3_000);
    assert_eq!(call.totals().0.lost_ms, ElapsedMs(180));
}

#[test]
fn a_client_that_tells_no_levels_is_silent_only_in_empty_packets() {
    let mut call = Call::new(60_000);
    for (sequence, payload) in [b"sound", &b"x0"[..], b"x", b"x0", b"sound"].iter().enumerate() {
        let header = call.host.header(AUDIO, AUDIO_SSRC, sequence as u16);
        let datagram = call.host.seal(Outgoing { audio_level: None, ..header }, payload);
        call.send(Side::Host, datagram);
        call.pass(400);
    }
    call.confirm(&[0, 1, 2, 3, 4]);
    let carried = call.totals().0;
    assert_eq!((carried.proven_ms, carried.silent_ms), (ElapsedMs(1_600), ElapsedMs(800)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Any mix of loss, silence, late and lost feedback and limits.
    #[test]
    fn proven_never_passes_forwarded_nor_forwarded_the_funds_or_the_clock(
        funded in 0u64..4_000,
        steps in prop::collection::vec((0u64..5, 1u64..700, any::<u16>()), 1..120),
    ) {
        let mut call = Call::new(funded);
        let began = call.now_us;
        let (mut sequence, mut sent) = (0u16, 0u16);
        for (what, ms, number) in steps {
            match what {
                0 | 1 => {
                    sequence = sequence.wrapping_add(1 + number % 3);
                    call.audio(sequence);
                    sent += call.fan.packets().len() as u16;
                }
                2 => call.pass(ms),
                3 if sent > 0 => call.confirm(&[number % (sent + 2)]),
                _ => {}
            }
            call.pass(ms % 60);
        }
        call.pass(2_000);
        let carried = call.totals().0;
        let passed = (call.now_us - began) / 1_000;
        let (proven, lost) = (carried.proven_ms.0, carried.lost_ms.0);
        prop_assert!(proven + lost <= carried.forwarded_ms.0);
        prop_assert!(carried.forwarded_ms.0 <= passed);
        let provable = carried.forwarded_ms.0 - lost;
        prop_assert!(provable <= funded);
        prop_assert!(limit_reached(&call) == 1 || limit_reached(&call) == 0 && provable < funded);
        let all: Vec<_> = (0..sent).collect();
        if sent > 0 {
            call.confirm(&all);
            // Every packet since the last one confirmed is decided now.
            let settled = call.totals().0;
            prop_assert!(carried.proven_ms <= settled.proven_ms);
            prop_assert!(carried.lost_ms <= settled.lost_ms);
            prop_assert!(settled.proven_ms.0 <= funded);
            let decided = settled.proven_ms.0 + settled.lost_ms.0;
            prop_assert_eq!(decided, settled.forwarded_ms.0);
        }
        call.input(Input::CloseRoom { call: CALL });
        call.pass(2_000);
        let closed = matches!(call.events.last(), Some(Event::Closed { .. }));
        prop_assert!(closed);
    }
}
