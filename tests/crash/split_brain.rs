//! A replica of Redis is promoted while the old master still takes writes, also of the meter itself:
//! charges are exact again within two ticks, whichever of its connections leads to whom.

use crate::auditor;
use crate::book::{Promise, Story};
use crate::ledger::Ledger;
use crate::switch::Switch;
use billing_core::{
    Checkpoint, Credit, CreditKind, End, EndReason, OpenCall, Opening, Proven, Settled, Settlement,
    Target, Tariff, Terms,
};
use std::collections::BTreeMap;
use std::time::Duration;
use store::{Error, Options, Postgres, Redis, Store};
use test_servers::{AppendOnly, Postgres as Database, Redis as Server, RedisOptions};
use tokio::task::block_in_place;
use units::{
    CallId, ElapsedMs, Medium, MeterId, MicroCoins, Rate, Rates, Shard, ShareBps, UnixMs, UserId,
};
use uuid::Uuid;

/// Fans, each with a call and a shard of their own.
const FANS: u64 = 24;

/// Longer than the test may take: leases are not what is tried here.
const TTL: ElapsedMs = ElapsedMs(120_000);

/// What every fan begins with, in micro-coins, and what some buy later.
const BOUGHT: u64 = 2_000_000;

type Both = Store<Redis, Postgres>;

/// A fan's wallet and call as they should be: plain sums, in an arithmetic of the test's own.
#[derive(Clone, Debug)]
struct Model {
    user: UserId,
    call: CallId,
    per_minute: u64,
    credited: u64,
    /// The ids of its credits.
    bought: Vec<String>,
    media_ms: u64,
}

impl Model {
    fn new(n: u64) -> Self {
        Self {
            user: format!("fan:{n}").parse().unwrap(),
            call: CallId(Uuid::from_u128(u128::from(n) + 1)),
            // From 1 to 47 coins a minute: the dearest run out of funds on the way.
            per_minute: (2 * n + 1) * 1_000_000,
            credited: 0,
            bought: Vec::new(),
            media_ms: 0,
        }
    }

    /// What the media cost, whether it can be paid or not.
    fn target(&self) -> u64 {
        self.per_minute * self.media_ms / 60_000
    }

    fn charge(&self) -> u64 {
        self.target().min(self.credited)
    }

    fn terms(&self) -> Terms {
        let rate = Rate::per_minute(self.per_minute).unwrap();
        Terms {
            fan: self.user.clone(),
            host: "host".parse().unwrap(),
            medium: Medium::Voice,
            tariff: Tariff::plain(Rates::flat(rate)),
            host_share: ShareBps::new(7_000).unwrap(),
        }
    }

    fn asked(&self) -> Target {
        let charge = MicroCoins::new(self.target()).unwrap();
        let proven = Proven::voice(ElapsedMs(self.media_ms));
        Target { call: self.call, fan: self.user.clone(), charge, proven }
    }

    async fn buy(&mut self, store: &Both, id: &str) {
        let id = format!("{id}:{}", self.user);
        let credit = Credit {
            id: id.clone(),
            user: self.user.clone(),
            amount: MicroCoins::new(BOUGHT).unwrap(),
            kind: CreditKind::Purchase,
            at: UnixMs(1),
        };
        patiently(async || store.credit(&credit).await).await;
        self.credited += BOUGHT;
        self.bought.push(id);
    }

    async fn open(&self, store: &Both) {
        let (terms, minimum) = (self.terms(), MicroCoins::ZERO);
        let open = OpenCall { call: self.call, terms, minimum, at: UnixMs(1) };
        let opening = patiently(async || store.open_call(&open).await).await;
        assert!(matches!(opening, Opening::Open { .. }), "{opening:?}");
    }
}

/// Asks again while no server answers: a meter does the same at every tick.
async fn patiently<T>(mut ask: impl AsyncFnMut() -> Result<T, Error>) -> T {
    for _ in 0..600 {
        match ask().await {
            Ok(answer) => return answer,
            Err(error @ (Error::Redis(_) | Error::Unsettled | Error::Database(_))) => {
                println!("asked again: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("nobody answers")
}

/// One tick: everything carries so much more media; what the store says each was charged.
async fn tick(store: &Both, models: &mut [Model], ms: u64) -> BTreeMap<CallId, u64> {
    for model in models.iter_mut() {
        model.media_ms += ms;
    }
    apply(store, models).await
}

async fn apply(store: &Both, models: &[Model]) -> BTreeMap<CallId, u64> {
    let targets: Vec<Target> = models.iter().map(Model::asked).collect();
    let applied = patiently(async || store.apply(UnixMs(2), &targets).await).await;
    let total = |coins: units::Coins| coins.total().unwrap().micro();
    applied.charged.into_iter().map(|(call, charged)| (call, total(charged))).collect()
}

fn exact(models: &[Model]) -> BTreeMap<CallId, u64> {
    models.iter().map(|model| (model.call, model.charge())).collect()
}

fn wrong(models: &[Model], found: &BTreeMap<CallId, u64>) -> usize {
    models.iter().filter(|model| found.get(&model.call) != Some(&model.charge())).count()
}

async fn checkpoint(store: &Both, models: &[Model]) {
    let row = |model: &Model| Checkpoint {
        call: model.call,
        fan: model.user.clone(),
        proven: Proven::voice(ElapsedMs(model.media_ms)),
        charged: units::Coins {
            paid: MicroCoins::new(model.charge()).unwrap(),
            ..Default::default()
        },
        evidence: Vec::new(),
    };
    let rows: Vec<Checkpoint> = models.iter().map(row).collect();
    patiently(async || store.checkpoint(UnixMs(3), &rows).await).await;
}

async fn store(redis: &str, database: &str) -> Both {
    let ledger = Postgres::open(database).await.unwrap();
    let meter = MeterId(Uuid::from_u128(1));
    Store::new(Redis::one(redis).unwrap(), ledger, Options::new(meter))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_split_brain_is_exact_again_within_two_ticks() {
    let (old, database) = block_in_place(|| {
        let append_only = AppendOnly::EverySecond;
        let redis = Server::start(RedisOptions { append_only, ..RedisOptions::default() });
        (redis.unwrap(), Database::start().unwrap())
    });
    let url = database.database().unwrap();
    let switch = Switch::to(old.port()).await;
    let meter = store(&switch.url, &url).await;
    let held = patiently(async || meter.hold(Shard::COUNT, TTL).await).await;
    assert_eq!(held.shards.len(), usize::from(Shard::COUNT));

    let mut models: Vec<Model> = (0..FANS).map(Model::new).collect();
    for model in &mut models {
        model.buy(&meter, "first").await;
        model.open(&meter).await;
    }
    tick(&meter, &mut models, 1_003).await;
    checkpoint(&meter, &models).await;
    tick(&meter, &mut models, 997).await;

    // The replica has all of this, and nothing of what follows.
    let new = block_in_place(|| {
        let new = Server::start(RedisOptions {
            append_only: AppendOnly::EverySecond,
            replica_of: Some(old.port()),
            ..RedisOptions::default()
        });
        let new = new.unwrap();
        new.wait_for_master().unwrap();
        new.promote().unwrap();
        new
    });
    let mut told = BTreeMap::new();
    for n in 0..3 {
        for model in models.iter_mut().skip(n).step_by(3) {
            model.buy(&meter, "second").await;
        }
        told = tick(&meter, &mut models, 1_501).await;
        assert_eq!(told, exact(&models), "before the failover");
    }
    let mut late = Model::new(FANS);
    late.buy(&meter, "first").await;
    late.open(&meter).await;
    models.push(late);
    told.extend(tick(&meter, &mut models, 700).await);

    // Half of the wallets go to the new master, the others to the old one, which still takes writes.
    switch.lead_second_to(new.port());
    exact_within_two_ticks(&meter, &mut models, "with two masters").await;
    let before = written(&old);
    told.extend(tick(&meter, &mut models, 1_000).await);
    assert_eq!(told, exact(&models), "with two masters");
    assert!(written(&old) > before, "the old master takes no writes any more");
    // Then nobody is left at the old one.
    switch.cut_all();
    exact_within_two_ticks(&meter, &mut models, "with the new master").await;
    let before = written(&old);
    assert_eq!(tick(&meter, &mut models, 1_000).await, exact(&models));
    assert_eq!(written(&old), before, "the old master still takes writes");
    for (call, told) in &told {
        assert!(exact(&models)[call] >= *told, "what was told is lost");
    }

    settle(&meter, &models).await;
    assert!(models.iter().any(|model| model.target() > model.credited), "nobody ran out of funds");
    audited(&meter, &models, &told, &url).await;
}

async fn exact_within_two_ticks(store: &Both, models: &mut [Model], when: &str) {
    for n in 1..=2 {
        let found = tick(store, models, 1_000).await;
        let wrong = wrong(models, &found);
        println!("tick {n} {when}: {wrong} of {} charges wrong", models.len());
        if wrong == 0 {
            return;
        }
    }
    panic!("charges are not exact after two ticks {when}");
}

/// How many commands changed something at a server.
fn written(server: &Server) -> u64 {
    let told = block_in_place(|| server.ask("INFO persistence")).unwrap();
    let line = told.lines().find_map(|line| line.strip_prefix("rdb_changes_since_last_save:"));
    line.unwrap().trim().parse().unwrap()
}

async fn settle(store: &Both, models: &[Model]) {
    let settlement = |model: &Model| Settlement {
        target: model.asked(),
        end: Some(End { reason: EndReason::HungUpByFan, at: UnixMs(9) }),
        evidence: Vec::new(),
    };
    let settlements: Vec<Settlement> = models.iter().map(settlement).collect();
    for _ in 0..2 {
        let settled = patiently(async || store.settle(&settlements).await).await;
        for (model, settled) in models.iter().zip(settled) {
            let Settled::Final { receipt, funds, .. } = settled else { panic!("{settled:?}") };
            assert_eq!(receipt.total().micro(), model.charge());
            assert_eq!(funds.micro(), model.credited - model.charge());
        }
    }
}

/// By the product's own audit, and by ours.
async fn audited(store: &Both, models: &[Model], told: &BTreeMap<CallId, u64>, database: &str) {
    let found = patiently(async || store.audit().await).await;
    assert!(found.is_empty(), "{found:?}");
    let story = |model: &Model| Story {
        fan: model.user.clone(),
        host: "host".parse().unwrap(),
        per_minute: model.per_minute,
        told: told.get(&model.call).copied().unwrap_or_default(),
        received_ms: Some(model.media_ms),
        stalled_ms: 0,
        receipts: Vec::new(),
        reason: None,
        lines: String::new(),
    };
    let stories = models.iter().map(|model| (model.call, story(model))).collect();
    let ledger = Ledger::read(database).await;
    let promise = |model: &Model| {
        let user = model.user.clone();
        Promise { user, micro: BOUGHT, acknowledged: true, asked: 1 }
    };
    let promises = models
        .iter()
        .flat_map(|model| model.bought.iter().map(|id| (id.clone(), promise(model))))
        .collect();
    let verdict = auditor::audit(&stories, &promises, &ledger);
    assert!(verdict.crimes.is_empty(), "{verdict}");
    let credited: u64 = models.iter().map(|model| model.credited).sum();
    assert_eq!(verdict.credited, credited);
}
