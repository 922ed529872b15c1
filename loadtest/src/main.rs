//! `loadtest`: makes real calls and audits their bills.

mod counting;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use loadtest::calls::{self, Options, Target};
use loadtest::debits::{self, DebitsArgs, StoreKind};
use loadtest::forward::{self, ForwardArgs};
use loadtest::settle::{self, SettleArgs};
use loadtest::{Accounts, Endpoint, Report};
use protocol::token::TokenKey;
use serde::Serialize;
use service_kit::telemetry::LogFormat;
use std::error::Error;
use std::fmt::Display;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use units::{Medium, MicroCoins, Rate};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

/// Real calls from headless WebRTC peers, and an audit of every bill.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    scenario: Scenario,
    /// What to log to standard error: a level, or a list such as `info,loadtest=debug`.
    #[arg(long, global = true, default_value = "error", value_name = "FILTER")]
    log: String,
}

#[derive(Subcommand)]
enum Scenario {
    /// Makes paid one-to-one calls, all at once, and holds each bill against what both peers saw.
    ///
    /// Each call has a fan and a host of its own, who log in over the public protocol, send audio
    /// (and video) through the media relay with the `webrtc` crate, and count what reaches them.
    /// Without --url, a server is started for the test on free ports and stopped afterwards.
    ///
    /// The last line says how many bills were exact. Exit code: 0 if all were, 1 if one was wrong
    /// or a call failed, 2 if no calls could be made.
    Calls(CallsArgs),
    /// Measures how fast PostgreSQL takes checkpoints and postings, beside a bare insert.
    ///
    /// Starts a PostgreSQL server of its own whose commits wait for the disk. The last line says
    /// whether the goals were reached. Exit code: 0 if they were, 1 if not, 2 if nothing could be
    /// measured.
    Settle(SettleArgs),
    /// Measures how fast the debits of a tick are taken, beside the least a database can do.
    ///
    /// Starts servers of its own. In Redis: complete debits beside a bare DECRBY, per second of the
    /// server's processor time; the last line holds the ratios. With --store sqlite: ticks of one
    /// machine, durable in a file, beside a bare update of as many rows. Every answer is checked.
    /// Exit code: 0 if all goals were reached, 1 if not, 2 if nothing could be measured or an
    /// answer was wrong.
    Debits(DebitsArgs),
    /// Measures what forwarding a packet costs, beside the least that it could.
    ///
    /// Starts a media relay as a process of its own, connects real ICE, DTLS and SRTP clients to it
    /// over loopback, and lets publishers send to listeners: processor time of the relay per packet
    /// delivered, loss, latency, memory per participant; the floor is a bare sendmmsg and the bare
    /// seal. With --in-process it drives the packet path without sockets: processor time and
    /// allocations per forwarded packet, heap per connection; the floor is the bare seal. Every
    /// client opens what it is sent. The last line names the figure, its floor and the ratio. Exit
    /// code: 0 if all goals were reached, 1 if not, 2 if nothing could be measured or a packet was
    /// wrong.
    Forward(ForwardArgs),
}

#[derive(Args)]
struct CallsArgs {
    /// How many calls at once (two peers each).
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=10_000))]
    calls: u16,
    /// How long each call is live before its fan hangs up.
    #[arg(long, default_value_t = 15, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// What is called with.
    #[arg(long, default_value = "video", value_name = "MEDIUM", value_parser = medium())]
    medium: Medium,
    /// The hosts' price in coins per minute.
    #[arg(long, default_value = "6.00", value_name = "COINS")]
    rate: Rate,
    /// How long after each other the calls begin.
    #[arg(long, default_value_t = 100, value_name = "MS", value_parser = clap::value_parser!(u64).range(..=60_000))]
    ramp_ms: u64,
    /// What each fan owns on a server started for the test. Less than --seconds cost ends the
    /// calls by the end of funds.
    #[arg(long, default_value = "100.00", value_name = "COINS", conflicts_with = "url")]
    coins: MicroCoins,
    /// A server that runs already: http://HOST:PORT or ws://HOST:PORT. Without --key it must be in
    /// demo mode, with enough demo people.
    #[arg(long, value_name = "URL")]
    url: Option<Endpoint>,
    /// The API key of that server. Tokens are then signed here for fan-1, fan-2, ... and host-1,
    /// host-2, ...; the fans' wallets must hold coins.
    #[arg(long, value_name = "KEY", requires_all = ["url", "secret_file"])]
    key: Option<String>,
    /// The file that holds the secret of --key.
    #[arg(long, value_name = "FILE", requires = "key")]
    secret_file: Option<PathBuf>,
    /// Prints all evidence as JSON instead of a table.
    #[arg(long)]
    json: bool,
}

fn medium() -> impl TypedValueParser<Value = Medium> {
    PossibleValuesParser::new(Medium::ALL.map(Medium::name))
        .map(|name| Medium::parse(&name).expect("only the names of media are possible"))
}

impl CallsArgs {
    fn options(&self) -> Result<Options, Box<dyn Error>> {
        let target = match (&self.url, &self.key, &self.secret_file) {
            (None, _, _) => Target::OwnServer { coins: self.coins },
            (Some(server), Some(key), Some(file)) => {
                let secret = std::fs::read_to_string(file)
                    .map_err(|error| format!("{}: {error}", file.display()))?;
                let key = TokenKey::new(key, secret.trim().as_bytes())?;
                Target::Running { server: server.clone(), accounts: Accounts::Minted(key) }
            }
            (Some(server), _, _) => {
                Target::Running { server: server.clone(), accounts: Accounts::Demo }
            }
        };
        Ok(Options {
            calls: usize::from(self.calls),
            talk: Duration::from_secs(self.seconds),
            medium: self.medium,
            rate: self.rate,
            ramp: Duration::from_millis(self.ramp_ms),
            target,
        })
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match service_kit::telemetry::start(&cli.log, LogFormat::Text) {
        Err(error) => Err(error.into()),
        Ok(()) => match &cli.scenario {
            Scenario::Calls(args) => make_calls(args).await,
            Scenario::Settle(args) => measure_settling(args).await,
            Scenario::Debits(args) => measure_debits(args).await,
            Scenario::Forward(args) if args.in_process => measure_forwarding(args),
            Scenario::Forward(args) => measure_relaying(args).await,
        },
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            complain(error.as_ref());
            ExitCode::from(2)
        }
    }
}

/// Prints an error and its causes for the person at the terminal.
fn complain(error: &dyn Error) {
    // Nothing is left to say it to if standard error is gone.
    let _ = writeln!(std::io::stderr(), "error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = writeln!(std::io::stderr(), "  because: {error}");
        cause = error.source();
    }
}

/// Whether every bill was exact.
async fn make_calls(args: &CallsArgs) -> Result<bool, Box<dyn Error>> {
    let options = args.options()?;
    let progress = progress_bar(calls::progress_length(&options), "call seconds")?;
    let report: Report = shown(args.json, &progress, calls::run(&options, &progress)).await?;
    Ok(report.is_exact())
}

/// Whether all goals were reached.
async fn measure_settling(args: &SettleArgs) -> Result<bool, Box<dyn Error>> {
    let progress = progress_bar(settle::progress_length(args), "rows")?;
    let report = shown(args.json, &progress, settle::run(args, &progress)).await?;
    Ok(report.is_reached())
}

/// Whether all goals were reached.
async fn measure_debits(args: &DebitsArgs) -> Result<bool, Box<dyn Error>> {
    match args.store {
        StoreKind::Redis => {
            let progress = progress_bar(debits::redis::progress_length(args), "steps")?;
            let run = debits::redis::run(args, &progress);
            Ok(shown(args.json, &progress, run).await?.is_reached())
        }
        StoreKind::Sqlite => {
            let progress = progress_bar(debits::sqlite::progress_length(args), "steps")?;
            let run = debits::sqlite::run(args, &progress);
            Ok(shown(args.json, &progress, run).await?.is_reached())
        }
    }
}

/// Whether all goals were reached.
fn measure_forwarding(args: &ForwardArgs) -> Result<bool, Box<dyn Error>> {
    let report = forward::run(args, counting::allocated)?;
    print(args.json, &report)?;
    Ok(report.is_reached())
}

/// Whether all goals were reached.
async fn measure_relaying(args: &ForwardArgs) -> Result<bool, Box<dyn Error>> {
    let report = forward::process::run(args);
    let report = shown(args.json, &ProgressBar::hidden(), report).await?;
    Ok(report.is_reached())
}

/// Waits for a report and prints it, unless it is interrupted.
async fn shown<R, E>(
    json: bool,
    progress: &ProgressBar,
    run: impl Future<Output = Result<R, E>>,
) -> Result<R, Box<dyn Error>>
where
    R: Serialize + Display,
    E: Error + 'static,
{
    let report: Result<R, Box<dyn Error>> = tokio::select! {
        report = run => report.map_err(Into::into),
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.map_or_else(|error| Err(error.into()), |()| Err("interrupted".into()))
        }
    };
    progress.finish_and_clear();
    let report = report?;
    print(json, &report)?;
    Ok(report)
}

fn print<R: Serialize + Display>(json: bool, report: &R) -> Result<(), Box<dyn Error>> {
    let text = if json { serde_json::to_string_pretty(report)? } else { report.to_string() };
    writeln!(std::io::stdout(), "{text}")?;
    Ok(())
}

fn progress_bar(length: u64, unit: &str) -> Result<ProgressBar, indicatif::style::TemplateError> {
    let style = ProgressStyle::with_template(&format!(
        "{{msg:<26}} [{{bar:40}}] {{pos}}/{{len}} {unit}, {{elapsed_precise}}"
    ))?;
    let progress = ProgressBar::new(length).with_style(style.progress_chars("=> "));
    progress.enable_steady_tick(Duration::from_millis(200));
    Ok(progress)
}
