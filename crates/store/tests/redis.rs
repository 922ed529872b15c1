//! Hot balances on real servers: Redis and Valkey, alone and as a cluster, through crashes.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "redis/crash.rs"]
mod crash;
#[path = "redis/differential.rs"]
mod differential;
#[path = "redis/rules.rs"]
mod rules;
#[path = "redis/wallets.rs"]
mod wallets;
