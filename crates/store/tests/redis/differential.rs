//! Random sequences do the same to Redis as to the model.

use crate::wallets::{coins, neighbours, slot};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use store::hot::Memory;
use store::{Debit, Epoch, Hot, HotWallet, Mode, Redis, Surplus};
use test_servers::{Cluster, Engine, Redis as Server, RedisOptions};
use units::{Coins, MicroCoins, Shard, UserId};

/// Users and slots of a sequence: few, so that operations meet.
const USERS: u8 = 3;
const SLOTS: u8 = 3;

/// A user, what was credited and settled, and the slots with what each took.
type Named = (u8, Coins, Coins, Vec<(u8, Coins)>);

#[derive(Clone, Debug)]
enum Step {
    Restore { epoch: Epoch, wallets: Vec<Named>, surplus: Surplus },
    Debit { epoch: Epoch, debits: Vec<(u8, u8, u64, Mode)> },
    Credit { epoch: Epoch, user: u8, credited: Coins },
    Close { epoch: Epoch, closed: Vec<(u8, u8, Coins)> },
}

/// At most 2^51, so that no sum of them passes what a wallet holds.
fn amount() -> impl Strategy<Value = u64> {
    prop_oneof![3 => 0..20_u64, 1 => (1_u64 << 51) - 20..=1 << 51]
}

fn some_coins() -> impl Strategy<Value = Coins> {
    (amount(), amount()).prop_map(|(paid, promo)| coins(paid, promo))
}

/// Mostly the first owner.
fn epoch() -> impl Strategy<Value = Epoch> {
    prop_oneof![20 => Just(1_u64), 2 => Just(2), 1 => Just(10)].prop_map(Epoch)
}

fn step() -> impl Strategy<Value = Step> {
    let mode = prop_oneof![4 => Just(Mode::UpTo), 1 => Just(Mode::AllOrNothing), 1 => Just(Mode::TakeBack)];
    let slots = prop::collection::btree_map(0..SLOTS, some_coins(), 0..=3)
        .prop_map(|slots| slots.into_iter().collect());
    let totals = (some_coins(), some_coins().prop_map(|coins| (coins, coins.paid.micro() < 10)))
        .prop_map(|(credited, (settled, some))| {
            (credited, if some { settled } else { Coins::ZERO })
        });
    let wallets =
        prop::collection::btree_map(0..USERS, (totals, slots), 0..=3).prop_map(|wallets| {
            let flat = |(user, ((credited, settled), slots))| (user, credited, settled, slots);
            wallets.into_iter().map(flat).collect()
        });
    let debit = (0..USERS, 0..SLOTS, prop_oneof![amount(), Just(1 << 53)], mode);
    let surplus = prop_oneof![3 => Just(Surplus::Keep), 1 => Just(Surplus::Drop)];
    prop_oneof![
        2 => (epoch(), wallets, surplus)
            .prop_map(|(epoch, wallets, surplus)| Step::Restore { epoch, wallets, surplus }),
        5 => (epoch(), prop::collection::vec(debit, 0..6))
            .prop_map(|(epoch, debits)| Step::Debit { epoch, debits }),
        1 => (epoch(), 0..USERS, some_coins())
            .prop_map(|(epoch, user, credited)| Step::Credit { epoch, user, credited }),
        1 => (epoch(), prop::collection::vec((0..USERS, 0..SLOTS, some_coins()), 0..3))
            .prop_map(|(epoch, closed)| Step::Close { epoch, closed }),
    ]
}

/// What came of a step, as text: answers and errors alike.
async fn take(hot: &impl Hot, shard: Shard, users: &[UserId], step: &Step) -> String {
    let user = |n: &u8| users[usize::from(*n)].clone();
    match step {
        Step::Restore { epoch, wallets, surplus } => {
            let wallets: Vec<_> = wallets
                .iter()
                .map(|(n, credited, settled, slots)| HotWallet {
                    user: user(n),
                    credited: *credited,
                    settled: *settled,
                    slots: slots.iter().map(|(n, charged)| (slot(*n), *charged)).collect(),
                })
                .collect();
            format!("{:?}", hot.restore(shard, *epoch, &wallets, *surplus).await)
        }
        Step::Debit { epoch, debits } => {
            let debits: Vec<_> = debits
                .iter()
                .map(|(n, place, target, mode)| {
                    let target = MicroCoins::new(*target).unwrap();
                    Debit { user: user(n), slot: slot(*place), target, mode: *mode }
                })
                .collect();
            format!("{:?}", hot.debit(shard, *epoch, &debits).await)
        }
        Step::Credit { epoch, user: n, credited } => {
            format!("{:?}", hot.credit(shard, *epoch, &user(n), *credited).await)
        }
        Step::Close { epoch, closed } => {
            let closed: Vec<_> =
                closed.iter().map(|(n, place, coins)| (user(n), slot(*place), *coins)).collect();
            format!("{:?}", hot.close(shard, *epoch, &closed).await)
        }
    }
}

/// Plays random sequences on the model and on a redis that `empty` has emptied, over two
/// connections by turns: what one remembers of it is often past.
fn compare(connect: impl Fn() -> Redis, empty: impl Fn()) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let both = runtime.block_on(async { [connect(), connect()] });
    let (shard, users) = neighbours(usize::from(USERS));
    let sequences = prop::collection::vec((0..2_usize, step()), 1..40);
    let config = Config { cases: 150, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&sequences, |steps| {
        empty();
        runtime.block_on(async {
            let memory = Memory::default();
            for (turn, step) in &steps {
                let redis = &both[*turn];
                let expected = take(&memory, shard, &users, step).await;
                let found = take(redis, shard, &users, step).await;
                prop_assert_eq!(found, expected, "{:?}", step);
                for user in &users {
                    let found = redis.wallet(user).await;
                    let expected = memory.wallet(user).await.unwrap();
                    prop_assert_eq!(found.unwrap(), expected, "{:?}", step);
                }
            }
            Ok::<(), TestCaseError>(())
        })
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

fn empty(server: &Server) {
    assert_eq!(server.ask("FLUSHALL").unwrap(), "+OK");
}

#[test]
fn redis_does_what_the_model_does() {
    let server = Server::start(RedisOptions::default()).unwrap();
    compare(|| Redis::one(&server.url()).unwrap(), || empty(&server));
}

#[test]
fn valkey_does_what_the_model_does() {
    let options = RedisOptions { engine: Engine::Valkey, ..RedisOptions::default() };
    let server = Server::start(options).unwrap();
    compare(|| Redis::one(&server.url()).unwrap(), || empty(&server));
}

#[test]
fn a_cluster_does_what_the_model_does() {
    let cluster = Cluster::start(Engine::Redis, 3).unwrap();
    let connect = || Redis::cluster(&cluster.urls()[..1]).unwrap();
    compare(connect, || cluster.nodes.iter().for_each(empty));
}
