//! What one client sends on one m-line.

use super::keyframe_request::KeyframeRequest;
use super::missing::Missing;
use crate::codec::starts_keyframe;
use crate::rtcp::ReportBlock;
use crate::rtp::{Header, Media, Reception};
use crate::window::Window;
use crate::{Codec, MediaKind, MediaLine};
use units::MonotonicUs;

/// Indexes of a track's sources lie this far apart, so that their low 16 bits stay the sequence
/// number.
const SOURCE_STEP: u64 = 1 << 16;

/// A client's outgoing media on one line: its present source, and what repairs it.
#[derive(Debug)]
pub(crate) struct Track {
    codec: Codec,
    clock_hz: u32,
    source: Option<Source>,
    /// Counts the sources.
    epoch: u64,
    /// Lost packets are asked for, and key frames: late audio is of no use.
    repairs: bool,
    missing: Missing,
    keyframe: KeyframeRequest,
}

/// One SSRC that a client sends from.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) ssrc: u32,
    /// What the indexes of this source are counted from: above every earlier source.
    base: u64,
    received: Window,
    reception: Reception,
    /// It has said BYE; its next packet revives it.
    silent: bool,
}

/// A packet that was accepted, to be forwarded if it has a payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accepted<'a> {
    /// The source: higher than that of every source before, in this call.
    pub(crate) epoch: u64,
    pub(crate) media: Media<'a>,
    /// Whether it came as a retransmission.
    pub(crate) repaired: bool,
    /// Whether a key frame begins in it.
    pub(crate) starts_keyframe: bool,
}

impl Track {
    /// A track whose sources are counted from `first_epoch` on.
    pub(crate) fn new(line: &MediaLine, first_epoch: u64) -> Self {
        let video = line.codec.kind() == MediaKind::Video && line.client_sends;
        Self {
            codec: line.codec,
            clock_hz: line.clock_hz,
            source: None,
            epoch: first_epoch,
            repairs: video,
            missing: Missing::default(),
            keyframe: KeyframeRequest::default(),
        }
    }

    /// The SSRC it is being sent from.
    pub(crate) fn ssrc(&self) -> Option<u32> {
        self.source.as_ref().map(|source| source.ssrc)
    }

    /// The same, unless that source has said BYE.
    pub(crate) fn live_ssrc(&self) -> Option<u32> {
        self.source.as_ref().filter(|source| !source.silent).map(|source| source.ssrc)
    }

    pub(crate) const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Takes a packet of the track; one from another SSRC begins a new source. `None` if it was
    /// here before.
    pub(crate) fn packet<'a>(
        &mut self,
        now: MonotonicUs,
        header: &Header,
        audio_level: Option<u8>,
        payload: &'a [u8],
    ) -> Option<Accepted<'a>> {
        if self.ssrc() != Some(header.ssrc) {
            self.begin(header);
        }
        let source = self.source.as_mut()?;
        source.silent = false;
        let index = source.received.estimate(header.sequence)?;
        source.reception.packet(now, index, header.timestamp);
        if !source.received.admits(index) {
            return None;
        }
        let highest = source.received.highest();
        source.received.admit(index);
        if self.repairs {
            self.missing.found(index);
            let mended = highest.is_none_or(|highest| self.missing.add(now, highest + 1, index));
            if !mended {
                self.keyframe.want();
            }
        }
        let base = self.source.as_ref()?.base;
        let media = Media {
            index: base + index,
            marker: header.marker,
            timestamp: header.timestamp,
            audio_level,
            payload,
        };
        Some(self.accept(media, false))
    }

    /// Takes a packet out of a retransmission (RFC 4588 section 4): `None` unless its original is
    /// missing.
    pub(crate) fn repair<'a>(
        &mut self,
        header: &Header,
        rtx_payload: &'a [u8],
    ) -> Option<Accepted<'a>> {
        let (original, payload) = rtx_payload.split_first_chunk()?;
        let source = self.source.as_mut().filter(|_| !payload.is_empty())?;
        let index = source.received.estimate(u16::from_be_bytes(*original))?;
        let below = source.received.highest().is_some_and(|highest| index < highest);
        if !below || !source.received.admits(index) {
            return None;
        }
        source.received.admit(index);
        self.missing.found(index);
        let media = Media {
            index: source.base + index,
            marker: header.marker,
            timestamp: header.timestamp,
            audio_level: None,
            payload,
        };
        Some(self.accept(media, true))
    }

    /// Notes a sender report; returns whether it is of this track's source.
    pub(crate) fn sender_report(&mut self, now: MonotonicUs, ssrc: u32, ntp: u64) -> bool {
        let source = self.source.as_mut().filter(|source| source.ssrc == ssrc);
        source.map(|source| source.reception.sender_report(now, ntp)).is_some()
    }

    /// The source with this SSRC has said BYE.
    pub(crate) fn bye(&mut self, ssrc: u32) {
        if let Some(source) = self.source.as_mut().filter(|source| source.ssrc == ssrc) {
            source.silent = true;
            self.missing.clear();
        }
    }

    /// The receiver report on the live source.
    pub(crate) fn report(&mut self, now: MonotonicUs) -> Option<ReportBlock> {
        let source = self.source.as_mut().filter(|source| !source.silent)?;
        Some(source.reception.report(now, source.ssrc))
    }

    /// Somebody can't go on without a key frame.
    pub(crate) fn want_keyframe(&mut self) {
        if self.repairs {
            self.keyframe.want();
        }
    }

    /// A key frame has come, for a listener that was `ready` to open it or not.
    pub(crate) const fn keyframe_came(&mut self, ready: bool) {
        self.keyframe.came(ready);
    }

    /// The listener can open what it is sent from now on.
    pub(crate) const fn listener_ready(&mut self) {
        self.keyframe.listener_ready();
    }

    /// Whether to ask for a key frame now.
    pub(crate) fn ask_keyframe(&mut self, now: MonotonicUs) -> bool {
        self.live_ssrc().is_some() && self.keyframe.ask(now)
    }

    /// The missing packets to ask for now.
    pub(crate) fn ask_missing(&mut self, now: MonotonicUs) -> Vec<u16> {
        self.missing.ask(now)
    }

    /// When there is something to ask for.
    pub(crate) fn due(&self) -> Option<MonotonicUs> {
        self.live_ssrc()?;
        [self.keyframe.due(), self.missing.due()].into_iter().flatten().min()
    }

    fn begin(&mut self, header: &Header) {
        let base = self.source.as_ref().map_or(0, |source| {
            let highest = source.base + source.received.highest().unwrap_or(0);
            (highest + 1).next_multiple_of(SOURCE_STEP)
        });
        self.epoch += 1;
        self.missing.clear();
        self.want_keyframe();
        self.source = Some(Source {
            ssrc: header.ssrc,
            base,
            received: Window::default(),
            reception: Reception::new(self.clock_hz, header.sequence.into()),
            silent: false,
        });
    }

    fn accept<'a>(&self, media: Media<'a>, repaired: bool) -> Accepted<'a> {
        let starts_keyframe = starts_keyframe(self.codec, media.payload);
        Accepted { epoch: self.epoch, media, repaired, starts_keyframe }
    }
}
