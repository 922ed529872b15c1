//! What media time costs: rates, meters, splits and postings without I/O.
//!
//! [`Biller`] is the meter of all open calls as one machine; the rules it follows are numbered in
//! BILLING.md of the billing meter. Everything it asks of a store is a cumulative fact, so any of
//! it may be asked twice.
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

mod biller;
mod command;
mod credit_coins;
mod credit_rules;
mod evidence;
mod funds;
mod leases;
mod media;
mod meter;
mod overheard;
mod plan;
mod posting;
mod processing;
pub mod receipt;
mod record;
mod settings;
mod share_tiers;
mod split;
mod tariff;
mod totals;
mod vocabulary;

pub use biller::Biller;
pub use command::{Answer, Command, Held, Question};
pub use credit_coins::{bought, given_back};
pub use credit_rules::{CreditRules, EarlyDrop, HostSilent, PictureFrozen, RuleCredit, Stretch};
pub use media::{Counted, Flow, Proven};
pub use plan::{Change, Plan};
pub use posting::{
    Account, Entry, Posting, charge_postings, chargeback_postings, credit_postings, month_postings,
};
pub use processing::{ProcessingFee, captured, gross_for};
pub use record::{
    Applied, Checkpoint, Credit, CreditKind, Crediting, End, EndReason, EvidenceRecord, LiveCall,
    OpenCall, Opening, Payer, Receipt, RefundReason, Settled, Settlement, Spend, SpendKind,
    Spending, Target, Terms, advance,
};
pub use settings::{Ownership, Settings};
pub use share_tiers::{Schedule, ShareTiers, Tier, TierMode, TiersError};
pub use split::Split;
pub use tariff::{CALL_MS_MAX, Tariff};
pub use totals::Totals;
pub use vocabulary::{Input, Notice, Output, Quote, Refusal};
