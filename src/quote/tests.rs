//! The worked examples, as they are typed.

use super::*;
use clap::Parser;

#[derive(Debug, Parser)]
struct Typed {
    #[command(flatten)]
    options: QuoteOptions,
}

fn read(line: &str) -> Result<QuoteOptions, clap::Error> {
    let words = std::iter::once("quote").chain(line.split_whitespace());
    Typed::try_parse_from(words).map(|typed| typed.options)
}

/// The answer to `line` as JSON.
fn answer(line: &str) -> serde_json::Value {
    let quote = quote(&read(line).unwrap_or_else(|error| panic!("{line}: {error}")));
    serde_json::to_value(quote.unwrap_or_else(|error| panic!("{line}: {error}"))).unwrap()
}

/// `part.field value` for each expected value.
fn check(cases: &[(&str, &[(&str, &str)])]) {
    for (line, expected) in cases {
        let answer = answer(line);
        for (path, value) in *expected {
            let found = path.split('.').fold(&answer, |value, field| &value[field]);
            let found = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
            assert_eq!(&found, value, "{line}: {path}");
        }
    }
}

#[test]
fn worked_examples_come_out_as_they_were_worked_out() {
    check(&[
        (
            "--rate 2.50 --minutes 480 --share 70 --fee 3%",
            &[
                ("bill.gross", "1200.00"),
                ("bill.host", "840.00"),
                ("bill.platform", "360.00"),
                ("bill.processing", "36.00"),
                ("bill.net", "804.00"),
                ("bill.net_per_minute", "1.675"),
            ],
        ),
        ("--rate 2.50 --minutes 60 --share 70", &[("bill.gross", "150.00")]),
        (
            "--rate 2.50 --minutes 480 --fee 2.9%+0.30",
            &[("bill.processing", "35.10"), ("bill.net", "804.90")],
        ),
        (
            "--rate 2.50 --minutes 60 --calls 8 --fee 2.9%+0.30 --charges 8",
            &[
                ("bill.charge", "150.00"),
                ("bill.gross", "1200.00"),
                ("bill.processing", "37.20"),
                ("bill.net", "802.80"),
            ],
        ),
        (
            "--rate 2.50 --minutes 480 --fee 2.9%+0.30 --charges 16",
            &[("bill.processing", "39.60"), ("bill.net", "800.40")],
        ),
        ("--gross 1200 --share 60%", &[("bill.host", "720.00"), ("bill.net", "720.00")]),
        (
            "--rate 2.50 --minutes 480 --fee 3% --payout 1%",
            &[("bill.payout_fee", "8.04"), ("bill.paid_out", "795.96")],
        ),
        (
            "--rate 5 --minutes 1800 --share 70",
            &[("bill.gross", "9000.00"), ("bill.net", "6300.00")],
        ),
        (
            "--rate 5 --share 70 --net 35000",
            &[("wish.gross", "50000.00"), ("wish.minutes", "10000")],
        ),
        ("--rate 1.50 --minutes 30 --calls 30 --share 100", &[("bill.net", "1350.00")]),
        (
            "--gross 45 --share 90 --fee 2.9%+0.30",
            &[("bill.platform", "4.50"), ("bill.processing", "1.605"), ("bill.net", "38.895")],
        ),
        (
            "--gross 45 --share 90 --fee 2.9%+0.30 --fee-unit 0.01",
            &[("bill.processing", "1.61"), ("bill.net", "38.89")],
        ),
        (
            "--rate 1.99 --minutes 7.2 --hold-minutes 20",
            &[
                ("bill.gross", "14.328"),
                ("hold.held", "39.80"),
                ("hold.taken", "14.32"),
                ("hold.released", "25.48"),
            ],
        ),
    ]);
}

#[test]
fn tiers_apply_to_the_whole_month_or_from_their_threshold_on() {
    let published = "--tiers 0:60,20000:65,35000:70,50000:75,75000:80";
    for (gross, share, whole, marginal) in [
        ("19999.99", "60", "11999.994", "11999.994"),
        ("20000.00", "65", "13000.00", "12000.00"),
        ("75000", "80", "60000.00", "51000.00"),
    ] {
        for (mode, host) in [("", whole), ("--marginal", marginal)] {
            let line = format!("--gross {gross} {published} {mode}");
            check(&[(&line, &[("bill.host", host), ("bill.host_share_percent", share)])]);
        }
    }
    check(&[("--gross 2500 --tiers 0:90,2000:100 --marginal", &[("bill.platform", "200.00")])]);
}

#[test]
fn a_balance_lasts_as_long_as_the_meter_would_let_it() {
    check(&[
        ("--rate 5 --balance 40", &[("balance.lasts_ms", "480000")]),
        ("--rate 5 --balance 40 --free-seconds 20", &[("balance.lasts_ms", "500000")]),
        ("--rate 5 --balance 5 --pulse-seconds 60", &[("balance.lasts_ms", "60000")]),
        ("--rate 5 --balance 6 --connect-fee 1", &[("balance.lasts_ms", "60000")]),
        ("--rate 0 --balance 0", &[("balance.lasts_ms", "172800000")]),
    ]);
}

#[test]
fn every_term_of_a_tariff_can_be_quoted() {
    check(&[
        ("--rate 6 --minutes 1.5 --pulse-seconds 60", &[("bill.gross", "12.00")]),
        ("--rate 6 --minutes 0.1 --minimum-seconds 30", &[("bill.gross", "3.00")]),
        ("--rate 6 --minutes 1 --free-seconds 10 --connect-fee 2", &[("bill.gross", "7.00")]),
        ("--gross 0.10 --fee 0.30", &[("bill.net", "-0.23"), ("bill.payout_fee", "null")]),
        (
            "--gross 100 --payout 1%+0.25 --payout-min 5 --payout-max 6",
            &[("bill.payout_fee", "5.00"), ("bill.paid_out", "65.00")],
        ),
        ("--gross 1000 --payout 1% --payout-max 6", &[("bill.payout_fee", "6.00")]),
        (
            "--rate 2 --minutes 30 --hold-minutes 20",
            &[("hold.taken", "40.00"), ("hold.released", "0.00")],
        ),
    ]);
}

#[test]
fn what_can_not_be_answered_is_said() {
    for (line, word) in [
        ("", "--minutes"),
        ("--rate 5", "--minutes"),
        ("--minutes 5", "--rate"),
        ("--rate 5 --gross 5", "--gross"),
        ("--rate five --minutes 5", "not a decimal number"),
        ("--rate -5 --minutes 5", "-5"),
        ("--rate 100000.01 --minutes 5", "larger than the largest"),
        ("--rate 5 --minutes 0.00001", "whole number of milliseconds"),
        ("--rate 5 --minutes 5 --share 101", "0 to 100"),
        ("--rate 5 --minutes 5 --share 70.005", "two decimals"),
        ("--rate 5 --minutes 5 --fee 3%+x", "2.9%+0.30"),
        ("--rate 5 --minutes 5 --fee-unit 0", "above 0"),
        ("--rate 5 --minutes 5 --charges 0", "--charges"),
        ("--gross 5 --tiers 0:60,5", "FROM:PERCENT"),
        ("--gross 5 --tiers 1:60", "the first tier is from"),
        ("--gross 5 --tiers 0:60,9:50", "never has a lower share"),
        ("--gross 5 --tiers 0:60 --share 70", "--share"),
        ("--gross 5 --marginal", "--tiers"),
        ("--gross 5 --pulse-seconds 60", "--pulse-seconds"),
        ("--gross 5 --hold-minutes 5", "--gross"),
        ("--rate 5 --net 5 --tiers 0:60", "--tiers"),
    ] {
        let said = read(line).map(|_| ()).unwrap_err().to_string();
        assert!(said.contains(word), "{line}: {said}");
    }
    for (line, word) in [
        ("--rate 5 --minutes 2880.001", "--minutes: a call is metered for at most 2880 minutes"),
        ("--rate 5 --minutes 5 --hold-minutes 9999", "--hold-minutes: a call is metered"),
        ("--rate 100000 --minutes 2880 --calls 4294967295", "larger than the largest amount"),
        ("--rate 5 --share 0 --net 5", "at a share of 0% and this price"),
        ("--rate 0 --net 5", "at a share of 70% and this price"),
    ] {
        let said = quote(&read(line).unwrap()).unwrap_err().to_string();
        assert!(said.contains(word), "{line}: {said}");
    }
}

#[test]
fn an_answer_reads_as_a_bill() {
    let options = read("--rate 2.50 --minutes 480 --share 70 --fee 3% --balance 41").unwrap();
    let expected = "\
one call costs                   1200.00
gross                            1200.00
host part (70 %)                  840.00
platform part                     360.00
processing                         36.00
host nets                         804.00
host nets per minute               1.675
a balance of                       41.00
lasts                              16:24
";
    assert_eq!(quote(&options).unwrap().to_string(), expected);
    for (ms, expected) in [(0, "0:00"), (59_999, "0:59.999"), (3_723_000, "1:02:03")] {
        assert_eq!(clock(ms), expected);
    }
}
