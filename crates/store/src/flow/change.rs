//! New prices for a call that goes on.
//!
//! Safe to repeat: the change's number is its key, and what stands first stays.

use super::Store;
use crate::{Error, Hot, Ledger, Transaction};
use billing_core::Change;
use units::{CallId, UserId};

impl<H: Hot, L: Ledger> Store<H, L> {
    /// Writes a tariff change down before it holds; the change of that number as it stands then.
    /// `None` if the call is not open, or changes before this one are missing.
    ///
    /// # Errors
    /// [`Error::NotHeld`] and [`Error::Fenced`] if the fan's shard is somebody else's.
    pub async fn change(
        &self,
        call: CallId,
        fan: &UserId,
        change: &Change,
    ) -> Result<Option<Change>, Error> {
        let lease = self.lease(fan)?;
        let mut tx = self.ledger.begin().await?;
        tx.fence(&[(lease.shard, lease.epoch)]).await.map_err(|error| self.noted(error))?;
        let Some(row) = tx.calls(&[call]).await?.pop() else { return Ok(None) };
        if row.end.is_some() || row.live.terms.fan != *fan {
            return Ok(None);
        }
        if let Some(known) = row.live.changes.iter().find(|known| known.n == change.n) {
            return Ok(Some(*known));
        }
        if usize::try_from(change.n) != Ok(row.live.changes.len() + 1) {
            return Ok(None);
        }
        tx.insert_change(call, change).await?;
        tx.commit().await?;
        Ok(Some(*change))
    }
}
