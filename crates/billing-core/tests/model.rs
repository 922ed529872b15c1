//! The biller against a naive store: money is conserved, however calls are cut into reports and
//! whatever fails on the way.
#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

mod cut;
mod messages;
mod naive;
mod played;

use billing_core::{Credit, EndReason, Input, MediaTime, Output, charge};
use naive::{Weather, World, coins};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use units::{CallId, ElapsedMs, Medium, Rate, UnixMs, UserId};
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
    Input::OpenAsked { call: call(n), fan, host, medium: Medium::Video, rate, at: AT }
}

fn credit(n: u8, id: u8, micro: u64) -> Input {
    let credit = Credit { id: id.to_string(), user: fan(n), amount: coins(micro), at: AT };
    Input::CreditAsked { request: 1, credit }
}

fn proven(n: u8, ms: u64, last: bool) -> Input {
    let media = MediaTime { forwarded: ElapsedMs(ms), proven: ElapsedMs(ms) };
    Input::MediaCounted { call: call(n), media, last }
}

/// Cuts `total` milliseconds into cumulative reports at these per-milles, in this order.
fn play_cuts(rate: Rate, total: u64, cuts: &[u16]) -> World {
    let mut world = World::new(ElapsedMs::ZERO);
    let funds = charge(rate, ElapsedMs(total)).micro() + 10_000_000;
    world.feed(credit(0, 0, funds));
    world.feed(open(0, rate));
    for cut in cuts {
        world.feed(proven(0, total * u64::from(*cut) / 1_000, false));
        world.pass(ElapsedMs(700));
    }
    world.feed(Input::Ended { call: call(0), reason: EndReason::HungUpByHost, at: AT });
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
        assert_eq!(receipt.charged, cost.parse().unwrap());
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
        prop_assert_eq!(u128::from(receipt.charged.micro()), exact);
        prop_assert_eq!(u128::from(world.store.spent[&fan(0)]), exact);
        let split = receipt.split();
        prop_assert_eq!(split.host.checked_add(split.platform), Some(receipt.charged));
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
            } else if let Output::Settled { receipt } = output {
                let bill = receipt.charged.micro();
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
        Step::End(n) => {
            truth.limits.insert(n, 0);
            world.feed(Input::Ended { call: call(n), reason: EndReason::HungUpByFan, at: AT })
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

/// Money is conserved, and each new receipt is that of the evidence; less only where the funds
/// were spent at that moment.
fn check_books(world: &World, truth: &mut Truth) {
    let store = &world.store;
    for (id, receipt) in &store.receipts {
        let exact = receipt.terms.tariff.charge(receipt.media);
        let n = u8::try_from(id.0.as_u128()).unwrap();
        assert!(receipt.media.0 <= truth.carried.get(&n).copied().unwrap_or(0));
        assert!(receipt.charged <= exact);
        if truth.checked.insert(*id) && receipt.charged < exact {
            assert_eq!(store.funds(&receipt.terms.fan), 0, "unpaid though funded");
        }
    }
    for n in 0..2 {
        let spent: u64 = store
            .calls
            .values()
            .filter(|(open, ..)| open.terms.fan == fan(n))
            .map(|(_, charged, _)| charged)
            .sum();
        assert_eq!(spent, store.spent.get(&fan(n)).copied().unwrap_or(0));
        assert!(spent <= store.credits.get(&fan(n)).copied().unwrap_or(0), "overdrawn");
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
