//! What credits put into a wallet, and what it owes, worked out again.

use super::micro;
use billing_core::{CreditKind, SpendKind, Spending};
use std::collections::BTreeMap;
use store::{ShardRows, WalletRow};
use units::CallId;

/// Bought and given coins that came into a wallet.
pub(super) fn credited(wallet: &WalletRow, rows: &ShardRows) -> Result<(u64, u64), String> {
    let (mut all, mut paid_off) = ((0, 0), 0);
    let mut given_back: BTreeMap<CallId, (u64, u64)> = BTreeMap::new();
    for row in rows.credits.iter().filter(|row| row.credit.user == wallet.user) {
        let (id, amount) = (&row.credit.id, row.credit.amount.micro());
        let (paid, promo) = (row.coins.paid.micro(), row.coins.promo.micro());
        let allowed = match row.credit.kind {
            CreditKind::Purchase => promo == 0 && paid <= amount,
            CreditKind::Promo => (paid, promo) == (0, amount),
            CreditKind::Refund { call, .. } => {
                let sum = given_back.entry(call).or_default();
                *sum = (sum.0 + paid, sum.1 + promo);
                paid + promo == amount
            }
        };
        ensure!(allowed, "credit {id} of {amount} put in {paid} paid and {promo} promo coins");
        paid_off += amount - paid - promo;
        all = (all.0 + paid, all.1 + promo);
    }
    for (call, given) in given_back {
        let row = rows.calls.iter().find(|row| row.live.call == call);
        let charged = row.map(|row| row.live.charged).unwrap_or_default();
        let total = micro(charged);
        ensure!(given.0 + given.1 <= total, "{call} gave {given:?} back of {charged:?}");
        let whole = u128::from(given.0 + given.1) * u128::from(charged.promo.micro());
        let promo = whole / u128::from(total.max(1));
        ensure!(u128::from(given.1) == promo, "{call} gave {given:?} back of {charged:?}");
    }
    let debts = rows.spends.iter().filter(|row| row.spend.fan == wallet.user).map(|row| {
        match (&row.spend.kind, row.outcome) {
            (SpendKind::Chargeback, Some(Spending::Taken { coins, .. })) => {
                row.spend.amount.micro() - micro(coins)
            }
            _ => 0,
        }
    });
    let owed = debts.sum::<u64>().checked_sub(paid_off);
    ensure!(
        owed == Some(wallet.owed.micro()),
        "{} owes {}, not {owed:?}",
        wallet.user,
        wallet.owed
    );
    Ok(all)
}
