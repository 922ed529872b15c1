//! What one client's connection agreed on: the whole input of the packet path.

use std::fmt;

/// Audio or video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MediaKind {
    Audio,
    Video,
}

/// A codec that the relay forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    Opus,
    Vp8,
    H264,
}

impl Codec {
    /// Whether it is a codec for audio or for video.
    #[must_use]
    pub const fn kind(self) -> MediaKind {
        match self {
            Self::Opus => MediaKind::Audio,
            Self::Vp8 | Self::H264 => MediaKind::Video,
        }
    }
}

/// How SRTP protects packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SrtpProfile {
    /// RFC 7714, 16 byte keys, 12 byte salts.
    AeadAes128Gcm,
    /// RFC 7714, 32 byte keys, 12 byte salts.
    AeadAes256Gcm,
    /// RFC 3711, 16 byte keys, 14 byte salts, 80 bit tags.
    Aes128CmSha1_80,
}

/// An m-line's `a=mid`: 1 to 16 bytes, so that it fits a one-byte header extension (RFC 8285).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Mid {
    bytes: [u8; 16],
    len: u8,
}

impl Mid {
    /// The id, or `None` if it is empty or longer than 16 bytes.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        let len = u8::try_from(text.len()).ok().filter(|len| *len > 0)?;
        Some(Self { bytes, len })
    }

    /// The id as it stands in a header extension.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Debug for Mid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mid({})", self.as_bytes().escape_ascii())
    }
}

/// The negotiated one-byte header extension ids (RFC 8285): 1 to 14, each absent if not agreed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExtensionIds {
    /// `urn:ietf:params:rtp-hdrext:sdes:mid`
    pub mid: Option<u8>,
    /// `draft-holmer-rmcat-transport-wide-cc-extensions-01`
    pub transport_sequence: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:ssrc-audio-level` (RFC 6464)
    pub audio_level: Option<u8>,
}

/// One m-line: one codec both ways, on our own SSRCs outwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaLine {
    pub mid: Mid,
    pub codec: Codec,
    pub payload_type: u8,
    /// The payload type of retransmissions (RFC 4588), if agreed.
    pub rtx_payload_type: Option<u8>,
    /// RTP clock: 48,000 for Opus, 90,000 for video.
    pub clock_hz: u32,
    pub extensions: ExtensionIds,
    /// Our SSRC for what we send on this line. Unique in the leg; never the publisher's.
    pub ssrc: u32,
    /// Our SSRC for retransmissions, if agreed.
    pub rtx_ssrc: Option<u32>,
    /// Whether the client sends on this line.
    pub client_sends: bool,
    /// Whether the client receives on this line.
    pub client_receives: bool,
    /// Whether the client answers with transport-wide feedback for this line
    /// (`a=rtcp-fb:* transport-cc` and the extension).
    pub transport_cc: bool,
    /// Whether the client sends no more than it is told (`a=rtcp-fb:* goog-remb`).
    pub remb: bool,
}

/// A client's connection as negotiated. Its address is the shell's business, because it moves.
#[derive(Clone, PartialEq, Eq)]
pub struct NegotiatedLeg {
    pub profile: SrtpProfile,
    /// DTLS-SRTP keying material (RFC 5764 section 4.2): client key, server key, client salt,
    /// server salt. We are the server: the client's key opens, the server's seals.
    pub keying_material: Vec<u8>,
    pub lines: Vec<MediaLine>,
}

impl fmt::Debug for NegotiatedLeg {
    /// Without the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NegotiatedLeg")
            .field("profile", &self.profile)
            .field("lines", &self.lines)
            .finish_non_exhaustive()
    }
}
