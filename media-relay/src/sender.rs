//! Sends what a flush brings, in as few system calls as there are needed.
//!
//! What can't be sent is lost and counted: media that waits is worth nothing.

use crate::departures::{Departures, Message, SEGMENTS_MAX};
use crate::leg::Outgoing;
use crate::metrics::{Counts, Unsent};
use crate::mmsg;
use media_core::Address;
use std::io::{self, IoSlice};
use std::net::{SocketAddr, UdpSocket};
use std::{iter, slice};
use tracing::{trace, warn};

/// One worker's way out.
pub(crate) struct Sender {
    departures: Departures<Address>,
    segments: Segments,
}

/// Whether the kernel makes several datagrams of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Segments {
    Made,
    /// It was refused once where single datagrams went through: kernels before 4.18, network cards
    /// without checksums. It would be refused again, at the price of a call each time.
    Refused,
}

impl Sender {
    pub(crate) fn new() -> Self {
        Self { departures: Departures::new(), segments: Segments::Made }
    }

    /// Sends `cold`, then `media`; a leg's datagrams in their order. `address` says where a leg is.
    pub(crate) fn send<'a>(
        &mut self,
        socket: &UdpSocket,
        counts: &mut Counts,
        cold: &'a Outgoing,
        media: impl Iterator<Item = (Address, &'a [u8])>,
        address: impl Fn(Address) -> Option<SocketAddr>,
    ) {
        let Self { departures, segments } = self;
        let segments_max = match segments {
            Segments::Made => SEGMENTS_MAX,
            Segments::Refused => 1,
        };
        let single = cold.iter().map(|(to, datagram)| (*to, &datagram[..]));
        let mut way = Way { socket, counts, segments };
        let lost = departures.send(single, media, address, segments_max, |messages, ordered| {
            way.carry(messages, ordered);
        });
        counts.unsent(Unsent::NoAddress, lost);
    }
}

/// What a flush is sent by.
struct Way<'a> {
    socket: &'a UdpSocket,
    counts: &'a mut Counts,
    segments: &'a mut Segments,
}

impl Way<'_> {
    fn carry(&mut self, messages: &[Message], ordered: &[IoSlice<'_>]) {
        let of = |message: &Message| &ordered[message.datagrams.clone()];
        let mut rest = messages;
        while let Some((first, others)) = rest.split_first() {
            let outgoing = rest.iter().map(|message| (message.to, of(message)));
            match mmsg::send(self.socket, outgoing) {
                Ok(taken) => {
                    let (gone, left) = rest.split_at(taken);
                    for message in gone {
                        self.sent(of(message));
                    }
                    rest = left;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.failed(first.to, of(first), &error);
                    rest = others;
                }
            }
        }
    }

    fn sent(&mut self, datagrams: &[IoSlice<'_>]) {
        self.counts.sent(datagrams.len(), datagrams.iter().map(|datagram| datagram.len()).sum());
    }

    /// A message was not sent. If that may be because it is several datagrams, they go one by one.
    fn failed(&mut self, to: SocketAddr, datagrams: &[IoSlice<'_>], error: &io::Error) {
        let refused = matches!(error.raw_os_error(), Some(libc::EIO | libc::EINVAL));
        if datagrams.len() == 1 || !refused {
            trace!(%error, "not sent");
            self.counts.unsent(reason(error), datagrams.len() as u64);
            return;
        }
        let mut first_went = None;
        for datagram in datagrams {
            let alone = slice::from_ref(datagram);
            let outcome = mmsg::send(self.socket, iter::once((to, alone)));
            first_went = first_went.or(Some(outcome.is_ok()));
            match outcome {
                Ok(_) => self.sent(alone),
                Err(error) => self.failed(to, alone, &error),
            }
        }
        // Anybody can make us send to an address that nothing can be sent to: that alone must not
        // slow down everybody else.
        if first_went == Some(true) && *self.segments == Segments::Made {
            *self.segments = Segments::Refused;
            warn!(%error, "the system makes no UDP segments, so that each datagram is sent alone");
        }
    }
}

fn reason(error: &io::Error) -> Unsent {
    match error.raw_os_error() {
        Some(libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM) => Unsent::BufferFull,
        Some(libc::EMSGSIZE) => Unsent::TooLong,
        Some(_) | None => Unsent::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mmsg::tests::{next, refuse_segments, socket};
    use media_core::{LegKey, Side};

    /// Sends these datagrams to `to` as media of one leg.
    fn send(sender: &mut Sender, from: &UdpSocket, to: SocketAddr, media: &[&[u8]]) -> Counts {
        let mut counts = Counts::default();
        let call = service_kit::entropy::call_id();
        let key = Address::Call(LegKey { call, side: Side::Fan });
        let media = media.iter().map(|datagram| (key, *datagram));
        sender.send(from, &mut counts, &Vec::new(), media, |_| Some(to));
        counts
    }

    fn sent(counts: &mut Counts, messages: &[&[&[u8]]]) {
        for datagrams in messages {
            counts.sent(datagrams.len(), datagrams.iter().map(|datagram| datagram.len()).sum());
        }
    }

    #[test]
    fn many_peers_get_their_own_datagrams_in_their_order() {
        let (from, _) = socket("127.0.0.1");
        let peers: Vec<_> = (0..200).map(|_| socket("127.0.0.1")).collect();
        let call = service_kit::entropy::call_id();
        let (sides, cold) = (Side::ALL, vec![(peers[0].1, b"cold".to_vec())]);
        let mut sender = Sender::new();
        for pair in peers.chunks(2) {
            let leg = |side| Address::Call(LegKey { call, side });
            let media: Vec<(Address, Vec<u8>)> = (0..20)
                .flat_map(|number| sides.map(|side| (leg(side), vec![number; 700])))
                .collect();
            let address = |to| Some(pair[usize::from(to == leg(Side::Host))].1);
            let mut counts = Counts::default();
            let media = media.iter().map(|(key, datagram)| (*key, &datagram[..]));
            sender.send(&from, &mut counts, &cold, media, address);
            let mut expected = Counts::default();
            let run: [&[u8]; 20] = [&[0; 700]; 20];
            sent(&mut expected, &[&[b"cold"], &run, &run]);
            assert_eq!(counts, expected);
        }
        for (index, (peer, _)) in peers.iter().enumerate() {
            let colds = if index == 0 { peers.len() / 2 } else { 0 };
            let mut media = Vec::new();
            for _ in 0..colds + 20 {
                let datagram = next(peer);
                if datagram != b"cold" {
                    assert_eq!(datagram.len(), 700);
                    media.push(datagram[0]);
                }
            }
            assert_eq!(media, (0..20).collect::<Vec<u8>>(), "peer {index}");
        }
    }

    #[test]
    fn where_segments_are_refused_datagrams_go_alone_and_for_good() {
        let (from, _) = socket("127.0.0.1");
        let (to, at) = socket("127.0.0.1");
        refuse_segments(&from);
        let mut sender = Sender::new();
        for _ in 0..2 {
            let counts = send(&mut sender, &from, at, &[&[1; 9], &[2; 9], &[3; 4], &[4; 9]]);
            let mut expected = Counts::default();
            sent(&mut expected, &[&[&[1; 9]], &[&[2; 9]], &[&[3; 4]], &[&[4; 9]]]);
            assert_eq!(counts, expected);
            assert_eq!(sender.segments, Segments::Refused);
            for expected in [&[1; 9][..], &[2; 9], &[3; 4], &[4; 9]] {
                assert_eq!(next(&to), expected);
            }
        }
    }

    #[test]
    fn an_address_that_nothing_can_be_sent_to_costs_only_itself() {
        let (from, _) = socket("127.0.0.1");
        let mut sender = Sender::new();
        for (to, reason) in [
            (SocketAddr::from(([127, 0, 0, 1], 0)), Unsent::Refused),
            (SocketAddr::from(([255, 255, 255, 255], 9)), Unsent::Refused),
        ] {
            let counts = send(&mut sender, &from, to, &[&[1; 9], &[2; 9]]);
            let mut expected = Counts::default();
            expected.unsent(reason, 2);
            assert_eq!((counts, sender.segments), (expected, Segments::Made), "{to}");
        }
        let (_to, at) = socket("127.0.0.1");
        let long = vec![7; 66_000];
        let counts = send(&mut sender, &from, at, &[&[1; 9], &long, &[2; 9], &[3; 9]]);
        let mut expected = Counts::default();
        expected.unsent(Unsent::TooLong, 1);
        sent(&mut expected, &[&[&[1; 9]], &[&[2; 9], &[3; 9]]]);
        assert_eq!((counts, sender.segments), (expected, Segments::Made));
    }

    #[test]
    fn a_leg_without_an_address_is_counted() {
        let (from, _) = socket("127.0.0.1");
        let leg = LegKey { call: service_kit::entropy::call_id(), side: Side::Fan };
        let key = Address::Call(leg);
        let mut counts = Counts::default();
        let media = [(key, &[1; 9][..]), (key, &[2; 9])];
        Sender::new().send(&from, &mut counts, &Vec::new(), media.into_iter(), |_| None);
        let mut expected = Counts::default();
        expected.unsent(Unsent::NoAddress, 2);
        assert_eq!(counts, expected);
    }
}
