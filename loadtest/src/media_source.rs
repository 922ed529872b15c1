//! Packets that look like a real call to everything that does not decode them.
//!
//! Pure: the caller says when a packet or a frame is due. Payloads are valid as far as a relay or a
//! depacketizer reads them (the Opus table-of-contents byte; the VP8 payload descriptor and frame
//! header) and filler behind that.

use bytes::{BufMut, Bytes, BytesMut};
use rtc::rtp::{Packet, header::Header};
use std::time::Duration;

/// Payload types of our offers: those that browsers use.
pub(crate) const OPUS_PAYLOAD_TYPE: u8 = 111;
pub(crate) const VP8_PAYLOAD_TYPE: u8 = 96;
pub(crate) const RTX_PAYLOAD_TYPE: u8 = 97;

/// One Opus packet. What browsers send; longer would mean fewer, larger packets.
pub(crate) const OPUS_PACKET_EVERY: Duration = Duration::from_millis(20);
const OPUS_TICKS_PER_PACKET: u32 = 960;
/// Table of contents (RFC 6716 section 3.1): CELT, full band, 20 ms, mono, one frame per packet.
const OPUS_TOC: u8 = 31 << 3;
/// Speech at 32 to 48 kbit/s.
const OPUS_BYTES_MIN: usize = 80;
const OPUS_BYTES_SPREAD: usize = 41;

/// 25 frames a second. More costs packets on both sides of the relay, and so calls per core.
pub(crate) const VP8_FRAME_EVERY: Duration = Duration::from_millis(40);
const VP8_TICKS_PER_FRAME: u32 = 3_600;
/// Largest payload of a video packet, so that it fits any path with its headers.
const VP8_BYTES_MAX: usize = 1_100;
const VP8_KEY_FRAME_PACKETS: usize = 4;
/// Resolution that key frames name, in pixels.
const VP8_WIDTH: u16 = 640;
const VP8_HEIGHT: u16 = 360;

/// What all packets of one stream share: numbering and clock (RFC 3550 section 5.1).
#[derive(Debug)]
struct Stream {
    ssrc: u32,
    payload_type: u8,
    sequence: u16,
    timestamp: u32,
}

impl Stream {
    fn packet(&mut self, marker: bool, payload: Bytes) -> Packet {
        let header = Header {
            version: 2,
            marker,
            payload_type: self.payload_type,
            sequence_number: self.sequence,
            timestamp: self.timestamp,
            ssrc: self.ssrc,
            ..Header::default()
        };
        self.sequence = self.sequence.wrapping_add(1);
        Packet { header, payload }
    }
}

/// Talks without a pause.
#[derive(Debug)]
pub struct OpusSource {
    stream: Stream,
    packets: usize,
}

impl OpusSource {
    /// A stream of `ssrc`, numbered from `first_sequence` on.
    #[must_use]
    pub fn new(ssrc: u32, first_sequence: u16) -> Self {
        let payload_type = OPUS_PAYLOAD_TYPE;
        let stream = Stream { ssrc, payload_type, sequence: first_sequence, timestamp: 0 };
        Self { stream, packets: 0 }
    }

    /// The next 20 ms.
    pub fn packet(&mut self) -> Packet {
        let len = OPUS_BYTES_MIN + (self.packets * 7) % OPUS_BYTES_SPREAD;
        let mut payload = BytesMut::zeroed(len);
        payload[0] = OPUS_TOC;
        let packet = self.stream.packet(self.packets == 0, payload.freeze());
        self.packets += 1;
        self.stream.timestamp = self.stream.timestamp.wrapping_add(OPUS_TICKS_PER_PACKET);
        packet
    }
}

/// A camera that moves a little.
#[derive(Debug)]
pub struct Vp8Source {
    stream: Stream,
    frames: u16,
}

impl Vp8Source {
    /// A stream of `ssrc`, numbered from `first_sequence` on.
    #[must_use]
    pub fn new(ssrc: u32, first_sequence: u16) -> Self {
        let payload_type = VP8_PAYLOAD_TYPE;
        let stream = Stream { ssrc, payload_type, sequence: first_sequence, timestamp: 0 };
        Self { stream, frames: 0 }
    }

    /// The next frame, in 1 to 4 packets; the first is always a key frame.
    pub fn frame(&mut self, key_wanted: bool) -> Vec<Packet> {
        let key = key_wanted || self.frames == 0;
        let packets = if key { VP8_KEY_FRAME_PACKETS } else { 1 + usize::from(self.frames % 3) };
        let picture = self.frames & 0x7fff;
        let frame = (0..packets)
            .map(|part| {
                let last = part + 1 == packets;
                let payload = vp8_payload(picture, part == 0, key, last);
                self.stream.packet(last, payload)
            })
            .collect();
        self.frames = self.frames.wrapping_add(1).max(1);
        self.stream.timestamp = self.stream.timestamp.wrapping_add(VP8_TICKS_PER_FRAME);
        frame
    }
}

/// One packet of a frame: payload descriptor with a 15-bit picture id (RFC 7741 section 4.2), in
/// the frame's first packet the frame header (RFC 6386 section 9.1), then filler.
fn vp8_payload(picture: u16, first: bool, key: bool, last: bool) -> Bytes {
    const EXTENDED: u8 = 0x80;
    const START_OF_PARTITION: u8 = 0x10;
    const HAS_PICTURE_ID: u8 = 0x80;
    const LONG_PICTURE_ID: u16 = 0x8000;
    const SHOWN: u8 = 0x10;
    const INTER_FRAME: u8 = 0x01;
    const KEY_FRAME_START_CODE: [u8; 3] = [0x9d, 0x01, 0x2a];

    let mut payload = BytesMut::with_capacity(VP8_BYTES_MAX);
    payload.put_u8(if first { EXTENDED | START_OF_PARTITION } else { EXTENDED });
    payload.put_u8(HAS_PICTURE_ID);
    payload.put_u16(LONG_PICTURE_ID | picture);
    if first {
        payload.put_u8(if key { SHOWN } else { SHOWN | INTER_FRAME });
        payload.put_bytes(0, 2);
        if key {
            payload.put_slice(&KEY_FRAME_START_CODE);
            payload.put_u16_le(VP8_WIDTH);
            payload.put_u16_le(VP8_HEIGHT);
        }
    }
    let len = if last { VP8_BYTES_MAX / 2 } else { VP8_BYTES_MAX };
    payload.resize(len, 0x5a);
    payload.freeze()
}

/// Whether a VP8 packet begins a key frame, whatever fields its descriptor has (RFC 7741 section
/// 4.2).
pub(crate) fn begins_key_frame(payload: &[u8]) -> bool {
    const FIRST_OF_FRAME: (u8, u8) = (0x17, 0x10);
    let Some((&first, rest)) = payload.split_first() else { return false };
    if first & FIRST_OF_FRAME.0 != FIRST_OF_FRAME.1 {
        return false;
    }
    let extension = if first & 0x80 == 0 { 0 } else { rest.first().copied().unwrap_or(0) };
    let picture_id = match (extension & 0x80, rest.get(1)) {
        (0, _) => 0,
        (_, Some(id)) if id & 0x80 != 0 => 2,
        _ => 1,
    };
    let tl0_index = usize::from(extension & 0x40 != 0);
    let layer_or_key_index = usize::from(extension & 0x30 != 0);
    let descriptor = usize::from(first & 0x80 != 0) + picture_id + tl0_index + layer_or_key_index;
    rest.get(descriptor).is_some_and(|frame_header| frame_header & 1 == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audio_is_twenty_milliseconds_a_packet_and_numbered_without_a_gap() {
        let mut source = OpusSource::new(7, u16::MAX);
        let packets: Vec<Packet> = (0..100).map(|_| source.packet()).collect();
        for (n, packet) in (0..).zip(&packets) {
            assert_eq!(packet.header.timestamp, n * 960);
            assert!((80..=120).contains(&packet.payload.len()));
            assert_eq!(packet.payload[0] >> 3, 31, "CELT, full band, 20 ms");
        }
        assert_eq!(packets[1].header.sequence_number, 0, "numbers wrap");
    }

    #[test]
    fn a_frame_starts_once_ends_once_and_is_a_key_frame_when_asked() {
        let mut source = Vp8Source::new(7, 0);
        for (asked, key) in [(false, true), (false, false), (true, true), (false, false)] {
            let frame = source.frame(asked);
            assert!((1..=4).contains(&frame.len()));
            let starts = frame.iter().filter(|packet| packet.payload[0] & 0x10 != 0).count();
            let ends = frame.iter().filter(|packet| packet.header.marker).count();
            assert_eq!((starts, ends), (1, 1));
            assert!(frame.iter().all(|packet| packet.payload.len() <= VP8_BYTES_MAX));
            assert_eq!(frame[0].payload[7..10] == [0x9d, 0x01, 0x2a], key);
            let beginnings = frame.iter().filter(|packet| begins_key_frame(&packet.payload));
            assert_eq!(beginnings.count(), usize::from(key));
        }
    }

    #[test]
    fn key_frames_are_known_behind_any_descriptor() {
        for (payload, begins) in [
            (&[][..], false),
            (&[0x10], false),
            (&[0x10, 0x10], true),
            (&[0x10, 0x11], false),
            (&[0x00, 0x10], false),
            (&[0x11, 0x10], false),
            (&[0x90, 0x80, 0x05, 0x10], true),
            (&[0x90, 0x80, 0x85, 0x00, 0x10], true),
            (&[0x90, 0xf0, 0x85, 0x00, 0x07, 0x20, 0x10], true),
            (&[0x90, 0xf0, 0x85, 0x00, 0x06, 0x20, 0x11], false),
            (&[0x90, 0x80], false),
        ] {
            assert_eq!(begins_key_frame(payload), begins, "{payload:02x?}");
        }
    }
}
