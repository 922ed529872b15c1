//! What the rules give back, second by second of a call.

use super::*;
use crate::{Change, Flow, Tariff, Terms};
use proptest::prelude::*;
use units::{CallId, Coins, Medium, Rate, Rates, ShareBps, UnixMs};

fn amount(text: &str) -> MicroCoins {
    text.parse().unwrap()
}

/// Records of a call whose seconds are written as letters: `v` voice, `p` picture, `s` silence
/// without picture, `z` silence with picture, `f` a frozen picture and voice, `x` both frozen and
/// silent, `-` nothing proven, `h` half silent, `g` picture that is nearly
/// frozen. The first record is before the first second.
fn evidence(seconds: &str) -> Vec<EvidenceRecord> {
    let mut counted = Counted::default();
    let start = EvidenceRecord { n: 0, at: ElapsedMs::ZERO, counted, charged: MicroCoins::ZERO };
    let mut records = vec![start];
    for (n, letter) in (1..).zip(seconds.chars()) {
        let of = |letters: &str, ms: u64| ElapsedMs(if letters.contains(letter) { ms } else { 0 });
        counted.to_fan.proven += of("vpszfxhg", 1_000);
        counted.video += of("pzfxg", 1_000);
        counted.silent += of("szx", 1_000) + of("h", 500);
        counted.frozen += of("fx", 1_000) + of("g", 950);
        let at = ElapsedMs(u64::from(n) * 1_000);
        records.push(EvidenceRecord { n, at, counted, charged: MicroCoins::ZERO });
    }
    records
}

fn receipt(reason: EndReason, tariff: Tariff, changes: Vec<Change>, proven: Proven) -> Receipt {
    let terms = Terms {
        fan: "fan".parse().unwrap(),
        host: "host".parse().unwrap(),
        medium: Medium::Video,
        tariff,
        host_share: ShareBps::new(7_000).unwrap(),
    };
    let plan = Plan { tariff, changes: changes.clone() };
    let charged = Coins { paid: plan.charge(proven), promo: MicroCoins::ZERO };
    Receipt {
        call: CallId(uuid::Uuid::from_u128(7)),
        terms,
        changes,
        reason,
        opened_at: UnixMs(1_000),
        ended_at: UnixMs(900_000),
        proven,
        charged,
    }
}

fn settled(reason: EndReason, evidence: &[EvidenceRecord]) -> Receipt {
    let rates = Rates { voice: "3.00".parse().unwrap(), video: "6.00".parse().unwrap() };
    let proven = evidence.last().unwrap().counted.billable();
    receipt(reason, Tariff::plain(rates), Vec::new(), proven)
}

/// Short rules: silent over 3 s, frozen over 2 s, dropped within 5 s.
fn rules() -> CreditRules {
    CreditRules {
        host_silent: HostSilent { longer_than_ms: 3_000, ..HostSilent::default() },
        picture_frozen: PictureFrozen { longer_than_ms: 2_000, ..PictureFrozen::default() },
        early_drop: EarlyDrop { within_ms: 5_000, ..EarlyDrop::default() },
    }
}

/// `reason amount from-to ...` of each credit.
fn told(credits: &[RuleCredit]) -> String {
    let one = |credit: &RuleCredit| {
        let proof = credit.proof.iter().map(|s| format!(" {}-{}:{}", s.from, s.to, s.time.0));
        let id = credit.credit.id.rsplit(':').next().unwrap();
        format!("{id} {}{}", credit.credit.amount, proof.collect::<String>())
    };
    credits.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn check(rules: &CreditRules, cases: &[(&str, EndReason, &str)]) {
    for (seconds, reason, expected) in cases {
        let evidence = evidence(seconds);
        let credits = rules.credits(&settled(*reason, &evidence), &evidence);
        assert_eq!(told(&credits), *expected, "{seconds} {reason:?}");
    }
}

#[test]
fn silent_and_frozen_stretches_are_credited_by_rule() {
    use EndReason::{HungUpByFan, HungUpByHost};
    check(
        &rules(),
        &[
            ("vvvvvvvvvv", HungUpByFan, ""),
            ("pppppppppp", HungUpByFan, ""),
            ("vvsssvvsss", HungUpByFan, ""),
            // 0.05 per second of voice, 0.10 with picture.
            ("vvssssvvvv", HungUpByFan, "host_silent 0.20 2-6:4000"),
            ("ppzzzzpppp", HungUpByFan, "host_silent 0.40 2-6:4000"),
            ("ppzzzssppp", HungUpByFan, "host_silent 0.40 2-7:5000"),
            ("vssssvvssss", HungUpByHost, "host_silent 0.40 1-5:4000 7-11:4000"),
            // A pause in which nothing is proven is no sound.
            ("vss-ssvv", HungUpByFan, "host_silent 0.20 1-6:4000"),
            ("vsshssvv", HungUpByFan, ""),
            // A frozen picture costs what voice costs.
            ("ppffpppppp", HungUpByFan, ""),
            ("ppfffppppp", HungUpByFan, "picture_frozen 0.15 2-5:3000"),
            ("ppgggppppp", HungUpByFan, "picture_frozen 0.1425 2-5:2850"),
            ("pfffpfffpp", HungUpByFan, "picture_frozen 0.30 1-4:3000 5-8:3000"),
            // Silence gives the whole second back, so the picture gives nothing more.
            ("ppxxxxpppp", HungUpByFan, "host_silent 0.40 2-6:4000"),
            ("ppxxxxffpp", HungUpByFan, "host_silent 0.40 2-6:4000, picture_frozen 0.10 6-8:2000"),
        ],
    );
}

#[test]
fn a_call_that_breaks_off_at_its_beginning_costs_nothing() {
    check(
        &rules(),
        &[
            ("vvvv", EndReason::HostLost, "early_drop 0.20 0-4:4000"),
            ("vvvv", EndReason::NotConnected, "early_drop 0.20 0-4:4000"),
            ("vvvv", EndReason::Interrupted, "early_drop 0.20 0-4:4000"),
            ("v--------vvv", EndReason::HostLost, "early_drop 0.20 0-12:4000"),
            ("vvvvv", EndReason::HostLost, ""),
            ("vvvv", EndReason::HungUpByFan, ""),
            ("vvvv", EndReason::HungUpByHost, ""),
            ("vvvv", EndReason::FanLost, ""),
            ("vvvv", EndReason::FundsExhausted, ""),
            ("----", EndReason::HostLost, ""),
            // All of it once, not its silence as well.
            ("ssss", EndReason::HostLost, "early_drop 0.20 0-4:4000"),
        ],
    );
}

#[test]
fn a_rule_that_is_off_gives_nothing() {
    let mut off = rules();
    (off.host_silent.on, off.picture_frozen.on, off.early_drop.on) = (false, false, false);
    for seconds in ["ssssssss", "ffffffff", "vvvv", "xxxxxxxx"] {
        check(&off, &[(seconds, EndReason::HostLost, "")]);
    }
    off.picture_frozen = PictureFrozen { keep_voice: false, ..rules().picture_frozen };
    check(&off, &[("xxxxxxxx", EndReason::HungUpByFan, "picture_frozen 0.80 0-8:8000")]);
}

#[test]
fn what_was_not_charged_is_not_given_back() {
    let evidence = evidence("ssssssssss");
    let mut receipt = settled(EndReason::FundsExhausted, &evidence);
    receipt.charged = Coins { paid: amount("0.10"), promo: amount("0.20") };
    assert_eq!(told(&rules().credits(&receipt, &evidence)), "host_silent 0.30 0-10:10000");
    // The funds paid for one of the silent seconds.
    let late = super::tests::evidence("vvvvvsssss");
    assert_eq!(told(&rules().credits(&receipt, &late)), "host_silent 0.05 5-10:5000");
    receipt.charged = Coins::ZERO;
    assert_eq!(told(&rules().credits(&receipt, &evidence)), "");
    // Free seconds; what comes after them is silent in half of the charged time.
    let free = Tariff { free: ElapsedMs(6_000), ..receipt.terms.tariff };
    let receipt = super::tests::receipt(EndReason::HungUpByFan, free, Vec::new(), receipt.proven);
    assert_eq!(told(&rules().credits(&receipt, &evidence)), "host_silent 0.20 0-10:10000");
}

#[test]
fn seconds_are_credited_at_the_price_they_had() {
    let evidence = evidence("vvvvssssssvv");
    let change =
        Change { n: 1, from: Proven::voice(ElapsedMs(6_000)), rates: Rates::flat(Rate::default()) };
    let flat = Tariff::plain(Rates::flat("3.00".parse().unwrap()));
    let proven = evidence.last().unwrap().counted.billable();
    let receipt = receipt(EndReason::HungUpByFan, flat, vec![change], proven);
    assert_eq!(told(&rules().credits(&receipt, &evidence)), "host_silent 0.10 4-10:6000");
}

#[test]
fn a_credit_names_its_call_its_rule_and_who_carries_it() {
    let evidence = evidence("ssssssss");
    let mut rules = rules();
    rules.host_silent.payer = Payer::Host;
    let receipt = settled(EndReason::HungUpByFan, &evidence);
    let credits = rules.credits(&receipt, &evidence);
    let credit = &credits[0].credit;
    assert_eq!(credit.id, "auto:00000000-0000-0000-0000-000000000007:host_silent");
    assert_eq!((&credit.user, credit.at), (&receipt.terms.fan, receipt.ended_at));
    let (call, reason) = (receipt.call, RefundReason::HostSilent);
    assert_eq!(credit.kind, CreditKind::Refund { call, payer: Payer::Host, reason });
}

#[test]
fn settings_are_read_with_their_defaults() {
    let read = |json: &str| serde_json::from_str::<CreditRules>(json);
    assert_eq!(read("{}").unwrap(), CreditRules::default());
    let rules = read(
        r#"{"host_silent": {"on": false}, "early_drop": {"reasons": ["hung_up_by_host"], "payer": "host"}}"#,
    )
    .unwrap();
    assert!(!rules.host_silent.on && rules.picture_frozen.on);
    assert_eq!(rules.early_drop.payer, Payer::Host);
    assert_eq!(rules.early_drop.reasons, [EndReason::HungUpByHost].into());
    for wrong in [r#"{"silent": {}}"#, r#"{"early_drop": {"payer": "fan"}}"#] {
        assert!(read(wrong).is_err(), "{wrong}");
    }
}

fn any_counted() -> impl Strategy<Value = Counted> {
    (0_u64..9_000, 0_u64..9_000, 0_u64..9_000, 0_u64..9_000).prop_map(
        |(proven, video, silent, frozen)| Counted {
            to_fan: Flow { proven: ElapsedMs(proven), ..Flow::default() },
            video: ElapsedMs(video),
            silent: ElapsedMs(silent),
            frozen: ElapsedMs(frozen),
            ..Counted::default()
        },
    )
}

proptest! {
    #[test]
    fn credits_never_exceed_the_charge(
        counts in proptest::collection::vec((0_u32..20, any_counted()), 0..20),
        honest in "[vpszfxh-]{0,40}", lie: bool,
        voice in 0_u64..9_000_000, video in 0_u64..9_000_000, fee in 0_u64..500_000,
        free in 0_u64..3_000, pulse in 0_u64..3_000, charged in 0_u64..=1_000,
        change in proptest::option::of((any_counted(), 0_u64..9_000_000)),
        keep_voice: bool, reason in proptest::sample::select(EndReason::ALL),
    ) {
        let record = |&(n, counted): &(u32, Counted)| {
            EvidenceRecord { n, at: ElapsedMs(0), counted, charged: MicroCoins::ZERO }
        };
        let evidence = if lie { counts.iter().map(record).collect() } else { evidence(&honest) };
        let tariff = Tariff {
            rates: Rates {
                voice: Rate::per_minute(voice).unwrap(), video: Rate::per_minute(video).unwrap(),
            },
            free: ElapsedMs(free),
            pulse: ElapsedMs(pulse),
            connect_fee: MicroCoins::new(fee).unwrap(),
            ..Tariff::default()
        };
        let changes = change.map(|(counted, rate)| Change {
            n: 1, from: counted.billable(), rates: Rates::flat(Rate::per_minute(rate).unwrap()),
        });
        let proven = evidence.last().map_or(Proven::ZERO, |last| last.counted.billable());
        let mut receipt = receipt(reason, tariff, changes.into_iter().collect(), proven);
        let paid = receipt.total().micro() * charged / 1_000;
        receipt.charged.paid = MicroCoins::new(paid).unwrap();
        let mut rules = rules();
        rules.picture_frozen.keep_voice = keep_voice;
        let credits = rules.credits(&receipt, &evidence);
        let sum: u64 = credits.iter().map(|credit| credit.credit.amount.micro()).sum();
        prop_assert!(sum <= paid, "{} of {}", sum, paid);
        prop_assert!(credits.iter().all(|credit| credit.credit.amount > MicroCoins::ZERO));
        let ids: BTreeSet<_> = credits.iter().map(|credit| &credit.credit.id).collect();
        prop_assert_eq!(ids.len(), credits.len());
    }

    #[test]
    fn a_clean_call_gets_nothing_back(seconds in "[vp-]{0,200}", pulse in 0_u64..70_000) {
        let evidence = evidence(&seconds);
        let mut receipt = settled(EndReason::HungUpByHost, &evidence);
        receipt.terms.tariff.pulse = ElapsedMs(pulse);
        prop_assert_eq!(CreditRules::default().credits(&receipt, &evidence), vec![]);
    }
}
