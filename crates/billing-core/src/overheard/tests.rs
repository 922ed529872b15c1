//! What is remembered of other meters' calls, and for how long.

use super::*;
use crate::{Flow, Proven};
use uuid::Uuid;

fn call(n: u32) -> CallId {
    CallId(Uuid::from_u128(n.into()))
}

fn proven(ms: u64) -> Counted {
    let to_fan = Flow { proven: ElapsedMs(ms), ..Flow::default() };
    Counted { to_fan, ..Counted::default() }
}

/// What is known of a call: its proven time, whether more comes, why it ended.
fn taken(others: &mut Others, n: u32) -> Option<(u64, bool, Option<EndReason>)> {
    let heard = others.take(call(n))?;
    let proven = heard.counted.map_or(Proven::ZERO, |counted| counted.billable()).media.0;
    Some((proven, heard.last_report_in, heard.ended.map(|(reason, _)| reason)))
}

const START: MonotonicMs = MonotonicMs(0);

#[test]
fn the_most_of_what_was_counted_and_the_first_end_are_kept_until_they_are_taken() {
    let mut others = Others::default();
    for (ms, last) in [(5_000, false), (7_000, true), (6_000, false)] {
        others.counted(START, call(1), proven(ms), last);
    }
    others.ended(START, call(1), EndReason::HungUpByFan, UnixMs(1));
    others.ended(START, call(1), EndReason::FanLost, UnixMs(2));
    others.ended(START, call(2), EndReason::HostLost, UnixMs(3));
    assert_eq!(taken(&mut others, 1), Some((7_000, true, Some(EndReason::HungUpByFan))));
    assert_eq!(taken(&mut others, 1), None, "it is somebody else's no longer");
    assert_eq!(taken(&mut others, 2), Some((0, false, Some(EndReason::HostLost))));
}

#[test]
fn what_a_meter_knew_of_a_call_that_it_left_replaces_what_was_heard() {
    let mut others = Others::default();
    others.counted(START, call(1), proven(9_000), true);
    let known = Overheard { counted: Some(proven(4_000)), ..Overheard::default() };
    others.left(MonotonicMs(5), call(1), known);
    let heard = others.take(call(1)).unwrap();
    assert_eq!((heard.counted, heard.last_report_in), (Some(proven(4_000)), false));
    assert_eq!(heard.heard_at, MonotonicMs(5));
}

#[test]
fn a_call_is_remembered_for_a_quarter_of_an_hour_after_it_was_last_heard_of() {
    let at = |ms: u64| START + ElapsedMs(REMEMBERED.0 - 1 + ms);
    for (again_at, looked_at, known) in [
        (None, at(0), true),
        (None, at(1), false),
        (Some(at(0)), at(0) + ElapsedMs(REMEMBERED.0 - 1), true),
        (Some(at(0)), at(0) + REMEMBERED, false),
    ] {
        let mut others = Others::default();
        others.counted(START, call(1), proven(1_000), false);
        if let Some(again_at) = again_at {
            others.counted(again_at, call(1), proven(2_000), false);
        }
        // Others' news is when it looks.
        others.counted(looked_at, call(2), proven(1), false);
        others.counted(looked_at, call(3), proven(1), false);
        assert_eq!(others.take(call(1)).is_some(), known, "{again_at:?} {looked_at:?}");
    }
}

#[test]
fn a_full_memory_takes_more_of_what_it_knows_and_no_new_calls() {
    let mut others = Others::default();
    let full = u32::try_from(CALLS_MAX).unwrap();
    for n in 0..=full {
        others.counted(START, call(n), proven(1_000), false);
    }
    others.counted(START, call(0), proven(3_000), false);
    assert_eq!(taken(&mut others, full), None);
    assert_eq!(taken(&mut others, 0), Some((3_000, false, None)));
    others.ended(START, call(full), EndReason::HostLost, UnixMs(1));
    assert!(taken(&mut others, full).is_some(), "there is room again");
}
