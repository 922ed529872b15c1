//! The UDP sockets.

use rustix::net::sockopt::{
    Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery, set_ip_mtu_discover, set_ipv6_mtu_discover,
};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, UdpSocket};
use tracing::warn;

/// A non-blocking UDP socket on `listen` with buffers of `buffer_bytes`, or as near as the system
/// allows. Its datagrams are never fragmented.
///
/// # Errors
/// The address can't be bound.
pub(crate) fn bind(listen: SocketAddr, buffer_bytes: usize) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(listen), Type::DGRAM, Some(Protocol::UDP))?;
    // Smaller buffers lose packets under load, but still carry calls.
    if let Err(error) = socket.set_recv_buffer_size(buffer_bytes) {
        warn!(%error, "the socket's receive buffer stays as it is");
    }
    if let Err(error) = socket.set_send_buffer_size(buffer_bytes) {
        warn!(%error, "the socket's send buffer stays as it is");
    }
    // "Probe": whoever forges a router's word that packets are too long for a path changes nothing.
    if let Err(error) = set_ip_mtu_discover(&socket, Ipv4PathMtuDiscovery::PROBE) {
        warn!(%error, "datagrams over IPv4 may be fragmented");
    }
    if listen.is_ipv6()
        && let Err(error) = set_ipv6_mtu_discover(&socket, Ipv6PathMtuDiscovery::PROBE)
    {
        warn!(%error, "datagrams over IPv6 may be fragmented");
    }
    socket.set_nonblocking(true)?;
    socket.bind(&listen.into())?;
    Ok(socket.into())
}

/// Says so if a socket has less than `wanted` bytes each way.
pub(crate) fn warn_of_small_buffers(socket: &UdpSocket, wanted: usize) {
    let socket = socket2::SockRef::from(socket);
    // Linux shows twice what it granted: it sets as much aside for its own records (socket(7)).
    let granted = |shown: io::Result<usize>| shown.map_or(0, |bytes| bytes / 2);
    let (receive, send) = (granted(socket.recv_buffer_size()), granted(socket.send_buffer_size()));
    if receive.min(send) < wanted {
        warn!(
            wanted,
            receive,
            send,
            "the system gives the media sockets smaller buffers, which lose packets under load: \
             raise net.core.rmem_max and net.core.wmem_max"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::sockopt::{ip_mtu_discover, ipv6_mtu_discover};

    #[test]
    fn datagrams_are_never_fragmented_whatever_routers_say() {
        for listen in ["127.0.0.1:0", "[::1]:0"] {
            let listen: SocketAddr = listen.parse().unwrap();
            let socket = bind(listen, 100_000).unwrap();
            assert_eq!(ip_mtu_discover(&socket).unwrap(), Ipv4PathMtuDiscovery::PROBE);
            if listen.is_ipv6() {
                assert_eq!(ipv6_mtu_discover(&socket).unwrap(), Ipv6PathMtuDiscovery::PROBE);
            }
        }
    }

    #[test]
    fn the_buffers_are_as_large_as_asked_for() {
        let socket = bind("127.0.0.1:0".parse().unwrap(), 50_000).unwrap();
        let socket = socket2::SockRef::from(&socket);
        assert_eq!(socket.recv_buffer_size().unwrap(), 100_000);
        assert_eq!(socket.send_buffer_size().unwrap(), 100_000);
    }
}
