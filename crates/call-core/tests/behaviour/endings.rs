//! No bill is lost, whoever is away when it comes.

use crate::calls::{LIVE, THERE};
use crate::play;

/// Asha is lost for good; the bill comes while she is away.
const LOST: &str = "
    5000 asha cut
    > meera: c1 Live with asha away
    35_000 wake
    > relay: close c1
    > meter: end c1 FanLost
    > meera: c1 Ending with asha away
    36_000 meter settled c1
    > meera: ended c1 FanLost with receipt";

fn after(before: &[&str], script: &str) {
    play(&[before, &[script]].concat());
}

#[test]
fn who_was_lost_finds_the_bill_at_the_next_login() {
    after(
        &[LIVE, &[LOST]].concat(),
        "
        80_000 asha connects
        > asha2: welcome
        > asha2: ended c1 FanLost with receipt",
    );
}

#[test]
fn a_bill_is_told_until_the_client_is_heard_of() {
    after(
        &[LIVE, &[LOST]].concat(),
        "
        80_000 asha connects
        > asha2: welcome
        > asha2: ended c1 FanLost with receipt
        80_001 asha cut
        90_000 asha connects
        > asha3: welcome
        > asha3: ended c1 FanLost with receipt
        90_001 asha 1 ping
        > asha3: pong re 1
        90_002 asha connects
        > asha3: replaced
        > close asha3 Replaced
        > asha4: welcome",
    );
}

#[test]
fn a_bill_that_went_into_a_dead_socket_comes_again() {
    after(
        LIVE,
        "
        5000 meera 3 hang_up c1
        > ...
        6000 meter settled c1
        > asha: ended c1 HungUpByHost with receipt
        > meera: ended c1 HungUpByHost with receipt
        20_000 asha cut
        21_000 asha connects
        > asha2: welcome
        > asha2: ended c1 HungUpByHost with receipt",
    );
}

#[test]
fn a_resumed_client_gets_the_bill_once() {
    after(
        LIVE,
        "
        5000 asha cut
        > meera: c1 Live with asha away
        6000 meera 3 hang_up c1
        > ...
        7000 meter settled c1
        > meera: ended c1 HungUpByHost with receipt
        8000 asha resumes 3
        > asha2: welcome resumed
        > asha2: c1 Ending with meera
        > asha2: ended c1 HungUpByHost with receipt
        8001 asha 2 ping
        > asha2: pong re 2
        8002 asha connects
        > asha2: replaced
        > close asha2 Replaced
        > asha3: welcome",
    );
}

#[test]
fn the_bill_of_a_call_that_a_crash_cut_waits_for_its_people() {
    play(&["
        0 meter settled c7
        1000 meera connects
        > meera: welcome
        > meera: ended c7 HungUpByFan with receipt
        86_399_999 asha connects
        > asha: welcome
        > asha: ended c7 HungUpByFan with receipt"]);
}

#[test]
fn a_bill_is_not_told_after_a_day() {
    play(&["
        0 meter settled c7
        86_400_000 asha connects
        > asha: welcome"]);
}

#[test]
fn a_late_bill_reaches_whoever_is_there_and_whoever_is_not() {
    after(
        LIVE,
        "
        5000 meera 3 hang_up c1
        > ...
        15000 wake
        > meter: end c1 HungUpByHost
        > report unsettled c1
        > asha: ended c1 HungUpByHost
        > meera: ended c1 HungUpByHost
        15001 asha cut
        16000 meter settled c1
        > meera: ended c1 HungUpByFan with receipt
        50_000 wake
        50_001 asha connects
        > asha2: welcome
        > asha2: ended c1 HungUpByFan with receipt",
    );
}

#[test]
fn an_end_is_told_to_the_meter_until_its_bill_comes() {
    after(
        LIVE,
        "
        5000 meera 3 hang_up c1
        > ...
        7999 wake
        8000 wake
        > meter: end c1 HungUpByHost
        11_000 wake
        > meter: end c1 HungUpByHost
        12_000 meter settled c1
        > asha: ended c1 HungUpByHost with receipt
        > meera: ended c1 HungUpByHost with receipt
        14_000 wake
        400_000 wake",
    );
}

#[test]
fn a_meter_that_comes_back_hears_of_an_end_for_five_minutes() {
    after(
        LIVE,
        "
        5000 meera 3 hang_up c1
        > ...
        15_000 wake
        > ...
        304_999 wake
        > meter: end c1 HungUpByHost
        307_999 wake
        400_000 meter settled c1
        > asha: ended c1 HungUpByFan with receipt
        > meera: ended c1 HungUpByFan with receipt",
    );
}

#[test]
fn an_ending_that_cost_nothing_is_not_kept() {
    play(&[
        THERE,
        "
        0 asha 1 ring meera voice
        > meter: quote a1 voice 5.00
        0 meter quoted a1 10
        > ...
        1 asha cut
        > meera: c1 Ringing for 29999 with asha away
        2 meera 2 decline c1
        > meera: ended c1 Declined
        > meera: ok re 2
        3 asha connects
        > asha2: welcome",
    ]);
}

#[test]
fn a_call_that_the_meter_has_settled_by_itself_is_over() {
    after(
        LIVE,
        "
        5000 meter settled c1
        > relay: close c1
        > meter: end c1 HungUpByFan
        > asha: c1 Ending with meera
        > meera: c1 Ending with asha
        > asha: ended c1 HungUpByFan with receipt
        > meera: ended c1 HungUpByFan with receipt",
    );
}

#[test]
fn what_a_call_gave_back_is_told_with_its_bill_until_it_is_seen() {
    after(
        &[LIVE, &[LOST]].concat(),
        "
        36_100 meter refunded c1
        > meera: credited c1 1.00
        80_000 asha connects
        > asha2: welcome
        > asha2: ended c1 FanLost with receipt
        > asha2: credited c1 1.00
        80_001 asha 1 ping
        > asha2: pong re 1
        80_002 asha connects
        > asha2: replaced
        > close asha2 Replaced
        > asha3: welcome",
    );
}

#[test]
fn what_a_call_gave_back_later_is_told_to_who_is_there() {
    after(
        &[LIVE, &[LOST]].concat(),
        "
        80_000 asha connects
        > ...
        80_001 asha 1 ping
        > asha2: pong re 1
        90_000 meter refunded c1
        > asha2: credited c1 1.00
        > meera: credited c1 1.00",
    );
}

#[test]
fn a_relay_that_lost_its_rooms_ends_their_calls_at_what_was_carried() {
    after(
        LIVE,
        "
        5000 relay restarted
        > relay: close c1
        > meter: end c1 Interrupted
        > asha: c1 Ending with meera
        > meera: c1 Ending with asha
        6000 meter settled c1
        > asha: ended c1 Interrupted with receipt
        > meera: ended c1 Interrupted with receipt",
    );
}
