//! H.264 in RTP (RFC 6184).

const IDR: u8 = 5;
const SPS: u8 = 7;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;
const TYPE: u8 = 0x1f;

/// Whether the payload begins an IDR picture or the parameter sets before one: as a single unit, in
/// an aggregate (STAP-A, section 5.7.1) or as the first fragment (FU-A, section 5.8).
pub(super) fn starts_keyframe(payload: &[u8]) -> bool {
    match payload {
        [head, units @ ..] if head & TYPE == STAP_A => aggregate_has_key(units),
        [head, fragment, ..] if head & TYPE == FU_A => fragment & 0x80 != 0 && is_key(*fragment),
        [head, ..] => is_key(*head),
        [] => false,
    }
}

const fn is_key(head: u8) -> bool {
    matches!(head & TYPE, IDR | SPS)
}

fn aggregate_has_key(mut units: &[u8]) -> bool {
    while let [high, low, rest @ ..] = units {
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((unit, rest)) = rest.split_at_checked(len) else { return false };
        if unit.first().is_some_and(|head| is_key(*head)) {
            return true;
        }
        units = rest;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::starts_keyframe;
    use proptest::prelude::*;

    #[test]
    fn a_key_frame_starts_with_parameter_sets_or_an_idr_slice() {
        for (payload, starts) in [
            (&[0x65, 1][..], true),
            (&[0x67, 1], true),
            (&[0x61, 1], false),
            (&[0x78, 0, 1, 0x61, 0, 1, 0x67], true),
            (&[0x78, 0, 1, 0x61, 0, 2, 0x67], false),
            (&[0x78, 0, 0], false),
            (&[0x7c, 0x85], true),
            (&[0x7c, 0x05], false),
            (&[0x7c, 0x81], false),
            (&[0x7c], false),
            (&[], false),
        ] {
            assert_eq!(starts_keyframe(payload), starts, "{payload:x?}");
        }
    }

    proptest! {
        #[test]
        fn takes_any_bytes(payload in prop::collection::vec(any::<u8>(), 0..12)) {
            starts_keyframe(&payload);
        }
    }
}
