//! The UDP socket.

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use tracing::warn;

/// A non-blocking UDP socket on `listen` with buffers of `buffer_bytes`, or as near as the system
/// allows.
///
/// # Errors
/// The address can't be bound.
pub(crate) fn bind(listen: SocketAddr, buffer_bytes: usize) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(listen), Type::DGRAM, Some(Protocol::UDP))?;
    // Smaller buffers lose packets under load, but still carry calls.
    if let Err(error) = socket.set_recv_buffer_size(buffer_bytes) {
        warn!(%error, "the socket's receive buffer stays small");
    }
    if let Err(error) = socket.set_send_buffer_size(buffer_bytes) {
        warn!(%error, "the socket's send buffer stays small");
    }
    socket.set_nonblocking(true)?;
    socket.bind(&listen.into())?;
    Ok(socket.into())
}
