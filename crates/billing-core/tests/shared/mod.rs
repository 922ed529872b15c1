//! Several meters that share the wallets: taking over, leaving, losing a lease.

use crate::messages::SHARED;
use crate::naive::{Weather, World, coins, settings};
use crate::{AT, call, credit, ended, fan, open, proven};
use billing_core::{EndReason, Input, Notice, Output, Proven, Refusal};
use units::{ElapsedMs, MonotonicMs, Rate, Rates, Shard};

/// A meter of several, with a call at 6.00 a minute of a fan with 2.00.
fn running() -> World {
    let mut world = World::with(settings(ElapsedMs::ZERO, SHARED));
    world.feed(credit(0, 0, 2_000_000));
    world.feed(open(0, rate()));
    world
}

fn rate() -> Rate {
    "6.00".parse().unwrap()
}

fn said(heard: &[Output], what: impl Fn(&Output) -> bool) -> usize {
    heard.iter().filter(|output| what(output)).count()
}

fn lost(output: &Output) -> bool {
    matches!(output, Output::Notice(Notice::LeasesLost { .. }))
}

/// A second passes after each of these reports.
fn report(world: &mut World, reports: impl IntoIterator<Item = u64>) -> Vec<Output> {
    let mut heard = Vec::new();
    for ms in reports {
        heard.extend(world.feed(proven(0, ms, false)));
        heard.extend(world.pass(ElapsedMs(1_000)));
    }
    heard
}

#[test]
fn who_takes_over_goes_on_where_the_other_stopped() {
    let mut world = running();
    report(&mut world, (1..=12).map(|s| s * 1_000));
    let before = world.store.calls[&call(0)].evidence.len();
    assert!(before >= 9, "the first checkpoint has its records");
    world.restart(settings(ElapsedMs::ZERO, SHARED));
    assert_eq!(world.biller.open_calls(), 1);
    report(&mut world, (13..=15).map(|s| s * 1_000));
    world.feed(ended(0, EndReason::HungUpByFan));
    world.feed(proven(0, 15_500, true));
    assert_eq!(world.store.receipts[&call(0)].total(), coins(1_550_000));
    // The naive store has seen to it that the records have no gaps.
    let evidence = &world.store.calls[&call(0)].evidence;
    assert!(evidence.len() > before + 2);
    assert_eq!(evidence.last().unwrap().counted.to_fan.proven, ElapsedMs(15_500));
}

#[test]
fn a_change_of_price_after_a_takeover_begins_where_the_call_is_by_then() {
    let mut world = running();
    report(&mut world, (1..=12).map(|s| s * 1_000));
    world.restart(settings(ElapsedMs::ZERO, SHARED));
    let rates = Rates::flat("3.00".parse().unwrap());
    let changed = |said: &Output| {
        if let Output::Changed { from, .. } = said { Some(*from) } else { None }
    };
    let mut heard = world.feed(Input::ChangeAsked { call: call(0), rates });
    heard.extend(world.pass(ElapsedMs(1_500)));
    assert_eq!(heard.iter().find_map(changed), None, "nobody knows how far the call is");
    let heard = report(&mut world, [14_000, 15_000]);
    assert_eq!(heard.iter().find_map(changed), Some(ElapsedMs(17_000)));
}

#[test]
fn limits_wait_until_the_funds_are_known() {
    let mut world = running();
    report(&mut world, [5_000]);
    let heard = world.restart(settings(ElapsedMs::ZERO, SHARED));
    assert_eq!(said(&heard, |output| matches!(output, Output::Limit { .. })), 0);
    let heard = report(&mut world, [5_000]);
    let limit = Output::Limit { call: call(0), funded: ElapsedMs(20_000) };
    assert_eq!(said(&heard, |output| matches!(output, Output::Limit { .. })), 1);
    assert!(heard.contains(&limit), "{heard:?}");
}

#[test]
fn limits_of_a_call_that_comes_in_the_middle_of_a_tick_wait_as_well() {
    let mut world = running();
    world.feed(credit(1, 1, 2_000_000));
    world.feed(open(1, rate()));
    world.feed(proven(1, 1_000, false));
    report(&mut world, [1_000]);
    world.store.elsewhere = [Shard::of(&fan(1))].into();
    world.restart(settings(ElapsedMs::ZERO, SHARED));
    assert_eq!(world.biller.open_calls(), 1);
    // Leases and ticks are due together 5 s later.
    report(&mut world, [2_000, 3_000, 4_000, 5_000]);
    world.store.elsewhere.clear();
    let heard = report(&mut world, [6_000, 7_000]);
    assert_eq!(world.biller.open_calls(), 2);
    let limits: Vec<&Output> = heard
        .iter()
        .filter(|said| matches!(said, Output::Limit { call: of, .. } if *of == call(1)))
        .collect();
    assert_eq!(limits, [&Output::Limit { call: call(1), funded: ElapsedMs(20_000) }]);
}

#[test]
fn a_call_that_no_relay_knows_is_interrupted_at_what_is_durable() {
    let mut world = running();
    report(&mut world, [3_000, 4_000]);
    world.restart(settings(ElapsedMs::ZERO, SHARED));
    world.pass(ElapsedMs(4_900));
    assert!(world.store.receipts.is_empty());
    world.pass(ElapsedMs(1_100));
    let receipt = &world.store.receipts[&call(0)];
    assert_eq!((receipt.reason, receipt.total()), (EndReason::Interrupted, coins(400_000)));
    assert_eq!(receipt.ended_at, AT);
}

#[test]
fn a_call_that_no_relay_knows_is_interrupted_also_after_a_lease_was_lost_meanwhile() {
    let mut world = running();
    report(&mut world, [3_000, 4_000]);
    world.restart(settings(ElapsedMs::ZERO, SHARED));
    world.pass(ElapsedMs(2_000));
    world.store.elsewhere = Shard::all().collect();
    let heard = world.pass(ElapsedMs(3_000));
    assert_eq!((said(&heard, lost), world.biller.open_calls()), (1, 0));
    // What it knew of the call, it had from the ledger: nobody has reported it.
    world.store.elsewhere.clear();
    world.pass(ElapsedMs(9_000));
    let receipt = &world.store.receipts[&call(0)];
    assert_eq!((receipt.reason, receipt.total()), (EndReason::Interrupted, coins(400_000)));
}

#[test]
fn a_call_that_no_relay_reports_any_more_is_over_after_a_minute() {
    let mut world = running();
    report(&mut world, [3_000, 4_000]);
    world.pass(ElapsedMs(57_000));
    assert!(world.store.receipts.is_empty());
    world.pass(ElapsedMs(4_000));
    let receipt = &world.store.receipts[&call(0)];
    assert_eq!((receipt.reason, receipt.total()), (EndReason::Interrupted, coins(400_000)));
    assert_eq!(receipt.ended_at, units::UnixMs(AT.0 + 1_000), "when it was last heard of");
}

#[test]
fn what_happened_while_nobody_held_the_shard_is_billed_by_who_takes_it() {
    let mut world = running();
    report(&mut world, [3_000]);
    // Another meter holds everything; this one hears what all hear.
    world.restart(settings(ElapsedMs::ZERO, SHARED));
    world.store.elsewhere = Shard::all().collect();
    let heard = world.pass(ElapsedMs(3_000));
    assert_eq!((said(&heard, lost), world.biller.open_calls()), (1, 0));
    world.feed(proven(0, 9_000, false));
    world.feed(ended(0, EndReason::HungUpByHost));
    world.feed(proven(0, 9_500, true));
    assert!(world.store.receipts.is_empty());
    world.store.elsewhere.clear();
    world.pass(ElapsedMs(3_000));
    let receipt = &world.store.receipts[&call(0)];
    assert_eq!((receipt.reason, receipt.total()), (EndReason::HungUpByHost, coins(950_000)));
}

#[test]
fn what_an_ended_call_carried_is_durable_before_its_last_report() {
    let mut world = running();
    report(&mut world, [1_000, 2_000, 3_000]);
    world.feed(ended(0, EndReason::Interrupted));
    world.pass(ElapsedMs(2_000));
    assert_eq!(world.biller.open_calls(), 1, "the last report is waited for");
    // Relay and meter are gone, and nobody else has heard of anything.
    world.restart(settings(ElapsedMs::ZERO, SHARED));
    world.pass(ElapsedMs(9_000));
    assert_eq!(world.store.receipts[&call(0)].total(), coins(300_000));
}

#[test]
fn what_people_were_told_is_billed_though_relay_and_meter_are_gone() {
    let mut world = running();
    report(&mut world, [1_000, 2_000, 3_000]);
    world.restart(settings(ElapsedMs::ZERO, SHARED));
    assert_eq!(world.biller.open_calls(), 1);
    let told = Proven::voice(ElapsedMs(3_000));
    let reason = EndReason::Interrupted;
    world.feed(Input::Ended { call: call(0), fan: fan(0), reason, told, at: AT });
    world.pass(ElapsedMs(9_000));
    assert_eq!(world.store.receipts[&call(0)].total(), coins(300_000));
}

#[test]
fn calls_whose_takeover_was_not_heard_of_are_told_again() {
    let mut world = running();
    report(&mut world, [3_000]);
    world.weather = Weather::Deaf;
    world.restart(settings(ElapsedMs::ZERO, SHARED));
    assert_eq!((world.store.held.len(), world.biller.open_calls()), (1_024, 0));
    world.weather = Weather::Fair;
    report(&mut world, [9_000]);
    world.feed(ended(0, EndReason::HungUpByFan));
    world.feed(proven(0, 9_500, true));
    let receipt = &world.store.receipts[&call(0)];
    assert_eq!((receipt.reason, receipt.total()), (EndReason::HungUpByFan, coins(950_000)));
}

#[test]
fn who_says_the_end_of_a_call_that_nobody_knows_is_told_so() {
    let mut world = running();
    let unknown = Output::NotOpened { call: call(1), refusal: Refusal::Unavailable };
    assert_eq!(world.feed(ended(1, EndReason::HungUpByFan)), [unknown]);
    assert_eq!(world.biller.open_calls(), 1);
}

#[test]
fn an_end_that_overtakes_its_opening_ends_it() {
    let mut world = World::with(settings(ElapsedMs::ZERO, SHARED));
    world.feed(credit(0, 0, 1_000_000_000));
    world.feed(ended(0, EndReason::HungUpByFan));
    world.feed(open(0, rate()));
    world.pass(ElapsedMs(6_000));
    assert_eq!(world.biller.open_calls(), 0);
    let receipt = &world.store.receipts[&call(0)];
    assert_eq!((receipt.reason, receipt.total()), (EndReason::HungUpByFan, coins(0)));
}

#[test]
fn a_meter_stops_by_itself_before_its_lease_ends() {
    let mut world = running();
    report(&mut world, [1_000]);
    world.weather = Weather::Down;
    let heard = world.pass(ElapsedMs(6_500));
    assert_eq!((said(&heard, lost), world.biller.open_calls()), (0, 1), "it may go on for a while");
    // The last that was prolonged was asked for at most 2.5 s before: 10 s less 2 from there.
    let heard = world.pass(ElapsedMs(1_500));
    assert_eq!((said(&heard, lost), world.biller.open_calls()), (1, 0));
    assert!(world.now <= MonotonicMs(10_000), "others may claim it from now on");
    let asked = world.asked;
    world.feed(proven(0, 5_000, false));
    world.pass(ElapsedMs(3_000));
    assert_eq!(world.asked, asked, "no target of a call that is not ours");
    assert!(world.store.receipts.is_empty(), "left, not settled");
    world.weather = Weather::Fair;
    world.pass(ElapsedMs(3_000));
    assert_eq!(world.biller.open_calls(), 1, "taken again");
}

#[test]
fn a_call_that_ended_before_its_lease_did_is_billed_when_it_is_taken_again() {
    let mut world = running();
    report(&mut world, [3_000]);
    world.weather = Weather::Down;
    world.feed(proven(0, 9_000, false));
    world.feed(ended(0, EndReason::HungUpByFan));
    world.feed(proven(0, 9_500, true));
    let heard = world.pass(ElapsedMs(9_000));
    assert_eq!((said(&heard, lost), world.biller.open_calls()), (1, 0));
    world.weather = Weather::Fair;
    world.pass(ElapsedMs(9_000));
    let receipt = &world.store.receipts[&call(0)];
    assert_eq!((receipt.reason, receipt.total()), (EndReason::HungUpByFan, coins(950_000)));
}

#[test]
fn wallets_of_others_get_no_answer_here() {
    let mut world = running();
    world.store.elsewhere = Shard::all().collect();
    world.pass(ElapsedMs(3_000));
    for input in [
        Input::BalanceAsked { request: 7, user: fan(0) },
        credit(0, 2, 5),
        open(2, rate()),
        ended(2, EndReason::HungUpByFan),
    ] {
        assert_eq!(world.feed(input), []);
    }
}

#[test]
fn a_newcomer_gets_its_fair_share() {
    let mut world = World::with(settings(ElapsedMs::ZERO, SHARED));
    assert_eq!(world.store.held.len(), 1_024);
    world.store.owners = 2;
    world.pass(ElapsedMs(2_500));
    assert_eq!(world.store.held.len(), 1_024 - 64, "not all at once");
    world.pass(ElapsedMs(30_000));
    assert_eq!(world.store.held.len(), 512);
    world.store.owners = 3;
    world.pass(ElapsedMs(30_000));
    assert_eq!(world.store.held.len(), 342);
    world.store.owners = 1;
    world.pass(ElapsedMs(6_000));
    assert_eq!(world.store.held.len(), 1_024);
}

#[test]
fn shards_without_calls_are_given_first_and_what_is_known_goes_with_the_others() {
    let mut world = running();
    report(&mut world, [3_000]);
    world.store.owners = 1_024;
    report(&mut world, (0..50).map(|_| 3_000));
    assert_eq!((world.store.held.len(), world.biller.open_calls()), (1, 1), "the busy one stays");
    world.feed(proven(0, 4_000, false));
    world.pass(ElapsedMs(1_000));
    world.feed(Input::Draining { at: AT });
    assert_eq!((world.store.held.len(), world.biller.open_calls()), (0, 0));
    assert!(world.store.receipts.is_empty(), "the others go on with it");
    assert_eq!(world.store.calls[&call(0)].durable.media, ElapsedMs(4_000));
    assert!(world.biller.is_idle());
    world.pass(ElapsedMs(20_000));
    assert!(world.store.held.is_empty(), "nothing is claimed again");
}

#[test]
fn bills_that_are_due_are_made_before_leaving() {
    let mut world = running();
    report(&mut world, [3_000]);
    world.feed(ended(0, EndReason::HungUpByFan));
    world.feed(Input::Draining { at: AT });
    assert_eq!(world.store.held.len(), 1);
    assert!(!world.biller.is_idle());
    world.feed(proven(0, 3_500, true));
    assert_eq!(world.store.receipts[&call(0)].total(), coins(350_000));
    assert!(world.store.held.is_empty() && world.biller.is_idle());
}

#[test]
fn a_long_call_is_posted_every_quarter_of_an_hour_and_settled_once() {
    let mut world = World::with(settings(ElapsedMs::ZERO, SHARED));
    world.feed(credit(0, 0, 900_000_000));
    world.feed(open(0, rate()));
    report(&mut world, (1..=46 * 60).map(|s| s * 1_000));
    assert_eq!(world.store.interims, 3);
    world.feed(ended(0, EndReason::HungUpByFan));
    world.feed(proven(0, 46 * 60_000, true));
    assert_eq!(world.store.receipts[&call(0)].total(), coins(276_000_000));
    assert_eq!(world.store.finals[&call(0)], 1);
    assert_eq!(world.store.calls[&call(0)].evidence.len(), 46 * 60 + 1);
}

/// dOpensource's cnxcc forgot a call that it was told of twice, and charged each telling.
#[test]
fn cnxcc_2383_the_same_call_opened_twice_is_charged_once() {
    let mut world = running();
    report(&mut world, [5_000]);
    world.feed(open(0, rate()));
    report(&mut world, [10_000]);
    world.feed(open(0, rate()));
    world.feed(ended(0, EndReason::HungUpByFan));
    world.feed(proven(0, 10_000, true));
    world.feed(open(0, rate()));
    // Nor does anything go on being charged after the end.
    report(&mut world, [15_000, 20_000]);
    world.pass(ElapsedMs(20_000));
    assert_eq!(world.store.spent[&fan(0)], (1_000_000, 0));
    assert_eq!(world.store.finals[&call(0)], 1);
}

/// mod_nibblebill counts a minute as billed whether its write succeeded or not.
#[test]
fn nibblebill_a_failed_write_makes_no_second_free() {
    for weather in [Weather::Down, Weather::Deaf] {
        let mut world = World::new(ElapsedMs::ZERO);
        world.feed(credit(0, 0, 2_000_000));
        world.feed(open(0, rate()));
        report(&mut world, [1_000, 2_000]);
        world.weather = weather;
        report(&mut world, [3_000, 4_000, 5_000]);
        world.weather = Weather::Fair;
        world.pass(ElapsedMs(6_000));
        assert_eq!(world.store.spent[&fan(0)], (500_000, 0), "{weather:?}");
    }
}

/// ivozprovider bills a call again for each hang-up that arrives.
#[test]
fn ivozprovider_703_a_repeated_hang_up_charges_once() {
    let mut world = running();
    report(&mut world, [5_000]);
    for _ in 0..3 {
        world.feed(ended(0, EndReason::HungUpByFan));
        world.feed(proven(0, 5_000, true));
    }
    world.pass(ElapsedMs(20_000));
    assert_eq!(world.store.spent[&fan(0)], (500_000, 0));
    assert_eq!(world.store.finals[&call(0)], 1);
    assert_eq!(world.store.receipts[&call(0)].reason, EndReason::HungUpByFan);
}
