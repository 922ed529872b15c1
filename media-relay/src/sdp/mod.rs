//! A narrow SDP: reads a client's offer, agrees on one codec per m-line, writes our answer.
//!
//! Pure. What we answer: one audio m-line (Opus) and at most one video m-line (VP8, or H.264
//! constrained baseline in packetization mode 1) in a call, any number of both in a room of many;
//! all in one BUNDLE over one ICE-lite, DTLS-passive transport (RFC 8829, RFC 8839, RFC 8842,
//! RFC 8843). Other m-lines are rejected with port 0. What an offer lacks is named for a developer:
//! [`Unsupported`].

mod agree;
mod answer;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod lines;
mod offer;
#[cfg(test)]
mod tests;
mod unsupported;

pub(crate) use agree::{Agreement, Ssrcs, agree};
pub(crate) use answer::{Local, Streams, answer};
pub(crate) use offer::{Fingerprint, HashAlgorithm, Offer, Session, Use};
pub(crate) use unsupported::Unsupported;
