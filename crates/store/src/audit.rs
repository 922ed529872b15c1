//! What must agree in the books, whatever happened.

use std::fmt;

/// A rule of the books. Each is checked against rows that were written for another purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// A wallet's credits are the sum of its credit rows.
    CreditsCounted,
    /// Credit rows are the ledger's moves into the fan's account.
    CreditsPosted,
    /// A wallet's spending is the sum of its calls' charges.
    SpendingCounted,
    /// No wallet spent more than it was credited.
    NeverNegative,
    /// A settled call's postings add up to its charge; an open call has none.
    ChargePosted,
    /// The host's posting is the host's share of the charge, rounded down.
    HostShare,
    /// No call was charged more than its tariff says for its media.
    ChargeWithinTariff,
    /// Every account's balance in the ledger is what the credits and receipts make it.
    BooksBalance,
    /// An open call can be read, so that it can be settled.
    OpenCallReadable,
}

/// Two figures that should be the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub rule: Rule,
    /// A user, a call, or an account.
    pub subject: String,
    /// Micro-coins; of [`Rule::OpenCallReadable`], rows.
    pub expected: i64,
    pub found: i64,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, subject, expected, found } = self;
        write!(f, "{rule:?} of {subject}: expected {expected}, found {found}")
    }
}
