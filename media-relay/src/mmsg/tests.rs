//! The calls against real sockets.

use super::*;
use std::collections::HashSet;
use std::time::Duration;

/// How long a datagram may take over loopback.
const DEADLINE: Duration = Duration::from_secs(10);

/// A socket on loopback that does not block.
pub(crate) fn socket(ip: &str) -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind((ip, 0)).unwrap();
    socket.set_nonblocking(true).unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// The next datagram that a socket gets.
pub(crate) fn next(socket: &UdpSocket) -> Vec<u8> {
    socket.set_nonblocking(false).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut buffer = [0; 70_000];
    let len = socket.recv(&mut buffer).unwrap();
    buffer[..len].to_vec()
}

/// Makes the kernel refuse segments on this socket, as it does where the network card can't make
/// checksums.
pub(crate) fn refuse_segments(socket: &UdpSocket) {
    let on: libc::c_int = 1;
    // SAFETY: the value is an integer of the length given.
    let outcome = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NO_CHECK,
            ptr::from_ref(&on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    assert_eq!(outcome, 0);
}

#[test]
fn segments_of_one_message_arrive_as_datagrams() {
    for ip in ["127.0.0.1", "::1"] {
        let (from, source) = socket(ip);
        let (one, one_at) = socket(ip);
        let (other, other_at) = socket(ip);
        let run: Vec<Vec<u8>> =
            (0..10).map(|number| vec![number; if number == 9 { 3 } else { 1_100 }]).collect();
        let run: Vec<_> = run.iter().map(|bytes| IoSlice::new(bytes)).collect();
        let lone = [IoSlice::new(b"alone")];
        let messages = [(one_at, &run[..]), (other_at, &lone[..]), (one_at, &lone[..])];
        assert_eq!(send(&from, messages.into_iter()).unwrap(), 3);
        for number in 0..9 {
            assert_eq!(next(&one), [number; 1_100]);
        }
        assert_eq!(next(&one), [9; 3]);
        assert_eq!(next(&one), b"alone");
        let mut buffer = [0; 9];
        other.set_nonblocking(false).unwrap();
        other.set_read_timeout(Some(DEADLINE)).unwrap();
        assert_eq!(other.recv_from(&mut buffer).unwrap(), (5, source));
    }
}

#[test]
fn a_call_takes_so_many_messages_and_says_how_many() {
    let (from, _) = socket("127.0.0.1");
    let (to, at) = socket("127.0.0.1");
    let bytes = [5; 10];
    let datagram = [IoSlice::new(&bytes)];
    let messages = vec![(at, &datagram[..]); MESSAGES_MAX + 1];
    assert_eq!(send(&from, messages.iter().copied()).unwrap(), MESSAGES_MAX);
    for _ in 0..MESSAGES_MAX {
        assert_eq!(next(&to), bytes);
    }
}

#[test]
fn the_first_message_that_fails_is_told_and_none_before_it_is_lost() {
    let (from, _) = socket("127.0.0.1");
    let (to, at) = socket("127.0.0.1");
    let (fine, long) = ([1; 10], vec![2; 70_000]);
    let (fine, long) = ([IoSlice::new(&fine)], [IoSlice::new(&long)]);
    let messages = [(at, &fine[..]), (at, &long[..]), (at, &fine[..])];
    assert_eq!(send(&from, messages.into_iter()).unwrap(), 1);
    let error = send(&from, messages[1..].iter().copied()).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE));
    assert_eq!(next(&to), [1; 10]);
}

#[test]
fn everything_that_waits_is_read_with_its_source_and_what_is_too_long_is_told() {
    for ip in ["127.0.0.1", "::1"] {
        let (from, source) = socket(ip);
        let (other, other_source) = socket(ip);
        let (to, at) = socket(ip);
        let mut inbox = Inbox::new();
        let nothing = inbox.receive(&to).unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        from.send_to(b"one", at).unwrap();
        other.send_to(b"", at).unwrap();
        from.send_to(&[3; DATAGRAM_BYTES_MAX], at).unwrap();
        other.send_to(&[4; DATAGRAM_BYTES_MAX + 1], at).unwrap();
        inbox.receive(&to).unwrap();
        let read: Vec<_> = inbox
            .datagrams()
            .map(|(source, datagram)| (source, datagram.map(|bytes| bytes.to_vec())))
            .collect();
        let full = vec![3; DATAGRAM_BYTES_MAX];
        let expected = [
            (source, Some(b"one".to_vec())),
            (other_source, Some(Vec::new())),
            (source, Some(full)),
            (other_source, None),
        ];
        assert_eq!(read, expected);
        assert!(!inbox.is_full());
        assert!(inbox.receive(&to).is_err());
        assert_eq!(inbox.datagrams().count(), 0);
    }
}

#[test]
fn a_full_inbox_says_so_and_each_datagram_has_a_place_of_its_own() {
    let (from, _) = socket("127.0.0.1");
    let (to, at) = socket("127.0.0.1");
    for number in 0..=DATAGRAMS_MAX {
        from.send_to(&[u8::try_from(number).unwrap()], at).unwrap();
    }
    let mut inbox = Inbox::new();
    inbox.receive(&to).unwrap();
    assert!(inbox.is_full());
    let seen: HashSet<u8> = inbox.datagrams().map(|(_, datagram)| datagram.unwrap()[0]).collect();
    assert_eq!(seen.len(), DATAGRAMS_MAX);
    inbox.receive(&to).unwrap();
    assert!(!inbox.is_full());
    assert_eq!(inbox.datagrams().count(), 1);
}

#[test]
fn a_kernel_that_refuses_segments_says_so() {
    let (from, _) = socket("127.0.0.1");
    let (to, at) = socket("127.0.0.1");
    refuse_segments(&from);
    let bytes = [5; 10];
    let pair = [IoSlice::new(&bytes), IoSlice::new(&bytes)];
    let error = send(&from, [(at, &pair[..])].into_iter()).unwrap_err();
    assert!([Some(libc::EINVAL), Some(libc::EIO)].contains(&error.raw_os_error()), "{error}");
    assert_eq!(send(&from, [(at, &pair[..1])].into_iter()).unwrap(), 1);
    assert_eq!(next(&to), bytes);
}
