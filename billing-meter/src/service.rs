//! The loop: messages in, one machine, messages out.

use crate::translate::{self, Outgoing};
use crate::{Config, Error, bookkeeper, recovery};
use billing_core::{Biller, Command, Input};
use protocol::service::{MediaReport, MeterCommand, MeterEvent, RelayLimit};
use service_kit::link::Link;
use service_kit::{Clock, Shutdown};
use std::future::pending;
use std::pin::pin;
use store::Store;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tracing::{debug, error, info};
use units::{ElapsedMs, MonotonicMs};

/// How long settling may take after the word to stop: the relay's last reports (5 s) and a store
/// that answers slowly. Less would leave bills to the next start; more would have the process
/// killed while it waits (systemd and Kubernetes give 90 and 30 s).
const DRAIN_MAX: ElapsedMs = ElapsedMs(10_000);

/// Meters calls until `shutdown`, or until signaling is gone; then settles what is open.
///
/// Before anything is accepted, calls that a crash left open are settled from what was durable.
///
/// # Errors
/// [`Error::Config`] for settings out of range, [`Error::Recovery`] if the store can't be
/// brought in order at the start, [`Error::NotSettled`] if it fails at the end.
pub async fn run<S: Store>(
    config: Config,
    store: S,
    clock: Clock,
    mut signaling: Link<MeterEvent, MeterCommand>,
    mut relay: Link<RelayLimit, MediaReport>,
    mut shutdown: Shutdown,
) -> Result<(), Error> {
    let settings = config.try_into()?;
    let recovered = recovery::settle_interrupted(&store).await.map_err(Error::Recovery)?;
    for receipt in recovered.receipts {
        // Whoever reconnects learns what the interrupted call cost.
        let _ = signaling.outgoing.send(translate::settled(&receipt));
    }
    let (commands, to_carry_out) = unbounded_channel();
    let (answer, mut answers) = unbounded_channel();
    let mut books = pin!(bookkeeper::keep(&store, clock, to_carry_out, answer));
    let mut meter = Meter {
        biller: Biller::new(settings),
        clock,
        commands,
        signaling: signaling.outgoing,
        relay: relay.outgoing,
    };
    let (mut relay_lost, mut signaling_lost, mut give_up_at) = (false, false, None);
    info!("billing meter is ready");
    loop {
        if give_up_at.is_some() && meter.biller.is_idle() {
            return Ok(());
        }
        let wake = meter.biller.next_wake().into_iter().chain(give_up_at).min();
        tokio::select! {
            () = &mut books => {}
            Some(input) = answers.recv() => meter.handle(input),
            report = relay.incoming.recv(), if !relay_lost => {
                relay_lost = report.is_none();
                meter.handle(translate::report(report));
            }
            command = signaling.incoming.recv(), if !signaling_lost => match command {
                Some(command) => meter.handle(translate::command(command, clock.unix())),
                None => {
                    signaling_lost = true;
                    give_up_at.get_or_insert_with(|| meter.drain());
                }
            },
            () = shutdown.requested(), if give_up_at.is_none() => {
                give_up_at = Some(meter.drain());
            }
            () = sleep_until(clock, wake) => meter.handle(Input::WokeUp),
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
    clock: Clock,
    commands: UnboundedSender<Command>,
    signaling: UnboundedSender<MeterEvent>,
    relay: UnboundedSender<RelayLimit>,
}

impl Meter {
    fn handle(&mut self, input: Input) {
        for output in self.biller.handle(self.clock.now(), input) {
            // A service that has ended hears nothing; its own end is dealt with where it is seen.
            match translate::output(output) {
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
                Outgoing::Orphaned(call) => error!(%call, "the store does not know an open call"),
            }
        }
    }

    /// Ends every call. Returns when to stop waiting for their bills.
    fn drain(&mut self) -> MonotonicMs {
        info!(calls = self.biller.open_calls(), "stopping: settling what is open");
        self.handle(Input::Draining { at: self.clock.unix() });
        self.clock.now() + DRAIN_MAX
    }
}
