//! The little RTCP that a client which is measured with needs.

/// Packet type and format of a picture loss indication (RFC 4585 section 6.3.1).
pub(super) const KEY_FRAME_WANTED: (u8, u8) = (206, 1);

/// Packet type and format of a generic NACK (RFC 4585 section 6.2.1).
pub(super) const NACK: (u8, u8) = (205, 1);

/// Format of transport-wide feedback, of packet type 205.
const TRANSPORT_FEEDBACK: u8 = 15;

/// Whether a datagram is SRTCP rather than SRTP (RFC 5761 section 4).
pub(super) fn is_rtcp(datagram: &[u8]) -> bool {
    datagram.get(1).is_some_and(|kind| (192..=223).contains(kind))
}

/// Packet type and format of each packet of a compound one.
pub(super) fn kinds(mut compound: &[u8]) -> impl Iterator<Item = (u8, u8)> {
    std::iter::from_fn(move || {
        let [head, kind, high, low, ..] = *compound else { return None };
        let len = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
        compound = compound.get(len..).unwrap_or_default();
        Some((kind, head & 0x1f))
    })
}

/// Transport-wide feedback on all numbers from the first to the last of `arrived`, ascending modulo
/// 2^16: those that are in it have arrived a millisecond after each other.
pub(super) fn transport_feedback(count: u8, arrived: &[u16]) -> Option<Vec<u8>> {
    let (first, last) = (*arrived.first()?, *arrived.last()?);
    let total = last.wrapping_sub(first).wrapping_add(1);
    let mut body = vec![0, 0, 0, 0];
    body.extend_from_slice(&first.to_be_bytes());
    body.extend_from_slice(&total.to_be_bytes());
    body.extend_from_slice(&[0, 0, 1, count]);
    let mut next = first;
    let mut rest = arrived;
    while let Some((start, _)) = rest.split_first() {
        // Runs of what is missing (symbol 0), and of what came (symbol 1: a small delta).
        let missing = start.wrapping_sub(next);
        if missing > 0 {
            body.extend_from_slice(&(missing & 0x1fff).to_be_bytes());
        }
        let run = (0..).zip(rest).take_while(|(n, number)| start.wrapping_add(*n) == **number);
        let run = run.count();
        body.extend_from_slice(&(0x2000 | u16::try_from(run).ok()?).to_be_bytes());
        next = start.wrapping_add(u16::try_from(run).ok()?);
        rest = &rest[run..];
    }
    body.resize(body.len() + arrived.len(), 4);
    Some(packet(TRANSPORT_FEEDBACK, 205, &body))
}

/// A receiver report on each stream: its SSRC and the highest sequence number with cycles.
pub(super) fn receiver_report(streams: &[(u32, u32)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (ssrc, highest) in streams {
        for word in [*ssrc, 0, *highest, 0, 0, 0] {
            body.extend_from_slice(&word.to_be_bytes());
        }
    }
    packet(streams.len() as u8, 201, &body)
}

/// Asks for one packet again.
pub(super) fn nack(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut body = ssrc.to_be_bytes().to_vec();
    body.extend_from_slice(&sequence.to_be_bytes());
    body.extend_from_slice(&[0, 0]);
    packet(NACK.1, NACK.0, &body)
}

/// A packet in the name of SSRC 1, padded to whole words.
fn packet(format: u8, kind: u8, body: &[u8]) -> Vec<u8> {
    let padding = (4 - body.len() % 4) % 4;
    let words = (body.len() + padding) / 4 + 1;
    let padded = if padding > 0 { 0x20 } else { 0 };
    let mut packet = vec![0x80 | padded | format, kind];
    packet.extend_from_slice(&(words as u16).to_be_bytes());
    packet.extend_from_slice(&1_u32.to_be_bytes());
    packet.extend_from_slice(body);
    if padding > 0 {
        packet.resize(packet.len() + padding - 1, 0);
        packet.push(padding as u8);
    }
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn feedback_is_whole_words_and_says_what_is_missing() {
        let arrived = [65_534, 65_535, 0, 3];
        let feedback = transport_feedback(9, &arrived).unwrap();
        assert_eq!(feedback.len() % 4, 0);
        assert_eq!(kinds(&feedback).collect::<Vec<_>>(), [(205, 15)]);
        assert_eq!(feedback[12..20], [0xff, 0xfe, 0, 6, 0, 0, 1, 9]);
        // Three came, two are missing, one came.
        assert_eq!(feedback[20..26], [0x20, 3, 0, 2, 0x20, 1]);
        assert_eq!(feedback[26..30], [4; 4]);
        assert_eq!(feedback[30..], [0, 2]);
        assert_eq!(transport_feedback(0, &[]), None);
    }
}
