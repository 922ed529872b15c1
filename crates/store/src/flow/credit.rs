//! Crediting wallets: the ledger first, then hot balances.
//!
//! Safe to repeat: the credit's id is its row's key. A crash between the two leaves hot balances
//! behind until the credit is repeated or the wallet restored; both raise them by maximum.

use super::Store;
use crate::{CreditRow, Error, Hot, Ledger, Transaction, WalletRow};
use billing_core::{Credit, CreditKind, Crediting, bought, credit_postings, given_back};
use units::{CallId, Coins, MicroCoins, ShareBps, UserId};

/// What the ledger says to a credit.
pub(super) enum Written {
    /// The wallet's credits afterwards.
    Added(Coins),
    Repeated(Coins),
    Refused(Crediting),
}

impl<H: Hot, L: Ledger> Store<H, L> {
    /// Adds coins to a wallet, once per id.
    ///
    /// # Errors
    /// [`Error::NotHeld`] and [`Error::Fenced`] if the user's shard is somebody else's.
    pub async fn credit(&self, credit: &Credit) -> Result<Crediting, Error> {
        let lease = self.lease(&credit.user)?;
        let mut tx = self.ledger.begin().await?;
        tx.fence(&[(lease.shard, lease.epoch)]).await.map_err(|error| self.noted(error))?;
        let written = write(&mut tx, credit).await?;
        let credited = match written {
            Written::Refused(crediting) => return Ok(crediting),
            Written::Repeated(credited) => {
                drop(tx);
                credited
            }
            Written::Added(credited) => {
                tx.commit().await?;
                credited
            }
        };
        let outcome =
            self.hot.credit(lease.shard, self.hot_epoch(lease), &credit.user, credited).await;
        self.follow_up(lease.shard, outcome);
        let funds = self.funds(&credit.user).await?;
        Ok(match written {
            Written::Added(_) => Crediting::Added { funds },
            Written::Repeated(_) | Written::Refused(_) => Crediting::Repeated { funds },
        })
    }
}

/// Writes a credit down, unless it is known or may not be given.
pub(super) async fn write(tx: &mut impl Transaction, credit: &Credit) -> Result<Written, Error> {
    let users = [credit.user.clone()];
    let wallet = tx.wallets(&users).await?.pop();
    let mut wallet = wallet.unwrap_or_else(|| WalletRow::empty(credit.user.clone()));
    if let Some(CreditRow { credit: known, .. }) = tx.credit(&credit.id).await? {
        let same = Credit { at: credit.at, ..known } == *credit;
        let refused = Written::Refused(Crediting::OtherCredit);
        return Ok(if same { Written::Repeated(wallet.credited) } else { refused });
    }
    let (coins, host) = match credit.kind {
        CreditKind::Purchase => (bought(credit.amount, wallet.owed), None),
        CreditKind::Promo => (Coins { paid: MicroCoins::ZERO, promo: credit.amount }, None),
        CreditKind::Refund { call, .. } => match refundable(tx, call, credit).await? {
            Some((coins, host)) => (coins, Some(host)),
            None => return Ok(Written::Refused(Crediting::NotRefundable)),
        },
    };
    let Some(credited) = wallet.credited.checked_add(coins) else {
        return Ok(Written::Refused(Crediting::TooLarge));
    };
    let paid_off = credit.amount.saturating_sub(coins.paid).saturating_sub(coins.promo);
    wallet.owed = wallet.owed.saturating_sub(paid_off);
    wallet.credited = credited;
    tx.put_wallets(&[wallet]).await?;
    tx.insert_credit(&CreditRow { credit: credit.clone(), coins }).await?;
    let host = host.as_ref().map(|(host, share)| (host, *share));
    tx.insert_postings(&credit_postings(credit, coins, host)).await?;
    Ok(Written::Added(credited))
}

/// The coins of a refund, and the host and the host's share of its call, if it may be given: of a
/// settled call of that user, and no more in all than it cost.
async fn refundable(
    tx: &mut impl Transaction,
    call: CallId,
    credit: &Credit,
) -> Result<Option<(Coins, (UserId, ShareBps))>, Error> {
    let receipt = tx.calls(&[call]).await?.pop().and_then(|row| row.receipt());
    let Some(receipt) = receipt.filter(|receipt| receipt.terms.fan == credit.user) else {
        return Ok(None);
    };
    let coins = given_back(receipt.charged, tx.refunded(call).await?, credit.amount);
    Ok(coins.map(|coins| (coins, (receipt.terms.host, receipt.terms.host_share))))
}
