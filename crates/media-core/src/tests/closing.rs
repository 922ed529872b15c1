//! How a room ends.

use super::call::{CALL, Call, leg};
use super::client::negotiated;
use crate::*;
use units::{ElapsedMs, MonotonicUs};

fn closed(call: &Call) -> Option<(u64, u64)> {
    match call.events.last() {
        Some(Event::Closed { to_fan, .. }) => Some((to_fan.forwarded_ms.0, to_fan.proven_ms.0)),
        _ => None,
    }
}

/// Three packets 20 ms apart, of which two are confirmed; then the room is closed.
fn closing() -> Call {
    let mut call = Call::new(60_000);
    for sequence in 0..3 {
        call.audio(sequence);
        call.pass(20);
    }
    call.confirm(&[0, 1]);
    call.input(Input::CloseRoom { call: CALL });
    assert_eq!(closed(&call), None);
    call
}

#[test]
fn a_closing_room_forwards_nothing_and_waits_for_the_last_proof() {
    let mut call = closing();
    call.fan.packets();
    call.audio(3);
    assert!(call.fan.packets().is_empty());
    call.pass(1_000);
    call.confirm(&[2]);
    assert_eq!(closed(&call), Some((40, 40)));
    assert_eq!(call.forwarder.next_wake(), None, "forgotten");
}

#[test]
fn proof_that_never_comes_is_waited_for_two_seconds() {
    let mut call = closing();
    call.pass(1_999);
    call.input(Input::CloseRoom { call: CALL });
    assert_eq!(closed(&call), None);
    call.pass(1);
    assert_eq!(closed(&call), Some((40, 20)));
    let Some(Event::Closed { to_fan, .. }) = call.events.last() else { panic!() };
    assert_eq!(to_fan.lost_ms, ElapsedMs(20), "in the end all is either proven or lost");
}

#[test]
fn a_fan_that_has_left_is_not_waited_for() {
    let mut call = closing();
    call.input(Input::Leave { leg: leg(Side::Host) });
    assert_eq!(closed(&call), None);
    call.input(Input::Leave { leg: leg(Side::Fan) });
    assert_eq!(closed(&call), Some((40, 20)));
}

#[test]
fn nobody_joins_a_closing_room() {
    let mut call = closing();
    call.input(Input::Join { leg: leg(Side::Host), negotiated: negotiated(3) });
    call.input(Input::SetLimit { call: CALL, funded: ElapsedMs(0) });
    call.confirm(&[2]);
    // The limit was lowered below what was forwarded: that stays, and so does its proof.
    assert_eq!(closed(&call), Some((40, 40)));
    assert!(!call.events.contains(&Event::LimitReached { call: CALL }));
}

#[test]
fn an_unknown_room_is_closed_already() {
    let mut call = closing();
    call.confirm(&[2]);
    call.events.clear();
    call.input(Input::CloseRoom { call: CALL });
    let none = Carried::default();
    assert_eq!(call.events, [Event::Closed { call: CALL, to_fan: none, to_host: none }]);
    call.input(Input::SetLimit { call: CALL, funded: ElapsedMs(5) });
    call.input(Input::Join { leg: leg(Side::Fan), negotiated: negotiated(1) });
    call.audio(9);
    assert_eq!(call.events.len(), 1);
}

#[test]
fn with_nothing_outstanding_a_room_closes_at_once() {
    let mut never_joined = Forwarder::new(Limits::default());
    let mut out = Outbox::default();
    let now = MonotonicUs(1);
    never_joined.handle(now, Input::OpenRoom { call: CALL, funded: ElapsedMs(9) }, &mut out);
    never_joined.handle(now, Input::CloseRoom { call: CALL }, &mut out);
    assert!(matches!(out.events(), [Event::Closed { .. }]), "{:?}", out.events());
    assert_eq!(never_joined.next_wake(), None);

    let mut silent = Call::new(60_000);
    silent.input(Input::CloseRoom { call: CALL });
    assert_eq!(closed(&silent), Some((0, 0)));

    let mut proven = Call::new(60_000);
    proven.audio(1);
    proven.pass(20);
    proven.audio(2);
    proven.confirm(&[0, 1]);
    proven.input(Input::CloseRoom { call: CALL });
    assert_eq!(closed(&proven), Some((20, 20)));
}

#[test]
fn a_room_that_nobody_closes_does_not_live_for_ever() {
    const IDLE_MS: u64 = 300_000;
    let mut left = Call::new(60_000);
    left.audio(1);
    for side in Side::ALL {
        left.input(Input::Leave { leg: leg(side) });
    }
    left.pass(IDLE_MS - 1);
    // A new limit is no sign of life: nobody can use it.
    left.input(Input::SetLimit { call: CALL, funded: ElapsedMs(70_000) });
    assert_eq!(closed(&left), None);
    left.pass(1);
    assert_eq!(closed(&left), Some((0, 0)));
    assert_eq!(left.forwarder.next_wake(), None);

    let mut cut = Call::new(0);
    cut.pass(IDLE_MS);
    assert_eq!(closed(&cut), Some((0, 0)));

    let mut topped_up = Call::new(0);
    topped_up.pass(IDLE_MS - 1);
    topped_up.input(Input::SetLimit { call: CALL, funded: ElapsedMs(1) });
    topped_up.pass(2 * IDLE_MS);
    assert_eq!(closed(&topped_up), None, "both may be silent for as long as they like");

    let mut rejoined = Call::new(60_000);
    for side in Side::ALL {
        rejoined.input(Input::Leave { leg: leg(side) });
    }
    rejoined.pass(IDLE_MS - 1);
    rejoined.rejoin(Side::Fan, negotiated(3));
    rejoined.pass(2 * IDLE_MS);
    assert_eq!(closed(&rejoined), None);
}
