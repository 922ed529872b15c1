//! What media time costs: rates, meters, splits and postings without I/O.
//!
//! [`Biller`] is the meter of all open calls as one machine; the rules it follows are numbered in
//! BILLING.md of the billing meter. Everything it asks of a store is a cumulative fact, so any of
//! it may be asked twice.
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

mod biller;
mod evidence;
mod funds;
mod meter;
mod posting;
mod record;
mod split;
mod tariff;
mod vocabulary;

pub use biller::{Biller, Settings};
pub use posting::{Account, Entry, Posting, call_postings, credit_posting};
pub use record::{
    Applied, Credit, Crediting, EndReason, OpenCall, Opening, Receipt, Settled, Settlement, Target,
    Terms, advance,
};
pub use split::Split;
pub use tariff::{CALL_MS_MAX, Tariff, charge};
pub use vocabulary::{Answer, Command, Input, MediaTime, Output, Question, Quote, Refusal};
