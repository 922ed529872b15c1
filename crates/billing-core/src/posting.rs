//! The ledger's rows (BILLING.md, rule 8).
//!
//! Each row moves one positive amount from one account to another, so the books balance by
//! construction. A row's key follows from what caused it, so posting twice posts once.

use crate::{Credit, CreditKind, Payer, Split};
use std::fmt;
use units::{CallId, Coins, MicroCoins, ShareBps, SpendId, UserId};

/// Where coins are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// Coins that a fan bought and has not spent.
    FanPaid(UserId),
    /// Coins that a fan was given and has not spent.
    FanPromo(UserId),
    /// What a fan owes after a chargeback.
    FanReceivable(UserId),
    /// What a host earned and was not yet paid.
    HostEarnings(UserId),
    /// What a host was paid.
    HostPayout(UserId),
    /// The platform's part.
    PlatformFee,
    /// What the platform gave away as promo coins.
    PlatformPromoExpense,
    /// What the platform carried for others: refunds at its expense.
    PlatformAbsorbed,
    /// The payment provider's side of every purchase.
    PspClearing,
}

impl fmt::Display for Account {
    /// Writes the name used in the database: `fan:paid:asha`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FanPaid(user) => write!(f, "fan:paid:{user}"),
            Self::FanPromo(user) => write!(f, "fan:promo:{user}"),
            Self::FanReceivable(user) => write!(f, "fan:receivable:{user}"),
            Self::HostEarnings(user) => write!(f, "host:earnings:{user}"),
            Self::HostPayout(user) => write!(f, "host:payout:{user}"),
            Self::PlatformFee => f.write_str("platform:fee"),
            Self::PlatformPromoExpense => f.write_str("platform:promo_expense"),
            Self::PlatformAbsorbed => f.write_str("platform:absorbed"),
            Self::PspClearing => f.write_str("psp:clearing"),
        }
    }
}

/// What caused a posting.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entry {
    /// A settlement of a call, its `k`-th from 0: interim ones come before the final one.
    Call(CallId, u32),
    /// A credit, by its id.
    Credit(String),
    /// A gift or chargeback.
    Spend(SpendId),
    /// What a month's tier adds to a host's earnings, the `k`-th time from 0; the month as
    /// `2026-11`.
    Month { host: UserId, month: String, k: u32 },
}

impl fmt::Display for Entry {
    /// Writes the name used in the database: `call:0193...:0`, `credit:order-1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(call, k) => write!(f, "call:{call}:{k}"),
            Self::Credit(id) => write!(f, "credit:{id}"),
            Self::Spend(id) => write!(f, "spend:{id}"),
            Self::Month { host, month, k } => write!(f, "month:{host}:{month}:{k}"),
        }
    }
}

/// One row of the ledger. `entry` and `n` are its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    pub entry: Entry,
    /// The row's place within its entry. Fixed by meaning, not by count.
    pub n: u32,
    pub from: Account,
    pub to: Account,
    /// Above zero.
    pub amount: MicroCoins,
}

/// The rows that take a charge from `before` to `after`: fan to host and fan to platform, for each
/// kind of coin. `entry` names the step. Parts of nothing have no row.
///
/// `n` is 0 for the host's part of paid coins, 1 for the platform's, 2 and 3 for promo coins.
#[must_use]
pub fn charge_postings(
    entry: &Entry,
    fan: &UserId,
    host: &UserId,
    host_share: ShareBps,
    (before, after): (Coins, Coins),
) -> Vec<Posting> {
    let paid = |coins: Coins| Split::of(coins.paid, host_share);
    let promo = |coins: Coins| Split::of(coins.promo, host_share);
    let step = |after: MicroCoins, before: MicroCoins| after.saturating_sub(before);
    [
        (0, paid(after).host, paid(before).host),
        (1, paid(after).platform, paid(before).platform),
        (2, promo(after).host, promo(before).host),
        (3, promo(after).platform, promo(before).platform),
    ]
    .into_iter()
    .map(|(n, after, before)| (n, step(after, before)))
    .filter(|(_, amount)| *amount > MicroCoins::ZERO)
    .map(|(n, amount)| Posting {
        entry: entry.clone(),
        n,
        from: if n < 2 { Account::FanPaid(fan.clone()) } else { Account::FanPromo(fan.clone()) },
        to: if n % 2 == 0 { Account::HostEarnings(host.clone()) } else { Account::PlatformFee },
        amount,
    })
    .collect()
}

/// The rows of a credit that put `coins` into the wallet; none for a credit of nothing. What a
/// purchase did not put there paid off what the fan owed. A refund names the call's `host` and the
/// host's part of what the call cost, which [`Payer::Both`] divides each kind of coin by.
///
/// `n` is 0 for coins, or of a refund for who carries its paid coins: 0 and 1, as a charge has it;
/// 2 and 3 for its promo coins. Of a purchase, 1 is the debt.
#[must_use]
pub fn credit_postings(
    credit: &Credit,
    coins: Coins,
    refunded: Option<(&UserId, ShareBps)>,
) -> Vec<Posting> {
    let user = &credit.user;
    let owed = credit.amount.saturating_sub(coins.paid).saturating_sub(coins.promo);
    let rows = match &credit.kind {
        CreditKind::Purchase => vec![
            (0, Account::PspClearing, Account::FanPaid(user.clone()), coins.paid),
            (1, Account::PspClearing, Account::FanReceivable(user.clone()), owed),
        ],
        CreditKind::Promo => {
            let to = Account::FanPromo(user.clone());
            vec![(0, Account::PlatformPromoExpense, to, coins.promo)]
        }
        CreditKind::Refund { payer, .. } => [
            (0, Account::FanPaid(user.clone()), coins.paid),
            (2, Account::FanPromo(user.clone()), coins.promo),
        ]
        .into_iter()
        .flat_map(|(n, to, amount)| {
            let [first, second] = carriers(*payer, amount, refunded);
            [(n, first.0, to.clone(), first.1), (n + 1, second.0, to, second.1)]
        })
        .collect(),
    };
    rows.into_iter()
        .filter(|(.., amount)| *amount > MicroCoins::ZERO)
        .map(|(n, from, to, amount)| Posting {
            entry: Entry::Credit(credit.id.clone()),
            n,
            from,
            to,
            amount,
        })
        .collect()
}

/// Who carries an amount that is given back, and how much of it.
fn carriers(
    payer: Payer,
    amount: MicroCoins,
    refunded: Option<(&UserId, ShareBps)>,
) -> [(Account, MicroCoins); 2] {
    let absorbed = || Account::PlatformAbsorbed;
    let host = refunded.map_or_else(absorbed, |(host, _)| Account::HostEarnings(host.clone()));
    let share = refunded.map_or(ShareBps::WHOLE, |(_, share)| share);
    match payer {
        Payer::Platform => [(absorbed(), amount), (Account::PlatformFee, MicroCoins::ZERO)],
        Payer::Host => [(host, amount), (Account::PlatformFee, MicroCoins::ZERO)],
        Payer::Both => {
            let split = Split::of(amount, share);
            [(host, split.host), (Account::PlatformFee, split.platform)]
        }
    }
}

/// The rows of a chargeback: what was taken of each kind goes back to the bank, and the rest is
/// owed.
#[must_use]
pub fn chargeback_postings(
    id: SpendId,
    fan: &UserId,
    amount: MicroCoins,
    taken: Coins,
) -> Vec<Posting> {
    let owed = amount.saturating_sub(taken.paid).saturating_sub(taken.promo);
    [
        (0, Account::FanPaid(fan.clone()), taken.paid),
        (1, Account::FanPromo(fan.clone()), taken.promo),
        (2, Account::FanReceivable(fan.clone()), owed),
    ]
    .into_iter()
    .filter(|(_, _, amount)| *amount > MicroCoins::ZERO)
    .map(|(n, from, amount)| Posting {
        entry: Entry::Spend(id),
        n,
        from,
        to: Account::PspClearing,
        amount,
    })
    .collect()
}

/// The row of a month's adjustment: what a tier adds to a host's earnings out of the platform's
/// part; none for nothing. `k` counts the adjustments of the month from 0.
#[must_use]
pub fn month_postings(host: &UserId, month: &str, k: u32, amount: MicroCoins) -> Vec<Posting> {
    let entry = Entry::Month { host: host.clone(), month: month.to_owned(), k };
    let (from, to) = (Account::PlatformFee, Account::HostEarnings(host.clone()));
    let row = Posting { entry, n: 0, from, to, amount };
    if amount > MicroCoins::ZERO { vec![row] } else { Vec::new() }
}

#[cfg(test)]
mod tests;
