//! A call from the first ring to its end.

use crate::play;

/// Both there, the host online.
pub(crate) const THERE: &str = "
    0 asha connects
    > asha: welcome
    0 meera connects
    > meera: welcome
    0 meera 1 online voice 5
    > meera: ok re 1";
pub(crate) const RING: &str = "
    0 asha 1 ring meera voice
    > meter: quote a1 voice 5.00
    0 meter quoted a1 10
    > asha: c1 Ringing for 30000 with meera re 1
    > meera: incoming c1 Ringing for 30000 with asha";
pub(crate) const ACCEPT: &str = "
    1000 meera 2 accept c1
    > meter: open c1 voice 5.00";
pub(crate) const OPEN: &str = "
    1001 meter opened c1
    > relay: open c1 20000
    > meera: ok re 2
    > asha: c1 Connecting with meera
    > meera: c1 Connecting with asha";
pub(crate) const FLOW: &str = "
    2000 relay flowing c1
    > asha: c1 Live with meera
    > meera: c1 Live with asha";
pub(crate) const LIVE: &[&str] = &[THERE, RING, ACCEPT, OPEN, FLOW];
const SETTLED: &str = "
    99_000 meter settled c1
    > ...";

fn after(before: &[&str], script: &str) {
    play(&[before, &[script]].concat());
}

#[test]
fn a_call_is_rung_accepted_metered_and_hung_up() {
    after(
        LIVE,
        "
        3000 meter metered c1 1000
        > meera: tick 1000 1.00
        > asha: tick 1000 1.00 balance 9.00
        4000 meter low c1
        > asha: low_funds 10000
        > meera: low_funds 10000
        7000 asha 2 hang_up c1
        > relay: close c1
        > meter: end c1 HungUpByFan after 1000
        > asha: c1 Ending with meera
        > meera: c1 Ending with asha
        > asha: ok re 2
        7500 meter settled c1
        > asha: ended c1 HungUpByFan with receipt
        > meera: ended c1 HungUpByFan with receipt",
    );
}

#[test]
fn a_meter_that_says_less_than_was_said_is_not_heard() {
    after(
        LIVE,
        "
        3000 meter metered c1 2000
        > meera: tick 2000 1.00
        > asha: tick 2000 1.00 balance 9.00
        3500 meter metered c1 1000
        7000 asha 2 hang_up c1
        > relay: close c1
        > meter: end c1 HungUpByFan after 2000
        > asha: c1 Ending with meera
        > meera: c1 Ending with asha
        > asha: ok re 2",
    );
}

#[test]
fn media_connects_through_the_relay_while_the_call_is_on() {
    after(
        &[THERE, RING, ACCEPT, OPEN],
        "
        1100 asha 2 offer c1
        > relay: admit a2 c1 Fan
        1100 meera 3 offer c1
        > relay: admit a3 c1 Host
        1101 relay answered a2
        > asha: answer c1 re 2
        1101 relay unsupported a3 opus
        > meera: MediaUnsupported (opus) re 3
        1102 meera 4 offer c1
        > relay: admit a4 c1 Host
        1103 relay full a4
        > meera: MediaUnavailable re 4
        1104 meera 5 offer c1
        > relay: admit a5 c1 Host
        11103 wake
        11104 wake
        > meera: MediaUnavailable re 5
        11105 relay answered a5",
    );
}

#[test]
fn the_fan_cancels() {
    after(
        &[THERE, RING],
        "
        5000 asha 2 cancel c1
        > asha: ended c1 Cancelled
        > meera: ended c1 Cancelled
        > asha: ok re 2",
    );
}

#[test]
fn the_host_declines() {
    after(
        &[THERE, RING],
        "
        5000 meera 2 decline c1
        > asha: ended c1 Declined
        > meera: ended c1 Declined
        > meera: ok re 2",
    );
}

#[test]
fn nobody_answers_for_thirty_seconds() {
    after(
        &[THERE, RING],
        "
        29999 wake
        30000 wake
        > asha: ended c1 Unanswered
        > meera: ended c1 Unanswered",
    );
}

#[test]
fn an_answer_after_the_timeout_is_too_late_even_before_the_wake_up() {
    after(
        &[THERE, RING],
        "
        30000 meera 2 accept c1
        > asha: ended c1 Unanswered
        > meera: ended c1 Unanswered
        > meera: CallUnknown re 2",
    );
}

#[test]
fn hanging_up_while_it_rings_cancels_or_declines() {
    after(
        &[THERE, RING],
        "1000 asha 2 hang_up c1\n> asha: ended c1 Cancelled\n> meera: ended c1 Cancelled\n> asha: ok re 2",
    );
    after(
        &[THERE, RING],
        "1000 meera 2 hang_up c1\n> asha: ended c1 Declined\n> meera: ended c1 Declined\n> meera: ok re 2",
    );
}

#[test]
fn a_fan_without_funds_does_not_ring() {
    after(
        &[THERE],
        "
        0 asha 1 ring meera voice
        > meter: quote a1 voice 5.00
        0 meter quoted a1 0.999999
        > asha: NoFunds re 1
        1 asha 2 ring meera voice
        > meter: quote a2 voice 5.00
        1 meter failed a2
        > asha: BillingUnavailable re 2
        2 asha 3 ring meera voice
        > meter: quote a3 voice 5.00
        10002 wake
        > asha: BillingUnavailable re 3
        10003 meter quoted a3 10",
    );
}

#[test]
fn of_two_rings_at_once_the_first_with_funds_gets_the_host() {
    after(
        &[THERE],
        "
        0 bela connects
        > bela: welcome
        0 asha 1 ring meera voice
        > meter: quote a1 voice 5.00
        0 bela 1 ring meera voice
        > meter: quote a2 voice 5.00
        1 meter quoted a2 10
        > bela: c2 Ringing for 30000 with meera re 1
        > meera: incoming c2 Ringing for 30000 with bela
        2 meter quoted a1 10
        > asha: CallBusy re 1",
    );
}

#[test]
fn a_price_that_rises_while_the_meter_is_asked_is_not_charged() {
    after(
        &[THERE],
        "
        0 asha 1 ring meera voice
        > meter: quote a1 voice 5.00
        0 meera 2 online voice 6
        > meera: ok re 2
        1 meter quoted a1 10
        > asha: PriceChanged re 1",
    );
}

#[test]
fn the_meter_has_the_last_word_before_media() {
    after(
        &[THERE, RING, ACCEPT],
        "
        1001 meter not_opened c1
        > meera: NoFunds re 2
        > asha: ended c1 FundsExhausted
        > meera: ended c1 FundsExhausted",
    );
}

#[test]
fn cancelled_while_being_opened_it_is_settled_all_the_same() {
    let given_up = "
        1001 asha 2 cancel c1
        > meera: CallWrongState re 2
        > relay: close c1
        > meter: end c1 Cancelled
        > asha: c1 Ending with meera
        > meera: c1 Ending with asha
        > asha: ok re 2";
    after(
        &[THERE, RING, ACCEPT, given_up],
        "
        1002 meter opened c1
        1003 meter settled c1
        > asha: ended c1 Cancelled with receipt
        > meera: ended c1 Cancelled with receipt",
    );
    after(
        &[THERE, RING, ACCEPT, given_up],
        "
        1002 meter not_opened c1
        > asha: ended c1 Cancelled
        > meera: ended c1 Cancelled",
    );
}

#[test]
fn a_meter_that_does_not_open_ends_the_call() {
    after(
        &[THERE, RING, ACCEPT],
        "
        11000 wake
        > meera: BillingUnavailable re 2
        > relay: close c1
        > meter: end c1 NotConnected
        > asha: c1 Ending with meera
        > meera: c1 Ending with asha",
    );
}

#[test]
fn media_that_never_comes_up_ends_the_call_after_twenty_seconds() {
    after(
        &[THERE, RING, ACCEPT, OPEN],
        "
        21000 wake
        21001 wake
        > relay: close c1
        > meter: end c1 NotConnected
        > asha: c1 Ending with meera
        > meera: c1 Ending with asha",
    );
}

#[test]
fn spent_funds_end_the_call() {
    after(
        LIVE,
        "
        22000 relay limit c1
        > relay: close c1
        > meter: end c1 FundsExhausted
        > asha: c1 Ending with meera
        > meera: c1 Ending with asha
        22001 relay limit c1
        22001 asha 2 hang_up c1
        > asha: ok re 2
        23000 meter settled c1
        > asha: ended c1 FundsExhausted with receipt
        > meera: ended c1 FundsExhausted with receipt",
    );
}

#[test]
fn a_meter_that_does_not_settle_keeps_nobody_waiting() {
    after(
        LIVE,
        "
        5000 meera 3 hang_up c1
        > relay: close c1
        > meter: end c1 HungUpByHost
        > asha: c1 Ending with meera
        > meera: c1 Ending with asha
        > meera: ok re 3
        15000 wake
        > meter: end c1 HungUpByHost
        > report unsettled c1
        > asha: ended c1 HungUpByHost
        > meera: ended c1 HungUpByHost
        15001 meter settled c1
        > asha: ended c1 HungUpByFan with receipt
        > meera: ended c1 HungUpByFan with receipt",
    );
}

#[test]
fn lost_media_has_fifteen_seconds_to_come_back() {
    after(
        LIVE,
        "
        5000 relay gone c1 host
        6000 meera 3 offer c1
        > relay: admit a2 c1 Host
        6001 relay answered a2
        > meera: answer c1 re 3
        19999 relay connected c1 host
        40000 wake
        50000 relay gone c1 host
        64999 wake
        65000 wake
        > relay: close c1
        > meter: end c1 HostLost
        > asha: c1 Ending with meera
        > meera: c1 Ending with asha",
    );
}

#[test]
fn what_a_side_sends_is_shown_to_the_other() {
    after(
        LIVE,
        "
        5000 meera 3 mute c1
        > asha: c1 Live with meera muted
        > meera: ok re 3
        5001 meera 4 mute c1
        > meera: ok re 4",
    );
}

#[test]
fn stopping_ends_every_call_and_lets_none_begin() {
    after(
        LIVE,
        "
        5000 stop
        > relay: close c1
        > meter: end c1 Interrupted
        > asha: c1 Ending with meera
        > meera: c1 Ending with asha
        5500 meter settled c1
        > asha: ended c1 Interrupted with receipt
        > meera: ended c1 Interrupted with receipt
        5501 asha 2 ring meera voice
        > asha: Draining re 2",
    );
}

#[test]
fn both_are_free_again_after_a_call() {
    after(
        LIVE,
        &[
            "5000 asha 2 hang_up c1\n> ...",
            SETTLED,
            "99_001 asha 3 ring meera voice
            > meter: quote a2 voice 5.00
            99_002 meter quoted a2 10
            > asha: c2 Ringing for 30000 with meera re 3
            > meera: incoming c2 Ringing for 30000 with asha",
        ]
        .join("\n"),
    );
}
