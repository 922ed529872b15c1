//! Signed receipts: a call's bill with the seconds that prove it, which anybody can check alone
//! (BILLING.md, rules 70 to 77).
//!
//! [`sign`] writes a receipt and its evidence as one text; [`verify`] reads such a text and trusts
//! nothing of it: order, hash chain, totals, charge, split and signature are computed anew. One
//! content has one text, so that any change of any byte is found.
//!
//! * Units: micro-coins; milliseconds.
//! * Errors: [`Invalid`] names the first check that fails; writing has none.

mod chain;
mod document;
mod hex;
mod key;
#[cfg(test)]
mod tests;
mod verify;

pub use document::{FORMAT, sign};
pub use key::{KeyError, PublicKey, SigningKey};
pub use verify::{Check, Invalid, Verified, verify};
