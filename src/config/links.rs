//! `[links]` and `[operations]`: what a process has to do with others, and with its operators.

use crate::cli::Part;
use serde::Deserialize;
use service_kit::link::{DialAddress, Name, Secret, SecretTooShort};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

/// How the services find each other when each is a process of its own.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Links {
    /// Signaling and the relay listen here for the others.
    pub(crate) listen: Option<SocketAddr>,
    /// Where relay and meters find signaling.
    pub(crate) signaling: Option<DialAddress>,
    /// Where meters find the relay.
    pub(crate) relay: Option<DialAddress>,
    /// What this process is called; its role if absent. Of several meters each has its own.
    pub(crate) name: Option<Name>,
    /// A file whose content, without surrounding white space, is the secret of all links.
    pub(crate) secret_file: Option<PathBuf>,
    /// The secret itself: only by `COINLINE__LINKS__SECRET`.
    secret: Option<String>,
    /// Links may leave this machine, although they are not encrypted.
    pub(crate) private_network: bool,
}

/// The private port.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Operations {
    /// `/metrics`, `/healthz` and `/readyz`; nowhere if absent.
    pub(crate) listen: Option<SocketAddr>,
}

/// Why a process can't reach the others.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinksError {
    #[error(
        "--role {0} needs links.{1}: deploy/coinline.toml shows how the services find each other"
    )]
    Missing(Part, &'static str),
    #[error(
        "links.{0} leaves this machine, and links are not encrypted: on a private network set \
         links.private_network = true"
    )]
    NotLoopback(&'static str),
    #[error(
        "links need a secret of at least 32 bytes, the same for all: set links.secret_file or \
         COINLINE__LINKS__SECRET (openssl rand -base64 48 makes one)"
    )]
    NoSecret,
    #[error("can't read links.secret_file {path}")]
    SecretFile { path: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Secret(#[from] SecretTooShort),
}

impl Links {
    /// What this part needs of the others, if it is a process of its own.
    ///
    /// # Errors
    /// [`LinksError`], naming the setting.
    pub(crate) fn check(&self, part: Part) -> Result<(), LinksError> {
        let (listens, dials_signaling, dials_relay) = match part {
            Part::Signaling => (true, false, false),
            Part::MediaRelay => (true, true, false),
            Part::BillingMeter => (false, true, true),
        };
        for (needed, there, name) in [
            (listens, self.listen.is_some(), "listen"),
            (dials_signaling, self.signaling.is_some(), "signaling"),
            (dials_relay, self.relay.is_some(), "relay"),
        ] {
            if needed && !there {
                return Err(LinksError::Missing(part, name));
            }
        }
        for (loopback, name) in [
            (self.listen.is_none_or(|address| address.ip().is_loopback()), "listen"),
            (self.signaling.as_ref().is_none_or(DialAddress::is_loopback), "signaling"),
            (self.relay.as_ref().is_none_or(DialAddress::is_loopback), "relay"),
        ] {
            if !loopback && !self.private_network {
                return Err(LinksError::NotLoopback(name));
            }
        }
        Ok(())
    }

    /// The secret that the configuration names.
    ///
    /// # Errors
    /// [`LinksError`] if there is no usable secret.
    pub(crate) fn secret(&self) -> Result<Secret, LinksError> {
        let secret = match (&self.secret, &self.secret_file) {
            (Some(secret), _) => secret.clone(),
            (None, Some(path)) => std::fs::read_to_string(path)
                .map_err(|source| LinksError::SecretFile { path: path.clone(), source })?,
            (None, None) => return Err(LinksError::NoSecret),
        };
        Ok(Secret::new(secret.trim().as_bytes())?)
    }
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { listen, signaling, relay, name, secret_file, secret: _, private_network } = self;
        f.debug_struct("Links")
            .field("listen", listen)
            .field("signaling", signaling)
            .field("relay", relay)
            .field("name", name)
            .field("secret_file", secret_file)
            .field("private_network", private_network)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(part: Part, toml: &str) -> String {
        let links: Links = toml::from_str(toml).unwrap();
        links.check(part).map_or_else(|error| error.to_string(), |()| "fine".to_owned())
    }

    #[test]
    fn each_part_says_which_of_the_others_it_can_t_find() {
        use Part::{BillingMeter, MediaRelay, Signaling};
        let listen = "listen = \"127.0.0.1:1\"\n";
        let signaling = "signaling = \"ws://127.0.0.1:1\"\n";
        let relay = "relay = \"ws://localhost:2\"\n";
        for (part, toml, said) in [
            (Signaling, "", "links.listen"),
            (Signaling, listen, "fine"),
            (MediaRelay, listen, "links.signaling"),
            (MediaRelay, signaling, "links.listen"),
            (MediaRelay, &format!("{listen}{signaling}"), "fine"),
            (BillingMeter, signaling, "links.relay"),
            (BillingMeter, relay, "links.signaling"),
            (BillingMeter, &format!("{signaling}{relay}"), "fine"),
        ] {
            let outcome = check(part, toml);
            assert!(outcome.contains(said), "{part} {toml}: {outcome}");
        }
    }

    #[test]
    fn links_leave_the_machine_only_if_told_that_the_network_is_private() {
        let toml = "listen = \"10.0.0.1:1\"\n";
        assert!(check(Part::Signaling, toml).contains("links.private_network = true"));
        assert_eq!(check(Part::Signaling, &format!("{toml}private_network = true")), "fine");
        let toml = "signaling = \"ws://10.0.0.1:1\"\nrelay = \"ws://10.0.0.2:1\"\n";
        assert!(check(Part::BillingMeter, toml).contains("links.signaling"));
    }

    #[test]
    fn the_secret_is_long_and_never_shown() {
        let links = |secret: &str| Links { secret: Some(secret.to_owned()), ..Links::default() };
        assert!(matches!(Links::default().secret(), Err(LinksError::NoSecret)));
        assert!(matches!(links("short").secret(), Err(LinksError::Secret(_))));
        let long = links(&"s3cret".repeat(10));
        assert!(long.secret().is_ok());
        assert!(!format!("{long:?}").contains("s3cret"));
    }
}
