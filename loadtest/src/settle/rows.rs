//! Calls as they would be at some time: what a meter of 100,000 calls writes every ten seconds.

use billing_core::{
    Account, Checkpoint, Counted, Entry, EvidenceRecord, Flow, LiveCall, Posting, Proven, Tariff,
    Terms,
};
use store::CallRow;
use units::{CallId, Coins, ElapsedMs, Medium, MicroCoins, Rate, Rates, ShareBps, UnixMs, UserId};
use uuid::Uuid;

/// Ids that sort by time, as real ones do.
fn call_id(n: u64) -> CallId {
    CallId(Uuid::from_u128((0x0193_7000 << 96) | (0x7 << 76) | (0x8 << 60) | u128::from(n)))
}

fn user(kind: &str, n: u64) -> UserId {
    format!("{kind}-{n:08}").parse().expect("a short plain name")
}

fn micro(amount: u64) -> MicroCoins {
    MicroCoins::new(amount).expect("a small amount")
}

pub(super) fn call(n: u64) -> CallRow {
    let rate = Rate::per_minute(5_000_000).expect("a small price");
    let terms = Terms {
        fan: user("fan", n),
        host: user("host", n),
        medium: Medium::Video,
        tariff: Tariff::plain(Rates::flat(rate)),
        host_share: ShareBps::new(7_000).expect("less than the whole"),
    };
    let live = LiveCall {
        call: call_id(n),
        terms,
        changes: Vec::new(),
        opened_at: UnixMs(0),
        seen_at: UnixMs(0),
        proven: Proven::ZERO,
        charged: Coins::ZERO,
        records: 0,
        last: None,
    };
    CallRow { live, posted: Coins::ZERO, settlements: 0, end: None }
}

/// The checkpoint of a call's `round`-th ten seconds, from 0.
pub(super) fn checkpoint(n: u64, round: u64, records: u32) -> Checkpoint {
    let seconds = (round + 1) * 10;
    let first = u32::try_from(round).expect("few rounds") * records;
    Checkpoint {
        call: call_id(n),
        fan: user("fan", n),
        proven: Proven::video(ElapsedMs::from_secs(seconds)),
        charged: Coins { paid: micro(seconds * 83_333), promo: MicroCoins::ZERO },
        evidence: (first..first + records).map(evidence).collect(),
    }
}

/// A second of a video call, counted as a relay would.
fn evidence(n: u32) -> EvidenceRecord {
    let second = u64::from(n);
    let at = ElapsedMs(second * 1_000);
    let flow = Flow {
        forwarded: at,
        proven: at,
        packets: second * 150,
        bytes: second * 131_072 + second % 977,
        packets_lost: second / 7,
        ..Flow::default()
    };
    let counted = Counted { to_fan: flow, to_host: flow, video: at, ..Counted::default() };
    EvidenceRecord { n, at, counted, charged: micro(second * 83_333) }
}

/// The two rows of a settlement.
pub(super) fn postings(n: u64, round: u64) -> [Posting; 2] {
    let entry = Entry::Call(call_id(n), u32::try_from(round).expect("few rounds"));
    let to = [Account::HostEarnings(user("host", n)), Account::PlatformFee];
    let mut place = 0;
    to.map(|to| {
        place += 1;
        let from = Account::FanPaid(user("fan", n));
        Posting { entry: entry.clone(), n: place - 1, from, to, amount: micro(583_331) }
    })
}
