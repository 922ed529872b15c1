//! RTP packets: reading a publisher's, writing a listener's (RFC 3550, RFC 8285, RFC 4588).

mod extension;
mod header;
mod packet;
mod reception;
mod rewrite;
mod template;

pub(crate) use header::Header;
pub(crate) use packet::Media;
pub(crate) use reception::Reception;
pub(crate) use rewrite::{FIRST, Place, Rewriter};
pub(crate) use template::{HeaderBytes, Template};
