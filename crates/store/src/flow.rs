//! What the rows mean: each flow of money, over any hot balances and any ledger.
//!
//! Every flow may be repeated after a failure or a crash at any point; what makes that safe stands
//! at the head of its file. Commands come one at a time; reads come at any time.

mod apply;
mod change;
mod credit;
mod hold;
mod months;
mod open;
mod raise;
mod read;
mod reconcile;
mod restore;
mod returns;
mod settle;
mod settling;
mod spend;

use crate::{Epoch, Error, Hot, Lease, Ledger};
use billing_core::{
    Answer, Command, CreditRules, EvidenceRecord, Held, Question, Receipt, ShareTiers,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use units::{ElapsedMs, MeterId, Shard, UnixMs, UserId};

/// Turns a receipt and its evidence into the signed document that both sides get.
pub type Sign = Arc<dyn Fn(&Receipt, &[EvidenceRecord]) -> String + Send + Sync>;

/// How a store works.
#[derive(Clone)]
pub struct Options {
    /// In whose name shards are held: one of its own for each run.
    pub meter: MeterId,
    /// Every [`apply`](Store::apply) is durable before it answers: for one machine, whose hot
    /// balances are in its own memory.
    pub inline_checkpoint: bool,
    /// What hosts get by the month's gross: locks a call's share when it is opened, and adds what a
    /// higher tier brings. Without it a call's terms say its share, and nothing is added.
    pub shares: Option<ShareTiers>,
    /// What fans get back without asking when a call is settled. Without it nothing.
    pub credits: Option<CreditRules>,
    /// Signs receipts; without it there are no documents.
    pub sign: Option<Sign>,
}

impl Options {
    /// Many machines, unsigned receipts.
    #[must_use]
    pub const fn new(meter: MeterId) -> Self {
        Self { meter, inline_checkpoint: false, shares: None, credits: None, sign: None }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { meter, inline_checkpoint, shares, credits, sign } = self;
        f.debug_struct("Options")
            .field("meter", meter)
            .field("inline_checkpoint", inline_checkpoint)
            .field("shares", shares)
            .field("credits", credits)
            .field("signs", &sign.is_some())
            .finish()
    }
}

/// How often a shard can be restored under one lease, and each time be told from the others: more
/// than a century of calls, one opened a second.
const TURNS: u64 = 1 << 32;

/// Wallets, calls and the ledger, as one.
#[derive(Debug)]
pub struct Store<H, L> {
    hot: H,
    ledger: L,
    options: Options,
    owned: Mutex<Owned>,
}

/// The shards that are held here.
#[derive(Debug, Default)]
struct Owned {
    epochs: BTreeMap<Shard, Epoch>,
    /// How often hot balances were restored under which epoch.
    turns: BTreeMap<Shard, (Epoch, u64)>,
    /// Those whose hot balances may lack something that the ledger has.
    stale: BTreeSet<Shard>,
    /// Hot balances were whole when they had this generation.
    generation: Option<u64>,
    /// How many calls of `reconcile` there were, to look at other shards each time.
    reconciled: u16,
}

impl<H: Hot, L: Ledger> Store<H, L> {
    /// A store that holds no shards yet.
    pub fn new(hot: H, ledger: L, options: Options) -> Self {
        Self { hot, ledger, options, owned: Mutex::default() }
    }

    /// Carries out what a meter asks for; `now` stamps what is written.
    ///
    /// # Errors
    /// As the method that the command names. Nothing or all of it took effect: ask again.
    pub async fn carry_out(&self, now: UnixMs, command: &Command) -> Result<Answer, Error> {
        Ok(match command {
            Command::Hold { known, claim, ttl } => {
                Answer::Held(self.hold_beside(known, *claim, *ttl).await?)
            }
            Command::Release(shards) => {
                self.release(shards).await?;
                Answer::Released(shards.clone())
            }
            Command::Open(open) => {
                Answer::Opened { call: open.call, opening: self.open_call(open).await? }
            }
            Command::Apply(targets) => {
                let applied = self.apply(now, targets).await?;
                Answer::Applied { targets: targets.clone(), applied }
            }
            Command::Checkpoint(rows) => {
                self.checkpoint(now, rows).await?;
                Answer::Checkpointed(rows.clone())
            }
            Command::Settle(settlements) => {
                let settled = self.settle(settlements).await?;
                let calls = settlements.iter().map(|settlement| settlement.target.call);
                Answer::Settled(calls.zip(settled).collect())
            }
            Command::Credit { request, credit } => {
                let crediting = self.credit(credit).await?;
                Answer::Credited { request: *request, credit: credit.clone(), crediting }
            }
            Command::Spend { request, spend, due } => {
                let spending = self.spend_after(spend, due).await?;
                Answer::Spent { request: *request, spend: spend.clone(), spending }
            }
            Command::Change { call, fan, change } => {
                Answer::Changed { call: *call, change: self.change(*call, fan, change).await? }
            }
            Command::Read(question) => self.answer(now, question).await?,
            Command::Reconcile => {
                self.drive_leftovers().await?;
                Answer::Reconciled(self.reconcile().await?)
            }
        })
    }

    async fn answer(&self, now: UnixMs, question: &Question) -> Result<Answer, Error> {
        let funds = self.funds(question.wallet()).await?;
        let host_share = match question.host() {
            Some(host) => {
                let mut tx = self.ledger.snapshot().await?;
                months::share_at(&mut tx, self.options.shares.as_ref(), host, now).await?
            }
            None => None,
        };
        Ok(Answer::Read { question: question.clone(), funds, host_share })
    }

    pub(crate) const fn ledger(&self) -> &L {
        &self.ledger
    }

    pub(crate) const fn sign(&self) -> Option<&Sign> {
        self.options.sign.as_ref()
    }

    fn owned(&self) -> MutexGuard<'_, Owned> {
        self.owned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lease of a user's shard.
    fn lease(&self, user: &UserId) -> Result<Lease, Error> {
        let shard = Shard::of(user);
        self.lease_of(shard).ok_or(Error::NotHeld(shard))
    }

    fn lease_of(&self, shard: Shard) -> Option<Lease> {
        let epoch = self.owned().epochs.get(&shard).copied()?;
        Some(Lease { shard, epoch })
    }

    /// The leases of those users' shards that are held, each once.
    fn leases<'a>(&self, users: impl Iterator<Item = &'a UserId>) -> Vec<(Shard, Epoch)> {
        let shards: BTreeSet<Shard> = users.map(Shard::of).collect();
        let owned = self.owned();
        shards.into_iter().filter_map(|shard| Some((shard, *owned.epochs.get(&shard)?))).collect()
    }

    /// What hot balances are told of a lease: its epoch, and how often they were restored under it.
    fn hot_epoch(&self, lease: Lease) -> Epoch {
        let turn = match self.owned().turns.get(&lease.shard) {
            Some((epoch, turn)) if *epoch == lease.epoch => *turn,
            Some(_) | None => 0,
        };
        Epoch(lease.epoch.0 * TURNS + turn.min(TURNS - 1))
    }

    /// What the next restoring goes by. An earlier one may come late or twice, and since it names
    /// slots in full, it would bring back what was closed meanwhile: behind this it is fenced off.
    fn next_turn(&self, lease: Lease) -> Epoch {
        let mut owned = self.owned();
        let turn = owned.turns.entry(lease.shard).or_insert((lease.epoch, 0));
        *turn = if turn.0 == lease.epoch { (turn.0, turn.1 + 1) } else { (lease.epoch, 1) };
        drop(owned);
        self.hot_epoch(lease)
    }

    /// Whether the shard is held, and was restored since it had this hot epoch.
    fn has_moved(&self, shard: Shard, since: Epoch) -> bool {
        self.lease_of(shard).is_some_and(|lease| self.hot_epoch(lease) != since)
    }

    /// Holds shards for an asker that knows the calls of these alone: an earlier answer may not have
    /// reached it, or too late. Whatever else is held is taken over anew.
    ///
    /// # Errors
    /// As [`Store::hold`].
    pub async fn hold_beside(
        &self,
        known: &[Shard],
        claim: u16,
        ttl: ElapsedMs,
    ) -> Result<Held, Error> {
        let known: BTreeSet<Shard> = known.iter().copied().collect();
        self.owned().epochs.retain(|shard, _| known.contains(shard));
        self.hold(claim, ttl).await
    }

    /// Drops a shard that has a later owner.
    fn lost(&self, shard: Shard) {
        let mut owned = self.owned();
        owned.epochs.remove(&shard);
        owned.stale.remove(&shard);
    }

    /// Notes that hot balances may lack something that the ledger has.
    fn stale(&self, shard: Shard) {
        let mut owned = self.owned();
        if owned.epochs.contains_key(&shard) {
            owned.stale.insert(shard);
        }
    }

    /// Passes an error on; a shard that has a later owner is dropped.
    fn noted(&self, error: Error) -> Error {
        if let Error::Fenced(shard) = error {
            self.lost(shard);
        }
        error
    }

    /// Passes on what became of a commit that moved charges from slots into settled coins. Where
    /// that is not known, both may stand in hot balances, and would be taken twice as soon as
    /// something else raises what is settled: the shards are restored before the next debit.
    fn doubtful(&self, shards: &[Shard], committed: Result<(), Error>) -> Result<(), Error> {
        if committed.is_err() {
            shards.iter().for_each(|shard| self.stale(*shard));
        }
        committed
    }

    /// Carries on after a hot write that only repeats what the ledger has: if it failed, the shard
    /// is restored before the next debit.
    fn follow_up(&self, shard: Shard, outcome: Result<(), Error>) {
        match outcome {
            Ok(()) => {}
            Err(Error::Fenced(_)) => self.lost(shard),
            Err(error) => {
                tracing::warn!(%shard, %error, "hot balances are behind; they will be restored");
                self.stale(shard);
            }
        }
    }
}
