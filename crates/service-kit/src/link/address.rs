//! Where a link is dialled to.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// `ws://HOST:PORT`: a process that listens for links.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct DialAddress {
    host: String,
    port: u16,
}

/// Why a text is no [`DialAddress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DialAddressError {
    #[error("links are not encrypted yet: use ws://HOST:PORT on a private network")]
    Encrypted,
    #[error("an address of a link is ws://HOST:PORT")]
    Malformed,
}

impl DialAddress {
    /// Whether it can't leave this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost"
            || self.bare_host().parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// Host and port, as sockets take them.
    #[must_use]
    pub fn socket(&self) -> (&str, u16) {
        (self.bare_host(), self.port)
    }

    /// The host without an IPv6 address's brackets.
    fn bare_host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }
}

impl fmt::Display for DialAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ws://{}:{}", self.host, self.port)
    }
}

impl FromStr for DialAddress {
    type Err = DialAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.starts_with("wss://") || text.starts_with("https://") {
            return Err(DialAddressError::Encrypted);
        }
        let rest = text.strip_prefix("ws://").ok_or(DialAddressError::Malformed)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = rest.rsplit_once(':').ok_or(DialAddressError::Malformed)?;
        let port = port.parse().map_err(|_| DialAddressError::Malformed)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        let v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let good = match v6 {
            Some(ip) => ip.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.chars().all(plain),
        };
        if !good {
            return Err(DialAddressError::Malformed);
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl TryFrom<String> for DialAddress {
    type Error = DialAddressError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_host_and_port_without_encryption() {
        let check = |text: &str| text.parse::<DialAddress>();
        for (text, loopback) in [
            ("ws://127.0.0.1:8090", true),
            ("ws://localhost:8090/", true),
            ("ws://[::1]:1", true),
            ("ws://relay.internal:8091", false),
            ("ws://10.0.0.7:8091", false),
            ("ws://127.0.0.1.example:1", false),
        ] {
            let address = check(text).unwrap();
            assert_eq!(address.is_loopback(), loopback, "{text}");
            assert_eq!(address.to_string(), text.trim_end_matches('/'));
        }
        assert_eq!(check("ws://[::1]:7").unwrap().socket(), ("::1", 7));
        for text in ["wss://a:1", "https://a:1"] {
            assert_eq!(check(text), Err(DialAddressError::Encrypted), "{text}");
        }
        for text in ["", "a:1", "ws://a", "ws://:1", "ws://a:70000", "ws://u:p@h:1", "ws://::1:7"] {
            assert_eq!(check(text), Err(DialAddressError::Malformed), "{text}");
        }
    }
}
