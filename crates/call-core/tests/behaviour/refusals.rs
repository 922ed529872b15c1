//! Every request in every state of a call, and every reason not to ring.

use crate::calls::{ACCEPT, FLOW, OPEN, RING, THERE};
use crate::play;

const NOOR: &str = "
    0 noor connects
    > noor: welcome";
const BELA: &str = "
    0 bela connects
    > bela: welcome";

#[test]
fn who_can_be_rung_and_by_whom() {
    for (line, answer) in [
        ("asha 1 ring asha voice", "asha: CallSelf re 1"),
        ("asha 1 ring noor voice", "asha: HostOffline re 1"),
        ("asha 1 ring nobody voice", "asha: HostOffline re 1"),
        ("asha 1 ring meera video", "asha: HostNotOffering re 1"),
        ("asha 1 ring meera voice 4.99", "asha: PriceChanged re 1"),
        ("asha 1 ring meera voice 5.00", "meter: quote a1 voice 5.00"),
        ("noor 1 ring meera voice", "noor: Forbidden re 1"),
        ("noor 1 quote meera voice", "noor: Forbidden re 1"),
        ("asha 1 quote noor voice", "asha: HostOffline re 1"),
        ("asha 1 quote meera video", "asha: HostNotOffering re 1"),
        ("asha 1 online voice 5", "asha: Forbidden re 1"),
        ("asha 1 offline", "asha: Forbidden re 1"),
        ("noor 1 online", "noor: PriceOutOfBand re 1"),
        ("noor 1 online voice 0.99", "noor: PriceOutOfBand re 1"),
        ("noor 1 online voice 1 video 15.01", "noor: PriceOutOfBand re 1"),
        ("noor 1 online voice 1 video 15", "noor: ok re 1"),
        ("noor 1 online video 1.99", "noor: PriceOutOfBand re 1"),
        ("noor 1 online video 2", "noor: ok re 1"),
    ] {
        play(&[THERE, NOOR, &format!("0 {line}\n> {answer}")]);
    }
}

#[test]
fn one_call_at_a_time() {
    let bela = "0 bela 1 ring meera voice\n> bela: CallBusy re 1";
    play(&[THERE, BELA, RING, bela]);
    let noor_online = "0 noor 1 online voice 5\n> noor: ok re 1";
    let asha = "0 asha 2 ring noor voice\n> asha: CallAlready re 2";
    play(&[THERE, NOOR, noor_online, RING, asha]);
}

/// What each request of each side does in each state; `-` is carried out.
#[test]
fn every_request_in_every_state() {
    const RINGING: &[&str] = &[THERE, BELA, RING];
    const OPENING: &[&str] = &[THERE, BELA, RING, ACCEPT];
    const CONNECTING: &[&str] = &[THERE, BELA, RING, ACCEPT, OPEN];
    const LIVE: &[&str] = &[THERE, BELA, RING, ACCEPT, OPEN, FLOW];
    const HUNG_UP: &str = "3000 asha 50 hang_up c1\n> ...";
    const ENDING: &[&str] = &[THERE, BELA, RING, ACCEPT, OPEN, FLOW, HUNG_UP];
    const ENDED: &[&str] =
        &[THERE, BELA, RING, ACCEPT, OPEN, FLOW, HUNG_UP, "3000 meter settled c1\n> ..."];
    let table = "
        request  who    ringing  opening  connecting  live   ending  ended
        cancel   asha   -        -        state       state  state   unknown
        cancel   meera  state    state    state       state  state   unknown
        accept   asha   state    state    state       state  state   unknown
        accept   meera  -        state    state       state  state   unknown
        decline  asha   state    state    state       state  state   unknown
        decline  meera  -        state    state       state  state   unknown
        hang_up  asha   -        -        -           -      -       unknown
        hang_up  meera  -        -        -           -      -       unknown
        offer    asha   state    state    -           -      state   unknown
        offer    meera  state    state    -           -      state   unknown
        mute     asha   -        -        -           -      state   unknown
        mute     meera  -        -        -           -      state   unknown
        cancel   bela   unknown  unknown  unknown     unknown unknown unknown
        accept   bela   unknown  unknown  unknown     unknown unknown unknown
        decline  bela   unknown  unknown  unknown     unknown unknown unknown
        hang_up  bela   unknown  unknown  unknown     unknown unknown unknown
        offer    bela   unknown  unknown  unknown     unknown unknown unknown
        mute     bela   unknown  unknown  unknown     unknown unknown unknown";
    for row in table.lines().skip(2) {
        let cells: Vec<&str> = row.split_whitespace().collect();
        let states = [RINGING, OPENING, CONNECTING, LIVE, ENDING, ENDED];
        for (state, outcome) in states.into_iter().zip(&cells[2..]) {
            let (request, who) = (cells[0], cells[1]);
            let answer = match *outcome {
                "state" => format!("{who}: CallWrongState re 99"),
                "unknown" => format!("{who}: CallUnknown re 99"),
                _ => "...".to_owned(),
            };
            let line = format!("4000 {who} 99 {request} c1\n> {answer}");
            play(&[state, &[&line]].concat());
        }
    }
}

/// What the meter and the relay say about a call changes nothing in a state it does not belong to.
#[test]
fn news_at_the_wrong_time_changes_nothing() {
    let news = [
        ("meter opened c1", "opening"),
        ("meter not_opened c1", "opening ending"),
        ("meter settled c1", "opening connecting live ending"),
        ("meter quoted a1 10", ""),
        ("meter balance a1 10", ""),
        ("meter failed a1", ""),
        ("relay answered a1", ""),
        ("relay full a1", ""),
        ("relay flowing c1", "connecting"),
        ("relay limit c1", "connecting live"),
        ("relay connected c1 fan", ""),
        ("relay gone c1 fan", ""),
        ("meter metered c9 1", ""),
        ("meter low c9", ""),
        ("relay gone c9 host", ""),
        ("relay limit c9", ""),
        ("meter opened c9", ""),
    ];
    let hung_up = "3000 asha 50 hang_up c1\n> ...";
    let states: [(&str, &[&str]); 5] = [
        ("ringing", &[THERE, RING]),
        ("opening", &[THERE, RING, ACCEPT]),
        ("connecting", &[THERE, RING, ACCEPT, OPEN]),
        ("live", &[THERE, RING, ACCEPT, OPEN, FLOW]),
        ("ending", &[THERE, RING, ACCEPT, OPEN, FLOW, hung_up]),
    ];
    for (fact, meant_for) in news {
        for (state, script) in states {
            let expected = if meant_for.contains(state) { "> ..." } else { "" };
            play(&[script, &[&format!("4000 {fact}\n{expected}")]].concat());
        }
    }
}
