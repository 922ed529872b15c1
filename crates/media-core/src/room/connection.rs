//! One client's connection: its keys, its lines, and what is known of its packets.

use super::arrivals::Arrivals;
use super::awaited::Awaited;
use super::feed::Feed;
use super::track::{Accepted, Track};
use crate::rtp::Header;
use crate::srtp::{Role, SrtpContext};
use crate::token_bucket::TokenBucket;
use crate::{LegKey, Limits, MediaLine, NegotiatedLeg, Outbox, rtcp};
use units::MonotonicUs;

/// An m-line in use.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) spec: MediaLine,
    pub(super) track: Track,
    pub(super) feed: Feed,
    /// The other side's line that this track is forwarded to.
    pub(super) sink: Option<usize>,
    /// The other side's line whose track is forwarded to this feed.
    pub(super) source: Option<usize>,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) key: LegKey,
    negotiated: NegotiatedLeg,
    /// Whether a packet of the client has been opened, so that it has its keys and can open ours:
    /// the server's end of a DTLS handshake is done before the client's.
    pub(super) ready: bool,
    pub(super) srtp: SrtpContext,
    pub(super) lines: Vec<Line>,
    /// SSRCs that a track was sent from before. As many as the opener admits, at most.
    retired: Vec<u32>,
    pub(super) arrivals: Arrivals,
    pub(super) awaited: Awaited,
    pub(super) resends: TokenBucket,
}

impl Connection {
    /// The connection that a leg has after a join: a new one in place of `before`, or `before`
    /// still if `negotiated` is the same or lacks keys. Sources are counted from `first_epoch` on,
    /// above those of every connection before.
    pub(super) fn new(
        key: LegKey,
        negotiated: NegotiatedLeg,
        (limits, first_epoch): (&Limits, u64),
        before: Option<Self>,
    ) -> Option<Self> {
        let same_keys = |before: &Self| {
            before.negotiated.keying_material == negotiated.keying_material
                && before.negotiated.profile == negotiated.profile
        };
        let (ready, mut srtp, retired, arrivals, awaited) = match before {
            Some(before) if before.negotiated == negotiated => return Some(before),
            // An index must not be sealed twice with one key, nor a number be given twice.
            Some(before) if same_keys(&before) => {
                (before.ready, before.srtp, before.retired, before.arrivals, before.awaited)
            }
            Some(_) | None => {
                let material = &negotiated.keying_material;
                let streams = limits.inbound_ssrcs;
                match SrtpContext::new(negotiated.profile, material, Role::Server, streams) {
                    Ok(srtp) => {
                        let awaited = Awaited::new(limits.awaited_packets);
                        (false, srtp, Vec::new(), Arrivals::default(), awaited)
                    }
                    Err(_) => return before,
                }
            }
        };
        let mut line = |spec: &MediaLine| Line {
            spec: *spec,
            track: Track::new(spec, first_epoch, limits),
            feed: Feed::new(spec, limits, &mut srtp.sealer),
            sink: None,
            source: None,
        };
        let lines = negotiated.lines.iter().map(&mut line).collect();
        let resends = TokenBucket::new(limits.resend_bytes_per_s, limits.resend_burst_bytes);
        Some(Self { key, negotiated, ready, srtp, lines, retired, arrivals, awaited, resends })
    }

    /// Takes in an opened RTP packet: notes its arrival, and finds its track.
    pub(super) fn take_in<'a>(
        &mut self,
        now: MonotonicUs,
        packet: &'a [u8],
    ) -> Option<(usize, Accepted<'a>)> {
        let header = Header::parse(packet)?;
        let found = self.line_of(&header, packet);
        let line = found.or(self.lines.first().map(|_| 0))?;
        let ids = self.lines[line].spec.extensions;
        let mut audio_level = None;
        for (id, data) in header.extensions(packet) {
            match data {
                [high, low] if ids.transport_sequence == Some(id) => {
                    self.arrivals.note(now, u16::from_be_bytes([*high, *low]));
                }
                [level] if ids.audio_level == Some(id) => audio_level = Some(*level),
                _ => {}
            }
        }
        let line = found?;
        let payload = header.payload(packet)?;
        let spec = &self.lines[line].spec;
        if spec.payload_type != header.payload_type {
            return Some((line, self.lines[line].track.repair(now, &header, payload)?));
        }
        let current = self.lines[line].track.ssrc();
        if current != Some(header.ssrc) {
            let elsewhere = self.lines.iter().any(|line| line.track.ssrc() == Some(header.ssrc));
            if elsewhere || self.retired.contains(&header.ssrc) {
                return None;
            }
            self.retired.extend(current);
        }
        Some((line, self.lines[line].track.packet(now, &header, audio_level, payload)?))
    }

    /// The line on which the client sends this payload type; its mid decides where there are
    /// several.
    fn line_of(&self, header: &Header, packet: &[u8]) -> Option<usize> {
        let sends = |line: &&Line| {
            let spec = &line.spec;
            let media = spec.payload_type == header.payload_type;
            spec.client_sends && (media || spec.rtx_payload_type == Some(header.payload_type))
        };
        let named = |line: &Line| {
            header.extensions(packet).any(|(id, data)| {
                line.spec.extensions.mid == Some(id) && line.spec.mid.as_bytes() == data
            })
        };
        let fits = self.lines.iter().enumerate().filter(|(_, line)| sends(line));
        let mut first = None;
        for (at, line) in fits {
            if named(line) {
                return Some(at);
            }
            first = first.or(Some(at));
        }
        first
    }

    /// Asks the client for whatever is due: missing packets, key frames.
    pub(super) fn ask(&mut self, now: MonotonicUs, out: &mut Outbox) {
        let ours = self.reporter();
        let sealer = &mut self.srtp.sealer;
        for line in &mut self.lines {
            if line.track.due().is_none_or(|due| due > now) {
                continue;
            }
            let Some(media) = line.track.live_ssrc() else { continue };
            let missing = line.track.ask_missing(now);
            let keyframe = line.track.ask_keyframe(now);
            if missing.is_empty() && !keyframe {
                continue;
            }
            out.send(self.key, |bytes| {
                let start = bytes.len();
                if !missing.is_empty() {
                    rtcp::nack(bytes, ours, media, &missing);
                }
                if keyframe {
                    rtcp::pli(bytes, ours, media);
                }
                sealer.seal_rtcp(bytes, start).ok()
            });
        }
    }

    /// Tells the client which of its packets have arrived.
    pub(super) fn tell_arrivals(&mut self, out: &mut Outbox) {
        let media = self.lines.iter().find_map(|line| line.track.ssrc()).unwrap_or(0);
        let ssrcs = (self.reporter(), media);
        let (arrivals, sealer) = (&mut self.arrivals, &mut self.srtp.sealer);
        let mut report = || {
            out.send(self.key, |bytes| {
                let start = bytes.len();
                let any = arrivals.report(bytes, ssrcs);
                any.then(|| sealer.seal_rtcp(bytes, start).ok()).flatten()
            })
        };
        while report().is_some() {}
    }

    /// Tells the client how its media is received.
    pub(super) fn tell_reception(&mut self, now: MonotonicUs, out: &mut Outbox) {
        let ours = self.reporter();
        let blocks: Vec<_> =
            self.lines.iter_mut().filter_map(|line| line.track.report(now)).collect();
        if blocks.is_empty() {
            return;
        }
        out.send(self.key, |bytes| {
            let start = bytes.len();
            rtcp::receiver_report(bytes, ours, &blocks);
            self.srtp.sealer.seal_rtcp(bytes, start).ok()
        });
    }

    /// Wants a key frame of every video that the client sends.
    pub(super) fn want_keyframes(&mut self) {
        for line in &mut self.lines {
            line.track.want_keyframe();
        }
    }

    /// The other side can open what this client sends from now on.
    pub(super) fn listener_ready(&mut self) {
        for line in &mut self.lines {
            line.track.listener_ready();
        }
    }

    /// When the client is to be asked or told something, apart from the reports each second.
    pub(super) fn due(&self) -> Option<MonotonicUs> {
        let tracks = self.lines.iter().filter_map(|line| line.track.due());
        tracks.chain(self.arrivals.due()).min()
    }

    /// The SSRC that we report from.
    fn reporter(&self) -> u32 {
        self.lines.first().map_or(1, |line| line.spec.ssrc)
    }
}

/// Connects each sending line of `from` with the receiving line of `to` that has the same codec and
/// the same place among such lines.
pub(super) fn connect(from: &mut [Line], to: &mut [Line]) {
    for line in from.iter_mut() {
        line.sink = None;
    }
    for line in to.iter_mut() {
        line.source = None;
    }
    for (at, line) in from.iter_mut().enumerate().filter(|(_, line)| line.spec.client_sends) {
        let codec = line.spec.codec;
        let free = |(_, sink): &(usize, &mut Line)| {
            sink.spec.client_receives && sink.spec.codec == codec && sink.source.is_none()
        };
        if let Some((sink, feed)) = to.iter_mut().enumerate().find(free) {
            line.sink = Some(sink);
            feed.source = Some(at);
        }
    }
}
