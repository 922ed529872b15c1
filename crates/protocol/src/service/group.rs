//! Rooms of many: signaling says who is in them and who hears whom; nothing in them is billed.
//!
//! Each command says how things are to be from now on, so that a repeat changes nothing. What it is
//! about may not have connected yet: the relay keeps it until then, over all joins of that member.

use super::OfferRefusal;
use serde::{Deserialize, Serialize};
use units::MemberId;

/// Signaling to relay, about one room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum GroupCommand {
    /// Make the room. One that nobody has a connection in for 5 minutes closes by itself.
    Open,
    /// Connect a member by its SDP offer; its m-lines say what it can send and receive. Replaces
    /// the member's earlier connection. Answered by [`GroupEvent::Answered`] or
    /// [`GroupEvent::Refused`] with the same `request`.
    Admit { member: MemberId, request: u64, offer: String },
    /// What a listener's m-line carries from now on: a publisher's m-line of the same codec, or
    /// nothing. Needs no new offer. Video begins with a key frame, which the relay asks for.
    /// [`GroupEvent::NotHeard`] tells if it can't be.
    Hear { listener: MemberId, line: String, track: Option<GroupTrack> },
    /// Whether what a member sends on an m-line is kept from everybody.
    Mute { member: MemberId, line: String, muted: bool },
    /// End a member's connections and forget the member.
    Leave { member: MemberId },
    /// End the room for all. Answered by [`GroupEvent::Closed`], also if it is not there.
    Close,
}

/// What one member sends on one of its m-lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupTrack {
    pub member: MemberId,
    /// The m-line's `a=mid`.
    pub line: String,
}

/// An m-line that was answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupLine {
    /// Its `a=mid`.
    pub line: String,
    pub medium: LineMedium,
    /// Whether the client may send on it.
    pub sends: bool,
    /// Whether it can carry something to the client.
    pub receives: bool,
}

/// What an m-line is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LineMedium {
    Audio,
    Video,
}

/// Relay to signaling, about one room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum GroupEvent {
    /// The answer to a [`GroupCommand::Admit`], and which m-lines can be spoken of.
    Answered { member: MemberId, request: u64, answer: String, lines: Vec<GroupLine> },
    /// No answer to a [`GroupCommand::Admit`].
    Refused { member: MemberId, request: u64, refusal: OfferRefusal },
    /// A member's ICE and DTLS are up.
    Connected { member: MemberId },
    /// A member's connection ended (closed by it, or its consent was lost), or its join failed.
    Gone { member: MemberId },
    /// A [`GroupCommand::Hear`] can't be carried out between these connections; the m-line carries
    /// what it did before. `code` is a stable word such as `group.other_codec`.
    NotHeard { listener: MemberId, line: String, code: String },
    /// The room is gone, with all its members.
    Closed,
}
