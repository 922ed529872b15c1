//! Session keys from master keys: RFC 3711 section 4.3, with a key derivation rate of 0.

use crate::SrtpProfile;
use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};

/// What a derived key is for (RFC 3711 section 4.3.2); SRTCP's labels are three higher.
#[derive(Clone, Copy)]
pub(super) enum Label {
    Encryption = 0,
    Authentication = 1,
    Salt = 2,
}

/// The step from SRTP's labels to SRTCP's.
pub(super) const SRTCP: u8 = 3;

/// Lengths of the master key and the master salt in bytes.
pub(super) const fn lengths(profile: SrtpProfile) -> (usize, usize) {
    match profile {
        SrtpProfile::AeadAes128Gcm => (16, 12),
        SrtpProfile::AeadAes256Gcm => (32, 12),
        SrtpProfile::Aes128CmSha1_80 => (16, 14),
    }
}

/// Derives the session key `label + offset` of `LEN` bytes.
///
/// The pseudo-random function is AES in counter mode from `(label xor salt) * 2^16`. A 12-byte salt
/// is used as if followed by two zero bytes (RFC 7714 section 11).
pub(super) fn derive<const LEN: usize>(
    key: &[u8],
    salt: &[u8],
    label: Label,
    offset: u8,
) -> [u8; LEN] {
    let algorithm = if key.len() == 16 { &AES_128 } else { &AES_256 };
    let cipher = UnboundCipherKey::new(algorithm, key)
        .and_then(EncryptingKey::ecb)
        .expect("`lengths` are those of AES keys");
    let mut counter = [0; 16];
    counter[..salt.len()].copy_from_slice(salt);
    counter[7] ^= label as u8 + offset;
    let mut derived = [0; LEN];
    for (block, piece) in (0u16..).zip(derived.chunks_mut(16)) {
        let mut stream = counter;
        stream[14..].copy_from_slice(&block.to_be_bytes());
        cipher
            .less_safe_encrypt(&mut stream, EncryptionContext::None)
            .expect("ECB takes a whole block and no context");
        piece.copy_from_slice(&stream[..piece.len()]);
    }
    derived
}

#[cfg(test)]
mod tests {
    use super::super::tests::unhex;
    use super::*;

    /// RFC 3711 appendix B.3.
    #[test]
    fn keys_of_rfc_3711_b_3() {
        let key = unhex("E1F97A0D3E018BE0D64FA32C06DE4139");
        let salt = unhex("0EC675AD498AFEEBB6960B3AABE6");
        let encryption: [u8; 16] = derive(&key, &salt, Label::Encryption, 0);
        let salting: [u8; 14] = derive(&key, &salt, Label::Salt, 0);
        let authentication: [u8; 20] = derive(&key, &salt, Label::Authentication, 0);
        assert_eq!(encryption.to_vec(), unhex("C61E7A93744F39EE10734AFE3FF7A087"));
        assert_eq!(salting.to_vec(), unhex("30CBBC08863D8C85D49DB34A9AE1"));
        assert_eq!(authentication.to_vec(), unhex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));
    }
}
