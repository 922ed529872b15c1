//! The biller against a naive store: money is conserved, however calls are cut into reports and
//! whatever fails on the way.
#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

mod cut;
mod messages;
mod naive;
mod played;
mod shared;

use billing_core::{Counted, Credit, CreditKind, EndReason, Flow, Input, Output, Proven};
use naive::{Weather, World, coins};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use units::{CallId, ElapsedMs, Medium, Rate, Rates, SpendId, UnixMs, UserId};
use uuid::Uuid;

const AT: UnixMs = UnixMs(0);

fn call(n: u8) -> CallId {
    CallId(Uuid::from_u128(n.into()))
}

fn fan(n: u8) -> UserId {
    format!("fan{n}").parse().unwrap()
}

fn open(n: u8, rate: Rate) -> Input {
    let (fan, host) = (fan(n % 2), "host".parse().unwrap());
    let rates = Rates::flat(rate);
    Input::OpenAsked { call: call(n), fan, host, medium: Medium::Video, rates, at: AT }
}

fn credit(n: u8, id: u8, micro: u64) -> Input {
    let kind = if id % 2 == 1 { CreditKind::Promo } else { CreditKind::Purchase };
    let credit = Credit { id: id.to_string(), user: fan(n), amount: coins(micro), kind, at: AT };
    Input::CreditAsked { request: 1, credit }
}

fn proven(n: u8, ms: u64, last: bool) -> Input {
    Input::MediaCounted { call: call(n), counted: carried(ms, ms, ms), last }
}

/// What the relay reports: forwarded, proven, and with picture.
fn carried(forwarded: u64, proven: u64, video: u64) -> Counted {
    let (forwarded, proven) = (ElapsedMs(forwarded), ElapsedMs(proven));
    let to_fan = Flow { forwarded, proven, ..Flow::default() };
    Counted { to_fan, video: ElapsedMs(video), ..Counted::default() }
}

fn ended(n: u8, reason: EndReason) -> Input {
    Input::Ended { call: call(n), fan: fan(n % 2), reason, told: Proven::ZERO, at: AT }
}

/// Cuts `total` milliseconds into cumulative reports at these per-milles, in this order.
fn play_cuts(rate: Rate, total: u64, cuts: &[u16]) -> World {
    let mut world = World::new(ElapsedMs::ZERO);
    let funds = rate.micro_per_minute() / 60 * (total / 1_000 + 1) + 10_000_000;
    world.feed(credit(0, 0, funds));
    world.feed(open(0, rate));
    for cut in cuts {
        world.feed(proven(0, total * u64::from(*cut) / 1_000, false));
        world.pass(ElapsedMs(700));
    }
    world.feed(ended(0, EndReason::HungUpByHost));
    world.feed(proven(0, total, true));
    world
}

#[test]
fn long_calls_cost_exactly_what_their_price_says() {
    for (rate, minutes, cost, host) in [
        ("2.50", 480, "1200.00", "840.00"),
        ("5.00", 1_800, "9000.00", "6300.00"),
        ("5.00", 1, "5.00", "3.50"),
    ] {
        let cuts: Vec<u16> = (0..=1_000).collect();
        let world = play_cuts(rate.parse().unwrap(), minutes * 60_000, &cuts);
        let receipt = &world.store.receipts[&call(0)];
        assert_eq!(receipt.total(), cost.parse().unwrap());
        assert_eq!(receipt.split().host, host.parse().unwrap());
    }
}

proptest! {
    #[test]
    fn a_total_does_not_depend_on_how_it_was_reported(
        cents in 100_u64..=1_500,
        total in 0_u64..7_200_000,
        cuts in proptest::collection::vec(0_u16..=1_000, 0..20),
    ) {
        let rate = Rate::per_minute(cents * 10_000).unwrap();
        let world = play_cuts(rate, total, &cuts);
        let exact = u128::from(cents) * 10_000 * u128::from(total) / 60_000;
        let receipt = &world.store.receipts[&call(0)];
        prop_assert_eq!(u128::from(receipt.total().micro()), exact);
        prop_assert_eq!(world.store.spent[&fan(0)], (u64::try_from(exact).unwrap(), 0));
        let split = receipt.split();
        prop_assert_eq!(split.host.checked_add(split.platform), Some(receipt.total()));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Open(u8),
    /// The relay carries this much more, and a report of it arrives.
    Carry(u8, u64),
    /// An old report arrives late: this part (per mille) of what is true.
    Late(u8, u64),
    Pass(u64),
    /// Ids repeat, so that some credits are repeats.
    Credit(u8, u8),
    /// A gift of this much, by id.
    Gift(u8, u8, u64),
    /// Other prices from now on.
    Change(u8, u64),
    End(u8),
    Last(u8),
    Weather(Weather),
}

fn step() -> impl Strategy<Value = Step> {
    let id = 0_u8..5;
    prop_oneof![
        2 => id.clone().prop_map(Step::Open),
        6 => (id.clone(), 0_u64..20_000).prop_map(|(n, ms)| Step::Carry(n, ms)),
        2 => (id.clone(), 0_u64..=1_000).prop_map(|(n, part)| Step::Late(n, part)),
        6 => (0_u64..3_000).prop_map(Step::Pass),
        1 => (0_u8..2, 0_u8..8).prop_map(|(n, id)| Step::Credit(n, id)),
        1 => (0_u8..2, 0_u8..4, 1_u64..2_000_000).prop_map(|(n, id, micro)| Step::Gift(n, id, micro)),
        1 => (id.clone(), 0_u64..9_000_000).prop_map(|(n, rate)| Step::Change(n, rate)),
        1 => id.clone().prop_map(Step::End),
        1 => id.prop_map(Step::Last),
        1 => prop_oneof![Just(Weather::Fair), Just(Weather::Down), Just(Weather::Deaf)]
            .prop_map(Step::Weather),
    ]
}

const FREE: ElapsedMs = ElapsedMs(3_000);

/// What truly happened.
#[derive(Default)]
struct Truth {
    carried: BTreeMap<u8, u64>,
    /// The relay's limits, as it heard them.
    limits: BTreeMap<u8, u64>,
    /// Bills as they were told.
    bills: BTreeMap<CallId, u64>,
    /// Receipts in the store that were looked at.
    checked: BTreeSet<CallId>,
}

impl Truth {
    fn hear(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            if let Output::Opened { call, funded } | Output::Limit { call, funded } = output {
                self.limits.insert(u8::try_from(call.0.as_u128()).unwrap(), funded.0);
            } else if let Output::Settled { receipt, .. } = output {
                let bill = receipt.total().micro();
                let first = *self.bills.entry(receipt.call).or_insert(bill);
                assert_eq!(first, bill, "a bill never changes");
            }
        }
    }

    /// The relay carries up to its limit.
    fn carry(&mut self, n: u8, ms: u64) -> u64 {
        let limit = self.limits.get(&n).copied().unwrap_or(0);
        let carried = self.carried.entry(n).or_default();
        *carried = (*carried + ms).min(limit).max(*carried);
        *carried
    }
}

fn rate_of(n: u8) -> Rate {
    Rate::per_minute(1_000_003 + u64::from(n) * 2_999_999).unwrap()
}

fn apply(world: &mut World, truth: &mut Truth, step: &Step) {
    let heard = match *step {
        Step::Open(n) => world.feed(open(n, rate_of(n))),
        Step::Carry(n, ms) => {
            let ms = truth.carry(n, ms);
            world.feed(proven(n, ms, false))
        }
        Step::Late(n, part) => {
            let ms = truth.carried.get(&n).unwrap_or(&0) * part / 1_000;
            world.feed(proven(n, ms, false))
        }
        Step::Pass(ms) => world.pass(ElapsedMs(ms)),
        Step::Credit(n, id) => world.feed(credit(n, n * 8 + id, 1_234_567)),
        Step::Gift(n, id, micro) => world.feed(Input::GiftAsked {
            request: 2,
            id: SpendId(Uuid::from_u128((n * 8 + id).into())),
            fan: fan(n),
            host: "host".parse().unwrap(),
            amount: coins(micro),
            at: AT,
        }),
        Step::Change(n, micro) => {
            let rates = Rates::flat(Rate::per_minute(micro).unwrap());
            world.feed(Input::ChangeAsked { call: call(n), rates })
        }
        Step::End(n) => {
            truth.limits.insert(n, 0);
            world.feed(ended(n, EndReason::HungUpByFan))
        }
        Step::Last(n) => {
            truth.limits.insert(n, 0);
            let ms = truth.carried.get(&n).copied().unwrap_or(0);
            world.feed(proven(n, ms, true))
        }
        Step::Weather(weather) => {
            world.weather = weather;
            Vec::new()
        }
    };
    truth.hear(heard);
}

/// What the proven time costs, piece by piece, without the crate's own arithmetic: each millisecond
/// after the free time at the price that held when it was proven.
fn naive_charge(receipt: &billing_core::Receipt) -> u64 {
    let mut numerator = 0_u128;
    let (mut from, mut rate) = (0, receipt.terms.tariff.rates.voice);
    let ends = receipt.changes.iter().map(|change| (change.from.media.0, change.rates.voice));
    for (end, next) in ends.chain([(u64::MAX, Rate::default())]) {
        let end = end.min(receipt.proven.media.0);
        let charged = end.max(FREE.0).saturating_sub(from.max(FREE.0));
        numerator += u128::from(rate.micro_per_minute()) * u128::from(charged);
        (from, rate) = (end.max(from), next);
    }
    u64::try_from(numerator / 60_000).unwrap()
}

/// Money is conserved, and each new receipt is that of the evidence; less only where the funds
/// were spent at that moment.
fn check_books(world: &World, truth: &mut Truth) {
    let store = &world.store;
    for (id, receipt) in &store.receipts {
        let exact = naive_charge(receipt);
        let n = u8::try_from(id.0.as_u128()).unwrap();
        assert!(receipt.proven.media.0 <= truth.carried.get(&n).copied().unwrap_or(0));
        assert!(receipt.total().micro() <= exact);
        assert_eq!(store.finals[id], 1, "settled once");
        if truth.checked.insert(*id) && receipt.total().micro() < exact {
            assert_eq!(store.funds(&receipt.terms.fan), 0, "unpaid though funded");
        }
    }
    for n in 0..2 {
        let calls = store.calls.values().filter(|call| call.open.terms.fan == fan(n));
        let calls: u64 = calls.map(|call| call.charged.0 + call.charged.1).sum();
        let gifts = store.spends.values().filter(|(gift, taken)| *taken && gift.fan == fan(n));
        let gifts: u64 = gifts.map(|(gift, _)| gift.amount.micro()).sum();
        let sum = |of: &BTreeMap<UserId, (u64, u64)>| {
            of.get(&fan(n)).map_or(0, |(paid, promo)| paid + promo)
        };
        assert_eq!(calls + gifts, sum(&store.spent));
        assert!(calls + gifts <= sum(&store.credits), "overdrawn");
    }
}

proptest! {
    #[test]
    fn money_is_conserved_whatever_happens(
        steps in proptest::collection::vec(step(), 1..120),
    ) {
        let (mut world, mut truth) = (World::new(FREE), Truth::default());
        for n in 0..2 {
            truth.hear(world.feed(credit(n, 100 + n, 5_000_000)));
        }
        for step in &steps {
            apply(&mut world, &mut truth, step);
            check_books(&world, &mut truth);
        }
        world.weather = Weather::Fair;
        for n in 0..5 {
            apply(&mut world, &mut truth, &Step::End(n));
            apply(&mut world, &mut truth, &Step::Last(n));
        }
        truth.hear(world.pass(ElapsedMs(20_000)));
        check_books(&world, &mut truth);
        prop_assert!(world.biller.is_idle());

        // Every call that is written down has its bill.
        for id in world.store.calls.keys() {
            prop_assert!(world.store.receipts.contains_key(id));
        }
    }

    #[test]
    fn replays_change_nothing(
        steps in proptest::collection::vec(
            step().prop_filter("fair", |step| !matches!(step, Step::Weather(_))), 1..60,
        ),
    ) {
        let bills = |times: usize| {
            let (mut world, mut truth) = (World::new(FREE), Truth::default());
            for n in 0..2 {
                truth.hear(world.feed(credit(n, 100 + n, 5_000_000)));
            }
            for step in &steps {
                apply(&mut world, &mut truth, step);
                // More media and more time are no replays; the rest are facts.
                let again = if let Step::Carry(n, _) = *step {
                    Step::Late(n, 1_000)
                } else if let Step::Pass(_) = *step {
                    Step::Pass(0)
                } else {
                    step.clone()
                };
                for _ in 1..times {
                    apply(&mut world, &mut truth, &again);
                }
            }
            (world.store.spent.clone(), truth.bills)
        };
        prop_assert_eq!(bills(1), bills(3));
    }
}
