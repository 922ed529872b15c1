//! The service's settings.

use call_core::{PriceBand, PriceBands, Rules};
use protocol::token::Role;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use units::{ElapsedMs, MicroCoins, Rate, ShareBps, UserId};

/// Settings, each with a default that suits a public server but for `listen`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where to listen for HTTP and WebSocket. TLS is a reverse proxy's.
    pub listen: SocketAddr,
    /// Web pages besides our own that may open a WebSocket: `https://example.org`.
    pub allowed_origins: Vec<String>,
    /// The prices that hosts may ask.
    pub prices: Bands,
    /// The host's part of each coin, shown to hosts before the meter's first quote. Not a setting
    /// of this service: whoever composes the services copies the meter's.
    #[serde(skip)]
    pub host_share_bps: ShareBps,
    /// How long a host's client rings.
    pub ring_timeout_ms: u64,
    /// How long a session waits for its client to come back.
    pub grace_ms: u64,
    /// From an accepted call to its first media.
    pub connect_timeout_ms: u64,
    /// How long a client that lost its media has to connect it anew.
    pub media_grace_ms: u64,
    /// How long people wait for the final bill.
    pub settle_timeout_ms: u64,
    /// How long a request waits for the meter or the relay.
    pub ask_timeout_ms: u64,
    /// How long calls may take to be settled when the service stops.
    pub stop_timeout_ms: u64,
}

/// The price band of each medium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bands {
    pub voice: Band,
    pub video: Band,
}

/// Prices in coins per minute, as decimal strings (`"1.00"`), ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Band {
    #[serde(deserialize_with = "decimal")]
    pub min: Rate,
    #[serde(deserialize_with = "decimal")]
    pub max: Rate,
}

/// Who is there in demo mode. Anybody who reaches the server may be any of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Demo {
    pub users: Vec<DemoUser>,
}

/// A made-up person.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DemoUser {
    pub id: UserId,
    pub name: String,
    pub role: Role,
    /// What they own at the very first start, as a decimal string. Whoever starts the service
    /// puts it into their wallets.
    #[serde(default, deserialize_with = "decimal")]
    pub coins: MicroCoins,
}

/// A setting that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("{0} must be between 100 and 600000")]
    OutOfRange(&'static str),
    #[error("prices.{0}: min is above max")]
    EmptyBand(&'static str),
    #[error("demo mode gives everybody every account: it listens on a loopback address only")]
    DemoInPublic,
}

impl Default for Config {
    fn default() -> Self {
        let coins = |coins| Rate::per_minute(MicroCoins::coins(coins).micro());
        let band = |min, max| Band {
            min: coins(min).expect("below the highest price"),
            max: coins(max).expect("below the highest price"),
        };
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            allowed_origins: Vec::new(),
            prices: Bands { voice: band(1, 15), video: band(2, 15) },
            host_share_bps: ShareBps::new(7_000).expect("part of a whole"),
            ring_timeout_ms: 30_000,
            grace_ms: 30_000,
            connect_timeout_ms: 20_000,
            media_grace_ms: 15_000,
            settle_timeout_ms: 10_000,
            ask_timeout_ms: 10_000,
            stop_timeout_ms: 8_000,
        }
    }
}

impl Config {
    /// Whether each setting makes sense.
    pub(crate) fn check(&self, demo: bool) -> Result<(), ConfigError> {
        for (name, ms) in [
            ("ring_timeout_ms", self.ring_timeout_ms),
            ("grace_ms", self.grace_ms),
            ("connect_timeout_ms", self.connect_timeout_ms),
            ("media_grace_ms", self.media_grace_ms),
            ("settle_timeout_ms", self.settle_timeout_ms),
            ("ask_timeout_ms", self.ask_timeout_ms),
            ("stop_timeout_ms", self.stop_timeout_ms),
        ] {
            if !(100..=600_000).contains(&ms) {
                return Err(ConfigError::OutOfRange(name));
            }
        }
        for (name, band) in [("voice", self.prices.voice), ("video", self.prices.video)] {
            if band.min > band.max {
                return Err(ConfigError::EmptyBand(name));
            }
        }
        if demo && !self.listen.ip().is_loopback() {
            return Err(ConfigError::DemoInPublic);
        }
        Ok(())
    }

    /// The part that the switchboard goes by.
    pub(crate) fn rules(&self) -> Rules {
        let band = |band: Band| PriceBand { min: band.min, max: band.max };
        Rules {
            bands: PriceBands { voice: band(self.prices.voice), video: band(self.prices.video) },
            host_share: self.host_share_bps,
            ring_timeout: ElapsedMs(self.ring_timeout_ms),
            grace: ElapsedMs(self.grace_ms),
            connect_timeout: ElapsedMs(self.connect_timeout_ms),
            media_grace: ElapsedMs(self.media_grace_ms),
            settle_timeout: ElapsedMs(self.settle_timeout_ms),
            ask_timeout: ElapsedMs(self.ask_timeout_ms),
        }
    }
}

/// Reads a price or an amount in coins from a decimal string.
pub(crate) fn decimal<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr<Err: Display>,
{
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Config, String> {
        let config: Config = serde_json::from_str(json).map_err(|error| error.to_string())?;
        config.check(false).map(|()| config).map_err(|error| error.to_string())
    }

    #[test]
    fn everything_has_a_default_and_nothing_unknown_is_taken() {
        assert_eq!(read("{}"), Ok(Config::default()));
        assert!(read(r#"{"ring_timeout": 1}"#).unwrap_err().contains("unknown field"));
        let meters_own = read(r#"{"host_share_bps": 7000}"#);
        assert!(meters_own.unwrap_err().contains("unknown field"));
        let json = r#"{"prices": {"voice": {"min": "0.50", "max": "2"}, "video": {"min": "1", "max": "2"}}}"#;
        assert_eq!(read(json).unwrap().prices.voice.min.micro_per_minute(), 500_000);
    }

    #[test]
    fn settings_that_make_no_sense_are_refused_by_name() {
        for (json, error) in [
            (r#"{"grace_ms": 99}"#, "grace_ms must be between"),
            (r#"{"ring_timeout_ms": 600001}"#, "ring_timeout_ms must be between"),
            (
                r#"{"prices": {"voice": {"min": "3", "max": "2"}, "video": {"min": "1", "max": "2"}}}"#,
                "prices.voice: min is above max",
            ),
            (
                r#"{"prices": {"voice": {"min": "-3", "max": "2"}, "video": {"min": "1", "max": "2"}}}"#,
                "never negative",
            ),
        ] {
            let refusal = read(json).unwrap_err();
            assert!(refusal.contains(error), "{json}: {refusal}");
        }
    }

    #[test]
    fn demo_mode_is_for_this_machine_only() {
        let mut config = Config::default();
        assert_eq!(config.check(true), Ok(()));
        config.listen = SocketAddr::from(([0, 0, 0, 0], 8080));
        assert_eq!(config.check(true), Err(ConfigError::DemoInPublic));
        assert_eq!(config.check(false), Ok(()));
    }
}
