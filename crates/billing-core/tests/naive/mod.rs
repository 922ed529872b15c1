//! A naive store and a world of one biller around it.

use billing_core::{
    Answer, Applied, Biller, Change, Command, Credit, CreditKind, Crediting, EvidenceRecord, Held,
    Input, LiveCall, OpenCall, Opening, Output, Ownership, Proven, Receipt, Settings, Settled,
    Settlement, Spend, Spending, Target,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use units::{CallId, Coins, ElapsedMs, MicroCoins, MonotonicMs, Shard, ShareBps, SpendId, UserId};

/// A call as the naive store has it. Amounts in micro-coins, paid and promo.
#[derive(Clone, Debug)]
pub(crate) struct NaiveCall {
    pub(crate) open: OpenCall,
    pub(crate) charged: (u64, u64),
    pub(crate) proven: Proven,
    /// What a crash of hot balances would leave.
    pub(crate) durable: Proven,
    pub(crate) changes: Vec<Change>,
    pub(crate) evidence: Vec<EvidenceRecord>,
}

/// Wallets and calls in plain integers, written without the crate's own arithmetic.
#[derive(Clone, Debug, Default)]
pub(crate) struct NaiveStore {
    /// Paid and promo coins ever credited, and ever spent.
    pub(crate) credits: BTreeMap<UserId, (u64, u64)>,
    pub(crate) spent: BTreeMap<UserId, (u64, u64)>,
    pub(crate) credit_ids: BTreeMap<String, Credit>,
    pub(crate) spends: BTreeMap<SpendId, (Spend, bool)>,
    pub(crate) calls: BTreeMap<CallId, NaiveCall>,
    pub(crate) receipts: BTreeMap<CallId, Receipt>,
    /// How often a call was settled for good.
    pub(crate) finals: BTreeMap<CallId, u32>,
    pub(crate) interims: u32,
    /// Shards that some other meter holds, and whether ours holds any.
    pub(crate) elsewhere: BTreeSet<Shard>,
    pub(crate) held: BTreeSet<Shard>,
    pub(crate) owners: u16,
}

impl NaiveStore {
    fn left(&self, user: &UserId) -> (u64, u64) {
        let (paid, promo) = self.credits.get(user).copied().unwrap_or_default();
        let (spent_paid, spent_promo) = self.spent.get(user).copied().unwrap_or_default();
        (paid - spent_paid, promo - spent_promo)
    }

    pub(crate) fn funds(&self, user: &UserId) -> u64 {
        let (paid, promo) = self.left(user);
        paid + promo
    }

    /// Takes up to this much, promo coins first.
    fn take(&mut self, user: &UserId, wanted: u64) -> (u64, u64) {
        let (paid, promo) = self.left(user);
        let from_promo = wanted.min(promo);
        let from_paid = (wanted - from_promo).min(paid);
        let spent = self.spent.entry(user.clone()).or_default();
        *spent = (spent.0 + from_paid, spent.1 + from_promo);
        (from_paid, from_promo)
    }

    fn raise(&mut self, target: &Target) -> Option<Coins> {
        if self.receipts.contains_key(&target.call) {
            return None;
        }
        let call = self.calls.get(&target.call)?;
        if self.elsewhere.contains(&Shard::of(&call.open.terms.fan)) {
            return None;
        }
        let (fan, charged) = (call.open.terms.fan.clone(), call.charged);
        let wanted = target.charge.micro().saturating_sub(charged.0 + charged.1);
        let (paid, promo) = self.take(&fan, wanted);
        let call = self.calls.get_mut(&target.call)?;
        call.charged = (charged.0 + paid, charged.1 + promo);
        call.proven.media = call.proven.media.max(target.proven.media);
        call.proven.video = call.proven.video.max(target.proven.video);
        Some(both(call.charged))
    }

    fn live(&self, id: CallId) -> LiveCall {
        let call = &self.calls[&id];
        LiveCall {
            call: id,
            terms: call.open.terms.clone(),
            changes: call.changes.clone(),
            opened_at: call.open.at,
            seen_at: call.open.at,
            proven: call.proven,
            charged: both(call.charged),
            records: u32::try_from(call.evidence.len()).unwrap(),
            last: call.evidence.last().copied().map(Box::new),
        }
    }

    fn open(&mut self, open: OpenCall) -> Opening {
        let funds = coins(self.funds(&open.terms.fan));
        let id = open.call;
        if self.calls.get(&id).is_some_and(|known| known.open.terms != open.terms) {
            return Opening::OtherTerms;
        }
        if let Some(receipt) = self.receipts.get(&id) {
            return Opening::Settled(receipt.clone());
        }
        let known = self.calls.contains_key(&id);
        if !known && funds < open.minimum {
            return Opening::NoFunds;
        }
        self.calls.entry(id).or_insert(NaiveCall {
            open,
            charged: (0, 0),
            proven: Proven::ZERO,
            durable: Proven::ZERO,
            changes: Vec::new(),
            evidence: Vec::new(),
        });
        Opening::Open { live: self.live(id), funds }
    }

    fn settle(&mut self, settlement: Settlement) -> Settled {
        let id = settlement.target.call;
        if !self.receipts.contains_key(&id) {
            self.raise(&settlement.target);
        }
        let Some(call) = self.calls.get_mut(&id) else { return Settled::Unknown(id) };
        keep(&mut call.evidence, &settlement.evidence);
        let Some(end) = settlement.end else {
            self.interims += 1;
            return Settled::Interim { call: id, posted: both(call.charged) };
        };
        if !self.receipts.contains_key(&id) {
            *self.finals.entry(id).or_default() += 1;
            let receipt = Receipt {
                call: id,
                terms: call.open.terms.clone(),
                changes: call.changes.clone(),
                reason: end.reason,
                opened_at: call.open.at,
                ended_at: end.at,
                proven: call.proven,
                charged: both(call.charged),
            };
            self.receipts.insert(id, receipt);
        }
        let receipt = self.receipts[&id].clone();
        let funds = coins(self.funds(&receipt.terms.fan));
        Settled::Final { receipt, funds, credits: Vec::new() }
    }

    fn credit(&mut self, credit: &Credit) -> Crediting {
        if let Some(known) = self.credit_ids.get(&credit.id) {
            let same = (&known.user, known.amount) == (&credit.user, credit.amount);
            let funds = coins(self.funds(&credit.user));
            return if same { Crediting::Repeated { funds } } else { Crediting::OtherCredit };
        }
        self.credit_ids.insert(credit.id.clone(), credit.clone());
        let wallet = self.credits.entry(credit.user.clone()).or_default();
        if credit.kind == CreditKind::Promo {
            wallet.1 += credit.amount.micro();
        } else {
            wallet.0 += credit.amount.micro();
        }
        Crediting::Added { funds: coins(self.funds(&credit.user)) }
    }

    fn spend(&mut self, spend: &Spend) -> Spending {
        if let Some((known, taken)) = self.spends.get(&spend.id) {
            let funds = coins(self.funds(&spend.fan));
            return match (known == spend, *taken) {
                (false, _) => Spending::OtherSpend,
                (true, true) => Spending::Taken { coins: Coins::ZERO, funds },
                (true, false) => Spending::NoFunds,
            };
        }
        let taken = self.funds(&spend.fan) >= spend.amount.micro();
        self.spends.insert(spend.id, (spend.clone(), taken));
        if !taken {
            return Spending::NoFunds;
        }
        let coins_taken = self.take(&spend.fan, spend.amount.micro());
        Spending::Taken { coins: both(coins_taken), funds: coins(self.funds(&spend.fan)) }
    }

    fn hold(&mut self, known: &[Shard], claim: u16) -> Held {
        self.held.retain(|shard| !self.elsewhere.contains(shard));
        let free = Shard::all()
            .filter(|shard| !self.elsewhere.contains(shard) && !self.held.contains(shard))
            .take(usize::from(claim));
        let anew = self.held.iter().copied().filter(|shard| !known.contains(shard));
        let free: Vec<Shard> = free.chain(anew).collect();
        self.held.extend(&free);
        let open = self.calls.iter().filter(|(id, call)| {
            !self.receipts.contains_key(id) && free.contains(&Shard::of(&call.open.terms.fan))
        });
        let adopted = open.map(|(id, _)| self.live(*id)).collect();
        Held { shards: self.held.iter().copied().collect(), adopted, owners: self.owners.max(1) }
    }

    pub(crate) fn carry_out(&mut self, command: Command) -> Answer {
        match command {
            Command::Hold { known, claim, .. } => Answer::Held(self.hold(&known, claim)),
            Command::Release(shards) => {
                self.held.retain(|shard| !shards.contains(shard));
                Answer::Released(shards)
            }
            Command::Open(open) => {
                let call = open.call;
                Answer::Opened { call, opening: self.open(open) }
            }
            Command::Apply(targets) => {
                let mut applied = Applied::default();
                for target in &targets {
                    if let Some(charged) = self.raise(target) {
                        applied.charged.push((target.call, charged));
                    }
                }
                let fans: BTreeSet<&UserId> = targets.iter().map(|target| &target.fan).collect();
                for fan in fans {
                    applied.funds.push((fan.clone(), coins(self.funds(fan))));
                }
                Answer::Applied { targets, applied }
            }
            Command::Checkpoint(rows) => {
                for row in &rows {
                    if let Some(call) = self.calls.get_mut(&row.call) {
                        call.durable = row.proven;
                        keep(&mut call.evidence, &row.evidence);
                    }
                }
                Answer::Checkpointed(rows)
            }
            Command::Settle(settlements) => Answer::Settled(
                settlements
                    .into_iter()
                    .map(|settlement| (settlement.target.call, self.settle(settlement)))
                    .collect(),
            ),
            Command::Credit { request, credit } => {
                let crediting = self.credit(&credit);
                Answer::Credited { request, credit, crediting }
            }
            Command::Spend { request, spend, due: _ } => {
                let spending = self.spend(&spend);
                Answer::Spent { request, spend, spending }
            }
            Command::Change { call, change, .. } => {
                let known = self.calls.get_mut(&call).map(|known| {
                    if known.changes.iter().all(|known| known.n != change.n) {
                        known.changes.push(change);
                    }
                    known.changes[usize::try_from(change.n).unwrap() - 1]
                });
                Answer::Changed { call, change: known }
            }
            Command::Read(question) => {
                let funds = coins(self.funds(question.wallet()));
                Answer::Read { question, funds, host_share: None }
            }
            Command::Reconcile => Answer::Reconciled(Vec::new()),
        }
    }
}

/// Appends what is not there yet; the numbers have no gaps.
fn keep(evidence: &mut Vec<EvidenceRecord>, records: &[EvidenceRecord]) {
    for record in records {
        let next = u32::try_from(evidence.len()).unwrap();
        assert!(record.n <= next, "a gap before record {}", record.n);
        if record.n == next {
            evidence.push(*record);
        }
    }
}

fn both((paid, promo): (u64, u64)) -> Coins {
    Coins { paid: coins(paid), promo: coins(promo) }
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

pub(crate) fn settings(free: ElapsedMs, ownership: Ownership) -> Settings {
    Settings {
        host_share: ShareBps::new(7_000).unwrap(),
        free,
        pulse: ElapsedMs(1),
        least_charged: ElapsedMs::ZERO,
        connect_fee: MicroCoins::ZERO,
        minimum: ElapsedMs(10_000),
        tick: ElapsedMs(1_000),
        checkpoint: ElapsedMs(10_000),
        unconfirmed: ElapsedMs(15_000),
        ownership,
    }
}

/// A biller, its store, and time.
pub(crate) struct World {
    pub(crate) biller: Biller,
    pub(crate) store: NaiveStore,
    pub(crate) weather: Weather,
    pub(crate) now: MonotonicMs,
    /// Calls whose bills the store can't take.
    pub(crate) broken: BTreeSet<CallId>,
    /// Ticks that the store heard.
    pub(crate) asked: u32,
}

impl World {
    pub(crate) fn new(free: ElapsedMs) -> Self {
        Self::with(settings(free, Ownership::Alone))
    }

    /// A world whose biller holds what it can get.
    pub(crate) fn with(settings: Settings) -> Self {
        let (store, now) = (NaiveStore::default(), MonotonicMs(0));
        let biller = Biller::new(settings);
        let mut world =
            Self { biller, store, weather: Weather::Fair, now, broken: BTreeSet::new(), asked: 0 };
        world.feed(Input::WokeUp);
        world
    }

    /// Another process takes over from one that was killed.
    pub(crate) fn restart(&mut self, settings: Settings) -> Vec<Output> {
        self.biller = Biller::new(settings);
        self.store.held.clear();
        self.feed(Input::WokeUp)
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
        if matches!(command, Command::Apply(_)) {
            self.asked += 1;
        }
        if let Command::Settle(bills) = &command
            && bills.iter().any(|bill| self.broken.contains(&bill.target.call))
        {
            return Input::StoreFailed(command);
        }
        match self.weather {
            Weather::Fair => Input::Answered(self.store.carry_out(command)),
            Weather::Down => {
                // Also a store that fails lets go.
                if let Command::Release(shards) = &command {
                    self.store.held.retain(|shard| !shards.contains(shard));
                }
                Input::StoreFailed(command)
            }
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
