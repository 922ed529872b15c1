//! Where balances and the ledger live: traits, SQLite, an in-memory model, one conformance suite.
