//! Forwards RTP and proves it: SRTP, rewrite, retransmission, feedback, evidence, without I/O.
//!
//! The cold path (ICE, DTLS, SDP; in `media-relay`) ends in one immutable [`NegotiatedLeg`];
//! nothing here knows where it came from.
#![forbid(unsafe_code)]

mod leg;

pub use leg::{Codec, ExtensionIds, MediaKind, MediaLine, Mid, NegotiatedLeg, SrtpProfile};
