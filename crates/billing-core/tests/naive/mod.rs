//! A naive store and a world of one biller around it.

use billing_core::{
    Answer, Applied, Biller, Command, Credit, Crediting, Input, OpenCall, Opening, Output, Receipt,
    Settings, Settled, Target,
};
use std::collections::{BTreeMap, VecDeque};
use units::{CallId, ElapsedMs, MicroCoins, MonotonicMs, ShareBps, UserId};

/// Wallets and calls in plain integers, written without the crate's own arithmetic.
#[derive(Clone, Debug, Default)]
pub(crate) struct NaiveStore {
    pub(crate) credits: BTreeMap<UserId, u64>,
    pub(crate) spent: BTreeMap<UserId, u64>,
    pub(crate) credit_ids: BTreeMap<String, (UserId, u64)>,
    pub(crate) calls: BTreeMap<CallId, (OpenCall, u64, ElapsedMs)>,
    pub(crate) receipts: BTreeMap<CallId, Receipt>,
}

impl NaiveStore {
    pub(crate) fn funds(&self, user: &UserId) -> u64 {
        self.credits.get(user).unwrap_or(&0) - self.spent.get(user).unwrap_or(&0)
    }

    fn raise(&mut self, target: Target) -> Option<u64> {
        if self.receipts.contains_key(&target.call) {
            return None;
        }
        let fan = self.calls.get(&target.call)?.0.terms.fan.clone();
        let funds = self.funds(&fan);
        let (_, charged, media) = self.calls.get_mut(&target.call)?;
        let wanted = target.charge.micro().saturating_sub(*charged).min(funds);
        *charged += wanted;
        *media = (*media).max(target.media);
        *self.spent.entry(fan).or_default() += wanted;
        Some(*charged)
    }

    fn open(&mut self, open: OpenCall) -> Opening {
        let funds = self.funds(&open.terms.fan);
        if self.calls.get(&open.call).is_some_and(|(known, ..)| known.terms != open.terms) {
            return Opening::OtherTerms;
        }
        if let Some(receipt) = self.receipts.get(&open.call) {
            return Opening::Settled(receipt.clone());
        }
        if let Some((_, charged, media)) = self.calls.get(&open.call) {
            return Opening::Open { charged: coins(*charged), media: *media, funds: coins(funds) };
        }
        if funds < open.minimum.micro() {
            return Opening::NoFunds;
        }
        self.calls.insert(open.call, (open, 0, ElapsedMs::ZERO));
        Opening::Open { charged: coins(0), media: ElapsedMs::ZERO, funds: coins(funds) }
    }

    fn credit(&mut self, credit: &Credit) -> Crediting {
        let known = (credit.user.clone(), credit.amount.micro());
        let repeated = self.credit_ids.insert(credit.id.clone(), known).is_some();
        if !repeated {
            *self.credits.entry(credit.user.clone()).or_default() += credit.amount.micro();
        }
        let funds = coins(self.funds(&credit.user));
        if repeated { Crediting::Repeated { funds } } else { Crediting::Added { funds } }
    }

    pub(crate) fn carry_out(&mut self, command: Command) -> Answer {
        match command {
            Command::Open(open) => {
                let call = open.call;
                Answer::Opened { call, opening: self.open(open) }
            }
            Command::Apply(targets) => {
                let mut applied = Applied::default();
                for target in &targets {
                    if let Some(charged) = self.raise(*target) {
                        applied.charged.push((target.call, coins(charged)));
                    }
                }
                for user in self.credits.keys() {
                    applied.funds.push((user.clone(), coins(self.funds(user))));
                }
                Answer::Applied { targets, applied }
            }
            Command::Settle(settlement) => {
                let call = settlement.target.call;
                self.raise(settlement.target);
                if let Some((open, charged, media)) = self.calls.get(&call) {
                    self.receipts.entry(call).or_insert_with(|| Receipt {
                        call,
                        terms: open.terms.clone(),
                        reason: settlement.reason,
                        opened_at: open.at,
                        ended_at: settlement.ended_at,
                        media: *media,
                        charged: coins(*charged),
                    });
                }
                let settled = self.receipts.get(&call).cloned().map(|receipt| {
                    let funds = coins(self.funds(&receipt.terms.fan));
                    Settled { receipt, funds }
                });
                Answer::Settled { call, settled }
            }
            Command::Credit { request, credit } => {
                let crediting = self.credit(&credit);
                Answer::Credited { request, credit, crediting }
            }
            Command::Read(question) => {
                let funds = coins(self.funds(question.wallet()));
                Answer::Read { question, funds }
            }
        }
    }
}

/// How the store behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    Fair,
    /// Commands fail and have no effect.
    Down,
    /// Commands take effect, but their answer is lost.
    Deaf,
}

/// A biller without calls.
pub(crate) fn biller(free: ElapsedMs) -> Biller {
    Biller::new(Settings {
        host_share: ShareBps::new(7_000).unwrap(),
        free,
        minimum: ElapsedMs(10_000),
        tick: ElapsedMs(1_000),
    })
}

/// A biller, its store, and time.
pub(crate) struct World {
    pub(crate) biller: Biller,
    pub(crate) store: NaiveStore,
    pub(crate) weather: Weather,
    pub(crate) now: MonotonicMs,
    /// Commands that the store heard.
    pub(crate) asked: u32,
}

impl World {
    pub(crate) fn new(free: ElapsedMs) -> Self {
        let (store, now) = (NaiveStore::default(), MonotonicMs(0));
        Self { biller: biller(free), store, weather: Weather::Fair, now, asked: 0 }
    }

    /// Feeds one input; carries out what it leads to at the store; returns the other outputs.
    pub(crate) fn feed(&mut self, input: Input) -> Vec<Output> {
        let mut inputs = VecDeque::from([input]);
        let mut heard = Vec::new();
        while let Some(input) = inputs.pop_front() {
            for output in self.biller.handle(self.now, input) {
                if let Output::Store(command) = output {
                    inputs.push_back(self.at_store(command));
                } else {
                    heard.push(output);
                }
            }
        }
        heard
    }

    fn at_store(&mut self, command: Command) -> Input {
        self.asked += 1;
        match self.weather {
            Weather::Fair => Input::Answered(self.store.carry_out(command)),
            Weather::Down => Input::StoreFailed(command),
            Weather::Deaf => {
                self.store.carry_out(command.clone());
                Input::StoreFailed(command)
            }
        }
    }

    /// Lets time pass, waking the biller whenever it wants.
    pub(crate) fn pass(&mut self, span: ElapsedMs) -> Vec<Output> {
        let end = self.now + span;
        let mut heard = Vec::new();
        while let Some(wake) = self.biller.next_wake()
            && wake <= end
        {
            self.now = wake.max(self.now);
            heard.extend(self.feed(Input::WokeUp));
        }
        self.now = end;
        heard
    }
}

pub(crate) fn coins(micro: u64) -> MicroCoins {
    MicroCoins::new(micro).unwrap()
}
