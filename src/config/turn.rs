//! `[turn]`: a TURN server for clients whose network lets no media through.

use serde::Deserialize;
use std::fmt;
use std::path::PathBuf;
use units::ElapsedMs;

/// Shortest secret in bytes: what signs with it must not be guessed from what it signed.
const SECRET_BYTES_MIN: usize = 16;

/// Shortest time in seconds that credentials may be good for: a call ends with its own.
const TTL_S_MIN: u64 = 600;

/// What clients are told of a TURN server.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Turn {
    /// Where it is, as `turn:` and `turns:` addresses (RFC 7065). Empty: there is none.
    urls: Vec<String>,
    /// A file whose content, without surrounding white space, is the secret shared with it.
    secret_file: Option<PathBuf>,
    /// The secret itself: only by `COINLINE__TURN__SECRET`.
    secret: Option<String>,
    /// How long credentials are good, in seconds.
    ttl_s: u64,
}

/// Why `[turn]` can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TurnError {
    #[error("turn.urls holds {0:?}, which does not begin with turn: or turns:")]
    Url(String),
    #[error("turn.ttl_s must be at least {TTL_S_MIN}: a call can't outlive its credentials")]
    Ttl,
    #[error(
        "turn.urls needs the TURN server's secret (coturn's static-auth-secret), of at least \
         {SECRET_BYTES_MIN} bytes: set turn.secret_file or COINLINE__TURN__SECRET"
    )]
    NoSecret,
    #[error("can't read turn.secret_file {path}")]
    SecretFile { path: PathBuf, source: std::io::Error },
}

impl Turn {
    /// Looks at what can be told without the secret.
    ///
    /// # Errors
    /// [`TurnError`], naming the setting.
    pub(crate) fn check(&self) -> Result<(), TurnError> {
        let wrong = |url: &&String| !["turn:", "turns:"].iter().any(|kind| url.starts_with(kind));
        if let Some(url) = self.urls.iter().find(wrong) {
            return Err(TurnError::Url(url.clone()));
        }
        if self.ttl_s < TTL_S_MIN { Err(TurnError::Ttl) } else { Ok(()) }
    }

    /// What mints credentials, if there is a server.
    ///
    /// # Errors
    /// [`TurnError`] without a usable secret.
    pub(crate) fn server(&self) -> Result<Option<signaling::Turn>, TurnError> {
        if self.urls.is_empty() {
            return Ok(None);
        }
        let secret = match (&self.secret, &self.secret_file) {
            (Some(secret), _) => secret.clone(),
            (None, Some(path)) => std::fs::read_to_string(path)
                .map_err(|source| TurnError::SecretFile { path: path.clone(), source })?,
            (None, None) => return Err(TurnError::NoSecret),
        };
        let secret = secret.trim().as_bytes().to_vec();
        if secret.len() < SECRET_BYTES_MIN {
            return Err(TurnError::NoSecret);
        }
        let ttl = ElapsedMs::from_secs(self.ttl_s);
        Ok(Some(signaling::Turn::new(self.urls.clone(), secret, ttl)))
    }
}

impl Default for Turn {
    fn default() -> Self {
        Self { urls: Vec::new(), secret_file: None, secret: None, ttl_s: 43_200 }
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { urls, secret_file, secret: _, ttl_s } = self;
        f.debug_struct("Turn")
            .field("urls", urls)
            .field("secret_file", secret_file)
            .field("ttl_s", ttl_s)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(urls: &[&str], secret: Option<&str>) -> Turn {
        let urls = urls.iter().map(ToString::to_string).collect();
        Turn { urls, secret: secret.map(str::to_owned), ..Turn::default() }
    }

    #[test]
    fn a_server_needs_an_address_and_a_secret_that_is_never_shown() {
        assert!(turn(&[], None).server().unwrap().is_none());
        let url = "turns:turn.example.org:443?transport=tcp";
        assert!(matches!(turn(&[url], None).server(), Err(TurnError::NoSecret)));
        assert!(matches!(turn(&[url], Some("short")).server(), Err(TurnError::NoSecret)));
        let secret = "a secret that is long enough";
        let known = turn(&[url], Some(secret));
        assert!(known.server().unwrap().is_some());
        assert!(!format!("{known:?} {:?}", known.server()).contains(secret));
        assert!(matches!(turn(&["https://x"], None).check(), Err(TurnError::Url(_))));
        assert!(matches!(Turn { ttl_s: 599, ..Turn::default() }.check(), Err(TurnError::Ttl)));
    }
}
