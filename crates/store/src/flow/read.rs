//! What can be asked at any time.

use super::Store;
use super::restore::Live;
use crate::{CallRow, Error, Hot, Ledger, Surplus, Transaction};
use billing_core::Receipt;
use std::collections::BTreeSet;
use units::{CallId, MicroCoins, UserId};

impl<H: Hot, L: Ledger> Store<H, L> {
    /// What is left in a wallet: by the ledger, less what live calls took beyond it.
    ///
    /// # Errors
    /// As the ledger and hot balances.
    pub async fn funds(&self, user: &UserId) -> Result<MicroCoins, Error> {
        let users = BTreeSet::from([user.clone()]);
        let live = {
            let mut tx = self.ledger.snapshot().await?;
            Live::of_users(&mut tx, &users).await?
        };
        let Some(known) = live.hot().into_values().flatten().next() else {
            return Ok(MicroCoins::ZERO);
        };
        // A wallet without live charges is in the ledger alone.
        let hot = if known.slots.is_empty() { None } else { self.hot.wallet(user).await? };
        let funds = known.restored(hot.as_ref(), Surplus::Keep).funds();
        Ok(funds.total().unwrap_or(MicroCoins::MAX))
    }

    /// The bill of a call that has ended.
    ///
    /// # Errors
    /// As the ledger.
    pub async fn receipt(&self, call: CallId) -> Result<Option<Receipt>, Error> {
        let mut tx = self.ledger.snapshot().await?;
        Ok(tx.calls(&[call]).await?.pop().as_ref().and_then(CallRow::receipt))
    }

    /// The signed bill of a call that has ended.
    ///
    /// # Errors
    /// As the ledger.
    pub async fn document(&self, call: CallId) -> Result<Option<String>, Error> {
        self.ledger.snapshot().await?.document(call).await
    }
}
