//! Forwards RTP and proves it: SRTP, rewrite, retransmission, feedback, evidence, without I/O.
//!
//! The cold path (ICE, DTLS, SDP; in `media-relay`) ends in one immutable [`NegotiatedLeg`];
//! nothing here knows where it came from. The caller passes `now` with each call of [`Forwarder`]
//! and sends what it finds in the [`Outbox`], in order.
//!
//! A packet's way: `srtp` opens it, `upstream` finds its line and tells whether it is new. In a
//! paid call (`room`), `room::feed` and `rtp::rewrite` give it its place in the one listener's
//! stream, `srtp` seals it, `evidence` counts it, and `room::awaited` waits for the listener to
//! confirm it. In a room of many (`group`), `group::broadcast` gives it a place once for all and
//! keeps video for repair, and `group::feed` makes each listener's copy in one pass.
//!
//! What goes out is written once, straight behind what went before in the [`Outbox`]: header from
//! `rtp::template`, payload and tag from the cipher.
//!
//! Absent on purpose: clocks, sockets, randomness and money; simulcast and bandwidth estimation.
#![forbid(unsafe_code)]

mod codec;
mod estimate;
mod event;
mod evidence;
mod forwarder;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod group;
mod groups;
mod history;
mod id_hash;
mod leg;
mod limits;
mod outbox;
mod refused;
mod room;
mod rtcp;
mod rtp;
mod schedule;
mod side;
mod srtp;
mod token_bucket;
mod upstream;
mod window;

#[cfg(test)]
mod tests;

pub use event::{Carried, Event, Input};
pub use forwarder::Forwarder;
pub use group::GroupError;
pub use leg::{Codec, ExtensionIds, MediaKind, MediaLine, Mid, NegotiatedLeg, SrtpProfile};
pub use limits::Limits;
pub use outbox::{Address, Outbox};
pub use refused::Refused;
pub use side::{GroupLeg, LegKey, Side};
pub use srtp::{Opener, Role, Sealer, SrtpContext, SrtpError};
pub use token_bucket::TokenBucket;
