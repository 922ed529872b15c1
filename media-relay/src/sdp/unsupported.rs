//! What an offer lacks.

use media_core::Codec;

/// Why an offer can't be answered. Its text completes "the offer lacks ...".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsupported {
    #[error("a size of at most {} bytes", crate::limits::OFFER_BYTES_MAX)]
    Size,
    #[error("a readable line {0}")]
    Line(usize),
    #[error("a limit of {} m-lines", crate::limits::SECTIONS_MAX)]
    Sections,
    #[error("an audio m-line in the BUNDLE group")]
    Audio,
    #[error("an m-line for audio or video in the BUNDLE group")]
    Media,
    #[error("a BUNDLE group (a=group:BUNDLE)")]
    Bundle,
    #[error("the profile UDP/TLS/RTP/SAVPF")]
    Profile,
    #[error("a mid of 1 to 16 characters, unique among the m-lines (a=mid)")]
    Mid,
    #[error("RTCP multiplexing (a=rtcp-mux)")]
    RtcpMux,
    #[error("the m-lines of this connection's first offer, as they were")]
    SameLines,
    #[error("an ICE user fragment of 4 to 256 characters (a=ice-ufrag)")]
    IceUfrag,
    #[error("an ICE password of 22 to 256 characters (a=ice-pwd)")]
    IcePwd,
    #[error("a full ICE agent: two ICE-lite agents never connect")]
    FullIce,
    #[error("a certificate fingerprint by sha-256, sha-384 or sha-512 (a=fingerprint)")]
    Fingerprint,
    #[error("the DTLS client's role (a=setup:actpass)")]
    DtlsClient,
    #[error("audio codec Opus")]
    Opus,
    #[error("{}", video_text(*.0))]
    Video(Option<Codec>),
}

/// Names the video codec that is wanted, or those among which a first offer may choose.
fn video_text(codec: Option<Codec>) -> &'static str {
    match codec {
        Some(Codec::Vp8) => "video codec VP8",
        Some(Codec::H264) => "video codec H.264 constrained baseline, packetization-mode=1",
        Some(Codec::Opus) | None => {
            "video codec VP8 or H.264 constrained baseline, packetization-mode=1"
        }
    }
}
