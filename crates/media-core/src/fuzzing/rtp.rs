//! RTP headers, header extensions and payloads (RFC 3550, RFC 8285).

use crate::codec::starts_keyframe;
use crate::rtp::{Header, Media, Place, Template};
use crate::{Codec, ExtensionIds, MediaLine, Mid};

/// Reads a packet; what it says is within it, and written anew reads back the same.
///
/// # Panics
/// If that does not hold.
pub fn rtp(packet: &[u8]) {
    let Some(header) = Header::parse(packet) else { return };
    assert!((12..=packet.len()).contains(&header.len));
    let mut bytes = 0;
    for (_, data) in header.extensions(packet) {
        // At least its id was read besides.
        bytes += data.len() + 1;
    }
    assert!(bytes <= header.len - 12, "extensions of {bytes} bytes in {}", header.len);
    let Some(payload) = header.payload(packet) else { return };
    assert!(payload.len() <= packet.len() - header.len);
    for codec in [Codec::Opus, Codec::Vp8, Codec::H264] {
        let starts = starts_keyframe(codec, payload);
        assert!(!starts || (codec != Codec::Opus && !payload.is_empty()));
    }
    forwarded(&header, packet, payload);
}

/// The header of a listener's copy says what the publisher's said.
fn forwarded(header: &Header, packet: &[u8], payload: &[u8]) {
    let level = header.extensions(packet).find_map(|(id, data)| match data {
        [level] if id == 1 => Some(*level),
        _ => None,
    });
    let mid = header
        .extensions(packet)
        .filter_map(|(_, data)| Mid::new(std::str::from_utf8(data).ok()?))
        .next();
    let ids = ExtensionIds { mid: Some(4), transport_sequence: Some(3), audio_level: Some(1) };
    let line = MediaLine {
        mid: mid.or_else(|| Mid::new("0")).expect("one byte"),
        codec: Codec::Opus,
        payload_type: header.payload_type,
        rtx_payload_type: None,
        clock_hz: 48_000,
        extensions: ids,
        ssrc: header.ssrc,
        rtx_ssrc: None,
        client_sends: true,
        client_receives: true,
        transport_cc: true,
        remb: true,
    };
    let index = u64::from(header.sequence);
    let (marker, timestamp) = (header.marker, header.timestamp);
    let media = Media { index, marker, timestamp, audio_level: level, payload };
    let place = Place { index, timestamp };
    let written = Template::new(&line, header.payload_type, header.ssrc, true).header(
        &media,
        place,
        header.sequence,
    );
    let again = Header::parse(written.as_slice()).expect("a header of ours can be read");
    assert_eq!((again.marker, again.payload_type), (marker, header.payload_type));
    assert_eq!((again.sequence, again.timestamp), (header.sequence, timestamp));
    assert_eq!((again.ssrc, again.len), (header.ssrc, written.as_slice().len()));
    let number = header.sequence.to_be_bytes();
    let read: Vec<_> = again.extensions(written.as_slice()).collect();
    let mut expected = vec![(4, line.mid.as_bytes()), (3, &number[..])];
    expected.extend(level.as_ref().map(|level| (1, std::slice::from_ref(level))));
    assert_eq!(read, expected);
}
