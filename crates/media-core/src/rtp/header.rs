//! Reads an RTP header into values and offsets (RFC 3550 section 5.1), within the packet's bounds.

use super::extension::{Extensions, Form};
use std::ops::Range;

/// The fixed part of the header.
const FIXED: usize = 12;

/// What the header of a packet says; the packet's bytes stay where they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) marker: bool,
    pub(crate) payload_type: u8,
    pub(crate) sequence: u16,
    pub(crate) timestamp: u32,
    pub(crate) ssrc: u32,
    /// Where the payload begins.
    pub(crate) len: usize,
    padded: bool,
    extensions: Option<(Form, Range<usize>)>,
}

impl Header {
    /// Reads the header, or `None` if it is not RTP version 2 or is cut off.
    pub(crate) fn parse(packet: &[u8]) -> Option<Self> {
        let fixed: &[u8; FIXED] = packet.first_chunk()?;
        if fixed[0] >> 6 != 2 {
            return None;
        }
        let word = |at: usize| {
            u32::from_be_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]])
        };
        let mut len = FIXED + 4 * usize::from(fixed[0] & 0x0f);
        let mut extensions = None;
        if fixed[0] & 0x10 != 0 {
            let head: &[u8; 4] = packet.get(len..)?.first_chunk()?;
            let start = len + 4;
            len = start + 4 * usize::from(u16::from_be_bytes([head[2], head[3]]));
            let form = Form::of(u16::from_be_bytes([head[0], head[1]]));
            extensions = form.map(|form| (form, start..len));
        }
        (packet.len() >= len).then(|| Self {
            marker: fixed[1] & 0x80 != 0,
            payload_type: fixed[1] & 0x7f,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: word(4),
            ssrc: word(8),
            len,
            padded: fixed[0] & 0x20 != 0,
            extensions,
        })
    }

    /// The header extensions of the packet that this header was read from.
    pub(crate) fn extensions<'a>(&self, packet: &'a [u8]) -> Extensions<'a> {
        match &self.extensions {
            Some((form, range)) => Extensions::new(*form, &packet[range.clone()]),
            None => Extensions::new(Form::OneByte, &[]),
        }
    }

    /// The payload of the opened packet, without padding. `None` if the padding is longer than the
    /// payload.
    pub(crate) fn payload<'a>(&self, packet: &'a [u8]) -> Option<&'a [u8]> {
        let payload = packet.get(self.len..)?;
        let padding = if self.padded { usize::from(*payload.last()?) } else { 0 };
        if self.padded && padding == 0 {
            return None;
        }
        payload.get(..payload.len().checked_sub(padding)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_every_field() {
        let packet = [
            0xb1, 0xef, 0x12, 0x34, 0, 0, 0, 9, 0, 0, 0, 7, // fixed; one CSRC; padding
            1, 1, 1, 1, // CSRC
            0xbe, 0xde, 0, 1, 0x10, 0xaa, 0x21,
            0xbb, // one-byte extensions, cut in the second
            5, 6, 7, 0, 2, // payload and two bytes of padding
        ];
        let header = Header::parse(&packet).unwrap();
        assert!(header.marker);
        assert_eq!((header.payload_type, header.sequence), (0x6f, 0x1234));
        assert_eq!((header.timestamp, header.ssrc, header.len), (9, 7, 24));
        assert_eq!(header.extensions(&packet).collect::<Vec<_>>(), [(1, &[0xaa][..])]);
        assert_eq!(header.payload(&packet), Some(&[5, 6, 7][..]));
    }

    #[test]
    fn every_cut_of_a_header_is_refused() {
        let packet =
            [0x91, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 0xbe, 0xde, 0, 1, 0, 0, 0, 0];
        for len in 0..packet.len() {
            assert_eq!(Header::parse(&packet[..len]), None, "{len}");
        }
        assert!(Header::parse(&packet).is_some());
    }

    #[test]
    fn impossible_padding_is_refused() {
        for (payload, left) in [
            (&[1, 2, 3][..], Some(&[][..])),
            (&[9, 9, 1], Some(&[9, 9])),
            (&[1, 2, 4], None),
            (&[1, 2, 0], None),
            (&[], None),
        ] {
            let mut packet = vec![0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            packet.extend_from_slice(payload);
            assert_eq!(Header::parse(&packet).unwrap().payload(&packet), left);
        }
    }

    proptest! {
        #[test]
        fn never_reads_outside(mut packet in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some(first) = packet.first_mut() {
                *first = 0x80 | *first & 0x3f;
            }
            if let Some(header) = Header::parse(&packet) {
                prop_assert!(header.len <= packet.len());
                prop_assert!(header.extensions(&packet).count() <= packet.len());
                header.payload(&packet);
            }
        }
    }
}
