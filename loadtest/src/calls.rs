//! Many paid calls at once, and a report on every bill.

use crate::accounts::{AccountError, Accounts, Login, Pair};
use crate::audit::{CallEvidence, audit};
use crate::peer::{Peer, PeerError};
use crate::report::{CallReport, Report};
use crate::server_process::{ServerError, ServerProcess};
use crate::signaling_client::Endpoint;
use indicatif::ProgressBar;
use protocol::client::Prices;
use service_kit::Clock;
use std::time::Duration;
use tokio::task::JoinSet;
use units::{Medium, MicroCoins, Rate};

/// What to run.
#[derive(Clone)]
pub struct Options {
    /// How many calls at once; each has a fan and a host of its own.
    pub calls: usize,
    /// How long each call is live before its fan hangs up.
    pub talk: Duration,
    pub medium: Medium,
    pub rate: Rate,
    /// How long after each other the calls begin.
    pub ramp: Duration,
    pub target: Target,
}

/// Where to run it.
#[derive(Clone)]
pub enum Target {
    /// A server started for this test, whose fans own this much each.
    OwnServer { coins: MicroCoins },
    /// A server that runs already.
    Running { server: Endpoint, accounts: Accounts },
}

/// Why no calls were made at all, or the server failed beside them.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Server(#[from] ServerError),
    #[error(transparent)]
    Accounts(#[from] AccountError),
}

/// Makes the calls and audits their bills. `progress` advances by one for each second of a call.
///
/// # Errors
/// No server, or not enough users on it. A call that fails is in the report.
pub async fn run(options: &Options, progress: &ProgressBar) -> Result<Report, RunError> {
    match &options.target {
        Target::Running { server, accounts } => {
            make_calls(options, server, accounts, progress).await
        }
        Target::OwnServer { coins } => {
            progress.set_message("starting a server");
            let server = ServerProcess::start(options.calls, *coins).await?;
            let made = make_calls(options, server.endpoint(), &Accounts::Demo, progress).await;
            progress.set_message("stopping the server");
            let stopped = server.stop().await;
            let report = made?;
            stopped?;
            Ok(report)
        }
    }
}

/// How far the progress bar goes.
#[must_use]
pub fn progress_length(options: &Options) -> u64 {
    options.calls as u64 * options.talk.as_secs()
}

async fn make_calls(
    options: &Options,
    server: &Endpoint,
    accounts: &Accounts,
    progress: &ProgressBar,
) -> Result<Report, RunError> {
    let clock = Clock::start();
    let pairs = accounts.pairs(server, clock, options.calls).await?;
    progress.set_message("calling");
    let mut calls = JoinSet::new();
    for (n, pair) in (0..).zip(pairs) {
        let scene = Scene {
            server: server.clone(),
            clock,
            medium: options.medium,
            rate: options.rate,
            talk: options.talk,
            progress: progress.clone(),
        };
        let begins = options.ramp * n;
        calls.spawn(async move {
            tokio::time::sleep(begins).await;
            let outcome = scene.play(&pair).await;
            (n, CallReport::new(&pair, outcome))
        });
    }
    let mut reports = calls.join_all().await;
    reports.sort_by_key(|(n, _)| *n);
    Ok(Report::new(reports.into_iter().map(|(_, report)| report).collect()))
}

/// What all calls of a run have in common.
struct Scene {
    server: Endpoint,
    clock: Clock,
    medium: Medium,
    rate: Rate,
    talk: Duration,
    progress: ProgressBar,
}

impl Scene {
    /// One call, from both logins to the balance afterwards.
    async fn play(&self, pair: &Pair) -> Result<CallEvidence, PeerError> {
        let log_in = |login: &Login| {
            let (server, token, clock) = (self.server.clone(), login.token.clone(), self.clock);
            async move { Peer::log_in(&server, &token, clock).await }
        };
        let (mut host, mut fan) = tokio::try_join!(log_in(&pair.host), log_in(&pair.fan))?;
        host.go_online(self.prices()).await?;
        let balance_before = fan.balance().await?;

        let of_host = async {
            let call = host.answer().await?;
            host.converse(call, None, |_| {}).await
        };
        let of_fan = async {
            let call = fan.ring(&pair.host.user, self.medium, self.rate).await?;
            fan.converse(call, Some(self.talk), |_| self.progress.inc(1)).await
        };
        let (host_saw, fan_saw) = tokio::try_join!(of_host, of_fan)?;
        let balance_after = fan.balance().await?;
        tokio::join!(fan.log_out(), host.log_out());
        Ok(CallEvidence { fan: fan_saw, host: host_saw, balance_before, balance_after })
    }

    fn prices(&self) -> Prices {
        match self.medium {
            Medium::Voice => Prices { voice: Some(self.rate), video: None },
            Medium::Video => Prices { voice: None, video: Some(self.rate) },
        }
    }
}

impl CallReport {
    fn new(pair: &Pair, outcome: Result<CallEvidence, PeerError>) -> Self {
        let (fan, host) = (pair.fan.user.clone(), pair.host.user.clone());
        match outcome {
            Ok(evidence) => {
                let findings = audit(&evidence).iter().map(ToString::to_string).collect();
                Self { fan, host, findings, evidence: Some(evidence) }
            }
            Err(error) => Self { fan, host, findings: vec![error.to_string()], evidence: None },
        }
    }
}
