//! Rows for tests.

use billing_core::{Checkpoint, Counted, EvidenceRecord, Flow, LiveCall, Proven, Tariff, Terms};
use store::{CallRow, WalletRow};
use units::{
    CallId, Coins, ElapsedMs, Medium, MicroCoins, Rate, Rates, Shard, ShareBps, UnixMs, UserId,
};
use uuid::Uuid;

pub(crate) fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

pub(crate) fn call_id(n: u128) -> CallId {
    CallId(Uuid::from_u128(n))
}

pub(crate) fn micro(micro: u64) -> MicroCoins {
    MicroCoins::new(micro).unwrap()
}

pub(crate) fn coins(paid: u64, promo: u64) -> Coins {
    Coins { paid: micro(paid), promo: micro(promo) }
}

pub(crate) fn shard_of(name: &str) -> Shard {
    Shard::of(&user(name))
}

pub(crate) fn wallet(name: &str, credited: Coins, settled: Coins) -> WalletRow {
    WalletRow { user: user(name), credited, settled, owed: MicroCoins::ZERO }
}

/// An open call between `fan` and `meera`, with a value of its own in each column.
pub(crate) fn call(n: u128, fan: &str) -> CallRow {
    let rate = |micro| Rate::per_minute(micro).unwrap();
    CallRow {
        live: LiveCall {
            call: call_id(n),
            terms: Terms {
                fan: user(fan),
                host: user("meera"),
                medium: Medium::Video,
                tariff: Tariff {
                    rates: Rates { voice: rate(3_000_000), video: rate(5_000_000) },
                    free: ElapsedMs(1),
                    pulse: ElapsedMs(2),
                    minimum: ElapsedMs(3),
                    connect_fee: micro(4),
                },
                host_share: ShareBps::new(7_000).unwrap(),
            },
            changes: Vec::new(),
            opened_at: UnixMs(100),
            seen_at: UnixMs(100),
            proven: Proven::ZERO,
            charged: Coins::ZERO,
            records: 0,
            last: None,
        },
        posted: Coins::ZERO,
        settlements: 0,
        end: None,
    }
}

pub(crate) fn evidence(n: u32) -> EvidenceRecord {
    let at = u64::from(n) * 1_000;
    let to_fan = Flow { proven: ElapsedMs(at), packets: at, ..Flow::default() };
    let counted = Counted { to_fan, ..Counted::default() };
    EvidenceRecord { n, at: ElapsedMs(at), counted, charged: micro(at) }
}

/// Progress of a call of `asha`'s, with records of evidence.
pub(crate) fn checkpoint(
    n: u128,
    media_ms: u64,
    charged: Coins,
    records: std::ops::Range<u32>,
) -> Checkpoint {
    Checkpoint {
        call: call_id(n),
        fan: user("asha"),
        proven: Proven { media: ElapsedMs(media_ms), video: ElapsedMs(media_ms / 2) },
        charged,
        evidence: records.map(evidence).collect(),
    }
}
