//! What a client sends.

use super::Prices;
use serde::{Deserialize, Serialize};
use units::{CallId, Medium, Rate, UserId};

/// One request frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The client's number for this request: 1, 2, 3, ... within a session. The answer carries it
    /// as `re`. The server ignores a number that is not above the last it handled, so a client
    /// resends whatever is unanswered after it has resumed.
    pub id: u64,
    /// What is asked.
    #[serde(flatten)]
    pub body: RequestBody,
}

/// What is asked, by `type`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum RequestBody {
    /// Host: take calls at these prices. Sent again, it changes them for the next call.
    #[serde(rename = "host.online")]
    HostOnline { prices: Prices },
    /// Host: take no more calls. A call in progress goes on.
    #[serde(rename = "host.offline")]
    HostOffline,
    /// List the hosts now, and send `host.updated` whenever one changes.
    #[serde(rename = "hosts.watch")]
    HostsWatch,
    /// Fan: what would this call cost?
    #[serde(rename = "quote.ask")]
    QuoteAsk { host: UserId, medium: Medium },
    /// Fan: ring this host.
    #[serde(rename = "call.ring")]
    CallRing {
        host: UserId,
        medium: Medium,
        /// The price the fan saw: refused with `price.changed` if it is higher by now.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at_most_micro_per_min: Option<Rate>,
    },
    /// Fan: stop ringing.
    #[serde(rename = "call.cancel")]
    CallCancel { call: CallId },
    /// Host: take the call.
    #[serde(rename = "call.accept")]
    CallAccept { call: CallId },
    /// Host: don't take the call.
    #[serde(rename = "call.decline")]
    CallDecline { call: CallId },
    /// Either side: end the call.
    #[serde(rename = "call.hang_up")]
    CallHangUp { call: CallId },
    /// Either side, once the call is `connecting` or `live`: connect media. Sent again with a new
    /// peer connection, it replaces the old one.
    #[serde(rename = "media.offer")]
    MediaOffer { call: CallId, sdp: String },
    /// Either side: what it sends now, for the other side's screen. Moves no money.
    #[serde(rename = "media.state")]
    MediaState { call: CallId, audio: bool, video: bool },
    /// What is my balance?
    #[serde(rename = "wallet.show")]
    WalletShow,
    /// Is the server there? For browsers, which can't send WebSocket pings.
    #[serde(rename = "ping")]
    Ping,
}

impl RequestBody {
    /// Every `type`, so that an unknown one can be told from a known one with wrong fields.
    pub const TYPES: [&str; 13] = [
        "host.online",
        "host.offline",
        "hosts.watch",
        "quote.ask",
        "call.ring",
        "call.cancel",
        "call.accept",
        "call.decline",
        "call.hang_up",
        "media.offer",
        "media.state",
        "wallet.show",
        "ping",
    ];
}
