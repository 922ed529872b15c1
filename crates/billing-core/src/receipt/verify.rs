//! Checking a signed receipt without trusting any of it.

use super::chain;
use super::document::{self, Document, FORMAT};
use super::key::PublicKey;
use crate::{EvidenceRecord, Flow, Plan, Receipt};
use std::fmt;
use units::{CallId, ElapsedMs, MicroCoins};

/// What is checked, in this order. The names are stable: other programs go by them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// It is a receipt of this format, with every field and no other.
    Format,
    /// It is written in the one way that its content has.
    Canonical,
    /// The records are those that the hash chain was made of.
    Chain,
    /// Records follow each other without a gap, nothing in them falls, and each is possible.
    Records,
    /// Price changes follow each other.
    Changes,
    /// At no record was more charged than the price of the time proven by then.
    Charge,
    /// The bill is what the last record says.
    Totals,
    /// Host and platform got their shares, and together all of it.
    Split,
    /// The signature is of this text and by the key that it names.
    Signature,
    /// That key is the one expected.
    Key,
}

impl Check {
    /// All of them, in order.
    pub const ALL: [Self; 10] = [
        Self::Format,
        Self::Canonical,
        Self::Chain,
        Self::Records,
        Self::Changes,
        Self::Charge,
        Self::Totals,
        Self::Split,
        Self::Signature,
        Self::Key,
    ];

    /// The stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Format => "format",
            Self::Canonical => "canonical",
            Self::Chain => "chain",
            Self::Records => "records",
            Self::Changes => "changes",
            Self::Charge => "charge",
            Self::Totals => "totals",
            Self::Split => "split",
            Self::Signature => "signature",
            Self::Key => "key",
        }
    }
}

/// The first check that failed, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    pub check: Check,
    /// For people, in English.
    pub detail: String,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.check.name(), self.detail)
    }
}

impl std::error::Error for Invalid {}

/// What a valid document says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    pub receipt: Receipt,
    /// About one a second; cumulative.
    pub records: Vec<EvidenceRecord>,
    /// The price of the proven time. More than the charge where the funds did not reach.
    pub owed: MicroCoins,
    /// Whose signature it is.
    pub key: PublicKey,
    /// Whether that was compared with an expected key. If not, anybody may have signed.
    pub key_compared: bool,
}

impl Verified {
    /// The call.
    #[must_use]
    pub const fn call(&self) -> CallId {
        self.receipt.call
    }

    /// What was not charged, since the funds were spent.
    #[must_use]
    pub fn not_charged(&self) -> MicroCoins {
        self.owed.saturating_sub(self.receipt.total())
    }
}

/// Checks a signed receipt: everything in it is computed anew.
///
/// Without `expected`, the signature shows only that the text is whole, not who wrote it.
///
/// # Errors
/// [`Invalid`] with the first check that fails.
pub fn verify(text: &str, expected: Option<PublicKey>) -> Result<Verified, Invalid> {
    let document: Document = serde_json::from_str(text)
        .map_err(|error| invalid(Check::Format, format!("not a receipt: {error}")))?;
    if document.format != FORMAT {
        return fail(Check::Format, format!("the format is not {FORMAT}"));
    }
    if document::text(&document) != text {
        return fail(Check::Canonical, "the text is not written as receipts are");
    }
    if chain::head(&document.terms, &document.records) != document.chain {
        return fail(Check::Chain, "the records are not those that were hashed");
    }
    let receipt = document.receipt();
    let records: Vec<EvidenceRecord> = document.records.iter().map(|record| record.0).collect();
    let plan = receipt.plan();
    check_records(&records)?;
    check_changes(&plan)?;
    check_charges(&records, &plan)?;
    check_totals(&receipt, &records)?;
    let owed = plan.charge(receipt.proven);
    let split = receipt.split();
    if (document.bill.host, document.bill.platform) != (split.host, split.platform) {
        let right = format!("host {} and platform {}", split.host, split.platform);
        return fail(Check::Split, format!("the shares are not {right}"));
    }
    let key = PublicKey::of(document.key);
    if !key.proves(&document::signed_bytes(text), &document.signature) {
        return fail(Check::Signature, "the signature is not of this text");
    }
    if expected.is_some_and(|expected| expected != key) {
        return fail(Check::Key, format!("signed by another key, {key}"));
    }
    Ok(Verified { receipt, records, owed, key, key_compared: expected.is_some() })
}

fn check_records(records: &[EvidenceRecord]) -> Result<(), Invalid> {
    let mut before: Option<&EvidenceRecord> = None;
    for (n, record) in records.iter().enumerate() {
        let wrong = |what: &str| fail(Check::Records, format!("record {n}: {what}"));
        if usize::try_from(record.n) != Ok(n) {
            return wrong(&format!("its number is {}", record.n));
        }
        if before.is_some_and(|before| !grows(before, record)) {
            return wrong("something that only grows has fallen");
        }
        let counted = &record.counted;
        let proven = counted.to_fan.proven;
        if proven > counted.to_fan.forwarded {
            return wrong("more was proven than sent");
        }
        if counted.video.max(counted.silent).max(counted.frozen) > proven {
            return wrong("a part is longer than the proven time");
        }
        before = Some(record);
    }
    Ok(())
}

fn grows(before: &EvidenceRecord, record: &EvidenceRecord) -> bool {
    let flow = |before: Flow, flow: Flow| {
        before.forwarded <= flow.forwarded
            && before.proven <= flow.proven
            && before.packets <= flow.packets
            && before.bytes <= flow.bytes
            && before.lost <= flow.lost
            && before.packets_lost <= flow.packets_lost
    };
    flow(before.counted.to_fan, record.counted.to_fan)
        && flow(before.counted.to_host, record.counted.to_host)
        && before.at <= record.at
        && before.counted.video <= record.counted.video
        && before.counted.silent <= record.counted.silent
        && before.counted.frozen <= record.counted.frozen
        && before.charged <= record.charged
}

fn check_changes(plan: &Plan) -> Result<(), Invalid> {
    let mut before = (ElapsedMs::ZERO, ElapsedMs::ZERO);
    for (n, change) in (1..).zip(&plan.changes) {
        let from = (change.from.media, change.from.video);
        let follows = change.n == n && before.0 <= from.0 && before.1 <= from.1 && from.1 <= from.0;
        if !follows {
            return fail(Check::Changes, format!("change {n} does not follow the one before it"));
        }
        before = from;
    }
    Ok(())
}

fn check_charges(records: &[EvidenceRecord], plan: &Plan) -> Result<(), Invalid> {
    for EvidenceRecord { n, counted, charged, .. } in records {
        let price = plan.charge(counted.billable());
        if *charged > price {
            let detail = format!("record {n}: {charged} was charged for what costs {price}");
            return fail(Check::Charge, detail);
        }
    }
    Ok(())
}

fn check_totals(receipt: &Receipt, records: &[EvidenceRecord]) -> Result<(), Invalid> {
    let last = records.last();
    let (counted, last_charged) =
        last.map_or_else(Default::default, |last| (last.counted, last.charged));
    let proven = (receipt.proven.media, receipt.proven.video);
    if proven != (counted.to_fan.proven, counted.video) {
        return fail(Check::Totals, "the billed time is not that of the last record");
    }
    if receipt.charged.total() != Some(last_charged) {
        return fail(Check::Totals, "the charge is not that of the last record");
    }
    Ok(())
}

fn invalid(check: Check, detail: impl Into<String>) -> Invalid {
    Invalid { check, detail: detail.into() }
}

fn fail<T>(check: Check, detail: impl Into<String>) -> Result<T, Invalid> {
    Err(invalid(check, detail))
}
