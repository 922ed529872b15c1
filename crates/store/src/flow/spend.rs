//! Gifts and chargebacks: written down as under way, debited from hot balances, written down with
//! what came of it, and their slot removed.
//!
//! Safe to repeat: the id is the row's key and the slot's name, and the amount its target. A crash
//! after the first row leaves it under way; the next owner of the shard drives it on from there.

use super::months::{self, Step};
use super::restore::Live;
use super::{Store, apply};
use crate::{
    Debit, Debited, Error, Hot, Lease, Ledger, Mode, Slot, SpendRow, Surplus, Transaction,
    WalletRow,
};
use billing_core::advance;
use billing_core::{
    Entry, ShareTiers, Spend, SpendKind, Spending, Target, charge_postings, chargeback_postings,
};
use std::collections::BTreeSet;
use units::{Coins, MicroCoins, Shard};

impl<H: Hot, L: Ledger> Store<H, L> {
    /// Takes coins at once, once per id.
    ///
    /// # Errors
    /// [`Error::NotHeld`] and [`Error::Fenced`] if the fan's shard is somebody else's.
    pub async fn spend(&self, spend: &Spend) -> Result<Spending, Error> {
        self.spend_after(spend, &[]).await
    }

    /// The same, after the fan's calls have taken what they are due: hot balances may have lost it,
    /// and what is spent must not come out of it.
    ///
    /// # Errors
    /// As [`Self::spend`].
    pub async fn spend_after(&self, spend: &Spend, due: &[Target]) -> Result<Spending, Error> {
        let lease = self.lease(&spend.fan)?;
        let mut tx = self.ledger.begin().await?;
        tx.fence(&[(lease.shard, lease.epoch)]).await.map_err(|error| self.noted(error))?;
        let locked = match tx.spend(spend.id).await? {
            Some(known) if !same_spend(&known.spend, spend) => return Ok(Spending::OtherSpend),
            Some(SpendRow { outcome: Some(outcome), .. }) => {
                let wallet = tx.wallets(std::slice::from_ref(&spend.fan)).await?.pop();
                drop(tx);
                // Where the answer to the commit was lost, the slot is still there.
                let settled = wallet.map_or(Coins::ZERO, |wallet| wallet.settled);
                self.close_spent(lease, spend, settled).await;
                return self.with_funds(spend, outcome).await;
            }
            Some(SpendRow { outcome: None, spend }) => spend,
            None => {
                if tx.wallets(std::slice::from_ref(&spend.fan)).await?.is_empty() {
                    tx.put_wallets(&[WalletRow::empty(spend.fan.clone())]).await?;
                }
                let mut locked = spend.clone();
                if let SpendKind::Gift { host, host_share } = &mut locked.kind {
                    let shares = self.options.shares.as_ref();
                    let reached = months::share_at(&mut tx, shares, host, spend.at).await?;
                    *host_share = reached.unwrap_or(*host_share);
                }
                tx.put_spend(&SpendRow { spend: locked.clone(), outcome: None }).await?;
                locked
            }
        };
        let fan = BTreeSet::from([spend.fan.clone()]);
        let live = Live::of_users(&mut tx, &fan).await?;
        tx.commit().await?;
        self.restore(&[lease], &live, Surplus::Keep).await?;
        let outcome = self.drive(lease, &locked, due).await?;
        self.with_funds(spend, outcome).await
    }

    /// Takes a spending that is written down as under way to its end.
    pub(super) async fn drive(
        &self,
        lease: Lease,
        spend: &Spend,
        due: &[Target],
    ) -> Result<Spending, Error> {
        let slot = Slot(spend.id.0);
        let mode = match spend.kind {
            SpendKind::Gift { .. } => Mode::AllOrNothing,
            SpendKind::Chargeback => Mode::TakeBack,
        };
        let mut debits: Vec<Debit> = due.iter().map(apply::debit).collect();
        debits.push(Debit { user: spend.fan.clone(), slot, target: spend.amount, mode });
        let raised = self.raise(debits).await?.pop().flatten();
        let taken = match raised {
            Some(Debited::Done { charged, .. }) => charged,
            Some(Debited::Missing | Debited::Corrupt) => return Err(Error::Forgotten(lease.shard)),
            None => return Err(Error::NotHeld(lease.shard)),
        };
        let mut tx = self.ledger.begin().await?;
        tx.fence(&[(lease.shard, lease.epoch)]).await.map_err(|error| self.noted(error))?;
        let (outcome, settled) =
            conclude(self.options.shares.as_ref(), &mut tx, spend, taken).await?;
        self.doubtful(&[lease.shard], tx.commit().await)?;
        self.close_spent(lease, spend, settled).await;
        Ok(outcome)
    }

    async fn close_spent(&self, lease: Lease, spend: &Spend, settled: Coins) {
        let closed = [(spend.fan.clone(), Slot(spend.id.0), settled)];
        let closing = self.hot.close(lease.shard, self.hot_epoch(lease), &closed).await;
        self.follow_up(lease.shard, closing);
    }

    /// Takes to their end what earlier failures left under way.
    pub(super) async fn drive_leftovers(&self) -> Result<(), Error> {
        let shards: Vec<Shard> = self.owned().epochs.keys().copied().collect();
        let live = {
            let mut tx = self.ledger.snapshot().await?;
            let spends = tx.pending_spends(&shards).await?;
            let fans: BTreeSet<_> = spends.into_iter().map(|row| row.spend.fan).collect();
            Live::of_users(&mut tx, &fans).await?
        };
        for row in &live.spends {
            let lease = self.lease(&row.spend.fan)?;
            self.restore(&[lease], &live, Surplus::Keep).await?;
            self.drive(lease, &row.spend, &[]).await?;
        }
        Ok(())
    }

    async fn with_funds(&self, spend: &Spend, outcome: Spending) -> Result<Spending, Error> {
        Ok(match outcome {
            Spending::Taken { coins, .. } => {
                Spending::Taken { coins, funds: self.funds(&spend.fan).await? }
            }
            Spending::NoFunds | Spending::OtherSpend => outcome,
        })
    }
}

/// Whether a spending that comes back was asked for as it is written down. Its share is the store's.
fn same_spend(known: &Spend, asked: &Spend) -> bool {
    let mut known = Spend { at: asked.at, ..known.clone() };
    if let (SpendKind::Gift { host_share, .. }, SpendKind::Gift { host_share: theirs, .. }) =
        (&mut known.kind, &asked.kind)
    {
        *host_share = *theirs;
    }
    known == *asked
}

/// Writes what came of a spending. What is taken is bounded by what the ledger holds, whatever hot
/// balances took after a failover. Returns the wallet's settled coins with it.
async fn conclude(
    tiers: Option<&ShareTiers>,
    tx: &mut impl Transaction,
    spend: &Spend,
    taken: Coins,
) -> Result<(Spending, Coins), Error> {
    let users = [spend.fan.clone()];
    let wallet = tx.wallets(&users).await?.pop();
    if let Some(SpendRow { outcome: Some(outcome), .. }) = tx.spend(spend.id).await? {
        return Ok((outcome, wallet.map_or(Coins::ZERO, |wallet| wallet.settled)));
    }
    let mut wallet = wallet.unwrap_or_else(|| WalletRow::empty(spend.fan.clone()));
    let open = tx.open_calls_of(&users).await?;
    let held = open.iter().fold(wallet.credited.saturating_sub(wallet.settled), |held, row| {
        held.saturating_sub(row.posted)
    });
    let coins = if held.max(taken) == held {
        taken
    } else {
        advance(Coins::ZERO, taken.total().unwrap_or(MicroCoins::MAX), held)
    };
    let all = coins.total() == Some(spend.amount);
    let taken = match &spend.kind {
        SpendKind::Gift { .. } if !all => None,
        SpendKind::Gift { .. } | SpendKind::Chargeback => Some(coins),
    };
    let outcome = match taken {
        None => Spending::NoFunds,
        Some(coins) => {
            wallet.settled = wallet.settled.checked_add(coins).unwrap_or(wallet.credited);
            let postings = match &spend.kind {
                SpendKind::Gift { host, host_share } => {
                    let entry = Entry::Spend(spend.id);
                    let step = (Coins::ZERO, coins);
                    let postings = charge_postings(&entry, &spend.fan, host, *host_share, step);
                    let step = Step::new(host, spend.at, step, &postings);
                    months::write(tx, tiers, vec![step]).await?;
                    postings
                }
                SpendKind::Chargeback => {
                    let total = coins.total().unwrap_or(MicroCoins::MAX);
                    let owed = spend.amount.saturating_sub(total);
                    wallet.owed = wallet.owed.checked_add(owed).unwrap_or(MicroCoins::MAX);
                    chargeback_postings(spend.id, &spend.fan, spend.amount, coins)
                }
            };
            tx.insert_postings(&postings).await?;
            Spending::Taken { coins, funds: MicroCoins::ZERO }
        }
    };
    let settled = wallet.settled;
    tx.put_wallets(&[wallet]).await?;
    tx.put_spend(&SpendRow { spend: spend.clone(), outcome: Some(outcome) }).await?;
    Ok((outcome, settled))
}
