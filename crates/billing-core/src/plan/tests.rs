//! What a plan charges, against the same walked millisecond by millisecond.

use super::*;
use crate::advance;
use proptest::prelude::*;
use units::Coins;

fn amount(text: &str) -> MicroCoins {
    text.parse().unwrap()
}

fn rates(voice: &str, video: &str) -> Rates {
    Rates { voice: voice.parse().unwrap(), video: video.parse().unwrap() }
}

fn tariff(price: &str, free_ms: u64) -> Tariff {
    Tariff { free: ElapsedMs(free_ms), ..Tariff::plain(rates(price, price)) }
}

fn proven(media: u64, video: u64) -> Proven {
    Proven { media: ElapsedMs(media), video: ElapsedMs(video) }
}

#[test]
fn a_charge_is_the_rate_times_the_time_rounded_down() {
    for (price, free_ms, media_ms, expected) in [
        ("5.00", 0, 60_000, "5.00"),
        ("2.50", 0, 480 * 60_000, "1200.00"),
        ("5.00", 0, 1_800 * 60_000, "9000.00"),
        ("5.00", 0, 1_000, "0.083333"),
        ("5.00", 0, 0, "0.00"),
        ("5.00", 20_000, 20_000, "0.00"),
        ("5.00", 20_000, 80_000, "5.00"),
        ("1.99", 0, 432_000, "14.328"),
        ("0.00", 0, 60_000, "0.00"),
        ("100000.00", 0, u64::MAX, "288000000.00"),
    ] {
        let plan = Plan::new(tariff(price, free_ms));
        let charge = plan.charge(Proven::voice(ElapsedMs(media_ms)));
        assert_eq!(charge, amount(expected), "{price}, {free_ms}, {media_ms}");
    }
}

#[test]
fn picture_costs_its_price_and_a_camera_that_is_off_the_voice_price() {
    // voice, video, free, media, video; expected.
    for (voice, video, free_ms, media_ms, video_ms, expected) in [
        ("3.00", "6.00", 0, 60_000, 60_000, "6.00"),
        ("3.00", "6.00", 0, 60_000, 0, "3.00"),
        ("3.00", "6.00", 0, 60_000, 20_000, "4.00"),
        // Free time pays for picture first, whenever there was some.
        ("3.00", "6.00", 20_000, 60_000, 20_000, "2.00"),
        ("3.00", "6.00", 30_000, 60_000, 20_000, "1.50"),
        ("3.00", "6.00", 10_000, 60_000, 20_000, "3.00"),
        // No more picture than media.
        ("3.00", "6.00", 0, 60_000, 90_000, "6.00"),
        // A camera that goes off never makes a call dearer.
        ("6.00", "3.00", 0, 60_000, 0, "3.00"),
        ("6.00", "3.00", 0, 60_000, 60_000, "3.00"),
    ] {
        let free = ElapsedMs(free_ms);
        let plan = Plan::new(Tariff { free, ..Tariff::plain(rates(voice, video)) });
        let charge = plan.charge(proven(media_ms, video_ms));
        assert_eq!(charge, amount(expected), "{voice}/{video}, {free_ms}, {media_ms}, {video_ms}");
    }
}

#[test]
fn pulse_minimum_and_fee_count_once_time_is_charged() {
    // pulse, minimum, fee, media; expected at 6.00 per minute after 10 s that are free.
    for (pulse_ms, minimum_ms, fee, media_ms, expected) in [
        (0, 0, "0", 10_001, "0.0001"),
        (1, 0, "0", 10_001, "0.0001"),
        (60_000, 0, "0", 10_000, "0.00"),
        (60_000, 0, "0", 10_001, "6.00"),
        (60_000, 0, "0", 70_000, "6.00"),
        (60_000, 0, "0", 70_001, "12.00"),
        (0, 30_000, "0", 10_000, "0.00"),
        (0, 30_000, "0", 10_001, "3.00"),
        (0, 30_000, "0", 40_000, "3.00"),
        (0, 30_000, "0", 40_010, "3.001"),
        (20_000, 30_000, "0", 10_001, "4.00"),
        (0, 0, "1.50", 10_000, "0.00"),
        (0, 0, "1.50", 10_001, "1.5001"),
        (60_000, 0, "1.50", 70_001, "13.50"),
        (u64::MAX, u64::MAX, "9007199254.740992", 10_001, "9007199254.740992"),
    ] {
        let plan = Plan::new(Tariff {
            pulse: ElapsedMs(pulse_ms),
            minimum: ElapsedMs(minimum_ms),
            connect_fee: amount(fee),
            ..tariff("6.00", 10_000)
        });
        let charge = plan.charge(Proven::voice(ElapsedMs(media_ms)));
        assert_eq!(charge, amount(expected), "{pulse_ms}, {minimum_ms}, {fee}, {media_ms}");
    }
}

#[test]
fn funds_buy_the_time_that_spends_them() {
    // price, free, fee, funds; expected.
    for (price, free_ms, fee, funds, expected_ms) in [
        ("6.00", 0, "0", "2.00", 20_000),
        ("5.00", 0, "0", "5.00", 60_000),
        ("5.00", 0, "0", "0.000001", 1),
        ("5.00", 0, "0", "0.00", 0),
        ("5.00", 20_000, "0", "0.00", 20_000),
        ("5.00", 20_000, "0", "5.00", 80_000),
        ("5.00", 20_000, "1", "6.00", 80_000),
        ("5.00", 20_000, "1", "0.50", 20_001),
        ("5.00", 20_000, "1", "1.00", 20_001),
        ("5.00", 20_000, "1", "1.000001", 20_001),
        ("0.00", 0, "0", "0.00", CALL_MS_MAX.0),
        ("0.000001", 0, "0", "9000000000.00", CALL_MS_MAX.0),
        ("100000.00", 0, "0", "9000000000.00", CALL_MS_MAX.0),
    ] {
        for pulse_ms in [0, 60_000] {
            let plan = Plan::new(Tariff {
                pulse: ElapsedMs(pulse_ms),
                connect_fee: amount(fee),
                ..tariff(price, free_ms)
            });
            let funded = plan.funded(Proven::ZERO, false, amount(funds));
            assert_eq!(funded, ElapsedMs(expected_ms), "{price}, {free_ms}, {fee}, {funds}");
        }
    }
}

#[test]
fn a_paid_pulse_is_served_to_its_end_and_a_part_of_one_in_part() {
    let pulsed = Tariff { pulse: ElapsedMs(60_000), ..tariff("5.00", 0) };
    let plan = Plan::new(pulsed);
    for (funds, expected_ms) in [("5.00", 60_000), ("10.00", 120_000), ("8.00", 96_000)] {
        let funded = plan.funded(Proven::ZERO, false, amount(funds));
        assert_eq!(funded, ElapsedMs(expected_ms), "{funds}");
    }
}

#[test]
fn a_call_that_costs_nothing_from_here_on_is_never_cut() {
    let mut plan = Plan::new(tariff("5.00", 0));
    let from = plan.change_from(Proven::voice(ElapsedMs(60_000)));
    plan.changes.push(Change { n: 1, from, rates: Rates::default() });
    assert_eq!(plan.funded(from, false, amount("5.00")), CALL_MS_MAX);
    assert_eq!(plan.funded(Proven::ZERO, false, amount("4.00")), ElapsedMs(48_000));
}

#[test]
fn a_change_waits_for_the_end_of_the_pulse_that_is_paid() {
    // pulse, minimum, carried media and picture; expected. The first 10 s are free.
    for (pulse_ms, minimum_ms, carried, expected) in [
        (0, 0, (100_000, 40_000), (100_000, 40_000)),
        (60_000, 0, (100_000, 40_000), (130_000, 70_000)),
        (60_000, 0, (70_000, 0), (70_000, 0)),
        (60_000, 0, (5_000, 5_000), (5_000, 5_000)),
        (0, 120_000, (100_000, 0), (130_000, 30_000)),
        (u64::MAX, 0, (100_000, 0), (100_000 + CALL_MS_MAX.0, CALL_MS_MAX.0)),
    ] {
        let (pulse, minimum) = (ElapsedMs(pulse_ms), ElapsedMs(minimum_ms));
        let plan = Plan::new(Tariff { pulse, minimum, ..tariff("6.00", 10_000) });
        let from = plan.change_from(proven(carried.0, carried.1));
        assert_eq!(from, proven(expected.0, expected.1), "{pulse_ms}, {minimum_ms}, {carried:?}");
    }
}

#[test]
fn changes_take_effect_in_their_order() {
    let mut plan = Plan::new(tariff("6.00", 10_000));
    let from = plan.change_from(proven(5_000, 2_000));
    plan.changes.push(Change { n: 1, from, rates: rates("1.00", "2.00") });
    // A report that is late does not put the second change before the first.
    assert_eq!(plan.change_from(proven(4_000, 3_000)), proven(5_000, 3_000));
    // Free time is kept whatever changes in it.
    assert_eq!(plan.funded(proven(6_000, 0), true, MicroCoins::ZERO), ElapsedMs(10_000));
}

#[test]
fn a_change_that_is_ahead_prices_nothing() {
    let pulsed = Tariff { pulse: ElapsedMs(60_000), ..tariff("6.00", 0) };
    let mut plan = Plan::new(pulsed);
    let before = proven(70_000, 0);
    let from = plan.change_from(before);
    plan.changes.push(Change { n: 1, from, rates: rates("1.00", "1.00") });
    for (media_ms, expected) in
        [(70_000, "12.00"), (120_000, "12.00"), (120_001, "13.00"), (180_001, "14.00")]
    {
        assert_eq!(plan.charge(proven(media_ms, 0)), amount(expected), "{media_ms}");
    }
    assert_eq!(plan.rates(), rates("1.00", "1.00"));
}

/// A stretch of a call with or without picture, and the prices that are agreed on within it.
#[derive(Clone, Debug)]
struct Stretch {
    before_ms: u64,
    picture: bool,
    change: Option<Rates>,
    after_ms: u64,
}

prop_compose! {
    fn any_rates()(voice in 0_u64..15_000_000, more in 0_u64..15_000_000) -> Rates {
        Rates {
            voice: Rate::per_minute(voice).unwrap(),
            video: Rate::per_minute(voice + more).unwrap(),
        }
    }
}

prop_compose! {
    fn any_tariff()(
        rates in any_rates(),
        free in 0_u64..400,
        pulse in prop_oneof![Just(0_u64), Just(1), 2_u64..200],
        minimum in prop_oneof![Just(0_u64), 1_u64..300],
        fee in prop_oneof![Just(0_u64), 1_u64..3_000_000],
    ) -> Tariff {
        Tariff {
            rates,
            free: ElapsedMs(free),
            pulse: ElapsedMs(pulse),
            minimum: ElapsedMs(minimum),
            connect_fee: MicroCoins::new(fee).unwrap(),
        }
    }
}

prop_compose! {
    fn any_stretch()(
        before_ms in 0_u64..400,
        picture: bool,
        change in proptest::option::of(any_rates()),
        // Long enough for the change to take effect while the picture is as it was.
        after_ms in 500_u64..900,
    ) -> Stretch {
        Stretch { before_ms, picture, change, after_ms }
    }
}

/// Any camera where prices change at once; one that stays as it is where pulses delay that.
fn any_call() -> impl Strategy<Value = (Tariff, Vec<Stretch>)> {
    let stretches = proptest::collection::vec(any_stretch(), 1..5);
    (any_tariff(), stretches, any::<bool>()).prop_map(|(tariff, mut call, picture)| {
        if tariff.pulse.0 > 1 || tariff.minimum > ElapsedMs::ZERO {
            call.iter_mut().for_each(|stretch| stretch.picture = picture);
        }
        (tariff, call)
    })
}

/// The plan of a call with its changes, each made when it was agreed on, and how far it got.
fn play(tariff: Tariff, call: &[Stretch]) -> (Plan, Proven) {
    let mut plan = Plan::new(tariff);
    let mut carried = Proven::ZERO;
    for stretch in call {
        carried = later(carried, stretch.picture, stretch.before_ms);
        if let Some(rates) = stretch.change {
            let from = plan.change_from(carried);
            let n = u32::try_from(plan.changes.len()).unwrap() + 1;
            plan.changes.push(Change { n, from, rates });
        }
        carried = later(carried, stretch.picture, stretch.after_ms);
    }
    (plan, carried)
}

/// What the first `until` milliseconds of that call cost, walked one by one: each is priced as
/// agreed when it began, at the earliest after the pulse that was paid. And how far it got.
fn walked(tariff: Tariff, call: &[Stretch], until: u64) -> (MicroCoins, Proven) {
    let (mut media, mut picture_ms) = (0_u64, 0_u64);
    let (mut prices, mut agreed) = (tariff.rates, tariff.rates);
    // Milliseconds without and with picture since prices changed last, at which prices.
    let mut spans: Vec<(Rates, [u64; 2])> = vec![(prices, [0, 0])];
    let pulse = tariff.pulse.0.max(1);
    for stretch in call {
        for ms in 0..stretch.before_ms + stretch.after_ms {
            if let Some(rates) = stretch.change
                && ms == stretch.before_ms
            {
                agreed = rates;
            }
            if media == until {
                break;
            }
            let charged = media.saturating_sub(tariff.free.0);
            let paid = charged == 0 || (charged >= tariff.minimum.0 && charged % pulse == 0);
            if paid && prices != agreed {
                prices = agreed;
                spans.push((prices, [0, 0]));
            }
            spans.last_mut().unwrap().1[usize::from(stretch.picture)] += 1;
            media += 1;
            picture_ms += u64::from(stretch.picture);
        }
    }
    let mut free = tariff.free.0;
    let (mut micro, mut charged) = (0_u128, 0_u64);
    for (prices, [voice, video]) in &spans {
        for (rate, ms) in [(prices.video, *video), (prices.voice, *voice)] {
            let paid = ms - ms.min(free);
            free -= ms.min(free);
            charged += paid;
            micro += u128::from(rate.micro_per_minute()) * u128::from(paid);
        }
    }
    if charged > 0 {
        let mut padded = charged.max(tariff.minimum.0);
        while padded % pulse > 0 {
            padded += 1;
        }
        micro += u128::from(prices.voice.micro_per_minute()) * u128::from(padded - charged);
        micro += u128::from(tariff.connect_fee.micro()) * 60_000;
    }
    let coins = MicroCoins::new(u64::try_from(micro / 60_000).unwrap()).unwrap();
    (coins, proven(media, picture_ms))
}

proptest! {
    #[test]
    fn a_charge_is_what_each_millisecond_cost_when_it_began(
        (tariff, call) in any_call(), part in 0_u64..=1_000,
    ) {
        let (plan, whole) = play(tariff, &call);
        let (expected, proven) = walked(tariff, &call, whole.media.0 * part / 1_000);
        prop_assert_eq!(plan.charge(proven), expected, "{:?} {:?}", plan, proven);
    }

    #[test]
    fn more_media_and_more_picture_never_cost_less(
        tariff in any_tariff(), call in proptest::collection::vec(any_stretch(), 1..5),
        at in 0_u64..6_000, more in 0_u64..400,
        shown in 0_u64..=1_000, more_shown in 0_u64..=1_000,
    ) {
        let (plan, _) = play(tariff, &call);
        // Proof of picture may lag, but never foretells.
        let (_, truth) = walked(tariff, &call, at);
        let less = proven(truth.media.0, truth.video.0 * shown / 1_000);
        let (_, truth) = walked(tariff, &call, at + more);
        let room = truth.video.0 - less.video.0;
        let more = proven(truth.media.0, less.video.0 + room * more_shown / 1_000);
        prop_assert!(plan.charge(less) <= plan.charge(more), "{:?} {:?}", less, more);
    }

    #[test]
    fn a_change_never_re_prices_what_was_carried(
        (tariff, call) in any_call(), rates in any_rates(), picture: bool, part in 0_u64..=1_000,
    ) {
        let (plan, carried) = play(tariff, &call);
        let from = plan.change_from(carried);
        let mut changed = plan.clone();
        changed.changes.push(Change { n: 99, from, rates });
        let earlier = proven(carried.media.0 * part / 1_000, carried.video.0 * part / 1_000);
        prop_assert_eq!(changed.charge(earlier), plan.charge(earlier));
        prop_assert_eq!(changed.charge(carried), plan.charge(carried));
        // Up to the end of the paid pulse, whatever the picture does, nothing gets dearer by it.
        let pulse_end = later(carried, picture, from.media.0.saturating_sub(carried.media.0));
        prop_assert_eq!(changed.charge(pulse_end), plan.charge(pulse_end));
    }

    #[test]
    fn a_total_is_the_same_however_it_is_cut(
        (tariff, call) in any_call(), mut cuts in proptest::collection::vec(0_u64..=1_000, 0..12),
    ) {
        let (plan, whole) = play(tariff, &call);
        let funds = Coins { paid: MicroCoins::coins(1_000), promo: MicroCoins::coins(1) };
        cuts.push(1_000);
        let mut charged = Coins::ZERO;
        for cut in cuts {
            let (_, reported) = walked(tariff, &call, whole.media.0 * cut / 1_000);
            charged = advance(charged, plan.charge(reported), funds.saturating_sub(charged));
        }
        prop_assert_eq!(charged.total().unwrap(), plan.charge(whole));
    }

    #[test]
    fn a_pulse_charges_less_than_one_pulse_too_much(
        rates in any_rates(), pulse in 1_u64..70_000, media in 0_u64..7_200_000,
    ) {
        let flat = Rates::flat(rates.voice);
        let pulsed = Plan::new(Tariff { pulse: ElapsedMs(pulse), ..Tariff::plain(flat) });
        let exact = Plan::new(Tariff::plain(flat));
        let at = |plan: &Plan, ms: u64| plan.charge(Proven::voice(ElapsedMs(ms)));
        prop_assert!(at(&pulsed, media) >= at(&exact, media));
        prop_assert!(at(&pulsed, media) <= at(&exact, media + pulse - 1));
    }

    #[test]
    fn funded_time_is_the_least_that_reaches_the_funds(
        (tariff, call) in any_call(), picture: bool, coins in 0_u64..2_000_000_000,
    ) {
        let (plan, at) = play(tariff, &call);
        let coins = MicroCoins::new(coins).unwrap();
        let funded = plan.funded(at, picture, coins);
        let reached = |ms: u64| {
            let exact = plan.exact_numerator(later(at, picture, ms - at.media.0));
            exact >= u128::from(coins.micro()) * MS_PER_MINUTE
        };
        if funded == CALL_MS_MAX {
            prop_assert!(plan.exact_numerator(later(at, picture, CALL_MS_MAX.0 - at.media.0))
                <= u128::from(coins.micro()) * MS_PER_MINUTE);
        } else {
            prop_assert!(reached(funded.0));
            prop_assert!(funded <= at.media.max(tariff.free) || !reached(funded.0 - 1));
        }
    }

    #[test]
    fn a_call_that_is_cut_at_its_funded_time_leaves_nothing(
        (tariff, call) in any_call(), picture: bool, paid in 0_u64..99_000_000, promo in 0_u64..9_000_000,
    ) {
        let (plan, at) = play(tariff, &call);
        let funds = Coins { paid: MicroCoins::new(paid).unwrap(), promo: MicroCoins::new(promo).unwrap() };
        let all = funds.total().unwrap();
        let funded = plan.funded(at, picture, all);
        if funded == CALL_MS_MAX {
            return Ok(());
        }
        let end = later(at, picture, funded.0 - at.media.0);
        prop_assert_eq!(advance(Coins::ZERO, plan.charge(end), funds), funds);
        // What is not paid for at that time is less than a millisecond, or what pulse, minimum or
        // fee would ask for more than there is.
        if tariff.pulse.0 <= 1 && tariff.minimum == ElapsedMs::ZERO && funded > at.media {
            let fee = tariff.connect_fee;
            let step = plan.rates().highest().micro_per_minute() / 60_000 + 1;
            let over = plan.charge(end).saturating_sub(all);
            prop_assert!(over.micro() <= step || all < fee || end.media.0 <= tariff.free.0 + 1);
        }
    }

    #[test]
    fn the_closed_formula_is_the_search(
        tariff in any_tariff(), swap: bool, media in 0_u64..3_000, video in 0_u64..3_000,
        picture: bool, coins in prop_oneof![0_u64..400_000, 0_u64..2_000_000_000, Just(1 << 53)],
    ) {
        let Rates { voice, video: with_picture } = tariff.rates;
        let rates = if swap { Rates { voice: with_picture, video: voice } } else { tariff.rates };
        let plan = Plan::new(Tariff { rates, ..tariff });
        let at = proven(media, video).bounded();
        let limit = u128::from(coins) * MS_PER_MINUTE;
        let most = plan.exact_numerator(later(at, picture, CALL_MS_MAX.0 - at.media.0));
        if most <= limit {
            return Ok(());
        }
        let (fast, slow) =
            (plan.more_until(at, picture, limit), plan.more_searched(at, picture, limit));
        // Both mean the same where free time is left: it is never cut off.
        let free_left = tariff.free.saturating_sub(at.media).0;
        prop_assert_eq!(fast.max(free_left), slow.max(free_left));
    }
}
