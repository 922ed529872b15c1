//! Media relay service: one UDP port, ICE-lite, DTLS-SRTP, rooms.
//!
//! Signaling opens a room per call and admits each side by its SDP offer; the meter says how much
//! of the host's media is funded; clients then send SRTP to one UDP port. The relay knows no money
//! and no people. In the order in which a datagram meets them:
//!
//! * `worker`: the media thread's loop over socket, commands and timers; the only part
//!   that does I/O.
//! * `exchange`: rooms, seats and legs; what each command and datagram means.
//! * `sdp`, `ice`, `dtls`: the cold path, which ends in one `media_core::NegotiatedLeg`.
//! * `media_core::Forwarder`: the packet path, which counts what is billed.
#![forbid(unsafe_code)]

mod config;
mod dtls;
mod exchange;
mod fresh;
mod ice;
mod leg;
mod legs;
mod relay;
mod room;
mod sdp;
mod socket;
mod translate;
mod worker;

pub use config::Config;
pub use dtls::IdentityError;
pub use relay::{Error, MediaRelay};
