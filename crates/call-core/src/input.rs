//! What happened, as the shell tells it.

use crate::output::{Credit, Receipt};
use crate::words::{AskId, EndReason, Party, Prices, Proof, Refusal, Role, SocketId};
use units::{CallId, ElapsedMs, Medium, MicroCoins, Rate, Rates, SessionId, ShareBps, UserId};

/// Who a verified token says a client is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    pub user: UserId,
    /// The name that others see.
    pub name: String,
    pub role: Role,
}

/// Which session a client wants to continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resume {
    pub session: SessionId,
    /// The highest frame number the client has seen.
    pub after: u64,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A client with a valid token opened a socket. `fresh` is the id of its session, unless it
    /// continues an earlier one.
    Connected { socket: SocketId, login: Login, resume: Option<Resume>, fresh: SessionId },
    /// A socket ended, for whatever reason.
    Disconnected { socket: SocketId },
    /// A client sent request number `id`.
    Requested { socket: SocketId, id: u64, request: Request },
    /// A client sent a frame that is no request. `id` is its number, if that much could be read.
    Unreadable { socket: SocketId, id: Option<u64>, refusal: Refusal, detail: Option<String> },
    /// The billing meter said so.
    Meter(MeterFact),
    /// The media relay said so.
    Relay(RelayFact),
    /// The process is stopping: calls end now, none begin.
    StopRequested,
    /// [`next_wake`](crate::Switchboard::next_wake) has come.
    WokeUp,
}

/// Whom a fan rings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ring {
    /// The new call's id.
    pub fresh: CallId,
    pub host: UserId,
    pub medium: Medium,
    /// The price that the fan has seen.
    pub at_most: Option<Rate>,
}

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    GoOnline(Prices),
    GoOffline,
    WatchHosts,
    AskQuote {
        host: UserId,
        medium: Medium,
    },
    Ring(Ring),
    Cancel(CallId),
    Accept(CallId),
    Decline(CallId),
    HangUp(CallId),
    OfferMedia {
        call: CallId,
        sdp: String,
    },
    /// What the client sends, for the other side's screen.
    ShowMedia {
        call: CallId,
        audio: bool,
        video: bool,
    },
    ShowWallet,
    Ping,
}

impl Request {
    /// Whether the work grows with the number of hosts or watchers.
    pub(crate) const fn is_wide(&self) -> bool {
        match self {
            Self::GoOnline(_) | Self::GoOffline | Self::WatchHosts => true,
            Self::AskQuote { .. }
            | Self::Ring(_)
            | Self::Cancel(_)
            | Self::Accept(_)
            | Self::Decline(_)
            | Self::HangUp(_)
            | Self::OfferMedia { .. }
            | Self::ShowMedia { .. }
            | Self::ShowWallet
            | Self::Ping => false,
        }
    }
}

/// The meter's answer to a question about a price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuoteFacts {
    pub free: ElapsedMs,
    /// The balance below which the call is refused.
    pub minimum: MicroCoins,
    pub balance: MicroCoins,
    /// How long the balance lasts.
    pub lasts: ElapsedMs,
    pub host_share: ShareBps,
}

/// What the billing meter says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MeterFact {
    Quoted {
        ask: AskId,
        facts: QuoteFacts,
    },
    BalanceTold {
        ask: AskId,
        balance: MicroCoins,
    },
    /// A question that could not be answered.
    Failed {
        ask: AskId,
        refusal: Refusal,
    },
    /// Coins were added to a wallet.
    CoinsAdded {
        user: UserId,
        balance: MicroCoins,
    },
    /// The call is durable and may carry this much media.
    Opened {
        call: CallId,
        funded: ElapsedMs,
    },
    /// The call must not start.
    NotOpened {
        call: CallId,
        refusal: Refusal,
    },
    /// The state of a live call's bill.
    Metered {
        call: CallId,
        proof: Proof,
        charged: MicroCoins,
        host_earned: MicroCoins,
        balance: MicroCoins,
        remaining: ElapsedMs,
        paused: bool,
    },
    LowFunds {
        call: CallId,
        threshold: ElapsedMs,
        remaining: ElapsedMs,
    },
    /// A call that goes on costs this from now on.
    PriceChanged {
        call: CallId,
        rates: Rates,
    },
    /// The meter wants the call ended.
    GiveUp {
        call: CallId,
        reason: EndReason,
    },
    /// The bill is final.
    Settled {
        call: CallId,
        receipt: Receipt,
    },
    /// Coins went back to the fan of a settled call.
    Credited {
        call: CallId,
        fan: UserId,
        host: UserId,
        credits: Vec<Credit>,
    },
}

/// Why the relay can't answer an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OfferRefusal {
    /// The offer lacks something; `missing` says what.
    Unsupported { missing: String },
    /// The relay can't take it now.
    Unavailable,
}

/// What the media relay says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayFact {
    Answered {
        ask: AskId,
        answer: String,
    },
    OfferRefused {
        ask: AskId,
        refusal: OfferRefusal,
    },
    /// A side's media connection is up.
    Connected {
        call: CallId,
        party: Party,
    },
    /// The host's media has reached the fan.
    Flowing {
        call: CallId,
    },
    /// A side's media connection ended.
    Gone {
        call: CallId,
        party: Party,
    },
    /// The funded media time is used up.
    LimitReached {
        call: CallId,
    },
    /// The relay has lost its rooms.
    Restarted,
}
