//! What the server sends: answers to requests, and events.

use super::{CallCredit, CallView, EndReason, HostCard, PriceBands, Quote, Receipt};
use crate::token::Role;
use crate::{ErrorCode, Retry};
use serde::{Deserialize, Serialize};
use units::{CallId, ElapsedMs, MicroCoins, SessionId, ShareBps, UserId};

/// One frame from the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerFrame {
    /// Counts a session's frames from 1. A client that resumes names the last it saw and gets the
    /// rest again. `welcome` and connection-level errors are not counted: 0.
    pub seq: u64,
    /// In an answer: the request's `id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub re: Option<u64>,
    /// The answer or event.
    #[serde(flatten)]
    pub body: ServerMessage,
}

/// An answer or event, by `type`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum ServerMessage {
    /// The first frame of every socket, unless it is refused with `session.replaced`.
    #[serde(rename = "welcome")]
    Welcome {
        session: SessionId,
        user: UserId,
        name: String,
        role: Role,
        /// Whether this socket continues the session the client asked for. If not, nothing that
        /// was unanswered will be answered, and the client starts from what is in this frame.
        resumed: bool,
        /// How long a session waits for its client to come back.
        grace_ms: ElapsedMs,
        price_bands: PriceBands,
        /// The host's part of each coin in the next call, so that prices can be shown net.
        host_share_bps: ShareBps,
        /// The call this user is in, if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        call: Option<CallView>,
        /// The server's version.
        version: String,
    },
    /// Answer: done.
    #[serde(rename = "ok")]
    Ok,
    /// Answer: not done; or, without `re`, a frame that could not be read.
    #[serde(rename = "error")]
    Error {
        code: ErrorCode,
        message: String,
        retry: Retry,
        /// What exactly, where there is more to say: a field's name, a missing codec.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// Answer to `hosts.watch`.
    #[serde(rename = "hosts")]
    Hosts { hosts: Vec<HostCard> },
    /// Answer to `quote.ask`.
    #[serde(rename = "quote")]
    Quote { quote: Quote },
    /// Answer to `call.ring`, and event whenever the call's state or the other side changes.
    #[serde(rename = "call")]
    Call { call: CallView },
    /// Answer to `media.offer`.
    #[serde(rename = "media.answer")]
    MediaAnswer { call: CallId, sdp: String },
    /// Answer to `wallet.show`, and event when coins were added.
    #[serde(rename = "wallet")]
    Wallet { balance_micro: MicroCoins },
    /// Answer to `ping`.
    #[serde(rename = "pong")]
    Pong,
    /// Event: a host came, went, got busy or changed prices.
    #[serde(rename = "host.updated")]
    HostUpdated { host: HostCard },
    /// Event to a host: somebody rings.
    #[serde(rename = "call.incoming")]
    CallIncoming { call: CallView },
    /// Event, about once a second in a live call: what was proven and charged so far.
    #[serde(rename = "call.tick")]
    CallTick {
        call: CallId,
        proven_ms: ElapsedMs,
        charged_micro: MicroCoins,
        /// The host's part of the charge.
        host_micro: MicroCoins,
        /// To the fan: what is left.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        balance_micro: Option<MicroCoins>,
        /// Media time until the balance is spent.
        remaining_ms: ElapsedMs,
        /// No media of the host reached the fan lately: the meter stands still.
        paused: bool,
    },
    /// Event, to both sides: the balance lasts this much longer. Once each at 60, 30 and 10 s.
    #[serde(rename = "call.low_funds")]
    CallLowFunds { call: CallId, threshold_ms: ElapsedMs, remaining_ms: ElapsedMs },
    /// Event: the call is over. `receipt` is there if it was accepted, and may come later or again,
    /// as may those of calls that earlier sessions were in (PROTOCOL.md, "The end").
    #[serde(rename = "call.ended")]
    CallEnded {
        call: CallId,
        reason: EndReason,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        receipt: Option<Receipt>,
    },
    /// Event, to both sides, after the receipt, which it does not change: coins went back to the
    /// fan by rule. `wallet` tells the fan's balance with them.
    #[serde(rename = "call.credited")]
    CallCredited { call: CallId, credits: Vec<CallCredit> },
    /// Event: the same user logged in elsewhere; this socket is closed.
    #[serde(rename = "session.replaced")]
    SessionReplaced,
}
