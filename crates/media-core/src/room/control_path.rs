//! What a client's RTCP tells, and what follows from it.

use super::awaited::Numbered;
use super::connection::Connection;
use super::feed::Repetition;
use super::{Room, pair};
use crate::evidence::Mark;
use crate::rtcp::{self, Packet, ReportBlock};
use crate::{Outbox, Refused, Side};
use units::MonotonicUs;

/// What a repetition weighs besides its payload: headers of IP, UDP and RTP, and the tag. Without
/// it, small packets would multiply what a listener can make us send.
const HEADERS_BYTES: usize = 80;

impl Room {
    /// Takes an SRTCP packet from a side's client.
    pub(super) fn control(
        &mut self,
        now: MonotonicUs,
        side: Side,
        datagram: &mut [u8],
        out: &mut Outbox,
    ) {
        let Some(from) = &mut self.connections[side.index()] else { return };
        let Some(len) = from.up.open_control(now, datagram, out) else { return };
        self.heard(now, side, out);
        let Some(packets) = rtcp::packets(&datagram[..len]) else {
            return out.refuse(Refused::Malformed);
        };
        for packet in packets {
            match packet {
                Packet::SenderReport { ssrc, ntp, rtp_timestamp, blocks } => {
                    self.sender_report(now, side, (ssrc, ntp, rtp_timestamp), out);
                    self.received(now, side, blocks.iter());
                }
                Packet::ReceiverReport { blocks } => self.received(now, side, blocks.iter()),
                Packet::TransportFeedback(feedback) => {
                    for (number, arrived_us) in feedback.arrivals() {
                        self.confirmed(now, side, number, arrived_us);
                    }
                    self.restrain(now, side, out);
                }
                Packet::Nack { media, lost } => {
                    for sequence in lost.sequences() {
                        self.repeat(now, side, media, sequence, out);
                    }
                }
                Packet::KeyframeWanted { media } => self.keyframe_wanted(side, media),
                Packet::Bye { ssrcs } => ssrcs.iter().for_each(|ssrc| self.bye(side, ssrc)),
                Packet::Other => {}
            }
        }
        if self.forwards()
            && let Some(other) = &mut self.connections[side.other().index()]
        {
            other.ask(now, out);
        }
        self.note_proof(now, out);
    }

    /// A client has received the packet with this transport-wide number.
    fn confirmed(&mut self, now: MonotonicUs, side: Side, number: u16, arrived_us: i64) {
        let Some(to) = &mut self.connections[side.index()] else { return };
        let Some((packet, in_turn)) = to.awaited.confirmed(number) else { return };
        if let Some(estimate) = to.estimate.as_mut().filter(|_| in_turn) {
            estimate.arrived(packet.at, arrived_us, packet.bytes.into());
        }
        if let Some(line) = to.lines.get_mut(usize::from(packet.line)) {
            line.feed.arrived(packet.sequence, number);
        }
        if let Some(mark) = packet.mark {
            self.toward[side.index()].evidence.confirm(now, mark);
        }
    }

    /// Tells the publisher what its listener's path carries, once that has restricted it.
    fn restrain(&mut self, now: MonotonicUs, side: Side, out: &mut Outbox) {
        let (Some(to), from) = pair(&mut self.connections, side) else { return };
        to.awaited.forget();
        let lost = to.awaited.passed_over();
        let Some(estimate) = &mut to.estimate else { return };
        estimate.lost(lost);
        estimate.reported(now);
        if let Some(from) = from {
            from.up.tell_limit(now, estimate.limit_bps(), &mut from.sealer, out);
        }
    }

    /// A client reports on what we sent.
    fn received(
        &mut self,
        now: MonotonicUs,
        side: Side,
        blocks: impl Iterator<Item = ReportBlock>,
    ) {
        let Some(to) = &mut self.connections[side.index()] else { return };
        let direction = &mut self.toward[side.index()];
        let mut marks = Vec::new();
        for block in blocks {
            let ours = to.lines.iter_mut().find(|line| line.feed.ssrc() == block.ssrc);
            let Some(feed) = ours.map(|line| &mut line.feed) else { continue };
            direction.lost += feed.lost_more(&block);
            if !feed.is_confirmed_by_number() {
                marks.extend(feed.proven_by(&block));
            }
        }
        // What one block proves must not make another's proof late.
        marks.sort_by_key(Mark::moment);
        marks.into_iter().for_each(|mark| direction.evidence.confirm(now, mark));
    }

    /// Passes a publisher's sender report on, with the listener's timestamps and our counts.
    fn sender_report(
        &mut self,
        now: MonotonicUs,
        side: Side,
        (ssrc, ntp, rtp_timestamp): (u32, u64, u32),
        out: &mut Outbox,
    ) {
        let open = self.forwards();
        let (Some(from), to) = pair(&mut self.connections, side) else { return };
        let mut lines = from.up.lines.iter_mut();
        let Some(line) = lines.position(|line| line.track.sender_report(now, ssrc, ntp)) else {
            return;
        };
        let epoch = from.up.lines[line].track.epoch();
        let (Some(to), Some(sink)) = (to.filter(|_| open), from.lines[line].sink) else { return };
        let feed = &mut to.lines[sink].feed;
        let report = feed.sender_report(now, epoch, rtp_timestamp);
        let Some((timestamp, packets, octets)) = report else { return };
        out.send(to.key, |bytes| {
            let start = bytes.len();
            rtcp::sender_report(bytes, feed.ssrc(), ntp, timestamp, packets, octets);
            to.sealer.seal_rtcp(bytes, start).ok()
        });
    }

    /// Repeats a packet that a listener has lost, if it is still there and the listener has not
    /// asked for too much.
    fn repeat(
        &mut self,
        now: MonotonicUs,
        side: Side,
        media_ssrc: u32,
        sequence: u16,
        out: &mut Outbox,
    ) -> Option<()> {
        if !self.forwards() {
            return None;
        }
        let to = self.connections[side.index()].as_mut()?;
        let Connection { key, sealer, lines, awaited, resends, .. } = to;
        let line = lines.iter().position(|line| line.feed.ssrc() == media_ssrc)?;
        let feed = &mut lines[line].feed;
        let payload_bytes = feed.lost_bytes(now, sequence)?;
        if !resends.take(now, payload_bytes + HEADERS_BYTES) {
            return None;
        }
        let number = awaited.next();
        let how = out.send(*key, |bytes| {
            let start = bytes.len();
            let how = feed.write_again(now, bytes, sequence, number)?;
            match how {
                Repetition::Wrapped => sealer.seal_rtp(bytes, start).ok()?,
                Repetition::Same => sealer.reseal_rtp(bytes, start).ok()?,
            }
            Some(how)
        })?;
        if how == Repetition::Wrapped {
            feed.repeated(sequence, number);
            if feed.is_numbered() {
                let (line, bytes) = (line as u16, (payload_bytes + HEADERS_BYTES) as u16);
                awaited.sent(Numbered { line, sequence, mark: None, at: now, bytes });
            }
        }
        Some(())
    }

    /// A listener can't go on without a key frame.
    fn keyframe_wanted(&mut self, side: Side, media_ssrc: u32) {
        let (Some(to), Some(from)) = pair(&mut self.connections, side) else { return };
        let line = to.lines.iter().find(|line| line.feed.ssrc() == media_ssrc);
        if let Some(source) = line.and_then(|line| line.source) {
            from.up.lines[source].track.want_keyframe();
        }
    }

    fn bye(&mut self, side: Side, ssrc: u32) {
        if let Some(from) = &mut self.connections[side.index()] {
            from.up.lines.iter_mut().for_each(|line| line.track.bye(ssrc));
        }
    }
}
