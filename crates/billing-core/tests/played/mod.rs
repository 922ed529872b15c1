//! Calls as scripts: each row reads as the rule it shows.

use crate::carried;
use crate::naive::{Weather, World};
use billing_core::{Counted, Credit, CreditKind, EndReason, Input, Notice, Output, Proven};
use std::collections::BTreeMap;
use units::{CallId, ElapsedMs, Medium, Rates, UnixMs};
use uuid::Uuid;

/// Plays a script of steps, separated by `; `, for calls of one fan with these funds at this
/// price; returns what was said, separated by `; `.
///
/// * `open a`: call `a` is opened. `end a`: it ended. `last a`: its last report came again.
/// * `a 1000`, `a 1000/900` or `a 1000/900/50`: a second later the relay reported 1,000 ms
///   forwarded, 900 proven, 50 lost.
/// * `price a 3.00`: other prices from now on.
/// * `wait 5000`: time passes. `top up 5.00`: coins are added.
/// * `quote`: somebody asks how long the funds last.
/// * `store down`, `store deaf`, `store fair`; `relay lost`; `drain`.
///
/// Said are openings, limits, warnings, bills, refusals; `charge`, `paused`, `remaining` from the
/// last tick of each call if the script ends with `show`.
fn play(rate: &str, funds: &str, script: &str) -> String {
    play_with_free(0, rate, funds, script)
}

fn play_with_free(free_ms: u64, rate: &str, funds: &str, script: &str) -> String {
    let mut stage = Stage {
        world: World::new(ElapsedMs(free_ms)),
        said: Vec::new(),
        ticks: BTreeMap::new(),
        last: BTreeMap::new(),
        rate: rate.to_owned(),
        credits: 0,
    };
    stage.step(&format!("top up {funds}"));
    stage.said.clear();
    script.split("; ").for_each(|step| stage.step(step));
    stage.said.join("; ")
}

struct Stage {
    world: World,
    said: Vec<String>,
    ticks: BTreeMap<CallId, String>,
    last: BTreeMap<CallId, Counted>,
    rate: String,
    credits: u64,
}

fn id(name: &str) -> CallId {
    CallId(Uuid::from_u128(name.bytes().next().unwrap().into()))
}

fn name(call: CallId) -> char {
    char::from(u8::try_from(call.0.as_u128()).unwrap())
}

impl Stage {
    fn step(&mut self, step: &str) {
        let at = UnixMs(self.world.now.0);
        let words: Vec<&str> = step.split(' ').collect();
        let outputs = match *words.as_slice() {
            ["open", call] => self.world.feed(Input::OpenAsked {
                call: id(call),
                fan: "fan".parse().unwrap(),
                host: "host".parse().unwrap(),
                medium: Medium::Voice,
                rates: Rates::flat(self.rate.parse().unwrap()),
                at,
            }),
            ["end", call] => {
                let fan = "fan".parse().unwrap();
                let reason = EndReason::HungUpByFan;
                self.world.feed(Input::Ended {
                    call: id(call),
                    fan,
                    reason,
                    told: Proven::ZERO,
                    at,
                })
            }
            ["last", call] => {
                let counted = self.last.get(&id(call)).copied().unwrap_or_default();
                self.world.feed(Input::MediaCounted { call: id(call), counted, last: true })
            }
            ["wait", ms] => self.world.pass(ElapsedMs(ms.parse().unwrap())),
            ["top", "up", amount] => {
                self.credits += 1;
                let credit = Credit {
                    id: self.credits.to_string(),
                    user: "fan".parse().unwrap(),
                    amount: amount.parse().unwrap(),
                    kind: CreditKind::Purchase,
                    at,
                };
                self.world.feed(Input::CreditAsked { request: self.credits, credit })
            }
            ["store", weather] => {
                self.world.weather = match weather {
                    "down" => Weather::Down,
                    "deaf" => Weather::Deaf,
                    _ => Weather::Fair,
                };
                Vec::new()
            }
            ["quote"] => self.world.feed(Input::QuoteAsked {
                request: 0,
                fan: "fan".parse().unwrap(),
                host: "host".parse().unwrap(),
                medium: Medium::Voice,
                rates: Rates::flat(self.rate.parse().unwrap()),
            }),
            ["relay", "lost"] => self.world.feed(Input::RelayLost),
            ["drain"] => self.world.feed(Input::Draining { at }),
            ["price", call, rate] => {
                let rates = Rates::flat(rate.parse().unwrap());
                self.world.feed(Input::ChangeAsked { call: id(call), rates })
            }
            ["show"] => {
                self.said.extend(self.ticks.values().cloned());
                Vec::new()
            }
            [call, media] => self.report(id(call), media),
            _ => panic!("no such step: {step}"),
        };
        outputs.into_iter().for_each(|output| self.hear(output));
    }

    fn report(&mut self, call: CallId, media: &str) -> Vec<Output> {
        let ms: Vec<u64> = media.split('/').map(|ms| ms.parse().unwrap()).collect();
        let mut counted = carried(ms[0], *ms.get(1).unwrap_or(&ms[0]), 0);
        counted.to_fan.lost = ElapsedMs(*ms.get(2).unwrap_or(&0));
        self.last.insert(call, counted);
        let mut outputs = self.world.pass(ElapsedMs(1_000));
        outputs.extend(self.world.feed(Input::MediaCounted { call, counted, last: false }));
        outputs
    }

    fn hear(&mut self, output: Output) {
        let line = match output {
            Output::Store(_) => unreachable!("the world keeps these"),
            Output::Limit { call, funded } => format!("{} may carry {}", name(call), funded.0),
            Output::Opened { call, funded } => format!("{} opened for {}", name(call), funded.0),
            Output::NotOpened { call, refusal } => format!("{} refused: {refusal:?}", name(call)),
            Output::LowFunds { call, threshold, remaining } => {
                format!("{} warned at {}: {}", name(call), threshold.0, remaining.0)
            }
            Output::Settled { receipt, .. } => {
                let (call, split) = (name(receipt.call), receipt.split());
                format!("{call} billed {} = {} + {}", receipt.total(), split.host, split.platform)
            }
            Output::Metered { call, charged, balance, remaining, paused, .. } => {
                let paused = if paused { ", paused" } else { "" };
                let line = format!(
                    "{} charged {charged}, {balance} left, {} ms{paused}",
                    name(call),
                    remaining.0
                );
                self.ticks.insert(call, line);
                return;
            }
            Output::Balance { balance, .. } => format!("balance {balance}"),
            Output::Credited { call, credits, .. } => {
                format!("{} gave back {} times", name(call), credits.len())
            }
            Output::Changed { call, rates, from } => {
                format!("{} costs {} from {}", name(call), rates.voice, from.0)
            }
            Output::GiveUp { call, reason } => {
                format!("{} given up: {}", name(call), reason.name())
            }
            Output::Notice(Notice::Orphaned { call }) => format!("{} orphaned", name(call)),
            // These scripts carry media faster than time passes.
            Output::Notice(_) => return,
            Output::Failed { refusal, .. } => format!("failed: {refusal:?}"),
            Output::Quoted { quote, .. } => format!("lasts {}", quote.lasts.0),
        };
        if self.said.last() != Some(&line) {
            self.said.push(line);
        }
    }
}

#[test]
fn a_call_costs_its_proven_time() {
    for (rate, funds, script, said) in [
        (
            "6.00",
            "19.00",
            "open a; a 7000; end a; last a",
            "a opened for 190000; a billed 0.70 = 0.49 + 0.21",
        ),
        (
            "6.00",
            "19.00",
            "open a; a 7000/5000; end a; last a",
            "a opened for 190000; a billed 0.50 = 0.35 + 0.15",
        ),
        (
            "6.00",
            "19.00",
            "open a; end a; last a",
            "a opened for 190000; a billed 0.00 = 0.00 + 0.00",
        ),
        // Late, repeated and shrinking reports change nothing.
        (
            "6.00",
            "19.00",
            "open a; a 7000; a 7000; a 3000; end a; last a",
            "a opened for 190000; a billed 0.70 = 0.49 + 0.21",
        ),
    ] {
        assert_eq!(play(rate, funds, script), said, "{script}");
    }
}

#[test]
fn a_call_is_cut_at_the_end_of_its_funds_and_leaves_nothing() {
    for (rate, funds, script, said) in [
        (
            "6.00",
            "2.00",
            "open a; a 20000; wait 1000; show; end a; last a",
            "a opened for 20000; a warned at 10000: 0; a charged 2.00, 0.00 left, 0 ms; \
             a billed 2.00 = 1.40 + 0.60",
        ),
        // The odd micro-coin is spent with the last millisecond: no dust is left.
        (
            "5.00",
            "1.000001",
            "open a; a 12001; wait 1000; show; end a; last a",
            "a opened for 12001; a warned at 10000: 0; a charged 1.000001, 0.00 left, 0 ms; \
             a billed 1.000001 = 0.70 + 0.300001",
        ),
        // What was carried beyond the funds is paid from a top-up that comes in time.
        (
            "6.00",
            "2.00",
            "open a; a 25000; wait 1000; top up 5.00; wait 1000; show",
            "a opened for 20000; a may carry 25000; a warned at 10000: 0; balance 5.00; a may carry 70000; \
             balance 5.00; a charged 2.50, 4.50 left, 45000 ms",
        ),
        // The cut came late: the platform bears the rest.
        (
            "6.00",
            "2.00",
            "open a; a 25000; end a; last a",
            "a opened for 20000; a billed 2.00 = 1.40 + 0.60",
        ),
    ] {
        assert_eq!(play(rate, funds, script), said, "{script}");
    }
}

#[test]
fn a_call_needs_the_minimum() {
    assert_eq!(play("6.00", "1.00", "open a"), "a opened for 10000");
    assert_eq!(play("6.00", "0.999999", "open a"), "a refused: NoFunds");
}

#[test]
fn free_time_comes_first() {
    for (script, said) in [
        ("open a; a 20000; end a; last a", "a opened for 30000; a billed 0.00 = 0.00 + 0.00"),
        ("open a; a 21000; end a; last a", "a opened for 30000; a billed 0.10 = 0.07 + 0.03"),
        ("quote", "lasts 30000"),
        // b's free time is not cut, though a spent everything.
        (
            "open a; open b; a 30000; wait 1000",
            "a opened for 30000; b opened for 25000; a may carry 25000; a may carry 30000; \
             b may carry 20000; a warned at 10000: 0",
        ),
    ] {
        assert_eq!(play_with_free(20_000, "6.00", "1.00", script), said, "{script}");
    }
}

#[test]
fn both_sides_are_warned_once_at_each_threshold_and_again_after_a_top_up() {
    for (script, said) in [
        (
            "open a; a 5000; a 29000; a 31000; a 32000; a 61000; wait 1000; a 80500; a 81500; wait 1000",
            "a opened for 90000; a warned at 120000: 85000; a warned at 60000: 59000; a warned at 30000: 29000; \
             a warned at 10000: 9500",
        ),
        (
            "open a; a 81000; wait 1000; top up 4.00; a 82000; a 101000; wait 1000",
            "a opened for 90000; a warned at 10000: 9000; balance 4.90; a may carry 130000; \
             balance 4.90; a warned at 30000: 29000",
        ),
        // Nothing is low before media flows.
        ("open a; wait 3000", "a opened for 90000"),
    ] {
        assert_eq!(play("6.00", "9.00", script), said, "{script}");
    }
}

#[test]
fn a_call_whose_proof_stands_still_is_paused() {
    for (script, said) in [
        ("open a; a 1000; a 2000; wait 1000; show", "a charged 0.20, 18.80 left, 188000 ms"),
        (
            "open a; a 1000; a 1000; a 1000; wait 1000; show",
            "a charged 0.10, 18.90 left, 189000 ms, paused",
        ),
        (
            "open a; a 1000; wait 4000; a 2000; wait 1000; show",
            "a charged 0.20, 18.80 left, 188000 ms",
        ),
    ] {
        let said = format!("a opened for 190000; {said}");
        assert_eq!(play("6.00", "19.00", script), said, "{script}");
    }
}

#[test]
fn lost_time_is_no_part_of_what_is_left() {
    for (script, said) in [
        ("open a; a 5000/5000; wait 1000; show", "a charged 0.50, 18.50 left, 185000 ms"),
        ("open a; a 5000/2000; wait 1000; show", "a charged 0.20, 18.80 left, 185000 ms"),
        ("open a; a 5000/2000/3000; wait 1000; show", "a charged 0.20, 18.80 left, 188000 ms"),
    ] {
        let said = format!("a opened for 190000; {said}");
        assert_eq!(play("6.00", "19.00", script), said, "{script}");
    }
}

#[test]
fn a_change_prices_only_what_comes_after_it() {
    for (script, said) in [
        // 10 s at 6.00; the new price begins 3 s ahead: 13 s at 6.00, 7 s at 3.00.
        (
            "open a; a 10000; wait 1000; price a 3.00; a 20000; end a; last a",
            "a costs 3.00 from 13000; a may carry 367000; a billed 1.65 = 1.155 + 0.495",
        ),
        // Dearer: the limit falls with it.
        (
            "open a; a 10000; wait 1000; price a 12.00; a 20000; end a; last a",
            "a costs 12.00 from 13000; a may carry 101500; a warned at 120000: 91500; a billed 2.70 = 1.89 + 0.81",
        ),
        // Already before it is durable.
        (
            "open a; a 10000; wait 1000; store down; price a 12.00; wait 5000",
            "a may carry 101500; a warned at 120000: 91500",
        ),
        // The same price is no change; neither is one of a call that is over.
        (
            "open a; a 10000; price a 6.00; end a; price a 3.00; last a",
            "a billed 1.00 = 0.70 + 0.30",
        ),
        // Until it is durable, no media beyond its beginning is priced, and there is no bill.
        (
            "open a; a 10000; wait 1000; store down; price a 3.00; a 20000; wait 9000; show; store fair; \
             wait 9000; end a; last a",
            "a charged 1.00, 18.00 left, 180000 ms; a costs 3.00 from 13000; \
             a may carry 367000; a billed 1.65 = 1.155 + 0.495",
        ),
    ] {
        let said = format!("a opened for 190000; {said}");
        assert_eq!(play("6.00", "19.00", script), said, "{script}");
    }
}

#[test]
fn a_fan_that_confirms_nothing_is_given_up_and_pays_nothing_for_it() {
    for (script, said) in [
        ("open a; a 14999/0; wait 1000", ""),
        (
            "open a; a 15000/0; wait 1000; end a; last a",
            "; a given up: unconfirmed; a billed 0.00 = 0.00 + 0.00",
        ),
        ("open a; a 9000/9000; a 23999/9000; wait 1000", ""),
        (
            "open a; a 9000/9000; a 24000/9000; wait 1000; end a; last a",
            "; a given up: unconfirmed; a billed 0.90 = 0.63 + 0.27",
        ),
        ("open a; a 14000/0; a 15000/1; a 29999/1; wait 1000", ""),
    ] {
        let said = format!("a opened for 190000{said}");
        assert_eq!(play("6.00", "19.00", script), said, "{script}");
    }
}

#[test]
fn calls_of_one_fan_share_the_funds() {
    for (script, said) in [
        ("open a; open b", "a opened for 20000; b opened for 10000; a may carry 10000"),
        // What b does not use is a's again.
        (
            "open a; open b; a 4000; wait 1000; end b; last b",
            "a opened for 20000; b opened for 10000; a may carry 10000; a may carry 12000; \
             b may carry 8000; a warned at 10000: 8000; b billed 0.00 = 0.00 + 0.00; \
             a may carry 20000",
        ),
        // Neither does b while it waits for its last proof.
        (
            "open a; open b; a 4000; end b; wait 1000",
            "a opened for 20000; b opened for 10000; a may carry 10000; a may carry 20000; \
             a warned at 30000: 16000",
        ),
        (
            "open a; open b; a 10000; b 10000; end a; end b; last a; last b",
            "a opened for 20000; b opened for 10000; a may carry 10000; a may carry 15000; \
             b may carry 5000; a warned at 10000: 5000; a billed 1.00 = 0.70 + 0.30; \
             b billed 1.00 = 0.70 + 0.30",
        ),
    ] {
        assert_eq!(play("6.00", "2.00", script), said, "{script}");
    }
}

#[test]
fn a_bill_waits_for_the_last_proof_but_not_for_ever() {
    for (script, said) in [
        ("open a; a 7000; end a; wait 4999", ""),
        ("open a; a 7000; end a; wait 5000", "; a billed 0.70 = 0.49 + 0.21"),
        ("open a; a 7000; end a; a 8000; last a", "; a billed 0.80 = 0.56 + 0.24"),
        ("open a; a 7000; last a; wait 9000", ""),
        ("open a; a 7000; last a; end a", "; a billed 0.70 = 0.49 + 0.21"),
        ("open a; a 7000; relay lost; end a", "; a billed 0.70 = 0.49 + 0.21"),
        ("relay lost; open a; end a", "; a billed 0.00 = 0.00 + 0.00"),
        ("open a; a 7000; drain; last a", "; a billed 0.70 = 0.49 + 0.21"),
        (
            "open a; a 7000; drain; wait 5000; open b",
            "; a billed 0.70 = 0.49 + 0.21; b refused: Draining",
        ),
        // Told twice, answered twice, charged once.
        (
            "open a; a 7000; end a; last a; top up 1.00; end a",
            "; a billed 0.70 = 0.49 + 0.21; balance 19.30; a billed 0.70 = 0.49 + 0.21",
        ),
    ] {
        assert_eq!(play("6.00", "19.00", script), format!("a opened for 190000{said}"), "{script}");
    }
}

#[test]
fn a_failing_store_ends_no_call_and_loses_nothing() {
    for (script, said) in [
        ("store down; open a; store fair; open a", "a refused: Unavailable; a opened for 190000"),
        ("store deaf; open a; store fair; open a", "a refused: Unavailable; a opened for 190000"),
        (
            "open a; a 7000; store down; wait 50000; store fair; wait 5000; show; a 8000; end a; last a",
            "a opened for 190000; a charged 0.70, 18.30 left, 183000 ms, paused; \
             a billed 0.80 = 0.56 + 0.24",
        ),
        (
            "open a; a 7000; store deaf; a 8000; end a; last a; wait 60000; store fair; wait 5000",
            "a opened for 190000; a billed 0.80 = 0.56 + 0.24",
        ),
    ] {
        assert_eq!(play("6.00", "19.00", script), said, "{script}");
    }
}
