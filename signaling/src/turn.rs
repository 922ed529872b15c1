//! A way around networks that let no media through: the addresses of a TURN server, and credentials
//! for it that soon expire.
//!
//! They are those of the "REST API for access to TURN services" (draft-uberti-behave-turn-rest-00):
//! the name begins with the second at which they expire, the password is its HMAC under a secret
//! that only we and the TURN server know. coturn calls this `use-auth-secret`.

use crate::problem::Problem;
use crate::routes::{Desk, bearer};
use aws_lc_rs::hmac;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;
use units::{ElapsedMs, UnixMs, UserId};

/// How long clients may keep an answer that names no server: one may be configured meanwhile.
const NONE_FOR: ElapsedMs = ElapsedMs::from_secs(3_600);

/// A TURN server, or several that share a secret.
#[derive(Clone)]
pub struct Turn {
    urls: Vec<String>,
    secret: Vec<u8>,
    ttl: ElapsedMs,
}

/// What a client gives to its peer connections.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct IceServers {
    ice_servers: Vec<IceServer>,
    /// How long the credentials are good, from now.
    ttl_ms: ElapsedMs,
}

/// An `RTCIceServer` as browsers want it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct IceServer {
    urls: Vec<String>,
    username: String,
    credential: String,
}

impl Turn {
    /// Servers at `urls` (`turn:host:port?transport=udp`, `turns:...`; RFC 7065) that share `secret`,
    /// and credentials that are good for `ttl`. A call ends when they expire, so they must outlive
    /// the longest one.
    #[must_use]
    pub const fn new(urls: Vec<String>, secret: Vec<u8>, ttl: ElapsedMs) -> Self {
        Self { urls, secret, ttl }
    }

    fn mint(&self, now: UnixMs, user: &UserId) -> IceServers {
        let expires_s = (now.0 + self.ttl.0) / 1_000;
        let username = format!("{expires_s}:{user}");
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.secret);
        let credential = STANDARD.encode(hmac::sign(&key, username.as_bytes()));
        let server = IceServer { urls: self.urls.clone(), username, credential };
        IceServers { ice_servers: vec![server], ttl_ms: self.ttl }
    }
}

impl fmt::Debug for Turn {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { urls, secret: _, ttl } = self;
        f.debug_struct("Turn").field("urls", urls).field("ttl", ttl).finish_non_exhaustive()
    }
}

/// `GET /v1/ice-servers`
///
/// # Errors
/// 401 without a good token.
pub(crate) async fn ice_servers(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
) -> Result<([(HeaderName, &'static str); 1], Json<IceServers>), Problem> {
    let token = bearer(&headers).unwrap_or_default();
    let claims = desk.token_key.verify(token).map_err(Problem::unauthorised)?;
    let none = IceServers { ice_servers: Vec::new(), ttl_ms: NONE_FOR };
    let servers = desk.turn.as_ref().map(|turn| turn.mint(desk.clock.unix(), &claims.sub));
    Ok(([(header::CACHE_CONTROL, "private, no-store")], Json(servers.unwrap_or(none))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_what_the_turn_server_computes() {
        let urls = vec!["turn:turn.example.org:3478".to_owned()];
        let turn = Turn::new(urls.clone(), b"north".to_vec(), ElapsedMs::from_secs(86_400));
        let minted = turn.mint(UnixMs(1_433_895_918_506), &"asha".parse().unwrap());
        // printf 1433982318:asha | openssl dgst -sha1 -hmac north -binary | base64
        let server = IceServer {
            urls,
            username: "1433982318:asha".to_owned(),
            credential: "3SVk/bp+6JrNvIYktOsqiyDaqps=".to_owned(),
        };
        let ttl_ms = ElapsedMs(86_400_000);
        assert_eq!(minted, IceServers { ice_servers: vec![server], ttl_ms });
        assert!(!format!("{turn:?}").contains("110, 111, 114"));
    }
}
