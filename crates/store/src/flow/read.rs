//! What can be asked at any time.

use super::Store;
use super::restore::Live;
use crate::{CallRow, Error, Hot, Ledger, Surplus, Transaction};
use billing_core::Receipt;
use futures::future::try_join_all;
use std::collections::{BTreeMap, BTreeSet};
use units::{CallId, MicroCoins, UserId};

impl<H: Hot, L: Ledger> Store<H, L> {
    /// What is left in a wallet: by the ledger, less what live calls took beyond it.
    ///
    /// # Errors
    /// As the ledger and hot balances.
    pub async fn funds(&self, user: &UserId) -> Result<MicroCoins, Error> {
        let funds = self.funds_of(&BTreeSet::from([user.clone()])).await?;
        Ok(funds.get(user).copied().unwrap_or(MicroCoins::ZERO))
    }

    /// What is left in these wallets, as far as they exist.
    pub(super) async fn funds_of(
        &self,
        users: &BTreeSet<UserId>,
    ) -> Result<BTreeMap<UserId, MicroCoins>, Error> {
        let live = {
            let mut tx = self.ledger.snapshot().await?;
            Live::of_users(&mut tx, users).await?
        };
        let wallets = live.hot().into_values().flatten().map(async |known| {
            // A wallet without live charges is in the ledger alone.
            let hot =
                if known.slots.is_empty() { None } else { self.hot.wallet(&known.user).await? };
            let user = known.user.clone();
            let funds = known.restored(hot.as_ref(), Surplus::Keep).funds();
            Ok::<_, Error>((user, funds.total().unwrap_or(MicroCoins::MAX)))
        });
        Ok(try_join_all(wallets).await?.into_iter().collect())
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
