//! One suite for every pair of hot balances and ledger: the same tables, and the same random
//! sequences compared with plain arithmetic.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "conformance/books.rs"]
mod books;
#[path = "conformance/rules.rs"]
mod rules;
