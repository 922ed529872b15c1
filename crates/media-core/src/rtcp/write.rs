//! Writes RTCP packets, one behind the other.

use super::{ReportBlock, format, kind};

/// Report blocks that fit one report (RFC 3550 section 6.4.1).
const BLOCKS_MAX: usize = 31;

/// Appends a packet whose body `write` appends; pads it to whole words.
pub(super) fn packet(bytes: &mut Vec<u8>, count: u8, kind: u8, write: impl FnOnce(&mut Vec<u8>)) {
    let start = bytes.len();
    bytes.extend_from_slice(&[0x80 | count, kind, 0, 0]);
    write(bytes);
    let padding = (bytes.len() - start).next_multiple_of(4) - (bytes.len() - start);
    if padding > 0 {
        bytes[start] |= 0x20;
        bytes.resize(bytes.len() + padding - 1, 0);
        bytes.push(padding as u8);
    }
    let words = u16::try_from((bytes.len() - start) / 4 - 1).expect("a report fits a datagram");
    bytes[start + 2..start + 4].copy_from_slice(&words.to_be_bytes());
}

fn words(bytes: &mut Vec<u8>, words: &[u32]) {
    for word in words {
        bytes.extend_from_slice(&word.to_be_bytes());
    }
}

/// Appends a sender report without report blocks.
pub(crate) fn sender_report(
    bytes: &mut Vec<u8>,
    ssrc: u32,
    ntp: u64,
    rtp_timestamp: u32,
    packets: u32,
    octets: u32,
) {
    packet(bytes, 0, kind::SENDER_REPORT, |bytes| {
        words(bytes, &[ssrc, (ntp >> 32) as u32, ntp as u32, rtp_timestamp, packets, octets]);
    });
}

/// Appends a receiver report with the first 31 of `blocks`.
pub(crate) fn receiver_report(bytes: &mut Vec<u8>, reporter: u32, blocks: &[ReportBlock]) {
    let blocks = &blocks[..blocks.len().min(BLOCKS_MAX)];
    packet(bytes, blocks.len() as u8, kind::RECEIVER_REPORT, |bytes| {
        words(bytes, &[reporter]);
        for block in blocks {
            block.write(bytes);
        }
    });
}

/// Appends a NACK for `lost` packets of `media`, in ascending order.
pub(crate) fn nack(bytes: &mut Vec<u8>, sender: u32, media: u32, lost: &[u16]) {
    packet(bytes, format::NACK, kind::TRANSPORT_FEEDBACK, |bytes| {
        words(bytes, &[sender, media]);
        let mut rest = lost;
        while let [first, behind @ ..] = rest {
            let mut mask = 0u16;
            rest = behind;
            while let [next, behind @ ..] = rest {
                let distance = next.wrapping_sub(*first);
                if !(1..=16).contains(&distance) {
                    break;
                }
                mask |= 1 << (distance - 1);
                rest = behind;
            }
            words(bytes, &[u32::from(*first) << 16 | u32::from(mask)]);
        }
    });
}

/// Appends a picture loss indication: a wish for a key frame of `media`.
pub(crate) fn pli(bytes: &mut Vec<u8>, sender: u32, media: u32) {
    packet(bytes, format::PLI, kind::PAYLOAD_FEEDBACK, |bytes| words(bytes, &[sender, media]));
}
