//! A publisher's packet once opened, and a listener's packet before it is sealed.

use super::extension::BlockWriter;
use crate::leg::{ExtensionIds, Mid};

/// What is forwarded of a publisher's packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Media<'a> {
    /// Counts the track's packets over all its sources and rollovers. A new source starts above
    /// every earlier index; the low 16 bits are the source's sequence number.
    pub(crate) index: u64,
    pub(crate) marker: bool,
    pub(crate) timestamp: u32,
    /// RFC 6464: voice activity bit and -dBov.
    pub(crate) audio_level: Option<u8>,
    pub(crate) payload: &'a [u8],
}

/// The header of a packet that we send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing {
    pub(crate) payload_type: u8,
    pub(crate) marker: bool,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
    pub(crate) extensions: ExtensionIds,
    pub(crate) mid: Option<Mid>,
    pub(crate) transport_sequence: u16,
    pub(crate) audio_level: Option<u8>,
    /// The sequence number of the packet that this one repeats, on an RTX stream (RFC 4588).
    pub(crate) original: Option<u16>,
}

impl Outgoing {
    /// Appends header and payload.
    pub(crate) fn write(&self, bytes: &mut Vec<u8>, payload: &[u8]) {
        let start = bytes.len();
        bytes.extend_from_slice(&[0x80, u8::from(self.marker) << 7 | self.payload_type & 0x7f]);
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
        bytes.extend_from_slice(&self.timestamp.to_be_bytes());
        bytes.extend_from_slice(&self.ssrc.to_be_bytes());
        let mut block = BlockWriter::new(bytes);
        if let Some(mid) = &self.mid {
            block.put(self.extensions.mid, mid.as_bytes());
        }
        block.put(self.extensions.transport_sequence, &self.transport_sequence.to_be_bytes());
        if let Some(level) = self.audio_level {
            block.put(self.extensions.audio_level, &[level]);
        }
        if block.finish() {
            bytes[start] |= 0x10;
        }
        if let Some(original) = self.original {
            bytes.extend_from_slice(&original.to_be_bytes());
        }
        bytes.extend_from_slice(payload);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::Header;

    #[test]
    fn what_is_written_reads_back() {
        let ids = ExtensionIds { mid: Some(4), transport_sequence: Some(3), audio_level: Some(1) };
        let mut outgoing = Outgoing {
            payload_type: 96,
            marker: true,
            sequence: 7,
            timestamp: 8,
            ssrc: 9,
            extensions: ids,
            mid: Mid::new("0"),
            transport_sequence: 0x1234,
            audio_level: Some(0x85),
            original: Some(0x5678),
        };
        let mut bytes = Vec::new();
        outgoing.write(&mut bytes, b"abc");
        let header = Header::parse(&bytes).unwrap();
        assert!(header.marker);
        assert_eq!((header.payload_type, header.sequence), (96, 7));
        assert_eq!((header.timestamp, header.ssrc), (8, 9));
        let extensions: Vec<_> = header.extensions(&bytes).collect();
        assert_eq!(extensions, [(4, &b"0"[..]), (3, &[0x12, 0x34]), (1, &[0x85])]);
        assert_eq!(header.payload(&bytes), Some(&b"\x56\x78abc"[..]));

        bytes.clear();
        outgoing.extensions = ExtensionIds::default();
        outgoing.write(&mut bytes, b"abc");
        assert_eq!((bytes.len(), bytes[0]), (17, 0x80));
    }
}
