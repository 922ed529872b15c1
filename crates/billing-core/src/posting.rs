//! The ledger's rows (BILLING.md, rule 8).
//!
//! Each row moves one positive amount from one account to another, so the books balance by
//! construction. A row's key follows from what caused it, so posting twice posts once.

use crate::{Credit, Receipt};
use std::fmt;
use units::{CallId, MicroCoins, UserId};

/// Where coins are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Account {
    /// Coins that a fan bought and has not spent.
    FanPaid(UserId),
    /// What a host earned and was not yet paid.
    HostEarnings(UserId),
    /// The platform's part.
    PlatformFee,
    /// The payment provider's side of every purchase.
    PspClearing,
}

impl fmt::Display for Account {
    /// Writes the name used in the database: `fan:paid:asha`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FanPaid(user) => write!(f, "fan:paid:{user}"),
            Self::HostEarnings(user) => write!(f, "host:earnings:{user}"),
            Self::PlatformFee => f.write_str("platform:fee"),
            Self::PspClearing => f.write_str("psp:clearing"),
        }
    }
}

/// What caused a posting.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entry {
    /// A call's settlement.
    Call(CallId),
    /// A credit, by its id.
    Credit(String),
}

impl fmt::Display for Entry {
    /// Writes the name used in the database: `call:0193...`, `credit:order-1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(call) => write!(f, "call:{call}"),
            Self::Credit(id) => write!(f, "credit:{id}"),
        }
    }
}

/// One row of the ledger. `entry` and `n` are its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posting {
    pub entry: Entry,
    /// The row's place within its entry. Fixed by meaning, not by count: of a call, 0 is the
    /// host's part and 1 the platform's, even where the other is nothing and has no row.
    pub n: u32,
    pub from: Account,
    pub to: Account,
    /// Above zero.
    pub amount: MicroCoins,
}

/// The rows of a settled call: fan to host, fan to platform. Parts of nothing have no row.
#[must_use]
pub fn call_postings(receipt: &Receipt) -> Vec<Posting> {
    let split = receipt.split();
    let terms = &receipt.terms;
    [
        (0, Account::HostEarnings(terms.host.clone()), split.host),
        (1, Account::PlatformFee, split.platform),
    ]
    .into_iter()
    .filter(|(_, _, amount)| *amount > MicroCoins::ZERO)
    .map(|(n, to, amount)| Posting {
        entry: Entry::Call(receipt.call),
        n,
        from: Account::FanPaid(terms.fan.clone()),
        to,
        amount,
    })
    .collect()
}

/// The row of a credit, or `None` for a credit of nothing.
#[must_use]
pub fn credit_posting(credit: &Credit) -> Option<Posting> {
    (credit.amount > MicroCoins::ZERO).then(|| Posting {
        entry: Entry::Credit(credit.id.clone()),
        n: 0,
        from: Account::PspClearing,
        to: Account::FanPaid(credit.user.clone()),
        amount: credit.amount,
    })
}
