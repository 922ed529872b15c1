//! Hosts' months: what fans spent on a host, what the host's postings of it are, and what a tier
//! adds.
//!
//! Safe to repeat: steps are written in the transaction that posts them. The adjustment is what is
//! missing from a cumulative figure.

use crate::month::month_of;
use crate::{Error, HostMonth, Transaction};
use billing_core::{Account, Posting, ShareTiers, month_postings};
use std::collections::BTreeMap;
use units::{Coins, MicroCoins, ShareBps, UnixMs, UserId};

/// What one charge brought a host.
pub(super) struct Step {
    host: UserId,
    month: String,
    gross: MicroCoins,
    earned: MicroCoins,
}

impl Step {
    /// Of a charge that went from `before` to `after` at that time, and its postings.
    pub(super) fn new(
        host: &UserId,
        at: UnixMs,
        (before, after): (Coins, Coins),
        postings: &[Posting],
    ) -> Self {
        let to_host = postings.iter().filter(|row| row.to == Account::HostEarnings(host.clone()));
        let earned = to_host.fold(MicroCoins::ZERO, |sum, row| add(sum, row.amount));
        let gross = after.saturating_sub(before).total().unwrap_or(MicroCoins::MAX);
        Self { host: host.clone(), month: month_of(at), gross, earned }
    }
}

/// Adds steps to their months, and posts what the tiers add.
pub(super) async fn write(
    tx: &mut impl Transaction,
    tiers: Option<&ShareTiers>,
    steps: Vec<Step>,
) -> Result<(), Error> {
    let mut sums: BTreeMap<(UserId, String), (MicroCoins, MicroCoins)> = BTreeMap::new();
    for step in steps.into_iter().filter(|step| step.gross > MicroCoins::ZERO) {
        let sum = sums.entry((step.host, step.month)).or_default();
        *sum = (add(sum.0, step.gross), add(sum.1, step.earned));
    }
    if sums.is_empty() {
        return Ok(());
    }
    let keys: Vec<_> = sums.keys().cloned().collect();
    let known = tx.host_months(&keys).await?;
    let mut known: BTreeMap<_, _> =
        known.into_iter().map(|row| ((row.host.clone(), row.month.clone()), row)).collect();
    let (mut rows, mut postings) = (Vec::new(), Vec::new());
    for (key, (gross, earned)) in sums {
        let mut row = known.remove(&key).unwrap_or_else(|| empty(key));
        row.gross = add(row.gross, gross);
        row.earned = add(row.earned, earned);
        let more = tiers
            .map_or(MicroCoins::ZERO, |tiers| tiers.adjustment(&row.host, row.gross, row.earned));
        if more > MicroCoins::ZERO {
            postings.extend(month_postings(&row.host, &row.month, row.adjustments, more));
            row.adjustments += 1;
            row.earned = add(row.earned, more);
        }
        rows.push(row);
    }
    tx.put_host_months(&rows).await?;
    tx.insert_postings(&postings).await
}

/// The share that a host has reached in the month of `at`, where there are tiers.
pub(super) async fn share_at(
    tx: &mut impl Transaction,
    tiers: Option<&ShareTiers>,
    host: &UserId,
    at: UnixMs,
) -> Result<Option<ShareBps>, Error> {
    let Some(tiers) = tiers else { return Ok(None) };
    let row = tx.host_months(&[(host.clone(), month_of(at))]).await?.pop();
    let gross = row.map_or(MicroCoins::ZERO, |row| row.gross);
    Ok(Some(tiers.share_at(host, gross)))
}

fn empty((host, month): (UserId, String)) -> HostMonth {
    let (gross, earned) = (MicroCoins::ZERO, MicroCoins::ZERO);
    HostMonth { host, month, gross, earned, adjustments: 0 }
}

fn add(a: MicroCoins, b: MicroCoins) -> MicroCoins {
    a.checked_add(b).unwrap_or(MicroCoins::MAX)
}
