//! What one client receives on one m-line.

use super::sent::{Sent, SentPackets};
use crate::evidence::{Content, GAP_MAX_US, Mark};
use crate::rtcp::ReportBlock;
use crate::rtp::{HeaderBytes, Media, Place, Rewriter, Template};
use crate::srtp::{Sealer, Stream};
use crate::upstream::Accepted;
use crate::{Limits, MediaKind, MediaLine};
use units::{ElapsedMs, MonotonicUs};

/// The first sequence number of retransmissions; see the same of media in `rewrite.rs`.
const RTX_FIRST: u64 = 4_096;

/// The shortest time between two sender reports that are passed on; browsers send one or two a
/// second. Without a bound one compound of a publisher would become dozens of datagrams.
const SENDER_REPORT_EVERY: ElapsedMs = ElapsedMs(50);

/// RFC 6464: the low 7 bits are the level in -dBov; the highest bit tells voice.
const LEVEL_BITS: u8 = 0x7f;

/// The level from which sound is silence: -100 dBov is below the last bit of 16, so that only a
/// muted or missing microphone gives it (browsers say 127). A lower one would take a quiet room for
/// silence; a higher one would let through what clients with dither send while muted.
const SILENT_LEVEL: u8 = 100;

/// An Opus packet of this length carries no sound.
const EMPTY_OPUS_BYTES: usize = 2;

/// A client's incoming media on one line.
#[derive(Debug)]
pub(super) struct Feed {
    line: MediaLine,
    stream: Stream,
    template: Template,
    rewriter: Rewriter,
    /// The latest packets, where they are ever looked up.
    sent: Option<SentPackets>,
    highest: u64,
    rtx_next: u16,
    packets: u32,
    octets: u32,
    /// Before then no sender report is passed on.
    next_sender_report: MonotonicUs,
    /// Whether the client has yet to learn which line our SSRC belongs to. Its first report on it
    /// shows that it has.
    introduce: bool,
    /// The highest index and the loss of the last receiver report.
    reported: Option<(u64, i32)>,
    lost: i32,
}

impl Feed {
    /// A feed that goes on where the sealer's streams are.
    pub(super) fn new(line: &MediaLine, limits: &Limits, sealer: &mut Sealer) -> Self {
        let stream = sealer.stream(line.ssrc);
        let used = |ssrc| sealer.highest_index(ssrc);
        let rtx_next = line.rtx_ssrc.and_then(used).map_or(RTX_FIRST, |used| used + 1) as u16;
        let repeatable = line.codec.kind() == MediaKind::Video;
        let looked_up = line.client_receives && (repeatable || !is_confirmed_by_number(line));
        Self {
            line: *line,
            stream,
            template: Template::new(line, line.payload_type, line.ssrc, true),
            rewriter: Rewriter::new(line.clock_hz, used(line.ssrc)),
            sent: looked_up.then(|| SentPackets::new(limits, repeatable)),
            highest: 0,
            rtx_next,
            packets: 0,
            octets: 0,
            next_sender_report: MonotonicUs(0),
            introduce: true,
            reported: None,
            lost: 0,
        }
    }

    /// What was negotiated.
    pub(super) const fn line(&self) -> &MediaLine {
        &self.line
    }

    /// Its stream of the sealer.
    pub(super) const fn stream(&self) -> Stream {
        self.stream
    }

    pub(super) const fn ssrc(&self) -> u32 {
        self.line.ssrc
    }

    /// Whether packets carry a transport-wide number.
    pub(super) const fn is_numbered(&self) -> bool {
        self.line.extensions.transport_sequence.is_some()
    }

    /// Whether the client confirms each packet by transport-wide feedback; else receiver reports
    /// are all there is.
    pub(super) const fn is_confirmed_by_number(&self) -> bool {
        is_confirmed_by_number(&self.line)
    }

    /// Where a packet goes in this feed. A repaired one has no place in a feed that
    /// begins or goes on with it: nothing before it was sent, so nothing is missing there.
    pub(super) fn place(&mut self, now: MonotonicUs, packet: &Accepted<'_>) -> Option<Place> {
        let media = &packet.media;
        if packet.repaired && !self.rewriter.follows(packet.epoch) {
            return None;
        }
        self.rewriter.place(now, packet.epoch, media.index, media.timestamp)
    }

    /// The header of a packet.
    pub(super) fn header(&self, media: &Media<'_>, place: Place, transport: u16) -> HeaderBytes {
        self.template.header(media, place, transport)
    }

    /// What a packet carries, as evidence.
    pub(super) fn content(&self, media: &Media<'_>, place: Place) -> Content {
        match self.line.codec.kind() {
            MediaKind::Video => Content::Picture { frame: place.timestamp },
            MediaKind::Audio if is_silent(media) => Content::Silence,
            MediaKind::Audio => Content::Sound,
        }
    }

    /// Notes a packet that was sent.
    pub(super) fn sent(
        &mut self,
        now: MonotonicUs,
        place: Place,
        transport_sequence: u16,
        media: &Media<'_>,
        mark: Option<Mark>,
    ) {
        if let Some(packets) = &mut self.sent {
            let sent = Sent {
                timestamp: place.timestamp,
                transport_sequence,
                marker: media.marker,
                with_mid: self.introduce,
                mark,
            };
            packets.note(now, place.index, sent, media.payload);
        }
        self.highest = self.highest.max(place.index);
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(media.payload.len() as u32);
    }

    /// The client has the packet of this sequence number that had this transport-wide one.
    pub(super) fn arrived(&mut self, sequence: u16, transport_sequence: u16) {
        let index = self.index_of(sequence).filter(|_| self.is_confirmed_by_number());
        if let (Some(packets), Some(index)) = (&mut self.sent, index) {
            packets.arrived(index, transport_sequence);
        }
    }

    /// Leaves out a packet that is not forwarded.
    pub(super) fn skip(&mut self, packet: &Accepted<'_>) {
        self.rewriter.skip(packet.epoch, packet.media.index);
    }

    /// Goes on without a gap after a time in which nothing was forwarded.
    pub(super) fn restart(&mut self) {
        self.rewriter.restart();
    }

    /// The length of the payload of a packet that may be sent again.
    pub(super) fn lost_bytes(&self, now: MonotonicUs, sequence: u16) -> Option<usize> {
        let (_, payload) = self.sent.as_ref()?.lost(now, self.index_of(sequence)?)?;
        Some(payload.len())
    }

    /// Writes a packet that is sent again: on the RTX stream (RFC 4588), if there is one.
    pub(super) fn write_again(
        &self,
        now: MonotonicUs,
        bytes: &mut Vec<u8>,
        sequence: u16,
        transport_sequence: u16,
    ) -> Option<Repetition> {
        let line = &self.line;
        let index = self.index_of(sequence)?;
        let (sent, payload) = self.sent.as_ref()?.lost(now, index)?;
        let Sent { timestamp, marker, .. } = *sent;
        let media = Media { index, marker, timestamp, audio_level: None, payload };
        let mut place = Place { index, timestamp };
        if let (Some(payload_type), Some(ssrc)) = (line.rtx_payload_type, line.rtx_ssrc) {
            place.index = self.rtx_next.into();
            let template = Template::new(line, payload_type, ssrc, self.introduce);
            let header = template.header(&media, place, transport_sequence);
            bytes.extend_from_slice(header.as_slice());
            bytes.extend_from_slice(&sequence.to_be_bytes());
            bytes.extend_from_slice(payload);
            return Some(Repetition::Wrapped);
        }
        let template = Template::new(line, line.payload_type, line.ssrc, sent.with_mid);
        let header = template.header(&media, place, sent.transport_sequence);
        bytes.extend_from_slice(header.as_slice());
        bytes.extend_from_slice(payload);
        Some(Repetition::Same)
    }

    /// Notes that a wrapped repetition was sent.
    pub(super) fn repeated(&mut self, sequence: u16, transport_sequence: u16) {
        self.rtx_next = self.rtx_next.wrapping_add(1);
        let index = self.index_of(sequence);
        if let (Some(packets), Some(index)) = (&mut self.sent, index) {
            packets.sent_again(index, transport_sequence);
        }
    }

    /// The sender report that belongs to a publisher's: its RTP timestamp in this feed, packets and
    /// octets sent. `None` if the feed has nothing of that source, or has passed one on just now.
    pub(super) fn sender_report(
        &mut self,
        now: MonotonicUs,
        epoch: u64,
        timestamp: u32,
    ) -> Option<(u32, u32, u32)> {
        let offset =
            self.rewriter.timestamp_offset(epoch).filter(|_| self.next_sender_report <= now)?;
        self.next_sender_report = now + SENDER_REPORT_EVERY;
        Some((timestamp.wrapping_add(offset), self.packets, self.octets))
    }

    /// Takes a receiver report on this feed; returns how many packets more are lost than in every
    /// report before.
    pub(super) fn lost_more(&mut self, block: &ReportBlock) -> u64 {
        if std::mem::replace(&mut self.introduce, false) {
            self.template =
                Template::new(&self.line, self.line.payload_type, self.line.ssrc, false);
        }
        let more = block.lost.saturating_sub(self.lost).max(0);
        self.lost += more;
        more.unsigned_abs().into()
    }

    /// The marks of the packets that a receiver report proves to have arrived, in ascending order.
    ///
    /// The highest one has arrived. If none was lost since the report before, all between have. If
    /// some were, it isn't said which: but where not even that many in a row could have made a gap
    /// longer than [`GAP_MAX_US`], it makes no difference to the media time, and all are taken.
    pub(super) fn proven_by(&mut self, block: &ReportBlock) -> Vec<Mark> {
        let newest = self.index_of(block.highest as u16);
        let Some((packets, newest)) = self.sent.as_mut().zip(newest) else { return Vec::new() };
        let Some(sent) = packets.get(newest) else { return Vec::new() };
        let before = self.reported.replace((newest, block.lost));
        let latest = sent.mark.into_iter().collect();
        let Some((reported, lost)) = before else { return latest };
        if newest <= reported {
            self.reported = Some((reported, lost.max(block.lost)));
            return Vec::new();
        }
        if packets.get(reported).is_none() {
            return latest;
        }
        let sent: Vec<_> = (reported..=newest).filter_map(|index| packets.get(index)).collect();
        // Indexes that were never sent, because the publisher's packet was lost, count as lost too.
        let unsent = newest - reported + 1 - sent.len() as u64;
        let lost = u64::from(block.lost.saturating_sub(lost).max(0).unsigned_abs());
        let lost = lost.saturating_sub(unsent) as usize;
        let marks: Vec<_> = sent.iter().filter_map(|sent| sent.mark).collect();
        let harmless = marks
            .windows((lost + 2).min(marks.len().max(1)))
            .all(|row| row[row.len() - 1].moment().us_since(row[0].moment()) <= GAP_MAX_US);
        if lost == 0 {
            packets.arrived_below(newest);
        }
        if lost == 0 || harmless { marks } else { latest }
    }

    /// The latest index with this sequence number.
    fn index_of(&self, sequence: u16) -> Option<u64> {
        let back = u64::from((self.highest as u16).wrapping_sub(sequence));
        self.highest.checked_sub(back)
    }
}

/// Whether nobody can hear a packet of audio: by its level, or, where the client does not tell
/// levels, because there is no more in it than the head of an Opus packet (RFC 6716 section 3.1).
fn is_silent(media: &Media<'_>) -> bool {
    match media.audio_level {
        Some(level) => level & LEVEL_BITS >= SILENT_LEVEL,
        None => media.payload.len() <= EMPTY_OPUS_BYTES,
    }
}

const fn is_confirmed_by_number(line: &MediaLine) -> bool {
    line.extensions.transport_sequence.is_some() && line.transport_cc
}

/// How a packet is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repetition {
    /// As a new packet of the RTX stream (RFC 4588).
    Wrapped,
    /// As the very same bytes.
    Same,
}
