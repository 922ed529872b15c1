//! Evidence and signed documents through the store, and tiers that the store is given.

use crate::books::*;
use billing_core::receipt::{SigningKey, sign};
use billing_core::{
    Answer, Checkpoint, Command, Counted, EvidenceRecord, Flow, Opening, Plan, Proven, Question,
    Schedule, ShareTiers, Spending, Tier, TierMode,
};
use std::sync::Arc;
use store::{Hot, Ledger, Options, Rule, Sign, Transaction};
use units::{Coins, ElapsedMs, ShareBps, UnixMs};

/// What was recorded after so many seconds of call 0, by its price.
pub(crate) fn second(n: u32) -> EvidenceRecord {
    let at = ElapsedMs(u64::from(n + 1) * 1_000);
    let to_fan = Flow { forwarded: at, proven: at, ..Flow::default() };
    let charged = Plan::new(terms(0).tariff).charge(Proven::voice(at));
    EvidenceRecord { n, at, counted: Counted { to_fan, ..Counted::default() }, charged }
}

pub(crate) async fn evidence_that_is_written_again_is_there_once<H: Hot, L: Ledger>(
    pair: Pair<H, L>,
) {
    let store = pair.holding().await;
    store.credit(&credit("a", 0, "10")).await.unwrap();
    store.open_call(&open(0, "0")).await.unwrap();
    for (media_ms, records) in [(3_000, 0..3), (3_000, 0..3), (5_000, 1..5), (5_000, 4..5)] {
        checkpoint(&store, 0, media_ms, records.map(second).collect()).await;
    }
    let last = (3..7).map(second).collect();
    let settled = settlement(0, 7_000);
    settle(&store, billing_core::Settlement { evidence: last, ..settled }).await;
    let kept = pair.ledger.snapshot().await.unwrap().evidence(&[call(0)]).await.unwrap();
    assert_eq!(kept[&call(0)], (0..7).map(second).collect::<Vec<_>>());
    agree(&store).await;
}

/// What somebody does to a record.
type Forgery = fn(&mut EvidenceRecord);

pub(crate) async fn evidence_that_was_tampered_with_is_found<H: Hot, L: Ledger>(pair: Pair<H, L>) {
    let store = pair.holding().await;
    store.credit(&credit("a", 0, "10")).await.unwrap();
    let fakes: [(Forgery, Rule); 5] = [
        (|last| last.charged = coins("9"), Rule::RecordWithinPlan),
        (|last| last.charged = coins("0"), Rule::EvidenceGrows),
        (|last| last.at = ElapsedMs(1), Rule::EvidenceGrows),
        (|last| last.counted = second(9).counted, Rule::EvidenceAgrees),
        (|last| last.n = 2, Rule::EvidenceAgrees),
    ];
    for (n, (fake, rule)) in (0..).zip(fakes) {
        // All are calls of fan 0 at other prices; the audit asks each call's own plan.
        let n = n * 2;
        let charge = |record: EvidenceRecord| EvidenceRecord {
            charged: Plan::new(terms(n).tariff).charge(record.counted.billable()),
            ..record
        };
        store.open_call(&open(n, "0")).await.unwrap();
        checkpoint(&store, n, 2_000, vec![charge(second(0))]).await;
        let mut record = charge(second(1));
        fake(&mut record);
        let row = Checkpoint {
            call: call(n),
            fan: user(0),
            proven: Proven::ZERO,
            charged: Coins::ZERO,
            evidence: vec![record],
        };
        let mut tx = pair.ledger.begin().await.unwrap();
        tx.checkpoint(UnixMs(7), &[row]).await.unwrap();
        tx.commit().await.unwrap();
        let found = store.audit().await.unwrap();
        let of = call(n).to_string();
        let named = |found: &store::Difference| found.rule == rule && found.subject.contains(&of);
        assert!(found.iter().any(named), "{rule:?}: {found:?}");
    }
}

pub(crate) async fn a_signed_receipt_is_written_once<H: Hot, L: Ledger>(pair: Pair<H, L>) {
    let key = SigningKey::from_seed(&[7; 32]);
    let signer: Sign = Arc::new(move |receipt, evidence| sign(receipt, evidence, &key));
    let store = pair.store(Options { sign: Some(signer), ..Options::new(meter(1)) });
    store.hold(1_024, TTL).await.unwrap();
    store.credit(&credit("a", 0, "10")).await.unwrap();
    store.open_call(&open(0, "0")).await.unwrap();
    assert_eq!(store.document(call(0)).await.unwrap(), None);
    let evidence = (0..3).map(second).collect();
    let settled = billing_core::Settlement { evidence, ..settlement(0, 3_000) };
    settle(&store, settled.clone()).await;
    let document = store.document(call(0)).await.unwrap().unwrap();
    // Said again, and with more media than the bill has.
    settle(&store, settled).await;
    settle(&store, settlement(0, 60_000)).await;
    assert_eq!(store.document(call(0)).await.unwrap(), Some(document));
    agree(&store).await;
    let other = SigningKey::from_seed(&[8; 32]).public();
    let found = store::audit(&pair.ledger, Some(other), |_, _| ()).await.unwrap().differences;
    assert_eq!(found.iter().map(|each| each.rule).collect::<Vec<_>>(), [Rule::DocumentValid]);
}

pub(crate) async fn one_machine_is_durable_with_every_tick<H: Hot, L: Ledger>(pair: Pair<H, L>) {
    for (inline_checkpoint, kept) in [(true, "0.333333+0"), (false, "0+0")] {
        let store = pair.store(Options { inline_checkpoint, ..Options::new(meter(1)) });
        store.hold(1_024, TTL).await.unwrap();
        let n = if inline_checkpoint { 0 } else { 2 };
        store.credit(&credit(&n.to_string(), 0, "10")).await.unwrap();
        store.open_call(&open(n, "0")).await.unwrap();
        tick(&store, n, 20_000).await;
        let row = pair.ledger.snapshot().await.unwrap().calls(&[call(n)]).await.unwrap();
        assert_eq!(row[0].live.charged, kinds(kept), "{inline_checkpoint}");
        agree(&store).await;
        store.release(&units::Shard::all().collect::<Vec<_>>()).await.unwrap();
    }
}

pub(crate) async fn a_higher_tier_is_posted_once_and_locked_by_the_next_call<H: Hot, L: Ledger>(
    pair: Pair<H, L>,
) {
    let tier = |from, bps| Tier { from: coins(from), host_share: ShareBps::new(bps).unwrap() };
    let tiers = vec![tier("0", 5_000), tier("1", 7_000)];
    let shares = ShareTiers::new(Schedule::new(TierMode::WholeMonth, tiers).unwrap());
    let store = pair.store(Options { shares: Some(shares), ..Options::new(meter(1)) });
    store.hold(1_024, TTL).await.unwrap();
    for n in 0..2 {
        store.credit(&credit(&n.to_string(), n, "10")).await.unwrap();
        store.open_call(&open(n, "0")).await.unwrap();
    }
    // Calls of 1.00 and 2.00, both opened at half; from 1.00 on all of the month is at 70 %.
    for (n, media_ms, gross, earned, adjustments) in
        [(0, 60_000, "1", "0.7", 1), (0, 60_000, "1", "0.7", 1), (1, 60_100, "3", "2.1", 2)]
    {
        settle(&store, settlement(n, media_ms)).await;
        let month = [(host(), "1970-01".to_owned())];
        let row = pair.ledger.snapshot().await.unwrap().host_months(&month).await.unwrap();
        let [row] = &row[..] else { panic!("{row:?}") };
        assert_eq!((row.gross, row.earned), (coins(gross), coins(earned)));
        assert_eq!(row.adjustments, adjustments);
        agree(&store).await;
    }
    let Opening::Open { live, .. } = store.open_call(&open(2, "0")).await.unwrap() else {
        panic!("there are funds")
    };
    assert_eq!(live.terms.host_share.bps(), 7_000);
    let rates = terms(0).tariff.rates;
    let question =
        Question::Quote { request: 1, fan: user(0), host: host(), rates, picture: false };
    let quoted = store.carry_out(UnixMs(4), &Command::Read(question)).await.unwrap();
    let Answer::Read { host_share: Some(share), .. } = quoted else { panic!("{quoted:?}") };
    assert_eq!(share.bps(), 7_000);
}

pub(crate) async fn a_gift_is_shared_as_the_month_has_it<H: Hot, L: Ledger>(pair: Pair<H, L>) {
    let tier = |from, bps| Tier { from: coins(from), host_share: ShareBps::new(bps).unwrap() };
    let tiers = vec![tier("0", 6_000), tier("1", 7_000)];
    let shares = ShareTiers::new(Schedule::new(TierMode::Marginal, tiers).unwrap());
    let store = pair.store(Options { shares: Some(shares), ..Options::new(meter(1)) });
    store.hold(1_024, TTL).await.unwrap();
    store.credit(&credit("a", 0, "10")).await.unwrap();
    // Asked for at half, as the meter has it that knows no tiers.
    for (id, amount, earned) in [(1, "1", "0.6"), (2, "2", "2"), (2, "2", "2")] {
        let spending = store.spend(&gift(id, 0, amount)).await.unwrap();
        assert!(matches!(spending, Spending::Taken { .. }), "{spending:?}");
        let month = [(host(), "1970-01".to_owned())];
        let row = pair.ledger.snapshot().await.unwrap().host_months(&month).await.unwrap();
        assert_eq!((row[0].earned, row[0].adjustments), (coins(earned), 0));
        agree(&store).await;
    }
}
