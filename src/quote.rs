//! `coinline quote`: what a call or a month costs, who gets which part of it, and how long a
//! balance lasts; by the same arithmetic that bills calls.
//!
//! Amounts are coins. Decimals exist only here, at the edge: what is printed is exact, except for
//! figures per minute, which are rounded down to the micro-coin.

mod options;

pub(crate) use options::QuoteOptions;

use crate::cli;
use billing_core::{CALL_MS_MAX, Plan, Proven, Schedule, Tariff, captured, gross_for};
use rust_decimal::Decimal;
use serde::Serialize;
use std::error::Error;
use std::fmt;
use units::{ElapsedMs, MicroCoins, Rates};

const MS_PER_MINUTE: u64 = 60_000;

/// An answer; parts that were not asked for are absent.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Quote {
    #[serde(skip_serializing_if = "Option::is_none")]
    bill: Option<Bill>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hold: Option<Hold>,
    #[serde(skip_serializing_if = "Option::is_none")]
    balance: Option<Lasts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wish: Option<Wish>,
}

/// What is sold, and what becomes of it.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Bill {
    /// What one call costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    charge: Option<Coins>,
    /// What all of it costs.
    gross: Coins,
    host_share_percent: Decimal,
    host: Coins,
    platform: Coins,
    processing: Coins,
    /// The host's part less processing; below zero where that is more.
    net: Coins,
    #[serde(skip_serializing_if = "Option::is_none")]
    net_per_minute: Option<Coins>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payout_fee: Option<Coins>,
    #[serde(skip_serializing_if = "Option::is_none")]
    paid_out: Option<Coins>,
}

/// A card that is authorised beforehand.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Hold {
    held: Coins,
    taken: Coins,
    released: Coins,
}

/// How much media a balance pays for.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Lasts {
    balance: Coins,
    /// The longest call at most.
    lasts_ms: u64,
}

/// What has to be sold for a host's part.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Wish {
    host: Coins,
    gross: Coins,
    /// Rounded up to a hundredth.
    minutes: Decimal,
}

/// An amount in coins that may be below zero; written with two to six decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
struct Coins(Decimal);

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QuoteError {
    #[error("--{option}: a call is metered for at most {} minutes; split it into --calls", CALL_MS_MAX.0 / MS_PER_MINUTE)]
    TooLong { option: &'static str },
    #[error("the sum is larger than the largest amount, {}", MicroCoins::MAX)]
    TooLarge,
    #[error("--net: at a share of {0}% and this price no time is enough")]
    Unreachable(Decimal),
    #[error("--hold-minutes needs --minutes, the length of the call")]
    HoldWithoutCall,
}

/// Prints the answer.
///
/// # Errors
/// [`QuoteError`].
pub(crate) fn run(options: &QuoteOptions) -> Result<(), Box<dyn Error>> {
    let quote = quote(options)?;
    let text = if options.json { serde_json::to_string(&quote)? } else { quote.to_string() };
    cli::say(text.trim_end());
    Ok(())
}

/// The answer.
///
/// # Errors
/// [`QuoteError`].
pub(crate) fn quote(options: &QuoteOptions) -> Result<Quote, QuoteError> {
    let plan = options.rate.map(|rate| {
        Plan::new(Tariff {
            rates: Rates::flat(rate),
            free: ElapsedMs::from_secs(options.free_seconds.into()),
            pulse: ElapsedMs::from_secs(options.pulse_seconds.into()),
            minimum: ElapsedMs::from_secs(options.minimum_seconds.into()),
            connect_fee: options.connect_fee,
        })
    });
    let schedule = options.schedule();
    let charge = match (&plan, options.minutes) {
        (Some(plan), Some(media)) => Some(charge(plan, media, "minutes")?),
        _ => None,
    };
    let gross = match (options.gross, charge) {
        (Some(gross), _) => Some(gross),
        (None, Some(charge)) => Some(
            charge
                .micro()
                .checked_mul(options.calls.into())
                .and_then(|micro| MicroCoins::new(micro).ok())
                .ok_or(QuoteError::TooLarge)?,
        ),
        (None, None) => None,
    };
    let lasts = |balance: MicroCoins| {
        let lasts_ms = plan.as_ref()?.funded(Proven::ZERO, false, balance).0;
        Some(Lasts { balance: balance.into(), lasts_ms })
    };
    Ok(Quote {
        bill: gross.map(|gross| bill(options, &schedule, charge, gross)),
        hold: match (&plan, options.hold_minutes) {
            (Some(plan), Some(media)) => Some(hold(options, plan, media, charge)?),
            _ => None,
        },
        balance: options.balance.and_then(lasts),
        wish: options.net.map(|part| wish(options, &schedule, part)).transpose()?,
    })
}

fn charge(plan: &Plan, media: ElapsedMs, option: &'static str) -> Result<MicroCoins, QuoteError> {
    if media > CALL_MS_MAX {
        return Err(QuoteError::TooLong { option });
    }
    Ok(plan.charge(Proven::voice(media)))
}

fn bill(
    options: &QuoteOptions,
    schedule: &Schedule,
    charge: Option<MicroCoins>,
    gross: MicroCoins,
) -> Bill {
    let host = schedule.earned(gross);
    let processing = options.fee().of_charges(gross, options.charges);
    let net = Coins(Decimal::from(host) - Decimal::from(processing));
    let minutes =
        options.minutes.map(|media| Decimal::from(media.0) / Decimal::from(MS_PER_MINUTE));
    let minutes = minutes.map(|minutes| minutes * Decimal::from(options.calls));
    let payout_fee = options.payout().zip(MicroCoins::try_from(net.0).ok());
    let payout_fee = payout_fee.map(|(payout, net)| Coins::from(payout.of(net)));
    Bill {
        charge: charge.map(Coins::from),
        gross: gross.into(),
        host_share_percent: percent(schedule.share_at(gross).bps()),
        host: host.into(),
        platform: gross.saturating_sub(host).into(),
        processing: processing.into(),
        net,
        net_per_minute: minutes
            .and_then(|minutes| net.0.checked_div(minutes))
            .map(|net| Coins(floor_micro(net))),
        payout_fee,
        paid_out: payout_fee.map(|fee| Coins(net.0 - fee.0)),
    }
}

fn hold(
    options: &QuoteOptions,
    plan: &Plan,
    media: ElapsedMs,
    used: Option<MicroCoins>,
) -> Result<Hold, QuoteError> {
    let held = charge(plan, media, "hold-minutes")?;
    let used = used.ok_or(QuoteError::HoldWithoutCall)?;
    // What was not authorised can't be taken.
    let taken = captured(used.min(held), options.card_unit);
    Ok(Hold { held: held.into(), taken: taken.into(), released: held.saturating_sub(taken).into() })
}

fn wish(options: &QuoteOptions, schedule: &Schedule, part: MicroCoins) -> Result<Wish, QuoteError> {
    // One share whatever the gross: tiers and a wish exclude each other.
    let share = schedule.share_at(MicroCoins::ZERO);
    let unreachable = || QuoteError::Unreachable(percent(share.bps()));
    let gross = gross_for(part, share).ok_or_else(unreachable)?;
    let rate = options.rate.map_or(Decimal::ZERO, |rate| {
        Decimal::from_i128_with_scale(rate.micro_per_minute().into(), 6)
    });
    let minutes = Decimal::from(gross).checked_div(rate).ok_or_else(unreachable)?;
    let hundredths = (minutes * Decimal::ONE_HUNDRED).ceil();
    let minutes = (hundredths / Decimal::ONE_HUNDRED).normalize();
    Ok(Wish { host: part.into(), gross: gross.into(), minutes })
}

fn percent(bps: u16) -> Decimal {
    Decimal::from_i128_with_scale(bps.into(), 2).normalize()
}

fn floor_micro(coins: Decimal) -> Decimal {
    let micro = Decimal::from(1_000_000);
    (coins * micro).floor() / micro
}

impl From<MicroCoins> for Coins {
    fn from(amount: MicroCoins) -> Self {
        Self(amount.into())
    }
}

impl fmt::Display for Coins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.0.normalize().to_string();
        let decimals = text.split_once('.').map_or(0, |(_, decimals)| decimals.len());
        if decimals == 0 {
            text.push('.');
        }
        text.extend(std::iter::repeat_n('0', 2_usize.saturating_sub(decimals)));
        f.pad(&text)
    }
}

impl Serialize for Coins {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Quote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = |name: &str, coins: Option<Coins>| match coins {
            Some(coins) => writeln!(f, "{name:<24}{coins:>16}"),
            None => Ok(()),
        };
        if let Some(bill) = &self.bill {
            line("one call costs", bill.charge)?;
            line("gross", Some(bill.gross))?;
            line(&format!("host part ({} %)", bill.host_share_percent), Some(bill.host))?;
            line("platform part", Some(bill.platform))?;
            line("processing", Some(bill.processing))?;
            line("host nets", Some(bill.net))?;
            line("host nets per minute", bill.net_per_minute)?;
            line("instant payout costs", bill.payout_fee)?;
            line("paid out", bill.paid_out)?;
        }
        if let Some(hold) = &self.hold {
            line("authorised on the card", Some(hold.held))?;
            line("taken", Some(hold.taken))?;
            line("released", Some(hold.released))?;
        }
        if let Some(Lasts { balance, lasts_ms }) = &self.balance {
            line("a balance of", Some(*balance))?;
            writeln!(f, "{:<24}{:>16}", "lasts", clock(*lasts_ms))?;
        }
        if let Some(Wish { host, gross, minutes }) = &self.wish {
            writeln!(f, "{:<24}{host:>16}", "for a host part of")?;
            writeln!(f, "{:<24}{gross:>16}", "fans must spend")?;
            writeln!(f, "{:<24}{:>16}", "which are", format!("{minutes} min"))?;
        }
        Ok(())
    }
}

/// `1:02:03.456`: hours only where there are any, fractions only where they are not 0.
fn clock(ms: u64) -> String {
    let (seconds, fraction) = (ms / 1_000, ms % 1_000);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let fraction = if fraction > 0 { format!(".{fraction:03}") } else { String::new() };
    let hours = if hours > 0 { format!("{hours}:{minutes:02}") } else { minutes.to_string() };
    format!("{hours}:{seconds:02}{fraction}")
}

#[cfg(test)]
mod tests;
