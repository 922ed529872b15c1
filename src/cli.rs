//! The command line.

use crate::audit::AuditOptions;
use crate::quote::QuoteOptions;
use crate::receipt::ReceiptCommand;
use clap::{Args, Parser, Subcommand, ValueEnum};
use protocol::token::Role;
use std::error::Error;
use std::net::SocketAddr;
use std::path::PathBuf;
use units::UserId;

/// Paid voice and video calls, billed by the proven second.
///
/// Without a command it serves. Without a configuration file it serves a demo that only this
/// machine can reach.
#[derive(Debug, Parser)]
#[command(version, about, long_about, arg_required_else_help = false)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeOptions,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Run signaling, media relay and billing meter in one process (the default), or one of them.
    Serve(ServeOptions),
    /// Print an access token, signed with the configured secret.
    Token(TokenOptions),
    /// Work out what a call or a month costs, who gets which part, and how long a balance lasts.
    Quote(Box<QuoteOptions>),
    /// Check a call's signed receipt, without any server.
    #[command(subcommand)]
    Receipt(ReceiptCommand),
    /// Work every balance, call and posting out again from what it rests on, and tell what differs.
    ///
    /// It only reads, as of one moment, and may run beside servers: calls go on meanwhile. Hot
    /// balances are not looked at. Each difference is a line: whose, what is wrong, expected, found.
    ///
    /// Exit code: 0 if nothing differs, 1 if something does, 2 if the audit can't run.
    Audit(AuditOptions),
}

#[derive(Args, Clone, Debug, Default)]
pub(crate) struct ServeOptions {
    /// Configuration (TOML); deploy/coinline.toml explains every setting.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where the web pages and the WebSocket are served; overrides the configuration.
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Run this service alone; it finds the others by [links] of the configuration.
    #[arg(long, value_enum, value_name = "SERVICE")]
    pub(crate) role: Option<Part>,
    /// Where the ledger is: a SQLite file, or postgres://USER@HOST/NAME (with --redis); overrides
    /// the configuration. What stands here is seen by everybody on the machine: a password is
    /// better off in COINLINE__STORE__DATABASE.
    #[arg(long, value_name = "FILE|URL")]
    pub(crate) database: Option<String>,
    /// Where the balances of live calls are: redis://HOST:PORT, several of a cluster by commas;
    /// overrides the configuration.
    #[arg(long, value_name = "URL")]
    pub(crate) redis: Option<String>,
}

/// One of the three services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    Signaling,
    MediaRelay,
    BillingMeter,
}

impl Part {
    /// As `--role` has it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Signaling => "signaling",
            Self::MediaRelay => "media-relay",
            Self::BillingMeter => "billing-meter",
        }
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Args, Clone, Debug)]
pub(crate) struct TokenOptions {
    /// Configuration (TOML) that names the secret.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Whose token.
    #[arg(long)]
    pub(crate) user: UserId,
    /// The name that others see; the user id if absent.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// What the user may be: fan or host.
    #[arg(long, value_parser = role)]
    pub(crate) role: Role,
    /// For how many minutes it is valid.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=525_600))]
    pub(crate) minutes: u64,
}

impl Cli {
    /// The command that was given, or `serve`.
    pub(crate) fn command(self) -> Command {
        self.command.unwrap_or(Command::Serve(self.serve))
    }
}

fn role(text: &str) -> Result<Role, &'static str> {
    match text {
        "fan" => Ok(Role::Fan),
        "host" => Ok(Role::Host),
        _ => Err("a role is fan or host"),
    }
}

/// Prints an error and its causes for the person at the terminal.
#[expect(clippy::print_stderr, reason = "the terminal is where the command line answers")]
pub(crate) fn complain(error: &dyn Error) {
    let mut said = error.to_string();
    eprintln!("coinline: {said}");
    let mut cause = error.source();
    while let Some(error) = cause {
        let why = error.to_string();
        // Many errors tell their cause themselves.
        if !said.contains(&why) {
            eprintln!("  because: {why}");
        }
        said = why;
        cause = error.source();
    }
}

/// Prints a result for the person at the terminal.
#[expect(clippy::print_stdout, reason = "the terminal is where the command line answers")]
pub(crate) fn say(text: &str) {
    println!("{text}");
}
