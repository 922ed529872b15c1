//! The service over real links, a real clock and real SQLite files.
#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "a test waits for one kind of event and passes over the others"
)]

mod troubled;

use billing_meter::{Config, Error, Surroundings, run};
use prometheus::Registry;
use protocol::ErrorCode;
use protocol::client::{EndReason, Receipt};
use protocol::service::{
    CallTerms, Carried, CreditKind, MediaReport, MeterCommand, MeterEvent, RelayLimit,
};
use service_kit::link::{self, Link};
use service_kit::operations::Readiness;
use service_kit::{Clock, Shutdown, Trigger};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use store::{Hot, Ledger, Options, Sqlite, Store, hot};
use tempfile::TempDir;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use troubled::{Trouble, Troubled};
use units::{CallId, ElapsedMs, Medium, MeterId, MicroCoins, Rates, SpendId, UserId};
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

fn end(reason: EndReason) -> MeterCommand {
    let told = ElapsedMs::ZERO;
    MeterCommand::End { call: CALL, fan: fan(), reason, proven_ms: told, video_ms: told }
}

fn terms() -> CallTerms {
    CallTerms {
        fan: fan(),
        host: "meera".parse().unwrap(),
        medium: Medium::Video,
        rates: Rates::flat("6.00".parse().unwrap()),
    }
}

/// A store of one machine over that database.
fn store(books: Sqlite) -> Store<hot::Memory, Sqlite> {
    store_on(hot::Memory::default(), books)
}

fn store_on<H: Hot>(hot: H, books: Sqlite) -> Store<H, Sqlite> {
    Store::new(hot, books, Options { inline_checkpoint: true, ..Options::new(MeterId::ALONE) })
}

/// A running service, with the other ends of its links.
struct Running {
    signaling: Link<MeterCommand, MeterEvent>,
    relay: Link<MediaReport, RelayLimit>,
    trigger: Trigger,
    task: JoinHandle<Result<(), Error>>,
    registry: Registry,
    readiness: Readiness,
}

impl Running {
    async fn start(path: &Path) -> Self {
        Self::on(store(Sqlite::open(path).await.unwrap()), true)
    }

    fn on<H: Hot, L: Ledger>(store: Store<H, L>, alone: bool) -> Self {
        let (signaling, to_signaling) = link::pair();
        let (relay, to_relay) = link::pair();
        let (trigger, shutdown) = Shutdown::new();
        let (registry, readiness) = (Registry::new(), Readiness::default());
        let surroundings = Surroundings {
            clock: Clock::start(),
            registry: registry.clone(),
            ready: readiness.condition("billing meter"),
            alone,
            presents: Vec::new(),
        };
        let config =
            Config { tick_ms: ElapsedMs(20), lease_ms: ElapsedMs(5_000), ..Config::default() };
        let service = run(config, store, surroundings, to_signaling, to_relay, shutdown);
        Self { signaling, relay, trigger, task: tokio::spawn(service), registry, readiness }
    }

    /// The sum of a metric's values, once it is at least that.
    async fn metric(&self, name: &str, at_least: u64) {
        let reached = async {
            loop {
                let families = self.registry.gather();
                let family = families.iter().find(|family| family.name() == name);
                let metrics = family.map(|family| family.get_metric()).unwrap_or_default();
                let values = metrics.iter().map(|metric| {
                    metric.get_counter().get_value() + metric.get_gauge().get_value()
                });
                if values.map(|value| value.round() as u64).sum::<u64>() >= at_least {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(DEADLINE, reached).await.expect(name);
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
        self.say(MeterCommand::Credit {
            request: 9,
            user: fan(),
            amount: coins(amount),
            id,
            kind: CreditKind::Purchase,
        });
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
    let store = store(Sqlite::open(path).await.unwrap());
    let held = store.hold(1_024, ElapsedMs(60_000)).await.unwrap();
    assert_eq!((held.shards.len(), held.adopted), (1_024, vec![]));
    for (rule, count) in store.reconcile().await.unwrap() {
        assert_eq!(count, 0, "{rule}");
    }
    assert_eq!(store.funds(&fan()).await.unwrap(), coins(funds));
    assert_eq!(store.audit().await.unwrap(), []);
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
    service.say(end(EndReason::HungUpByFan));
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
    service.say(end(EndReason::FundsExhausted));
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
    service.say(MeterCommand::Credit {
        request: 2,
        user: fan(),
        amount: coins("1.00"),
        id,
        kind: CreditKind::Purchase,
    });
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
                service.say(end(EndReason::HungUpByHost));
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

        let books = store(Sqlite::open(&place.path).await.unwrap());
        let bill = books.receipt(CALL).await.unwrap().map(|receipt| receipt.total());
        let evidence = MicroCoins::new(evidence_ms * 100).unwrap();
        let bill = bill.unwrap_or_default();
        assert!(bill <= evidence, "{moment}: {bill} > {evidence}");
        drop(books);
        let left = coins("2.00").checked_sub(bill).unwrap();
        check_books(&place.path, &left.to_string()).await;
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
    let books = Sqlite::open(&place.path).await.unwrap();
    let hot = Troubled::new(Trouble::FirstLook(false.into()));
    let mut service = Running::on(store_on(hot, books), true);
    assert_eq!(service.settled().await.charged_micro, coins("0.50"));
    service.stop().await.unwrap();
    check_books(&place.path, "1.50").await;
}

#[tokio::test]
async fn a_service_whose_store_hangs_stops_all_the_same() {
    let place = place();
    let books = Sqlite::open(&place.path).await.unwrap();
    let asked = Arc::new(Notify::new());
    let hot = Troubled::new(Trouble::Charging(asked.clone()));
    let mut service = Running::on(store_on(hot, books), true);
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
        "CREATE TRIGGER full_1 BEFORE UPDATE ON progress BEGIN SELECT raise(ABORT, 'full'); END",
        "CREATE TRIGGER full_2 BEFORE INSERT ON call BEGIN SELECT raise(ABORT, 'full'); END",
    ] {
        sqlx::query(statement).execute(&file).await.unwrap();
    }
    service.report(2_000, false);
    service.metric("billing_meter_store_failures_total", 1).await;
    assert_eq!(service.readiness.reasons(), ["billing meter: the store does not answer"]);
    let other = CallId(Uuid::from_u128(2));
    service.say(MeterCommand::Open { call: other, terms: terms() });
    assert_eq!(refusal(&mut service).await, ErrorCode::BillingUnavailable);
    service.report(3_000, false);
    service.say(end(EndReason::HungUpByHost));
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
    let store = store(Sqlite::open(&place.path).await.unwrap());
    let ((_a, signaling), (_b, relay)) = (link::pair(), link::pair());
    let (_trigger, shutdown) = Shutdown::new();
    let config = Config { tick_ms: ElapsedMs(0), ..Config::default() };
    let surroundings = Surroundings {
        clock: Clock::start(),
        registry: Registry::new(),
        ready: Readiness::default().condition("billing meter"),
        alone: true,
        presents: Vec::new(),
    };
    let ended = run(config, store, surroundings, signaling, relay, shutdown).await;
    assert!(matches!(ended, Err(Error::Config(_))), "{ended:?}");
}

/// The answer to request 5: the balance, or the code of the refusal.
async fn answer(service: &mut Running, command: MeterCommand) -> Result<MicroCoins, ErrorCode> {
    service.say(command);
    service
        .hear(|event| match event {
            MeterEvent::Balance { request: 5, balance, .. } => Some(Ok(*balance)),
            MeterEvent::Failed { request: 5, code } => Some(Err(*code)),
            _ => None,
        })
        .await
}

#[tokio::test]
async fn gifts_refunds_and_chargebacks_in_the_middle_of_a_call() {
    let place = place();
    let mut service = Running::start(&place.path).await;
    service.credit("5.00").await;
    service.open().await;
    let gift = |id: u128, amount: &str| MeterCommand::Gift {
        request: 5,
        id: SpendId(Uuid::from_u128(id)),
        fan: fan(),
        host: "meera".parse().unwrap(),
        amount: coins(amount),
    };
    let more = |id: &str, amount: &str, kind| MeterCommand::Credit {
        request: 5,
        user: fan(),
        amount: coins(amount),
        id: id.to_owned(),
        kind,
    };
    for (command, expected) in [
        (gift(1, "2.00"), Ok(coins("3.00"))),
        (gift(1, "2.00"), Ok(coins("3.00"))),
        (gift(1, "1.00"), Err(ErrorCode::BillingIdReused)),
        (gift(2, "3.01"), Err(ErrorCode::BillingNoFunds)),
        (more("order-1", "6.00", CreditKind::Purchase), Err(ErrorCode::BillingIdReused)),
        (more("welcome", "1.00", CreditKind::Promo), Ok(coins("4.00"))),
    ] {
        assert_eq!(answer(&mut service, command.clone()).await, expected, "{command:?}");
    }
    service.report(10_000, true);
    service.charged("1.00").await;
    service.say(end(EndReason::HungUpByFan));
    let receipt = service.settled().await;
    assert_eq!((receipt.paid_micro, receipt.promo_micro), (coins("0.00"), coins("1.00")));
    let chargeback = MeterCommand::Chargeback {
        request: 5,
        id: SpendId(Uuid::from_u128(3)),
        fan: fan(),
        amount: coins("5.00"),
    };
    assert_eq!(answer(&mut service, chargeback).await, Ok(coins("0.00")));
    service.say(MeterCommand::Open { call: CallId(Uuid::from_u128(2)), terms: terms() });
    assert_eq!(refusal(&mut service).await, ErrorCode::BillingBlocked);
    service.stop().await.unwrap();
    check_books(&place.path, "0.00").await;
}

#[tokio::test]
async fn a_change_is_told_and_priced_from_where_it_begins() {
    let place = place();
    let mut service = Running::start(&place.path).await;
    service.credit("5.00").await;
    service.open().await;
    service.report(10_000, false);
    service.charged("1.00").await;
    let rates = Rates::flat("3.00".parse().unwrap());
    service.say(MeterCommand::Change { call: CALL, rates });
    let changed = service
        .hear(|event| match event {
            MeterEvent::Changed { rates, from_ms, .. } => Some((*rates, *from_ms)),
            _ => None,
        })
        .await;
    assert_eq!(changed, (rates, ElapsedMs(13_000)));
    service.report(20_000, true);
    service.charged("1.65").await;
    service.say(end(EndReason::HungUpByFan));
    assert_eq!(service.settled().await.charged_micro, coins("1.65"));
    service.stop().await.unwrap();
    check_books(&place.path, "3.35").await;
}

#[tokio::test]
async fn what_happens_is_counted_and_no_rule_is_broken() {
    let place = place();
    let mut service = Running::start(&place.path).await;
    service.credit("2.00").await;
    service.open().await;
    service.metric("billing_meter_shards_owned", 1_024).await;
    service.metric("billing_meter_open_calls", 1).await;
    assert_eq!(service.readiness.reasons(), [""; 0]);
    service.report(500, false);
    service.charged("0.05").await;
    service.metric("billing_meter_ticks_total", 1).await;
    service.say(end(EndReason::HungUpByFan));
    service.report(700, true);
    service.settled().await;
    service.metric("billing_meter_debited_microcoins_total", 70_000).await;
    service.metric("billing_meter_earned_microcoins_total", 49_000).await;
    service.metric("billing_meter_calls_settled_total", 1).await;
    let families = service.registry.gather();
    let rules = families
        .iter()
        .find(|family| family.name() == "billing_meter_invariant_violations")
        .unwrap();
    assert!(rules.get_metric().len() >= 3);
    for rule in rules.get_metric() {
        assert_eq!(rule.get_gauge().get_value().round() as i64, 0, "{rule:?}");
    }
    service.stop().await.unwrap();
}

/// Two meters over one ledger and one memory of hot balances, as over PostgreSQL and Redis.
#[tokio::test]
async fn a_killed_meters_calls_go_on_at_another() {
    let hot = Arc::new(hot::Memory::default());
    let books = Arc::new(store::ledger::Memory::default());
    let clock = Clock::start();
    let time = books.clone();
    let ticking = tokio::spawn(async move {
        loop {
            time.set_clock(clock.unix());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let meter = |id| {
        let options = Options::new(MeterId(Uuid::from_u128(id)));
        Running::on(Store::new(hot.clone(), books.clone(), options), false)
    };
    let mut first = meter(1);
    first.metric("billing_meter_shards_owned", 1_024).await;
    first.credit("2.00").await;
    first.open().await;
    first.report(3_000, false);
    first.charged("0.30").await;
    let mut second = meter(2);
    first.kill().await;
    // The relay tells all meters what it carried, whoever bills it.
    second.report(4_000, false);
    second.charged("0.40").await;
    second.say(end(EndReason::HungUpByFan));
    second.report(4_500, true);
    let receipt = second.settled().await;
    assert_eq!(receipt.charged_micro, coins("0.45"));
    assert_eq!(receipt.reason, EndReason::HungUpByFan);
    second.stop().await.unwrap();
    ticking.abort();
}
