//! One call against a relay that loses media and proves it late: where it is cut.

use crate::naive::{World, coins};
use crate::{call, carried, credit, ended, fan, open};
use billing_core::{EndReason, Input, Output};
use proptest::prelude::*;
use units::{ElapsedMs, MicroCoins, Rate};

/// What became of the media of one second.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// Confirmed this much later.
    Proven(u64),
    Lost,
}

/// A second of the call: this much media went out, and whether the relay's report arrived.
#[derive(Clone, Copy, Debug)]
struct Second {
    media_ms: u64,
    fate: Fate,
    reported: bool,
}

fn seconds(fate: impl Strategy<Value = Fate>) -> impl Strategy<Value = Vec<Second>> {
    let media_ms = prop_oneof![3 => Just(1_000_u64), 1 => 0_u64..1_000, 1 => Just(0)];
    let second = (media_ms, fate, proptest::bool::weighted(0.9))
        .prop_map(|(media_ms, fate, reported)| Second { media_ms, fate, reported });
    proptest::collection::vec(second, 1..60)
}

/// Proof within what the relay promises, with a report's interval on top.
fn in_time() -> impl Strategy<Value = Fate> {
    (0_u64..=3_000).prop_map(Fate::Proven)
}

/// The relay of one call.
struct Relay {
    world: World,
    limit: u64,
    forwarded: u64,
    /// When it is confirmed, and how much.
    proofs: Vec<(u64, u64)>,
    /// When it went out, when it is confirmed if ever, and how much.
    sent: Vec<(u64, Option<u64>, u64)>,
    /// Whether the limit ever fell.
    limit_fell: bool,
    warnings: usize,
}

impl Relay {
    fn start(rate: Rate, funds: u64) -> Self {
        let world = World::new(ElapsedMs::ZERO);
        let (limit, forwarded, proofs) = (0, 0, Vec::new());
        let mut relay = Self {
            world,
            limit,
            forwarded,
            proofs,
            sent: Vec::new(),
            limit_fell: false,
            warnings: 0,
        };
        relay.tell(credit(0, 0, funds));
        relay.tell(open(0, rate));
        relay
    }

    fn tell(&mut self, input: Input) {
        let heard = self.world.feed(input);
        self.hear(heard);
    }

    fn hear(&mut self, heard: Vec<Output>) {
        for output in heard {
            if let Output::Opened { funded, .. } | Output::Limit { funded, .. } = output {
                self.limit_fell |= funded.0 < self.limit;
                self.limit = funded.0;
            } else if let Output::LowFunds { .. } = output {
                self.warnings += 1;
            }
        }
    }

    fn proven(&self) -> u64 {
        let come = self.proofs.iter().filter(|(at, _)| *at <= self.world.now.0);
        come.map(|(_, media_ms)| media_ms).sum()
    }

    /// What the relay waits for no longer: it is unproven for 4 s.
    fn lost(&self) -> u64 {
        let now = self.world.now.0;
        let lost = self.sent.iter().filter(|(at, proven_at, _)| {
            now >= at + 4_000 && proven_at.is_none_or(|proven_at| proven_at > now)
        });
        lost.map(|(.., media_ms)| media_ms).sum()
    }

    fn report(&mut self, last: bool) {
        let proven = self.proven();
        let mut counted = carried(self.forwarded, proven, proven);
        counted.to_fan.lost = ElapsedMs(self.lost());
        self.tell(Input::MediaCounted { call: call(0), counted, last });
    }

    /// A second in which media flows up to the limit.
    fn carry(&mut self, second: Second) {
        let provable = self.forwarded - self.lost();
        let media_ms = second.media_ms.min(self.limit.saturating_sub(provable));
        self.forwarded += media_ms;
        let now = self.world.now.0;
        let proven_at = match second.fate {
            // What is proven after 4 s has become lost by then (BILLING.md, rule 81).
            Fate::Proven(later) if later < 4_000 => Some(now + later),
            Fate::Proven(_) | Fate::Lost => None,
        };
        self.proofs.extend(proven_at.map(|at| (at, media_ms)));
        self.sent.push((now, proven_at, media_ms));
        if second.reported {
            self.report(false);
        }
        let heard = self.world.pass(ElapsedMs(1_000));
        self.hear(heard);
    }

    /// Everything that is proven comes in; then the bill.
    fn end(&mut self) -> MicroCoins {
        let heard = self.world.pass(ElapsedMs(10_000));
        self.hear(heard);
        self.tell(ended(0, EndReason::FundsExhausted));
        self.report(true);
        self.world.store.receipts[&call(0)].total()
    }
}

/// What this much media costs, rounded down.
fn exact(rate: Rate, ms: u64) -> u64 {
    u64::try_from(u128::from(rate.micro_per_minute()) * u128::from(ms) / 60_000).unwrap()
}

/// The first millisecond at which that reaches the funds.
fn funded(rate: Rate, funds: u64) -> u64 {
    let ms = u128::from(funds) * 60_000;
    u64::try_from(ms.div_ceil(u128::from(rate.micro_per_minute()))).unwrap()
}

/// Rates, and funds for at least the minimum of 10 s and at most about a minute.
fn price() -> impl Strategy<Value = (Rate, u64)> {
    (1_000_000_u64..=15_000_000, 10_000_u64..60_000)
        .prop_map(|(rate, ms)| (Rate::per_minute(rate).unwrap(), rate * ms / 60_000 + 1))
}

proptest! {
    #[test]
    fn all_that_is_proven_in_time_is_affordable_and_the_limit_never_falls(
        (rate, funds) in price(),
        seconds in seconds(prop_oneof![3 => in_time(), 1 => Just(Fate::Lost)]),
    ) {
        let mut relay = Relay::start(rate, funds);
        for second in seconds {
            relay.carry(second);
            prop_assert!(!relay.limit_fell);
        }
        let bill = relay.end();
        let proven = relay.proven();
        prop_assert!(proven <= funded(rate, funds), "carried for nothing");
        prop_assert_eq!(bill.micro(), exact(rate, proven).min(funds));
    }

    #[test]
    fn proof_that_is_later_than_promised_takes_nothing_that_is_not_there(
        (rate, funds) in price(),
        seconds in seconds(prop_oneof![(0_u64..20_000).prop_map(Fate::Proven), Just(Fate::Lost)]),
    ) {
        let mut relay = Relay::start(rate, funds);
        for second in seconds {
            relay.carry(second);
            prop_assert!(!relay.limit_fell);
            prop_assert!(relay.world.store.funds(&fan(0)) <= funds);
        }
        let bill = relay.end();
        prop_assert_eq!(bill.micro(), exact(rate, relay.proven()).min(funds));
        prop_assert_eq!(relay.world.store.funds(&fan(0)), funds - bill.micro());
    }

    #[test]
    fn a_call_that_proves_all_its_media_spends_everything(
        (rate, funds) in price(),
        seconds in seconds(in_time()),
    ) {
        let mut relay = Relay::start(rate, funds);
        for second in seconds {
            relay.carry(second);
        }
        while relay.forwarded < relay.limit {
            relay.carry(Second { media_ms: 1_000, fate: Fate::Proven(2_000), reported: true });
        }
        prop_assert_eq!(relay.limit, funded(rate, funds), "nothing was lost");
        prop_assert_eq!(relay.end(), coins(funds));
        prop_assert_eq!(relay.world.store.funds(&fan(0)), 0);
        prop_assert!((1..=4).contains(&relay.warnings));
    }
}
