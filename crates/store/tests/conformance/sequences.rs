//! Random sequences of whatever can happen, compared with plain arithmetic that shares no code with
//! the store: integers, both kinds of coins of a wallet as one.

use crate::books::*;
use billing_core::{Crediting, Opening, Payer, Settled, Spending};
use proptest::prelude::*;
use std::collections::BTreeMap;
use store::{Hot, Ledger, Options};
use units::{MicroCoins, Shard, UnixMs};

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// Id, user.
    Credit(u8, u8),
    /// Call, tenths of a coin.
    Refund(u8, u8),
    Open(u8),
    /// Calls and their media time, in any order, repeated and late.
    Tick(Vec<(u8, u64)>),
    Interim(u8, u64),
    Settle(u8, u64),
    /// Id, user, tenths of a coin.
    Gift(u8, u8, u8),
    Chargeback(u8, u8, u8),
    /// Hot balances lose all they have, or fall back to what they had earlier.
    Lose,
    Remember,
    FallBack,
    /// Another owner takes over.
    Handover,
}

pub(crate) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let media = 0_u64..200_000;
    let step = prop_oneof![
        3 => (0_u8..6, 0_u8..2).prop_map(|(id, n)| Step::Credit(id, n)),
        1 => (0_u8..6, 0_u8..20).prop_map(|(n, tenths)| Step::Refund(n, tenths)),
        3 => (0_u8..6).prop_map(Step::Open),
        5 => proptest::collection::vec((0_u8..6, media.clone()), 0..6).prop_map(Step::Tick),
        1 => (0_u8..6, media.clone()).prop_map(|(n, ms)| Step::Interim(n, ms)),
        2 => (0_u8..6, media).prop_map(|(n, ms)| Step::Settle(n, ms)),
        1 => (0_u8..6, 0_u8..2, 0_u8..40).prop_map(|(id, n, tenths)| Step::Gift(id, n, tenths)),
        1 => (6_u8..9, 0_u8..2, 0_u8..40)
            .prop_map(|(id, n, tenths)| Step::Chargeback(id, n, tenths)),
        1 => Just(Step::Lose),
        1 => Just(Step::Remember),
        1 => Just(Step::FallBack),
        1 => Just(Step::Handover),
    ];
    proptest::collection::vec(step, 1..60)
}

/// Plain arithmetic in micro-coins: what every wallet and call must come to.
#[derive(Debug, Default)]
struct Naive {
    credits: BTreeMap<String, (u8, u64)>,
    calls: BTreeMap<u8, Call>,
    /// User, amount, whether it is a gift, what was taken.
    spends: BTreeMap<u8, (u8, u64, bool, Option<u64>)>,
    owes: [u64; 2],
}

#[derive(Clone, Copy, Debug, Default)]
struct Call {
    charged: u64,
    media: u64,
    ended: bool,
}

impl Naive {
    fn funds(&self, n: u8) -> u64 {
        let credited: u64 =
            self.credits.values().filter(|(user, _)| *user == n).map(|(_, amount)| amount).sum();
        let calls: u64 =
            self.calls.iter().filter(|(id, _)| **id % 2 == n).map(|(_, call)| call.charged).sum();
        let spent = self.spends.values().filter(|(user, ..)| *user == n);
        let spent: u64 = spent.filter_map(|(.., taken)| *taken).sum();
        credited - calls - spent
    }

    /// Call `n` costs `n + 1` coins a minute after its free time of `n` tenths of a second.
    fn raise(&mut self, n: u8, media: u64) {
        let funds = self.funds(n % 2);
        let Some(call) = self.calls.get_mut(&n).filter(|call| !call.ended) else { return };
        let price = (u64::from(n) + 1) * 1_000_000;
        let target = media.saturating_sub(u64::from(n) * 100) * price / 60_000;
        call.media = call.media.max(media);
        call.charged += target.saturating_sub(call.charged).min(funds);
    }

    /// Promo coins from id 4 on; bought ones pay off what is owed first. Whose credit it is.
    fn credit(&mut self, id: u8, n: u8) -> u8 {
        if let Some((user, _)) = self.credits.get(&id.to_string()) {
            return *user;
        }
        let owes = &mut self.owes[usize::from(n)];
        let paid_off = if id < 4 { 1_234_567.min(*owes) } else { 0 };
        *owes -= paid_off;
        self.credits.insert(id.to_string(), (n, 1_234_567 - paid_off));
        n
    }

    fn spend(&mut self, id: u8, n: u8, amount: u64, gift: bool) -> Option<Option<u64>> {
        if let Some((user, known, kind, taken)) = self.spends.get(&id) {
            let same = (*user, *known, *kind) == (n, amount, gift);
            return same.then_some(*taken);
        }
        let funds = self.funds(n);
        let taken =
            if gift { (funds >= amount).then_some(amount) } else { Some(funds.min(amount)) };
        if !gift {
            self.owes[usize::from(n)] += amount.saturating_sub(funds);
        }
        self.spends.insert(id, (n, amount, gift, taken));
        Some(taken)
    }
}

fn micro(amount: MicroCoins) -> u64 {
    amount.micro()
}

/// Does to hot balances what a step says.
type Faults<'a> = &'a dyn Fn(&Step);

/// Plays the steps on a store and by plain arithmetic. `faults` does to hot balances what a step
/// says; the last targets are then sent again, as a meter does every tick.
#[expect(clippy::too_many_lines, reason = "one arm for each step")]
pub(crate) async fn play<H: Hot, L: Ledger>(pair: &Pair<H, L>, steps: &[Step], faults: Faults<'_>) {
    let mut owner = 1;
    let mut store = pair.holding().await;
    let mut naive = Naive::default();
    for step in steps {
        match step {
            Step::Credit(id, n) => {
                let asked = match id {
                    0..4 => credit(&id.to_string(), *n, "1.234567"),
                    _ => promo(&id.to_string(), *n, "1.234567"),
                };
                let known = naive.credit(*id, *n);
                let said = store.credit(&asked).await.unwrap();
                match said {
                    Crediting::Added { funds } | Crediting::Repeated { funds } => {
                        assert_eq!((known, micro(funds)), (*n, naive.funds(*n)), "{step:?}");
                    }
                    Crediting::OtherCredit => assert_ne!(known, *n),
                    Crediting::TooLarge | Crediting::NotRefundable => panic!("{said:?}"),
                }
            }
            Step::Refund(n, tenths) => {
                let id = format!("refund:{n}:{tenths}");
                let amount = u64::from(*tenths) * 100_000;
                let asked = refund(&id, n % 2, *n, &format!("0.{tenths}00000"), Payer::Both);
                let asked =
                    billing_core::Credit { amount: MicroCoins::new(amount).unwrap(), ..asked };
                let before: u64 = naive
                    .credits
                    .iter()
                    .filter(|(id, _)| id.starts_with(&format!("refund:{n}:")))
                    .map(|(_, (_, amount))| amount)
                    .sum();
                let call = naive.calls.get(n).copied().unwrap_or_default();
                let repeated = naive.credits.contains_key(&id);
                if !repeated && call.ended && before + amount <= call.charged {
                    naive.credits.insert(id.clone(), (n % 2, amount));
                }
                let said = store.credit(&asked).await.unwrap();
                let given = naive.credits.contains_key(&id);
                assert_eq!(said == Crediting::NotRefundable, !given, "{step:?}");
            }
            Step::Open(n) => {
                let opening = store.open_call(&open(*n, "0.5")).await.unwrap();
                let (funds, owes) = (naive.funds(n % 2), naive.owes[usize::from(n % 2)] > 0);
                match opening {
                    Opening::Open { funds: left, .. } => {
                        assert!(naive.calls.contains_key(n) || (funds >= 500_000 && !owes));
                        naive.calls.entry(*n).or_default();
                        assert_eq!(micro(left), funds, "{step:?}");
                    }
                    Opening::Settled(_) => assert!(naive.calls[n].ended),
                    Opening::NoFunds => assert!(!naive.calls.contains_key(n) && funds < 500_000),
                    Opening::Blocked => assert!(owes),
                    Opening::OtherTerms => panic!("they are the same"),
                }
            }
            Step::Tick(media) => {
                let targets: Vec<_> = media.iter().map(|&(n, ms)| target(n, ms)).collect();
                media.iter().for_each(|&(n, ms)| naive.raise(n, ms));
                let applied = store.apply(UnixMs(5), &targets).await.unwrap();
                for (of, charged) in applied.charged {
                    let known = naive.calls.iter().find(|(n, _)| call(**n) == of).unwrap().1;
                    assert!(!known.ended, "{step:?}");
                    assert_eq!(micro(charged.total().unwrap()), known.charged, "{step:?}");
                }
            }
            Step::Interim(n, ms) | Step::Settle(n, ms) => {
                // A meter settles by all that it knows.
                let media = naive.calls.get(n).map_or(0, |call| call.media).max(*ms);
                naive.raise(*n, media);
                let last = matches!(step, Step::Settle(..));
                let asked = if last { settlement(*n, *ms) } else { interim(*n, *ms) };
                let asked = billing_core::Settlement { target: target(*n, media), ..asked };
                let said = settle(&store, asked).await;
                let call = naive.calls.get_mut(n);
                match (said, call) {
                    (Settled::Unknown(_), call) => assert!(call.is_none()),
                    (Settled::Interim { posted, .. }, Some(call)) => {
                        assert!(!call.ended && !last);
                        assert_eq!(micro(posted.total().unwrap()), call.charged, "{step:?}");
                    }
                    (Settled::Final { receipt, .. }, Some(call)) => {
                        assert!(call.ended || last);
                        call.ended = true;
                        assert_eq!(micro(receipt.total()), call.charged, "{step:?}");
                    }
                    (settled, None) => panic!("{settled:?}"),
                }
            }
            Step::Gift(id, n, tenths) | Step::Chargeback(id, n, tenths) => {
                let is_gift = matches!(step, Step::Gift(..));
                let amount = u64::from(*tenths) * 100_000;
                let asked = if is_gift { gift(*id, *n, "0") } else { chargeback(*id, *n, "0") };
                let asked =
                    billing_core::Spend { amount: MicroCoins::new(amount).unwrap(), ..asked };
                let said = store.spend(&asked).await.unwrap();
                match naive.spend(*id, *n, amount, is_gift) {
                    None => assert_eq!(said, Spending::OtherSpend),
                    Some(None) => assert_eq!(said, Spending::NoFunds),
                    Some(Some(taken)) => {
                        let Spending::Taken { coins, funds } = said else { panic!("{said:?}") };
                        assert_eq!(micro(coins.total().unwrap()), taken, "{step:?}");
                        assert_eq!(micro(funds), naive.funds(*n), "{step:?}");
                    }
                }
            }
            Step::Lose | Step::Remember | Step::FallBack => {
                faults(step);
                resend(&store, &naive).await;
            }
            Step::Handover => {
                let leaving = meter(owner);
                pair.ledger.release(leaving, &Shard::all().collect::<Vec<_>>()).await.unwrap();
                owner += 1;
                store = pair.store(Options::new(meter(owner)));
                store.hold(1_024, TTL).await.unwrap();
                resend(&store, &naive).await;
            }
        }
        for n in 0..2 {
            let funds = store.funds(&user(n)).await.unwrap();
            assert_eq!(micro(funds), naive.funds(n), "{step:?} {naive:?}");
        }
    }
    agree(&store).await;
}

/// The charge that each open call has reached, as a target: its own sum, since another call or a
/// gift may have left less than its media time costs.
async fn resend<H: Hot, L: Ledger>(store: &Shared<H, L>, naive: &Naive) {
    let open = naive.calls.iter().filter(|(_, call)| !call.ended);
    let targets: Vec<_> = open
        .map(|(n, call)| {
            let charge = MicroCoins::new(call.charged).unwrap();
            billing_core::Target { charge, ..target(*n, call.media) }
        })
        .collect();
    store.apply(UnixMs(6), &targets).await.unwrap();
}

/// The steps' faults on hot balances in this process.
fn faults(hot: &store::hot::Memory) -> impl Fn(&Step) {
    let earlier = std::cell::RefCell::new(store::hot::Snapshot::default());
    move |step| match step {
        Step::Lose => hot.fall_back(store::hot::Snapshot::default()),
        Step::Remember => drop(earlier.replace(hot.snapshot())),
        Step::FallBack => hot.fall_back(earlier.borrow().clone()),
        Step::Credit(..)
        | Step::Refund(..)
        | Step::Open(_)
        | Step::Tick(_)
        | Step::Interim(..)
        | Step::Settle(..)
        | Step::Gift(..)
        | Step::Chargeback(..)
        | Step::Handover => {}
    }
}

fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn memory_does_what_plain_arithmetic_does(steps in steps()) {
        run(async {
            let (pair, ()) = Pair::memory().await;
            play(&pair, &steps, &faults(&pair.hot)).await;
        });
    }
}

proptest! {
    // Each case waits for the disk some dozens of times.
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn sqlite_does_what_plain_arithmetic_does(steps in steps()) {
        run(async {
            let (pair, _dir) = Pair::sqlite().await;
            play(&pair, &steps, &faults(&pair.hot)).await;
        });
    }
}

#[tokio::test]
async fn an_old_copy_of_hot_balances_is_restored_before_it_is_debited() {
    let (pair, ()) = Pair::memory().await;
    let store = pair.holding().await;
    store.credit(&credit("a", 0, "1")).await.unwrap();
    store.open_call(&open(0, "0")).await.unwrap();
    store.open_call(&open(2, "0")).await.unwrap();
    let before = pair.hot.snapshot();
    store.credit(&credit("b", 0, "2")).await.unwrap();
    settle(&store, settlement(2, 20_200)).await;
    pair.hot.fall_back(before);
    // The copy knows neither the second credit nor what the other call cost.
    assert_eq!(tick(&store, 0, 600_000).await, (kinds("2+0"), MicroCoins::ZERO));
    agree(&store).await;
}

#[tokio::test]
async fn a_gift_takes_nothing_that_a_call_took_before_hot_balances_were_lost() {
    let (pair, ()) = Pair::memory().await;
    let store = pair.holding().await;
    store.credit(&credit("a", 0, "1")).await.unwrap();
    store.open_call(&open(0, "0")).await.unwrap();
    let before = pair.hot.snapshot();
    let due = [target(0, 30_000)];
    assert_eq!(tick(&store, 0, 30_000).await, (kinds("0.5+0"), coins("0.5")));
    pair.hot.fall_back(before);
    let gift = gift(1, 0, "0.6");
    assert_eq!(store.spend_after(&gift, &due).await.unwrap(), Spending::NoFunds);
    assert_eq!(tick(&store, 0, 30_000).await, (kinds("0.5+0"), coins("0.5")));
    agree(&store).await;
}

#[tokio::test]
async fn what_an_old_copy_of_hot_balances_brings_back_goes() {
    let (pair, ()) = Pair::memory().await;
    let store = pair.holding().await;
    store.credit(&credit("a", 0, "1")).await.unwrap();
    store.open_call(&open(0, "0")).await.unwrap();
    let before = pair.hot.snapshot();
    settle(&store, settlement(0, 1_000)).await;
    pair.hot.fall_back(before);
    let applied = store.apply(UnixMs(5), &[target(0, 60_000)]).await.unwrap();
    assert_eq!(applied.charged, [], "it has ended");
    assert_eq!(pair.hot.wallet(&user(0)).await.unwrap(), None);
}
