//! Carries out the biller's commands at the store, one at a time and in order.

use billing_core::{Answer, Command, Input};
use service_kit::Clock;
use store::Store;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tracing::warn;

/// Runs until `commands` ends. Each command leads to one input: its answer, or its failure.
///
/// The channels need no bound: the biller turns askers away when too much is with the store.
pub(crate) async fn keep<S: Store>(
    store: &S,
    clock: Clock,
    mut commands: UnboundedReceiver<Command>,
    answers: UnboundedSender<Input>,
) {
    while let Some(command) = commands.recv().await {
        let input = match carry_out(store, clock, &command).await {
            Ok(answer) => Input::Answered(answer),
            Err(error) => {
                warn!(%error, "the store failed; it is tried again");
                Input::StoreFailed(command)
            }
        };
        // The service is gone: nobody waits for answers any more.
        if answers.send(input).is_err() {
            return;
        }
    }
}

async fn carry_out<S: Store>(
    store: &S,
    clock: Clock,
    command: &Command,
) -> Result<Answer, store::Error> {
    Ok(match command {
        Command::Open(open) => {
            Answer::Opened { call: open.call, opening: store.open_call(open).await? }
        }
        Command::Apply(targets) => {
            let applied = store.apply(clock.unix(), targets).await?;
            Answer::Applied { targets: targets.clone(), applied }
        }
        Command::Settle(settlement) => Answer::Settled {
            call: settlement.target.call,
            settled: store.settle(settlement).await?,
        },
        Command::Credit { request, credit } => Answer::Credited {
            request: *request,
            crediting: store.credit(credit).await?,
            credit: credit.clone(),
        },
        Command::Read(question) => {
            let funds = store.funds(question.wallet()).await?;
            Answer::Read { question: question.clone(), funds }
        }
    })
}
