//! The hash chain over a receipt's records: `h(0)` of the terms, `h(n + 1)` of `h(n)` and record
//! `n`. Whoever noted any `h(n)` during the call can tell later that nothing before was changed.

use super::document::{Record, TermsText};
use super::hex::Hex;
use aws_lc_rs::digest::{Context, SHA256};
use serde::Serialize;

/// Keeps a hash of terms from being one of something else.
const TERMS_DOMAIN: &[u8] = b"coinline receipt terms\n";

/// The last hash of the chain.
pub(super) fn head(terms: &TermsText, records: &[Record]) -> Hex<32> {
    let first = hash(TERMS_DOMAIN, terms);
    records.iter().fold(first, |hash_before, record| hash(&hash_before.0, record))
}

fn hash(before: &[u8], value: &impl Serialize) -> Hex<32> {
    let mut context = Context::new(&SHA256);
    context.update(before);
    context.update(super::document::text(value).as_bytes());
    Hex(context.finish().as_ref().try_into().expect("SHA-256 has 32 bytes"))
}
