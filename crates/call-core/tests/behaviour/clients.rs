//! Clients that come, go, come back, and come twice; hosts that are watched.

use crate::calls::{ACCEPT, LIVE, OPEN, RING, THERE};
use crate::play;

#[test]
fn watchers_hear_of_every_change() {
    play(&["
        0 asha connects
        > asha: welcome
        0 asha 1 watch
        > asha: hosts  re 1
        0 meera connects
        > meera: welcome
        0 meera 1 online voice 5
        > asha: host meera Online 5.00
        > meera: ok re 1
        1 meera 2 online voice 5
        > meera: ok re 2
        2 meera 3 online voice 6
        > asha: host meera Online 6.00
        > meera: ok re 3
        3 bela connects
        > bela: welcome
        3 bela 1 watch
        > bela: hosts meera Online 6.00 re 1
        4 asha 2 ring meera voice
        > meter: quote a1 voice 6.00
        4 meter quoted a1 10
        > asha: c1 Ringing for 30000 with meera re 2
        > meera: incoming c1 Ringing for 30000 with asha
        > asha: host meera Busy 6.00
        > bela: host meera Busy 6.00
        5 meera 4 decline c1
        > asha: ended c1 Declined
        > meera: ended c1 Declined
        > asha: host meera Online 6.00
        > bela: host meera Online 6.00
        > meera: ok re 4
        6 meera 5 offline
        > asha: host meera Offline
        > bela: host meera Offline
        > meera: ok re 5
        7 meera 6 offline
        > meera: ok re 6"]);
}

#[test]
fn a_host_is_offline_when_the_session_ends() {
    play(&[
        THERE,
        "
        0 asha 1 watch
        > asha: hosts meera Online 5.00 re 1
        1000 meera cut
        30999 wake
        31000 wake
        > asha: host meera Offline",
    ]);
}

#[test]
fn a_quote_and_the_wallet_come_from_the_meter() {
    play(&[
        THERE,
        "
        0 asha 1 quote meera voice
        > meter: quote a1 voice 5.00
        0 asha 2 wallet
        > meter: balance a2 asha
        1 meter balance a2 10
        > asha: wallet 10.00 re 2
        1 meter quoted a1 10
        > asha: quote voice 5.00 lasts 60000 re 1
        2 meter credited asha 15
        > asha: wallet 15.00
        2 meter credited noor 15",
    ]);
}

#[test]
fn a_client_that_comes_back_gets_what_it_missed() {
    play(LIVE);
    play(
        &[
            LIVE,
            &["
        5000 asha cut
        > meera: c1 Live with asha away
        6000 meter metered c1 4000
        > meera: tick 4000 1.00
        7000 meter low c1
        > meera: low_funds 10000
        8000 asha resumes 3
        > asha2: welcome resumed, c1 Live with meera
        > asha2: tick 4000 1.00 balance 9.00
        > asha2: low_funds 10000
        > meera: c1 Live with asha"],
        ]
        .concat(),
    );
}

#[test]
fn a_host_hears_the_share_that_the_meter_named_for_them() {
    play(&[
        THERE,
        "
        0 asha 1 quote meera voice
        > meter: quote a1 voice 5.00
        1 meter quoted a1 10
        > asha: quote voice 5.00 lasts 60000 re 1
        2 meera cut
        3 meera resumes 2
        > meera2: welcome, earns 7000 of 10000
        4 asha cut
        5 asha resumes 1
        > asha2: welcome resumed",
    ]);
}

#[test]
fn what_has_been_seen_decides_what_is_missed() {
    play(&[
        THERE,
        "
        0 asha 1 ping
        > asha: pong re 1
        0 asha 2 ping
        > asha: pong re 2
        1 asha cut
        2 asha resumes 1
        > asha2: welcome resumed
        > asha2: pong re 2
        3 asha cut
        4 asha resumes 3
        > asha3: welcome",
    ]);
}

#[test]
fn each_request_is_carried_out_once() {
    play(&[
        THERE,
        "
        0 asha 1 ring meera voice
        > meter: quote a1 voice 5.00
        1 asha cut
        2 meter quoted a1 10
        > meera: incoming c1 Ringing for 30000 with asha away
        3 asha resumes 0
        > asha2: welcome resumed, c1 Ringing for 29999 with meera
        > asha2: c1 Ringing for 30000 with meera re 1
        > meera: c1 Ringing for 29999 with asha
        4 asha 1 ring meera voice
        5 asha 2 ping
        > asha2: pong re 2",
    ]);
}

#[test]
fn a_call_survives_a_cut_within_the_grace_and_not_beyond() {
    play(
        &[
            LIVE,
            &["
        5000 meera cut
        > asha: c1 Live with meera away
        34999 wake
        35000 wake
        > relay: close c1
        > meter: end c1 HostLost
        > asha: c1 Ending with meera away
        36000 meter settled c1
        > asha: ended c1 HostLost with receipt"],
        ]
        .concat(),
    );
}

#[test]
fn a_fan_who_stays_away_stops_ringing() {
    play(&[
        THERE,
        "
        0 asha cut",
        "
        0 asha resumes 0
        > asha2: welcome resumed
        0 asha 1 ring meera voice
        > meter: quote a1 voice 5.00
        0 asha cut
        9000 meter quoted a1 10
        > meera: incoming c1 Ringing for 30000 with asha away
        30000 wake
        > meera: ended c1 FanLost",
    ]);
}

#[test]
fn when_socket_and_media_are_gone_the_longer_grace_holds() {
    play(
        &[
            LIVE,
            &["
        5000 relay gone c1 fan
        6000 asha cut
        > meera: c1 Live with asha away
        34000 wake
        34000 asha resumes 3
        > asha2: welcome resumed, c1 Live with meera
        > meera: c1 Live with asha
        48999 wake
        49000 wake
        > relay: close c1
        > meter: end c1 FanLost
        > asha2: c1 Ending with meera
        > meera: c1 Ending with asha"],
        ]
        .concat(),
    );
    play(
        &[
            LIVE,
            &["
        5000 asha cut
        > meera: c1 Live with asha away
        6000 relay gone c1 fan
        35000 wake
        > relay: close c1
        > meter: end c1 FanLost
        > meera: c1 Ending with asha away"],
        ]
        .concat(),
    );
}

#[test]
fn the_newest_login_wins_and_finds_its_call() {
    play(
        &[
            LIVE,
            &["
        5000 meera connects
        > meera: replaced
        > close meera Replaced
        > meera2: welcome, c1 Live with asha, earns 7000 of 10000
        5001 meera 1 offer c1
        > relay: admit a2 c1 Host
        5002 meera 2 hang_up c1
        > relay: close c1
        > meter: end c1 HungUpByHost
        > asha: c1 Ending with meera
        > meera2: c1 Ending with asha
        > meera2: ok re 2"],
        ]
        .concat(),
    );
}

#[test]
fn a_client_that_was_replaced_while_it_was_away_does_not_take_the_session_back() {
    play(&[
        THERE,
        "
        1 asha cut
        2 asha connects
        > asha2: welcome
        3 asha resumes 0 of 1
        > asha3: replaced
        > close asha3 Replaced
        4 asha 1 ping
        5 meter credited asha 15
        > asha2: wallet 15.00",
    ]);
}

#[test]
fn a_client_whose_welcome_was_lost_comes_back_with_its_old_session() {
    play(&["
        0 asha resumes 7 of 99
        > asha: welcome
        1 asha resumes 7 of 99
        > asha: replaced
        > close asha Replaced
        > asha2: welcome"]);
}

#[test]
fn an_accept_whose_session_was_replaced_still_opens_the_call() {
    play(&[
        THERE,
        RING,
        ACCEPT,
        "
        1000 meera connects
        > meera: replaced
        > close meera Replaced
        > meera2: welcome, c1 Ringing with asha, earns 7000 of 10000
        1001 meter opened c1
        > relay: open c1 20000
        > asha: c1 Connecting with meera
        > meera2: c1 Connecting with asha",
    ]);
}

#[test]
fn a_session_moves_to_its_newer_socket() {
    play(&[
        THERE,
        "
        1 asha resumes 0
        > close asha Moved
        > asha2: welcome resumed
        2 asha 1 ping
        > asha2: pong re 1",
    ]);
}

#[test]
fn too_many_unanswered_requests_are_refused() {
    let asks: Vec<String> =
        (1..=16).map(|n| format!("0 asha {n} wallet\n> meter: balance a{n} asha")).collect();
    play(&[
        THERE,
        &asks.join("\n"),
        "
        0 asha 17 wallet
        > asha: TooFast re 17
        1 meter balance a1 5
        > asha: wallet 5.00 re 1
        1 asha 18 wallet
        > meter: balance a17 asha",
    ]);
}

#[test]
fn a_client_that_sends_rubbish_is_told_and_then_disconnected() {
    let told = "0 asha garbage\n> asha: Malformed\n".repeat(19);
    play(&[
        THERE,
        &told,
        "
        0 asha 1 garbage
        > asha: Malformed re 1
        0 asha 2 garbage
        > close asha Abused
        0 asha 3 ping
        1 asha resumes 1
        > asha2: welcome resumed",
    ]);
}

#[test]
fn a_flood_is_refused_and_then_disconnected() {
    let flood = |from: u32, to: u32, answer: &str| -> String {
        (from..=to).map(|n| format!("0 asha {n} ping\n> asha: {answer} re {n}\n")).collect()
    };
    play(&[
        THERE,
        &flood(1, 100, "pong"),
        &flood(101, 120, "TooFast"),
        "
        0 asha 121 ping
        > close asha Abused
        0 meera 2 ping
        > meera: pong re 2",
    ]);
}

#[test]
fn requests_that_reach_everybody_are_rarer() {
    let watch = |from: u32, to: u32, answer: &str| -> String {
        let ask = |n| format!("0 asha {n} watch\n> asha: {answer} re {n}\n");
        (from..=to).map(ask).collect()
    };
    let flap = |from: u32, to: u32| -> String {
        let price = |n| if n % 2 == 0 { 5 } else { 6 };
        let ask = |n| format!("0 meera {n} online voice {}\n> ...\n", price(n));
        (from..=to).map(ask).collect()
    };
    play(&[
        THERE,
        &watch(1, 20, "hosts meera Online 5.00"),
        &watch(21, 22, "TooFast"),
        "
        0 asha 23 ping
        > asha: pong re 23
        1000 asha 24 watch
        > asha: hosts meera Online 5.00 re 24",
    ]);
    // The twentieth is the last that watchers hear of.
    play(&[
        THERE,
        &watch(1, 1, "hosts meera Online 5.00"),
        &flap(3, 21),
        "
        0 meera 22 online voice 7
        > meera: TooFast re 22",
    ]);
}

#[test]
fn offers_are_for_calls_that_carry_media() {
    play(&[
        THERE,
        RING,
        "
        500 asha 2 offer c1
        > asha: CallWrongState re 2",
        ACCEPT,
        OPEN,
        "
        1500 asha 3 offer c1
        > relay: admit a2 c1 Fan",
    ]);
}

#[test]
fn a_frame_that_is_too_large_costs_the_socket_but_not_the_session() {
    play(&[
        THERE,
        "
        0 asha too_large
        > asha: TooLarge
        > close asha TooLarge
        1 asha resumes 0
        > asha2: welcome resumed",
    ]);
}

#[test]
fn who_is_lost_while_the_call_is_ending_ends_it_no_second_time() {
    play(
        &[
            LIVE,
            &["
        5000 asha cut
        > meera: c1 Live with asha away
        34_999 meera 3 hang_up c1
        > relay: close c1
        > meter: end c1 HungUpByHost
        > meera: c1 Ending with asha away
        > meera: ok re 3
        35_000 wake
        36_000 meter settled c1
        > meera: ended c1 HungUpByHost with receipt"],
        ]
        .concat(),
    );
}
