//! Message by message: what the biller asks of its store, and what it says.

use crate::naive::{Weather, World, coins, settings};
use crate::{AT, call, credit, ended, fan, open, proven};
use billing_core::{
    Answer, Command, CreditRules, EndReason, Input, Notice, Output, Ownership, Proven, Question,
    Refusal, Settled,
};
use units::{ElapsedMs, MonotonicMs, Rate};

/// A call at 6.00 a minute of a fan with 2.00.
fn running() -> World {
    let mut world = World::new(ElapsedMs::ZERO);
    world.feed(credit(0, 0, 2_000_000));
    world.feed(open(0, rate()));
    world
}

/// Several meters, whose leases last 10 s.
pub(crate) const SHARED: Ownership =
    Ownership::Shared { ttl: ElapsedMs(10_000), renew: ElapsedMs(2_500) };

fn rate() -> Rate {
    "6.00".parse().unwrap()
}

/// What is asked of a store that does not answer yet.
fn asked(world: &mut World, input: Input) -> Vec<Command> {
    let command = |output| if let Output::Store(command) = output { Some(command) } else { None };
    let said = world.biller.handle(world.now, input).into_iter().filter_map(command);
    said.filter(|command| *command != Command::Reconcile).collect()
}

#[test]
fn what_is_with_the_store_is_not_asked_for_again() {
    let mut world = running();
    asked(&mut world, proven(0, 7_000, false));
    world.now = MonotonicMs(1_000);
    let first = asked(&mut world, Input::WokeUp);
    assert!(matches!(first[..], [Command::Apply(_)]), "{first:?}");
    world.now = MonotonicMs(9_000);
    assert_eq!(asked(&mut world, proven(0, 8_000, false)), []);

    asked(&mut world, ended(0, EndReason::HungUpByFan));
    let settle = asked(&mut world, proven(0, 8_000, true));
    assert!(matches!(settle[..], [Command::Settle(_)]), "{settle:?}");
    for again in [proven(0, 8_000, true), ended(0, EndReason::FanLost), Input::WokeUp] {
        assert_eq!(asked(&mut world, again), []);
    }
}

#[test]
fn calls_that_signaling_has_forgotten_are_settled_as_interrupted() {
    let mut world = running();
    world.feed(credit(1, 4, 2_000_000));
    world.feed(open(1, rate()));
    world.feed(proven(0, 7_000, false));
    world.feed(proven(1, 3_000, false));
    world.feed(Input::AllEnded { at: AT });
    assert!(world.store.receipts.is_empty(), "proof is on its way");
    world.feed(proven(0, 8_000, true));
    world.pass(ElapsedMs(4_999));
    assert!(!world.store.receipts.contains_key(&call(1)));
    world.pass(ElapsedMs(1_001));
    for (n, cost) in [(0, 800_000), (1, 300_000)] {
        let receipt = &world.store.receipts[&call(n)];
        assert_eq!((receipt.reason, receipt.total()), (EndReason::Interrupted, coins(cost)));
    }
    // It changes nothing of what is over, and keeps nobody from calling.
    world.feed(open(2, rate()));
    assert_eq!(world.biller.open_calls(), 1);
    world.feed(Input::AllEnded { at: AT });
    world.feed(proven(2, 1_000, true));
    assert_eq!((world.store.finals[&call(0)], world.store.finals[&call(2)]), (1, 1));
}

/// The store forgets what a paused call took, as hot balances do that fall back to a checkpoint.
#[test]
fn what_a_paused_call_took_is_asked_for_again_where_it_may_be_lost() {
    let mut world = running();
    let took = |world: &World| world.store.calls[&call(0)].charged;
    let lose = |world: &mut World| {
        world.store.calls.get_mut(&call(0)).unwrap().charged = (0, 0);
        world.store.spent.clear();
    };
    world.feed(proven(0, 7_000, false));
    world.pass(ElapsedMs(1_000));
    assert_eq!((took(&world), world.asked), ((700_000, 0), 1));
    lose(&mut world);
    world.pass(ElapsedMs(9_000));
    assert_eq!((took(&world), world.asked), ((0, 0), 1), "too early");
    world.pass(ElapsedMs(1_000));
    assert_eq!((took(&world), world.asked), ((700_000, 0), 2));
    world.pass(ElapsedMs(20_000));
    assert_eq!(world.asked, 4, "once in ten seconds");
    // All coins are spent: nothing is left to raise, but something to lose.
    world.feed(proven(0, 20_000, false));
    world.pass(ElapsedMs(1_000));
    lose(&mut world);
    world.pass(ElapsedMs(10_000));
    assert_eq!(took(&world), (2_000_000, 0));
    // Another call of the wallet could spend the coins meanwhile.
    world.feed(credit(0, 2, 2_000_000));
    world.feed(open(2, rate()));
    lose(&mut world);
    world.feed(proven(2, 1_000, false));
    world.pass(ElapsedMs(1_000));
    assert_eq!(took(&world), (2_000_000, 0));
}

/// It took effect, but the answer was lost, and the store knows no open call any more.
#[test]
fn a_bill_whose_answer_was_lost_is_told_when_it_is_asked_for_again() {
    let mut world = running();
    world.feed(proven(0, 7_000, false));
    world.weather = Weather::Deaf;
    world.feed(ended(0, EndReason::HungUpByFan));
    world.feed(proven(0, 8_000, true));
    // So long that the bill is asked for less often than every tick.
    world.pass(ElapsedMs(60_000));
    world.weather = Weather::Fair;
    let target = world.store.receipts[&call(0)].proven;
    assert_eq!(target, Proven::video(ElapsedMs(8_000)));
    let said = world.pass(ElapsedMs(10_000));
    assert!(said.iter().any(|said| matches!(said, Output::Settled { .. })), "{said:?}");
    let orphaned = |said: &Output| matches!(said, Output::Notice(Notice::Orphaned { .. }));
    assert!(!said.iter().any(orphaned), "{said:?}");
}

#[test]
fn missed_ticks_are_not_made_up_for() {
    let mut world = running();
    world.now = MonotonicMs(10_500);
    world.feed(Input::WokeUp);
    assert_eq!(world.biller.next_wake(), Some(MonotonicMs(11_500)));
}

#[test]
fn askers_are_turned_away_while_the_store_has_too_much_to_do() {
    let mut world = running();
    let balance = || Input::BalanceAsked { request: 7, user: fan(0) };
    for _ in 0..1_024 {
        assert_eq!(asked(&mut world, balance()).len(), 1);
    }
    let refusal = Refusal::Unavailable;
    for (request, input) in [(7, balance()), (1, credit(0, 2, 5))] {
        let said = world.biller.handle(world.now, input);
        assert_eq!(said, [Output::Failed { request, refusal }]);
    }
    let said = world.biller.handle(world.now, open(2, rate()));
    assert_eq!(said, [Output::NotOpened { call: call(2), refusal }]);
    let question = Question::Balance { request: 7, user: fan(0) };
    let answer = Answer::Read { question, funds: coins(5), host_share: None };
    assert_eq!(asked(&mut world, Input::Answered(answer)), []);
    assert_eq!(asked(&mut world, balance()).len(), 1);
}

#[test]
fn a_call_is_opened_again_at_its_own_terms_only() {
    let mut world = running();
    let opened = [Output::Opened { call: call(0), funded: ElapsedMs(20_000) }];
    assert_eq!(world.feed(open(0, rate())), opened);
    let refused = [Output::NotOpened { call: call(0), refusal: Refusal::IdReused }];
    assert_eq!(world.feed(open(0, "6.01".parse().unwrap())), refused);
    // The store remembers what this biller never knew.
    let mut world = World::new(ElapsedMs::ZERO);
    world.feed(credit(0, 0, 2_000_000));
    world.weather = Weather::Deaf;
    world.feed(open(0, rate()));
    world.weather = Weather::Fair;
    assert_eq!(world.feed(open(0, "6.01".parse().unwrap())), refused);
}

#[test]
fn a_call_that_the_store_knows_goes_on_where_it_stood() {
    let mut world = running();
    world.feed(proven(0, 5_000, false));
    world.pass(ElapsedMs(1_000));
    world.restart(settings(ElapsedMs::ZERO, SHARED));
    let metered = Output::Metered {
        call: call(0),
        proven: Proven::video(ElapsedMs(5_000)),
        charged: coins(500_000),
        host_earned: coins(350_000),
        balance: coins(1_500_000),
        remaining: ElapsedMs(15_000),
        paused: false,
    };
    assert!(world.pass(ElapsedMs(1_000)).contains(&metered));
}

#[test]
fn a_repeated_credit_is_answered_but_is_no_news() {
    let mut world = running();
    let balance = |request| Output::Balance { request, user: fan(0), balance: coins(3_000_000) };
    let limit = Output::Limit { call: call(0), funded: ElapsedMs(30_000) };
    assert_eq!(world.feed(credit(0, 2, 1_000_000)), [balance(1), limit, balance(0)]);
    assert_eq!(world.feed(credit(0, 2, 1_000_000)), [balance(1)]);
}

#[test]
fn a_receipt_tells_the_first_reason() {
    let mut world = running();
    world.feed(ended(0, EndReason::HungUpByFan));
    world.feed(ended(0, EndReason::HostLost));
    world.feed(Input::Draining { at: AT });
    world.feed(proven(0, 0, true));
    assert_eq!(world.store.receipts[&call(0)].reason, EndReason::HungUpByFan);
}

#[test]
fn a_settled_call_leaves_nothing_behind() {
    let mut world = running();
    let traces = |world: &World| format!("{:?}", world.biller).matches("fan0").count();
    assert!(traces(&world) > 0);
    world.feed(proven(0, 5_000, true));
    world.feed(ended(0, EndReason::HungUpByFan));
    assert_eq!(traces(&world), 0);
    assert!(world.biller.is_idle());
}

#[test]
fn what_a_call_gave_back_is_told_after_its_bill_with_the_balance() {
    let rules = CreditRules::default();
    for (reason, given) in [(EndReason::HostLost, 1), (EndReason::HungUpByFan, 0)] {
        let mut world = running();
        world.feed(proven(0, 5_000, true));
        world.feed(ended(0, reason));
        let receipt = world.store.receipts[&call(0)].clone();
        let credits = rules.credits(&receipt, &[]);
        assert_eq!(credits.len(), given);
        let funds = coins(2_000_000);
        let settled = Settled::Final { receipt, funds, credits: credits.clone() };
        let answer = Input::Answered(Answer::Settled(vec![(call(0), settled)]));
        let mut said = world.biller.handle(world.now, answer);
        assert!(matches!(said.remove(0), Output::Settled { .. }));
        let user = fan(0);
        let host = "host".parse().unwrap();
        let told = [
            Output::Credited { call: call(0), fan: user.clone(), host, credits },
            Output::Balance { request: 0, user, balance: funds },
        ];
        assert_eq!(said, if given > 0 { told.to_vec() } else { Vec::new() }, "{reason:?}");
    }
}

#[test]
fn a_call_that_the_store_lost_is_named_and_metered_no_longer() {
    for end in [false, true] {
        let mut world = running();
        world.store.calls.clear();
        let mut said = world.feed(proven(0, 5_000, end));
        if end {
            said.extend(world.feed(ended(0, EndReason::HungUpByFan)));
        }
        said.extend(world.pass(ElapsedMs(3_000)));
        said.retain(|said| !matches!(said, Output::Notice(Notice::Reconciled(_))));
        assert_eq!(said, [Output::Notice(Notice::Orphaned { call: call(0) })]);
        assert!(world.biller.is_idle());
    }
}

#[test]
fn the_store_is_asked_less_often_the_longer_it_fails() {
    let mut world = running();
    let mut asked_within = |weather, ms| {
        world.weather = weather;
        let before = world.asked;
        world.pass(ElapsedMs(ms));
        world.feed(proven(0, world.now.0 / 10, false));
        world.asked - before
    };
    asked_within(Weather::Fair, 1_000);
    // Each tick at first, then after 2 and 4 s, then every 5 s.
    assert_eq!(asked_within(Weather::Down, 51_000), 6 + 8);
    // Once it answers, the next failure is the first again.
    asked_within(Weather::Fair, 6_000);
    assert_eq!(asked_within(Weather::Down, 2_000), 2);
}

#[test]
fn commands_of_one_round_that_fail_together_are_one_failure() {
    let mut world = running();
    for _ in 0..9 {
        world.feed(proven(0, world.now.0 / 10 + 1, false));
        world.pass(ElapsedMs(1_000));
    }
    // With the tick at 10 s fail a checkpoint and a comparison.
    world.weather = Weather::Down;
    let before = world.asked;
    world.feed(proven(0, 5_000, false));
    world.pass(ElapsedMs(10_500));
    // At 10, 11, 12, 13, 15 and 19 s.
    assert_eq!(world.asked - before, 6);
}

#[test]
fn a_broken_bill_holds_up_no_other() {
    let mut world = running();
    world.feed(credit(1, 1, 2_000_000));
    world.feed(open(1, rate()));
    world.broken.insert(call(0));
    for n in 0..2 {
        world.feed(proven(n, 5_000, true));
    }
    world.pass(ElapsedMs(1_000));
    world.weather = Weather::Down;
    for n in 0..2 {
        world.feed(ended(n, EndReason::HungUpByFan));
    }
    world.weather = Weather::Fair;
    world.pass(ElapsedMs(2_000));
    assert!(world.store.receipts.contains_key(&call(1)));
    assert!(!world.store.receipts.contains_key(&call(0)));
    world.broken.clear();
    world.pass(ElapsedMs(6_000));
    assert!(world.store.receipts.contains_key(&call(0)) && world.biller.is_idle());
}
