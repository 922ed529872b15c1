//! Forwards RTP and proves it: SRTP, rewrite, retransmission, feedback, evidence, without I/O.
//!
//! The cold path (ICE, DTLS, SDP; in `media-relay`) ends in one immutable [`NegotiatedLeg`];
//! nothing here knows where it came from.
#![forbid(unsafe_code)]

mod codec;
mod event;
mod evidence;
mod forwarder;
mod history;
mod leg;
mod limits;
mod outbox;
mod room;
mod rtcp;
mod rtp;
mod side;
mod srtp;
mod token_bucket;
mod window;

#[cfg(test)]
mod tests;

pub use event::{Carried, Event, Input};
pub use forwarder::Forwarder;
pub use leg::{Codec, ExtensionIds, MediaKind, MediaLine, Mid, NegotiatedLeg, SrtpProfile};
pub use limits::Limits;
pub use outbox::Outbox;
pub use side::{LegKey, Side};
pub use srtp::{Opener, Role, Sealer, SrtpContext, SrtpError};
