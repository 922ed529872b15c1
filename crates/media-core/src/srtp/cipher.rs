//! One direction's transform for RTP or for RTCP, without memory of packets.

use super::derive::{Label, SRTCP, derive};
use crate::SrtpProfile;
use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::{constant_time, hmac};
use std::fmt;

const GCM_TAG: usize = 16;
const SHA1_80_TAG: usize = 10;
/// The fixed part of an RTCP packet that stays readable: header and SSRC.
const RTCP_CLEAR: usize = 8;
/// The word behind an RTCP packet: the E flag and a 31-bit index.
const RTCP_TRAILER: usize = 4;
const E_FLAG: u32 = 1 << 31;

/// The keys of one direction for RTP or for RTCP.
pub(super) enum Cipher {
    Gcm {
        key: LessSafeKey,
        salt: [u8; 12],
    },
    /// Boxed, because the expanded keys take 1.7 KB that the common case has no use for.
    Cm {
        key: Box<EncryptingKey>,
        salt: [u8; 14],
        mac: Box<hmac::Key>,
    },
}

impl fmt::Debug for Cipher {
    /// Without the keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gcm { .. } => "Gcm",
            Self::Cm { .. } => "Cm",
        })
    }
}

impl Cipher {
    pub(super) fn rtp(profile: SrtpProfile, key: &[u8], salt: &[u8]) -> Self {
        Self::derived(profile, key, salt, 0)
    }

    pub(super) fn rtcp(profile: SrtpProfile, key: &[u8], salt: &[u8]) -> Self {
        Self::derived(profile, key, salt, SRTCP)
    }

    fn derived(profile: SrtpProfile, key: &[u8], salt: &[u8], offset: u8) -> Self {
        let of = Label::Encryption;
        match profile {
            SrtpProfile::AeadAes128Gcm => Self::gcm(
                &derive::<16>(key, salt, of, offset),
                derive(key, salt, Label::Salt, offset),
            ),
            SrtpProfile::AeadAes256Gcm => Self::gcm(
                &derive::<32>(key, salt, of, offset),
                derive(key, salt, Label::Salt, offset),
            ),
            SrtpProfile::Aes128CmSha1_80 => Self::cm(
                &derive(key, salt, of, offset),
                derive(key, salt, Label::Salt, offset),
                &derive(key, salt, Label::Authentication, offset),
            ),
        }
    }

    /// AES-GCM with a session key of 16 or 32 bytes.
    pub(super) fn gcm(key: &[u8], salt: [u8; 12]) -> Self {
        let algorithm = if key.len() == 16 { &AES_128_GCM } else { &AES_256_GCM };
        let key = UnboundKey::new(algorithm, key).expect("the key has the algorithm's length");
        Self::Gcm { key: LessSafeKey::new(key), salt }
    }

    /// AES counter mode with HMAC-SHA1.
    pub(super) fn cm(key: &[u8; 16], salt: [u8; 14], mac: &[u8; 20]) -> Self {
        let key = UnboundCipherKey::new(&AES_128, key)
            .and_then(EncryptingKey::ctr)
            .expect("16 bytes are an AES-128 key");
        let mac = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, mac);
        Self::Cm { key: Box::new(key), salt, mac: Box::new(mac) }
    }

    /// Opens `packet` behind its `header_len` bytes of header; returns its length without the tag,
    /// or `None` if it is forged, and then its payload is spoilt.
    pub(super) fn open_rtp(
        &self,
        packet: &mut [u8],
        header_len: usize,
        ssrc: u32,
        index: u64,
    ) -> Option<usize> {
        match self {
            Self::Gcm { key, salt } => {
                let len = packet.len().checked_sub(GCM_TAG).filter(|len| *len >= header_len)?;
                let (header, sealed) = packet.split_at_mut(header_len);
                key.open_in_place(rtp_nonce(salt, ssrc, index), Aad::from(header), sealed).ok()?;
                Some(len)
            }
            Self::Cm { key, salt, mac } => {
                let len = packet.len().checked_sub(SHA1_80_TAG).filter(|len| *len >= header_len)?;
                let (text, tag) = packet.split_at_mut(len);
                let expected = sha1_80(mac, text, &rollover(index));
                constant_time::verify_slices_are_equal(&expected, tag).ok()?;
                counter_mode(key, salt, ssrc, index, &mut text[header_len..]);
                Some(len)
            }
        }
    }

    /// Seals the packet that begins at `start`, and appends its tag.
    pub(super) fn seal_rtp(
        &self,
        bytes: &mut Vec<u8>,
        start: usize,
        header_len: usize,
        ssrc: u32,
        index: u64,
    ) {
        match self {
            Self::Gcm { key, salt } => {
                let (header, payload) = bytes[start..].split_at_mut(header_len);
                let nonce = rtp_nonce(salt, ssrc, index);
                let tag = key
                    .seal_in_place_separate_tag(nonce, Aad::from(header), payload)
                    .expect("a datagram is far below the cipher's limit of 64 GiB");
                bytes.extend_from_slice(tag.as_ref());
            }
            Self::Cm { key, salt, mac } => {
                counter_mode(key, salt, ssrc, index, &mut bytes[start + header_len..]);
                let tag = sha1_80(mac, &bytes[start..], &rollover(index));
                bytes.extend_from_slice(&tag);
            }
        }
    }

    /// How much longer than the packet a sealed one is, in bytes.
    pub(super) const fn tag_len(&self) -> usize {
        match self {
            Self::Gcm { .. } => GCM_TAG,
            Self::Cm { .. } => SHA1_80_TAG,
        }
    }

    /// Seals a packet in parts straight to where it goes: `out` has room for header, payload and
    /// tag, exactly.
    pub(super) fn seal_rtp_to(
        &self,
        out: &mut [u8],
        header: &[u8],
        payload: &[u8],
        ssrc: u32,
        index: u64,
    ) {
        let (clear, rest) = out.split_at_mut(header.len());
        clear.copy_from_slice(header);
        match self {
            Self::Gcm { key, salt } => {
                let (sealed, tag) = rest.split_at_mut(payload.len());
                let nonce = rtp_nonce(salt, ssrc, index);
                key.seal_out_of_place_scatter(nonce, Aad::from(header), payload, sealed, &[], tag)
                    .expect("the parts fit, and a datagram is far below the cipher's limit");
            }
            Self::Cm { key, salt, mac } => {
                rest[..payload.len()].copy_from_slice(payload);
                counter_mode(key, salt, ssrc, index, &mut rest[..payload.len()]);
                let (text, tag) = out.split_at_mut(header.len() + payload.len());
                tag.copy_from_slice(&sha1_80(mac, text, &rollover(index)));
            }
        }
    }

    /// The index that an SRTCP packet carries. `None` if it is cut off or not encrypted: WebRTC has
    /// no use for RTCP in the clear (RFC 8827 section 6.5).
    pub(super) fn rtcp_index(&self, packet: &[u8]) -> Option<u32> {
        let behind = match self {
            Self::Gcm { .. } => 0,
            Self::Cm { .. } => SHA1_80_TAG,
        };
        let end = packet.len().checked_sub(behind)?;
        let start = end.checked_sub(RTCP_TRAILER).filter(|start| *start >= RTCP_CLEAR)?;
        let word = u32::from_be_bytes(packet[start..end].try_into().ok()?);
        (word & E_FLAG != 0).then_some(word & !E_FLAG)
    }

    /// Opens an SRTCP packet; returns the length of the RTCP packet in it.
    pub(super) fn open_rtcp(&self, packet: &mut [u8], ssrc: u32, index: u32) -> Option<usize> {
        match self {
            Self::Gcm { key, salt } => {
                let end = packet.len().checked_sub(RTCP_TRAILER)?;
                let len = end.checked_sub(GCM_TAG).filter(|len| *len >= RTCP_CLEAR)?;
                let aad = rtcp_aad(packet, index);
                let nonce = rtcp_nonce(salt, ssrc, index);
                key.open_in_place(nonce, Aad::from(aad), &mut packet[RTCP_CLEAR..end]).ok()?;
                Some(len)
            }
            Self::Cm { key, salt, mac } => {
                let end = packet.len().checked_sub(SHA1_80_TAG)?;
                let len = end.checked_sub(RTCP_TRAILER).filter(|len| *len >= RTCP_CLEAR)?;
                let (text, tag) = packet.split_at_mut(end);
                let expected = sha1_80(mac, text, &[]);
                constant_time::verify_slices_are_equal(&expected, tag).ok()?;
                counter_mode(key, salt, ssrc, index.into(), &mut text[RTCP_CLEAR..len]);
                Some(len)
            }
        }
    }

    /// Seals the RTCP packet that begins at `start`, and appends index and tag.
    pub(super) fn seal_rtcp(&self, bytes: &mut Vec<u8>, start: usize, ssrc: u32, index: u32) {
        let trailer = (index | E_FLAG).to_be_bytes();
        match self {
            Self::Gcm { key, salt } => {
                let aad = rtcp_aad(&bytes[start..], index);
                let nonce = rtcp_nonce(salt, ssrc, index);
                let tag = key
                    .seal_in_place_separate_tag(
                        nonce,
                        Aad::from(aad),
                        &mut bytes[start + RTCP_CLEAR..],
                    )
                    .expect("a datagram is far below the cipher's limit of 64 GiB");
                bytes.extend_from_slice(tag.as_ref());
                bytes.extend_from_slice(&trailer);
            }
            Self::Cm { key, salt, mac } => {
                counter_mode(key, salt, ssrc, index.into(), &mut bytes[start + RTCP_CLEAR..]);
                bytes.extend_from_slice(&trailer);
                let tag = sha1_80(mac, &bytes[start..], &[]);
                bytes.extend_from_slice(&tag);
            }
        }
    }
}

/// RFC 7714 section 8.1: two zero bytes, SSRC, 48-bit index; xor salt.
fn rtp_nonce(salt: &[u8; 12], ssrc: u32, index: u64) -> Nonce {
    let mut nonce = [0; 12];
    nonce[2..6].copy_from_slice(&ssrc.to_be_bytes());
    nonce[6..].copy_from_slice(&index.to_be_bytes()[2..]);
    Nonce::assume_unique_for_key(xor(nonce, salt))
}

/// RFC 7714 section 9.1: two zero bytes, SSRC, two zero bytes, 31-bit index; xor salt.
fn rtcp_nonce(salt: &[u8; 12], ssrc: u32, index: u32) -> Nonce {
    let mut nonce = [0; 12];
    nonce[2..6].copy_from_slice(&ssrc.to_be_bytes());
    nonce[8..].copy_from_slice(&index.to_be_bytes());
    Nonce::assume_unique_for_key(xor(nonce, salt))
}

/// RFC 7714 section 9.2: the clear header, then the word with the E flag and the index.
fn rtcp_aad(packet: &[u8], index: u32) -> [u8; RTCP_CLEAR + RTCP_TRAILER] {
    let mut aad = [0; RTCP_CLEAR + RTCP_TRAILER];
    aad[..RTCP_CLEAR].copy_from_slice(&packet[..RTCP_CLEAR]);
    aad[RTCP_CLEAR..].copy_from_slice(&(index | E_FLAG).to_be_bytes());
    aad
}

/// RFC 3711 section 4.1.1: the counter starts at `salt * 2^16 xor SSRC * 2^64 xor index * 2^16`.
fn counter_mode(key: &EncryptingKey, salt: &[u8; 14], ssrc: u32, index: u64, text: &mut [u8]) {
    let mut counter = [0; 14];
    counter[4..8].copy_from_slice(&ssrc.to_be_bytes());
    counter[8..].copy_from_slice(&index.to_be_bytes()[2..]);
    let mut start = [0; 16];
    start[..14].copy_from_slice(&xor(counter, salt));
    key.less_safe_encrypt(text, EncryptionContext::Iv128(FixedLength::from(start)))
        .expect("counter mode takes any length and a block as context");
}

/// The rollover counter as it is authenticated behind a packet (RFC 3711 section 4.2).
fn rollover(index: u64) -> [u8; 4] {
    ((index >> 16) as u32).to_be_bytes()
}

fn sha1_80(key: &hmac::Key, text: &[u8], behind: &[u8]) -> [u8; SHA1_80_TAG] {
    let mut context = hmac::Context::with_key(key);
    context.update(text);
    context.update(behind);
    let mut tag = [0; SHA1_80_TAG];
    tag.copy_from_slice(&context.sign().as_ref()[..SHA1_80_TAG]);
    tag
}

fn xor<const LEN: usize>(mut left: [u8; LEN], right: &[u8; LEN]) -> [u8; LEN] {
    for (byte, other) in left.iter_mut().zip(right) {
        *byte ^= other;
    }
    left
}
