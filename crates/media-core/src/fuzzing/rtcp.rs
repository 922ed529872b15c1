//! Compound RTCP and transport-wide feedback.

use crate::rtcp::{
    Arrival, Packet, ReportBlock, nack, packets, pli, receiver_report, sender_report,
    write_transport_feedback,
};
use units::MonotonicUs;

/// Reads a compound; no packet in it says more than its bytes can hold, and what we write as well
/// reads back the same.
///
/// # Panics
/// If that does not hold.
pub fn rtcp(compound: &[u8]) {
    let Some(read) = packets(compound) else { return };
    let (mut count, mut said) = (0, 0);
    for packet in read {
        count += 1;
        said += match packet {
            Packet::SenderReport { ssrc, ntp, rtp_timestamp, blocks } => {
                let written = one(|bytes| sender_report(bytes, ssrc, ntp, rtp_timestamp, 1, 2));
                let same = matches!(only(&written), Packet::SenderReport { ssrc: a, ntp: b,
                    rtp_timestamp: c, .. } if (a, b, c) == (ssrc, ntp, rtp_timestamp));
                assert!(same, "{packet:?}");
                reports(&blocks.iter().collect::<Vec<_>>())
            }
            Packet::ReceiverReport { blocks } => reports(&blocks.iter().collect::<Vec<_>>()),
            Packet::Bye { ssrcs } => ssrcs.iter().count(),
            Packet::Nack { media, lost } => lost_packets(media, lost.sequences().collect()),
            Packet::KeyframeWanted { media } => {
                let written = one(|bytes| pli(bytes, 1, media));
                assert_eq!(only(&written), Packet::KeyframeWanted { media });
                1
            }
            Packet::TransportFeedback(feedback) => {
                arrivals(&feedback.arrivals().collect::<Vec<_>>())
            }
            Packet::Other => 0,
        };
    }
    assert!(4 * count <= compound.len());
    // A NACK's entry of four bytes names 17 packets; nothing says more in fewer.
    assert!(4 * said <= 17 * compound.len(), "{said} in {} bytes", compound.len());
}

fn one(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(&mut bytes);
    bytes
}

fn only(bytes: &[u8]) -> Packet<'_> {
    let mut read = packets(bytes).expect("what is ours can be read");
    let packet = read.next().expect("a packet was written");
    assert_eq!(read.next(), None);
    packet
}

fn reports(blocks: &[ReportBlock]) -> usize {
    let written = one(|bytes| receiver_report(bytes, 7, blocks));
    let Packet::ReceiverReport { blocks: read } = only(&written) else {
        panic!("a receiver report reads as another packet")
    };
    assert_eq!(read.iter().collect::<Vec<_>>(), blocks);
    blocks.len()
}

fn lost_packets(media: u32, mut lost: Vec<u16>) -> usize {
    let said = lost.len();
    lost.sort_unstable();
    lost.dedup();
    let written = one(|bytes| nack(bytes, 7, media, &lost));
    let Packet::Nack { media: of, lost: read } = only(&written) else {
        panic!("a NACK reads as another packet")
    };
    assert_eq!(of, media);
    assert_eq!(read.sequences().collect::<Vec<_>>(), lost);
    said
}

/// The reporter's clock is its own: only what a clock that goes forward could have said is written
/// again.
fn arrivals(read: &[(u16, i64)]) -> usize {
    let mut told: Vec<Arrival> = Vec::new();
    for (number, at) in read {
        let before = told.last().map_or(u64::from(*number), |(last, _)| *last);
        let number = before + u64::from(number.wrapping_sub(before as u16));
        match u64::try_from(*at) {
            Ok(at) if told.last().is_none_or(|(last, _)| *last < number) => {
                told.push((number, MonotonicUs(at)));
            }
            Ok(_) | Err(_) => break,
        }
    }
    let mut rest = told.as_slice();
    while let Some((first, _)) = rest.first() {
        let mut bytes = Vec::new();
        let count = write_transport_feedback(&mut bytes, (1, 2), 3, *first, rest);
        assert!(count > 0 && bytes.len() < 1_400, "{count} in {} bytes", bytes.len());
        let Packet::TransportFeedback(again) = only(&bytes) else {
            panic!("feedback reads as another packet")
        };
        // Times of a reader wrap with the 24 bits of their reference, so differences are compared.
        let again: Vec<_> = again.arrivals().collect();
        let origin = (again[0].1, rest[0].1.0);
        for ((number, at), (expected, moment)) in again.iter().zip(&rest[..count]) {
            assert_eq!(*number, *expected as u16);
            assert_eq!(at - origin.0, moment.0.cast_signed() - origin.1.cast_signed());
        }
        assert_eq!(again.len(), count);
        rest = &rest[count..];
    }
    read.len()
}
