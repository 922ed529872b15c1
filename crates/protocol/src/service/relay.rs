//! Signaling and meter to and from the media relay.
//!
//! The relay knows no money: to it, a call's funds are a number of milliseconds of media.

use super::{GroupCommand, GroupEvent};
use crate::client::Party;
use serde::{Deserialize, Serialize};
use units::{CallId, ElapsedMs, GroupId};

/// Signaling to relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RelayCommand {
    /// Make room for a call. `funded_ms` is the first [`RelayLimit`]. A room that nobody is in, or
    /// that was cut, closes by itself after 5 minutes.
    OpenRoom { call: CallId, funded_ms: ElapsedMs },
    /// Connect a side by its SDP offer. Replaces that side's earlier connection.
    /// Answered by [`RelayEvent::Answered`] or [`RelayEvent::Refused`] with the same `request`.
    Admit { call: CallId, party: Party, request: u64, offer: String },
    /// Forward nothing more, wait for the last proof (at most 2 s), report for the last time, and
    /// forget the call. Safe to repeat; a room that is not there reports zero.
    CloseRoom { call: CallId },
    /// Something about a room of many.
    Group { group: GroupId, command: GroupCommand },
    /// Signaling has restarted and knows of no call: close every room, also those of many.
    CloseAll,
}

/// Meter to relay: forward the host's media until this much of it is proven, in all.
///
/// The relay cuts at that very millisecond by its own clock: when what is proven or may still be
/// (forwarded - lost) reaches the limit. If something of it turns out to be lost, it forwards as
/// much again; when all is proven, or 2 s after the cut, it says [`RelayEvent::LimitReached`]. A
/// later message replaces an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RelayLimit {
    pub call: CallId,
    pub funded_ms: ElapsedMs,
}

/// Why an offer can't be answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum OfferRefusal {
    /// The offer lacks something we need; `missing` says what, for a developer.
    Unsupported { missing: String },
    /// There is no such room.
    NoRoom,
    /// The relay holds as many connections as it may.
    Full,
}

/// Relay to signaling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RelayEvent {
    /// The answer to an [`RelayCommand::Admit`].
    Answered { call: CallId, party: Party, request: u64, answer: String },
    /// No answer to an [`RelayCommand::Admit`].
    Refused { call: CallId, party: Party, request: u64, refusal: OfferRefusal },
    /// A side's ICE and DTLS are up.
    Connected { call: CallId, party: Party },
    /// The fan's client has confirmed the host's media for the first time.
    Flowing { call: CallId },
    /// A side's connection ended (closed by it, or its consent was lost).
    Gone { call: CallId, party: Party },
    /// The [`RelayLimit`] is used up; the relay forwards nothing more in this call.
    LimitReached { call: CallId },
    /// Something has happened in a room of many.
    Group { group: GroupId, event: GroupEvent },
    /// The relay has restarted, or stops: it has no rooms any more.
    Restarted,
}

/// What was carried in one direction, in all: from the opening of the room, over all joins. Each
/// field only grows. Times are media time: the time between packets (BILLING.md, "Evidence").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Carried {
    /// Media time that was received, authenticated and sent on.
    pub forwarded_ms: ElapsedMs,
    /// The part of it that the receiving client's own RTCP confirmed. Lags by up to 2 s.
    pub proven_ms: ElapsedMs,
    /// The part of it that can't be proven any more, because something later was confirmed, or
    /// because its proof is 4 s overdue: proven + lost <= forwarded. In the last report they are
    /// equal, up to the rounding of each to whole milliseconds.
    pub lost_ms: ElapsedMs,
    /// The part of `proven_ms` with picture that moves: until a second after each frame.
    pub video_ms: ElapsedMs,
    /// The part of `proven_ms` in which the sender's microphone gave digital silence (-100 dBov or
    /// less by RFC 6464). What is not known to be silent is not counted.
    pub silent_ms: ElapsedMs,
    /// The part of `proven_ms` in which a picture that had come stood still for more than a second
    /// and then went on within 10 s; none of it is in `video_ms`.
    pub frozen_ms: ElapsedMs,
    /// RTP packets and payload bytes sent on, without retransmissions.
    pub packets: u64,
    pub bytes: u64,
    /// Packets that the receiver's reports count as lost on their way: also those that were lost
    /// before the relay, and those that were repaired.
    pub lost: u64,
}

/// Relay to meter, about once a second per call, and once more when the room has closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaReport {
    pub call: CallId,
    /// From the host: what is billed.
    pub to_fan: Carried,
    /// From the fan: evidence only.
    pub to_host: Carried,
    /// Nothing will be added any more.
    pub last: bool,
}
