//! When leases are prolonged, believed, given away and lost.

use super::*;

const TTL: ElapsedMs = ElapsedMs(10_000);

fn shared() -> Leases {
    Leases::new(Ownership::Shared { ttl: TTL, renew: ElapsedMs(2_500) })
}

/// The first `count` shards, among so many owners.
fn answer(count: usize, owners: u16) -> Held {
    Held { shards: Shard::all().take(count).collect(), adopted: Vec::new(), owners }
}

/// By one that knows the first `known` shards.
fn hold(known: usize, claim: u16) -> Option<Command> {
    Some(Command::Hold { known: Shard::all().take(known).collect(), claim, ttl: TTL })
}

/// One that was asked for at 0 and holds so many shards.
fn holding(count: usize, owners: u16) -> Leases {
    let mut leases = shared();
    assert_eq!(leases.ask(MonotonicMs(0)), hold(0, 1_024));
    assert_eq!(leases.held(MonotonicMs(100), &answer(count, owners)), []);
    leases
}

#[test]
fn leases_are_asked_for_at_once_and_prolonged_in_time() {
    let mut leases = shared();
    assert!(!leases.stand(MonotonicMs(0)));
    assert_eq!(leases.next_wake(), Some(MonotonicMs(0)));
    assert_eq!(leases.ask(MonotonicMs(0)), hold(0, 1_024));
    assert_eq!((leases.ask(MonotonicMs(50)), leases.next_wake()), (None, None), "it was asked");
    assert_eq!(leases.held(MonotonicMs(100), &answer(1_024, 1)), []);
    assert_eq!(leases.ask(MonotonicMs(2_499)), None);
    assert_eq!(leases.next_wake(), Some(MonotonicMs(2_500)));
    assert_eq!(leases.ask(MonotonicMs(2_500)), hold(1_024, 0));
}

#[test]
fn a_lease_is_counted_from_before_it_was_asked_for_and_ends_early() {
    let mut leases = shared();
    leases.ask(MonotonicMs(0));
    leases.held(MonotonicMs(5_000), &answer(1_024, 1));
    assert!(leases.stand(MonotonicMs(7_999)) && !leases.stand(MonotonicMs(8_000)));
    assert_eq!(leases.expire(MonotonicMs(7_999)), []);
    assert_eq!(leases.expire(MonotonicMs(8_000)).len(), 1_024);
    assert_eq!(leases.count(), 0);
}

#[test]
fn what_is_no_longer_held_is_told_once() {
    let mut leases = holding(10, 1);
    assert_eq!(leases.ask(MonotonicMs(2_500)), hold(10, 1_014));
    let lost = leases.held(MonotonicMs(2_600), &answer(8, 1));
    assert_eq!(lost, Shard::all().skip(8).take(2).collect::<Vec<_>>());
    assert!(leases.holds(Shard::all().next().unwrap()) && !leases.holds(lost[0]));
    leases.doubt(MonotonicMs(2_700));
    assert_eq!(leases.ask(MonotonicMs(2_700)), hold(8, 1_016), "at once");
    assert_eq!(leases.held(MonotonicMs(2_800), &answer(8, 1)), []);
}

#[test]
fn after_a_failure_it_is_asked_again_soon() {
    let mut leases = holding(10, 1);
    leases.ask(MonotonicMs(2_500));
    leases.failed(MonotonicMs(3_000));
    assert_eq!(leases.ask(MonotonicMs(3_499)), None);
    assert_eq!(leases.ask(MonotonicMs(3_500)), hold(10, 1_014));
    assert!(leases.stand(MonotonicMs(7_999)), "the lease goes on");
}

#[test]
fn an_answer_that_comes_after_the_end_is_not_believed() {
    let mut leases = holding(10, 1);
    leases.ask(MonotonicMs(2_500));
    assert_eq!(leases.expire(MonotonicMs(8_000)).len(), 10);
    assert_eq!(leases.held(MonotonicMs(8_100), &answer(10, 1)), []);
    assert_eq!(leases.count(), 0);
    assert_eq!(leases.ask(MonotonicMs(8_100)), None, "the store has not let go yet");
    leases.given_back();
    assert_eq!(leases.ask(MonotonicMs(8_100)), hold(0, 1_024));
    leases.held(MonotonicMs(8_200), &answer(10, 1));
    assert_eq!(leases.count(), 10);
}

#[test]
fn a_newcomer_gets_its_share_those_without_calls_first() {
    let busy = |shard: Shard| shard.number() < 1_000;
    let mut leases = holding(1_024, 2);
    let given = leases.give_away(busy);
    assert_eq!(given.len(), 64);
    let idle = given.iter().filter(|shard| !busy(**shard)).count();
    assert_eq!((idle, leases.count()), (24, 960));
    assert!(given.iter().all(|shard| !leases.holds(*shard)));
    let mut rounds = 1;
    while !leases.give_away(busy).is_empty() {
        rounds += 1;
    }
    assert_eq!((rounds, leases.count()), (8, 512));
    leases.ask(MonotonicMs(2_500));
    leases.held(MonotonicMs(2_600), &answer(300, 3));
    assert_eq!(leases.give_away(busy), [], "342 are its due");
    leases.doubt(MonotonicMs(2_700));
    assert_eq!(leases.ask(MonotonicMs(2_700)), hold(300, 42));
}

#[test]
fn who_leaves_keeps_what_is_busy_and_asks_no_more() {
    let mut leases = holding(10, 1);
    let busy = Shard::all().nth(3).unwrap();
    let given = leases.close(|shard| shard == busy);
    assert_eq!((given.len(), leases.count()), (9, 1));
    assert!(leases.holds(busy) && leases.stand(MonotonicMs(7_999)));
    assert_eq!(leases.ask(MonotonicMs(9_000)), None);
    assert_eq!(leases.next_wake(), Some(MonotonicMs(8_000)));
    assert_eq!(leases.held(MonotonicMs(5_000), &answer(10, 1)), []);
    assert_eq!(leases.count(), 1, "a late answer gives nothing back");
    assert_eq!(leases.close(|_| false), [busy]);
    assert_eq!(leases.next_wake(), None);
}

#[test]
fn a_meter_that_is_alone_asks_until_it_has_all_and_then_no_more() {
    let mut leases = Leases::new(Ownership::Alone);
    let Some(Command::Hold { known, claim: 1_024, ttl }) = leases.ask(MonotonicMs(0)) else {
        panic!()
    };
    assert_eq!(known, []);
    leases.held(MonotonicMs(10), &answer(1_000, 1));
    assert_eq!(leases.ask(MonotonicMs(509)), None);
    let known = Shard::all().take(1_000).collect();
    assert_eq!(leases.ask(MonotonicMs(510)), Some(Command::Hold { known, claim: 24, ttl }));
    leases.held(MonotonicMs(520), &answer(1_024, 1));
    let year = MonotonicMs(365 * 24 * 3_600 * 1_000);
    assert_eq!(leases.ask(year), None);
    assert!(leases.stand(year) && leases.expire(year).is_empty());
}
