//! What a member's RTCP tells, and what follows from it.

use super::Group;
use super::member::{Downlink, Hears, Member};
use crate::rtcp::{self, Packet, ReportBlock};
use crate::rtp::{FIRST, Place, Template};
use crate::{Outbox, Refused};
use units::MonotonicUs;

/// What a repetition weighs besides its payload; see the same of calls.
const HEADERS_BYTES: usize = 80;

impl Group {
    /// Takes an SRTCP packet from a member's client.
    pub(super) fn control(
        &mut self,
        now: MonotonicUs,
        seat: u32,
        datagram: &mut [u8],
        out: &mut Outbox,
    ) {
        let Some(from) = self.member_mut(seat) else { return };
        let Some(len) = from.up.open_control(now, datagram, out) else { return };
        self.heard(now, seat, out);
        let Some(packets) = rtcp::packets(&datagram[..len]) else {
            return out.refuse(Refused::Malformed);
        };
        for packet in packets {
            match packet {
                Packet::SenderReport { ssrc, ntp, rtp_timestamp, blocks } => {
                    self.sender_report(now, seat, (ssrc, ntp, rtp_timestamp), out);
                    blocks.iter().for_each(|block| self.received(seat, &block));
                }
                Packet::ReceiverReport { blocks } => {
                    blocks.iter().for_each(|block| self.received(seat, &block));
                }
                Packet::Nack { media, lost } => {
                    for sequence in lost.sequences() {
                        self.repeat(now, seat, media, sequence, out);
                    }
                }
                Packet::KeyframeWanted { media } => {
                    let hears = self.downlink_of(seat, media).and_then(|downlink| downlink.hears);
                    if let Some(Hears { broadcast, .. }) = hears {
                        self.want_keyframe(now, broadcast, out);
                    }
                }
                Packet::Bye { ssrcs } => {
                    let Some(from) = self.member_mut(seat) else { return };
                    for ssrc in ssrcs.iter() {
                        from.up.lines.iter_mut().for_each(|line| line.track.bye(ssrc));
                    }
                }
                Packet::TransportFeedback(_) | Packet::Other => {}
            }
        }
    }

    /// A listener reports on what we sent: it knows our SSRC.
    fn received(&mut self, seat: u32, block: &ReportBlock) {
        let Some(downlink) = self.downlink_of(seat, block.ssrc) else { return };
        if std::mem::replace(&mut downlink.introduced, true) {
            return;
        }
        let template = downlink.template();
        let Some(Hears { broadcast, at }) = downlink.hears else { return };
        let broadcast = self.broadcasts[broadcast].as_mut();
        if let Some(feed) = broadcast.and_then(|broadcast| broadcast.feed_mut(at)) {
            feed.template = template;
        }
    }

    /// Passes a publisher's sender report on, with each listener's timestamps and counts.
    fn sender_report(
        &mut self,
        now: MonotonicUs,
        seat: u32,
        (ssrc, ntp, rtp_timestamp): (u32, u64, u32),
        out: &mut Outbox,
    ) -> Option<()> {
        let from = self.member_mut(seat)?;
        let mut lines = from.up.lines.iter_mut();
        let line = lines.position(|line| line.track.sender_report(now, ssrc, ntp))?;
        let epoch = from.up.lines[line].track.epoch();
        let broadcast = from.downlinks[line].publishes?;
        let broadcast = self.broadcasts[broadcast].as_mut()?;
        let timestamp = broadcast.sender_report(now, epoch, rtp_timestamp)?;
        for feed in broadcast.feeds().iter().filter(|feed| feed.has_begun()) {
            let listener = feed.listener();
            let Some(to) = self.members[listener.seat as usize].as_mut() else { continue };
            let ours = to.downlinks[listener.line].spec.ssrc;
            out.send(to.leg, |bytes| {
                let timestamp = feed.timestamp(timestamp);
                rtcp::sender_report(bytes, ours, ntp, timestamp, feed.packets, feed.octets);
                to.sealer.seal_rtcp(bytes, 0).ok()
            });
        }
        Some(())
    }

    /// Repeats a packet that a listener has lost on its RTX stream (RFC 4588), if it has one, the
    /// packet is still there and the listener has not asked for too much.
    ///
    /// Without RTX a repetition had to be the very same bytes, and what was in them is not kept for
    /// each listener: such a client asks for a key frame.
    fn repeat(
        &mut self,
        now: MonotonicUs,
        seat: u32,
        media_ssrc: u32,
        sequence: u16,
        out: &mut Outbox,
    ) -> Option<()> {
        let to = self.members.get_mut(seat as usize)?.as_mut()?;
        let Member { leg, next_number, sealer, downlinks, resends, .. } = to;
        let downlink = downlinks.iter().find(|downlink| downlink.spec.ssrc == media_ssrc)?;
        let Downlink { spec, hears, introduced, .. } = downlink;
        let (payload_type, ssrc) = (spec.rtx_payload_type?, spec.rtx_ssrc?);
        let Hears { broadcast, at } = (*hears)?;
        let broadcast = self.broadcasts[broadcast].as_ref()?;
        let feed = broadcast.feed(at)?;
        let highest = sealer.highest_index(spec.ssrc)?;
        let index = highest.checked_sub((highest as u16).wrapping_sub(sequence).into())?;
        let media = broadcast.kept(now, feed.original(index)?)?;
        if !resends.take(now, media.payload.len() + HEADERS_BYTES) {
            return None;
        }
        let place = Place {
            index: sealer.highest_index(ssrc).map_or(FIRST, |used| used + 1),
            timestamp: feed.timestamp(media.timestamp),
        };
        let template = Template::new(spec, payload_type, ssrc, !introduced);
        let header = template.header(&media, place, *next_number);
        out.send(*leg, |bytes| {
            bytes.extend_from_slice(header.as_slice());
            bytes.extend_from_slice(&sequence.to_be_bytes());
            bytes.extend_from_slice(media.payload);
            sealer.seal_rtp(bytes, 0).ok()
        })?;
        if spec.extensions.transport_sequence.is_some() {
            *next_number = next_number.wrapping_add(1);
        }
        Some(())
    }

    fn downlink_of(&mut self, seat: u32, ssrc: u32) -> Option<&mut Downlink> {
        let member = self.member_mut(seat)?;
        member.downlinks.iter_mut().find(|downlink| downlink.spec.ssrc == ssrc)
    }
}
