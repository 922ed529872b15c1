//! `coinline audit`: works the books out again and tells what differs.

use crate::cli::{complain, say};
use crate::config::{Config, Database, Mode};
use billing_core::receipt::PublicKey;
use clap::Args;
use serde_json::{Value, json};
use std::error::Error;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use store::{Audited, Difference, Ledger, Postgres, Sqlite};
use units::Shard;

/// The exit codes besides 0.
const DIFFERS: u8 = 1;
const CAN_NOT_RUN: u8 = 2;

/// `coinline audit --help` says the rest.
#[derive(Args, Clone, Debug)]
pub(crate) struct AuditOptions {
    /// Configuration (TOML) that names the database, and the key that signed receipts must bear;
    /// without it the demo's database, and any key.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The ledger: a SQLite file, or postgres://USER@HOST/NAME; overrides the configuration. What
    /// stands here is seen by everybody on the machine: a password is better off in
    /// COINLINE__STORE__DATABASE.
    #[arg(long, value_name = "FILE|URL")]
    database: Option<String>,
    /// Print one line of JSON for programs; amounts in micro-coins.
    #[arg(long)]
    json: bool,
}

/// Carries out `coinline audit`.
pub(crate) fn run(options: &AuditOptions) -> ExitCode {
    match audited(options) {
        Ok((audited, key)) => {
            say(&if options.json { for_programs(&audited) } else { for_people(&audited, key) });
            if audited.differences.is_empty() { ExitCode::SUCCESS } else { DIFFERS.into() }
        }
        Err(error) => {
            complain(error.as_ref());
            CAN_NOT_RUN.into()
        }
    }
}

fn audited(options: &AuditOptions) -> Result<(Audited, Option<PublicKey>), Box<dyn Error>> {
    let config = Config::load(options.config.as_deref(), None)?;
    let named = options.database.clone().map(Database::from);
    let database = named.unwrap_or_else(|| config.store.database.clone());
    let key = key(&config)?;
    let shown = !options.json && io::stderr().is_terminal();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let opened = async {
        Ok(match &database {
            Database::Sqlite(path) => {
                let ledger = Sqlite::open_to_read(path).await?;
                audit(&ledger, key, shown).await?
            }
            Database::Postgres(url) => {
                let ledger = Postgres::open_to_read(url.secret()).await?;
                audit(&ledger, key, shown).await?
            }
        })
    };
    let outcome: Result<Audited, store::Error> = runtime.block_on(opened);
    let failed = |source| CanNotRead { database: database.to_string(), source };
    Ok((outcome.map_err(failed)?, key))
}

/// The books can't be read.
#[derive(Debug, thiserror::Error)]
#[error("can't audit {database}")]
struct CanNotRead {
    database: String,
    source: store::Error,
}

/// The key that the configuration names; the demo's documents may bear any, since the file of its
/// own key is its owner's alone.
fn key(config: &Config) -> Result<Option<PublicKey>, Box<dyn Error>> {
    let receipts = &config.receipts;
    let signing = match (&receipts.public_key, &receipts.key_file) {
        (None, Some(_)) => receipts.signing_key(Mode::Production, config.store.folder())?,
        _ => None,
    };
    Ok(receipts.published(signing.as_ref())?)
}

async fn audit(
    ledger: &impl Ledger,
    key: Option<PublicKey>,
    shown: bool,
) -> Result<Audited, store::Error> {
    let mut terminal = io::stderr();
    let audited = store::audit(ledger, key, |shard, so_far| {
        if shown && shard.number() % 16 == 15 {
            let (done, calls) = (shard.number() + 1, so_far.calls);
            let of = Shard::COUNT;
            // Nobody misses a line of progress.
            let _ = write!(terminal, "\r{done} of {of} parts, {calls} calls");
        }
    });
    let audited = audited.await;
    if shown {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
    audited
}

fn for_people(audited: &Audited, key: Option<PublicKey>) -> String {
    let counted = [
        (audited.wallets, "wallet"),
        (audited.calls, "call"),
        (audited.credits, "credit"),
        (audited.spends, "gift or chargeback"),
        (audited.postings, "posting"),
        (audited.records, "evidence record"),
        (audited.documents, "signed receipt"),
    ];
    let mut lines: Vec<String> = audited.differences.iter().map(Difference::to_string).collect();
    let looked_at: Vec<String> = counted.iter().map(|(n, what)| number(*n, what)).collect();
    let outcome = match audited.differences.len() as u64 {
        0 => "nothing differs".to_owned(),
        n => number(n, "difference"),
    };
    lines.push(format!("{}: {outcome}", looked_at.join(", ")));
    lines.push(signatures(audited, key));
    lines.join("\n")
}

/// What was compared of signed receipts, and what can't be.
fn signatures(audited: &Audited, key: Option<PublicKey>) -> String {
    let keys: Vec<String> = audited.keys.iter().map(ToString::to_string).collect();
    let by = match (audited.documents, key) {
        (0, _) => "no receipt is signed".to_owned(),
        (_, Some(key)) => format!("signatures were compared with the configured key {key}"),
        (_, None) => format!(
            "signatures were checked with the key inside each receipt, as no key is configured; \
             compare them with the published one: {}",
            keys.join(", ")
        ),
    };
    let unsigned = number(audited.unsigned, "call");
    format!("{by}; {unsigned} ended without a signed receipt")
}

fn number(n: u64, what: &str) -> String {
    match (n, what) {
        (1, what) => format!("1 {what}"),
        (n, "gift or chargeback") => format!("{n} gifts and chargebacks"),
        (n, what) => format!("{n} {what}s"),
    }
}

fn for_programs(audited: &Audited) -> String {
    let differences: Vec<Value> = audited.differences.iter().map(difference).collect();
    json!({
        "exact": differences.is_empty(),
        "wallets": audited.wallets,
        "calls": audited.calls,
        "credits": audited.credits,
        "spends": audited.spends,
        "postings": audited.postings,
        "evidence_records": audited.records,
        "documents": audited.documents,
        "unsigned": audited.unsigned,
        "keys": audited.keys.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "differences": differences,
    })
    .to_string()
}

fn difference(Difference { rule, subject, expected, found }: &Difference) -> Value {
    // Sums of a tampered ledger may be beyond what programs read as a number.
    let figure = |n: i128| i64::try_from(n).map_or_else(|_| json!(n.to_string()), |n| json!(n));
    json!({
        "rule": rule.name(),
        "subject": subject,
        "expected": figure(*expected),
        "found": figure(*found),
    })
}
