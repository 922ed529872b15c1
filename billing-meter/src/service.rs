//! The loop: messages in, one machine, messages out.

use crate::bookkeeper::{self, Reading};
use crate::metrics::Metrics;
use crate::translate::{self, Outgoing};
use crate::{Config, Error};
use billing_core::{Biller, Command, Credit, Input, Notice};
use prometheus::Registry;
use protocol::service::{MediaReport, MeterCommand, MeterEvent, RelayLimit};
use service_kit::link::Link;
use service_kit::operations::Condition;
use service_kit::{Clock, Shutdown};
use std::future::pending;
use std::pin::pin;
use store::{Hot, Ledger, Store};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tracing::{debug, error, info, warn};
use units::{ElapsedMs, MonotonicMs};

/// How long settling may take after the word to stop: the relay's last reports (5 s) and a store
/// that answers slowly. Less would leave bills to the next start; more would have the process
/// killed while it waits (systemd and Kubernetes give 90 and 30 s).
const DRAIN_MAX: ElapsedMs = ElapsedMs(10_000);

/// How long a meter that is alone tries to settle what an earlier run left open. More would keep a
/// broken process looking alive; less would trip over a backup that holds the database.
const RECOVERY_MAX: ElapsedMs = ElapsedMs(30_000);

/// How often metrics and readiness are brought up to date. More often would cost more than the
/// meter itself where many reports come in; less would show troubles later.
const TELL_EVERY: ElapsedMs = ElapsedMs(250);

/// What the service is given by its process.
#[derive(Debug)]
pub struct Surroundings {
    pub clock: Clock,
    /// Where the service's metrics are registered.
    pub registry: Registry,
    /// Holds while the service can do its work.
    pub ready: Condition,
    /// Whether no other meter shares these wallets, and the relay runs in this very process.
    pub alone: bool,
    /// Credits to give once this meter holds their wallets: what a demo's people start with.
    pub presents: Vec<Credit>,
}

/// Meters calls until `shutdown`, or until signaling is gone; then settles what is open, or leaves
/// it to the other meters.
///
/// Alone, it first settles calls that a crash left open from what was durable, before anything is
/// accepted.
///
/// # Errors
/// [`Error::Config`] for settings out of range, [`Error::Recovery`] if the store can't be
/// brought in order at the start, [`Error::NotSettled`] if it fails at the end.
pub async fn run<H: Hot, L: Ledger>(
    config: Config,
    store: Store<H, L>,
    surroundings: Surroundings,
    mut signaling: Link<MeterEvent, MeterCommand>,
    mut relay: Link<RelayLimit, MediaReport>,
    mut shutdown: Shutdown,
) -> Result<(), Error> {
    let Surroundings { clock, registry, ready, alone, presents } = surroundings;
    let settings = config.settings(alone)?;
    let (commands, to_carry_out) = unbounded_channel();
    let (holds, to_hold) = unbounded_channel();
    let (answer, mut answers) = unbounded_channel();
    let (readings, to_read) = unbounded_channel();
    let mut meter = Meter {
        biller: Biller::new(settings),
        presents,
        metrics: Metrics::new(&registry)?,
        ready,
        told_at: clock.now(),
        clock,
        commands,
        holds,
        readings,
        signaling: signaling.outgoing.clone(),
        relay: relay.outgoing,
    };
    let mut books = pin!(bookkeeper::keep(&store, clock, to_carry_out, answer.clone()));
    // Leases wait for no money: one slow debit after the other would let them run out.
    let mut leases = pin!(bookkeeper::keep(&store, clock, to_hold, answer));
    let mut reader = pin!(bookkeeper::read(&store, to_read, &signaling.outgoing));
    let recover_until = clock.now() + RECOVERY_MAX;
    let (mut relay_lost, mut signaling_lost, mut give_up_at) = (false, false, None);
    meter.handle(Input::WokeUp);
    loop {
        let now = clock.now();
        let recovered = meter.biller.has_recovered(now);
        let open = !alone || give_up_at.is_some() || recovered;
        if !open && now >= recover_until {
            return Err(Error::Recovery);
        }
        if recovered {
            meter.give_presents(now);
        }
        if give_up_at.is_some() && meter.biller.is_idle() {
            return Ok(());
        }
        tokio::select! {
            () = &mut books => {}
            () = &mut leases => {}
            () = &mut reader => {}
            Some(input) = answers.recv() => meter.handle(input),
            report = relay.incoming.recv(), if open && !relay_lost => {
                relay_lost = report.is_none();
                meter.handle(translate::report(report));
            }
            command = signaling.incoming.recv(), if open && !signaling_lost => match command {
                Some(command) => meter.told(command),
                None => {
                    signaling_lost = true;
                    give_up_at.get_or_insert_with(|| meter.drain());
                }
            },
            () = shutdown.requested(), if give_up_at.is_none() => {
                give_up_at = Some(meter.drain());
            }
            () = sleep_until(clock, meter.wake(give_up_at)) => meter.handle(Input::WokeUp),
        }
        if give_up_at.is_some_and(|at| at <= clock.now()) && !meter.biller.is_idle() {
            return Err(Error::NotSettled { calls: meter.biller.open_calls() });
        }
    }
}

async fn sleep_until(clock: Clock, wake: Option<MonotonicMs>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(clock.tokio_at(wake)).await,
        None => pending().await,
    }
}

/// The biller and where its outputs go.
struct Meter {
    biller: Biller,
    /// Credits that are still to be given.
    presents: Vec<Credit>,
    metrics: Metrics,
    ready: Condition,
    told_at: MonotonicMs,
    clock: Clock,
    commands: UnboundedSender<Command>,
    holds: UnboundedSender<Command>,
    readings: UnboundedSender<Reading>,
    signaling: UnboundedSender<MeterEvent>,
    relay: UnboundedSender<RelayLimit>,
}

impl Meter {
    fn told(&mut self, command: MeterCommand) {
        if let MeterCommand::Document { request, call } = command {
            // Its reader runs as long as the service.
            let _ = self.readings.send((request, call));
        } else if let Some(input) = translate::command(command, self.clock.unix()) {
            self.handle(input);
        }
    }

    /// Gives the credits whose wallets this meter holds by now.
    fn give_presents(&mut self, now: MonotonicMs) {
        if self.presents.is_empty() || self.biller.trouble(now).is_some() {
            return;
        }
        let (ours, others): (Vec<_>, _) = std::mem::take(&mut self.presents)
            .into_iter()
            .partition(|credit| self.biller.holds(&credit.user));
        self.presents = others;
        for credit in ours {
            self.handle(Input::CreditAsked { request: 0, credit });
        }
    }

    fn handle(&mut self, input: Input) {
        let now = self.clock.now();
        if let Input::StoreFailed(Command::Credit { request: 0, credit }) = &input {
            self.presents.push(credit.clone());
        }
        for output in self.biller.handle(now, input) {
            // A service that has ended hears nothing; its own end is dealt with where it is seen.
            match translate::output(output) {
                Outgoing::ToStore(command @ Command::Hold { .. }) => {
                    let _ = self.holds.send(command);
                }
                Outgoing::ToStore(command) => {
                    let _ = self.commands.send(command);
                }
                Outgoing::ToRelay(limit) => {
                    let _ = self.relay.send(limit);
                }
                Outgoing::ToSignaling(event) => {
                    debug!(?event, "to signaling");
                    let _ = self.signaling.send(event);
                }
                Outgoing::Notice(notice) => {
                    log(&notice);
                    self.metrics.notice(&notice);
                }
            }
        }
        if now.since(self.told_at) >= TELL_EVERY {
            self.tell(now);
        }
    }

    /// Brings metrics and readiness up to date.
    fn tell(&mut self, now: MonotonicMs) {
        self.told_at = now;
        self.metrics.tell(now, self.biller.totals());
        match self.biller.trouble(now) {
            None => self.ready.holds(),
            Some(reason) => self.ready.fails(reason),
        }
    }

    fn wake(&self, give_up_at: Option<MonotonicMs>) -> Option<MonotonicMs> {
        let tell = Some(self.told_at + TELL_EVERY);
        self.biller.next_wake().into_iter().chain(give_up_at).chain(tell).min()
    }

    /// Ends every call. Returns when to stop waiting for their bills.
    fn drain(&mut self) -> MonotonicMs {
        info!(calls = self.biller.open_calls(), "stopping: settling what is open");
        self.handle(Input::Draining { at: self.clock.unix() });
        self.clock.now() + DRAIN_MAX
    }
}

fn log(notice: &Notice) {
    match notice {
        Notice::Orphaned { call } => error!(%call, "the store does not know an open call"),
        Notice::Adopted { calls } => info!(calls, "took over open calls"),
        Notice::LeasesLost { shards, calls } => {
            warn!(shards, calls, "leases ended; their calls are left to the next owner");
        }
        Notice::Violated { rule, call } => error!(%call, rule, "a rule does not hold"),
        Notice::Reconciled(differences) => {
            for (rule, count) in differences.iter().filter(|(_, count)| *count > 0) {
                error!(rule, count, "hot balances and ledger differ");
            }
        }
    }
}
