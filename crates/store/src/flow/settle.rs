//! Settling calls: the last debit, then one transaction for everything that a bill leaves behind,
//! then the slot goes.
//!
//! Safe to repeat: a call that has ended answers with its receipt, and an interim settlement that
//! was made posts nothing more. A crash after the debit leaves a slot whose charge the next
//! settlement finds; one after the transaction leaves a slot that the next restoring drops, whose
//! coins are in `settled` then.

use super::months::{self, Step};
use super::returns::{self, Returned};
use super::{Options, Store, apply, settling};
use crate::{CallRow, Debited, Error, Hot, Ledger, Slot, Transaction, WalletRow};
use billing_core::{Checkpoint, Entry, Posting, Receipt, Settled, Settlement, charge_postings};
use std::collections::{BTreeMap, BTreeSet};
use units::{CallId, Coins, MicroCoins, Shard, UnixMs, UserId};

/// Everything that a batch of settlements reads and writes.
struct Batch {
    calls: BTreeMap<CallId, CallRow>,
    wallets: BTreeMap<UserId, WalletRow>,
    /// What is posted of each fan's open calls.
    posted: BTreeMap<UserId, Coins>,
    changed: BTreeSet<CallId>,
    postings: Vec<Posting>,
    steps: Vec<Step>,
    closed: Vec<(UserId, Slot)>,
}

impl<H: Hot, L: Ledger> Store<H, L> {
    /// Posts what calls were charged, all in one transaction: finally where they ended, so far
    /// where they go on. One answer for each, in order. A call that can't be read is logged and
    /// [`Settled::Unknown`]; it stays open and holds up no other.
    ///
    /// # Errors
    /// [`Error::NotHeld`] and [`Error::Fenced`] if a fan's shard is somebody else's.
    pub async fn settle(&self, settlements: &[Settlement]) -> Result<Vec<Settled>, Error> {
        for settlement in settlements {
            self.lease(&settlement.target.fan)?;
        }
        // As they are now: a shard that is lost while hot balances are waited for must be fenced.
        let fans = settlements.iter().map(|settlement| &settlement.target.fan);
        let held = self.leases(fans);
        let targets = settlements.iter().map(|settlement| apply::debit(&settlement.target));
        let raised = self.raise(targets.collect()).await?;
        for (settlement, raised) in settlements.iter().zip(&raised) {
            // Without the last debit, the bill would be what the ledger happens to know.
            raised.ok_or_else(|| Error::NotHeld(Shard::of(&settlement.target.fan)))?;
        }
        let mut tx = self.ledger.begin().await?;
        tx.fence(&held).await.map_err(|error| self.noted(error))?;
        let mut batch = read(&mut tx, settlements).await?;
        let mut answers = Vec::with_capacity(settlements.len());
        for (settlement, raised) in settlements.iter().zip(&raised) {
            answers.push(batch.settle(settlement, *raised));
        }
        write(&mut tx, &batch, settlements).await?;
        let steps = std::mem::take(&mut batch.steps);
        months::write(&mut tx, self.options.shares.as_ref(), steps).await?;
        let returned = self.conclude(&mut tx, &batch).await?;
        let shards: Vec<Shard> = held.iter().map(|(shard, _)| *shard).collect();
        self.doubtful(&shards, tx.commit().await)?;
        self.hand_out(&returned.credited).await;
        self.close(&batch).await;
        let billed = answers.iter().filter_map(|answer| match answer {
            Settled::Final { receipt, .. } => Some(receipt.terms.fan.clone()),
            Settled::Interim { .. } | Settled::Unknown(_) => None,
        });
        let left = self.funds_of(&billed.collect()).await?;
        for answer in &mut answers {
            if let Settled::Final { receipt, funds, credits } = answer {
                *funds = left.get(&receipt.terms.fan).copied().unwrap_or(MicroCoins::ZERO);
                *credits = returned.credits.get(&receipt.call).cloned().unwrap_or_default();
            }
        }
        Ok(answers)
    }

    /// What follows from a bill and its evidence: the signed document, and what the fan gets back.
    async fn conclude(&self, tx: &mut L::Tx, batch: &Batch) -> Result<Returned, Error> {
        let Options { sign, credits, .. } = &self.options;
        let (mut documents, mut returned) = (Vec::new(), Returned::default());
        if sign.is_none() && credits.is_none() {
            return Ok(returned);
        }
        let bills: Vec<Receipt> = batch.calls.values().filter_map(CallRow::receipt).collect();
        let calls: Vec<CallId> = bills.iter().map(|receipt| receipt.call).collect();
        let mut records = tx.evidence(&calls).await?;
        for receipt in bills {
            let ended_here = batch.changed.contains(&receipt.call);
            let evidence = records.remove(&receipt.call).unwrap_or_default();
            if let (Some(sign), true) = (sign, ended_here) {
                documents.push((receipt.call, sign(&receipt, &evidence)));
            }
            if let Some(rules) = credits {
                let due = rules.credits(&receipt, &evidence);
                returns::write(tx, &receipt, due, ended_here, &mut returned).await?;
            }
        }
        tx.insert_documents(&documents).await?;
        Ok(returned)
    }

    /// Takes the slots of what has ended out of hot balances.
    async fn close(&self, batch: &Batch) {
        let mut shards: BTreeMap<Shard, Vec<(UserId, Slot, Coins)>> = BTreeMap::new();
        for (fan, slot) in &batch.closed {
            let settled = batch.wallets.get(fan).map_or(Coins::ZERO, |wallet| wallet.settled);
            shards.entry(Shard::of(fan)).or_default().push((fan.clone(), *slot, settled));
        }
        for (shard, closed) in shards {
            let Some(lease) = self.lease_of(shard) else { continue };
            let outcome = self.hot.close(shard, self.hot_epoch(lease), &closed).await;
            self.follow_up(shard, outcome);
        }
    }
}

async fn read(tx: &mut impl Transaction, settlements: &[Settlement]) -> Result<Batch, Error> {
    let ids: BTreeSet<CallId> = settlements.iter().map(|each| each.target.call).collect();
    let ids: Vec<CallId> = ids.into_iter().collect();
    let rows = match tx.calls(&ids).await {
        Err(Error::Corrupt { .. }) => readable(tx, &ids).await?,
        rows => rows?,
    };
    let fans: BTreeSet<UserId> = rows.iter().map(|row| row.live.terms.fan.clone()).collect();
    let fans: Vec<UserId> = fans.into_iter().collect();
    let wallets = tx.wallets(&fans).await?;
    let mut posted: BTreeMap<UserId, Coins> = BTreeMap::new();
    for row in tx.open_calls_of(&fans).await? {
        let sum = posted.entry(row.live.terms.fan.clone()).or_default();
        *sum = sum.checked_add(row.posted).unwrap_or(*sum);
    }
    Ok(Batch {
        calls: rows.into_iter().map(|row| (row.live.call, row)).collect(),
        wallets: wallets.into_iter().map(|wallet| (wallet.user.clone(), wallet)).collect(),
        posted,
        changed: BTreeSet::new(),
        postings: Vec::new(),
        steps: Vec::new(),
        closed: Vec::new(),
    })
}

/// Those that can be read.
async fn readable(tx: &mut impl Transaction, ids: &[CallId]) -> Result<Vec<CallRow>, Error> {
    let mut rows = Vec::new();
    for id in ids {
        match tx.calls(&[*id]).await {
            Err(error @ Error::Corrupt { .. }) => {
                tracing::error!(call = %id, %error, "a call can't be read; it stays open");
            }
            row => rows.extend(row?),
        }
    }
    Ok(rows)
}

async fn write(
    tx: &mut impl Transaction,
    batch: &Batch,
    settlements: &[Settlement],
) -> Result<(), Error> {
    let evidence: Vec<Checkpoint> = settlements
        .iter()
        .filter(|settlement| !settlement.evidence.is_empty())
        .filter(|settlement| batch.calls.contains_key(&settlement.target.call))
        .map(|settlement| Checkpoint {
            call: settlement.target.call,
            fan: settlement.target.fan.clone(),
            proven: billing_core::Proven::ZERO,
            charged: Coins::ZERO,
            evidence: settlement.evidence.clone(),
        })
        .collect();
    tx.checkpoint(UnixMs(0), &evidence).await?;
    let rows: Vec<CallRow> =
        batch.changed.iter().filter_map(|call| batch.calls.get(call)).cloned().collect();
    tx.put_calls(&rows).await?;
    let wallets: Vec<WalletRow> = batch.wallets.values().cloned().collect();
    tx.put_wallets(&wallets).await?;
    tx.insert_postings(&batch.postings).await
}

impl Batch {
    fn settle(&mut self, settlement: &Settlement, raised: Option<Debited>) -> Settled {
        let call = settlement.target.call;
        let Some(row) = self.calls.get_mut(&call) else { return Settled::Unknown(call) };
        if let Some(receipt) = row.receipt() {
            self.closed.push((receipt.terms.fan.clone(), Slot(call.0)));
            return unfunded(receipt);
        }
        let fan = row.live.terms.fan.clone();
        let wallet =
            self.wallets.entry(fan.clone()).or_insert_with(|| WalletRow::empty(fan.clone()));
        let all = self.posted.entry(fan.clone()).or_default();
        let others = all.saturating_sub(row.posted);
        let reached = match raised {
            Some(Debited::Done { charged, .. }) => Some(charged),
            Some(Debited::Missing | Debited::Corrupt) | None => None,
        };
        let (before, nth) = (row.posted, row.settlements);
        let after = settling::settle(row, wallet, settlement, reached, others);
        *all = others.checked_add(after).unwrap_or(others);
        let terms = &row.live.terms;
        let entry = Entry::Call(call, nth);
        let step = (before, after);
        let postings = charge_postings(&entry, &fan, &terms.host, terms.host_share, step);
        let at = settlement.end.map_or(row.live.seen_at, |end| end.at);
        self.steps.push(Step::new(&terms.host, at, step, &postings));
        self.postings.extend(postings);
        self.changed.insert(call);
        let Some(receipt) = row.receipt() else { return Settled::Interim { call, posted: after } };
        *all = others;
        self.closed.push((fan, Slot(call.0)));
        unfunded(receipt)
    }
}

/// The funds and credits are found after the transaction.
const fn unfunded(receipt: Receipt) -> Settled {
    Settled::Final { receipt, funds: MicroCoins::ZERO, credits: Vec::new() }
}
