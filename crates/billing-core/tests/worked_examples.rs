//! Sums that people worked out by hand, and faults that other meters had: all must come out here to
//! the micro-coin.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use billing_core::{
    Plan, ProcessingFee, Proven, Schedule, Split, Tariff, Tier, TierMode, advance, captured,
    gross_for,
};
use units::{Coins, ElapsedMs, MicroCoins, Rate, Rates, ShareBps};

fn amount(text: &str) -> MicroCoins {
    text.parse().unwrap()
}

fn share(percent: u16) -> ShareBps {
    ShareBps::new(percent * 100).unwrap()
}

fn plan(rate: &str) -> Plan {
    Plan::new(Tariff::plain(Rates::flat(rate.parse().unwrap())))
}

fn minutes(minutes: u64) -> Proven {
    Proven::voice(ElapsedMs::from_secs(minutes * 60))
}

/// A percentage in hundredths and a fixed part.
fn fee(bps: u16, fixed: &str) -> ProcessingFee {
    ProcessingFee::new(ShareBps::new(bps).unwrap(), amount(fixed))
}

/// One example: what is sold and what becomes of it.
struct Example {
    name: &'static str,
    rate: &'static str,
    minutes: u64,
    calls: u64,
    host_percent: u16,
    fee: (u16, &'static str),
    charges: u32,
    gross: &'static str,
    platform: &'static str,
    processing: &'static str,
    net: &'static str,
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of examples")]
fn what_a_host_nets_is_the_price_less_the_platforms_part_and_processing() {
    let hours = Example {
        name: "480 minutes at 2.50",
        rate: "2.50",
        minutes: 480,
        calls: 1,
        host_percent: 70,
        fee: (300, "0"),
        charges: 1,
        gross: "1200.00",
        platform: "360.00",
        processing: "36.00",
        net: "804.00",
    };
    let card = |name, charges, processing, net| Example {
        name,
        fee: (290, "0.30"),
        charges,
        processing,
        net,
        ..hours
    };
    let free = Example { fee: (0, "0"), processing: "0", ..hours };
    for example in [
        Example { ..hours },
        Example {
            name: "one hour",
            minutes: 60,
            gross: "150.00",
            platform: "45.00",
            processing: "4.50",
            net: "100.50",
            ..hours
        },
        card("charged once", 1, "35.10", "804.90"),
        card("charged in 8 parts of 150", 8, "37.20", "802.80"),
        card("charged in 16 parts of 75", 16, "39.60", "800.40"),
        Example { name: "at 60 %", host_percent: 60, platform: "480.00", net: "720.00", ..free },
        Example {
            name: "1,800 minutes at 5",
            rate: "5",
            minutes: 1_800,
            gross: "9000.00",
            platform: "2700.00",
            net: "6300.00",
            ..free
        },
        Example {
            name: "500 calls of 20 minutes at 5 for 35,000 net",
            rate: "5",
            minutes: 20,
            calls: 500,
            gross: "50000.00",
            platform: "15000.00",
            net: "35000.00",
            ..free
        },
        Example {
            name: "30 sessions of 30 minutes at 45",
            rate: "1.50",
            minutes: 30,
            calls: 30,
            host_percent: 100,
            gross: "1350.00",
            platform: "0",
            net: "1350.00",
            ..free
        },
        Example {
            name: "a session at 45",
            rate: "1.50",
            minutes: 30,
            host_percent: 90,
            fee: (290, "0.30"),
            gross: "45.00",
            platform: "4.50",
            processing: "1.605",
            net: "38.895",
            ..hours
        },
    ] {
        let charge = plan(example.rate).charge(minutes(example.minutes));
        let gross = MicroCoins::new(charge.micro() * example.calls).unwrap();
        let split = Split::of(gross, share(example.host_percent));
        let (bps, fixed) = example.fee;
        let processing = fee(bps, fixed).of_charges(gross, example.charges);
        let name = example.name;
        assert_eq!(gross, amount(example.gross), "{name}");
        assert_eq!(split.platform, amount(example.platform), "{name}");
        assert_eq!(processing, amount(example.processing), "{name}");
        assert_eq!(split.host.checked_sub(processing), Some(amount(example.net)), "{name}");
    }
}

#[test]
fn an_instant_payout_costs_its_hundredth() {
    let payout = fee(100, "0").of(amount("804.00"));
    assert_eq!(payout, amount("8.04"));
    assert_eq!(amount("804.00").checked_sub(payout), Some(amount("795.96")));
}

#[test]
fn a_wish_for_35000_takes_10000_minutes_at_5() {
    let gross = gross_for(amount("35000"), share(70)).unwrap();
    assert_eq!(gross, amount("50000"));
    let one_of_500 = MicroCoins::new(gross.micro() / 500).unwrap();
    assert_eq!(plan("5").funded(Proven::ZERO, false, one_of_500), minutes(20).media);
}

#[test]
fn a_fee_of_half_a_cent_is_exact_until_it_is_shown_in_cents() {
    let exact = fee(290, "0.30");
    assert_eq!(exact.of(amount("45")), amount("1.605"));
    assert_eq!(ProcessingFee { unit: amount("0.01"), ..exact }.of(amount("45")), amount("1.61"));
}

#[test]
fn a_card_that_was_authorised_for_20_minutes_pays_for_7_minutes_12_seconds() {
    let plan = plan("1.99");
    let held = plan.charge(minutes(20));
    let charge = plan.charge(Proven::voice(ElapsedMs::from_secs(7 * 60 + 12)));
    let taken = captured(charge, amount("0.01"));
    assert_eq!(held, amount("39.80"));
    assert_eq!(charge, amount("14.328"));
    assert_eq!(taken, amount("14.32"));
    assert_eq!(held.checked_sub(taken), Some(amount("25.48")));
}

fn tiers(mode: TierMode, tiers: &[(&str, u16)]) -> Schedule {
    let tiers = tiers
        .iter()
        .map(|(from, percent)| Tier { from: amount(from), host_share: share(*percent) });
    Schedule::new(mode, tiers.collect()).unwrap()
}

#[test]
fn share_tiers_change_at_their_thresholds() {
    let published = [("0", 60), ("20000", 65), ("35000", 70), ("50000", 75), ("75000", 80)];
    // gross; the host's part as a whole month, and marginal.
    for (gross, whole, marginal) in [
        ("19999.99", "11999.994", "11999.994"),
        ("20000.00", "13000.00", "12000.00"),
        ("34999.99", "22749.9935", "21749.9935"),
        ("35000.00", "24500.00", "21750.00"),
        ("49999.99", "34999.993", "32249.993"),
        ("50000.00", "37500.00", "32250.00"),
        ("74999.99", "56249.9925", "50999.9925"),
        ("75000.00", "60000.00", "51000.00"),
    ] {
        let gross = amount(gross);
        assert_eq!(tiers(TierMode::WholeMonth, &published).earned(gross), amount(whole));
        assert_eq!(tiers(TierMode::Marginal, &published).earned(gross), amount(marginal));
    }
}

#[test]
fn a_fee_on_the_first_2000_of_a_month_is_200_of_2500() {
    let superpeer = tiers(TierMode::Marginal, &[("0", 90), ("2000", 100)]);
    let host = superpeer.earned(amount("2500"));
    assert_eq!(amount("2500").checked_sub(host), Some(amount("200")));
}

/// Every price of the published bands, by every second of a quarter of an hour.
#[test]
fn every_band_price_is_exact_by_the_second() {
    let dollars = (100..=1_299_u64).map(|cents| cents * 10_000);
    let rupees = (13..=15_u64).map(|rupees| rupees * 1_000_000);
    for rate in dollars.chain(rupees) {
        let plan = Plan::new(Tariff::plain(Rates::flat(Rate::per_minute(rate).unwrap())));
        let funds = Coins { paid: MicroCoins::coins(1_000), promo: MicroCoins::ZERO };
        let (mut charged, mut debits) = (Coins::ZERO, 0);
        for second in 1..=900_u64 {
            let target = plan.charge(Proven::voice(ElapsedMs::from_secs(second)));
            let before = charged.paid.micro();
            charged = advance(charged, target, funds.saturating_sub(charged));
            debits += charged.paid.micro() - before;
            assert_eq!(debits, rate * second / 60, "{rate} {second}");
            let Split { host, platform } = Split::of_coins(charged, share(70));
            assert_eq!(host.micro() + platform.micro(), debits, "{rate} {second}");
        }
    }
}

/// CGRateS #361: each increment of a call was rounded by itself, so a call that was debited second
/// by second cost something else than the same call rated at once.
#[test]
fn cgrates_361_rounding_each_increment() {
    for (rate, seconds) in [("5.00", 3_600), ("1.00", 600), ("12.98", 7_200), ("0.01", 59)] {
        let plan = plan(rate);
        let whole = plan.charge(Proven::voice(ElapsedMs::from_secs(seconds)));
        let mut charged = MicroCoins::ZERO;
        let mut each_rounded = 0;
        for second in 1..=seconds {
            let target = plan.charge(Proven::voice(ElapsedMs::from_secs(second)));
            charged = charged.checked_add(target.saturating_sub(charged)).unwrap();
            each_rounded += plan.charge(Proven::voice(ElapsedMs::from_secs(1))).micro();
        }
        assert_eq!(charged, whole, "{rate}");
        // What the fault would have charged is another sum: the example can show it.
        assert_ne!(each_rounded, whole.micro(), "{rate}");
    }
    assert_eq!(plan("5.00").charge(minutes(60)), amount("300.00"));
}

/// zap-stream-core #56: a stream was debited once per media segment at the price of a nominal
/// segment, so segments that came more often, or shorter than announced, drained the balance faster
/// than its price per minute, down to below nothing.
#[test]
fn zap_stream_core_56_debits_drain_faster_than_the_price() {
    let plan = plan("6.00");
    for segment_ms in [400, 1_000, 1_999, 2_000, 6_000, 60_000] {
        let mut funds = Coins { paid: amount("10.00"), promo: MicroCoins::ZERO };
        let all = funds;
        let (mut charged, mut media) = (Coins::ZERO, 0);
        while media < 60_000 {
            media = (media + segment_ms).min(60_000);
            // Each segment is announced twice.
            for _ in 0..2 {
                let target = plan.charge(Proven::voice(ElapsedMs(media)));
                charged = advance(charged, target, funds);
                funds = all.saturating_sub(charged);
            }
        }
        assert_eq!(charged.total(), Some(amount("6.00")), "{segment_ms}");
        // Twice the time is more than there is: it ends at nothing, not below.
        let target = plan.charge(minutes(2));
        charged = advance(charged, target, funds);
        assert_eq!(charged, all, "{segment_ms}");
    }
}
