//! What the operator decides.

use billing_core::{CALL_MS_MAX, Ownership, Settings};
use serde::Deserialize;
use units::{ElapsedMs, MicroCoins, ShareBps};

/// Shortest and longest time between ticks. Shorter ticks only load the store; longer ones show
/// jumps in the balance and lose more of a call to a crash.
const TICK_MS: std::ops::RangeInclusive<u64> = 10..=60_000;

/// Shortest and longest lease. Shorter ones end in any pause of the database; longer ones leave a
/// dead meter's calls alone for longer.
const LEASE_MS: std::ops::RangeInclusive<u64> = 5_000..=120_000;

/// The section `billing` of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The host's part of each charge, in hundredths of a percent.
    pub host_share_bps: ShareBps,
    /// Media time at the start of each call that costs nothing.
    pub free_ms: ElapsedMs,
    /// Charged time is rounded up to a multiple of this; 1 bills the exact millisecond.
    pub pulse_ms: ElapsedMs,
    /// The least time that is charged, once any is.
    pub least_charged_ms: ElapsedMs,
    /// Charged once per call, as soon as any time is charged, in micro-coins.
    pub connect_fee_micro: MicroCoins,
    /// A call is opened only if the balance pays for this much media.
    pub minimum_ms: ElapsedMs,
    /// How often charges are taken and shown.
    pub tick_ms: ElapsedMs,
    /// How often they are made durable, with their evidence.
    pub checkpoint_ms: ElapsedMs,
    /// How much media may go out with nothing of it confirmed before the call is ended.
    pub unconfirmed_ms: ElapsedMs,
    /// How long a meter that shares the wallets with others holds its part after its last sign of
    /// life.
    pub lease_ms: ElapsedMs,
}

/// Why a configuration can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("billing.tick_ms must be 10 to 60000")]
    Tick,
    #[error("billing.checkpoint_ms must be 10 to 60000")]
    Checkpoint,
    #[error("billing.lease_ms must be 5000 to 120000")]
    Lease,
    #[error("billing.unconfirmed_ms must be at least 5000")]
    Unconfirmed,
    #[error(
        "billing.free_ms, pulse_ms, least_charged_ms and minimum_ms must be at most 172800000 (48 hours)"
    )]
    TooLong,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            host_share_bps: ShareBps::new(7_000).expect("70 % is a share"),
            free_ms: ElapsedMs::ZERO,
            pulse_ms: ElapsedMs(1),
            least_charged_ms: ElapsedMs::ZERO,
            connect_fee_micro: MicroCoins::ZERO,
            minimum_ms: ElapsedMs::from_secs(10),
            tick_ms: ElapsedMs::from_secs(1),
            checkpoint_ms: ElapsedMs::from_secs(10),
            unconfirmed_ms: ElapsedMs::from_secs(15),
            lease_ms: ElapsedMs::from_secs(10),
        }
    }
}

impl Config {
    /// The biller's settings; `alone`: no other meter shares the wallets.
    pub(crate) fn settings(self, alone: bool) -> Result<Settings, ConfigError> {
        if !TICK_MS.contains(&self.tick_ms.0) {
            return Err(ConfigError::Tick);
        }
        if !TICK_MS.contains(&self.checkpoint_ms.0) {
            return Err(ConfigError::Checkpoint);
        }
        if !LEASE_MS.contains(&self.lease_ms.0) {
            return Err(ConfigError::Lease);
        }
        if self.unconfirmed_ms < ElapsedMs(5_000) {
            return Err(ConfigError::Unconfirmed);
        }
        let spans = [self.free_ms, self.pulse_ms, self.least_charged_ms, self.minimum_ms];
        if spans.into_iter().any(|span| span > CALL_MS_MAX) {
            return Err(ConfigError::TooLong);
        }
        let renew = ElapsedMs(self.lease_ms.0 / 4);
        Ok(Settings {
            host_share: self.host_share_bps,
            free: self.free_ms,
            pulse: self.pulse_ms,
            least_charged: self.least_charged_ms,
            connect_fee: self.connect_fee_micro,
            minimum: self.minimum_ms,
            tick: self.tick_ms,
            checkpoint: self.checkpoint_ms,
            unconfirmed: self.unconfirmed_ms,
            ownership: if alone {
                Ownership::Alone
            } else {
                Ownership::Shared { ttl: self.lease_ms, renew }
            },
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
        let check = |toml: &str| toml::from_str::<Config>(toml).unwrap().settings(true).err();
        for (toml, error) in [
            ("tick_ms = 1000", None),
            ("tick_ms = 0", Some(ConfigError::Tick)),
            ("tick_ms = 60001", Some(ConfigError::Tick)),
            ("checkpoint_ms = 0", Some(ConfigError::Checkpoint)),
            ("lease_ms = 4999", Some(ConfigError::Lease)),
            ("unconfirmed_ms = 4999", Some(ConfigError::Unconfirmed)),
            ("free_ms = 172800001", Some(ConfigError::TooLong)),
            ("pulse_ms = 172800001", Some(ConfigError::TooLong)),
            ("minimum_ms = 172800001", Some(ConfigError::TooLong)),
        ] {
            assert_eq!(check(toml), error, "{toml}");
        }
    }
}
