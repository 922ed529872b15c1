//! The floor: the bare system call that sends as many bytes to as many sockets, and the bare seal.

use super::super::cpu_ns;
use super::super::floor::Floor as Seals;
use super::ProcessError;
use aws_lc_rs::aead::AES_256_GCM;
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrIn, sendmmsg};
use std::io::{ErrorKind, IoSlice};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::AsRawFd as _;

/// Bytes of a datagram besides its payload: header, extensions, tag.
const AROUND_BYTES: usize = 12 + 8 + 16;

/// Most messages of one call, as the relay has them.
const MESSAGES_MAX: usize = 128;

/// Sends datagrams of one size.
pub(super) struct Floor {
    from: UdpSocket,
    to: Vec<UdpSocket>,
    addresses: Vec<Option<SockaddrIn>>,
    headers: MultiHeaders<SockaddrIn>,
    payload_bytes: usize,
    seals: Seals,
    /// Datagrams per call.
    together: usize,
}

impl Floor {
    /// To as many sockets, all with one call if `fan_out`, or one by one.
    ///
    /// # Errors
    /// [`ProcessError`]
    pub(super) fn new(
        sockets: usize,
        fan_out: bool,
        payload_bytes: usize,
    ) -> Result<Self, ProcessError> {
        let socket = || -> std::io::Result<UdpSocket> {
            let socket = UdpSocket::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        let to = (0..sockets).map(|_| socket()).collect::<Result<Vec<_>, _>>()?;
        let mut addresses = Vec::with_capacity(sockets);
        for socket in &to {
            let std::net::SocketAddr::V4(address) = socket.local_addr()? else {
                return Err(std::io::Error::from(ErrorKind::Unsupported).into());
            };
            addresses.push(Some(SockaddrIn::from(address)));
        }
        let together = if fan_out { sockets.min(MESSAGES_MAX) } else { 1 };
        Ok(Self {
            from: socket()?,
            to,
            addresses,
            headers: MultiHeaders::preallocate(together, None),
            payload_bytes,
            seals: Seals::new(&AES_256_GCM, sockets, payload_bytes),
            together,
        })
    }

    /// Sends and seals one datagram for each socket; returns the processor time of each in ns.
    ///
    /// # Errors
    /// [`ProcessError`]
    pub(super) fn round(&mut self) -> Result<(u64, u64), ProcessError> {
        let count = self.to.len() as u64;
        let bytes = vec![7; self.payload_bytes + AROUND_BYTES];
        let parts: Vec<[IoSlice<'_>; 1]> =
            (0..self.together).map(|_| [IoSlice::new(&bytes)]).collect();
        let start = cpu_ns();
        for addresses in self.addresses.chunks(self.together) {
            let sent = sendmmsg(
                self.from.as_raw_fd(),
                &mut self.headers,
                &parts[..addresses.len()],
                addresses,
                [],
                MsgFlags::empty(),
            );
            sent.map_err(std::io::Error::from)?;
        }
        let send = cpu_ns() - start;
        let mut buffer = [0; 2_048];
        for socket in &self.to {
            while socket.recv(&mut buffer).is_ok() {}
        }
        let start = cpu_ns();
        self.seals.seal(count);
        let seal = cpu_ns() - start;
        Ok((send / count, seal / count))
    }
}
