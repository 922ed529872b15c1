//! One call against a relay that loses media and proves it late: where it is cut.

use crate::naive::{World, coins};
use crate::{AT, call, credit, fan, open};
use billing_core::{EndReason, Input, MediaTime, Output, Tariff};
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
    /// Whether the limit ever fell.
    limit_fell: bool,
    warnings: usize,
}

impl Relay {
    fn start(rate: Rate, funds: u64) -> Self {
        let world = World::new(ElapsedMs::ZERO);
        let (limit, forwarded, proofs) = (0, 0, Vec::new());
        let mut relay = Self { world, limit, forwarded, proofs, limit_fell: false, warnings: 0 };
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

    fn report(&mut self, last: bool) {
        let (forwarded, proven) = (ElapsedMs(self.forwarded), ElapsedMs(self.proven()));
        let media = MediaTime { forwarded, proven };
        self.tell(Input::MediaCounted { call: call(0), media, last });
    }

    /// A second in which media flows up to the limit.
    fn carry(&mut self, second: Second) {
        let media_ms = second.media_ms.min(self.limit.saturating_sub(self.forwarded));
        self.forwarded += media_ms;
        if let Fate::Proven(later) = second.fate {
            self.proofs.push((self.world.now.0 + later, media_ms));
        }
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
        self.tell(Input::Ended { call: call(0), reason: EndReason::FundsExhausted, at: AT });
        self.report(true);
        self.world.store.receipts[&call(0)].charged
    }
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
        let tariff = Tariff { rate, free: ElapsedMs::ZERO };
        let proven = ElapsedMs(relay.proven());
        prop_assert!(proven <= tariff.funded(coins(funds)), "carried for nothing");
        prop_assert_eq!(bill, tariff.charge(proven).min(coins(funds)));
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
        let proven = ElapsedMs(relay.proven());
        let exact = Tariff { rate, free: ElapsedMs::ZERO }.charge(proven);
        prop_assert_eq!(bill, exact.min(coins(funds)));
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
        let exact = Tariff { rate, free: ElapsedMs::ZERO }.funded(coins(funds));
        prop_assert_eq!(relay.limit, exact.0, "nothing was lost");
        prop_assert_eq!(relay.end(), coins(funds));
        prop_assert_eq!(relay.world.store.funds(&fan(0)), 0);
        prop_assert!((1..=3).contains(&relay.warnings));
    }
}
