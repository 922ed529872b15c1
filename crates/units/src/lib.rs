//! Money, time and ids: the words that every other crate shares.
//!
//! A quantity is a type of its own, so that milliseconds are never added to coins. Nothing here
//! reads a clock or a source of randomness, and nothing here computes a price: that is
//! `billing-core`.
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

mod id;
mod medium;
mod money;
mod shard;
mod time;

pub use id::{CallId, GroupId, MemberId, MeterId, SessionId, SpendId, UserId, UserIdError};
pub use medium::Medium;
pub use money::{Coins, MicroCoins, MoneyError, Rate, Rates, ShareBps};
pub use shard::Shard;
pub use time::{ElapsedMs, MonotonicMs, MonotonicUs, UnixMs};
