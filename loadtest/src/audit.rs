//! Holds a bill against what both peers saw.
//!
//! Pure, and independent on purpose: the price is computed here by a formula of our own, not by the
//! server's, so that a mistake in one is seen by the other.
//!
//! | rule | why |
//! |---|---|
//! | both sides hold the same receipt | a bill that depends on who asks is none |
//! | charge = floor(rate x (proven - free) / 60,000), at most the balance | PROTOCOL.md, "The end" |
//! | host = floor(charge x share), platform = the rest | no coin comes from or goes nowhere |
//! | ticks never fall and never pass the receipt | what was shown while it ran holds at the end |
//! | proven is at most what the fan received and the host sent, plus [`AHEAD_MAX`] | only media is billed |
//! | proven is at least what the fan received, less [`BEHIND_MAX`] | the host's work is paid |
//! | balance afterwards = before - charge | the bill is what was taken |

use crate::peer::{Statement, Tick};
use protocol::client::{EndReason, Receipt};
use serde::Serialize;
use units::{ElapsedMs, MicroCoins, Rate};

/// How far the proven time may be ahead of a peer's own count. Both sum up the same packets, the
/// relay when it sends them and the fan when its socket is read; a fan's process that read its
/// first packet this much later than its last counts that much less. Less would call a busy test
/// machine a wrong bill; more would hide charged time that nobody received.
pub const AHEAD_MAX: ElapsedMs = ElapsedMs(250);

/// How far the proven time may be behind the fan's own count. The fan confirms every 100 ms and the
/// relay waits for the last confirmation, so this is that interval, a lost confirmation at the very
/// end, and time to read them on a busy machine. Less would call that a wrong bill; more would hide
/// media that the host carried and was not paid for.
pub const BEHIND_MAX: ElapsedMs = ElapsedMs(500);

/// One call as its two sides saw it, and the fan's wallet around it.
#[derive(Clone, Debug, Serialize)]
pub struct CallEvidence {
    pub fan: Statement,
    pub host: Statement,
    pub balance_before: MicroCoins,
    pub balance_after: MicroCoins,
}

/// What is wrong with a bill. Amounts are micro-coins, times milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    #[error("the {0} got no receipt ({1:?})")]
    NoReceipt(&'static str, EndReason),
    #[error("the two sides hold different receipts")]
    ReceiptsDiffer,
    #[error("the receipt is not of this call at the price that was shown")]
    OtherCall,
    #[error("charged {charged}, but {proven} ms at {rate} per minute are {right}")]
    WrongCharge { charged: u64, right: u64, proven: u64, rate: u64 },
    #[error("host {host} + platform {platform} are not the charge of {charged}")]
    SplitDoesNotAddUp { host: u64, platform: u64, charged: u64 },
    #[error("the host's part is {host} instead of {right}")]
    WrongShare { host: u64, right: u64 },
    #[error("tick {n} of the {side} shows less than the tick before it")]
    TickFell { side: &'static str, n: usize },
    #[error("tick {n} of the {side} shows more than the receipt")]
    TickPassedReceipt { side: &'static str, n: usize },
    #[error("tick {n} of the {side} charges {charged} for {proven} ms")]
    TickOvercharged { side: &'static str, n: usize, charged: u64, proven: u64 },
    #[error("tick {n} of the fan shows a balance of {shown} instead of {right}")]
    TickBalance { n: usize, shown: u64, right: u64 },
    #[error("tick {n} tells the host the fan's balance")]
    BalanceTold { n: usize },
    #[error("{proven} ms were billed, but the {side} saw {seen} ms")]
    BilledUnseen { proven: u64, side: &'static str, seen: u64 },
    #[error("the fan saw {seen} ms, but only {proven} ms were billed")]
    SeenUnbilled { proven: u64, seen: u64 },
    #[error("the balance went from {before} to {after}, but the charge is {charged}")]
    WrongBalance { before: u64, after: u64, charged: u64 },
}

/// All that is wrong with the bill of `call`; nothing if it is exact.
#[must_use]
pub fn audit(call: &CallEvidence) -> Vec<Finding> {
    let (fan, host) = (&call.fan, &call.host);
    let (Some(receipt), Some(of_host)) = (&fan.receipt, &host.receipt) else {
        let missing = |side, statement: &Statement| {
            let absent = statement.receipt.is_none();
            absent.then_some(Finding::NoReceipt(side, statement.reason))
        };
        return missing("fan", fan).into_iter().chain(missing("host", host)).collect();
    };
    let mut findings = Vec::new();
    if receipt != of_host {
        findings.push(Finding::ReceiptsDiffer);
    }
    if !names(receipt, call) {
        findings.push(Finding::OtherCall);
    }
    findings.extend(amounts(receipt, call));
    findings.extend(ticks("fan", &fan.ticks, receipt));
    findings.extend(ticks("host", &host.ticks, receipt));
    findings.extend(balances(call));
    findings.extend(media_time(receipt, call));
    findings
}

const MS_PER_MINUTE: u128 = 60_000;

/// `floor(rate x media / 60,000)` in micro-coins.
fn price(rate: Rate, media: ElapsedMs) -> u64 {
    let product = u128::from(rate.micro_per_minute()) * u128::from(media.0);
    u64::try_from(product / MS_PER_MINUTE).unwrap_or(u64::MAX)
}

/// What the proven time costs: time with picture at the medium's price, the rest as voice. Free time
/// comes off the picture first.
fn owed(receipt: &Receipt) -> u64 {
    let free_video = receipt.video_ms.min(receipt.free_ms);
    let video = receipt.video_ms.saturating_sub(free_video);
    let voice = receipt.proven_ms.saturating_sub(receipt.video_ms);
    let voice = voice.saturating_sub(receipt.free_ms.saturating_sub(free_video));
    let cost = |rate: Rate, ms: ElapsedMs| u128::from(rate.micro_per_minute()) * u128::from(ms.0);
    let product =
        cost(receipt.rate_micro_per_min, video) + cost(receipt.voice_rate_micro_per_min, voice);
    u64::try_from(product / MS_PER_MINUTE).unwrap_or(u64::MAX)
}

fn names(receipt: &Receipt, call: &CallEvidence) -> bool {
    let of = |statement: &Statement| {
        receipt.call == statement.call
            && receipt.medium == statement.medium
            && receipt.rate_micro_per_min == statement.rate_micro_per_min
            && receipt.reason == statement.reason
    };
    receipt.fan == call.fan.user
        && receipt.host == call.host.user
        && of(&call.fan)
        && of(&call.host)
}

fn amounts(receipt: &Receipt, call: &CallEvidence) -> Vec<Finding> {
    const WHOLE_BPS: u128 = 10_000;
    let charged = receipt.charged_micro.micro();
    let (host, platform) = (receipt.host_micro.micro(), receipt.platform_micro.micro());
    let (rate, proven) = (receipt.rate_micro_per_min, receipt.proven_ms);
    let before = call.balance_before.micro();
    let after = call.balance_after.micro();
    let mut findings = Vec::new();

    let right = owed(receipt).min(before);
    if charged != right {
        let (proven, rate) = (proven.0, rate.micro_per_minute());
        findings.push(Finding::WrongCharge { charged, right, proven, rate });
    }
    if host.checked_add(platform) != Some(charged) {
        findings.push(Finding::SplitDoesNotAddUp { host, platform, charged });
    }
    let share = u128::from(charged) * u128::from(receipt.host_share_bps.bps()) / WHOLE_BPS;
    if u128::from(host) != share {
        let right = u64::try_from(share).unwrap_or(u64::MAX);
        findings.push(Finding::WrongShare { host, right });
    }
    if before.checked_sub(charged) != Some(after) {
        findings.push(Finding::WrongBalance { before, after, charged });
    }
    findings
}

fn ticks(side: &'static str, ticks: &[Tick], receipt: &Receipt) -> Vec<Finding> {
    let cumulative =
        |tick: &Tick| [tick.proven_ms.0, tick.charged_micro.micro(), tick.host_micro.micro()];
    let last = [receipt.proven_ms.0, receipt.charged_micro.micro(), receipt.host_micro.micro()];
    let above = |left: [u64; 3], right: [u64; 3]| left.iter().zip(right).any(|(l, r)| *l > r);
    let mut findings = Vec::new();
    let mut before = [0; 3];
    for (n, tick) in ticks.iter().enumerate() {
        let now = cumulative(tick);
        if above(before, now) {
            findings.push(Finding::TickFell { side, n });
        }
        if above(now, last) {
            findings.push(Finding::TickPassedReceipt { side, n });
        }
        let (charged, proven) = (tick.charged_micro.micro(), tick.proven_ms);
        let paid = proven.saturating_sub(receipt.free_ms);
        if charged > price(receipt.rate_micro_per_min, paid) {
            findings.push(Finding::TickOvercharged { side, n, charged, proven: proven.0 });
        }
        before = now;
    }
    findings
}

fn balances(call: &CallEvidence) -> Vec<Finding> {
    let of_fan = call.fan.ticks.iter().enumerate().filter_map(|(n, tick)| {
        let right = call.balance_before.saturating_sub(tick.charged_micro);
        let shown = tick.balance_micro.unwrap_or_default();
        let (shown, right) = (shown.micro(), right.micro());
        (shown != right).then_some(Finding::TickBalance { n, shown, right })
    });
    let of_host =
        call.host.ticks.iter().enumerate().filter_map(|(n, tick)| {
            tick.balance_micro.is_some().then_some(Finding::BalanceTold { n })
        });
    of_fan.chain(of_host).collect()
}

fn media_time(receipt: &Receipt, call: &CallEvidence) -> Vec<Finding> {
    let proven = receipt.proven_ms.0;
    let received = call.fan.evidence.received.media_ms.0;
    let sent = call.host.evidence.sent.media_ms.0;
    let mut findings = Vec::new();
    for (side, seen) in [("fan", received), ("host", sent)] {
        if proven > seen + AHEAD_MAX.0 {
            findings.push(Finding::BilledUnseen { proven, side, seen });
        }
    }
    if proven + BEHIND_MAX.0 < received {
        findings.push(Finding::SeenUnbilled { proven, seen: received });
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media_sink::{Carried, Evidence};
    use protocol::client::Party;
    use units::{CallId, Medium, ShareBps, UnixMs};

    fn micro(micro: u64) -> MicroCoins {
        MicroCoins::new(micro).unwrap()
    }

    fn tick(proven_ms: u64, charged: u64, balance: Option<u64>) -> Tick {
        Tick {
            proven_ms: ElapsedMs(proven_ms),
            charged_micro: micro(charged),
            host_micro: micro(charged * 7 / 10),
            balance_micro: balance.map(micro),
            paused: false,
        }
    }

    /// 7,001 ms at 6.00: 700,100 micro-coins of 1.00.
    fn exact() -> CallEvidence {
        let call: CallId = "0193a1b2-0000-7000-8000-000000000001".parse().unwrap();
        let rate = Rate::per_minute(6_000_000).unwrap();
        let receipt = Receipt {
            call,
            fan: "asha".parse().unwrap(),
            host: "meera".parse().unwrap(),
            medium: Medium::Video,
            rate_micro_per_min: rate,
            voice_rate_micro_per_min: rate,
            reason: EndReason::HungUpByFan,
            accepted_at_unix_ms: UnixMs(1),
            ended_at_unix_ms: UnixMs(2),
            proven_ms: ElapsedMs(7_001),
            video_ms: ElapsedMs::ZERO,
            silent_ms: ElapsedMs::ZERO,
            frozen_ms: ElapsedMs::ZERO,
            free_ms: ElapsedMs::ZERO,
            charged_micro: micro(700_100),
            paid_micro: micro(700_100),
            promo_micro: MicroCoins::ZERO,
            host_share_bps: ShareBps::new(7_000).unwrap(),
            host_micro: micro(490_070),
            platform_micro: micro(210_030),
        };
        let side = |user: &str, party, balances: [Option<u64>; 2]| Statement {
            call,
            user: user.parse().unwrap(),
            party,
            medium: Medium::Video,
            rate_micro_per_min: rate,
            ticks: vec![tick(1_000, 100_000, balances[0]), tick(2_000, 200_000, balances[1])],
            reason: EndReason::HungUpByFan,
            receipt: Some(receipt.clone()),
            evidence: Evidence {
                received: Carried { media_ms: ElapsedMs(7_010), ..Carried::default() },
                sent: Carried { media_ms: ElapsedMs(7_100), ..Carried::default() },
                ..Evidence::default()
            },
        };
        CallEvidence {
            fan: side("asha", Party::Fan, [Some(900_000), Some(800_000)]),
            host: side("meera", Party::Host, [None, None]),
            balance_before: micro(1_000_000),
            balance_after: micro(299_900),
        }
    }

    /// Changes an exact bill, on both sides where it is on the receipt, and audits it.
    fn findings(change: impl Fn(&mut CallEvidence)) -> Vec<Finding> {
        let mut call = exact();
        change(&mut call);
        audit(&call)
    }

    fn on_both_receipts(call: &mut CallEvidence, change: impl Fn(&mut Receipt)) {
        change(call.fan.receipt.as_mut().unwrap());
        change(call.host.receipt.as_mut().unwrap());
    }

    #[test]
    fn an_exact_bill_has_no_findings() {
        assert_eq!(audit(&exact()), []);
    }

    #[test]
    fn a_micro_coin_too_much_is_found_in_the_charge_the_split_and_the_balance() {
        let found = findings(|call| {
            on_both_receipts(call, |receipt| receipt.charged_micro = micro(700_101));
        });
        assert!(matches!(
            found[..],
            [
                Finding::WrongCharge { charged: 700_101, right: 700_100, .. },
                Finding::SplitDoesNotAddUp { .. },
                Finding::WrongBalance { .. }
            ]
        ));
    }

    #[test]
    fn free_time_must_not_be_charged() {
        let found = findings(|call| {
            call.fan.ticks.clear();
            call.host.ticks.clear();
            on_both_receipts(call, |receipt| receipt.free_ms = ElapsedMs(1_000));
        });
        assert!(matches!(found[..], [Finding::WrongCharge { right: 600_100, .. }]), "{found:?}");
    }

    #[test]
    fn a_charge_ends_with_the_funds() {
        let spent = |charged: u64| {
            findings(move |call| {
                call.balance_before = micro(500_000);
                call.balance_after = micro(500_000 - charged);
                call.fan.ticks.clear();
                on_both_receipts(call, |receipt| {
                    receipt.charged_micro = micro(charged);
                    receipt.host_micro = micro(charged * 7 / 10);
                    receipt.platform_micro = micro(charged - charged * 7 / 10);
                });
            })
        };
        assert_eq!(spent(500_000), []);
        assert!(matches!(spent(499_999)[..], [Finding::WrongCharge { right: 500_000, .. }]));
    }

    #[test]
    fn time_that_nobody_saw_or_that_nobody_paid_for_is_found() {
        let fan_received =
            |ms| findings(move |call| call.fan.evidence.received.media_ms = ElapsedMs(ms));
        assert_eq!(fan_received(7_001 - AHEAD_MAX.0), []);
        let unseen = Finding::BilledUnseen { proven: 7_001, side: "fan", seen: 6_750 };
        assert_eq!(fan_received(6_750), [unseen]);
        assert_eq!(fan_received(7_001 + BEHIND_MAX.0), []);
        let unpaid = Finding::SeenUnbilled { proven: 7_001, seen: 7_502 };
        assert_eq!(fan_received(7_502), [unpaid]);

        let unsent = Finding::BilledUnseen { proven: 7_001, side: "host", seen: 3_000 };
        let found = findings(|call| call.host.evidence.sent.media_ms = ElapsedMs(3_000));
        assert_eq!(found, [unsent]);
    }

    #[test]
    fn ticks_only_rise_to_the_receipt() {
        let fell = findings(|call| call.host.ticks.reverse());
        assert_eq!(fell, [Finding::TickFell { side: "host", n: 1 }]);
        let passed = findings(|call| call.host.ticks[1] = tick(7_002, 200_000, None));
        assert_eq!(passed, [Finding::TickPassedReceipt { side: "host", n: 1 }]);
        let (charged, proven) = (200_000, 1_999);
        let over = findings(|call| call.host.ticks[1] = tick(proven, charged, None));
        assert_eq!(over, [Finding::TickOvercharged { side: "host", n: 1, charged, proven }]);
        let balance = findings(|call| call.fan.ticks[0].balance_micro = Some(micro(1)));
        assert_eq!(balance, [Finding::TickBalance { n: 0, shown: 1, right: 900_000 }]);
        let told = findings(|call| call.host.ticks[1].balance_micro = Some(micro(1)));
        assert_eq!(told, [Finding::BalanceTold { n: 1 }]);
    }

    #[test]
    fn receipts_are_there_are_the_same_and_are_of_this_call() {
        let absent = findings(|call| call.host.receipt = None);
        assert_eq!(absent, [Finding::NoReceipt("host", EndReason::HungUpByFan)]);
        let differ = findings(|call| {
            call.host.receipt.as_mut().unwrap().ended_at_unix_ms = UnixMs(3);
        });
        assert_eq!(differ, [Finding::ReceiptsDiffer]);
        let other = findings(|call| on_both_receipts(call, |r| r.medium = Medium::Voice));
        assert_eq!(other, [Finding::OtherCall]);
        let share = findings(|call| {
            on_both_receipts(call, |receipt| {
                receipt.host_micro = micro(490_071);
                receipt.platform_micro = micro(210_029);
            });
        });
        assert_eq!(share, [Finding::WrongShare { host: 490_071, right: 490_070 }]);
    }
}
