//! Rooms of many: who is sent what, by which numbers.

use super::client::{AUDIO, AUDIO_SSRC, Client, Rtp, VIDEO, VIDEO_SSRC, negotiated};
use crate::*;
use crate::{rtcp, rtcp::ReportBlock};
use proptest::prelude::*;
use units::MonotonicUs;

mod mute;

const KEY: &[u8] = &[0x10, 0x00, 5];
const DELTA: &[u8] = &[0x10, 0x01, 6];

/// A group under test, on virtual time. Clients are named by the order in which they joined.
struct Stage {
    forwarder: Forwarder,
    group: u32,
    now_us: u64,
    clients: Vec<(GroupLeg, Client)>,
    out: Outbox,
}

impl Stage {
    fn new() -> Self {
        let mut forwarder = Forwarder::new(Limits::default());
        let group = forwarder.open_group().unwrap();
        let (now_us, clients, out) = (1_000_000, Vec::new(), Outbox::default());
        Self { forwarder, group, now_us, clients, out }
    }

    /// A publisher, and as many listeners that hear both its lines.
    fn with_listeners(listeners: u8) -> Self {
        let mut stage = Self::new();
        stage.join(1);
        for seed in 2..2 + listeners {
            let listener = stage.join(seed);
            stage.hear_all(listener, 0);
        }
        stage
    }

    fn now(&self) -> MonotonicUs {
        MonotonicUs(self.now_us)
    }

    fn join(&mut self, seed: u8) -> usize {
        let negotiated = negotiated(seed);
        let leg = self.forwarder.join_group(self.now(), self.group, &negotiated).unwrap();
        self.clients.push((leg, Client::new(negotiated)));
        self.clients.len() - 1
    }

    fn hear_all(&mut self, listener: usize, publisher: usize) {
        for line in [AUDIO, VIDEO] {
            self.hear(listener, line, Some(publisher)).unwrap();
        }
    }

    fn hear(
        &mut self,
        listener: usize,
        line: usize,
        publisher: Option<usize>,
    ) -> Result<(), GroupError> {
        let publisher = publisher.map(|publisher| (self.clients[publisher].0.seat, line));
        let to = (self.clients[listener].0, line);
        let done = self.forwarder.hear(self.now(), to, publisher, &mut self.out);
        self.deliver();
        done
    }

    fn leave(&mut self, client: usize) {
        let now = self.now();
        self.forwarder.leave_group(now, self.clients[client].0).unwrap();
    }

    fn send(&mut self, client: usize, mut datagram: Vec<u8>) {
        let (now, leg) = (self.now(), self.clients[client].0);
        self.forwarder.receive_in_group(now, leg, &mut datagram, &mut self.out);
        self.deliver();
    }

    fn audio(&mut self, client: usize, sequence: u16) {
        let datagram = self.clients[client].1.rtp(AUDIO, AUDIO_SSRC, sequence, b"sound");
        self.send(client, datagram);
    }

    fn video(&mut self, client: usize, sequence: u16, payload: &[u8]) {
        let datagram = self.clients[client].1.rtp(VIDEO, VIDEO_SSRC, sequence, payload);
        self.send(client, datagram);
    }

    fn control(&mut self, client: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let datagram = self.clients[client].1.rtcp(write);
        self.send(client, datagram);
    }

    fn ssrc(&self, client: usize, line: usize) -> u32 {
        self.clients[client].1.negotiated.lines[line].ssrc
    }

    fn nack(&mut self, client: usize, lost: &[u16]) {
        let media = self.ssrc(client, VIDEO);
        self.control(client, |bytes| rtcp::nack(bytes, 1, media, lost));
    }

    fn pli(&mut self, client: usize) {
        let media = self.ssrc(client, VIDEO);
        self.control(client, |bytes| rtcp::pli(bytes, 1, media));
    }

    fn pass(&mut self, ms: u64) {
        let until = self.now_us + ms * 1_000;
        while let Some(due) = self.forwarder.next_wake().filter(|due| due.0 <= until) {
            self.now_us = self.now_us.max(due.0);
            self.forwarder.wake(self.now(), &mut self.out);
            self.deliver();
        }
        self.now_us = until;
    }

    fn deliver(&mut self) {
        for (leg, datagram) in self.out.group_datagrams() {
            // The latest to sit there.
            let client = self.clients.iter_mut().rev().find(|(seat, _)| *seat == leg);
            client.unwrap().1.deliver(datagram);
        }
        assert_eq!(self.out.datagrams().count(), 0, "nobody is in a call");
        self.out.clear();
    }

    fn packets(&mut self, client: usize) -> Vec<Rtp> {
        self.clients[client].1.packets()
    }

    /// What came on a line since the last look, as outgoing sequence numbers from the first one on.
    fn sequences(&mut self, client: usize, line: usize) -> Vec<u16> {
        let ssrc = self.ssrc(client, line);
        let packets = self.packets(client).into_iter().filter(|packet| packet.ssrc == ssrc);
        packets.map(|packet| packet.sequence - 4_096).collect()
    }

    fn keyframes_asked(&mut self, client: usize) -> usize {
        let reports = self.clients[client].1.reports();
        reports.iter().filter(|report| report.starts_with("keyframe")).count()
    }
}

#[test]
fn each_listener_hears_the_publisher_by_its_own_keys_and_numbers() {
    let mut stage = Stage::with_listeners(3);
    for sequence in 500..503 {
        stage.audio(0, sequence);
        stage.video(0, sequence, KEY);
    }
    assert_eq!(stage.packets(0), [], "nobody hears itself");
    for listener in 1..=3 {
        let lines = stage.clients[listener].1.negotiated.lines.clone();
        let packets = stage.packets(listener);
        assert_eq!(packets.len(), 6);
        for (n, packet) in packets.iter().enumerate() {
            let (line, sequence) = (&lines[n % 2], n as u16 / 2);
            assert_eq!((packet.ssrc, packet.payload_type), (line.ssrc, line.payload_type));
            assert_eq!(packet.sequence, 4_096 + sequence);
            assert_eq!(packet.timestamp, u32::from(500 + sequence) * 960);
            assert_eq!(packet.transport, Some(n as u16), "one count for all lines");
            assert_eq!(packet.mid.as_deref(), Some(["0", "1"][n % 2]));
            assert_eq!(packet.level, (n % 2 == AUDIO).then_some(0x80 | 40));
            assert_eq!(packet.payload, [&b"sound"[..], KEY][n % 2]);
        }
    }
}

#[test]
fn a_listener_that_has_reported_is_told_its_lines_no_more() {
    let mut stage = Stage::with_listeners(2);
    stage.audio(0, 1);
    let block = ReportBlock { ssrc: stage.ssrc(1, AUDIO), highest: 4_096, ..Default::default() };
    stage.control(1, |bytes| rtcp::receiver_report(bytes, 1, &[block]));
    stage.audio(0, 2);
    let mids = |packets: Vec<Rtp>| packets.into_iter().filter(|one| one.mid.is_some()).count();
    assert_eq!((mids(stage.packets(1)), mids(stage.packets(2))), (1, 2));
}

#[test]
fn a_listener_that_joins_later_begins_with_a_key_frame_at_its_first_number() {
    let mut stage = Stage::with_listeners(1);
    stage.video(0, 1, KEY);
    stage.audio(0, 66);
    stage.pass(1_000);
    stage.keyframes_asked(0);
    let late = stage.join(9);
    stage.hear_all(late, 0);
    assert_eq!(stage.keyframes_asked(0), 1, "asked for at once");
    stage.video(0, 2, DELTA);
    stage.audio(0, 70);
    assert_eq!(stage.sequences(late, AUDIO), [0], "sound waits for nothing");
    for (sequence, payload) in [(3, KEY), (4, DELTA), (6, DELTA), (5, DELTA)] {
        stage.video(0, sequence, payload);
    }
    assert_eq!(stage.sequences(late, VIDEO), [0, 1, 3, 2]);
    assert_eq!(stage.sequences(1, VIDEO), [0, 1, 2, 3, 5, 4]);
    // What comes from before its beginning is not for it, whatever it is.
    stage.audio(0, 68);
    stage.audio(0, 71);
    assert_eq!(stage.sequences(late, AUDIO), [1]);
    stage.video(0, 0, KEY);
    assert_eq!(stage.sequences(late, VIDEO), [0u16; 0]);
}

#[test]
fn who_leaves_is_sent_nothing_more_and_nobody_else_notices() {
    let mut stage = Stage::with_listeners(3);
    stage.video(0, 1, KEY);
    stage.leave(1);
    stage.video(0, 2, DELTA);
    stage.video(0, 3, DELTA);
    assert_eq!(stage.sequences(1, VIDEO), [0]);
    for listener in [2, 3] {
        assert_eq!(stage.sequences(listener, VIDEO), [0, 1, 2]);
        stage.nack(listener, &[4_097]);
        assert_eq!(stage.packets(listener)[0].payload[2..], *DELTA, "its feed has moved");
    }
    // The seat goes to somebody else, with keys of its own.
    let next = stage.join(8);
    assert_eq!(stage.clients[next].0, stage.clients[1].0);
    stage.video(0, 4, KEY);
    assert_eq!(stage.packets(next), [], "it hears nobody yet");
    stage.hear_all(next, 0);
    stage.video(0, 5, KEY);
    assert_eq!(stage.sequences(next, VIDEO), [0]);
}

#[test]
fn a_publisher_that_leaves_is_heard_no_more_and_its_successor_only_by_who_chooses_it() {
    let mut stage = Stage::with_listeners(2);
    stage.audio(0, 1);
    stage.leave(0);
    stage.audio(0, 2);
    let successor = stage.join(7);
    assert_eq!(stage.clients[successor].0, stage.clients[0].0);
    stage.hear_all(1, successor);
    stage.audio(successor, 900);
    assert_eq!(stage.sequences(1, AUDIO), [0, 1]);
    assert_eq!(stage.sequences(2, AUDIO), [0]);
}

#[test]
fn a_line_that_carries_another_publisher_goes_on_without_a_gap() {
    let mut stage = Stage::with_listeners(1);
    let other = stage.join(5);
    stage.video(0, 60_000, KEY);
    stage.video(0, 60_001, DELTA);
    stage.pass(100);
    stage.hear(1, VIDEO, Some(other)).unwrap();
    stage.video(0, 60_002, KEY);
    stage.pass(100);
    for (sequence, payload) in [(7, DELTA), (8, KEY), (9, DELTA)] {
        stage.video(other, sequence, payload);
    }
    let video: Vec<_> =
        stage.packets(1).iter().map(|one| (one.sequence - 4_096, one.timestamp)).collect();
    let at = 60_001 * 960 + 18_000;
    assert_eq!(video, [(0, 60_000 * 960), (1, 60_001 * 960), (2, at), (3, at + 960)]);
    // And back: 200 ms are 18,000 ticks of the clock, and it is not a new beginning for the first.
    stage.hear(1, VIDEO, Some(0)).unwrap();
    stage.video(0, 60_003, KEY);
    assert_eq!(stage.sequences(1, VIDEO), [4]);
}

#[test]
fn gaps_of_the_network_stay_and_those_of_padding_or_a_new_source_do_not() {
    let mut stage = Stage::with_listeners(2);
    for (sequence, payload) in [(1, KEY), (2, &[][..]), (3, DELTA), (5, DELTA)] {
        stage.video(0, sequence, payload);
    }
    let datagram = stage.clients[0].1.rtp(VIDEO, 0xbb, 40_000, KEY);
    stage.send(0, datagram);
    for listener in [1, 2] {
        assert_eq!(stage.sequences(listener, VIDEO), [0, 1, 3, 4]);
    }
}

#[test]
fn losses_of_many_listeners_are_repaired_from_one_ring_by_each_ones_numbers() {
    let mut stage = Stage::with_listeners(2);
    stage.video(0, 1, KEY);
    let late = stage.join(9);
    stage.hear_all(late, 0);
    stage.video(0, 2, KEY);
    stage.video(0, 3, DELTA);
    for (listener, lost) in [(1, 4_098u16), (2, 4_098), (late, 4_097)] {
        stage.packets(listener);
        stage.nack(listener, &[lost]);
        let spec = stage.clients[listener].1.negotiated.lines[VIDEO];
        let repeated = stage.packets(listener);
        let [packet] = &repeated[..] else { panic!("{repeated:?}") };
        assert_eq!(Some(packet.ssrc), spec.rtx_ssrc);
        assert_eq!(Some(packet.payload_type), spec.rtx_payload_type);
        assert_eq!((packet.sequence, packet.timestamp), (4_096, 3 * 960));
        assert_eq!(packet.payload, [&lost.to_be_bytes()[..], DELTA].concat());
        stage.nack(listener, &[lost]);
        let again = stage.packets(listener)[0].clone();
        assert_eq!(again.sequence, 4_097);
        assert_eq!(again.transport, packet.transport.map(|number| number + 1));
    }
    // What was never sent to it, or is audio, is not repeated.
    stage.nack(late, &[4_095, 4_096 + 900]);
    assert_eq!(stage.packets(late), []);
    let media = stage.ssrc(late, AUDIO);
    stage.audio(0, 1);
    stage.packets(late);
    stage.control(late, |bytes| rtcp::nack(bytes, 1, media, &[4_096]));
    assert_eq!(stage.packets(late), []);
}

#[test]
fn a_listener_that_loses_everything_gets_its_share_and_holds_nobody_up() {
    let mut stage = Stage::with_listeners(2);
    let large = [&[0x10u8, 0x00][..], &[7; 1_000]].concat();
    for sequence in 0..100 {
        stage.video(0, sequence, &large);
    }
    assert_eq!(stage.sequences(2, VIDEO).len(), 100);
    stage.packets(1);
    let all: Vec<_> = (4_096..4_196).collect();
    for _ in 0..20 {
        stage.nack(1, &all);
    }
    assert_eq!(stage.packets(1).len(), 60, "64 KiB of packets of 1,002 bytes and their headers");
    assert_eq!(stage.packets(2), []);
    stage.nack(2, &[4_100]);
    assert_eq!(stage.packets(2).len(), 1, "another's share is another's");
    stage.video(0, 100, &large);
    assert_eq!((stage.sequences(1, VIDEO), stage.sequences(2, VIDEO)), (vec![100], vec![100]));
}

#[test]
fn wishes_of_many_for_a_key_frame_are_merged() {
    let mut stage = Stage::with_listeners(3);
    stage.video(0, 1, KEY);
    stage.pass(1_000);
    stage.keyframes_asked(0);
    for _ in 0..4 {
        (1..=3).for_each(|listener| stage.pli(listener));
        stage.pass(100);
    }
    assert_eq!(stage.keyframes_asked(0), 1, "the first at once, the next after 500 ms");
    stage.pass(100);
    assert_eq!(stage.keyframes_asked(0), 1);
    stage.video(0, 2, KEY);
    stage.pass(2_000);
    assert_eq!(stage.keyframes_asked(0), 0, "it has come");
}

#[test]
fn a_key_frame_that_a_client_without_keys_was_sent_is_asked_for_again() {
    let mut stage = Stage::with_listeners(1);
    stage.video(0, 1, KEY);
    stage.pass(1_000);
    stage.keyframes_asked(0);
    let block = ReportBlock::default();
    stage.control(1, |bytes| rtcp::receiver_report(bytes, 1, &[block]));
    assert_eq!(stage.keyframes_asked(0), 1);
}

#[test]
fn what_the_publisher_lost_fills_its_gap_for_all() {
    let mut stage = Stage::with_listeners(2);
    stage.video(0, 1, KEY);
    stage.video(0, 3, DELTA);
    assert!(stage.clients[0].1.reports().contains(&"nack b0 [2]".to_owned()));
    let late = stage.join(9);
    stage.hear_all(late, 0);
    let mut header = stage.clients[0].1.header(VIDEO, super::client::RTX_SSRC, 1);
    header.payload_type += 1;
    header.original = Some(2);
    let datagram = stage.clients[0].1.seal(header, KEY);
    stage.send(0, datagram);
    stage.video(0, 4, DELTA);
    for listener in [1, 2] {
        assert_eq!(stage.sequences(listener, VIDEO), [0, 2, 1, 3]);
    }
    assert_eq!(stage.packets(late), [], "what follows that key frame is partly gone");
}

#[test]
fn sender_reports_are_in_each_listeners_time() {
    let mut stage = Stage::with_listeners(1);
    let other = stage.join(5);
    stage.audio(0, 10);
    stage.audio(0, 11);
    stage.pass(500);
    stage.hear(1, AUDIO, Some(other)).unwrap();
    stage.audio(other, 3);
    let at = 11 * 960 + 24_000;
    stage.control(other, |bytes| rtcp::sender_report(bytes, AUDIO_SSRC, 77, 4 * 960, 1, 1));
    stage.control(other, |bytes| rtcp::sender_report(bytes, AUDIO_SSRC, 78, 4 * 960, 1, 1));
    let ssrc = stage.ssrc(1, AUDIO);
    let said = stage.clients[1].1.reports();
    assert_eq!(said, [format!("sender {ssrc} ntp 77 rtp {}", at + 960)], "once in 300 ms");
}

#[test]
fn what_cannot_be_done_is_refused_and_changes_nothing() {
    let mut stage = Stage::with_listeners(1);
    let (publisher, listener) = (stage.clients[0].0, stage.clients[1].0);
    let mut silent = negotiated(6);
    silent.lines[AUDIO].client_sends = false;
    silent.lines[VIDEO].client_receives = false;
    let now = stage.now();
    let silent = stage.forwarder.join_group(now, stage.group, &silent).unwrap();
    let mut short = negotiated(7);
    short.keying_material.truncate(80);
    let state = format!("{:?}", stage.forwarder);
    let nowhere = GroupLeg { group: 9, seat: 0 };
    let nobody = GroupLeg { seat: 9, ..listener };
    let mut hear = |to, line, publisher| {
        stage.forwarder.hear(now, (to, line), publisher, &mut stage.out).unwrap_err().code()
    };
    let sent = Some((publisher.seat, AUDIO));
    for (to, line, from, code) in [
        (nowhere, AUDIO, sent, "group.unknown"),
        (nobody, AUDIO, sent, "group.no_member"),
        (listener, AUDIO, Some((9, AUDIO)), "group.no_member"),
        (listener, 2, sent, "group.no_line"),
        (listener, AUDIO, Some((publisher.seat, 2)), "group.no_line"),
        (listener, AUDIO, Some((silent.seat, AUDIO)), "group.not_sent"),
        (silent, VIDEO, Some((publisher.seat, VIDEO)), "group.not_received"),
        (listener, VIDEO, sent, "group.other_codec"),
    ] {
        assert_eq!(hear(to, line, from), code);
    }
    let join = |stage: &mut Stage, group, negotiated: &_| {
        stage.forwarder.join_group(now, group, negotiated).unwrap_err().code()
    };
    assert_eq!(join(&mut stage, 9, &short), "group.unknown");
    let group = stage.group;
    assert_eq!(join(&mut stage, group, &short), "group.keys");
    stage.forwarder.receive_in_group(now, nowhere, &mut [0x80; 40], &mut stage.out);
    stage.forwarder.receive_in_group(now, nobody, &mut [0x80; 40], &mut stage.out);
    assert_eq!(stage.out.take_refused(), None);
    for (kind, why) in [(0, Refused::Forged), (200, Refused::Forged), (255, Refused::Malformed)] {
        let mut datagram = vec![0x80; if kind == 255 { 8 } else { 40 }];
        datagram[1] = kind;
        stage.forwarder.receive_in_group(now, stage.clients[0].0, &mut datagram, &mut stage.out);
        assert_eq!(stage.out.take_refused(), Some(why), "{kind}");
    }
    assert!(stage.out.is_empty());
    assert!(format!("{:?}", stage.forwarder) == state, "something has changed");

    let mut none = Forwarder::new(Limits { group_seats: 0, ..Limits::default() });
    let group = none.open_group().unwrap();
    assert_eq!(none.join_group(now, group, &negotiated(1)).unwrap_err().code(), "group.full");
}

#[test]
fn a_closed_group_is_forgotten_and_its_number_given_again() {
    let mut stage = Stage::with_listeners(1);
    stage.audio(0, 1);
    assert!(stage.forwarder.next_wake().is_some());
    stage.forwarder.close_group(stage.group);
    assert_eq!(stage.forwarder.next_wake(), None);
    let leg = stage.clients[0].0;
    assert_eq!(stage.forwarder.leave_group(stage.now(), leg), Err(GroupError::NoGroup));
    assert_eq!(stage.forwarder.open_group(), Ok(stage.group));
    assert_eq!(stage.forwarder.open_group(), Ok(stage.group + 1));
}

#[test]
fn forged_replayed_and_cut_datagrams_change_nothing() {
    let mut stage = Stage::with_listeners(2);
    stage.video(0, 1, KEY);
    let media = stage.ssrc(1, VIDEO);
    let genuine = [
        (0, stage.clients[0].1.rtp(VIDEO, VIDEO_SSRC, 9, KEY)),
        (1, stage.clients[1].1.rtcp(|bytes| rtcp::nack(bytes, 1, media, &[4_096]))),
    ];
    let before = format!("{:?}", stage.forwarder);
    for (client, datagram) in &genuine {
        for len in 0..datagram.len() {
            stage.send(*client, datagram[..len].to_vec());
        }
        for bit in 0..8 * datagram.len() {
            let mut forged = datagram.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            stage.send(*client, forged);
        }
        stage.send(2, datagram.clone());
    }
    assert!(format!("{:?}", stage.forwarder) == before, "something has changed");
    for (client, datagram) in genuine {
        stage.send(client, datagram.clone());
        let after = format!("{:?}", stage.forwarder);
        assert!(after != before, "it was taken");
        stage.send(client, datagram);
        assert!(format!("{:?}", stage.forwarder) == after, "replayed");
    }
}

/// Something that happens in a group of six.
#[derive(Clone, Debug)]
enum Happening {
    Media { from: usize, step: u16, line: usize, key: bool },
    Hear { to: usize, from: Option<usize>, line: usize },
    Rejoin { who: usize },
    Nack { who: usize, back: u16 },
    Pass { ms: u64 },
}

fn happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        8 => (0usize..3, 1u16..4, 0usize..2, any::<bool>())
            .prop_map(|(from, step, line, key)| Happening::Media { from, step, line, key }),
        3 => (0usize..6, prop::option::of(0usize..3), 0usize..2)
            .prop_map(|(to, from, line)| Happening::Hear { to, from, line }),
        1 => (0usize..6).prop_map(|who| Happening::Rejoin { who }),
        2 => (0usize..6, 0u16..40).prop_map(|(who, back)| Happening::Nack { who, back }),
        1 => (0u64..700).prop_map(|ms| Happening::Pass { ms }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever happens, a client can open all that it is sent (so no index is sealed twice with
    /// other bytes), it hears nobody but whom it chose, and sees no gaps but the network's.
    #[test]
    fn every_stream_is_whole_and_of_the_chosen_publisher(
        happenings in prop::collection::vec(happening(), 1..120),
    ) {
        let mut stage = Stage::new();
        let mut people: Vec<usize> = (1..7).map(|seed| stage.join(seed)).collect();
        let mut chosen = [[None; 2]; 6];
        let mut sequences = [[0u16; 2]; 3];
        let mut seed = 7;
        for happening in happenings {
            match happening {
                Happening::Media { from, step, line, key } => {
                    let sequence = &mut sequences[from][line];
                    *sequence = sequence.wrapping_add(step);
                    let payload = [0x10, u8::from(!key), from as u8, people[from] as u8];
                    let ssrc = [AUDIO_SSRC, VIDEO_SSRC][line];
                    let datagram = stage.clients[people[from]].1.rtp(line, ssrc, *sequence, &payload);
                    stage.send(people[from], datagram);
                }
                Happening::Hear { to, from, line } => {
                    stage.hear(people[to], line, from.map(|from| people[from])).unwrap();
                    chosen[to][line] = from;
                }
                Happening::Rejoin { who } => {
                    stage.leave(people[who]);
                    people[who] = stage.join(seed);
                    seed = seed.wrapping_add(1);
                    chosen[who] = [None; 2];
                    if who < 3 {
                        sequences[who] = [0; 2];
                        for chosen in chosen.iter_mut().flatten().filter(|of| **of == Some(who)) {
                            *chosen = None;
                        }
                    }
                }
                Happening::Nack { who, back } => stage.nack(people[who], &[4_096 + back]),
                Happening::Pass { ms } => stage.pass(ms),
            }
            for (who, chosen) in chosen.iter().enumerate() {
                for packet in stage.packets(people[who]) {
                    let lines = &stage.clients[people[who]].1.negotiated.lines;
                    if let Some(line) = lines.iter().position(|line| line.ssrc == packet.ssrc) {
                        let from = chosen[line].unwrap();
                        prop_assert_eq!(&packet.payload[2..], [from as u8, people[from] as u8]);
                    } else {
                        prop_assert_eq!(Some(packet.ssrc), lines[VIDEO].rtx_ssrc);
                    }
                }
            }
        }
    }
}
