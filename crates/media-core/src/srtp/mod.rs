//! Protects RTP and RTCP: SRTP by RFC 3711 (AES-CM with HMAC-SHA1) and RFC 7714 (AES-GCM).
//!
//! * Nothing is remembered of a packet before its tag has verified.
//! * A packet is opened at most once: the replay window is 1,024 wide, for RTP and RTCP apart.
//! * An outgoing index is sealed at most once per key and SSRC; [`Sealer::reseal_rtp`] is the one
//!   exception, for a repetition of the very same bytes.

mod cipher;
mod derive;
mod opener;
mod sealer;
mod streams;

pub use opener::Opener;
pub use sealer::Sealer;
pub(crate) use sealer::Stream;

use crate::SrtpProfile;
use cipher::Cipher;

/// Which end of the DTLS handshake we are (RFC 5764 section 4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Opens with the server's key, seals with the client's.
    Client,
    /// Opens with the client's key, seals with the server's.
    Server,
}

/// Why a packet could not be opened or sealed. Nothing was remembered of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SrtpError {
    /// The keying material is shorter than the profile needs.
    #[error("the keying material is too short")]
    KeyTooShort,
    /// Not RTP or RTCP, or cut off.
    #[error("not a packet")]
    Malformed,
    /// The tag is not the sender's.
    #[error("the tag does not verify")]
    Forged,
    /// Seen before, or too old to tell.
    #[error("seen before or too old")]
    Replayed,
    /// The packet's SSRC is new, and there are already as many as allowed.
    #[error("too many streams")]
    TooManyStreams,
    /// Sealing it would use an index twice, or the key is used up.
    #[error("the index is used up")]
    IndexUsed,
}

/// Both directions of one connection.
#[derive(Debug)]
pub struct SrtpContext {
    pub opener: Opener,
    pub sealer: Sealer,
}

impl SrtpContext {
    /// Derives all keys from DTLS-SRTP keying material: client key, server key, client salt,
    /// server salt. At most `streams_max` inbound SSRCs are followed, for RTP and RTCP each.
    ///
    /// # Errors
    /// [`SrtpError::KeyTooShort`].
    pub fn new(
        profile: SrtpProfile,
        keying_material: &[u8],
        role: Role,
        streams_max: usize,
    ) -> Result<Self, SrtpError> {
        let (key, salt) = derive::lengths(profile);
        let part = |start: usize, len: usize| {
            keying_material.get(start..start + len).ok_or(SrtpError::KeyTooShort)
        };
        let client = (part(0, key)?, part(2 * key, salt)?);
        let server = (part(key, key)?, part(2 * key + salt, salt)?);
        let (open, seal) = match role {
            Role::Client => (server, client),
            Role::Server => (client, server),
        };
        let pair =
            |(key, salt)| (Cipher::rtp(profile, key, salt), Cipher::rtcp(profile, key, salt));
        Ok(Self { opener: Opener::new(pair(open), streams_max), sealer: Sealer::new(pair(seal)) })
    }
}

/// The SSRC of an RTCP packet, sealed or not.
fn rtcp_ssrc(packet: &[u8]) -> Result<u32, SrtpError> {
    let version_2 = packet.first().is_some_and(|first| first >> 6 == 2);
    let ssrc = packet.get(4..8).filter(|_| version_2).ok_or(SrtpError::Malformed)?;
    Ok(u32::from_be_bytes(ssrc.try_into().map_err(|_| SrtpError::Malformed)?))
}

#[cfg(test)]
mod tests;
