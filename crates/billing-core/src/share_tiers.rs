//! How large the host's part is, by what fans spent on the host in the month (BILLING.md, rules 35
//! to 37).
//!
//! A call is opened at the share that the host has reached by then, which is locked into it. What
//! a higher tier then adds for coins that were shared out at a lower one is the month's
//! adjustment: a cumulative figure too, so that it may be worked out at any time and as often as
//! one likes.
//!
//! * Units: micro-coins of one calendar month; shares in hundredths of a percent.
//! * Rounding: the host's part of the month is rounded down, once.
//! * Errors: [`TiersError`] when a schedule is read; none afterwards.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use units::{MicroCoins, MoneyError, ShareBps, UserId};

/// What a tier's share applies to, once its threshold is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TierMode {
    /// The whole month, from its first coin.
    #[default]
    WholeMonth,
    /// The coins from the threshold on; those below keep their own tier's share.
    Marginal,
}

/// A share, and the month's gross from which it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Reached when the gross is at least this.
    pub from: MicroCoins,
    pub host_share: ShareBps,
}

/// The tiers of one host, or of all who have none of their own: at least one, the first from 0,
/// thresholds rising, shares never falling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "ScheduleSetting", into = "ScheduleSetting")]
pub struct Schedule {
    mode: TierMode,
    tiers: Vec<Tier>,
}

/// Everybody's shares, as the operator set them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "TiersSetting", into = "TiersSetting")]
pub struct ShareTiers {
    everybody: Schedule,
    hosts: BTreeMap<UserId, Schedule>,
}

/// Why tiers can't be used. Each names the setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TiersError {
    /// Neither one share nor tiers.
    #[error("set host_share_bps (0 to 10000) or tiers")]
    Nothing,
    /// Both one share and tiers.
    #[error("set either host_share_bps or tiers, not both")]
    Both,
    #[error("{setting} = {bps}: a share is 0 to 10000 hundredths of a percent")]
    Share { setting: String, bps: u16 },
    #[error("tiers[{tier}].from = {text:?}: {why}")]
    Amount { tier: usize, text: String, why: MoneyError },
    #[error("tiers[0].from = \"{from}\": the first tier is from \"0\"")]
    First { from: MicroCoins },
    #[error("tiers[{tier}].from = \"{from}\": each tier is from more than the one before it")]
    Order { tier: usize, from: MicroCoins },
    #[error(
        "tiers[{tier}].host_share_bps = {bps}: a higher tier never has a lower share, or a host \
         would lose by earning more"
    )]
    Falling { tier: usize, bps: u16 },
    #[error("hosts.{host}: {why}")]
    Host { host: UserId, why: Box<Self> },
}

impl Schedule {
    /// One share, whatever the month brings.
    #[must_use]
    pub fn flat(host_share: ShareBps) -> Self {
        let tiers = vec![Tier { from: MicroCoins::ZERO, host_share }];
        Self { mode: TierMode::WholeMonth, tiers }
    }

    /// These tiers.
    ///
    /// # Errors
    /// [`TiersError`] unless there is a first one from 0, thresholds rise and shares never fall.
    pub fn new(mode: TierMode, tiers: Vec<Tier>) -> Result<Self, TiersError> {
        let first = tiers.first().ok_or(TiersError::Nothing)?;
        if first.from > MicroCoins::ZERO {
            return Err(TiersError::First { from: first.from });
        }
        for (n, pair) in tiers.windows(2).enumerate() {
            let (tier, next) = (n + 1, pair[1]);
            if next.from <= pair[0].from {
                return Err(TiersError::Order { tier, from: next.from });
            }
            if next.host_share < pair[0].host_share {
                return Err(TiersError::Falling { tier, bps: next.host_share.bps() });
            }
        }
        Ok(Self { mode, tiers })
    }

    /// The share of the tier that `gross` reaches.
    ///
    /// # Panics
    /// Never: the first tier begins at 0.
    #[must_use]
    pub fn share_at(&self, gross: MicroCoins) -> ShareBps {
        let reached = self.tiers.iter().rev().find(|tier| tier.from <= gross);
        reached.expect("the first tier begins at 0").host_share
    }

    /// What the host must have of a month's `gross`, rounded down once. Monotone; at most `gross`.
    ///
    /// # Panics
    /// Never: shares are at most the whole.
    #[must_use]
    pub fn earned(&self, gross: MicroCoins) -> MicroCoins {
        let part = |coins: MicroCoins, share: ShareBps| {
            u128::from(coins.micro()) * u128::from(share.bps())
        };
        let numerator = match self.mode {
            TierMode::WholeMonth => part(gross, self.share_at(gross)),
            TierMode::Marginal => {
                let ends = self.tiers.iter().skip(1).map(|tier| tier.from).chain([gross]);
                let within =
                    |tier: &Tier, end: MicroCoins| end.min(gross).saturating_sub(tier.from);
                self.tiers.iter().zip(ends).map(|(t, end)| part(within(t, end), t.host_share)).sum()
            }
        };
        u64::try_from(numerator / u128::from(ShareBps::WHOLE.bps()))
            .ok()
            .and_then(|micro| MicroCoins::new(micro).ok())
            .expect("shares are at most the whole")
    }
}

impl ShareTiers {
    /// One share for everybody.
    #[must_use]
    pub fn flat(host_share: ShareBps) -> Self {
        Self::new(Schedule::flat(host_share))
    }

    /// One schedule for everybody.
    #[must_use]
    pub const fn new(everybody: Schedule) -> Self {
        Self { everybody, hosts: BTreeMap::new() }
    }

    /// The same, with a schedule of `host`'s own.
    #[must_use]
    pub fn with_host(mut self, host: UserId, own: Schedule) -> Self {
        self.hosts.insert(host, own);
        self
    }

    /// The share that a call of `host` is opened at when fans have spent `gross` on them this
    /// month.
    #[must_use]
    pub fn share_at(&self, host: &UserId, gross: MicroCoins) -> ShareBps {
        self.of(host).share_at(gross)
    }

    /// What `host` must have of a month's `gross`, in all: cumulative, monotone, rounded down.
    #[must_use]
    pub fn earned(&self, host: &UserId, gross: MicroCoins) -> MicroCoins {
        self.of(host).earned(gross)
    }

    /// What is still to be posted to `host` for the month, when `posted` of it already is. Nothing
    /// if that is more: what calls were opened at is never taken back.
    #[must_use]
    pub fn adjustment(&self, host: &UserId, gross: MicroCoins, posted: MicroCoins) -> MicroCoins {
        self.earned(host, gross).saturating_sub(posted)
    }

    fn of(&self, host: &UserId) -> &Schedule {
        self.hosts.get(host).unwrap_or(&self.everybody)
    }
}

impl Default for ShareTiers {
    /// 70 % for every host.
    fn default() -> Self {
        Self::flat(ShareBps::new(7_000).expect("less than the whole"))
    }
}

/// A schedule as it is written in the configuration.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScheduleSetting {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    host_share_bps: Option<u16>,
    #[serde(default)]
    mode: TierMode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tiers: Option<Vec<TierSetting>>,
}

/// A tier as it is written: coins as text, as all amounts in the configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TierSetting {
    from: String,
    host_share_bps: u16,
}

/// Everybody's shares as they are written: a schedule, and the hosts who have their own.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TiersSetting {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    host_share_bps: Option<u16>,
    #[serde(default)]
    mode: TierMode,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tiers: Option<Vec<TierSetting>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    hosts: BTreeMap<UserId, ScheduleSetting>,
}

impl TryFrom<ScheduleSetting> for Schedule {
    type Error = TiersError;

    fn try_from(setting: ScheduleSetting) -> Result<Self, TiersError> {
        let share = |setting: String, bps| {
            ShareBps::new(bps).map_err(|_| TiersError::Share { setting, bps })
        };
        let written = match (setting.host_share_bps, setting.tiers) {
            (None, None) => return Err(TiersError::Nothing),
            (Some(_), Some(_)) => return Err(TiersError::Both),
            (Some(bps), None) => return share("host_share_bps".to_owned(), bps).map(Self::flat),
            (None, Some(tiers)) => tiers,
        };
        let tiers = written.into_iter().enumerate().map(|(tier, written)| {
            let TierSetting { from: text, host_share_bps } = written;
            let from = text.parse().map_err(|why| TiersError::Amount { tier, text, why })?;
            let setting = format!("tiers[{tier}].host_share_bps");
            Ok(Tier { from, host_share: share(setting, host_share_bps)? })
        });
        Self::new(setting.mode, tiers.collect::<Result<_, TiersError>>()?)
    }
}

impl From<Schedule> for ScheduleSetting {
    fn from(Schedule { mode, tiers }: Schedule) -> Self {
        let written = |tier: &Tier| TierSetting {
            from: tier.from.to_string(),
            host_share_bps: tier.host_share.bps(),
        };
        match tiers.as_slice() {
            [only] => Self { host_share_bps: Some(only.host_share.bps()), ..Self::default() },
            tiers => Self {
                host_share_bps: None,
                mode,
                tiers: Some(tiers.iter().map(written).collect()),
            },
        }
    }
}

impl TryFrom<TiersSetting> for ShareTiers {
    type Error = TiersError;

    fn try_from(setting: TiersSetting) -> Result<Self, TiersError> {
        let TiersSetting { host_share_bps, mode, tiers, hosts } = setting;
        let everybody = ScheduleSetting { host_share_bps, mode, tiers }.try_into()?;
        let hosts = hosts.into_iter().map(|(host, own)| match Schedule::try_from(own) {
            Ok(own) => Ok((host, own)),
            Err(why) => Err(TiersError::Host { host, why: Box::new(why) }),
        });
        Ok(Self { everybody, hosts: hosts.collect::<Result<_, _>>()? })
    }
}

impl From<ShareTiers> for TiersSetting {
    fn from(ShareTiers { everybody, hosts }: ShareTiers) -> Self {
        let ScheduleSetting { host_share_bps, mode, tiers } = everybody.into();
        let hosts = hosts.into_iter().map(|(host, own)| (host, own.into())).collect();
        Self { host_share_bps, mode, tiers, hosts }
    }
}

#[cfg(test)]
mod tests;
