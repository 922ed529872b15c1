//! How fast hot balances take debits: a complete one (fence, clamp, promo coins before paid ones,
//! slots) beside a bare `DECRBY`, which is as little as a server can do.
//!
//! Servers of its own run on the first processor, this program on the second. Each figure is per
//! second of the server's processor time, and stands beside the floor's of the same run, measured
//! in turn with it: so the machine's speed and its other work cancel out in the ratio. Every answer
//! is held against an amount that is computed here.

mod calls;
mod floor;
mod paced;
mod report;
mod saturated;

pub use report::{PacedReport, RedisReport, SaturatedReport};

use super::DebitsArgs;
use calls::Calls;
use indicatif::ProgressBar;
use std::process::Command;
use store::Redis;
use test_servers::{AppendOnly, Redis as Server, RedisOptions};

/// The server's processor, and this program's.
const SERVER_CORE: usize = 0;
const CLIENT_CORE: usize = 1;

/// What keeps the figures from being taken.
#[derive(Debug, thiserror::Error)]
pub enum RedisError {
    #[error("the server: {0}")]
    Server(#[from] test_servers::Error),
    #[error("hot balances: {0}")]
    Hot(#[from] store::Error),
    #[error("the floor: {0}")]
    Floor(#[from] redis::RedisError),
    /// A process can't be bound to a processor.
    #[error("taskset: {0}")]
    Taskset(#[from] std::io::Error),
    /// The server does not say what it should.
    #[error("the server does not tell its {0}")]
    Untold(&'static str),
    /// An answer was not what it had to be.
    #[error("{user} after {ticks} ticks: expected {expected}, found {found}")]
    Wrong { user: String, ticks: u64, expected: String, found: String },
}

/// How far [`run`] lets the progress bar go.
#[must_use]
pub fn progress_length(args: &DebitsArgs) -> u64 {
    u64::from(args.rounds) * 2 + u64::from(args.seconds)
}

/// Takes all figures. The time between is shown on `progress`.
///
/// # Errors
/// [`RedisError::Server`] without Redis on this machine, [`RedisError::Wrong`] if an answer was
/// wrong; otherwise what went wrong.
pub async fn run(args: &DebitsArgs, progress: &ProgressBar) -> Result<RedisReport, RedisError> {
    let pinned = std::thread::available_parallelism().is_ok_and(|cores| cores.get() > CLIENT_CORE);
    if pinned {
        pin_this_process()?;
    }
    let mut saturated = Vec::new();
    let mut paced = None;
    let mut memory = 0.0;
    for append_only in [AppendOnly::Off, AppendOnly::EverySecond] {
        progress.set_message("opening calls");
        let core = pinned.then_some(SERVER_CORE);
        let options = RedisOptions { append_only, core, ..RedisOptions::default() };
        let server = Server::start(options.clone())?;
        let hot = Redis::one(&server.url())?;
        let mut calls = Calls::new(args.calls);
        let empty = memory_bytes(&server)?;
        calls.open(&hot).await?;
        memory = (memory_bytes(&server)? - empty) / f64::from(args.calls);
        let floor = floor::Floor::start(options, args.calls).await?;
        let files = append_only == AppendOnly::EverySecond;
        progress.set_message(if files { "debits, AOF everysec" } else { "debits, no AOF" });
        let under_test = saturated::UnderTest { server: &server, hot: &hot, floor };
        saturated.push(under_test.measure(args.rounds, &mut calls, files, progress).await?);
        if files {
            progress.set_message("debits, paced");
            paced = Some(paced::measure(&server, hot, calls, args.seconds, progress).await?);
        }
    }
    let paced = paced.ok_or(RedisError::Untold("figures"))?;
    Ok(RedisReport { calls: args.calls, pinned, memory_bytes_per_call: memory, saturated, paced })
}

/// Binds all threads of this process to one processor.
fn pin_this_process() -> Result<(), RedisError> {
    let pid = std::process::id().to_string();
    let mut command = Command::new("taskset");
    let output = command.args(["-a", "-c", "-p", &CLIENT_CORE.to_string(), &pid]).output()?;
    if output.status.success() { Ok(()) } else { Err(RedisError::Untold("processor")) }
}

fn memory_bytes(server: &Server) -> Result<f64, RedisError> {
    let untold = || RedisError::Untold("memory");
    let info = server.ask("INFO memory").map_err(|_| untold())?;
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
    used.and_then(|bytes| bytes.trim().parse().ok()).ok_or_else(untold)
}

/// Processor time of a server that runs, in milliseconds.
fn cpu_ms(server: &Server) -> Result<u64, RedisError> {
    server.cpu_ms().ok_or(RedisError::Untold("processor time"))
}
