//! Why a datagram from a client's address was of no use.

use crate::SrtpError;

/// Why a datagram from a client's address was of no use. Nothing was remembered of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Neither RTP nor RTCP, or cut off; or a sealed compound that can't be read.
    Malformed,
    /// Sealed by somebody else: its tag does not verify.
    Forged,
    /// Came before, or is too old to tell. Networks repeat packets, too.
    Replayed,
    /// From one SSRC more than a client may use ([`Limits::inbound_ssrcs`](crate::Limits)).
    TooManyStreams,
    /// RTCP beyond [`Limits::control_bytes_per_s`](crate::Limits).
    OverRate,
}

impl From<SrtpError> for Refused {
    fn from(error: SrtpError) -> Self {
        match error {
            SrtpError::Forged => Self::Forged,
            SrtpError::Replayed => Self::Replayed,
            SrtpError::TooManyStreams => Self::TooManyStreams,
            // The latter two are errors of keys and of sealing.
            SrtpError::Malformed | SrtpError::KeyTooShort | SrtpError::IndexUsed => Self::Malformed,
        }
    }
}
