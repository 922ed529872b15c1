//! What the tests say in few words: users, calls, credits, and stores to try them on.

use billing_core::{
    Change, Checkpoint, Credit, CreditKind, End, EndReason, EvidenceRecord, OpenCall, Payer, Plan,
    Proven, RefundReason, Settled, Settlement, Spend, SpendKind, Target, Tariff, Terms,
};
use std::sync::Arc;
use store::{Error, Hot, Ledger, Options, Postgres, Redis, Sqlite, Store, hot, ledger};
use tempfile::TempDir;
use test_servers::{Cluster, Engine, Redis as Server, RedisOptions};
use units::{
    CallId, Coins, ElapsedMs, Medium, MeterId, MicroCoins, Rate, Rates, ShareBps, SpendId, UnixMs,
    UserId,
};
use uuid::Uuid;

pub(crate) const TTL: ElapsedMs = ElapsedMs(10_000);

pub(crate) fn coins(text: &str) -> MicroCoins {
    text.parse().unwrap()
}

/// Coins as `paid+promo`.
pub(crate) fn kinds(text: &str) -> Coins {
    let (paid, promo) = text.split_once('+').unwrap();
    Coins { paid: coins(paid), promo: coins(promo) }
}

pub(crate) fn user(n: u8) -> UserId {
    format!("user:{n}").parse().unwrap()
}

pub(crate) fn host() -> UserId {
    "host".parse().unwrap()
}

pub(crate) fn call(n: u8) -> CallId {
    CallId(Uuid::from_u128(u128::from(n) + 1))
}

pub(crate) fn meter(n: u8) -> MeterId {
    MeterId(Uuid::from_u128(u128::from(n)))
}

/// Call `n` of fan `n % 2`, at `n + 1` coins per minute, the first `n` tenths of a second free.
pub(crate) fn terms(n: u8) -> Terms {
    let rate = Rate::per_minute(u64::from(n + 1) * 1_000_000).unwrap();
    Terms {
        fan: user(n % 2),
        host: host(),
        medium: Medium::ALL[usize::from(n % 2)],
        tariff: Tariff { free: ElapsedMs(u64::from(n) * 100), ..Tariff::plain(Rates::flat(rate)) },
        host_share: ShareBps::new(7_001).unwrap(),
    }
}

pub(crate) fn open(n: u8, minimum: &str) -> OpenCall {
    let at = UnixMs(1_000 + u64::from(n));
    OpenCall { call: call(n), terms: terms(n), minimum: coins(minimum), at }
}

pub(crate) fn target(n: u8, media_ms: u64) -> Target {
    let proven = Proven::voice(ElapsedMs(media_ms));
    let charge = Plan::new(terms(n).tariff).charge(proven);
    Target { call: call(n), fan: user(n % 2), charge, proven }
}

pub(crate) fn settlement(n: u8, media_ms: u64) -> Settlement {
    let end = End { reason: EndReason::HungUpByFan, at: UnixMs(9_000 + media_ms) };
    Settlement { target: target(n, media_ms), end: Some(end), evidence: Vec::new() }
}

pub(crate) fn interim(n: u8, media_ms: u64) -> Settlement {
    Settlement { end: None, ..settlement(n, media_ms) }
}

pub(crate) fn credit(id: &str, n: u8, amount: &str) -> Credit {
    let (id, user, amount) = (id.to_owned(), user(n), coins(amount));
    Credit { id, user, amount, kind: CreditKind::Purchase, at: UnixMs(1) }
}

pub(crate) fn promo(id: &str, n: u8, amount: &str) -> Credit {
    Credit { kind: CreditKind::Promo, ..credit(id, n, amount) }
}

pub(crate) fn refund(id: &str, n: u8, of: u8, amount: &str, payer: Payer) -> Credit {
    let kind = CreditKind::Refund { call: call(of), payer, reason: RefundReason::Support };
    Credit { kind, ..credit(id, n, amount) }
}

pub(crate) fn gift(id: u8, n: u8, amount: &str) -> Spend {
    let host_share = ShareBps::new(5_000).unwrap();
    let kind = SpendKind::Gift { host: host(), host_share };
    let id = SpendId(Uuid::from_u128(u128::from(id) + 1_000));
    Spend { id, fan: user(n), amount: coins(amount), kind, at: UnixMs(3) }
}

pub(crate) fn chargeback(id: u8, n: u8, amount: &str) -> Spend {
    Spend { kind: SpendKind::Chargeback, ..gift(id, n, amount) }
}

pub(crate) fn change(number: u32, from_ms: u64, per_minute: u64) -> Change {
    let rate = Rate::per_minute(per_minute * 1_000_000).unwrap();
    Change { n: number, from: Proven::voice(ElapsedMs(from_ms)), rates: Rates::flat(rate) }
}

/// Hot balances and a ledger.
pub(crate) struct Pair<H, L> {
    pub(crate) hot: Arc<H>,
    pub(crate) ledger: Arc<L>,
}

pub(crate) type Shared<H, L> = Store<Arc<H>, Arc<L>>;

impl Pair<hot::Memory, ledger::Memory> {
    /// The model of both.
    pub(crate) async fn memory() -> (Self, ()) {
        (Self { hot: Arc::default(), ledger: Arc::default() }, ())
    }
}

impl Pair<hot::Memory, Sqlite> {
    /// One machine.
    pub(crate) async fn sqlite() -> (Self, TempDir) {
        let dir = TempDir::new().unwrap();
        let ledger = Sqlite::open(dir.path().join("books")).await.unwrap();
        (Self { hot: Arc::default(), ledger: Arc::new(ledger) }, dir)
    }
}

impl Pair<Redis, ledger::Memory> {
    /// One server that holds hot balances.
    pub(crate) async fn redis(engine: Engine) -> (Self, Server) {
        let server = Server::start(RedisOptions { engine, ..RedisOptions::default() }).unwrap();
        let hot = Redis::one(&server.url()).unwrap();
        (Self { hot: Arc::new(hot), ledger: Arc::default() }, server)
    }

    /// A cluster that does.
    pub(crate) async fn redis_cluster() -> (Self, Cluster) {
        let cluster = Cluster::start(Engine::Redis, 3).unwrap();
        let hot = Redis::cluster(&cluster.urls()).unwrap();
        (Self { hot: Arc::new(hot), ledger: Arc::default() }, cluster)
    }
}

impl Pair<hot::Memory, Postgres> {
    /// A database of its own on the server that all tests share.
    pub(crate) async fn postgres() -> (Self, ()) {
        let url = test_servers::Postgres::shared().unwrap().database().unwrap();
        let ledger = Arc::new(Postgres::open(&url).await.unwrap());
        (Self { hot: Arc::default(), ledger }, ())
    }
}

impl<H: Hot, L: Ledger> Pair<H, L> {
    /// A store in the name of a meter, which holds nothing yet.
    pub(crate) fn store(&self, options: Options) -> Shared<H, L> {
        Store::new(Arc::clone(&self.hot), Arc::clone(&self.ledger), options)
    }

    /// A store that holds every shard.
    pub(crate) async fn holding(&self) -> Shared<H, L> {
        let store = self.store(Options::new(meter(1)));
        // As a meter does on a busy machine: what was taken so far is taken over next time.
        for _ in 0..10 {
            match store.hold(1_024, TTL).await {
                Ok(held) if held.shards.len() == 1_024 => return store,
                Ok(_) | Err(Error::Redis(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        panic!("not all shards can be held");
    }
}

/// Whether hot balances and the ledger agree, whichever shards are asked for, and the ledger with
/// itself.
pub(crate) async fn agree<H: Hot, L: Ledger>(store: &Shared<H, L>) {
    for _ in 0..16 {
        let differences = store.reconcile().await.unwrap();
        assert!(differences.iter().all(|(_, found)| *found == 0), "{differences:?}");
    }
    assert_eq!(store.audit().await.unwrap(), []);
}

/// Applies one target; what the call was charged and what is left.
pub(crate) async fn tick<H: Hot, L: Ledger>(
    store: &Shared<H, L>,
    n: u8,
    media_ms: u64,
) -> (Coins, MicroCoins) {
    let applied = store.apply(UnixMs(5), &[target(n, media_ms)]).await.unwrap();
    let [(of, charged)] = applied.charged[..] else { panic!("{applied:?}") };
    let [(_, funds)] = applied.funds[..] else { panic!("{applied:?}") };
    assert_eq!(of, call(n));
    (charged, funds)
}

/// Writes a call's progress down as it is in hot balances.
pub(crate) async fn checkpoint<H: Hot, L: Ledger>(
    store: &Shared<H, L>,
    n: u8,
    media_ms: u64,
    evidence: Vec<EvidenceRecord>,
) {
    let (charged, _) = tick(store, n, media_ms).await;
    let Target { call, fan, proven, .. } = target(n, media_ms);
    let row = Checkpoint { call, fan, proven, charged, evidence };
    store.checkpoint(UnixMs(6), &[row]).await.unwrap();
}

/// Settles one call.
pub(crate) async fn settle<H: Hot, L: Ledger>(
    store: &Shared<H, L>,
    settlement: Settlement,
) -> Settled {
    let [settled] = &store.settle(&[settlement]).await.unwrap()[..] else { panic!("one") };
    settled.clone()
}
