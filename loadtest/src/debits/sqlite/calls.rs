//! The calls that are billed, and what each of them must have cost by when.

use super::SqliteError;
use billing_core::{Counted, Flow, LiveCall, Proven, Tariff, Terms};
use indicatif::ProgressBar;
use store::{CallRow, Ledger, Sqlite, Transaction, WalletRow};
use units::{CallId, Coins, ElapsedMs, Medium, MicroCoins, Rate, Rates, ShareBps, UnixMs, UserId};
use uuid::Uuid;

/// Calls that are opened in one transaction.
pub(super) const BATCH: u32 = 1_000;

pub(super) const OPENED_AT: UnixMs = UnixMs(1_800_000_000_000);

const PER_MINUTE: u64 = 5_000_000;

/// More than an hour costs.
const CREDITED: u64 = 1_000_000_000;

/// Live video calls, each on a wallet of its own.
#[derive(Debug)]
pub(super) struct Calls(u32);

/// Ids as real ones are: they sort by time, and those of one millisecond at random.
fn call_id(n: u32) -> CallId {
    let ms = 0x0193_7000_0000 + u128::from(n) / 50;
    // A permutation of 32 bits that looks like chance and is the same in every run.
    let mixed = u128::from(n.wrapping_mul(0x9e37_79b1).rotate_left(13));
    CallId(Uuid::from_u128((ms << 80) | (0x7 << 76) | (0x2 << 62) | (mixed << 24) | u128::from(n)))
}

fn user(kind: &str, n: u32) -> UserId {
    format!("{kind}-{n:08}").parse().expect("a short plain name")
}

fn coins(micro: u64) -> MicroCoins {
    MicroCoins::new(micro).expect("a small amount")
}

pub(super) fn host_share() -> ShareBps {
    ShareBps::new(7_000).expect("less than the whole")
}

/// What a call has cost after so many seconds.
pub(super) fn charge_at(seconds: u32) -> MicroCoins {
    coins(PER_MINUTE * u64::from(seconds) / 60)
}

/// What is left in its wallet then.
pub(super) fn left_at(seconds: u32) -> MicroCoins {
    coins(CREDITED - PER_MINUTE * u64::from(seconds) / 60)
}

fn row(n: u32) -> CallRow {
    let rate = Rate::per_minute(PER_MINUTE).expect("a small price");
    let terms = Terms {
        fan: user("fan", n),
        host: user("host", n),
        medium: Medium::Video,
        tariff: Tariff::plain(Rates::flat(rate)),
        host_share: host_share(),
    };
    CallRow::new(LiveCall {
        call: call_id(n),
        terms,
        changes: Vec::new(),
        opened_at: OPENED_AT,
        seen_at: OPENED_AT,
        proven: Proven::ZERO,
        charged: Coins::ZERO,
        records: 0,
        last: None,
    })
}

impl Calls {
    pub(super) const fn new(count: u32) -> Self {
        Self(count)
    }

    pub(super) fn len(&self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// Writes wallets and calls into the ledger; whoever takes the shards finds them there.
    pub(super) async fn open(
        &self,
        ledger: &Sqlite,
        progress: &ProgressBar,
    ) -> Result<(), SqliteError> {
        for first in (0..self.0).step_by(BATCH as usize) {
            let batch = first..self.0.min(first + BATCH);
            let mut tx = ledger.begin().await?;
            let wallets: Vec<WalletRow> = batch
                .clone()
                .map(|n| WalletRow {
                    credited: Coins { paid: coins(CREDITED), promo: MicroCoins::ZERO },
                    ..WalletRow::empty(user("fan", n))
                })
                .collect();
            tx.put_wallets(&wallets).await?;
            for n in batch {
                tx.insert_call(&row(n)).await?;
            }
            tx.commit().await?;
            progress.inc(1);
        }
        Ok(())
    }

    /// What the relay has counted after so many seconds.
    pub(super) fn reports(&self, seconds: u32) -> Vec<(CallId, Counted)> {
        let seconds = u64::from(seconds);
        let at = ElapsedMs::from_secs(seconds);
        let flow = Flow {
            forwarded: at,
            proven: at,
            packets: seconds * 150,
            bytes: seconds * 131_072,
            ..Flow::default()
        };
        let counted = Counted { to_fan: flow, to_host: flow, video: at, ..Counted::default() };
        (0..self.0).map(|n| (call_id(n), counted)).collect()
    }
}
