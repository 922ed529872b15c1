//! Real calls from headless WebRTC peers, and an audit of every bill.
//!
//! [`Peer`] is one person at a client: it logs in over the public protocol, rings or answers, sends
//! and counts media, and returns what it saw of the call. [`calls::run`] lets pairs of them call
//! each other, and [`audit`] holds each bill against what both saw.
//!
//! The auditor shares the wire's types and units with the server, but neither its media code nor
//! its arithmetic: a mistake there must not be made here as well. Only [`forward`], which measures
//! the packet path and bills nothing, drives that code itself.
#![forbid(unsafe_code)]

mod accounts;
pub mod audit;
pub mod calls;
pub mod debits;
pub mod forward;
mod media_connection;
mod media_sink;
mod media_source;
mod peer;
mod report;
mod server_process;
pub mod settle;
mod signaling_client;

pub use accounts::{AccountError, Accounts, Login};
pub use media_connection::MediaConnection;
pub use media_sink::{Carried, Evidence, GAP_MAX, MediaSink};
pub use media_source::{OpusSource, Vp8Source};
pub use peer::{Peer, PeerError, Statement, Tick};
pub use report::{CallReport, Report};
pub use server_process::{ServerError, ServerProcess};
pub use signaling_client::{ClientError, Endpoint, EndpointError, SignalingClient};
