//! What happens before anything is accepted: calls that a crash left open are settled
//! (BILLING.md, rule 19).

use billing_core::{EndReason, Receipt, Settled, Settlement, Target};
use std::time::Duration;
use store::{Difference, Error, Store};
use tracing::{error, info, warn};

/// How often a failing store is tried before the service gives up. More would keep a broken
/// process looking alive; fewer would trip over a backup that holds the lock for a moment.
const ATTEMPTS: u32 = 5;

/// First pause between attempts; doubles.
const PAUSE: Duration = Duration::from_millis(250);

/// What was found at the start, and done about it.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    /// Of the calls that are settled now.
    pub(crate) receipts: Vec<Receipt>,
    /// What the audit found afterwards.
    pub(crate) differences: Vec<Difference>,
}

/// Settles every open call at what was durable, and checks the books. A call whose record is
/// broken stays open and holds up no other.
///
/// # Errors
/// The store's, if it keeps failing.
pub(crate) async fn settle_interrupted<S: Store>(store: &S) -> Result<Recovered, Error> {
    let mut recovered = Recovered::default();
    let mut attempt = 1;
    while let Err(error) = settle_and_audit(store, &mut recovered).await {
        if attempt == ATTEMPTS {
            return Err(error);
        }
        warn!(%error, attempt, "recovery failed; it is tried again");
        tokio::time::sleep(PAUSE * 2_u32.pow(attempt - 1)).await;
        attempt += 1;
    }
    Ok(recovered)
}

async fn settle_and_audit<S: Store>(store: &S, recovered: &mut Recovered) -> Result<(), Error> {
    for live in store.open_calls().await? {
        let call = live.call;
        let settlement = Settlement {
            target: Target { call, charge: live.charged, media: live.media },
            reason: EndReason::Interrupted,
            ended_at: live.seen_at,
        };
        match store.settle(&settlement).await {
            Ok(Some(Settled { receipt, .. })) => {
                info!(%call, charged = %receipt.charged, "settled an interrupted call");
                recovered.receipts.push(receipt);
            }
            Ok(None) => {}
            Err(error @ Error::Corrupt { .. }) => {
                error!(%call, %error, "an interrupted call can't be settled; it stays open");
            }
            Err(error) => return Err(error),
        }
    }
    recovered.differences = store.audit().await?;
    for difference in &recovered.differences {
        error!(%difference, "the books are wrong");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use billing_core::{Credit, OpenCall, Tariff, Terms};
    use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
    use std::path::Path;
    use store::{Rule, Sqlite};
    use units::{CallId, ElapsedMs, Medium, MicroCoins, ShareBps, UnixMs, UserId};
    use uuid::Uuid;

    /// Three fans with 10.00 each, and a call of each that was charged 1.00 and is open.
    async fn interrupted(path: &Path) -> Sqlite {
        let store = Sqlite::open(path).await.unwrap();
        for n in 1..=3 {
            let fan: UserId = format!("fan{n}").parse().unwrap();
            let (call, amount, at) = (CallId(Uuid::from_u128(n)), MicroCoins::coins(10), UnixMs(1));
            let credit = Credit { id: n.to_string(), user: fan.clone(), amount, at };
            store.credit(&credit).await.unwrap();
            let terms = Terms {
                fan,
                host: "host".parse().unwrap(),
                medium: Medium::Voice,
                tariff: Tariff { rate: "6.00".parse().unwrap(), free: ElapsedMs::ZERO },
                host_share: ShareBps::new(7_000).unwrap(),
            };
            let open = OpenCall { call, terms, minimum: MicroCoins::ZERO, at };
            store.open_call(&open).await.unwrap();
            let charge = MicroCoins::coins(1);
            let target = Target { call, charge, media: ElapsedMs(10_000) };
            store.apply(UnixMs(2), &[target]).await.unwrap();
        }
        store
    }

    #[tokio::test]
    async fn a_broken_record_holds_up_no_other_call() {
        for (tampering, rules) in [
            ("UPDATE wallet SET credited = credited", vec![]),
            ("UPDATE call SET medium = 'smell' WHERE fan = 'fan2'", vec![Rule::OpenCallReadable]),
            // The call can be read, but not what it would be paid from.
            (
                "UPDATE wallet SET credited = -1 WHERE user = 'fan2'",
                vec![Rule::CreditsCounted, Rule::CreditsPosted, Rule::NeverNegative],
            ),
        ] {
            let dir = tempfile::TempDir::new().unwrap();
            let path = dir.path().join("books");
            let store = interrupted(&path).await;
            let options = SqliteConnectOptions::new().filename(&path);
            let options = options.pragma("ignore_check_constraints", "on");
            let file = SqlitePool::connect_with(options).await.unwrap();
            sqlx::query(tampering).execute(&file).await.unwrap();
            let recovered = settle_interrupted(&store).await.unwrap();
            let settled: Vec<_> = recovered
                .receipts
                .iter()
                .map(|receipt| {
                    assert_eq!(receipt.charged, MicroCoins::coins(1));
                    assert_eq!(
                        (receipt.reason, receipt.ended_at),
                        (EndReason::Interrupted, UnixMs(2))
                    );
                    receipt.terms.fan.as_str()
                })
                .collect();
            let broken: Vec<_> =
                recovered.differences.iter().map(|difference| difference.rule).collect();
            assert_eq!(broken, rules, "{tampering}");
            let expected: &[&str] =
                if rules.is_empty() { &["fan1", "fan2", "fan3"] } else { &["fan1", "fan3"] };
            assert_eq!(settled, expected, "{tampering}");
        }
    }
}
