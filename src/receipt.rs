//! `coinline receipt`: checks a call's signed receipt without any server, and tells what it says.

use crate::cli::{complain, say};
use crate::receipt_key;
use billing_core::receipt::{Check, Invalid, PublicKey, Verified, verify};
use billing_core::{EvidenceRecord, Receipt};
use clap::{Args, Subcommand};
use serde_json::json;
use std::fmt::Write as _;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use time::UtcDateTime;
use units::{ElapsedMs, Medium, MicroCoins, Rates, UnixMs};

/// Two days of a call are some 25 MB; what is far larger is no receipt.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The exit codes of `verify` and `show`.
const INVALID: u8 = 1;
const UNREADABLE: u8 = 2;

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum ReceiptCommand {
    /// Check a receipt: exit code 0 if it is right, 1 if it is not, 2 if it can't be read.
    Verify(FileOptions),
    /// The same, and show every second.
    Show(FileOptions),
    /// Print the public key that belongs to a private one: what a service publishes.
    Key(KeyOptions),
}

#[derive(Args, Clone, Debug)]
pub(crate) struct FileOptions {
    /// The receipt; - reads standard input.
    file: PathBuf,
    /// The public key that the service publishes (GET /v1/receipts/key): 64 hexadecimal digits.
    #[arg(long, value_name = "HEX")]
    key: Option<PublicKey>,
    /// Print one line of JSON for programs.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct KeyOptions {
    /// The file of receipts.key_file; the demo's is demo-receipt-key beside its database.
    file: PathBuf,
}

/// Carries out `coinline receipt ...`.
pub(crate) fn run(command: &ReceiptCommand) -> ExitCode {
    match command {
        ReceiptCommand::Verify(options) => check(options, false),
        ReceiptCommand::Show(options) => check(options, true),
        ReceiptCommand::Key(options) => {
            let key = receipt_key::of_file(&options.file);
            match &key {
                Ok(key) => say(&key.public().to_string()),
                Err(error) => complain(error),
            }
            if key.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
    }
}

fn check(options: &FileOptions, every_second: bool) -> ExitCode {
    let text = match read(&options.file) {
        Ok(text) => text,
        Err(error) => {
            complain(&Unreadable { file: options.file.clone(), source: error });
            return ExitCode::from(UNREADABLE);
        }
    };
    let result = verify(&text, options.key);
    say(&match (&result, options.json) {
        (Ok(verified), false) => {
            let seconds = if every_second { seconds(&verified.records) } else { String::new() };
            bill(verified) + &seconds
        }
        (Err(invalid), false) => failure(invalid),
        (result, true) => for_programs(result),
    });
    if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::from(INVALID) }
}

#[derive(Debug, thiserror::Error)]
#[error("can't read {file}")]
struct Unreadable {
    file: PathBuf,
    source: io::Error,
}

fn read(file: &Path) -> io::Result<String> {
    let source: Box<dyn io::Read> = if file == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(std::fs::File::open(file)?)
    };
    let mut text = String::new();
    let length = source.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if u64::try_from(length).is_ok_and(|length| length <= FILE_BYTES_MAX) {
        Ok(text)
    } else {
        Err(io::Error::new(io::ErrorKind::FileTooLarge, "too large to be a receipt"))
    }
}

/// A bill as a person reads it.
fn bill(verified: &Verified) -> String {
    let Verified { receipt, records, key, key_compared, .. } = verified;
    let (terms, split) = (&receipt.terms, receipt.split());
    let whole = "nothing was changed since it was signed, and the sums are right";
    let mut text = format!("VALID: {whole}\n\n");
    let mut line = |name: &str, said: String| {
        // Writing to a String can't fail.
        let _ = writeln!(text, "  {name:<10} {said}");
    };
    line("Call", receipt.call.to_string());
    line("Who", format!("{} called {} ({})", terms.fan, terms.host, terms.medium));
    line("When", format!("{} to {}", utc(receipt.opened_at), utc(receipt.ended_at)));
    line("Ended", receipt.reason.name().replace('_', " "));
    line("Price", price(terms.tariff.rates, terms.medium));
    for change in &receipt.changes {
        let new = price(change.rates, terms.medium);
        line("", format!("from {} on: {new}", seconds_of(change.from.media)));
    }
    for condition in conditions(receipt) {
        line("", condition);
    }
    line("Time", time_line(receipt, records));
    let charged = receipt.charged;
    let promo = charged.promo;
    let kinds = if promo > MicroCoins::ZERO {
        format!(", {} bought and {promo} given", charged.paid)
    } else {
        String::new()
    };
    line("Charged", format!("{} coins{kinds}", receipt.total()));
    if verified.not_charged() > MicroCoins::ZERO {
        line("", format!("{} more was not charged: the coins were spent", verified.not_charged()));
    }
    let share = terms.host_share.bps();
    let percent = format!("{}.{:02} %", share / 100, share % 100);
    line("Shares", format!("host {} ({percent}), platform {}", split.host, split.platform));
    line("Evidence", format!("{} records, without a gap", records.len()));
    line("Signed by", key.to_string());
    let compared = "the key that you named";
    let open = "compare it with the one your service publishes (--key does it for you)";
    line("", if *key_compared { compared } else { open }.to_owned());
    text.trim_end().to_owned()
}

fn price(rates: Rates, medium: Medium) -> String {
    match medium {
        Medium::Voice => format!("{} per minute", rates.voice),
        Medium::Video => {
            format!("{} per minute, {} without picture", rates.video, rates.voice)
        }
    }
}

/// What the tariff has beyond prices.
fn conditions(receipt: &Receipt) -> Vec<String> {
    let tariff = &receipt.terms.tariff;
    let mut said = Vec::new();
    if tariff.free > ElapsedMs::ZERO {
        said.push(format!("the first {} are free", seconds_of(tariff.free)));
    }
    if tariff.minimum > ElapsedMs::ZERO {
        said.push(format!("at least {} are charged", seconds_of(tariff.minimum)));
    }
    if tariff.pulse > ElapsedMs(1) {
        said.push(format!("in steps of {}", seconds_of(tariff.pulse)));
    }
    if tariff.connect_fee > MicroCoins::ZERO {
        said.push(format!("connection fee {}", tariff.connect_fee));
    }
    said
}

fn time_line(receipt: &Receipt, records: &[EvidenceRecord]) -> String {
    let counted = records.last().map(|record| record.counted).unwrap_or_default();
    let mut parts = Vec::new();
    if receipt.terms.medium == Medium::Video {
        parts.push(format!("{} with picture", seconds_of(counted.video)));
    }
    for (name, ms) in [("silent", counted.silent), ("frozen", counted.frozen)] {
        if ms > ElapsedMs::ZERO {
            parts.push(format!("{} {name}", seconds_of(ms)));
        }
    }
    let (sent, proven) = (counted.to_fan.forwarded, receipt.proven.media);
    if sent > proven {
        parts.push(format!(
            "{} more were sent, but not proven: free",
            seconds_of(sent.saturating_sub(proven))
        ));
    }
    let parts = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join("; ")) };
    format!("{} proven{parts}", seconds_of(proven))
}

/// A row for each record, with what came in it.
fn seconds(records: &[EvidenceRecord]) -> String {
    let mut text = format!(
        "\n\n  {:>6} {:>10} {:>8} {:>8} {:>8} {:>8} {:>8} {:>6} {:>14}",
        "record", "at", "proven", "picture", "silent", "frozen", "packets", "lost", "charged"
    );
    let mut before = EvidenceRecord {
        n: 0,
        at: ElapsedMs::ZERO,
        counted: billing_core::Counted::default(),
        charged: MicroCoins::ZERO,
    };
    for record in records {
        let (was, is) = (before.counted, record.counted);
        let _ = write!(
            text,
            "\n  {:>6} {:>10} {:>8} {:>8} {:>8} {:>8} {:>8} {:>6} {:>14}",
            record.n,
            seconds_of(record.at),
            is.to_fan.proven.saturating_sub(was.to_fan.proven).0,
            is.video.saturating_sub(was.video).0,
            is.silent.saturating_sub(was.silent).0,
            is.frozen.saturating_sub(was.frozen).0,
            is.to_fan.packets - was.to_fan.packets,
            is.to_fan.packets_lost - was.to_fan.packets_lost,
            record.charged.to_string(),
        );
        before = *record;
    }
    text
}

/// What was checked, and where it failed.
fn failure(Invalid { check, detail }: &Invalid) -> String {
    let mut text = format!("NOT VALID: {detail}\n");
    for each in Check::ALL {
        let said = match each.cmp(check) {
            std::cmp::Ordering::Less => "passed",
            std::cmp::Ordering::Equal => "FAILED",
            std::cmp::Ordering::Greater => "not reached",
        };
        let _ = write!(text, "\n  {:<10} {said}", each.name());
    }
    text
}

fn for_programs(result: &Result<Verified, Invalid>) -> String {
    match result {
        Ok(verified) => {
            let receipt = &verified.receipt;
            let split = receipt.split();
            json!({
                "valid": true,
                "call": receipt.call,
                "fan": receipt.terms.fan,
                "host": receipt.terms.host,
                "reason": receipt.reason,
                "proven_ms": receipt.proven.media,
                "video_ms": receipt.proven.video,
                "charged_micro": receipt.total(),
                "paid_micro": receipt.charged.paid,
                "promo_micro": receipt.charged.promo,
                "not_charged_micro": verified.not_charged(),
                "host_micro": split.host,
                "platform_micro": split.platform,
                "records": verified.records.len(),
                "key": verified.key.to_string(),
                "key_compared": verified.key_compared,
            })
        }
        Err(Invalid { check, detail }) => {
            json!({"valid": false, "check": check.name(), "detail": detail})
        }
    }
    .to_string()
}

fn seconds_of(ms: ElapsedMs) -> String {
    format!("{}.{:03} s", ms.0 / 1_000, ms.0 % 1_000)
}

fn utc(at: UnixMs) -> String {
    let date = i64::try_from(at.0 / 1_000).ok();
    match date.and_then(|seconds| UtcDateTime::from_unix_timestamp(seconds).ok()) {
        Some(date) => {
            let (day, clock) = (date.date(), date.time());
            let (hour, minute, second) = clock.as_hms();
            format!("{day} {hour:02}:{minute:02}:{second:02} UTC")
        }
        None => format!("{} ms after 1970", at.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(name: &str) -> String {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/billing-core/tests/receipts");
        std::fs::read_to_string(format!("{folder}/{name}.json")).unwrap()
    }

    fn key() -> PublicKey {
        let outcomes: serde_json::Value = serde_json::from_str(&vector("outcomes")).unwrap();
        outcomes["key"].as_str().unwrap().parse().unwrap()
    }

    #[test]
    fn a_bill_reads_like_one() {
        let verified = verify(&vector("video_with_a_price_change"), Some(key())).unwrap();
        let shown = bill(&verified);
        for said in [
            "VALID: nothing was changed",
            "asha called meera:7@x (video)",
            "2026-11-21 19:40:00 UTC to 2026-11-21 19:40:09 UTC",
            "hung up by fan",
            "8.000001 per minute, 5.00 without picture",
            "from 4.000 s on: 9.25 per minute, 6.50 without picture",
            "6.007 s proven (4.500 s with picture; 1.501 s silent; 0.900 s frozen; 0.060 s more",
            "0.333333 given",
            "(65.00 %)",
            "6 records",
            "the key that you named",
        ] {
            assert!(shown.contains(said), "{said:?} is missing in:\n{shown}");
        }
        assert_eq!(seconds(&verified.records).lines().count(), 2 + 1 + 6);
    }

    #[test]
    fn a_key_that_was_not_named_is_left_to_the_reader() {
        let shown = bill(&verify(&vector("voice"), None).unwrap());
        assert!(shown.contains("compare it with the one your service publishes"), "{shown}");
        assert!(shown.contains(&key().to_string()), "{shown}");
    }

    #[test]
    fn what_failed_is_named() {
        let failed = verify(&vector("a_record_changed"), None);
        let shown = failure(failed.as_ref().unwrap_err());
        for said in
            ["NOT VALID", "canonical  passed", "chain      FAILED", "split      not reached"]
        {
            assert!(shown.contains(said), "{said:?} is missing in:\n{shown}");
        }
        let told: serde_json::Value = serde_json::from_str(&for_programs(&failed)).unwrap();
        assert_eq!((&told["valid"], &told["check"]), (&json!(false), &json!("chain")));
        let right = for_programs(&verify(&vector("funds_spent"), Some(key())));
        let told: serde_json::Value = serde_json::from_str(&right).unwrap();
        assert_eq!(told["valid"], true);
        assert_eq!(told["charged_micro"], 210_000);
        assert_eq!(told["not_charged_micro"], 106_666);
    }
}
