//! What one client sends: its lines, the sources on them, and what it is asked and told of them.

mod arrivals;
mod keyframe_request;
mod missing;
mod track;

pub(crate) use track::{Accepted, Track};

use crate::outbox::Address;
use crate::rtp::Header;
use crate::srtp::{Opener, Sealer};
use crate::token_bucket::TokenBucket;
use crate::{Limits, MediaKind, MediaLine, Outbox, Refused, rtcp};
use arrivals::Arrivals;
use units::{ElapsedMs, MonotonicUs};

/// What a datagram weighs besides its bytes: headers of IP and UDP, and about as much work as it
/// takes to open it.
const DATAGRAM_BYTES: usize = 64;

/// How often a limit is told that has not become less: what was told may be lost, and what grows
/// is not urgent.
const TOLD_EVERY: ElapsedMs = ElapsedMs(1_000);

/// By what part a limit must be less to be told at once.
const LESS_BY_NTH: u64 = 32;

/// What is told when there is no limit any more, in bit/s: more than anybody sends.
const UNLIMITED_BPS: u64 = 1_000_000_000;

/// An m-line, as far as the client sends on it.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) spec: MediaLine,
    pub(crate) track: Track,
}

/// One client's way to us.
#[derive(Debug)]
pub(crate) struct Upstream {
    address: Address,
    opener: Opener,
    /// RTCP that may still come.
    control: TokenBucket,
    /// Whether a packet of the client has been opened, so that it has its keys and can open ours:
    /// the server's end of a DTLS handshake is done before the client's.
    pub(crate) ready: bool,
    pub(crate) lines: Vec<Line>,
    /// SSRCs that a track was sent from before. As many as the opener admits, at most.
    retired: Vec<u32>,
    arrivals: Arrivals,
    told_limit: Option<(u64, MonotonicUs)>,
}

fn sends_video(lines: &[Line]) -> bool {
    let video = |line: &Line| line.spec.codec.kind() == MediaKind::Video && line.spec.client_sends;
    lines.iter().any(video)
}

impl Upstream {
    /// The way of a client that nothing has come from yet.
    pub(crate) fn new(address: Address, opener: Opener, lines: Vec<Line>, limits: &Limits) -> Self {
        let control = TokenBucket::new(limits.control_bytes_per_s, limits.control_burst_bytes);
        let (retired, arrivals) = (Vec::new(), Arrivals::new(sends_video(&lines)));
        Self { address, opener, control, ready: false, lines, retired, arrivals, told_limit: None }
    }

    /// Opens an SRTP packet in place; returns the length of the RTP packet in it. One that is of no
    /// use is refused.
    pub(crate) fn open_media(&mut self, datagram: &mut [u8], out: &mut Outbox) -> Option<usize> {
        self.opener.open_rtp(datagram).map_err(|error| out.refuse(error.into())).ok()
    }

    /// Opens an SRTCP packet in place; returns the length of the compound in it. One that is of no
    /// use, or too much, is refused.
    pub(crate) fn open_control(
        &mut self,
        now: MonotonicUs,
        datagram: &mut [u8],
        out: &mut Outbox,
    ) -> Option<usize> {
        let len = self.opener.open_rtcp(datagram).map_err(|error| out.refuse(error.into())).ok()?;
        // Only now: a forger must not use up what is its victim's.
        if self.control.take(now, datagram.len() + DATAGRAM_BYTES) {
            return Some(len);
        }
        out.refuse(Refused::OverRate);
        None
    }

    /// The same client's way, over other lines.
    pub(crate) fn with_lines(self, lines: Vec<Line>) -> Self {
        let mut next = Self { lines, ..self };
        next.arrivals.sends(sends_video(&next.lines));
        next
    }

    /// Takes in an opened RTP packet: notes its arrival, and finds its track.
    pub(crate) fn take_in<'a>(
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
            return Some((line, self.lines[line].track.repair(&header, payload)?));
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
    pub(crate) fn ask(&mut self, now: MonotonicUs, sealer: &mut Sealer, out: &mut Outbox) {
        let ours = self.reporter();
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
            out.send(self.address, |bytes| {
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

    /// Tells the client which of its packets have arrived, if that is due.
    pub(crate) fn tell_arrivals(
        &mut self,
        now: MonotonicUs,
        sealer: &mut Sealer,
        out: &mut Outbox,
    ) {
        if self.arrivals.due().is_none_or(|due| due > now) {
            return;
        }
        let media = self.lines.iter().find_map(|line| line.track.ssrc()).unwrap_or(0);
        let ssrcs = (self.reporter(), media);
        let arrivals = &mut self.arrivals;
        let mut report = || {
            out.send(self.address, |bytes| {
                let start = bytes.len();
                let any = arrivals.report(bytes, ssrcs);
                any.then(|| sealer.seal_rtcp(bytes, start).ok()).flatten()
            })
        };
        while report().is_some() {}
    }

    /// Tells the client how its media is received.
    pub(crate) fn tell_reception(
        &mut self,
        now: MonotonicUs,
        sealer: &mut Sealer,
        out: &mut Outbox,
    ) {
        let ours = self.reporter();
        let blocks: Vec<_> =
            self.lines.iter_mut().filter_map(|line| line.track.report(now)).collect();
        if blocks.is_empty() {
            return;
        }
        out.send(self.address, |bytes| {
            let start = bytes.len();
            rtcp::receiver_report(bytes, ours, &blocks);
            sealer.seal_rtcp(bytes, start).ok()
        });
    }

    /// Tells the client to send at most so much, in bit/s, where the way to whoever hears it carries
    /// no more: at once if it is less than before, else once a second, since reports get lost.
    pub(crate) fn tell_limit(
        &mut self,
        now: MonotonicUs,
        limit_bps: Option<u64>,
        sealer: &mut Sealer,
        out: &mut Outbox,
    ) {
        let due = match (self.told_limit, limit_bps) {
            (None, None) => false,
            (None, Some(_)) | (Some(_), None) => true,
            (Some((told, at)), Some(limit)) => {
                limit < told - told / LESS_BY_NTH || now >= at + TOLD_EVERY
            }
        };
        if !due {
            return;
        }
        let heeds = self.lines.iter().filter(|line| line.spec.remb);
        let ssrcs: Vec<u32> = heeds.filter_map(|line| line.track.live_ssrc()).collect();
        if ssrcs.is_empty() {
            return;
        }
        self.told_limit = limit_bps.map(|limit| (limit, now));
        let ours = self.reporter();
        out.send(self.address, |bytes| {
            let start = bytes.len();
            rtcp::remb(bytes, ours, limit_bps.unwrap_or(UNLIMITED_BPS), &ssrcs);
            sealer.seal_rtcp(bytes, start).ok()
        });
    }

    /// Wants a key frame of every video that the client sends.
    pub(crate) fn want_keyframes(&mut self) {
        for line in &mut self.lines {
            line.track.want_keyframe();
        }
    }

    /// The other side can open what this client sends from now on.
    pub(crate) fn listener_ready(&mut self) {
        for line in &mut self.lines {
            line.track.listener_ready();
        }
    }

    /// When the client is to be asked or told something, apart from the reports each second.
    pub(crate) fn due(&self) -> Option<MonotonicUs> {
        let tracks = self.lines.iter().filter_map(|line| line.track.due());
        tracks.chain(self.arrivals.due()).min()
    }

    /// The SSRC that we report from.
    fn reporter(&self) -> u32 {
        self.lines.first().map_or(1, |line| line.spec.ssrc)
    }
}
