//! Who talks to whom: sessions, presence and calls as one machine without I/O.
//!
//! [`Switchboard::handle`] takes what happened and returns what to do about it. The shell verifies
//! tokens, numbers sockets, draws ids, and turns [`Input`]s and [`Output`]s from and into bytes.
//! The billing meter and the media relay are neighbours that answer later: what was asked of them
//! is kept as an ask with a deadline, so that nobody waits for ever.
//!
//! What is not here: prices of a call's seconds (the meter's), packets (the relay's), the wire
//! format (`protocol`, by way of the service's `translate.rs`).
#![forbid(unsafe_code)]

mod alarm;
mod ask;
mod budget;
mod call;
mod ending;
mod input;
mod output;
mod replay;
mod rules;
mod session;
mod switchboard;
mod unsettled;
mod words;

pub use input::{
    Input, Login, MeterFact, OfferRefusal, QuoteFacts, RelayFact, Request, Resume, Ring,
};
pub use output::{
    CallState, CallView, Closing, Credit, CreditPayer, CreditReason, Frame, HostCard, HostState,
    Message, Output, PeerView, Question, Quote, Receipt, Tick, Welcome,
};
pub use replay::{REPLAY_BYTES_MAX, REPLAY_FRAMES_MAX};
pub use rules::{PriceBand, PriceBands, Rules};
pub use switchboard::Switchboard;
pub use words::{AskId, EndReason, Party, Prices, Proof, Refusal, Role, SocketId, Terms};
