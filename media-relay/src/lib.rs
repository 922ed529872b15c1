//! Media relay service: a UDP port per media thread, ICE-lite, DTLS-SRTP, rooms.
//!
//! Signaling opens a room per call and admits each side by its SDP offer; the meter says how much
//! of the host's media is funded; clients then send SRTP to the port of the worker that has the
//! call. The relay knows no money and no people.
//!
//! Messages of the other services go through `dispatch` to the worker of their call. In the order
//! in which a datagram meets them:
//!
//! * `worker`: a media thread's loop over socket, orders and timers. No async runtime, no lock and
//!   no allocation per datagram; workers share nothing but the counters of `metrics`.
//! * `mmsg`: reads up to 64 datagrams per system call; the only unsafe code.
//! * `exchange`: calls, rooms of many and legs; what each command and datagram means.
//! * `sdp`, `ice`, `dtls`: the cold path, which ends in one `media_core::NegotiatedLeg`.
//! * `media_core::Forwarder`: the packet path, which counts what is billed.
//! * `departures`, `sender`: what a batch brought goes out by `sendmmsg`, several equal datagrams to
//!   one client as one message.
#![deny(unsafe_code)]

mod config;
mod cores;
mod departures;
mod dispatch;
mod dtls;
mod exchange;
mod fresh;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod gatherings;
mod ice;
mod leg;
mod legs;
mod limits;
mod metrics;
mod mmsg;
mod orders;
mod place;
mod relay;
mod room;
mod sdp;
mod sender;
mod socket;
mod translate;
mod worker;

pub use config::Config;
pub use dtls::IdentityError;
pub use relay::{Error, MediaRelay};
