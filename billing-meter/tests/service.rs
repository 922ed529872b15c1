//! The service over real links, a real clock and real SQLite files.
#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test waits for one kind of event and passes over the others"
)]

mod troubled;

use billing_meter::{Config, Error, run};
use protocol::ErrorCode;
use protocol::client::{EndReason, Receipt};
use protocol::service::{CallTerms, Carried, MediaReport, MeterCommand, MeterEvent, RelayLimit};
use service_kit::link::{self, Link};
use service_kit::{Clock, Shutdown, Trigger};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use store::{Sqlite, Store};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use troubled::{Trouble, Troubled};
use units::{CallId, ElapsedMs, Medium, MicroCoins, UserId};
use uuid::Uuid;

/// Longer than anything here takes, even on a busy machine.
const DEADLINE: Duration = Duration::from_secs(30);

const CALL: CallId = CallId(Uuid::from_u128(1));

fn coins(text: &str) -> MicroCoins {
    text.parse().unwrap()
}

fn fan() -> UserId {
    "asha".parse().unwrap()
}

fn terms() -> CallTerms {
    CallTerms {
        fan: fan(),
        host: "meera".parse().unwrap(),
        medium: Medium::Video,
        rate: "6.00".parse().unwrap(),
    }
}

/// A running service, with the other ends of its links.
struct Running {
    signaling: Link<MeterCommand, MeterEvent>,
    relay: Link<MediaReport, RelayLimit>,
    trigger: Trigger,
    task: JoinHandle<Result<(), Error>>,
}

impl Running {
    async fn start(path: &Path) -> Self {
        Self::on(Sqlite::open(path).await.unwrap())
    }

    fn on(store: impl Store) -> Self {
        let (signaling, to_signaling) = link::pair();
        let (relay, to_relay) = link::pair();
        let (trigger, shutdown) = Shutdown::new();
        let config = Config { tick_ms: ElapsedMs(20), ..Config::default() };
        let service = run(config, store, Clock::start(), to_signaling, to_relay, shutdown);
        Self { signaling, relay, trigger, task: tokio::spawn(service) }
    }

    fn say(&self, command: MeterCommand) {
        self.signaling.outgoing.send(command).unwrap();
    }

    fn report(&self, proven_ms: u64, last: bool) {
        let ms = ElapsedMs(proven_ms);
        let to_fan = Carried { forwarded_ms: ms, proven_ms: ms, ..Carried::default() };
        let report = MediaReport { call: CALL, to_fan, to_host: Carried::default(), last };
        self.relay.outgoing.send(report).unwrap();
    }

    /// The next event that this recognises.
    async fn hear<T>(&mut self, recognise: impl Fn(&MeterEvent) -> Option<T>) -> T {
        let heard = async {
            loop {
                let event = self.signaling.incoming.recv().await.expect("the service runs");
                if let Some(found) = recognise(&event) {
                    return found;
                }
            }
        };
        tokio::time::timeout(DEADLINE, heard).await.expect("the event comes in time")
    }

    async fn credit(&mut self, amount: &str) {
        let id = "order-1".to_owned();
        self.say(MeterCommand::Credit { request: 9, user: fan(), amount: coins(amount), id });
        self.hear(|event| matches!(event, MeterEvent::Balance { request: 9, .. }).then_some(()))
            .await;
    }

    async fn open(&mut self) -> ElapsedMs {
        self.say(MeterCommand::Open { call: CALL, terms: terms() });
        self.hear(|event| match event {
            MeterEvent::Opened { funded_ms, .. } => Some(*funded_ms),
            _ => None,
        })
        .await
    }

    /// Waits until this much was charged and so is durable.
    async fn charged(&mut self, amount: &str) -> MeterEvent {
        let amount = coins(amount);
        self.hear(|event| match event {
            MeterEvent::Metered { charged, .. } if *charged == amount => Some(event.clone()),
            _ => None,
        })
        .await
    }

    async fn settled(&mut self) -> Receipt {
        self.hear(|event| match event {
            MeterEvent::Settled { receipt, .. } => Some(receipt.clone()),
            _ => None,
        })
        .await
    }

    async fn stop(self) -> Result<(), Error> {
        self.trigger.stop();
        drop(self.relay);
        tokio::time::timeout(DEADLINE, self.task).await.unwrap().unwrap()
    }

    /// As `kill -9` would: nothing more is done.
    async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

struct Place {
    _dir: TempDir,
    path: PathBuf,
}

fn place() -> Place {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("books");
    Place { _dir: dir, path }
}

async fn check_books(path: &Path, funds: &str) {
    let store = Sqlite::open(path).await.unwrap();
    assert_eq!(store.audit().await.unwrap(), []);
    assert_eq!(store.open_calls().await.unwrap(), []);
    assert_eq!(store.funds(&fan()).await.unwrap(), coins(funds));
}

#[tokio::test]
async fn a_paid_call_from_quote_to_receipt() {
    let place = place();
    let mut service = Running::start(&place.path).await;
    service.credit("2.00").await;
    service.say(MeterCommand::Quote { request: 1, terms: terms() });
    let facts = service
        .hear(|event| match event {
            MeterEvent::Quoted { request: 1, facts } => Some(*facts),
            _ => None,
        })
        .await;
    assert_eq!((facts.minimum, facts.lasts_ms), (coins("1.00"), ElapsedMs(20_000)));
    assert_eq!(service.open().await, ElapsedMs(20_000));
    for seconds in 1..=7 {
        service.report(seconds * 1_000, false);
    }
    let MeterEvent::Metered { proven_ms, host_earned, balance, remaining_ms, paused, .. } =
        service.charged("0.70").await
    else {
        unreachable!("it is what was waited for")
    };
    assert_eq!((proven_ms, remaining_ms), (ElapsedMs(7_000), ElapsedMs(13_000)));
    assert_eq!((host_earned, balance, paused), (coins("0.49"), coins("1.30"), false));
    service.say(MeterCommand::End { call: CALL, reason: EndReason::HungUpByFan });
    service.report(7_123, true);
    let receipt = service.settled().await;
    assert_eq!((receipt.charged_micro, receipt.proven_ms), (coins("0.7123"), ElapsedMs(7_123)));
    assert_eq!((receipt.host_micro, receipt.platform_micro), (coins("0.49861"), coins("0.21369")));
    assert_eq!(receipt.reason, EndReason::HungUpByFan);
    service.stop().await.unwrap();
    check_books(&place.path, "1.2877").await;
}

#[tokio::test]
async fn a_call_that_spends_everything_leaves_exactly_nothing() {
    let place = place();
    let mut service = Running::start(&place.path).await;
    service.credit("2.00").await;
    service.open().await;
    service.report(15_000, false);
    let (threshold, remaining) = service
        .hear(|event| match event {
            MeterEvent::LowFunds { threshold_ms, remaining_ms, .. } => {
                Some((*threshold_ms, *remaining_ms))
            }
            _ => None,
        })
        .await;
    assert_eq!((threshold, remaining), (ElapsedMs(10_000), ElapsedMs(5_000)));
    service.report(20_000, false);
    service.charged("2.00").await;
    service.say(MeterCommand::End { call: CALL, reason: EndReason::FundsExhausted });
    service.report(20_000, true);
    let receipt = service.settled().await;
    assert_eq!(receipt.charged_micro, coins("2.00"));
    assert_eq!((receipt.host_micro, receipt.platform_micro), (coins("1.40"), coins("0.60")));
    service.stop().await.unwrap();
    check_books(&place.path, "0.00").await;
}

#[tokio::test]
async fn a_top_up_moves_the_relays_limit() {
    let place = place();
    let mut service = Running::start(&place.path).await;
    service.credit("2.00").await;
    service.open().await;
    let id = "order-2".to_owned();
    service.say(MeterCommand::Credit { request: 2, user: fan(), amount: coins("1.00"), id });
    let limit = tokio::time::timeout(DEADLINE, service.relay.incoming.recv()).await.unwrap();
    assert_eq!(limit, Some(RelayLimit { call: CALL, funded_ms: ElapsedMs(30_000) }));
    service.stop().await.unwrap();
}

#[tokio::test]
async fn no_call_below_the_minimum() {
    let place = place();
    let mut service = Running::start(&place.path).await;
    service.credit("0.999999").await;
    service.say(MeterCommand::Open { call: CALL, terms: terms() });
    let code = refusal(&mut service).await;
    assert_eq!(code, ErrorCode::BillingNoFunds);
    service.stop().await.unwrap();
}

async fn refusal(service: &mut Running) -> ErrorCode {
    service
        .hear(|event| match event {
            MeterEvent::NotOpened { code, .. } => Some(*code),
            _ => None,
        })
        .await
}

#[tokio::test]
async fn a_killed_service_settles_what_was_durable_before_it_accepts_anything() {
    let place = place();
    let mut service = Running::start(&place.path).await;
    service.credit("2.00").await;
    service.open().await;
    service.report(3_000, false);
    service.charged("0.30").await;
    service.report(4_000, false);
    service.kill().await;

    let mut service = Running::start(&place.path).await;
    let receipt = service.settled().await;
    assert_eq!(receipt.reason, EndReason::Interrupted);
    // What came after the last tick is the platform's loss; never the fan's.
    assert!([coins("0.30"), coins("0.40")].contains(&receipt.charged_micro), "{receipt:?}");
    assert!(receipt.ended_at_unix_ms >= receipt.accepted_at_unix_ms);
    let left = coins("2.00").checked_sub(receipt.charged_micro).unwrap();
    service.stop().await.unwrap();
    check_books(&place.path, &left.to_string()).await;
}

#[tokio::test]
async fn killed_at_any_moment_the_books_balance_and_no_bill_exceeds_the_evidence() {
    for moment in 0..12 {
        let place = place();
        let mut service = Running::start(&place.path).await;
        service.credit("2.00").await;
        service.say(MeterCommand::Open { call: CALL, terms: terms() });
        let mut evidence_ms = 0;
        for event in 0..moment {
            if event == 8 {
                service.say(MeterCommand::End { call: CALL, reason: EndReason::HungUpByHost });
            }
            evidence_ms += 700;
            service.report(evidence_ms, event >= 8);
            let next = tokio::time::timeout(DEADLINE, service.signaling.incoming.recv());
            if let Some(MeterEvent::Settled { .. }) = next.await.unwrap() {
                break;
            }
        }
        service.kill().await;
        let service = Running::start(&place.path).await;
        service.stop().await.unwrap();

        let store = Sqlite::open(&place.path).await.unwrap();
        assert_eq!(store.audit().await.unwrap(), []);
        assert_eq!(store.open_calls().await.unwrap(), []);
        let bill = store.receipt(CALL).await.unwrap().map(|receipt| receipt.charged);
        let evidence = MicroCoins::new(evidence_ms * 100).unwrap();
        assert!(bill.unwrap_or_default() <= evidence, "{moment}: {bill:?} > {evidence}");
    }
}

#[tokio::test]
async fn the_word_to_stop_settles_open_calls_from_the_proof_that_is_in() {
    let place = place();
    let mut service = Running::start(&place.path).await;
    service.credit("2.00").await;
    service.open().await;
    service.report(5_000, false);
    service.charged("0.50").await;
    service.trigger.stop();
    service.report(5_500, true);
    let receipt = service.settled().await;
    assert_eq!(receipt.charged_micro, coins("0.55"));
    assert_eq!(receipt.reason, EndReason::Interrupted);
    service.stop().await.unwrap();
    check_books(&place.path, "1.45").await;
}

#[tokio::test]
async fn without_signaling_everything_is_settled_and_the_service_ends() {
    let place = place();
    let mut service = Running::start(&place.path).await;
    service.credit("2.00").await;
    service.open().await;
    service.report(5_000, true);
    service.charged("0.50").await;
    drop(service.signaling);
    tokio::time::timeout(DEADLINE, service.task).await.unwrap().unwrap().unwrap();
    check_books(&place.path, "1.50").await;
}

#[tokio::test]
async fn a_store_that_fails_at_first_is_tried_again() {
    let place = place();
    let mut service = Running::start(&place.path).await;
    service.credit("2.00").await;
    service.open().await;
    service.report(5_000, false);
    service.charged("0.50").await;
    service.kill().await;
    let store = Sqlite::open(&place.path).await.unwrap();
    let mut service = Running::on(Troubled(store, Trouble::FirstLook(false.into())));
    assert_eq!(service.settled().await.charged_micro, coins("0.50"));
    service.stop().await.unwrap();
    check_books(&place.path, "1.50").await;
}

#[tokio::test]
async fn a_service_whose_store_hangs_stops_all_the_same() {
    let place = place();
    let store = Sqlite::open(&place.path).await.unwrap();
    let asked = Arc::new(Notify::new());
    let mut service = Running::on(Troubled(store, Trouble::Charging(asked.clone())));
    service.credit("2.00").await;
    service.open().await;
    service.report(5_000, true);
    tokio::time::timeout(DEADLINE, asked.notified()).await.unwrap();
    let ended = service.stop().await;
    assert!(matches!(ended, Err(Error::NotSettled { calls: 1 })), "{ended:?}");
}

#[tokio::test]
async fn a_service_that_can_not_settle_stops_all_the_same_and_the_next_start_settles() {
    let place = place();
    let mut service = Running::start(&place.path).await;
    service.credit("2.00").await;
    service.open().await;
    service.report(5_000, true);
    service.charged("0.50").await;
    let file =
        SqlitePool::connect_with(SqliteConnectOptions::new().filename(&place.path)).await.unwrap();
    let full =
        "CREATE TRIGGER full BEFORE INSERT ON posting BEGIN SELECT raise(ABORT, 'full'); END";
    sqlx::query(full).execute(&file).await.unwrap();
    let ended = service.stop().await;
    assert!(matches!(ended, Err(Error::NotSettled { calls: 1 })), "{ended:?}");

    sqlx::query("DROP TRIGGER full").execute(&file).await.unwrap();
    file.close().await;
    let mut service = Running::start(&place.path).await;
    assert_eq!(service.settled().await.charged_micro, coins("0.50"));
    service.stop().await.unwrap();
    check_books(&place.path, "1.50").await;
}

#[tokio::test]
async fn a_failing_store_turns_openers_away_but_ends_no_call() {
    let place = place();
    let mut service = Running::start(&place.path).await;
    service.credit("2.00").await;
    service.open().await;
    service.report(1_000, false);
    service.charged("0.10").await;

    let file =
        SqlitePool::connect_with(SqliteConnectOptions::new().filename(&place.path)).await.unwrap();
    for statement in [
        "CREATE TRIGGER full_1 BEFORE UPDATE ON call BEGIN SELECT raise(ABORT, 'full'); END",
        "CREATE TRIGGER full_2 BEFORE INSERT ON call BEGIN SELECT raise(ABORT, 'full'); END",
    ] {
        sqlx::query(statement).execute(&file).await.unwrap();
    }
    service.report(2_000, false);
    let other = CallId(Uuid::from_u128(2));
    service.say(MeterCommand::Open { call: other, terms: terms() });
    assert_eq!(refusal(&mut service).await, ErrorCode::BillingUnavailable);
    service.report(3_000, false);
    service.say(MeterCommand::End { call: CALL, reason: EndReason::HungUpByHost });
    service.report(3_500, true);

    for statement in ["DROP TRIGGER full_1", "DROP TRIGGER full_2"] {
        sqlx::query(statement).execute(&file).await.unwrap();
    }
    file.close().await;
    assert_eq!(service.settled().await.charged_micro, coins("0.35"));
    service.stop().await.unwrap();
    check_books(&place.path, "1.65").await;
}

#[tokio::test]
async fn settings_out_of_range_are_refused() {
    let place = place();
    let store = Sqlite::open(&place.path).await.unwrap();
    let ((_a, signaling), (_b, relay)) = (link::pair(), link::pair());
    let (_trigger, shutdown) = Shutdown::new();
    let config = Config { tick_ms: ElapsedMs(0), ..Config::default() };
    let ended = run(config, store, Clock::start(), signaling, relay, shutdown).await;
    assert!(matches!(ended, Err(Error::Config(_))), "{ended:?}");
}
