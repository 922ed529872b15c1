//! What must be known of a codec's payload: whether a key frame begins in it.

mod h264;
mod vp8;

use crate::Codec;

/// Whether a key frame begins in this payload. Audio needs none.
pub(crate) fn starts_keyframe(codec: Codec, payload: &[u8]) -> bool {
    match codec {
        Codec::Opus => false,
        Codec::Vp8 => vp8::starts_keyframe(payload),
        Codec::H264 => h264::starts_keyframe(payload),
    }
}
