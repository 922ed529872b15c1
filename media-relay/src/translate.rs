//! The only bridge between the messages of services and the types of the media core.

use crate::sdp::Unsupported;
use media_core::{Carried, Event, MediaKind, MediaLine, Mid, Side};
use protocol::client::Party;
use protocol::service;
use protocol::service::{GroupLine, LineMedium, MediaReport, OfferRefusal, RelayEvent};
use units::CallId;

/// What an event of the packet path is to the other services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Signaling(RelayEvent),
    Meter(MediaReport),
}

pub(crate) const fn side(party: Party) -> Side {
    match party {
        Party::Fan => Side::Fan,
        Party::Host => Side::Host,
    }
}

pub(crate) const fn party(side: Side) -> Party {
    match side {
        Side::Fan => Party::Fan,
        Side::Host => Party::Host,
    }
}

pub(crate) const fn event(event: Event) -> Told {
    match event {
        Event::Flowing { call } => Told::Signaling(RelayEvent::Flowing { call }),
        Event::LimitReached { call } => Told::Signaling(RelayEvent::LimitReached { call }),
        Event::Reported { call, to_fan, to_host } => {
            Told::Meter(report(call, to_fan, to_host, false))
        }
        Event::Closed { call, to_fan, to_host } => Told::Meter(report(call, to_fan, to_host, true)),
    }
}

pub(crate) const fn report(
    call: CallId,
    to_fan: Carried,
    to_host: Carried,
    last: bool,
) -> MediaReport {
    MediaReport { call, to_fan: carried(to_fan), to_host: carried(to_host), last }
}

const fn carried(carried: Carried) -> service::Carried {
    service::Carried {
        forwarded_ms: carried.forwarded_ms,
        proven_ms: carried.proven_ms,
        lost_ms: carried.lost_ms,
        video_ms: carried.video_ms,
        silent_ms: carried.silent_ms,
        frozen_ms: carried.frozen_ms,
        packets: carried.packets,
        bytes: carried.bytes,
        lost: carried.lost,
    }
}

pub(crate) fn group_line(line: &MediaLine) -> GroupLine {
    GroupLine {
        line: mid(line.mid),
        medium: match line.codec.kind() {
            MediaKind::Audio => LineMedium::Audio,
            MediaKind::Video => LineMedium::Video,
        },
        sends: line.client_sends,
        receives: line.client_receives,
    }
}

pub(crate) fn mid(mid: Mid) -> String {
    String::from_utf8_lossy(mid.as_bytes()).into_owned()
}

pub(crate) fn refusal(unsupported: &Unsupported) -> OfferRefusal {
    OfferRefusal::Unsupported { missing: unsupported.to_string() }
}
