//! `coinline audit`: every figure of the books worked out again from what it rests on.

use crate::cli;
use crate::config::{Config, Database};
use crate::receipt_key::signer;
use clap::Args;
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use store::{Ledger, Options, Postgres, Sqlite, Store, hot};
use units::MeterId;

/// The answer when something differs. An audit that could not be made ends with 1.
const DIFFERS: u8 = 2;

#[derive(Args, Clone, Debug)]
pub(crate) struct AuditOptions {
    /// Configuration (TOML) that names the database; the demo's if absent.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The ledger: a SQLite file, or postgres://USER@HOST/NAME; overrides the configuration.
    #[arg(long, value_name = "FILE|URL")]
    database: Option<String>,
}

/// Audits, and ends with 0 if everything agrees, 2 if something differs, 1 if it can't be told.
pub(crate) fn run(options: &AuditOptions) -> ExitCode {
    match differences(options) {
        Ok(found) if found.is_empty() => {
            cli::say("everything agrees");
            ExitCode::SUCCESS
        }
        Ok(found) => {
            found.iter().for_each(|difference| cli::say(difference));
            cli::say(&format!("{} differ", found.len()));
            ExitCode::from(DIFFERS)
        }
        Err(error) => {
            cli::complain(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn differences(options: &AuditOptions) -> Result<Vec<String>, Box<dyn Error>> {
    let config = Config::load(options.config.as_deref(), None)?;
    let database = options.database.clone().map_or(config.store.database, Database::from);
    // Receipts are compared where the key that signed them is at hand.
    let sign = match &config.receipts.key_file {
        Some(_) => config.receipts.signing_key(config.mode, &PathBuf::new())?.map(signer),
        None => None,
    };
    let options = Options { sign, ..Options::new(MeterId::ALONE) };
    match database {
        Database::Sqlite(path) => audit(Sqlite::open_to_read(path).await?, options).await,
        Database::Postgres(url) => audit(Postgres::open(url.secret()).await?, options).await,
    }
}

/// The audit reads the ledger alone: live balances in memory are never looked at.
async fn audit(ledger: impl Ledger, options: Options) -> Result<Vec<String>, Box<dyn Error>> {
    let store = Store::new(hot::Memory::default(), ledger, options);
    Ok(store.audit().await?.iter().map(ToString::to_string).collect())
}
