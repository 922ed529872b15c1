//! Reads compound RTCP.

use super::transport_feedback::TransportFeedback;
use super::{ReportBlock, format, kind, word};

/// One packet of a compound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packet<'a> {
    /// What a source has sent: its wall clock, the RTP timestamp of the same moment; and how it
    /// receives.
    SenderReport {
        ssrc: u32,
        ntp: u64,
        rtp_timestamp: u32,
        blocks: Blocks<'a>,
    },
    ReceiverReport {
        blocks: Blocks<'a>,
    },
    /// Sources that stopped.
    Bye {
        ssrcs: Words<'a>,
    },
    /// Lost packets of `media`.
    Nack {
        media: u32,
        lost: Words<'a>,
    },
    /// A wish for a key frame of `media`, as PLI or as FIR (one for each entry).
    KeyframeWanted {
        media: u32,
    },
    TransportFeedback(TransportFeedback<'a>),
    /// Something we have no use for, or nothing we can read.
    Other,
}

/// The packets of a compound, or `None` if their lengths don't fit: then none is used.
///
/// Reduced-size compounds (RFC 5506) are as good as those that begin with a report.
pub(crate) fn packets(compound: &[u8]) -> Option<impl Iterator<Item = Packet<'_>>> {
    let mut rest = compound;
    while !rest.is_empty() {
        rest = split(rest)?.1;
    }
    let mut rest = compound;
    Some(std::iter::from_fn(move || {
        let (packet, behind) = split(rest)?;
        rest = behind;
        Some(packet.read().unwrap_or(Packet::Other))
    }))
}

/// A packet cut out of a compound: count or format, type, body without header and padding.
struct Raw<'a> {
    count: u8,
    kind: u8,
    body: &'a [u8],
}

fn split(bytes: &[u8]) -> Option<(Raw<'_>, &[u8])> {
    let head: &[u8; 4] = bytes.first_chunk()?;
    if head[0] >> 6 != 2 {
        return None;
    }
    let len = 4 + 4 * usize::from(u16::from_be_bytes([head[2], head[3]]));
    let (packet, rest) = bytes.split_at_checked(len)?;
    let mut body = &packet[4..];
    if head[0] & 0x20 != 0 {
        let padding = usize::from(*body.last()?);
        body = body.get(..body.len().checked_sub(padding)?)?;
    }
    Some((Raw { count: head[0] & 0x1f, kind: head[1], body }, rest))
}

impl<'a> Raw<'a> {
    fn read(&self) -> Option<Packet<'a>> {
        let body = self.body;
        Some(match (self.kind, self.count) {
            (kind::SENDER_REPORT, count) => Packet::SenderReport {
                ssrc: word(body, 0)?,
                ntp: u64::from(word(body, 4)?) << 32 | u64::from(word(body, 8)?),
                rtp_timestamp: word(body, 12)?,
                blocks: Blocks::read(body.get(24..)?, count)?,
            },
            (kind::RECEIVER_REPORT, count) => {
                Packet::ReceiverReport { blocks: Blocks::read(body.get(4..)?, count)? }
            }
            (kind::BYE, count) => Packet::Bye { ssrcs: Words(body.get(..4 * usize::from(count))?) },
            (kind::TRANSPORT_FEEDBACK, format::NACK) => {
                Packet::Nack { media: word(body, 4)?, lost: Words(body.get(8..)?) }
            }
            (kind::TRANSPORT_FEEDBACK, format::TRANSPORT_WIDE) => {
                Packet::TransportFeedback(TransportFeedback::read(body)?)
            }
            (kind::PAYLOAD_FEEDBACK, format::PLI) => {
                Packet::KeyframeWanted { media: word(body, 4)? }
            }
            // FIR names its media in the entries; one entry is all that browsers send.
            (kind::PAYLOAD_FEEDBACK, format::FIR) => {
                Packet::KeyframeWanted { media: word(body, 8)? }
            }
            _ => Packet::Other,
        })
    }
}

/// The report blocks of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blocks<'a>(&'a [u8]);

impl<'a> Blocks<'a> {
    fn read(bytes: &'a [u8], count: u8) -> Option<Self> {
        bytes.get(..usize::from(count) * ReportBlock::LEN).map(Self)
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = ReportBlock> + 'a {
        self.0.chunks_exact(ReportBlock::LEN).filter_map(ReportBlock::read)
    }
}

/// A list of words: SSRCs, or NACK entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Words<'a>(&'a [u8]);

impl<'a> Words<'a> {
    pub(crate) fn iter(self) -> impl Iterator<Item = u32> + 'a {
        self.0.chunks_exact(4).filter_map(|bytes| word(bytes, 0))
    }

    /// The sequence numbers that NACK entries name: a packet id, and a mask for the 16 behind it
    /// (RFC 4585 section 6.2.1).
    pub(crate) fn sequences(self) -> impl Iterator<Item = u16> + 'a {
        self.iter().flat_map(|entry| {
            let (first, mask) = ((entry >> 16) as u16, entry as u16);
            let behind = (0..16).filter(move |bit| mask >> bit & 1 == 1);
            std::iter::once(first).chain(behind.map(move |bit| first.wrapping_add(bit + 1)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{nack, pli, receiver_report, sender_report};
    use proptest::prelude::*;

    fn compound() -> Vec<u8> {
        let block = ReportBlock {
            ssrc: 9,
            fraction_lost: 3,
            lost: -2,
            highest: 70_000,
            ..Default::default()
        };
        let mut bytes = Vec::new();
        sender_report(&mut bytes, 1, 0x0102_0304_0506_0708, 77, 5, 6);
        receiver_report(&mut bytes, 2, &[block]);
        nack(&mut bytes, 2, 9, &[65_535, 0, 15, 16]);
        pli(&mut bytes, 2, 9);
        bytes
    }

    #[test]
    fn what_is_written_reads_back() {
        let bytes = compound();
        let read: Vec<_> = packets(&bytes).unwrap().collect();
        let [
            Packet::SenderReport { ssrc: 1, ntp: 0x0102_0304_0506_0708, rtp_timestamp: 77, .. },
            Packet::ReceiverReport { blocks },
            Packet::Nack { media: 9, lost },
            Packet::KeyframeWanted { media: 9 },
        ] = read[..]
        else {
            panic!("{read:?}")
        };
        let block = blocks.iter().next().unwrap();
        assert_eq!((block.ssrc, block.fraction_lost, block.lost), (9, 3, -2));
        assert_eq!(block.highest, 70_000);
        // 65,535 with 0 and 15 in its mask; 16 is 17 behind it and takes an entry of its own.
        assert_eq!(lost.iter().count(), 2);
        assert_eq!(lost.sequences().collect::<Vec<_>>(), [65_535, 0, 15, 16]);
    }

    #[test]
    fn fir_and_bye_are_read() {
        let mut bytes = vec![0x84, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 1, 0, 0, 0];
        bytes.extend_from_slice(&[0x82, 203, 0, 2, 0, 0, 0, 5, 0, 0, 0, 6]);
        let read: Vec<_> = packets(&bytes).unwrap().collect();
        let [Packet::KeyframeWanted { media: 9 }, Packet::Bye { ssrcs }] = read[..] else {
            panic!("{read:?}")
        };
        assert_eq!(ssrcs.iter().collect::<Vec<_>>(), [5, 6]);
    }

    #[test]
    fn a_compound_that_is_cut_off_is_refused_whole() {
        let bytes = compound();
        let ends: Vec<_> = [0, 28, 60, 80, 92].into();
        for len in 0..=bytes.len() {
            assert_eq!(packets(&bytes[..len]).is_some(), ends.contains(&len), "{len}");
        }
    }

    #[test]
    fn a_body_shorter_than_its_count_is_of_no_use() {
        for bytes in [
            &[0x81, 200, 0, 1, 0, 0, 0, 1][..],
            &[0x82, 201, 0, 1, 0, 0, 0, 1],
            &[0x81, 203, 0, 0],
            &[0x81, 205, 0, 1, 0, 0, 0, 1],
            &[0x8f, 205, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2],
            &[0x81, 206, 0, 0],
            &[0x84, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2],
        ] {
            assert_eq!(packets(bytes).unwrap().collect::<Vec<_>>(), [Packet::Other]);
        }
    }

    proptest! {
        #[test]
        fn takes_any_bytes(
            body in prop::collection::vec(any::<u8>(), 0..60),
            kind in 199u8..208,
            count in 0u8..64,
        ) {
            let mut bytes = vec![0x80 | count, kind, 0, (body.len() / 4) as u8];
            bytes.extend_from_slice(&body[..body.len() / 4 * 4]);
            for packet in packets(&bytes).into_iter().flatten() {
                match packet {
                    Packet::SenderReport { blocks, .. } | Packet::ReceiverReport { blocks } => {
                        prop_assert!(blocks.iter().count() < 32);
                    }
                    Packet::Bye { ssrcs } => prop_assert!(ssrcs.iter().count() < 32),
                    Packet::Nack { lost, .. } => prop_assert!(lost.sequences().count() <= 17 * 15),
                    Packet::TransportFeedback(feedback) => {
                        prop_assert!(feedback.arrivals().count() <= body.len());
                    }
                    Packet::KeyframeWanted { .. } | Packet::Other => {}
                }
            }
        }
    }
}
