//! What happens before anything is accepted: calls that a crash left open are settled
//! (BILLING.md, rule 19).

use billing_core::{EndReason, Receipt, Settlement, Target};
use std::time::Duration;
use store::{Error, Store};
use tracing::{error, info, warn};

/// How often a failing store is tried before the service gives up. More would keep a broken
/// process looking alive; fewer would trip over a backup that holds the lock for a moment.
const ATTEMPTS: u32 = 5;

/// First pause between attempts; doubles.
const PAUSE: Duration = Duration::from_millis(250);

/// Settles every open call at what was durable, and checks the books.
///
/// # Errors
/// The store's, if it keeps failing.
pub(crate) async fn settle_interrupted<S: Store>(store: &S) -> Result<Vec<Receipt>, Error> {
    let mut attempt = 1;
    loop {
        match once(store).await {
            Ok(receipts) => return Ok(receipts),
            Err(error) if attempt < ATTEMPTS => {
                warn!(%error, attempt, "recovery failed; it is tried again");
                tokio::time::sleep(PAUSE * 2_u32.pow(attempt - 1)).await;
                attempt += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

async fn once<S: Store>(store: &S) -> Result<Vec<Receipt>, Error> {
    let mut receipts = Vec::new();
    for live in store.open_calls().await? {
        let settlement = Settlement {
            target: Target { call: live.call, charge: live.charged, media: live.media },
            reason: EndReason::Interrupted,
            ended_at: live.seen_at,
        };
        let Some(settled) = store.settle(&settlement).await? else { continue };
        info!(call = %live.call, charged = %settled.receipt.charged, "settled an interrupted call");
        receipts.push(settled.receipt);
    }
    for difference in store.audit().await? {
        error!(%difference, "the books are wrong");
    }
    Ok(receipts)
}
