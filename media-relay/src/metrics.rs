//! What the relay tells its operators: datagrams by what became of them.
//!
//! A worker counts in plain numbers of its own ([`Counts`]) and hands them over once per round
//! ([`Metrics::add`]), so that no datagram costs more than an addition.

use media_core::Refused;
use prometheus::{IntCounter, IntCounterVec, Opts, Registry};
use std::mem;

/// Why a datagram that came in was dropped. Of a stranger's, each is found out without any state for
/// its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dropped {
    /// Longer than any that is read.
    TooLong,
    /// Neither STUN, DTLS nor SRTP (RFC 7983).
    UnknownProtocol,
    /// STUN that names no live leg, or none at all.
    UnknownCheck,
    /// STUN that names a live leg and is not its client's, or from an address that is another's.
    ForgedCheck,
    /// DTLS or SRTP from an address that is no client's, or SRTP before its client is connected.
    UnknownSource,
    /// From a client's address: neither RTP nor RTCP, or cut off.
    MalformedMedia,
    /// From a client's address: sealed by somebody else.
    ForgedMedia,
    /// From a client's address: came before, or is too old to tell. Networks repeat packets, too.
    ReplayedMedia,
    /// A client's: from one SSRC more than it may use.
    TooManyStreams,
    /// A client's: more checks, DTLS or RTCP than it may send.
    OverRate,
}

/// Why a datagram did not go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsent {
    /// The socket's buffer was full. Late media is worth nothing, so it is lost as in a network.
    BufferFull,
    /// Longer than the path allows.
    TooLong,
    /// The system refused it: no route, a firewall.
    Refused,
    /// Its leg had no address any more.
    NoAddress,
}

impl Dropped {
    const LABELS: [(Self, &str); 10] = [
        (Self::TooLong, "too_long"),
        (Self::UnknownProtocol, "unknown_protocol"),
        (Self::UnknownCheck, "unknown_check"),
        (Self::ForgedCheck, "forged_check"),
        (Self::UnknownSource, "unknown_source"),
        (Self::MalformedMedia, "malformed_media"),
        (Self::ForgedMedia, "forged_media"),
        (Self::ReplayedMedia, "replayed_media"),
        (Self::TooManyStreams, "too_many_streams"),
        (Self::OverRate, "over_rate"),
    ];
}

impl From<Refused> for Dropped {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Malformed => Self::MalformedMedia,
            Refused::Forged => Self::ForgedMedia,
            Refused::Replayed => Self::ReplayedMedia,
            Refused::TooManyStreams => Self::TooManyStreams,
            Refused::OverRate => Self::OverRate,
        }
    }
}

impl Unsent {
    const LABELS: [(Self, &str); 4] = [
        (Self::BufferFull, "buffer_full"),
        (Self::TooLong, "too_long"),
        (Self::Refused, "refused"),
        (Self::NoAddress, "no_address"),
    ];
}

/// What a worker has counted since it last told.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    received: u64,
    received_bytes: u64,
    sent: u64,
    sent_bytes: u64,
    messages: u64,
    dropped: [u64; Dropped::LABELS.len()],
    unsent: [u64; Unsent::LABELS.len()],
}

impl Counts {
    /// A datagram came in.
    pub(crate) const fn received(&mut self, bytes: usize) {
        self.received += 1;
        self.received_bytes += bytes as u64;
    }

    /// A datagram that came in was dropped.
    pub(crate) const fn dropped(&mut self, why: Dropped) {
        self.dropped[why as usize] += 1;
    }

    /// One message took so many datagrams out.
    pub(crate) const fn sent(&mut self, datagrams: usize, bytes: usize) {
        self.messages += 1;
        self.sent += datagrams as u64;
        self.sent_bytes += bytes as u64;
    }

    /// So many datagrams did not go out.
    pub(crate) const fn unsent(&mut self, why: Unsent, datagrams: u64) {
        self.unsent[why as usize] += datagrams;
    }
}

/// Handles of all metrics of the service. Clones are the same metrics.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    received: IntCounter,
    received_bytes: IntCounter,
    sent: IntCounter,
    sent_bytes: IntCounter,
    messages: IntCounter,
    dropped: [IntCounter; Dropped::LABELS.len()],
    unsent: [IntCounter; Unsent::LABELS.len()],
}

impl Metrics {
    /// # Errors
    /// If `registry` has metrics of these names already.
    pub(crate) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let by_reason = |name: &str, help: &str| -> Result<IntCounterVec, prometheus::Error> {
            let counters = IntCounterVec::new(Opts::new(name, help), &["reason"])?;
            registry.register(Box::new(counters.clone()))?;
            Ok(counters)
        };
        let dropped = by_reason(
            "media_relay_dropped_datagrams_total",
            "Datagrams that came in and were of no use, by reason.",
        )?;
        let unsent = by_reason(
            "media_relay_unsent_datagrams_total",
            "Datagrams that did not go out, by reason.",
        )?;
        Ok(Self {
            received: counter("media_relay_received_datagrams_total", "Datagrams that came in.")?,
            received_bytes: counter("media_relay_received_bytes_total", "UDP payload of those.")?,
            sent: counter("media_relay_sent_datagrams_total", "Datagrams that went out.")?,
            sent_bytes: counter("media_relay_sent_bytes_total", "UDP payload of those.")?,
            messages: counter(
                "media_relay_sent_messages_total",
                "Messages that took them out, of one or more datagrams each.",
            )?,
            dropped: Dropped::LABELS.map(|(_, reason)| dropped.with_label_values(&[reason])),
            unsent: Unsent::LABELS.map(|(_, reason)| unsent.with_label_values(&[reason])),
        })
    }

    /// Adds what was counted, which then begins anew.
    pub(crate) fn add(&self, counts: &mut Counts) {
        if *counts == Counts::default() {
            return;
        }
        let Counts { received, received_bytes, sent, sent_bytes, messages, dropped, unsent } =
            mem::take(counts);
        let ways = [
            (&self.received, received),
            (&self.received_bytes, received_bytes),
            (&self.sent, sent),
            (&self.sent_bytes, sent_bytes),
            (&self.messages, messages),
        ];
        let reasons = self.dropped.iter().zip(dropped).chain(self.unsent.iter().zip(unsent));
        for (counter, count) in ways.into_iter().chain(reasons) {
            if count > 0 {
                counter.inc_by(count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_counted_under_its_own_label() {
        let registry = Registry::new();
        let metrics = Metrics::new(&registry).unwrap();
        let mut counts = Counts::default();
        for (index, (why, _)) in Dropped::LABELS.into_iter().enumerate() {
            (0..=index).for_each(|_| counts.dropped(why));
        }
        for (index, (why, _)) in (1..).zip(Unsent::LABELS) {
            counts.unsent(why, index * 10);
        }
        metrics.add(&mut counts);
        assert_eq!(counts, Counts::default());
        metrics.add(&mut counts);
        let shown = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        for line in [
            "dropped_datagrams_total{reason=\"too_long\"} 1",
            "dropped_datagrams_total{reason=\"unknown_protocol\"} 2",
            "dropped_datagrams_total{reason=\"unknown_check\"} 3",
            "dropped_datagrams_total{reason=\"forged_check\"} 4",
            "dropped_datagrams_total{reason=\"unknown_source\"} 5",
            "dropped_datagrams_total{reason=\"malformed_media\"} 6",
            "dropped_datagrams_total{reason=\"forged_media\"} 7",
            "dropped_datagrams_total{reason=\"replayed_media\"} 8",
            "dropped_datagrams_total{reason=\"too_many_streams\"} 9",
            "dropped_datagrams_total{reason=\"over_rate\"} 10",
            "unsent_datagrams_total{reason=\"buffer_full\"} 10",
            "unsent_datagrams_total{reason=\"too_long\"} 20",
            "unsent_datagrams_total{reason=\"refused\"} 30",
            "unsent_datagrams_total{reason=\"no_address\"} 40",
        ] {
            assert!(shown.contains(&format!("media_relay_{line}\n")), "{line} in {shown}");
        }
    }

    #[test]
    fn what_goes_out_is_counted_by_message_datagram_and_byte() {
        let registry = Registry::new();
        let metrics = Metrics::new(&registry).unwrap();
        let mut counts = Counts::default();
        counts.received(7);
        counts.received(8);
        counts.sent(3, 100);
        metrics.add(&mut counts);
        counts.sent(1, 11);
        metrics.add(&mut counts);
        let values = [&metrics.received, &metrics.received_bytes];
        assert_eq!(values.map(IntCounter::get), [2, 15]);
        let values = [&metrics.messages, &metrics.sent, &metrics.sent_bytes];
        assert_eq!(values.map(IntCounter::get), [2, 4, 111]);
    }
}
