//! RTP headers as clients write them.

use crate::{ExtensionIds, Mid};

/// The header of a packet that a client sends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outgoing {
    pub(super) payload_type: u8,
    pub(super) marker: bool,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) ssrc: u32,
    pub(super) extensions: ExtensionIds,
    pub(super) mid: Option<Mid>,
    pub(super) transport_sequence: u16,
    pub(super) audio_level: Option<u8>,
    /// The sequence number of the packet that this one repeats, on an RTX stream (RFC 4588).
    pub(super) original: Option<u16>,
}

impl Outgoing {
    /// Appends header and payload.
    pub(super) fn write(&self, bytes: &mut Vec<u8>, payload: &[u8]) {
        let start = bytes.len();
        bytes.extend_from_slice(&[0x80, u8::from(self.marker) << 7 | self.payload_type & 0x7f]);
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
        bytes.extend_from_slice(&self.timestamp.to_be_bytes());
        bytes.extend_from_slice(&self.ssrc.to_be_bytes());
        let ids = self.extensions;
        let number = self.transport_sequence.to_be_bytes();
        let mid = self.mid.as_ref().map(Mid::as_bytes);
        let level = self.audio_level.as_slice();
        let mut block = Vec::new();
        for (id, data) in [
            (ids.mid, mid),
            (ids.transport_sequence, Some(&number)),
            (ids.audio_level, Some(level)),
        ] {
            if let (Some(id), Some(data @ [_, ..])) = (id, data) {
                block.push(id << 4 | (data.len() - 1) as u8);
                block.extend_from_slice(data);
            }
        }
        block.resize(block.len().next_multiple_of(4), 0);
        if !block.is_empty() {
            bytes[start] |= 0x10;
            bytes.extend_from_slice(&[0xbe, 0xde, 0, (block.len() / 4) as u8]);
            bytes.extend_from_slice(&block);
        }
        if let Some(original) = self.original {
            bytes.extend_from_slice(&original.to_be_bytes());
        }
        bytes.extend_from_slice(payload);
    }
}
