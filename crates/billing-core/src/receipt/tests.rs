//! What is signed verifies, and nothing else does. The vectors in `tests/receipts/` are shared with
//! the second implementation, in the web client.

use super::chain;
use super::document::{Document, Record, text};
use super::{Check, PublicKey, SigningKey, sign, verify};
use crate::{
    Change, Counted, EndReason, EvidenceRecord, Flow, Plan, Proven, Receipt, Tariff, Terms, advance,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::PathBuf;
use units::{CallId, Coins, ElapsedMs, Medium, MicroCoins, Rate, Rates, ShareBps, UnixMs};

const OPENED_AT: u64 = 1_795_290_000_000;

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

fn rates(voice: &str, video: &str) -> Rates {
    Rates { voice: voice.parse().unwrap(), video: video.parse().unwrap() }
}

fn coins(text: &str) -> MicroCoins {
    text.parse().unwrap()
}

/// A call as a test tells it: what it was sold at, what it carried, what the wallet had.
struct Told {
    medium: Medium,
    tariff: Tariff,
    changes: Vec<Change>,
    reason: EndReason,
    funds: Coins,
    /// Cumulative proven media and picture, one record each.
    proven: Vec<(u64, u64)>,
}

impl Told {
    fn voice(rate: &str, proven: &[u64]) -> Self {
        Self {
            medium: Medium::Voice,
            tariff: Tariff::plain(Rates::flat(rate.parse().unwrap())),
            changes: Vec::new(),
            reason: EndReason::HungUpByFan,
            funds: Coins { paid: coins("100"), promo: MicroCoins::ZERO },
            proven: proven.iter().map(|ms| (*ms, 0)).collect(),
        }
    }

    fn plan(&self) -> Plan {
        Plan { tariff: self.tariff, changes: self.changes.clone() }
    }

    fn evidence(&self) -> Vec<EvidenceRecord> {
        let plan = self.plan();
        let mut charged = Coins::ZERO;
        let record = |(n, (media, video)): (u32, &(u64, u64))| {
            let proven = Proven { media: ElapsedMs(*media), video: ElapsedMs(*video) };
            charged = advance(Coins::ZERO, plan.charge(proven), self.funds).max(charged);
            let to_fan = Flow {
                forwarded: proven.media + ElapsedMs(60),
                proven: proven.media,
                packets: media / 20 + 1,
                bytes: media * 6,
                lost: ElapsedMs(media / 90),
                packets_lost: media / 2_000,
            };
            let to_host = Flow { packets: media / 20, bytes: media * 5, ..to_fan };
            let (silent, frozen) = (ElapsedMs(media / 4), ElapsedMs(video / 5));
            let counted = Counted { to_fan, to_host, video: proven.video, silent, frozen };
            let at = ElapsedMs(u64::from(n) * 1_000 + 1_400);
            EvidenceRecord { n, at, counted, charged: charged.total().unwrap() }
        };
        (0..).zip(&self.proven).map(record).collect()
    }

    fn receipt(&self) -> Receipt {
        let (media, video) = self.proven.last().copied().unwrap_or_default();
        let proven = Proven { media: ElapsedMs(media), video: ElapsedMs(video) };
        Receipt {
            call: "0193a1b2-0000-7000-8000-000000000001".parse::<CallId>().unwrap(),
            terms: Terms {
                fan: "asha".parse().unwrap(),
                host: "meera:7@x".parse().unwrap(),
                medium: self.medium,
                tariff: self.tariff,
                host_share: ShareBps::new(6_500).unwrap(),
            },
            changes: self.changes.clone(),
            reason: self.reason,
            opened_at: UnixMs(OPENED_AT),
            ended_at: UnixMs(OPENED_AT + media + 3_000),
            proven,
            charged: advance(Coins::ZERO, self.plan().charge(proven), self.funds),
        }
    }

    fn text(&self) -> String {
        sign(&self.receipt(), &self.evidence(), &key())
    }

    /// The document with a change made to it, chained and signed anew.
    fn forged(&self, change: impl FnOnce(&mut Document)) -> String {
        forge(&self.text(), change)
    }
}

fn forge(text: &str, change: impl FnOnce(&mut Document)) -> String {
    let mut document: Document = serde_json::from_str(text).unwrap();
    change(&mut document);
    document.chain = chain::head(&document.terms, &document.records);
    document.signed(&key())
}

/// Camera on, then off, then on; dearer from 4 s of media on; promo coins first.
fn video() -> Told {
    let from = Proven { media: ElapsedMs(4_000), video: ElapsedMs(3_000) };
    Told {
        medium: Medium::Video,
        tariff: Tariff::plain(rates("5", "8.000001")),
        changes: vec![Change { n: 1, from, rates: rates("6.5", "9.25") }],
        funds: Coins { paid: coins("40"), promo: coins("0.333333") },
        proven: vec![
            (980, 980),
            (1_990, 1_990),
            (2_960, 2_960),
            (3_980, 2_990),
            (5_001, 3_500),
            (6_007, 4_500),
        ],
        ..Told::voice("5", &[])
    }
}

fn all_terms() -> Told {
    let tariff = Tariff {
        rates: rates("4.2", "7.77"),
        free: ElapsedMs(1_500),
        pulse: ElapsedMs(6_000),
        minimum: ElapsedMs(10_000),
        connect_fee: coins("0.1"),
    };
    let from = Proven { media: ElapsedMs(13_500), video: ElapsedMs(2_000) };
    Told {
        medium: Medium::Video,
        tariff,
        changes: vec![Change { n: 1, from, rates: rates("9", "3") }],
        proven: vec![(900, 900), (1_800, 1_800), (9_000, 2_000), (13_400, 2_000), (21_777, 4_000)],
        ..Told::voice("5", &[])
    }
}

/// Free time that voice and a new price share, and a pulse of voice that is paid ahead.
fn free_over_a_change() -> Told {
    let from = Proven { media: ElapsedMs(2_000), video: ElapsedMs(500) };
    let tariff = Tariff {
        free: ElapsedMs(3_000),
        pulse: ElapsedMs(2_500),
        ..Tariff::plain(rates("4", "8"))
    };
    Told {
        tariff,
        changes: vec![Change { n: 1, from, rates: rates("5", "9") }],
        proven: vec![(1_000, 500), (2_000, 500), (4_100, 1_600), (7_777, 1_700)],
        ..video()
    }
}

/// New prices that the call just did not come to.
fn change_at_the_end() -> Told {
    let from = Proven { media: ElapsedMs(3_100), video: ElapsedMs(2_000) };
    let tariff = Tariff { minimum: ElapsedMs(10_000), ..Tariff::plain(rates("4", "8")) };
    Told {
        tariff,
        changes: vec![Change { n: 1, from, rates: rates("5", "9") }],
        proven: vec![(2_000, 2_000), (3_100, 2_000)],
        ..video()
    }
}

fn voice() -> Told {
    Told::voice("5", &[980, 1_960, 2_940, 2_940, 3_800])
}

/// The evidence of the last seconds was lost, the charge was not.
fn interrupted() -> String {
    let told = Told { reason: EndReason::Interrupted, ..voice() };
    sign(&told.receipt(), &told.evidence()[..2], &key())
}

fn valid() -> Vec<(&'static str, String)> {
    let spent = Told {
        reason: EndReason::FundsExhausted,
        funds: Coins { paid: coins("0.2"), promo: coins("0.01") },
        ..voice()
    };
    let nothing = Told { reason: EndReason::NotConnected, ..Told::voice("5", &[]) };
    vec![
        ("voice", voice().text()),
        ("video_with_a_price_change", video().text()),
        ("free_time_pulse_minimum_fee", all_terms().text()),
        ("free_time_over_a_change", free_over_a_change().text()),
        ("a_change_at_the_end", change_at_the_end().text()),
        ("funds_spent", spent.text()),
        ("never_connected", nothing.text()),
        ("interrupted", interrupted()),
    ]
}

fn valid_named(name: &str) -> String {
    valid().into_iter().find(|(each, _)| *each == name).unwrap().1
}

/// Every kind of forgery, and the check that finds it.
#[expect(clippy::too_many_lines, reason = "a table of forgeries")]
fn forged() -> Vec<(&'static str, String, Check)> {
    let whole = voice().text();
    let edit = |n: usize, change: fn(&mut EvidenceRecord)| {
        voice().forged(|document| change(&mut document.records[n].0))
    };
    let other_key = {
        let told = voice();
        sign(&told.receipt(), &told.evidence(), &SigningKey::from_seed(&[8; 32]))
    };
    let swapped = whole.replacen(
        "\"fan\":\"asha\",\"host\":\"meera:7@x\"",
        "\"host\":\"meera:7@x\",\"fan\":\"asha\"",
        1,
    );
    let signature_at = whole.len() - 4;
    let digit = if whole.as_bytes()[signature_at] == b'0' { "1" } else { "0" };
    let mut resigned = whole.clone();
    resigned.replace_range(signature_at..=signature_at, digit);
    vec![
        (
            "another_format",
            voice().forged(|d| d.format = "coinline.receipt.2".into()),
            Check::Format,
        ),
        ("a_field_more", whole.replacen('{', "{\"note\":1,", 1), Check::Format),
        ("a_field_less", whole.replacen("\"reason\":\"hung_up_by_fan\",", "", 1), Check::Format),
        (
            "a_field_twice",
            whole.replacen('{', "{\"format\":\"coinline.receipt.1\",", 1),
            Check::Format,
        ),
        ("a_negative_number", whole.replacen("\"promo\":0", "\"promo\":-1", 1), Check::Format),
        ("no_json", "a receipt".to_owned(), Check::Format),
        (
            "an_amount_above_all",
            whole.replacen("\"promo\":0", "\"promo\":9007199254740994", 1),
            Check::Format,
        ),
        ("white_space", whole.replacen(':', ": ", 1), Check::Canonical),
        ("a_line_end", format!("{whole}\n"), Check::Canonical),
        ("fields_in_another_order", swapped, Check::Canonical),
        ("an_escape", whole.replacen("asha", "\\u0061sha", 1), Check::Canonical),
        ("a_record_changed", whole.replacen(",980,", ",981,", 1), Check::Chain),
        ("another_fan", whole.replacen("asha", "bela", 1), Check::Chain),
        (
            "a_record_less",
            voice().forged(|d| d.records.retain(|record| record.0.n != 2)),
            Check::Records,
        ),
        ("a_record_twice", voice().forged(|d| d.records.insert(2, d.records[1])), Check::Records),
        (
            "proof_that_falls",
            edit(3, |r| r.counted.to_fan.proven = ElapsedMs(2_000)),
            Check::Records,
        ),
        ("time_that_falls", edit(3, |r| r.at = ElapsedMs(1)), Check::Records),
        ("a_charge_that_falls", edit(3, |r| r.charged = MicroCoins::ZERO), Check::Records),
        ("packets_that_fall", edit(3, |r| r.counted.to_host.packets = 1), Check::Records),
        (
            "more_proven_than_sent",
            edit(4, |r| r.counted.to_fan.forwarded = ElapsedMs(3_700)),
            Check::Records,
        ),
        (
            "more_silence_than_proof",
            edit(4, |r| r.counted.silent = ElapsedMs(3_801)),
            Check::Records,
        ),
        (
            "changes_out_of_order",
            video().forged(|d| {
                let change = d.bill.changes[0];
                d.bill.changes.push(change);
            }),
            Check::Changes,
        ),
        (
            "a_dearer_second",
            voice().forged(|d| {
                for record in &mut d.records[2..] {
                    record.0.charged = coins("0.316667");
                }
                d.bill.paid = coins("0.316667");
                (d.bill.host, d.bill.platform) = (coins("0.205833"), coins("0.110834"));
            }),
            Check::Charge,
        ),
        (
            "a_change_with_more_picture_than_media",
            video().forged(|d| d.bill.changes[0].0.from.video = ElapsedMs(4_001)),
            Check::Changes,
        ),
        (
            "billed_picture_above_the_proof",
            video().forged(|d| d.bill.video_ms = ElapsedMs(4_501)),
            Check::Totals,
        ),
        (
            "a_platform_share_too_small",
            voice().forged(|d| d.bill.platform = MicroCoins::ZERO),
            Check::Split,
        ),
        (
            "billed_time_above_the_proof",
            voice().forged(|d| d.bill.proven_ms = ElapsedMs(3_801)),
            Check::Totals,
        ),
        (
            "a_bill_above_the_records",
            voice().forged(|d| d.bill.paid = coins("0.316667")),
            Check::Totals,
        ),
        ("a_bill_without_records", voice().forged(|d| d.records.clear()), Check::Totals),
        (
            "a_share_too_large",
            voice().forged(|d| {
                (d.bill.host, d.bill.platform) = (coins("0.316666"), MicroCoins::ZERO);
            }),
            Check::Split,
        ),
        (
            "another_reason",
            whole.replacen("hung_up_by_fan", "hung_up_by_host", 1),
            Check::Signature,
        ),
        ("another_end", whole.replacen("1795290006800", "1795290006801", 1), Check::Signature),
        ("another_signature", resigned, Check::Signature),
        ("another_key", other_key, Check::Key),
    ]
}

fn outcome(text: &str) -> String {
    match verify(text, Some(key().public())) {
        Ok(verified) => format!(
            "ok charged {} owed {} records {}",
            verified.receipt.total().micro(),
            verified.owed.micro(),
            verified.records.len()
        ),
        Err(invalid) => invalid.check.name().to_owned(),
    }
}

#[test]
fn what_is_signed_verifies_and_says_the_same() {
    for told in [voice(), video(), all_terms(), free_over_a_change(), change_at_the_end()] {
        let verified = verify(&told.text(), None).unwrap();
        assert_eq!(verified.receipt, told.receipt());
        assert_eq!(verified.records, told.evidence());
        assert!(!verified.key_compared && verified.key == key().public());
    }
    for (name, text) in valid() {
        assert!(outcome(&text).starts_with("ok "), "{name}: {}", outcome(&text));
    }
}

#[test]
fn every_forgery_is_found_by_its_check() {
    for (name, text, check) in forged() {
        assert_eq!(outcome(&text), check.name(), "{name}");
    }
    let met: Vec<Check> = forged().into_iter().map(|(.., check)| check).collect();
    assert!(Check::ALL.iter().all(|check| met.contains(check)), "a check without a forgery");
}

#[test]
fn one_flipped_bit_fails() {
    let told = Told::voice("5", &[980, 1_960]);
    for text in [told.text(), valid_named("never_connected")] {
        assert!(outcome(&text).starts_with("ok "));
        for (at, bit) in (0..text.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            // What is no text is no receipt either.
            if let Ok(flipped) = String::from_utf8(bytes) {
                assert!(verify(&flipped, None).is_err(), "bit {bit} of byte {at}: {flipped}");
            }
        }
    }
}

#[test]
fn evidence_that_a_crash_lost_is_closed_by_the_bill() {
    let verified = verify(&interrupted(), Some(key().public())).unwrap();
    let [.., before, last] = verified.records[..] else { panic!("{:?}", verified.records) };
    assert_eq!((before.n, last.n), (1, 2));
    assert_eq!(last.counted.to_fan.proven, ElapsedMs(3_800));
    assert_eq!(last.charged, verified.receipt.total());
    assert_eq!(last.counted.silent, before.counted.silent);
}

#[test]
fn funds_that_were_spent_show() {
    let verified = verify(&valid_named("funds_spent"), None).unwrap();
    assert_eq!(verified.receipt.total(), coins("0.21"));
    assert_eq!(verified.not_charged(), coins("0.106666"));
}

#[test]
fn a_key_that_was_asked_for_is_compared() {
    let text = voice().text();
    let other: PublicKey = SigningKey::from_seed(&[8; 32]).public();
    assert!(verify(&text, Some(key().public())).unwrap().key_compared);
    assert_eq!(verify(&text, Some(other)).unwrap_err().check, Check::Key);
}

/// The shared vectors are what this code writes. A missing file is written and has to be looked at.
#[test]
fn the_shared_vectors_are_ours() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/receipts");
    let all = valid().into_iter().chain(forged().into_iter().map(|(name, text, _)| (name, text)));
    let mut expected = BTreeMap::from([("key".to_owned(), key().public().to_string())]);
    let mut files = Vec::new();
    for (name, text) in all {
        expected.insert(format!("{name}.json"), outcome(&text));
        files.push((folder.join(format!("{name}.json")), text));
    }
    files.push((folder.join("outcomes.json"), serde_json::to_string_pretty(&expected).unwrap()));
    let missing: Vec<_> = files.iter().filter(|(path, _)| !path.exists()).collect();
    for (path, text) in &missing {
        std::fs::write(path, text).unwrap();
    }
    assert!(missing.is_empty(), "{} vectors were missing and are written now", missing.len());
    for (path, text) in files {
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "{}", path.display());
    }
}

proptest! {
    /// Late, repeated and missing records, any tariff, any funds.
    #[test]
    fn whatever_the_meter_recorded_verifies(
        (voice, video, share) in (0..=15_000_000_u64, 0..=15_000_000_u64, 0..=10_000_u16),
        (free, pulse, minimum) in (0..5_000_u64, 0..9_000_u64, 0..20_000_u64),
        (paid, promo) in (0..3_000_000_u64, 0..3_000_000_u64),
        steps in prop::collection::vec((0..1_100_u64, 0..1_100_u64), 0..40),
        repeated in prop::collection::vec(any::<prop::sample::Index>(), 0..10),
        kept in any::<prop::sample::Index>(),
    ) {
        let mut proven = Vec::new();
        let (mut media, mut picture) = (0, 0);
        for (more, of_it) in steps {
            media += more;
            picture += of_it.min(more);
            proven.push((media, picture));
        }
        let rate = |micro| Rate::per_minute(micro).unwrap();
        let tariff = Tariff {
            rates: Rates { voice: rate(voice), video: rate(video) },
            free: ElapsedMs(free),
            pulse: ElapsedMs(pulse),
            minimum: ElapsedMs(minimum),
            connect_fee: MicroCoins::ZERO,
        };
        let micro = |micro| MicroCoins::new(micro).unwrap();
        let funds = Coins { paid: micro(paid), promo: micro(promo) };
        let told = Told { medium: Medium::Video, tariff, funds, proven, ..Told::voice("5", &[]) };
        let mut receipt = told.receipt();
        receipt.terms.host_share = ShareBps::new(share).unwrap();
        let mut evidence = told.evidence();
        if !evidence.is_empty() {
            evidence.truncate(kept.index(evidence.len()) + 1);
            for index in repeated {
                evidence.push(*index.get(&evidence));
            }
        }
        let verified = verify(&sign(&receipt, &evidence, &key()), Some(key().public()));
        prop_assert!(verified.is_ok(), "{:?}", verified);
        prop_assert_eq!(verified.unwrap().receipt, receipt);
    }
}

#[test]
fn a_record_is_read_back_as_it_was_written() {
    for record in video().evidence() {
        let read: Record = serde_json::from_str(&text(&Record(record))).unwrap();
        assert_eq!(read.0, record);
    }
}
