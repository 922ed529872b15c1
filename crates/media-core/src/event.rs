//! What the forwarder is told, and what it reports.

use crate::{LegKey, NegotiatedLeg};
use units::{CallId, ElapsedMs};

/// A command to the forwarder. Each may be repeated without harm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Opens a room in which up to `funded` of the host's media may be proven at the fan. For a room that
    /// is open it is the same as [`Input::SetLimit`]. A room that stands without a leg, or cut, for
    /// five minutes closes as if by [`Input::CloseRoom`].
    OpenRoom { call: CallId, funded: ElapsedMs },
    /// Replaces the limit. A higher one lets a cut call go on, if it is above what was forwarded and
    /// not lost; an unknown call is ignored.
    SetLimit { call: CallId, funded: ElapsedMs },
    /// Connects a side, in place of that side's earlier leg; the call's totals go on. Ignored if
    /// the call is unknown or closing, or if the keying material is shorter than the profile wants.
    ///
    /// Keying material is fresh for each leg. A join with the material of the leg that it replaces
    /// keeps that leg's SRTP state; material of an older leg must never come again.
    Join { leg: LegKey, negotiated: NegotiatedLeg },
    /// Disconnects a side. The room stays.
    Leave { leg: LegKey },
    /// Stops forwarding at once; [`Event::Closed`] follows within two seconds, when the fan's last
    /// feedback is in.
    CloseRoom { call: CallId },
}

/// What has happened to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The host's media has for the first time been proven at the fan.
    Flowing { call: CallId },
    /// The limit is used up: nothing more is forwarded, either way. It is told once it is known
    /// that nothing of it was lost, or two seconds after the last packet.
    LimitReached { call: CallId },
    /// The totals so far: every second for each room that has a leg.
    Reported { call: CallId, to_fan: Carried, to_host: Carried },
    /// The last totals; the room is forgotten.
    Closed { call: CallId, to_fan: Carried, to_host: Carried },
}

/// What went to one side since the room was opened. Each field only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Media time that went out.
    pub forwarded_ms: ElapsedMs,
    /// Media time that the receiver confirmed; never more than was forwarded.
    pub proven_ms: ElapsedMs,
    /// Forwarded time that can't be proven any more; proven + lost is never more than forwarded.
    pub lost_ms: ElapsedMs,
    /// Proven time with picture.
    pub video_ms: ElapsedMs,
    /// Proven time in which the sender's audio was digital silence.
    pub silent_ms: ElapsedMs,
    /// Proven time in which a picture that had come stood still.
    pub frozen_ms: ElapsedMs,
    /// RTP packets forwarded, repetitions not counted.
    pub packets: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// Packets that the receiver reported lost on arrival; some of them were then repeated.
    pub lost: u64,
}
