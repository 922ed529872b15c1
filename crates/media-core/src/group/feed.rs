//! What is different in one listener's copy of a broadcast: two cache lines, beside its keys.

use super::Spot;
use super::member::{Downlink, Member};
use crate::rtp::{FIRST, Media, Place, Template};
use crate::srtp::Stream;
use crate::{MediaKind, MediaLine, Outbox};
use units::MonotonicUs;

/// A listener's copy of a broadcast. Everything that forwarding a packet needs, and nothing else.
#[derive(Debug)]
pub(super) struct Feed {
    /// The first of the broadcast's indexes that the listener was sent; the highest number there is
    /// until then.
    from: u64,
    /// What is subtracted from the broadcast's indexes, modulo 2^64.
    shift: u64,
    /// What is added to the broadcast's timestamps.
    timestamp_offset: u32,
    seat: u32,
    line: u32,
    stream: Stream,
    pub(super) packets: u32,
    pub(super) octets: u32,
    numbered: bool,
    /// Begins with a key frame.
    video: bool,
    pub(super) template: Template,
}

/// A packet as all listeners get it.
#[derive(Clone, Copy)]
pub(super) struct Copied<'a> {
    pub(super) now: MonotonicUs,
    /// Its index and timestamp are the broadcast's.
    pub(super) media: Media<'a>,
    /// Whether a feed of video may begin with it.
    pub(super) begins: bool,
}

impl Feed {
    /// A feed that has yet to begin.
    pub(super) fn new(listener: Spot, downlink: &Downlink) -> Self {
        let spec: &MediaLine = &downlink.spec;
        Self {
            from: u64::MAX,
            shift: 0,
            timestamp_offset: 0,
            seat: listener.seat,
            line: listener.line as u32,
            stream: downlink.stream,
            packets: 0,
            octets: 0,
            numbered: spec.extensions.transport_sequence.is_some(),
            video: spec.codec.kind() == MediaKind::Video,
            template: downlink.template(),
        }
    }

    pub(super) const fn listener(&self) -> Spot {
        Spot { seat: self.seat, line: self.line as usize }
    }

    /// Whether the listener was sent anything of it.
    pub(super) const fn has_begun(&self) -> bool {
        self.from != u64::MAX
    }

    /// Sends a packet to its listener, one of `members`. What came before the feed began is not for
    /// it.
    pub(super) fn send(
        &mut self,
        packet: &Copied<'_>,
        members: &mut [Option<Member>],
        out: &mut Outbox,
    ) -> Option<()> {
        let media = &packet.media;
        let member = members[self.seat as usize].as_mut()?;
        if media.index < self.from {
            if self.has_begun() || (self.video && !packet.begins) {
                return None;
            }
            self.begin(packet, member);
        }
        let index = media.index.wrapping_sub(self.shift);
        let claim = member.sealer.claim(self.stream, index).ok()?;
        let place = Place { index, timestamp: self.timestamp(media.timestamp) };
        let header = self.template.header(media, place, member.next_number);
        let header = header.as_slice();
        let len = header.len() + media.payload.len() + member.sealer.tag_len();
        out.place(member.leg, len, |bytes| {
            member.sealer.seal_rtp_to(bytes, claim, header, media.payload);
        });
        member.next_number = member.next_number.wrapping_add(self.numbered.into());
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(media.payload.len() as u32);
        Some(())
    }

    /// The broadcast's index of what the listener was sent under an index of its own.
    pub(super) fn original(&self, index: u64) -> Option<u64> {
        let original = index.wrapping_add(self.shift);
        (self.has_begun() && original >= self.from).then_some(original)
    }

    /// What a timestamp of the broadcast is to the listener.
    pub(super) const fn timestamp(&self, timestamp: u32) -> u32 {
        timestamp.wrapping_add(self.timestamp_offset)
    }

    /// Begins with a packet: behind all that the line's SSRC has carried with this key, and at the
    /// time that has passed since.
    #[cold]
    fn begin(&mut self, packet: &Copied<'_>, member: &Member) {
        let downlink = &member.downlinks[self.line as usize];
        let media = &packet.media;
        let next = member.sealer.highest_index(downlink.spec.ssrc).map_or(FIRST, |used| used + 1);
        self.from = media.index;
        self.shift = media.index.wrapping_sub(next);
        self.timestamp_offset = downlink.ended.map_or(0, |(last, at)| {
            let us = u128::from(packet.now.us_since(at));
            let passed = us * u128::from(downlink.spec.clock_hz) / 1_000_000;
            last.wrapping_add((passed as u32).max(1)).wrapping_sub(media.timestamp)
        });
    }
}
