//! Opening a call: a row in the ledger first, then a slot in hot balances.
//!
//! Safe to repeat: the row is found by the call's id. A crash between the two leaves a row without
//! a slot, which the next opening, the first debit or the next owner restores.

use super::hold::with_last;
use super::restore::Live;
use super::{Store, months};
use crate::{CallRow, Error, Hot, Ledger, Surplus, Transaction, WalletRow};
use billing_core::{LiveCall, OpenCall, Opening, Proven, Terms};
use std::collections::BTreeSet;
use units::{Coins, MicroCoins};

impl<H: Hot, L: Ledger> Store<H, L> {
    /// Writes a call down, durably, before its media may flow.
    ///
    /// # Errors
    /// [`Error::NotHeld`] and [`Error::Fenced`] if the fan's shard is somebody else's.
    pub async fn open_call(&self, open: &OpenCall) -> Result<Opening, Error> {
        let lease = self.lease(&open.terms.fan)?;
        let funds = self.funds(&open.terms.fan).await?;
        let mut tx = self.ledger.begin().await?;
        tx.fence(&[(lease.shard, lease.epoch)]).await.map_err(|error| self.noted(error))?;
        let mut live = match tx.calls(&[open.call]).await?.pop() {
            Some(row) if !same_terms(&row.live.terms, &open.terms) => {
                return Ok(Opening::OtherTerms);
            }
            Some(row) => match row.receipt() {
                Some(receipt) => return Ok(Opening::Settled(receipt)),
                None => row.live,
            },
            None => {
                let users = [open.terms.fan.clone()];
                let wallet = tx.wallets(&users).await?.pop();
                let empty = WalletRow::empty(open.terms.fan.clone());
                let known = wallet.as_ref().unwrap_or(&empty);
                if known.owed > MicroCoins::ZERO {
                    return Ok(Opening::Blocked);
                }
                if funds < open.minimum {
                    return Ok(Opening::NoFunds);
                }
                if wallet.is_none() {
                    tx.put_wallets(&[empty]).await?;
                }
                let mut live = new_call(open);
                let (shares, host) = (self.options.shares.as_ref(), &open.terms.host);
                let reached = months::share_at(&mut tx, shares, host, open.at).await?;
                live.terms.host_share = reached.unwrap_or(open.terms.host_share);
                tx.insert_call(&CallRow::new(live.clone())).await?;
                live
            }
        };
        with_last(&mut tx, std::slice::from_mut(&mut live)).await?;
        let fan = BTreeSet::from([open.terms.fan.clone()]);
        let wallet = Live::of_users(&mut tx, &fan).await?;
        tx.commit().await?;
        let restored = self.restore(&[lease], &wallet, Surplus::Keep).await?;
        let funds = restored.get(&open.terms.fan).copied().unwrap_or(funds);
        Ok(Opening::Open { live, funds })
    }
}

/// Whether a call that comes back was asked for at the same terms. Its share is the store's.
fn same_terms(known: &Terms, asked: &Terms) -> bool {
    Terms { host_share: asked.host_share, ..known.clone() } == *asked
}

fn new_call(open: &OpenCall) -> LiveCall {
    LiveCall {
        call: open.call,
        terms: open.terms.clone(),
        changes: Vec::new(),
        opened_at: open.at,
        seen_at: open.at,
        proven: Proven::ZERO,
        charged: Coins::ZERO,
        records: 0,
        last: None,
    }
}
