//! The headers of one outgoing stream, from a template: only what differs from packet to packet is
//! written anew.

use super::extension::BlockWriter;
use super::{Media, Place};
use crate::MediaLine;
use crate::leg::MediaKind;

/// The fixed part (RFC 3550 section 5.1), the block's head, the longest mid, number and level, and
/// padding to whole words.
const HEADER_MAX: usize = 12 + 4 + 17 + 3 + 2 + 2;

const EXTENDED: u8 = 0x90;

/// A stream's header with its fields at zero. A packet without an audio level has padding in its
/// place (RFC 8285 section 4.1.1), so that all headers of a template are equally long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Template {
    bytes: [u8; HEADER_MAX],
    len: u8,
    /// Where the transport-wide number stands, if there is one.
    transport_at: u8,
    /// Where the element of the level stands, if there is one.
    level_at: u8,
}

/// A packet's header.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeaderBytes {
    bytes: [u8; HEADER_MAX],
    len: u8,
}

impl Template {
    /// The template of a line's stream with this payload type and SSRC. `with_mid` tells the
    /// receiver which line the SSRC belongs to.
    pub(crate) fn new(line: &MediaLine, payload_type: u8, ssrc: u32, with_mid: bool) -> Self {
        let mut bytes = vec![0x80, payload_type & 0x7f, 0, 0, 0, 0, 0, 0];
        bytes.extend_from_slice(&ssrc.to_be_bytes());
        let (mut transport_at, mut level_at) = (0, 0);
        let mut block = BlockWriter::new(&mut bytes);
        if with_mid {
            block.put(line.extensions.mid, line.mid.as_bytes());
        }
        if let Some(at) = block.put(line.extensions.transport_sequence, &[0, 0]) {
            transport_at = at + 1;
        }
        if line.codec.kind() == MediaKind::Audio
            && let Some(at) = block.put(line.extensions.audio_level, &[0])
        {
            level_at = at;
        }
        if block.finish() {
            bytes[0] = EXTENDED;
        }
        let mut template = Self {
            bytes: [0; HEADER_MAX],
            len: bytes.len() as u8,
            transport_at: transport_at as u8,
            level_at: level_at as u8,
        };
        template.bytes[..bytes.len()].copy_from_slice(&bytes);
        template
    }

    /// The header of a packet at `place`.
    pub(crate) fn header(&self, media: &Media<'_>, place: Place, transport: u16) -> HeaderBytes {
        let mut bytes = self.bytes;
        // Flags, type, sequence number and timestamp in one store: the cipher reads them at once.
        let [first, second, ..] = bytes;
        let second = second | u8::from(media.marker) << 7;
        let head = u64::from(u16::from_be_bytes([first, second])) << 48
            | u64::from(place.index as u16) << 32
            | u64::from(place.timestamp);
        bytes[..8].copy_from_slice(&head.to_be_bytes());
        let at = usize::from(self.transport_at);
        if at > 0 {
            bytes[at..at + 2].copy_from_slice(&transport.to_be_bytes());
        }
        let at = usize::from(self.level_at);
        if at > 0 {
            match media.audio_level {
                Some(level) => bytes[at + 1] = level,
                None => bytes[at] = 0,
            }
        }
        HeaderBytes { bytes, len: self.len }
    }
}

impl HeaderBytes {
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::Header;
    use crate::{Codec, ExtensionIds, Mid};

    fn line(codec: Codec, extensions: ExtensionIds) -> MediaLine {
        MediaLine {
            mid: Mid::new("0123456789abcdef").unwrap(),
            codec,
            payload_type: 96,
            rtx_payload_type: None,
            clock_hz: 90_000,
            extensions,
            ssrc: 9,
            rtx_ssrc: None,
            client_sends: true,
            client_receives: true,
            transport_cc: true,
            remb: true,
        }
    }

    const ALL: ExtensionIds =
        ExtensionIds { mid: Some(4), transport_sequence: Some(3), audio_level: Some(1) };
    const PLACE: Place = Place { index: 0x5_0007, timestamp: 8 };

    fn media(audio_level: Option<u8>) -> Media<'static> {
        Media { index: 1, marker: true, timestamp: 5, audio_level, payload: b"abc" }
    }

    #[test]
    fn what_is_written_reads_back() {
        for with_mid in [true, false] {
            let line = line(Codec::Opus, ALL);
            let template = Template::new(&line, 111, 10, with_mid);
            let bytes = template.header(&media(Some(0x85)), PLACE, 0x1234);
            let header = Header::parse(bytes.as_slice()).unwrap();
            assert!(header.marker);
            assert_eq!((header.payload_type, header.sequence), (111, 7));
            assert_eq!((header.timestamp, header.ssrc), (8, 10));
            assert_eq!(header.len, bytes.as_slice().len());
            let extensions: Vec<_> = header.extensions(bytes.as_slice()).collect();
            let numbered = [(3, &[0x12, 0x34][..]), (1, &[0x85])];
            assert_eq!(extensions[usize::from(with_mid)..], numbered);
            assert_eq!(extensions.contains(&(4, line.mid.as_bytes())), with_mid);
        }
    }

    #[test]
    fn what_a_packet_does_not_have_is_not_told() {
        let read = |line: &MediaLine| {
            let bytes = Template::new(line, 96, 9, true).header(&media(None), PLACE, 5);
            let header = Header::parse(bytes.as_slice()).unwrap();
            let ids: Vec<_> = header.extensions(bytes.as_slice()).map(|(id, _)| id).collect();
            (ids, bytes.as_slice().len())
        };
        // The level's place is kept, so that a stream's headers are equally long.
        assert_eq!(read(&line(Codec::Opus, ALL)), (vec![4, 3], 40));
        assert_eq!(read(&line(Codec::Vp8, ALL)), (vec![4, 3], 36));
        assert_eq!(read(&line(Codec::Opus, ExtensionIds::default())), (vec![], 12));
    }
}
