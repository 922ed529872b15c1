//! How fast a tick's debits are taken: one cumulative charge per live call and second, each beside
//! the least that the database below could do for it.

pub mod redis;
pub mod sqlite;

use clap::{Args, ValueEnum};

/// What to measure with.
#[derive(Args, Clone, Debug)]
pub struct DebitsArgs {
    /// Where the debits go.
    #[arg(long, value_enum, default_value = "redis", value_name = "STORE")]
    pub store: StoreKind,
    /// How many calls are live, each on a wallet of its own.
    #[arg(long, default_value_t = 100_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1_000..=1_000_000))]
    pub calls: u32,
    /// How many seconds of these calls are billed: paced in real time in Redis, as fast as they go
    /// in SQLite.
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub seconds: u32,
    /// How often each figure is taken in turn with the floor. Of Redis alone: SQLite takes each
    /// tick in turn with it.
    #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// Prints the figures as JSON instead of a table.
    #[arg(long)]
    pub json: bool,
}

/// What keeps the balances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StoreKind {
    /// Hot balances in Redis, for many machines.
    Redis,
    /// One machine: hot balances in this process's memory, each tick durable in a SQLite file.
    Sqlite,
}
