//! Access tokens: JWT, HS256, with LiveKit's claim layout and ours beside it.
//!
//! Widely used token libraries mint them; see PROTOCOL.md, "Tokens".

use crate::ErrorCode;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use std::fmt;
use units::UserId;

/// What a user may be in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Calls and pays.
    Fan,
    /// Is called and earns.
    Host,
}

/// The claims of an access token. Times are Unix seconds, as RFC 7519 wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The API key that names the secret.
    pub iss: String,
    /// The user.
    pub sub: UserId,
    /// Not valid before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<u64>,
    /// Not valid from here on.
    pub exp: u64,
    /// The name that others see; the user id if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Ours.
    pub coinline: Grant,
}

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    pub role: Role,
}

/// An API key and its secret: signs and verifies tokens.
#[derive(Clone)]
pub struct TokenKey {
    issuer: String,
    encoding: EncodingKey,
    decoding: DecodingKey,
}

impl fmt::Debug for TokenKey {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKey").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// Shortest secret, in bytes: HS256's own strength (RFC 7518 section 3.2).
pub const SECRET_BYTES_MIN: usize = 32;

/// A secret that is too short to sign with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a token secret needs at least {SECRET_BYTES_MIN} bytes")]
pub struct SecretTooShort;

/// How far clocks of the token's issuer and ours may differ, in seconds.
const LEEWAY_SECONDS: u64 = 10;

impl TokenKey {
    /// A key named `issuer`.
    ///
    /// # Errors
    /// [`SecretTooShort`] below [`SECRET_BYTES_MIN`] bytes.
    pub fn new(issuer: &str, secret: &[u8]) -> Result<Self, SecretTooShort> {
        if secret.len() < SECRET_BYTES_MIN {
            return Err(SecretTooShort);
        }
        let (encoding, decoding) =
            (EncodingKey::from_secret(secret), DecodingKey::from_secret(secret));
        Ok(Self { issuer: issuer.to_owned(), encoding, decoding })
    }

    /// A token for `user`, valid until `exp` (Unix seconds).
    ///
    /// # Panics
    /// Never: HS256 signs whatever serialises, and claims do.
    #[must_use]
    pub fn sign(&self, user: &UserId, name: &str, role: Role, exp: u64) -> String {
        let claims = Claims {
            iss: self.issuer.clone(),
            sub: user.clone(),
            nbf: None,
            exp,
            name: Some(name.to_owned()),
            coinline: Grant { role },
        };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
            .expect("claims serialise and HS256 takes any secret")
    }

    /// The claims of `token`, if it is ours and valid by this machine's calendar.
    ///
    /// # Errors
    /// [`ErrorCode::AuthMissing`] for an empty one, [`ErrorCode::AuthExpired`] after its time,
    /// otherwise [`ErrorCode::AuthInvalid`].
    pub fn verify(&self, token: &str) -> Result<Claims, ErrorCode> {
        if token.is_empty() {
            return Err(ErrorCode::AuthMissing);
        }
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["iss", "sub", "exp"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY_SECONDS;
        match jsonwebtoken::decode::<Claims>(token, &self.decoding, &validation) {
            Ok(data) => Ok(data.claims),
            Err(error) if matches!(error.kind(), ErrorKind::ExpiredSignature) => {
                Err(ErrorCode::AuthExpired)
            }
            Err(_) => Err(ErrorCode::AuthInvalid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"a secret of at least 32 bytes, really";
    const FAR: u64 = 4_000_000_000;

    fn key() -> TokenKey {
        TokenKey::new("key", SECRET).unwrap()
    }

    #[test]
    fn a_token_names_its_user_and_role() {
        let claims = key().verify(&key().sign(&user(), "Meera", Role::Host, FAR)).unwrap();
        assert_eq!((claims.sub, claims.coinline.role), (user(), Role::Host));
        assert_eq!(claims.name.as_deref(), Some("Meera"));
    }

    #[test]
    fn tokens_that_are_not_ours_are_refused_by_name() {
        let good = key().sign(&user(), "Meera", Role::Host, FAR);
        let other_secret = TokenKey::new("key", b"another secret of at least 32 bytes").unwrap();
        let other_issuer = TokenKey::new("other", SECRET).unwrap();
        let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", good.split('.').nth(1).unwrap());
        for (token, code) in [
            (String::new(), ErrorCode::AuthMissing),
            ("garbage".to_owned(), ErrorCode::AuthInvalid),
            (unsigned, ErrorCode::AuthInvalid),
            (other_secret.sign(&user(), "", Role::Fan, FAR), ErrorCode::AuthInvalid),
            (other_issuer.sign(&user(), "", Role::Fan, FAR), ErrorCode::AuthInvalid),
            (key().sign(&user(), "", Role::Fan, 1), ErrorCode::AuthExpired),
        ] {
            assert_eq!(key().verify(&token).map(|claims| claims.iss), Err(code), "{token}");
        }
    }

    #[test]
    fn a_key_is_printed_without_its_secret() {
        assert_eq!(format!("{:?}", key()), "TokenKey { issuer: \"key\", .. }");
    }

    #[test]
    fn short_secrets_are_refused() {
        assert!(TokenKey::new("key", &[0; 31]).is_err());
    }

    fn user() -> UserId {
        "meera".parse().unwrap()
    }
}
