//! How two processes introduce themselves: each proves that it knows the secret, without sending
//! it, and says what it has of the other's messages.
//!
//! Listener: challenge. Dialer: proof. Listener: welcome (its own proof). Dialer: hello. What
//! follows is not encrypted or signed: the network must be private.

use crate::entropy;
use aws_lc_rs::hmac;
use serde::{Deserialize, Serialize};
use std::fmt;
use uuid::Uuid;

/// The version of everything on the link's wire. Others are refused.
const VERSION: u32 = 1;

/// Fewest bytes of a secret: what can't be guessed.
const SECRET_BYTES_MIN: usize = 32;

/// What all processes of an installation know. Never shown.
#[derive(Clone)]
pub struct Secret(hmac::Key);

/// A secret that could be guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the links' secret needs at least {SECRET_BYTES_MIN} bytes")]
pub struct SecretTooShort;

impl Secret {
    /// # Errors
    /// [`SecretTooShort`]
    pub fn new(bytes: &[u8]) -> Result<Self, SecretTooShort> {
        if bytes.len() < SECRET_BYTES_MIN {
            return Err(SecretTooShort);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, bytes)))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// What a process is called among its peers. It keeps its name when it restarts, and no two that
/// run have the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// Why a text is no [`Name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name is 1 to 64 of the characters A-Z a-z 0-9 . _ - @")]
pub struct NameError;

impl TryFrom<String> for Name {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-@".contains(&byte);
        let good = (1..=64).contains(&text.len()) && text.bytes().all(plain);
        if good { Ok(Self(text)) } else { Err(NameError) }
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What one side says of itself and of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    /// Drawn when this side began to number messages for that peer.
    pub(super) run: Uuid,
    /// Of which run of the peer it has messages, and up to which number.
    pub(super) heard: Option<(Uuid, u64)>,
}

/// The frames of an introduction.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Introduction {
    Challenge { version: u32, nonce: Uuid },
    Proof { version: u32, nonce: Uuid, door: String, name: Name, mac: [u8; 32] },
    Welcome { name: Name, mac: [u8; 32], hello: Hello },
    Hello { hello: Hello },
    Refused { reason: Refusal },
}

/// Why two processes don't talk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub(super) enum Refusal {
    #[error("the secrets differ")]
    Secret,
    #[error("the versions differ")]
    Version,
    #[error("it has no such door")]
    Door,
    #[error("another running process has the same name: set links.name")]
    NameTaken,
    #[error("it did not keep to the order of an introduction")]
    Order,
}

/// What both sides know before either proves anything.
#[derive(Debug)]
pub(super) struct Terms<'a> {
    listener: Uuid,
    dialer: Uuid,
    door: &'a str,
    dialer_name: &'a Name,
}

/// The listener's first word.
pub(super) fn challenge() -> (Uuid, Introduction) {
    let nonce = fresh();
    (nonce, Introduction::Challenge { version: VERSION, nonce })
}

/// A number that nobody can guess or has used.
pub(super) fn fresh() -> Uuid {
    Uuid::from_bytes(entropy::bytes())
}

/// Refuses another version.
pub(super) fn check_version(version: u32) -> Result<(), Refusal> {
    if version == VERSION { Ok(()) } else { Err(Refusal::Version) }
}

impl<'a> Terms<'a> {
    pub(super) const fn new(
        listener: Uuid,
        dialer: Uuid,
        door: &'a str,
        dialer_name: &'a Name,
    ) -> Self {
        Self { listener, dialer, door, dialer_name }
    }

    /// The dialer's answer to the challenge.
    pub(super) fn proof(&self, secret: &Secret) -> Introduction {
        Introduction::Proof {
            version: VERSION,
            nonce: self.dialer,
            door: self.door.to_owned(),
            name: self.dialer_name.clone(),
            mac: mac(secret, &self.dialer_text()),
        }
    }

    pub(super) fn check_proof(&self, secret: &Secret, claimed: &[u8; 32]) -> Result<(), Refusal> {
        verify(secret, &self.dialer_text(), claimed)
    }

    /// The listener's proof that it is one of us, bound to what it says.
    pub(super) fn welcome(&self, secret: &Secret, name: &Name, hello: Hello) -> Introduction {
        let mac = mac(secret, &self.listener_text(name, &hello));
        Introduction::Welcome { name: name.clone(), mac, hello }
    }

    pub(super) fn check_welcome(
        &self,
        secret: &Secret,
        name: &Name,
        hello: &Hello,
        claimed: &[u8; 32],
    ) -> Result<(), Refusal> {
        verify(secret, &self.listener_text(name, hello), claimed)
    }

    fn dialer_text(&self) -> Vec<u8> {
        let Self { listener, dialer, door, dialer_name } = self;
        text(&("coinline link, dialer", listener, dialer, door, dialer_name))
    }

    fn listener_text(&self, name: &Name, hello: &Hello) -> Vec<u8> {
        let Self { listener, dialer, door, dialer_name } = self;
        text(&("coinline link, listener", listener, dialer, door, dialer_name, name, hello))
    }
}

/// One text per tuple: JSON quotes whatever could run together.
fn text(facts: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(facts).expect("names and numbers serialise")
}

fn mac(secret: &Secret, text: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&secret.0, text);
    tag.as_ref().try_into().expect("HMAC-SHA256 gives 32 bytes")
}

/// Takes the same time wherever the difference is.
fn verify(secret: &Secret, text: &[u8], claimed: &[u8; 32]) -> Result<(), Refusal> {
    hmac::verify(&secret.0, text, claimed).map_err(|_| Refusal::Secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        text.to_owned().try_into().unwrap()
    }

    #[test]
    fn a_proof_holds_for_its_secret_its_nonces_its_door_and_its_name_alone() {
        let [secret, other] = [[1; 32], [2; 32]].map(|bytes| Secret::new(&bytes).unwrap());
        let (a, b) = (fresh(), fresh());
        let (meter, relay) = (name("meter"), name("relay"));
        let terms = Terms::new(a, b, "meter", &meter);
        let Introduction::Proof { mac, .. } = terms.proof(&secret) else { panic!() };
        assert_eq!(terms.check_proof(&secret, &mac), Ok(()));
        assert_eq!(terms.check_proof(&other, &mac), Err(Refusal::Secret));
        for changed in [
            Terms::new(fresh(), b, "meter", &meter),
            Terms::new(a, fresh(), "meter", &meter),
            Terms::new(a, b, "relay", &meter),
            Terms::new(a, b, "meter", &relay),
        ] {
            assert_eq!(changed.check_proof(&secret, &mac), Err(Refusal::Secret), "{changed:?}");
        }
        // A listener that does not know the secret can't send the dialer's own proof back.
        let hello = Hello { run: fresh(), heard: None };
        assert_eq!(terms.check_welcome(&secret, &relay, &hello, &mac), Err(Refusal::Secret));
        let welcome = terms.welcome(&secret, &relay, hello);
        let Introduction::Welcome { mac, .. } = welcome else { panic!() };
        assert_eq!(terms.check_welcome(&secret, &relay, &hello, &mac), Ok(()));
        let lied = Hello { run: hello.run, heard: Some((a, 1)) };
        assert_eq!(terms.check_welcome(&secret, &relay, &lied, &mac), Err(Refusal::Secret));
    }

    #[test]
    fn secrets_are_long_and_never_shown() {
        assert_eq!(Secret::new(&[b's'; 31]).unwrap_err(), SecretTooShort);
        assert_eq!(format!("{:?}", Secret::new(&[b's'; 32]).unwrap()), "Secret");
    }

    #[test]
    fn names_are_plain() {
        for (text, good) in [("meter-1@host.a_b", true), ("", false), ("a b", false)] {
            assert_eq!(Name::try_from(text.to_owned()).is_ok(), good, "{text}");
        }
        assert!(Name::try_from("x".repeat(65)).is_err());
    }
}
