//! Crediting wallets: the ledger first, then hot balances.
//!
//! Safe to repeat: the credit's id is its row's key. A crash between the two leaves hot balances
//! behind until the credit is repeated or the wallet restored; both raise them by maximum.

use super::Store;
use crate::{Error, Hot, Ledger, Transaction, WalletRow};
use billing_core::{Credit, CreditKind, Crediting, credit_postings};
use units::{Coins, MicroCoins, ShareBps, UserId};

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
    if let Some(known) = tx.credit(&credit.id).await? {
        let same = Credit { at: credit.at, ..known } == *credit;
        let refused = Written::Refused(Crediting::OtherCredit);
        return Ok(if same { Written::Repeated(wallet.credited) } else { refused });
    }
    let refunded = match &credit.kind {
        CreditKind::Refund { .. } => match refundable(tx, credit).await? {
            Some(call) => Some(call),
            None => return Ok(Written::Refused(Crediting::NotRefundable)),
        },
        CreditKind::Purchase | CreditKind::Promo => None,
    };
    let coins = match &credit.kind {
        CreditKind::Promo => Coins { paid: MicroCoins::ZERO, promo: credit.amount },
        CreditKind::Purchase | CreditKind::Refund { .. } => {
            Coins { paid: credit.amount, promo: MicroCoins::ZERO }
        }
    };
    let Some(credited) = wallet.credited.checked_add(coins) else {
        return Ok(Written::Refused(Crediting::TooLarge));
    };
    wallet.credited = credited;
    tx.put_wallets(&[wallet]).await?;
    tx.insert_credit(credit).await?;
    let refunded = refunded.as_ref().map(|(host, share)| (host, *share));
    tx.insert_postings(&credit_postings(credit, refunded)).await?;
    Ok(Written::Added(credited))
}

/// The host and the host's share of the call that a refund is for, if it may be given: of a settled
/// call of that user, and no more in all than it cost.
async fn refundable(
    tx: &mut impl Transaction,
    credit: &Credit,
) -> Result<Option<(UserId, ShareBps)>, Error> {
    let CreditKind::Refund { call, .. } = credit.kind else { return Ok(None) };
    let receipt = tx.calls(&[call]).await?.pop().and_then(|row| row.receipt());
    let Some(receipt) = receipt.filter(|receipt| receipt.terms.fan == credit.user) else {
        return Ok(None);
    };
    let refunded = tx.refunded(call).await?.checked_add(credit.amount);
    let within = refunded.is_some_and(|refunded| refunded <= receipt.total());
    Ok(within.then_some((receipt.terms.host, receipt.terms.host_share)))
}
