//! What an audit looked at and what it found, in words for people and names for programs.

use crate::ShardRows;
use billing_core::receipt::PublicKey;
use std::collections::BTreeSet;
use std::fmt;
use units::MicroCoins;

macro_rules! rules {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $unit:ident, $says:literal;)*) => {
        /// A rule of the books. Each is checked against rows that were written for another purpose.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Rule { $($(#[$doc])* $variant,)* }

        impl Rule {
            /// The name for programs.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// What is wrong, in a few words.
            const fn says(self) -> &'static str {
                match self { $(Self::$variant => $says),* }
            }

            const fn unit(self) -> Unit {
                match self { $(Self::$variant => Unit::$unit),* }
            }
        }
    };
}

/// What the two figures of a difference count.
#[derive(Clone, Copy)]
enum Unit {
    Coins,
    Figures,
}

rules! {
    /// A wallet's credits are the sum of its credit rows, kind by kind.
    CreditsCounted = "credits_counted", Coins, "the wallet's credits are not the sum of its credits";
    /// What a wallet settled is the sum of its ended calls, gifts and chargebacks.
    SpendingCounted = "spending_counted", Coins,
        "what the wallet spent is not the sum of its calls, gifts and chargebacks";
    /// No wallet spent more than it was credited, live charges included.
    NeverNegative = "never_negative", Coins, "the wallet spent more than it was credited";
    /// What a wallet owes is what its chargebacks did not find and no purchase has paid off.
    DebtCounted = "debt_counted", Coins,
        "what the wallet owes is not what chargebacks did not find and purchases have not paid off";
    /// A credit's postings add up to it.
    CreditPosted = "credit_posted", Coins, "the credit's postings do not add up to it";
    /// A credit put the kinds of coins into the wallet that it may, and a refund all of it.
    CreditCoins = "credit_coins", Coins, "the credit put other coins into the wallet than it may";
    /// A call's postings add up to what is posted of it; of one that has ended, to its charge.
    ChargePosted = "charge_posted", Coins, "the postings do not add up to the charge";
    /// The host's postings of a call or gift are the host's share of it, rounded down.
    HostShare = "host_share", Coins, "the host's part is not the host's share";
    /// A gift's or chargeback's postings add up to it.
    SpendPosted = "spend_posted", Coins, "the postings do not add up to the gift or chargeback";
    /// What went between any two accounts is what the row gives.
    AccountsAgree = "accounts_agree", Coins, "what was moved between two accounts is not what the row says";
    /// No call was charged more than its plan says for its proven time.
    ChargeWithinPlan = "charge_within_plan", Coins, "the call was charged more than its price";
    /// No record of a call says a higher charge than the price of the time proven by then.
    RecordWithinPlan = "record_within_plan", Coins, "the evidence says a higher charge than the price";
    /// A call's records are all there, and its proven time and charge at least what they say.
    EvidenceAgrees = "evidence_agrees", Figures, "the evidence does not fit the call";
    /// Time and charge never fall from one record to the next.
    EvidenceGrows = "evidence_grows", Figures, "the evidence falls";
    /// Refunds of a call are at most what it cost.
    RefundWithinCharge = "refund_within_charge", Coins, "more was refunded than the call cost";
    /// Of a call's refunds the part in promo coins is the part that its charge has, rounded down.
    RefundCoins = "refund_coins", Coins, "refunds gave back other coins than the call took";
    /// A fan's balance in the ledger is the wallet's.
    BooksBalance = "books_balance", Coins, "the account's postings do not give the wallet's balance";
    /// A host's month is the sum of its calls and gifts, and of what was posted to the host.
    MonthCounted = "month_counted", Coins, "the host's month is not the sum of its calls and gifts";
    /// Each posting belongs to a row that is there.
    PostingKnown = "posting_known", Figures, "postings that belong to nothing";
    /// A signed document is right in itself and bears the right key's signature.
    DocumentValid = "document_valid", Figures, "the signed receipt can't be verified";
    /// A call that has ended has the signed document that its receipt and evidence give.
    DocumentAgrees = "document_agrees", Figures, "the signed receipt is not what the ledger says";
    /// A signed document's records are the call's, and at most a closing one more.
    DocumentEvidence = "document_evidence", Figures,
        "the signed receipt's records are not the call's evidence";
    /// A call can be read.
    CallReadable = "call_readable", Figures, "the call can't be read";
}

/// Two figures that should be the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub rule: Rule,
    /// A user, a call, an account, or a posting's entry.
    pub subject: String,
    /// Micro-coins, milliseconds or rows.
    pub expected: i128,
    pub found: i128,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, subject, expected, found } = self;
        let says = rule.says();
        match rule.unit() {
            Unit::Coins => {
                let (expected, found) = (coins(*expected), coins(*found));
                write!(f, "{subject}: {says}: expected {expected} coins, found {found}")
            }
            Unit::Figures => write!(f, "{subject}: {says}: expected {expected}, found {found}"),
        }
    }
}

/// Micro-coins as coins, of either sign.
fn coins(micro: i128) -> String {
    let amount = u64::try_from(micro.unsigned_abs()).ok().and_then(|n| MicroCoins::new(n).ok());
    let sign = if micro < 0 { "-" } else { "" };
    amount.map_or_else(|| format!("{micro} micro"), |amount| format!("{sign}{amount}"))
}

/// What an audit looked at, and what differs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audited {
    pub wallets: u64,
    pub calls: u64,
    pub credits: u64,
    /// Gifts and chargebacks.
    pub spends: u64,
    pub postings: u64,
    /// Evidence records.
    pub records: u64,
    /// Signed receipts.
    pub documents: u64,
    /// Calls that have ended without one. Whether they should have one the ledger can't tell: it
    /// does not know since when receipts are signed.
    pub unsigned: u64,
    /// Whose signatures the right ones bear.
    pub keys: BTreeSet<PublicKey>,
    /// In the order of shards; hosts' months last.
    pub differences: Vec<Difference>,
}

impl Audited {
    pub(super) fn count(&mut self, rows: &ShardRows) {
        self.wallets += rows.wallets.len() as u64;
        self.calls += (rows.calls.len() + rows.broken.len()) as u64;
        self.credits += rows.credits.len() as u64;
        self.spends += rows.spends.len() as u64;
        self.postings += rows.postings.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_told_in_coins_of_either_sign_or_as_figures() {
        for (rule, expected, found, said) in [
            (Rule::BooksBalance, 1_500_000, -20_000, "expected 1.50 coins, found -0.02"),
            (Rule::EvidenceAgrees, 2, 1, "expected 2, found 1"),
            (Rule::DebtCounted, 0, i128::MAX, "micro"),
        ] {
            let subject = "asha".to_owned();
            let line = Difference { rule, subject, expected, found }.to_string();
            assert!(line.starts_with("asha: ") && line.contains(said), "{line}");
        }
    }
}
