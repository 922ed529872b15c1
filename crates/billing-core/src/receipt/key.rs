//! The keys of receipts: Ed25519 (RFC 8032).

use super::hex::Hex;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use std::fmt;
use std::str::FromStr;

/// What signs receipts. Whoever has it can write receipts in the service's name.
pub struct SigningKey(Ed25519KeyPair);

/// What proves receipts; the service publishes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(Hex<32>);

/// Why bytes or a text are no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// Not the PKCS#8 form of an Ed25519 private key.
    NotPkcs8,
    /// Not 64 lower-case hexadecimal digits.
    NotPublic,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotPkcs8 => "not an Ed25519 private key in PKCS#8 form",
            Self::NotPublic => "a public key is 64 lower-case hexadecimal digits",
        })
    }
}

impl std::error::Error for KeyError {}

impl SigningKey {
    /// The key of a seed: 32 random bytes.
    ///
    /// # Panics
    /// Never: every seed has a key.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(seed).expect("every seed has a key"))
    }

    /// Reads the DER text of a PKCS#8 file.
    ///
    /// # Errors
    /// [`KeyError::NotPkcs8`].
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        Ed25519KeyPair::from_pkcs8(der).map(Self).map_err(|_| KeyError::NotPkcs8)
    }

    /// The key that proves what this one signs.
    ///
    /// # Panics
    /// Never: a public key has 32 bytes.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        let bytes = self.0.public_key().as_ref().try_into().expect("32 bytes");
        PublicKey(Hex(bytes))
    }

    /// The signature of `message`; always the same for the same message.
    pub(super) fn sign(&self, message: &[u8]) -> Hex<64> {
        Hex(self.0.sign(message).as_ref().try_into().expect("64 bytes"))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public()).finish_non_exhaustive()
    }
}

impl PublicKey {
    pub(super) const fn of(bytes: Hex<32>) -> Self {
        Self(bytes)
    }

    pub(super) const fn hex(self) -> Hex<32> {
        self.0
    }

    pub(super) fn proves(self, message: &[u8], signature: &Hex<64>) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0.0).verify(message, &signature.0).is_ok()
    }
}

impl fmt::Display for PublicKey {
    /// Writes 64 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        Hex::parse(text).map(Self).ok_or(KeyError::NotPublic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8032, section 7.1, test 1.
    const SEED: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    const PUBLIC: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    const SIGNATURE_OF_NOTHING: &str = "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b";

    #[test]
    fn keys_and_signatures_are_those_of_the_rfc() {
        let seed: Hex<32> = Hex::parse(SEED).unwrap();
        let key = SigningKey::from_seed(&seed.0);
        assert_eq!(key.public().to_string(), PUBLIC);
        assert_eq!(key.sign(b"").to_string(), SIGNATURE_OF_NOTHING);
        let mut pkcs8 = vec![0x30, 46, 2, 1, 0, 0x30, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32];
        pkcs8.extend(seed.0);
        assert_eq!(SigningKey::from_pkcs8(&pkcs8).unwrap().public(), key.public());
        assert!(!format!("{key:?}").contains(&SEED[..8]));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert_eq!(SigningKey::from_pkcs8(b"x").unwrap_err(), KeyError::NotPkcs8);
        for bad in ["", "d7", &PUBLIC.to_uppercase(), &format!("{PUBLIC}00"), &"g".repeat(64)] {
            assert_eq!(bad.parse::<PublicKey>(), Err(KeyError::NotPublic), "{bad}");
        }
    }
}
