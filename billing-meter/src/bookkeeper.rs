//! Carries out the biller's commands at the store, one at a time and in order; and reads, which
//! wait for nothing.

use billing_core::{Command, Input};
use protocol::service::{MeterEvent, SignedReceipt};
use service_kit::Clock;
use store::{Hot, Ledger, Store};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tracing::warn;
use units::CallId;

/// Runs until `commands` ends. Each command leads to one input: its answer, or its failure.
///
/// The channels need no bound: the biller turns askers away when too much is with the store.
pub(crate) async fn keep<H: Hot, L: Ledger>(
    store: &Store<H, L>,
    clock: Clock,
    mut commands: UnboundedReceiver<Command>,
    answers: UnboundedSender<Input>,
) {
    while let Some(command) = commands.recv().await {
        let input = match store.carry_out(clock.unix(), &command).await {
            Ok(answer) => Input::Answered(answer),
            Err(error) => {
                warn!(%error, command = name(&command), "the store failed; it is tried again");
                Input::StoreFailed(command)
            }
        };
        // The service is gone: nobody waits for answers any more.
        if answers.send(input).is_err() {
            return;
        }
    }
}

const fn name(command: &Command) -> &'static str {
    match command {
        Command::Hold { .. } => "hold",
        Command::Release(_) => "release",
        Command::Open(_) => "open",
        Command::Apply(_) => "apply",
        Command::Checkpoint(_) => "checkpoint",
        Command::Settle(_) => "settle",
        Command::Credit { .. } => "credit",
        Command::Spend { .. } => "spend",
        Command::Change { .. } => "change",
        Command::Read(_) => "read",
        Command::Reconcile => "reconcile",
    }
}

/// A signed receipt, by request and call.
pub(crate) type Reading = (u64, CallId);

/// Answers requests for documents until there are no more.
pub(crate) async fn read<H: Hot, L: Ledger>(
    store: &Store<H, L>,
    mut requests: UnboundedReceiver<Reading>,
    signaling: &UnboundedSender<MeterEvent>,
) {
    while let Some((request, call)) = requests.recv().await {
        let event = match document(store, call).await {
            Ok(document) => MeterEvent::Document { request, document },
            Err(error) => {
                warn!(%error, %call, "a receipt could not be read");
                MeterEvent::Failed { request, code: protocol::ErrorCode::BillingUnavailable }
            }
        };
        // Signaling is gone: nobody waits for it.
        let _ = signaling.send(event);
    }
}

async fn document<H: Hot, L: Ledger>(
    store: &Store<H, L>,
    call: CallId,
) -> Result<Option<SignedReceipt>, store::Error> {
    let Some(text) = store.document(call).await? else { return Ok(None) };
    let Some(receipt) = store.receipt(call).await? else { return Ok(None) };
    let (fan, host) = (receipt.terms.fan, receipt.terms.host);
    Ok(Some(SignedReceipt { fan, host, text }))
}
