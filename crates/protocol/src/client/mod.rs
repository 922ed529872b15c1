//! `coinline.v1`: JSON text frames between a client and signaling. PROTOCOL.md is its manual.

mod request;
mod server;
mod view;

pub use request::{Request, RequestBody};
pub use server::{ServerFrame, ServerMessage};
pub use view::{
    CallCredit, CallState, CallView, CreditPayer, CreditReason, EndReason, HostCard, HostState,
    Party, PeerView, PriceBand, PriceBands, Prices, Quote, Receipt,
};

/// Largest frame a client may send, in bytes. An SDP offer takes about 6 KiB.
pub const FRAME_BYTES_MAX: usize = 64 * 1024;
