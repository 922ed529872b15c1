//! What `coinline quote` can be asked, and how amounts, shares and fees are written there.

use billing_core::{ProcessingFee, Schedule, Tier, TierMode};
use clap::{ArgGroup, Args};
use rust_decimal::Decimal;
use units::{ElapsedMs, MicroCoins, Rate, ShareBps};

const EXAMPLES: &str = "\
Examples:
  coinline quote --rate 2.50 --minutes 480 --share 70 --fee 3%
  coinline quote --rate 2.50 --minutes 480 --share 70 --fee 2.9%+0.30 --charges 8
  coinline quote --gross 20000 --tiers 0:60,20000:65,35000:70,50000:75,75000:80
  coinline quote --gross 2500 --tiers 0:90,2000:100 --marginal
  coinline quote --rate 1.99 --minutes 7.2 --hold-minutes 20
  coinline quote --rate 5 --balance 40
  coinline quote --rate 5 --share 70 --net 35000";

/// What to work out. Amounts are in coins, as `2.50`.
#[derive(Args, Clone, Debug)]
#[command(
    after_help = EXAMPLES,
    group = ArgGroup::new("sold").args(["minutes", "gross", "balance", "net"]).required(true).multiple(true)
)]
pub(crate) struct QuoteOptions {
    /// The price of a minute.
    #[arg(long, value_name = "COINS", conflicts_with = "gross", required_unless_present = "gross")]
    pub(super) rate: Option<Rate>,
    /// How long each call is, in minutes, as 7.2.
    #[arg(long, value_parser = minutes)]
    pub(super) minutes: Option<ElapsedMs>,
    /// How many calls of that length.
    #[arg(long, default_value_t = 1, requires = "minutes", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) calls: u32,
    /// What was sold in all, instead of a price and a time.
    #[arg(long, value_name = "COINS")]
    pub(super) gross: Option<MicroCoins>,
    /// Time at the start of a call that costs nothing.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, conflicts_with = "gross")]
    pub(super) free_seconds: u32,
    /// Round charged time up to a multiple of this; 0 bills by the millisecond.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, conflicts_with = "gross")]
    pub(super) pulse_seconds: u32,
    /// The least time that is charged, once any is.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, conflicts_with = "gross")]
    pub(super) minimum_seconds: u32,
    /// Charged once per call, as soon as any time is.
    #[arg(long, value_name = "COINS", default_value = "0", conflicts_with = "gross")]
    pub(super) connect_fee: MicroCoins,
    /// The host's part, in percent.
    #[arg(long, value_name = "PERCENT", default_value = "70", value_parser = percent, conflicts_with = "tiers")]
    pub(super) share: ShareBps,
    /// The host's part by the month's gross: FROM:PERCENT,... with rising shares.
    #[arg(long, value_name = "TIERS", value_parser = tiers, conflicts_with = "net")]
    pub(super) tiers: Option<Tiers>,
    /// A tier's share applies only to the coins from its threshold on, not to the whole month.
    #[arg(long, requires = "tiers")]
    pub(super) marginal: bool,
    /// What a payment provider takes of each charge: 3%, 0.30 or 2.9%+0.30.
    #[arg(long, default_value = "0", value_parser = fee)]
    pub(super) fee: ProcessingFee,
    /// What the provider rounds its fees to, half up: 0.01 for cents.
    #[arg(long, value_name = "COINS", default_value = "0.000001", value_parser = unit)]
    pub(super) fee_unit: MicroCoins,
    /// In how many charges the provider sees the gross; the fixed part is taken of each.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) charges: u32,
    /// What an instant payout of the net costs: 1% or 1%+0.25.
    #[arg(long, value_name = "FEE", value_parser = fee)]
    pub(super) payout: Option<ProcessingFee>,
    /// The least that a payout costs.
    #[arg(long, value_name = "COINS", default_value = "0", requires = "payout")]
    pub(super) payout_min: MicroCoins,
    /// The most that a payout costs.
    #[arg(long, value_name = "COINS", requires = "payout")]
    pub(super) payout_max: Option<MicroCoins>,
    /// For how many minutes a card is authorised beforehand.
    #[arg(long, value_name = "MINUTES", value_parser = minutes, requires = "minutes", conflicts_with = "gross")]
    pub(super) hold_minutes: Option<ElapsedMs>,
    /// What a card can be charged in; fractions are dropped.
    #[arg(long, value_name = "COINS", default_value = "0.01", value_parser = unit, requires = "hold_minutes")]
    pub(super) card_unit: MicroCoins,
    /// How long this balance lasts.
    #[arg(long, value_name = "COINS", conflicts_with = "gross")]
    pub(super) balance: Option<MicroCoins>,
    /// What has to be sold for a host's part of this, before processing.
    #[arg(long, value_name = "COINS", conflicts_with = "gross")]
    pub(super) net: Option<MicroCoins>,
    /// Print JSON; amounts in it are text, in coins.
    #[arg(long)]
    pub(super) json: bool,
}

/// Tiers that were checked, before it is known how they apply.
#[derive(Clone, Debug)]
pub(crate) struct Tiers(Vec<Tier>);

impl QuoteOptions {
    pub(super) fn schedule(&self) -> Schedule {
        let mode = if self.marginal { TierMode::Marginal } else { TierMode::WholeMonth };
        let flat = || Schedule::flat(self.share);
        self.tiers.as_ref().map_or_else(flat, |Tiers(tiers)| {
            Schedule::new(mode, tiers.clone()).expect("tiers were checked when they were read")
        })
    }

    pub(super) fn fee(&self) -> ProcessingFee {
        ProcessingFee { unit: self.fee_unit, ..self.fee }
    }

    pub(super) fn payout(&self) -> Option<ProcessingFee> {
        let (min, max) = (self.payout_min, self.payout_max.unwrap_or(MicroCoins::MAX));
        self.payout.map(|payout| ProcessingFee { min, max, unit: self.fee_unit, ..payout })
    }
}

/// Minutes with decimals, exact to the millisecond.
fn minutes(text: &str) -> Result<ElapsedMs, String> {
    let minutes: Decimal = text.parse().map_err(|_| "not a number of minutes, as 7.2")?;
    let ms = minutes.checked_mul(Decimal::from(60_000)).map(|ms| ms.normalize());
    let ms = ms.filter(|ms| ms.scale() == 0).and_then(|ms| u64::try_from(ms).ok());
    ms.map(ElapsedMs).ok_or_else(|| "not a whole number of milliseconds from 0 on".to_owned())
}

/// `70` or `70%`, with up to two decimals.
fn percent(text: &str) -> Result<ShareBps, String> {
    let number = text.strip_suffix('%').unwrap_or(text);
    let bps: Option<Decimal> = number.trim().parse::<Decimal>().ok();
    let bps = bps.and_then(|percent| percent.checked_mul(Decimal::ONE_HUNDRED));
    let bps = bps.map(|bps| bps.normalize()).filter(|bps| bps.scale() == 0);
    bps.and_then(|bps| u16::try_from(bps).ok())
        .and_then(|bps| ShareBps::new(bps).ok())
        .ok_or_else(|| "a percentage is 0 to 100 with at most two decimals".to_owned())
}

/// `0:60,20000:65`.
fn tiers(text: &str) -> Result<Tiers, String> {
    let tier = |text: &str| {
        let parts = text.split_once(':').ok_or("a tier is FROM:PERCENT, as 20000:65");
        let (from, share) = parts.map_err(str::to_owned)?;
        let from = from.trim().parse().map_err(|error| format!("{from}: {error}"))?;
        Ok::<Tier, String>(Tier { from, host_share: percent(share)? })
    };
    let tiers: Vec<Tier> = text.split(',').map(tier).collect::<Result<_, _>>()?;
    let checked = Schedule::new(TierMode::WholeMonth, tiers.clone());
    checked.map(|_| Tiers(tiers)).map_err(|error| error.to_string())
}

/// `3%`, `0.30` or `2.9%+0.30`.
fn fee(text: &str) -> Result<ProcessingFee, String> {
    let (share, fixed) = match text.split_once('+') {
        Some((share, fixed)) => (Some(share), Some(fixed)),
        None if text.ends_with('%') => (Some(text), None),
        None => (None, Some(text)),
    };
    let share = percent(share.unwrap_or("0"))?;
    let fixed = fixed.unwrap_or("0").trim().parse::<MicroCoins>();
    let fixed = fixed.map_err(|error| format!("{error}; a fee is 3%, 0.30 or 2.9%+0.30"))?;
    Ok(ProcessingFee::new(share, fixed))
}

fn unit(text: &str) -> Result<MicroCoins, String> {
    let unit: MicroCoins = text.parse().map_err(|error| format!("{error}"))?;
    let above_zero = unit > MicroCoins::ZERO;
    above_zero.then_some(unit).ok_or_else(|| "a unit is above 0".to_owned())
}
