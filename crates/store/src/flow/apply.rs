//! Ticks: hot balances first; then, on one machine, the ledger.
//!
//! Safe to repeat: targets are cumulative and checkpoints merge by maximum. A crash between the two
//! leaves the ledger behind, and the same targets bring it up.

use super::Store;
use crate::{Debit, Debited, Error, Hot, Ledger, Mode, Slot, Transaction};
use billing_core::{Applied, Checkpoint, Target};
use std::collections::HashMap;
use units::{CallId, MicroCoins, UnixMs, UserId};

impl<H: Hot, L: Ledger> Store<H, L> {
    /// Raises charges to their targets, as far as the funds reach. Calls that are not open, and
    /// those whose shard is not held here, are not in the answer.
    ///
    /// # Errors
    /// [`Error::Fenced`] once for a shard that has a later owner; the others' charges are raised.
    pub async fn apply(&self, at: UnixMs, targets: &[Target]) -> Result<Applied, Error> {
        let raised = self.raise(targets.iter().map(debit).collect()).await?;
        let mut applied = Applied::default();
        let mut calls: HashMap<CallId, usize> = HashMap::with_capacity(targets.len());
        let mut fans: HashMap<&UserId, usize> = HashMap::with_capacity(targets.len());
        let mut rows: Vec<Checkpoint> = Vec::new();
        for (target, raised) in targets.iter().zip(raised) {
            let (charged, left) = match raised {
                Some(Debited::Done { charged, funds }) => (charged, funds),
                Some(Debited::Corrupt) => {
                    tracing::error!(call = %target.call, "this wallet's hot record can't be read");
                    continue;
                }
                Some(Debited::Missing) | None => continue,
            };
            let left = left.total().unwrap_or(MicroCoins::MAX);
            let call = *calls.entry(target.call).or_insert(applied.charged.len());
            if call == applied.charged.len() {
                applied.charged.push((target.call, charged));
            } else {
                applied.charged[call].1 = charged;
            }
            let fan = *fans.entry(&target.fan).or_insert(applied.funds.len());
            if fan == applied.funds.len() {
                applied.funds.push((target.fan.clone(), left));
            } else {
                applied.funds[fan].1 = left;
            }
            if self.options.inline_checkpoint {
                let row = Checkpoint {
                    call: target.call,
                    fan: target.fan.clone(),
                    proven: target.proven,
                    charged,
                    evidence: Vec::new(),
                };
                if call == rows.len() {
                    rows.push(row);
                } else {
                    rows[call].proven = rows[call].proven.merge(row.proven);
                    rows[call].charged = charged;
                }
            }
        }
        if self.options.inline_checkpoint {
            self.checkpoint(at, &rows).await?;
        }
        Ok(applied)
    }

    /// Makes progress durable, in one transaction. Rows whose shard is not held are passed over.
    ///
    /// # Errors
    /// [`Error::Fenced`] if a shard has a later owner: nothing was written; and as the ledger.
    pub async fn checkpoint(&self, at: UnixMs, rows: &[Checkpoint]) -> Result<(), Error> {
        let held = self.leases(rows.iter().map(|row| &row.fan));
        if held.is_empty() {
            return Ok(());
        }
        let epochs: HashMap<_, _> = held.iter().copied().collect();
        let here = |row: &Checkpoint| epochs.contains_key(&units::Shard::of(&row.fan));
        let mut tx = self.ledger.begin().await?;
        tx.fence(&held).await.map_err(|error| self.noted(error))?;
        if rows.iter().all(here) {
            tx.checkpoint(at, rows).await?;
        } else {
            let rows: Vec<Checkpoint> = rows.iter().filter(|row| here(row)).cloned().collect();
            tx.checkpoint(at, &rows).await?;
        }
        tx.commit().await
    }
}

pub(super) fn debit(target: &Target) -> Debit {
    let slot = Slot(target.call.0);
    Debit { user: target.fan.clone(), slot, target: target.charge, mode: Mode::UpTo }
}
