//! A client as the forwarder sees one: sealed datagrams in, sealed datagrams out.

use super::header::Outgoing;
use crate::rtcp;
use crate::rtp::Header;
use crate::*;

/// A datagram that the client has opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Received {
    Rtp(Rtp),
    Rtcp(Vec<u8>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rtp {
    pub(super) ssrc: u32,
    pub(super) payload_type: u8,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) marker: bool,
    pub(super) mid: Option<String>,
    pub(super) transport: Option<u16>,
    pub(super) level: Option<u8>,
    pub(super) payload: Vec<u8>,
}

pub(super) struct Client {
    pub(super) srtp: SrtpContext,
    pub(super) negotiated: NegotiatedLeg,
    /// What came since the last look.
    pub(super) inbox: Vec<Received>,
    /// The same as it came.
    pub(super) raw: Vec<Vec<u8>>,
    pub(super) transport_next: u16,
}

/// The client's own SSRCs.
pub(super) const AUDIO_SSRC: u32 = 0xa0;
pub(super) const VIDEO_SSRC: u32 = 0xb0;
pub(super) const RTX_SSRC: u32 = 0xb1;

pub(super) const AUDIO: usize = 0;
pub(super) const VIDEO: usize = 1;

/// A leg whose payload types, extension ids and SSRCs are all its own.
pub(super) fn negotiated(seed: u8) -> NegotiatedLeg {
    let extensions = ExtensionIds {
        mid: Some(seed % 4 + 1),
        transport_sequence: Some(seed % 4 + 5),
        audio_level: Some(seed % 4 + 10),
    };
    let line = |mid, codec: Codec, payload_type, ssrc: u32, rtx: bool| MediaLine {
        mid: Mid::new(mid).unwrap(),
        codec,
        payload_type,
        rtx_payload_type: rtx.then_some(payload_type + 1),
        clock_hz: if codec == Codec::Opus { 48_000 } else { 90_000 },
        extensions,
        ssrc: 1_000 * u32::from(seed) + ssrc,
        rtx_ssrc: rtx.then_some(1_000 * u32::from(seed) + ssrc + 1),
        client_sends: true,
        client_receives: true,
        transport_cc: true,
        remb: true,
    };
    NegotiatedLeg {
        profile: SrtpProfile::AeadAes256Gcm,
        keying_material: (0..88).map(|byte| byte ^ seed).collect(),
        lines: vec![
            line("0", Codec::Opus, 100 + seed, 1, false),
            line("1", Codec::Vp8, 96 + seed % 4 * 2, 5, true),
        ],
    }
}

/// A client whose packets bear no transport-wide numbers, so that no report on them ever wakes its
/// room.
pub(super) fn unnumbered() -> NegotiatedLeg {
    let mut leg = negotiated(2);
    for line in &mut leg.lines {
        line.extensions.transport_sequence = None;
        line.transport_cc = false;
    }
    leg
}

impl Client {
    pub(super) fn new(negotiated: NegotiatedLeg) -> Self {
        let srtp =
            SrtpContext::new(negotiated.profile, &negotiated.keying_material, Role::Client, 16);
        let srtp = srtp.unwrap();
        Self { srtp, negotiated, inbox: Vec::new(), raw: Vec::new(), transport_next: 0 }
    }

    /// Seals a packet of one line.
    pub(super) fn rtp(&mut self, line: usize, ssrc: u32, sequence: u16, payload: &[u8]) -> Vec<u8> {
        let header = self.header(line, ssrc, sequence);
        self.seal(header, payload)
    }

    /// A header with a transport-wide number and, for audio, a level.
    pub(super) fn header(&mut self, line: usize, ssrc: u32, sequence: u16) -> Outgoing {
        let spec = self.negotiated.lines[line];
        let transport_sequence = self.transport_next;
        self.transport_next = transport_sequence.wrapping_add(1);
        Outgoing {
            payload_type: spec.payload_type,
            marker: sequence % 2 == 1,
            sequence,
            timestamp: u32::from(sequence) * 960,
            ssrc,
            extensions: spec.extensions,
            mid: Some(spec.mid),
            transport_sequence,
            audio_level: (line == AUDIO).then_some(0x80 | 40),
            original: None,
        }
    }

    pub(super) fn seal(&mut self, header: Outgoing, payload: &[u8]) -> Vec<u8> {
        let mut datagram = Vec::new();
        header.write(&mut datagram, payload);
        self.srtp.sealer.seal_rtp(&mut datagram, 0).unwrap();
        datagram
    }

    /// Seals what `write` writes.
    pub(super) fn rtcp(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut datagram = Vec::new();
        write(&mut datagram);
        self.srtp.sealer.seal_rtcp(&mut datagram, 0).unwrap();
        datagram
    }

    /// Opens a datagram into the inbox. A repetition of the very same bytes is in `raw` alone.
    pub(super) fn deliver(&mut self, datagram: &[u8]) {
        self.raw.push(datagram.to_vec());
        let mut bytes = datagram.to_vec();
        if (192..=223).contains(&bytes[1]) {
            let len = self.srtp.opener.open_rtcp(&mut bytes).unwrap();
            self.inbox.push(Received::Rtcp(bytes[..len].to_vec()));
            return;
        }
        let len = match self.srtp.opener.open_rtp(&mut bytes) {
            Ok(len) => len,
            Err(SrtpError::Replayed)
                if self.raw[..self.raw.len() - 1].contains(&datagram.to_vec()) =>
            {
                return;
            }
            Err(error) => panic!("{error}"),
        };
        let packet = &bytes[..len];
        let header = Header::parse(packet).unwrap();
        let ids = self.negotiated.lines[0].extensions;
        let find = |wanted: Option<u8>| {
            header.extensions(packet).find(|(id, _)| wanted == Some(*id)).map(|(_, data)| data)
        };
        self.inbox.push(Received::Rtp(Rtp {
            ssrc: header.ssrc,
            payload_type: header.payload_type,
            sequence: header.sequence,
            timestamp: header.timestamp,
            marker: header.marker,
            mid: find(ids.mid).map(|mid| String::from_utf8(mid.to_vec()).unwrap()),
            transport: find(ids.transport_sequence).map(|d| u16::from_be_bytes([d[0], d[1]])),
            level: find(ids.audio_level).map(|data| data[0]),
            payload: header.payload(packet).unwrap().to_vec(),
        }));
    }

    /// The RTP packets that came since the last look.
    pub(super) fn packets(&mut self) -> Vec<Rtp> {
        let (rtp, rest) = std::mem::take(&mut self.inbox)
            .into_iter()
            .partition(|received| matches!(received, Received::Rtp(_)));
        self.inbox = rest;
        let packet = |received| match received {
            Received::Rtp(rtp) => Some(rtp),
            Received::Rtcp(_) => None,
        };
        Vec::into_iter(rtp).filter_map(packet).collect()
    }

    /// What the RTCP said that came since the last look, in short.
    pub(super) fn reports(&mut self) -> Vec<String> {
        let mut said = Vec::new();
        for received in std::mem::take(&mut self.inbox) {
            let Received::Rtcp(bytes) = received else { continue };
            said.extend(rtcp::packets(&bytes).unwrap().map(|packet| describe(&packet)));
            said.extend(limit(&bytes));
        }
        said
    }
}

/// The limit that a REMB tells, in kbit/s.
fn limit(bytes: &[u8]) -> Option<String> {
    let at = bytes.windows(4).position(|word| word == b"REMB")?;
    let word = u32::from_be_bytes(bytes[at + 4..at + 8].try_into().unwrap());
    let ssrc = u32::from_be_bytes(bytes[at + 8..at + 12].try_into().unwrap());
    let bits_per_s = u64::from(word & 0x3_ffff) << (word >> 18 & 63);
    Some(format!("limit {ssrc:x} {}", bits_per_s / 1_000))
}

fn describe(packet: &rtcp::Packet<'_>) -> String {
    use rtcp::Packet;
    match packet {
        Packet::SenderReport { ssrc, ntp, rtp_timestamp, .. } => {
            format!("sender {ssrc} ntp {ntp} rtp {rtp_timestamp}")
        }
        Packet::ReceiverReport { blocks } => {
            let block = |b: rtcp::ReportBlock| {
                let (lsr, dlsr) = (b.last_report, b.delay);
                format!(" {:x} highest {} lost {} lsr {lsr} dlsr {dlsr}", b.ssrc, b.highest, b.lost)
            };
            format!("receiver{}", blocks.iter().map(block).collect::<String>())
        }
        Packet::Bye { .. } => "bye".into(),
        Packet::Nack { media, lost } => {
            format!("nack {media:x} {:?}", lost.sequences().collect::<Vec<_>>())
        }
        Packet::KeyframeWanted { media } => format!("keyframe {media:x}"),
        Packet::TransportFeedback(feedback) => {
            let arrivals: Vec<_> = feedback.arrivals().map(|(n, at)| format!("{n}@{at}")).collect();
            format!("arrived {}", arrivals.join(" "))
        }
        Packet::Other => "other".into(),
    }
}
