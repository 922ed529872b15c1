//! Many datagrams per system call: `recvmmsg`, and `sendmmsg` with a segment size per message
//! (`UDP_SEGMENT`, GSO). The only unsafe code of the relay.
//!
//! Of the safe libraries `nix` gives all messages of a call the same control data, `rustix` knows
//! no `UDP_SEGMENT`, and `quinn-udp` sends one message per call from one contiguous buffer.
//! Pointers are made for one call and kept nowhere: all that they lead to is borrowed until it
//! returns.
#![expect(unsafe_code, reason = "the system calls themselves; see above")]

use socket2::{SockAddr, SockAddrStorage};
use std::io::{self, IoSlice};
use std::mem::{self, MaybeUninit, size_of, zeroed};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::ptr;

#[cfg(test)]
pub(crate) mod tests;

/// Datagrams read by one call. More would delay what waits for its turn; fewer cost more calls.
pub(crate) const DATAGRAMS_MAX: usize = 64;

/// Longest datagram that is read whole. Media stays below an Ethernet frame.
pub(crate) const DATAGRAM_BYTES_MAX: usize = 2_048;

/// Messages sent by one call. At 128 the call itself is 2 ns a message; more only costs stack.
const MESSAGES_MAX: usize = 128;

/// One control message: the segment size.
#[repr(C)]
struct Control {
    header: libc::cmsghdr,
    segment_bytes: u16,
}

const SEGMENT_BYTES_LEN: u32 = size_of::<u16>() as u32;

// SAFETY: these only compute lengths.
const CONTROL_LEN: usize = unsafe { libc::CMSG_LEN(SEGMENT_BYTES_LEN) as usize };
const _: () = assert!(size_of::<Control>() == unsafe { libc::CMSG_SPACE(2) as usize });

/// Sends messages in one call, as many as it takes; how many the system has taken, at least one.
/// A message is one datagram, or several of one length (the last may be shorter) that the kernel
/// or the network card cuts from it.
///
/// # Errors
/// Why the first message was not sent.
pub(crate) fn send<'a>(
    socket: &UdpSocket,
    messages: impl Iterator<Item = (SocketAddr, &'a [IoSlice<'a>])>,
) -> io::Result<usize> {
    let mut names = [const { MaybeUninit::<SockAddr>::uninit() }; MESSAGES_MAX];
    let mut controls = [const { MaybeUninit::<Control>::uninit() }; MESSAGES_MAX];
    let mut headers = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; MESSAGES_MAX];
    let mut count = 0;
    let places = headers.iter_mut().zip(&mut names).zip(&mut controls);
    for (((header, name), control), (to, datagrams)) in places.zip(messages) {
        let name = name.write(SockAddr::from(to));
        // SAFETY: all zero is a valid header: null pointers, lengths and flags of 0.
        let message = &mut header.write(unsafe { zeroed() }).msg_hdr;
        message.msg_name = name.as_ptr().cast_mut().cast();
        message.msg_namelen = name.len();
        // The same in memory, says the documentation of `IoSlice`; the kernel only reads.
        message.msg_iov = datagrams.as_ptr().cast_mut().cast();
        message.msg_iovlen = datagrams.len() as _;
        if let [first, _, ..] = datagrams {
            // SAFETY: all zero is a valid control message of no length.
            let control = control.write(unsafe { zeroed() });
            control.header.cmsg_len = CONTROL_LEN as _;
            control.header.cmsg_level = libc::SOL_UDP;
            control.header.cmsg_type = libc::UDP_SEGMENT;
            control.segment_bytes = u16::try_from(first.len()).unwrap_or(0);
            message.msg_control = ptr::from_mut(control).cast();
            message.msg_controllen = size_of::<Control>() as _;
        }
        count += 1;
    }
    // SAFETY: the first `count` headers are written; what they point to, in `names`, `controls`
    // and the caller's slices, outlives the call and has the length given beside each pointer.
    let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr().cast(), count, 0) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Places for the datagrams of one call.
pub(crate) struct Inbox {
    slab: Box<[[u8; DATAGRAM_BYTES_MAX]]>,
    names: Box<[SockAddrStorage]>,
    arrived: Vec<Arrived>,
}

struct Arrived {
    source: SocketAddr,
    /// `None`: it was too long.
    len: Option<usize>,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        let names = (0..DATAGRAMS_MAX).map(|_| SockAddrStorage::zeroed()).collect();
        let slab = vec![[0; DATAGRAM_BYTES_MAX]; DATAGRAMS_MAX].into();
        Self { slab, names, arrived: Vec::with_capacity(DATAGRAMS_MAX) }
    }

    /// Takes what has arrived, in place of what arrived before. The socket must not block.
    ///
    /// # Errors
    /// Nothing has arrived, or what the system says instead.
    pub(crate) fn receive(&mut self, socket: &UdpSocket) -> io::Result<()> {
        self.arrived.clear();
        // SAFETY: all zero is valid for both: null pointers, lengths and flags of 0.
        let mut places: [libc::iovec; DATAGRAMS_MAX] = unsafe { zeroed() };
        let mut headers: [libc::mmsghdr; DATAGRAMS_MAX] = unsafe { zeroed() };
        let parts = places.iter_mut().zip(&mut self.slab).zip(&mut self.names);
        for (header, ((place, bytes), name)) in headers.iter_mut().zip(parts) {
            *place = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
            header.msg_hdr.msg_iov = place;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_namelen = name.size_of();
            header.msg_hdr.msg_name = ptr::from_mut(name).cast();
        }
        let (fd, count) = (socket.as_raw_fd(), DATAGRAMS_MAX as u32);
        // SAFETY: every header points to one place, which points to bytes of its own, and to a name
        // of its own, with their lengths; nothing else touches them during the call.
        let count = unsafe { libc::recvmmsg(fd, headers.as_mut_ptr(), count, 0, ptr::null_mut()) };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        for (header, name) in headers.iter().zip(&mut self.names).take(count) {
            let name = mem::replace(name, SockAddrStorage::zeroed());
            // SAFETY: the kernel has written an address of this length, of the socket's family.
            let source = unsafe { SockAddr::new(name, header.msg_hdr.msg_namelen) };
            let (unknown, len) = (SocketAddr::from(([0; 4], 0)), header.msg_len as usize);
            self.arrived.push(Arrived {
                source: source.as_socket().unwrap_or(unknown),
                len: (header.msg_hdr.msg_flags & libc::MSG_TRUNC == 0).then_some(len),
            });
        }
        Ok(())
    }

    /// Whether more may wait than the last call had places for.
    pub(crate) fn is_full(&self) -> bool {
        self.arrived.len() == DATAGRAMS_MAX
    }

    /// What has arrived, in order: from where, and the datagram; `None` if it was too long.
    pub(crate) fn datagrams(&mut self) -> impl Iterator<Item = (SocketAddr, Option<&mut [u8]>)> {
        self.arrived.iter().zip(&mut self.slab).map(|(arrived, place)| {
            (arrived.source, arrived.len.and_then(|len| place.get_mut(..len)))
        })
    }
}
