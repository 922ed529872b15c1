//! What the operator decides.

use billing_core::{CALL_MS_MAX, Settings};
use serde::Deserialize;
use units::{ElapsedMs, ShareBps};

/// Shortest and longest time between ticks. Shorter ticks only load the disk; longer ones show
/// jumps in the balance and lose more of a call to a crash.
const TICK_MS: std::ops::RangeInclusive<u64> = 10..=60_000;

/// The section `billing` of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The host's part of each charge, in hundredths of a percent.
    pub host_share_bps: ShareBps,
    /// Media time at the start of each call that costs nothing.
    pub free_ms: ElapsedMs,
    /// A call is opened only if the balance pays for this much media.
    pub minimum_ms: ElapsedMs,
    /// How often charges are made durable and shown.
    pub tick_ms: ElapsedMs,
}

/// Why a configuration can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("billing.tick_ms must be 10 to 60000")]
    Tick,
    #[error("billing.free_ms and billing.minimum_ms must be at most 172800000 (48 hours)")]
    TooLong,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            host_share_bps: ShareBps::new(7_000).expect("70 % is a share"),
            free_ms: ElapsedMs::ZERO,
            minimum_ms: ElapsedMs::from_secs(10),
            tick_ms: ElapsedMs::from_secs(1),
        }
    }
}

impl TryFrom<Config> for Settings {
    type Error = ConfigError;

    fn try_from(config: Config) -> Result<Self, ConfigError> {
        if !TICK_MS.contains(&config.tick_ms.0) {
            return Err(ConfigError::Tick);
        }
        if config.free_ms > CALL_MS_MAX || config.minimum_ms > CALL_MS_MAX {
            return Err(ConfigError::TooLong);
        }
        Ok(Self {
            host_share: config.host_share_bps,
            free: config.free_ms,
            minimum: config.minimum_ms,
            tick: config.tick_ms,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_settings_have_defaults_and_unknown_ones_are_errors() {
        assert_eq!(toml::from_str::<Config>("").unwrap(), Config::default());
        let config: Config = toml::from_str("host_share_bps = 6000\nfree_ms = 5000").unwrap();
        assert_eq!((config.host_share_bps.bps(), config.free_ms.0), (6_000, 5_000));
        assert!(toml::from_str::<Config>("host_share_bps = 10001").is_err());
        assert!(toml::from_str::<Config>("currency = \"USD\"").is_err());
    }

    #[test]
    fn settings_out_of_range_are_errors() {
        let check = |toml: &str| Settings::try_from(toml::from_str::<Config>(toml).unwrap()).err();
        for (toml, error) in [
            ("tick_ms = 1000", None),
            ("tick_ms = 0", Some(ConfigError::Tick)),
            ("tick_ms = 60001", Some(ConfigError::Tick)),
            ("free_ms = 172800001", Some(ConfigError::TooLong)),
            ("minimum_ms = 172800001", Some(ConfigError::TooLong)),
        ] {
            assert_eq!(check(toml), error, "{toml}");
        }
    }
}
