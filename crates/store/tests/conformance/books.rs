//! What the tests say in few words: users, calls, credits, and stores to try them on.

use billing_core::{
    Change, Credit, CreditKind, End, EndReason, OpenCall, Payer, Plan, Proven, RefundReason,
    Settlement, Spend, SpendKind, Target, Tariff, Terms,
};
use std::sync::Arc;
use store::{Hot, Ledger, Options, Store, hot, ledger};
use units::{
    CallId, Coins, ElapsedMs, Medium, MeterId, MicroCoins, Rate, Rates, ShareBps, SpendId, UnixMs,
    UserId,
};
use uuid::Uuid;

pub(crate) const TTL: ElapsedMs = ElapsedMs(10_000);

pub(crate) fn coins(text: &str) -> MicroCoins {
    text.parse().unwrap()
}

/// Coins as `paid+promo`.
pub(crate) fn kinds(text: &str) -> Coins {
    let (paid, promo) = text.split_once('+').unwrap();
    Coins { paid: coins(paid), promo: coins(promo) }
}

pub(crate) fn user(n: u8) -> UserId {
    format!("user:{n}").parse().unwrap()
}

pub(crate) fn host() -> UserId {
    "host".parse().unwrap()
}

pub(crate) fn call(n: u8) -> CallId {
    CallId(Uuid::from_u128(u128::from(n) + 1))
}

pub(crate) fn meter(n: u8) -> MeterId {
    MeterId(Uuid::from_u128(u128::from(n)))
}

/// Call `n` of fan `n % 2`, at `n + 1` coins per minute, the first `n` tenths of a second free.
pub(crate) fn terms(n: u8) -> Terms {
    let rate = Rate::per_minute(u64::from(n + 1) * 1_000_000).unwrap();
    Terms {
        fan: user(n % 2),
        host: host(),
        medium: Medium::ALL[usize::from(n % 2)],
        tariff: Tariff { free: ElapsedMs(u64::from(n) * 100), ..Tariff::plain(Rates::flat(rate)) },
        host_share: ShareBps::new(7_001).unwrap(),
    }
}

pub(crate) fn open(n: u8, minimum: &str) -> OpenCall {
    let at = UnixMs(1_000 + u64::from(n));
    OpenCall { call: call(n), terms: terms(n), minimum: coins(minimum), at }
}

pub(crate) fn target(n: u8, media_ms: u64) -> Target {
    let proven = Proven::voice(ElapsedMs(media_ms));
    let charge = Plan::new(terms(n).tariff).charge(proven);
    Target { call: call(n), fan: user(n % 2), charge, proven }
}

pub(crate) fn settlement(n: u8, media_ms: u64) -> Settlement {
    let end = End { reason: EndReason::HungUpByFan, at: UnixMs(9_000 + media_ms) };
    Settlement { target: target(n, media_ms), end: Some(end), evidence: Vec::new() }
}

pub(crate) fn interim(n: u8, media_ms: u64) -> Settlement {
    Settlement { end: None, ..settlement(n, media_ms) }
}

pub(crate) fn credit(id: &str, n: u8, amount: &str) -> Credit {
    let (id, user, amount) = (id.to_owned(), user(n), coins(amount));
    Credit { id, user, amount, kind: CreditKind::Purchase, at: UnixMs(1) }
}

pub(crate) fn promo(id: &str, n: u8, amount: &str) -> Credit {
    Credit { kind: CreditKind::Promo, ..credit(id, n, amount) }
}

pub(crate) fn refund(id: &str, n: u8, of: u8, amount: &str, payer: Payer) -> Credit {
    let kind = CreditKind::Refund { call: call(of), payer, reason: RefundReason::Support };
    Credit { kind, ..credit(id, n, amount) }
}

pub(crate) fn gift(id: u8, n: u8, amount: &str) -> Spend {
    let host_share = ShareBps::new(5_000).unwrap();
    let kind = SpendKind::Gift { host: host(), host_share };
    let id = SpendId(Uuid::from_u128(u128::from(id) + 1_000));
    Spend { id, fan: user(n), amount: coins(amount), kind, at: UnixMs(3) }
}

pub(crate) fn chargeback(id: u8, n: u8, amount: &str) -> Spend {
    Spend { kind: SpendKind::Chargeback, ..gift(id, n, amount) }
}

pub(crate) fn change(number: u32, from_ms: u64, per_minute: u64) -> Change {
    let rate = Rate::per_minute(per_minute * 1_000_000).unwrap();
    Change { n: number, from: Proven::voice(ElapsedMs(from_ms)), rates: Rates::flat(rate) }
}

/// A store that holds every shard.
pub(crate) async fn holding<H: Hot, L: Ledger>(hot: H, ledger: L, options: Options) -> Store<H, L> {
    let store = Store::new(hot, ledger, options);
    let held = store.hold(1_024, TTL).await.unwrap();
    assert_eq!(held.shards.len(), 1_024);
    store
}

/// The model pair.
pub(crate) async fn memory() -> Store<Arc<hot::Memory>, Arc<ledger::Memory>> {
    holding(Arc::default(), Arc::default(), Options::new(meter(1))).await
}
