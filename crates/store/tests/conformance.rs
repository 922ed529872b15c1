//! One suite for every back end: the same table, and the same random sequences compared with the
//! model.
#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

use billing_core::{
    Applied, Credit, Crediting, EndReason, OpenCall, Opening, Settlement, Target, Tariff, Terms,
};
use proptest::prelude::*;
use std::future::Future;
use store::{Memory, Sqlite, Store};
use tempfile::TempDir;
use units::{CallId, ElapsedMs, Medium, MicroCoins, Rate, ShareBps, UnixMs, UserId};
use uuid::Uuid;

fn coins(text: &str) -> MicroCoins {
    text.parse().unwrap()
}

fn user(n: u8) -> UserId {
    format!("user:{n}").parse().unwrap()
}

fn call(n: u8) -> CallId {
    CallId(Uuid::from_u128(n.into()))
}

/// Call `n` of fan `n % 2`, at `n + 1` coins per minute.
fn open(n: u8, minimum: &str) -> OpenCall {
    let rate = Rate::per_minute(u64::from(n + 1) * 1_000_000).unwrap();
    let terms = Terms {
        fan: user(n % 2),
        host: user(9),
        medium: Medium::ALL[usize::from(n % 2)],
        tariff: Tariff { rate, free: ElapsedMs(u64::from(n) * 100) },
        host_share: ShareBps::new(7_001).unwrap(),
    };
    OpenCall { call: call(n), terms, minimum: coins(minimum), at: UnixMs(1_000 + u64::from(n)) }
}

fn target(n: u8, media_ms: u64) -> Target {
    let media = ElapsedMs(media_ms);
    Target { call: call(n), charge: open(n, "0").terms.tariff.charge(media), media }
}

fn settlement(n: u8, media_ms: u64) -> Settlement {
    Settlement {
        target: target(n, media_ms),
        reason: EndReason::HungUpByFan,
        ended_at: UnixMs(9_000 + media_ms),
    }
}

fn credit(id: &str, n: u8, amount: &str) -> Credit {
    Credit { id: id.to_owned(), user: user(n), amount: coins(amount), at: UnixMs(1) }
}

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

/// Runs a test against every back end.
fn everywhere<M, S>(on_memory: impl FnOnce(Memory) -> M, on_sqlite: impl FnOnce(Sqlite) -> S)
where
    M: Future<Output = ()>,
    S: Future<Output = ()>,
{
    run(on_memory(Memory::default()));
    let dir = TempDir::new().unwrap();
    run(async { on_sqlite(Sqlite::open(dir.path().join("books")).await.unwrap()).await });
}

macro_rules! conformance {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            everywhere(rules::$name, rules::$name);
        })*
    };
}

conformance! {
    a_credit_counts_once_per_id
    a_wallet_never_passes_the_largest_amount
    a_call_is_opened_once_at_its_terms_and_not_below_the_minimum
    a_charge_is_clamped_to_the_funds_and_never_falls
    a_target_of_a_call_that_is_not_open_is_passed_over
    a_call_is_settled_once
    calls_of_one_wallet_share_its_funds
    open_calls_are_those_that_are_not_settled
}

mod rules {
    use super::*;

    pub(super) async fn a_credit_counts_once_per_id(store: impl Store) {
        let added = |funds| Crediting::Added { funds: coins(funds) };
        let repeated = |funds| Crediting::Repeated { funds: coins(funds) };
        for (credit, expected) in [
            (credit("a", 0, "5"), added("5")),
            (credit("a", 0, "5"), repeated("5")),
            (credit("b", 0, "0.000001"), added("5.000001")),
            (credit("a", 0, "6"), Crediting::OtherCredit),
            (credit("a", 1, "5"), Crediting::OtherCredit),
            (credit("nothing", 0, "0"), added("5.000001")),
        ] {
            assert_eq!(store.credit(&credit).await.unwrap(), expected, "{credit:?}");
        }
        assert_eq!(store.funds(&user(0)).await.unwrap(), coins("5.000001"));
        assert_eq!(store.funds(&user(1)).await.unwrap(), MicroCoins::ZERO);
        assert_eq!(store.audit().await.unwrap(), []);
    }

    pub(super) async fn a_wallet_never_passes_the_largest_amount(store: impl Store) {
        let largest = credit("a", 0, &MicroCoins::MAX.to_string());
        store.credit(&largest).await.unwrap();
        let more = credit("b", 0, "0.000001");
        assert_eq!(store.credit(&more).await.unwrap(), Crediting::TooLarge);
        assert_eq!(store.funds(&user(0)).await.unwrap(), MicroCoins::MAX);
        assert_eq!(store.audit().await.unwrap(), []);
    }

    pub(super) async fn a_call_is_opened_once_at_its_terms_and_not_below_the_minimum(
        store: impl Store,
    ) {
        assert_eq!(store.open_call(&open(0, "0.000001")).await.unwrap(), Opening::NoFunds);
        store.credit(&credit("a", 0, "5")).await.unwrap();
        assert_eq!(store.open_call(&open(0, "5.000001")).await.unwrap(), Opening::NoFunds);
        assert_eq!(store.open_calls().await.unwrap(), []);
        let fresh =
            Opening::Open { charged: MicroCoins::ZERO, media: ElapsedMs::ZERO, funds: coins("5") };
        assert_eq!(store.open_call(&open(0, "5")).await.unwrap(), fresh);
        store.apply(UnixMs(5), &[target(0, 60_000)]).await.unwrap();
        let again =
            Opening::Open { charged: coins("1"), media: ElapsedMs(60_000), funds: coins("4") };
        assert_eq!(store.open_call(&open(0, "5")).await.unwrap(), again);
        let other = OpenCall { call: call(0), ..open(2, "0") };
        assert_eq!(store.open_call(&other).await.unwrap(), Opening::OtherTerms);
        let settled = store.settle(&settlement(0, 60_000)).await.unwrap().unwrap();
        let receipt = Opening::Settled(settled.receipt);
        assert_eq!(store.open_call(&open(0, "0")).await.unwrap(), receipt);
    }

    pub(super) async fn a_charge_is_clamped_to_the_funds_and_never_falls(store: impl Store) {
        store.credit(&credit("a", 0, "1.5")).await.unwrap();
        store.open_call(&open(0, "0")).await.unwrap();
        for (media_ms, charged, funds) in [
            (30_000, "0.5", "1"),
            (30_000, "0.5", "1"),
            (15_000, "0.5", "1"),
            (60_000, "1", "0.5"),
            (600_000, "1.5", "0"),
            (60_000, "1.5", "0"),
        ] {
            let applied = store.apply(UnixMs(5), &[target(0, media_ms)]).await.unwrap();
            let expected = Applied {
                charged: vec![(call(0), coins(charged))],
                funds: vec![(user(0), coins(funds))],
            };
            assert_eq!(applied, expected, "{media_ms}");
            assert_eq!(store.audit().await.unwrap(), []);
        }
        store.credit(&credit("b", 0, "1")).await.unwrap();
        let applied = store.apply(UnixMs(5), &[target(0, 600_000)]).await.unwrap();
        assert_eq!(applied.charged, [(call(0), coins("2.5"))]);
    }

    pub(super) async fn a_target_of_a_call_that_is_not_open_is_passed_over(store: impl Store) {
        store.credit(&credit("a", 0, "5")).await.unwrap();
        store.open_call(&open(0, "0")).await.unwrap();
        store.open_call(&open(2, "0")).await.unwrap();
        store.settle(&settlement(2, 0)).await.unwrap().unwrap();
        let targets = [target(7, 60_000), target(2, 60_000), target(0, 60_000)];
        let applied = store.apply(UnixMs(5), &targets).await.unwrap();
        assert_eq!(applied.charged, [(call(0), coins("1"))]);
        assert_eq!(applied.funds, [(user(0), coins("4"))]);
        assert_eq!(store.apply(UnixMs(6), &[]).await.unwrap(), Applied::default());
        assert_eq!(store.settle(&settlement(7, 0)).await.unwrap(), None);
        assert_eq!(store.receipt(call(0)).await.unwrap(), None);
        assert_eq!(store.audit().await.unwrap(), []);
    }

    pub(super) async fn a_call_is_settled_once(store: impl Store) {
        store.credit(&credit("a", 0, "5")).await.unwrap();
        store.open_call(&open(0, "0")).await.unwrap();
        store.apply(UnixMs(5), &[target(0, 60_000)]).await.unwrap();
        // A settlement that knows less than the store takes nothing back.
        let first = store.settle(&settlement(0, 30_000)).await.unwrap().unwrap();
        assert_eq!((first.receipt.charged, first.funds), (coins("1"), coins("4")));
        assert_eq!(first.receipt.media, ElapsedMs(60_000));
        let split = first.receipt.split();
        assert_eq!((split.host, split.platform), (coins("0.7001"), coins("0.2999")));
        let second = store.settle(&settlement(0, 120_000)).await.unwrap().unwrap();
        assert_eq!(second, first);
        assert_eq!(store.receipt(call(0)).await.unwrap(), Some(first.receipt));
        assert_eq!(store.funds(&user(0)).await.unwrap(), coins("4"));
        assert_eq!(store.audit().await.unwrap(), []);
    }

    pub(super) async fn calls_of_one_wallet_share_its_funds(store: impl Store) {
        store.credit(&credit("a", 0, "3")).await.unwrap();
        store.open_call(&open(0, "0")).await.unwrap();
        store.open_call(&open(2, "0")).await.unwrap();
        let targets = [target(0, 60_000), target(2, 60_200), target(0, 60_000)];
        let applied = store.apply(UnixMs(5), &targets).await.unwrap();
        assert_eq!(applied.charged, [(call(0), coins("1")), (call(2), coins("2"))]);
        assert_eq!(applied.funds, [(user(0), MicroCoins::ZERO)]);
        assert_eq!(store.audit().await.unwrap(), []);
    }

    pub(super) async fn open_calls_are_those_that_are_not_settled(store: impl Store) {
        store.credit(&credit("a", 0, "5")).await.unwrap();
        for n in [0, 2, 4] {
            store.open_call(&open(n, "0")).await.unwrap();
        }
        store.apply(UnixMs(77), &[target(4, 500)]).await.unwrap();
        store.settle(&settlement(2, 0)).await.unwrap();
        let open_calls = store.open_calls().await.unwrap();
        let seen: Vec<_> = open_calls.iter().map(|live| (live.call, live.seen_at)).collect();
        assert_eq!(seen, [(call(0), UnixMs(1_000)), (call(4), UnixMs(77))]);
        assert_eq!(open_calls[1].terms, open(4, "0").terms);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Credit(u8, u8),
    Open(u8),
    Apply(Vec<(u8, u64)>),
    Settle(u8, u64),
    Look(u8),
    /// SQLite only: the file is closed and opened again.
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let media = 0_u64..200_000;
    prop_oneof![
        2 => (0_u8..6, 0_u8..2).prop_map(|(id, n)| Step::Credit(id, n)),
        2 => (0_u8..6).prop_map(Step::Open),
        4 => proptest::collection::vec((0_u8..6, media.clone()), 0..6).prop_map(Step::Apply),
        1 => (0_u8..6, media).prop_map(|(n, ms)| Step::Settle(n, ms)),
        1 => (0_u8..6).prop_map(Step::Look),
        1 => Just(Step::Reopen),
    ]
}

/// What a store says to a step, in words that can be compared.
async fn said(store: &impl Store, step: &Step) -> String {
    match step {
        Step::Credit(id, n) => {
            let credit = credit(&id.to_string(), *n, "1.234567");
            format!("{:?}", store.credit(&credit).await.unwrap())
        }
        Step::Open(n) => format!("{:?}", store.open_call(&open(*n, "0.5")).await.unwrap()),
        Step::Apply(targets) => {
            let targets: Vec<Target> = targets.iter().map(|&(n, ms)| target(n, ms)).collect();
            format!("{:?}", store.apply(UnixMs(5), &targets).await.unwrap())
        }
        Step::Settle(n, ms) => {
            format!("{:?}", store.settle(&settlement(*n, *ms)).await.unwrap())
        }
        Step::Look(n) => format!(
            "{:?} {:?} {:?}",
            store.funds(&user(*n)).await.unwrap(),
            store.receipt(call(*n)).await.unwrap(),
            store.open_calls().await.unwrap(),
        ),
        Step::Reopen => String::new(),
    }
}

proptest! {
    // Each case waits for the disk some dozens of times.
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_does_what_the_model_does(steps in proptest::collection::vec(step(), 1..50)) {
        run(async {
            let dir = TempDir::new().unwrap();
            let path = dir.path().join("books");
            let model = Memory::default();
            let mut sqlite = Sqlite::open(&path).await.unwrap();
            for step in &steps {
                if matches!(step, Step::Reopen) {
                    sqlite.close().await;
                    sqlite = Sqlite::open(&path).await.unwrap();
                }
                assert_eq!(said(&sqlite, step).await, said(&model, step).await, "{step:?}");
            }
            for n in 0..6 {
                let look = Step::Look(n);
                assert_eq!(said(&sqlite, &look).await, said(&model, &look).await);
            }
            assert_eq!(sqlite.audit().await.unwrap(), []);
            assert_eq!(model.audit().await.unwrap(), []);
        });
    }
}
