//! A client at the other end of the packet path: seals what it sends, opens what it is sent.

use media_core::{
    Codec, ExtensionIds, MediaLine, Mid, NegotiatedLeg, Role, SrtpContext, SrtpProfile,
};

const MID: u8 = 4;
const TRANSPORT_SEQUENCE: u8 = 3;
const AUDIO_LEVEL: u8 = 1;
const PAYLOAD_TYPE: u8 = 111;

/// The first sequence number of everything that the relay sends.
const FIRST_SENT: u32 = 4_096;

/// One connection of one line, both ways.
pub(super) struct Client {
    srtp: SrtpContext,
    number: u32,
    is_video: bool,
    sequence: u16,
    timestamp: u32,
    transport_sequence: u16,
    /// Packets that it was sent, and those that it has confirmed.
    pub(super) received: u64,
    confirmed: u64,
    reports: u8,
}

/// What the relay would have negotiated with client `number`.
pub(super) fn negotiated(number: u32, is_video: bool) -> NegotiatedLeg {
    let mut keying_material = vec![0x42; 56];
    keying_material[..4].copy_from_slice(&number.to_be_bytes());
    keying_material[16..20].copy_from_slice(&number.to_be_bytes());
    let audio_level = (!is_video).then_some(AUDIO_LEVEL);
    let line = MediaLine {
        mid: Mid::new("0").expect("one byte"),
        codec: if is_video { Codec::Vp8 } else { Codec::Opus },
        payload_type: PAYLOAD_TYPE,
        rtx_payload_type: is_video.then_some(PAYLOAD_TYPE + 1),
        clock_hz: if is_video { 90_000 } else { 48_000 },
        extensions: ExtensionIds {
            mid: Some(MID),
            transport_sequence: Some(TRANSPORT_SEQUENCE),
            audio_level,
        },
        ssrc: sent_ssrc(number),
        rtx_ssrc: is_video.then_some(sent_ssrc(number) + 1),
        client_sends: true,
        client_receives: true,
        transport_cc: true,
        remb: true,
    };
    NegotiatedLeg { profile: SrtpProfile::AeadAes128Gcm, keying_material, lines: vec![line] }
}

const fn sent_ssrc(number: u32) -> u32 {
    0x1000_0000 + 2 * number
}

impl Client {
    pub(super) fn new(number: u32, is_video: bool) -> Self {
        let material = negotiated(number, is_video).keying_material;
        let srtp = SrtpContext::new(SrtpProfile::AeadAes128Gcm, &material, Role::Client, 16);
        Self {
            srtp: srtp.expect("56 bytes are enough for AES-128-GCM"),
            number,
            is_video,
            sequence: 0,
            timestamp: 0,
            transport_sequence: 0,
            received: 0,
            confirmed: 0,
            reports: 0,
        }
    }

    /// Its next packet. Ten packets of video are a frame, the first frame is a key frame.
    pub(super) fn packet(&mut self, payload_bytes: usize) -> Vec<u8> {
        let place = self.sequence % 10;
        let starts = !self.is_video || place == 0;
        if starts {
            self.timestamp = self.timestamp.wrapping_add(if self.is_video { 3_000 } else { 960 });
        }
        let mut datagram = Vec::with_capacity(payload_bytes + 64);
        let marker = if self.is_video && place == 9 { 0x80 } else { 0 };
        datagram.extend_from_slice(&[0x90, marker | PAYLOAD_TYPE]);
        datagram.extend_from_slice(&self.sequence.to_be_bytes());
        datagram.extend_from_slice(&self.timestamp.to_be_bytes());
        datagram.extend_from_slice(&(0x2000_0000 + self.number).to_be_bytes());
        let [high, low] = self.transport_sequence.to_be_bytes();
        datagram.extend_from_slice(&[0xbe, 0xde, 0, 2]);
        datagram.extend_from_slice(&[TRANSPORT_SEQUENCE << 4 | 1, high, low]);
        datagram.extend_from_slice(&[AUDIO_LEVEL << 4, 0x80 | 30, 0, 0, 0]);
        let start = datagram.len();
        datagram.resize(start + payload_bytes, self.sequence as u8);
        if self.is_video {
            let is_delta = u8::from(self.sequence >= 10);
            datagram[start..start + 2].copy_from_slice(&[if starts { 0x10 } else { 0 }, is_delta]);
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.transport_sequence = self.transport_sequence.wrapping_add(1);
        self.srtp.sealer.seal_rtp(&mut datagram, 0).expect("its index is new");
        datagram
    }

    /// Opens a datagram that it was sent; returns its payload, `None` if it is RTCP.
    pub(super) fn open(&mut self, datagram: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = datagram.to_vec();
        if (192..=223).contains(&bytes[1]) {
            return None;
        }
        let len = self.srtp.opener.open_rtp(&mut bytes).ok()?;
        let words = usize::from(u16::from_be_bytes([bytes[14], bytes[15]]));
        Some(bytes[16 + 4 * words..len].to_vec())
    }

    /// Transport-wide feedback on everything since the last: all of it arrived.
    pub(super) fn feedback(&mut self) -> Option<Vec<u8>> {
        let count =
            u16::try_from(self.received - self.confirmed).ok().filter(|count| *count > 0)?;
        let base = self.confirmed as u16;
        self.confirmed = self.received;
        self.reports = self.reports.wrapping_add(1);
        let mut body = Vec::new();
        body.extend_from_slice(&sent_ssrc(self.number).to_be_bytes());
        body.extend_from_slice(&base.to_be_bytes());
        body.extend_from_slice(&count.to_be_bytes());
        body.extend_from_slice(&[0, 0, 1, self.reports]);
        // One run of small deltas, each of 1 ms.
        body.extend_from_slice(&(0x2000 | count).to_be_bytes());
        body.resize(body.len() + usize::from(count), 4);
        Some(self.rtcp(0x8f, 205, body))
    }

    /// A receiver report without losses.
    pub(super) fn receiver_report(&mut self) -> Option<Vec<u8>> {
        let sent = u32::try_from(self.received).ok().filter(|sent| *sent > 0)?;
        let mut body = Vec::new();
        for word in [sent_ssrc(self.number), 0, FIRST_SENT + sent - 1, 0, 0, 0] {
            body.extend_from_slice(&word.to_be_bytes());
        }
        Some(self.rtcp(0x81, 201, body))
    }

    fn rtcp(&mut self, head: u8, kind: u8, body: Vec<u8>) -> Vec<u8> {
        let padding = (4 - body.len() % 4) % 4;
        let words = u16::try_from((body.len() + padding) / 4 + 1).expect("a short report");
        let padded = if padding > 0 { 0x20 } else { 0 };
        let mut datagram = vec![head | padded, kind];
        datagram.extend_from_slice(&words.to_be_bytes());
        datagram.extend_from_slice(&(0x2000_0000 + self.number).to_be_bytes());
        datagram.extend_from_slice(&body);
        if let Some(zeros) = padding.checked_sub(1) {
            datagram.resize(datagram.len() + zeros, 0);
            datagram.push(padding as u8);
        }
        self.srtp.sealer.seal_rtcp(&mut datagram, 0).expect("few reports");
        datagram
    }
}
