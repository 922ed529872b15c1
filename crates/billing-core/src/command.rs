//! What a meter asks of its store, and what the store answers.
//!
//! Commands are carried out one at a time and in order, and answered in that order: only so are the
//! funds in an answer the latest. All are cumulative or named by an id, so each may be asked twice.

use crate::{
    Applied, Change, Checkpoint, Credit, Crediting, LiveCall, OpenCall, Opening, Settled,
    Settlement, Spend, Spending, Target,
};
use units::{CallId, ElapsedMs, MicroCoins, Rates, Shard, ShareBps, UserId};

/// What only the store's word is missing for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    Quote { request: u64, fan: UserId, host: UserId, rates: Rates, picture: bool },
    Balance { request: u64, user: UserId },
}

impl Question {
    /// Whose wallet to look into.
    #[must_use]
    pub const fn wallet(&self) -> &UserId {
        match self {
            Self::Quote { fan, .. } => fan,
            Self::Balance { user, .. } => user,
        }
    }

    /// Whose share to look up.
    #[must_use]
    pub const fn host(&self) -> Option<&UserId> {
        match self {
            Self::Quote { host, .. } => Some(host),
            Self::Balance { .. } => None,
        }
    }
}

/// What the store is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Prolong the leases of all shards that are held for `ttl` from now, and take up to `claim`
    /// more that are free. The asker meters the calls of `known` and of no other shard: what else
    /// is held is taken over anew, so that no call is held by nobody.
    Hold {
        known: Vec<Shard>,
        claim: u16,
        ttl: ElapsedMs,
    },
    /// Give shards to whoever claims them next.
    Release(Vec<Shard>),
    Open(OpenCall),
    /// Raise charges. Atomic per shard.
    Apply(Vec<Target>),
    /// Make progress durable, in one transaction.
    Checkpoint(Vec<Checkpoint>),
    /// In one transaction.
    Settle(Vec<Settlement>),
    Credit {
        request: u64,
        credit: Credit,
    },
    /// Takes coins at once, after what the fan's calls are due: hot balances may have lost that.
    Spend {
        request: u64,
        spend: Spend,
        due: Vec<Target>,
    },
    /// New prices for a call that goes on.
    Change {
        call: CallId,
        fan: UserId,
        change: Change,
    },
    Read(Question),
    /// Compare hot balances with the ledger.
    Reconcile,
}

/// What the store did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Held(Held),
    Released(Vec<Shard>),
    Opened {
        call: CallId,
        opening: Opening,
    },
    /// `targets` are those of the command.
    Applied {
        targets: Vec<Target>,
        applied: Applied,
    },
    /// The rows of the command.
    Checkpointed(Vec<Checkpoint>),
    /// One for each settlement of the command, in order.
    Settled(Vec<(CallId, Settled)>),
    Credited {
        request: u64,
        credit: Credit,
        crediting: Crediting,
    },
    Spent {
        request: u64,
        spend: Spend,
        spending: Spending,
    },
    /// The change of that number as it stands now; `None` if the call is not open.
    Changed {
        call: CallId,
        change: Option<Change>,
    },
    /// The share that a call to the host would be opened at, if it is the store's to say.
    Read {
        question: Question,
        funds: MicroCoins,
        host_share: Option<ShareBps>,
    },
    /// How many figures differ that should be the same, by the name of their rule.
    Reconciled(Vec<(&'static str, u64)>),
}

/// The shards that are held after a [`Command::Hold`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// All of them; one that was held before and is not here is lost.
    pub shards: Vec<Shard>,
    /// Open calls of shards that were taken now, to be metered on.
    pub adopted: Vec<LiveCall>,
    /// How many meters hold shards or asked for some within the last `ttl`, this one included: a
    /// newcomer counts before it has any, or those who hold all would never share.
    pub owners: u16,
}
