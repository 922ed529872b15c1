//! What clients are told about their own packets, and about each other's clocks.

use super::call::Call;
use super::client::{VIDEO, negotiated, unnumbered};
use crate::rtcp;
use crate::*;
use units::MonotonicUs;

const KEY: &[u8] = &[0x10, 0x00, 1, 2, 3];

#[test]
fn arrivals_are_told_after_50_ms() {
    let mut call = Call::new(60_000);
    call.audio(1);
    call.pass(20);
    call.host.rtp(VIDEO, 0xb0, 1, KEY); // lost: number 1
    call.audio(2);
    call.pass(29);
    assert_eq!(call.host.reports(), [""; 0]);
    call.pass(1);
    assert_eq!(call.host.reports(), ["arrived 0@1000000 2@1020000"]);
    call.pass(900);
    assert_eq!(call.host.reports(), [""; 0], "nothing new");
}

#[test]
fn reception_is_reported_every_second() {
    let mut call = Call::new(60_000);
    call.video(65_535, KEY);
    call.video(2, KEY);
    call.control(Side::Host, |bytes| {
        rtcp::sender_report(bytes, 0xb0, 0x0001_0002_0003_0004, 0, 0, 0);
    });
    call.pass(1_000);
    let reports = call.host.reports();
    let last: Vec<_> = reports.iter().filter(|report| report.starts_with("receiver")).collect();
    let lsr = 0x0002_0003;
    assert_eq!(last, [&format!("receiver b0 highest 65538 lost 2 lsr {lsr} dlsr 65536")]);
}

#[test]
fn sender_reports_keep_the_wall_clock_and_move_the_timestamp() {
    let mut call = Call::new(60_000);
    call.video(1, KEY);
    call.pass(1_000);
    // A new source: timestamps of the feed go on from 960 by one second.
    let datagram = call.host.rtp(VIDEO, 0xb7, 10, KEY);
    call.send(Side::Host, datagram);
    call.fan.inbox.clear();
    for ssrc in [0xb0, 0xb7] {
        call.control(Side::Host, |bytes| rtcp::sender_report(bytes, ssrc, 77, 9_600 + 450, 9, 9));
    }
    let ours = call.fan.negotiated.lines[VIDEO].ssrc;
    let moved = 960 + 90_000 + 450;
    assert_eq!(call.fan.reports(), [format!("sender {ours} ntp 77 rtp {moved}")]);
}

#[test]
fn a_burst_of_sender_reports_is_passed_on_as_one() {
    let mut call = Call::new(60_000);
    call.video(1, KEY);
    let burst = |bytes: &mut Vec<u8>| {
        (0..60).for_each(|_| rtcp::sender_report(bytes, 0xb0, 77, 960, 9, 9));
    };
    call.control(Side::Host, burst);
    assert_eq!(call.fan.reports().len(), 1);
    call.pass(50);
    call.control(Side::Host, burst);
    assert_eq!(call.fan.reports().len(), 1);
}

#[test]
fn arrivals_wait_their_time_whatever_else_is_due() {
    let mut call = Call::new(60_000);
    call.pass(999);
    call.now_us += 1_000;
    call.audio(0);
    let told = |call: &mut Call| {
        call.host.reports().iter().filter(|report| report.starts_with("arrived")).count()
    };
    // The report of each second is due by now.
    call.pass(49);
    assert_eq!(told(&mut call), 0);
    call.pass(1);
    assert_eq!(told(&mut call), 1);
}

#[test]
fn the_last_packet_is_repeated_on_time_though_nothing_else_happens() {
    let mut call = Call::with(20, negotiated(1), unnumbered());
    call.audio(0);
    call.pass(20);
    call.audio(1);
    assert_eq!(call.fan.raw.len(), 2);
    call.pass(99);
    assert_eq!(call.fan.raw.len(), 2);
    call.pass(1);
    assert_eq!(call.fan.raw.len(), 3);
    assert_eq!(call.fan.raw[1], call.fan.raw[2]);
}

/// The host sends 1.6 Mbit/s of video for a time; the fan's path carries less, or all of it. What
/// limits the host is told, in kbit/s.
fn watch(call: &mut Call, from: u16, seconds: u16, carries_bps: Option<u64>) -> Vec<u64> {
    let mut told = Vec::new();
    let mut free_at_us = 0;
    let delta = [&[0x10_u8, 0x01][..], &[7; 1_000]].concat();
    for report in 0..seconds * 10 {
        let mut arrivals = Vec::new();
        for packet in 0..20 {
            let sequence = from + report * 20 + packet;
            call.video(sequence, &delta);
            let takes_us = carries_bps.map_or(0, |bps| 8_000_000_000 / bps);
            free_at_us = free_at_us.max(call.now_us) + takes_us;
            arrivals.push((u64::from(sequence), MonotonicUs(free_at_us)));
            call.pass(5);
        }
        call.fan.packets();
        call.control(Side::Fan, |bytes| {
            rtcp::write_transport_feedback(bytes, (1, 2), 0, arrivals[0].0, &arrivals);
        });
        let reports = call.host.reports();
        let limits = reports.iter().filter_map(|report| report.strip_prefix("limit b0 "));
        told.extend(limits.map(|limit| limit.parse::<u64>().unwrap()));
    }
    told
}

#[test]
fn a_publisher_is_told_what_its_listeners_path_carries_once_it_is_full() {
    let mut call = Call::new(60_000);
    assert_eq!(watch(&mut call, 0, 5, None), []);
    let told = watch(&mut call, 1_000, 5, Some(800_000));
    assert!((300..800).contains(told.last().unwrap()), "{told:?}");
    // Whoever listens on another path is not held back by this one.
    call.rejoin(Side::Fan, negotiated(3));
    let told = watch(&mut call, 2_000, 2, None);
    assert_eq!(told, [999_997], "no limit, told once");
}
