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

/// SSRCs that one limit is told for.
const LIMITED_MAX: usize = 255;

/// Appends a receiver-estimated maximum bitrate: that `ssrcs` together should send at most so much
/// (draft-alvestrand-rmcat-remb-03 section 2.2). It is rounded down to 18 significant bits.
pub(crate) fn remb(bytes: &mut Vec<u8>, sender: u32, bits_per_s: u64, ssrcs: &[u32]) {
    let ssrcs = &ssrcs[..ssrcs.len().min(LIMITED_MAX)];
    let exponent = (u64::BITS - bits_per_s.leading_zeros()).saturating_sub(18);
    let mantissa = (bits_per_s >> exponent) as u32;
    packet(bytes, format::APPLICATION, kind::PAYLOAD_FEEDBACK, |bytes| {
        words(bytes, &[sender, 0, u32::from_be_bytes(*b"REMB")]);
        words(bytes, &[(ssrcs.len() as u32) << 24 | exponent << 18 | mantissa]);
        words(bytes, ssrcs);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_written_as_the_draft_has_it() {
        for (bits_per_s, exponent, mantissa) in
            [(0, 0, 0), (262_143, 0, 262_143), (262_144, 1, 131_072), (2_500_001, 4, 156_250)]
        {
            let mut bytes = Vec::new();
            remb(&mut bytes, 7, bits_per_s, &[8, 9]);
            assert_eq!(&bytes[..4], [0x8f, 206, 0, 6]);
            assert_eq!(&bytes[4..16], b"\0\0\0\x07\0\0\0\0REMB");
            let word = u32::from_be_bytes(bytes[16..20].try_into().unwrap());
            assert_eq!((word >> 24, word >> 18 & 63, word & 0x3_ffff), (2, exponent, mantissa));
            assert_eq!(&bytes[20..], b"\0\0\0\x08\0\0\0\x09");
        }
    }
}
