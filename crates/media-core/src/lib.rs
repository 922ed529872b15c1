//! Forwards RTP and proves it: SRTP, rewrite, retransmission, feedback, evidence, without I/O.
//!
//! The cold path (ICE, DTLS, SDP; in `media-relay`) ends in one immutable [`NegotiatedLeg`];
//! nothing here knows where it came from.
#![forbid(unsafe_code)]

mod event;
mod forwarder;
mod leg;
mod limits;
mod outbox;
mod side;

pub use event::{Carried, Event, Input};
pub use forwarder::Forwarder;
pub use leg::{Codec, ExtensionIds, MediaKind, MediaLine, Mid, NegotiatedLeg, SrtpProfile};
pub use limits::Limits;
pub use outbox::Outbox;
pub use side::{LegKey, Side};
