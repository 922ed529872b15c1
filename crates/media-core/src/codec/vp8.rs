//! VP8 in RTP (RFC 7741).

/// Whether the payload is the start of the first partition of a key frame: the payload descriptor
/// (section 4.2), then the P bit of the payload header (section 4.3).
pub(super) fn starts_keyframe(payload: &[u8]) -> bool {
    first_header_byte(payload).is_some_and(|byte| byte & 1 == 0)
}

/// The first byte of the VP8 payload header, if the packet begins a frame.
fn first_header_byte(payload: &[u8]) -> Option<u8> {
    const EXTENDED: u8 = 0x80;
    const START: u8 = 0x10;
    const PARTITION: u8 = 0x07;
    let first = *payload.first()?;
    if first & START == 0 || first & PARTITION != 0 {
        return None;
    }
    let mut at = 1;
    if first & EXTENDED != 0 {
        let fields = *payload.get(1)?;
        at += 1;
        if fields & 0x80 != 0 {
            let long = payload.get(at)? & 0x80 != 0;
            at += if long { 2 } else { 1 };
        }
        at += usize::from(fields & 0x40 != 0) + usize::from(fields & 0x30 != 0);
    }
    payload.get(at).copied()
}

#[cfg(test)]
mod tests {
    use super::starts_keyframe;
    use proptest::prelude::*;

    #[test]
    fn a_key_frame_starts_in_the_first_packet_of_one() {
        for (payload, starts) in [
            (&[0x10, 0x00][..], true),
            (&[0x10, 0x01], false),
            (&[0x00, 0x00], false),
            (&[0x11, 0x00], false),
            (&[0x90, 0x80, 0x05, 0x00], true),
            (&[0x90, 0x80, 0x85, 0x01, 0x00], true),
            (&[0x90, 0xe0, 0x85, 0x01, 7, 8, 0x00], true),
            (&[0x90, 0xe0, 0x85, 0x01, 7, 8, 0x01], false),
            (&[0x90, 0xe0, 0x85, 0x01, 7, 8], false),
            (&[0x90], false),
            (&[], false),
        ] {
            assert_eq!(starts_keyframe(payload), starts, "{payload:x?}");
        }
    }

    proptest! {
        #[test]
        fn takes_any_bytes(payload in prop::collection::vec(any::<u8>(), 0..9)) {
            starts_keyframe(&payload);
        }
    }
}
