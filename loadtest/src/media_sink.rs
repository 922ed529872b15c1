//! What one peer saw of a call's media: the evidence that its bill is held against.
//!
//! Counted beside the wire, as an interceptor of the `webrtc` crate that everything passes
//! unchanged: on arrival, before any queue, and on departure, behind everything that produces
//! packets.

use crate::media_source::{OPUS_PAYLOAD_TYPE, VP8_PAYLOAD_TYPE, begins_key_frame};
use rtc::interceptor::{Interceptor, Packet, Slot, StreamInfo, TaggedPacket};
use rtc::rtcp;
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::transport_feedbacks::transport_layer_cc::TransportLayerCc;
use rtc::rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;
use rtc::sansio::Protocol;
use rtc::shared::error::Error;
use serde::Serialize;
use service_kit::Clock;
use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use units::{ElapsedMs, MonotonicUs};

/// Longest silence between two packets that still counts as media: one Opus DTX interval of 400 ms
/// and half of one for jitter. The relay bills by the same rule.
pub const GAP_MAX: ElapsedMs = ElapsedMs(600);

/// Nearer to the wire than any interceptor of the crate.
pub(crate) const TAP_SLOT: usize = 500;

/// What was carried in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Carried {
    /// The sum of the times between consecutive media packets that are at most [`GAP_MAX`] apart.
    pub media_ms: ElapsedMs,
    pub audio_packets: u64,
    pub video_packets: u64,
    /// Key frames of which the first packet was seen.
    pub key_frames: u64,
    /// Payload bytes of both.
    pub bytes: u64,
}

/// What one peer saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Evidence {
    pub received: Carried,
    pub sent: Carried,
    /// Transport-wide feedback packets that went out: what the relay's proof is made of.
    pub feedback_sent: u64,
    /// Transport-wide feedback packets that came in.
    pub feedback_received: u64,
    /// Key frames that the other side asked for.
    pub key_frames_asked: u64,
    /// Requests for lost packets that went out.
    pub nacks_sent: u64,
}

/// Sums up media time by the gap rule.
#[derive(Clone, Copy, Debug, Default)]
struct MediaClock {
    last: Option<MonotonicUs>,
    total_us: u64,
}

impl MediaClock {
    fn count(&mut self, now: MonotonicUs) {
        let gap_us = self.last.map_or(0, |last| now.us_since(last));
        if gap_us <= GAP_MAX.0 * 1_000 {
            self.total_us += gap_us;
        }
        self.last = Some(self.last.map_or(now, |last| last.max(now)));
    }
}

#[derive(Debug, Default)]
struct Seen {
    evidence: Evidence,
    received_clock: MediaClock,
    sent_clock: MediaClock,
    key_frame_wanted: bool,
}

impl Seen {
    fn arrived(&mut self, now: MonotonicUs, packet: &Packet) {
        match packet {
            Packet::Rtp(packet) => {
                count(&mut self.evidence.received, &mut self.received_clock, now, packet);
            }
            Packet::Rtcp(packets) => {
                for packet in packets {
                    let (evidence, packet) = (&mut self.evidence, packet.as_any());
                    if packet.is::<PictureLossIndication>() || packet.is::<FullIntraRequest>() {
                        evidence.key_frames_asked += 1;
                        self.key_frame_wanted = true;
                    }
                    evidence.feedback_received += u64::from(packet.is::<TransportLayerCc>());
                }
            }
            // The crate may add kinds; none of them is media.
            _ => {}
        }
    }

    fn departed(&mut self, now: MonotonicUs, packet: &Packet) {
        match packet {
            Packet::Rtp(packet) => {
                count(&mut self.evidence.sent, &mut self.sent_clock, now, packet);
            }
            Packet::Rtcp(packets) => {
                let of = |kind: fn(&dyn rtcp::Packet) -> bool| {
                    packets.iter().filter(|packet| kind(packet.as_ref())).count() as u64
                };
                self.evidence.feedback_sent += of(|one| one.as_any().is::<TransportLayerCc>());
                self.evidence.nacks_sent += of(|one| one.as_any().is::<TransportLayerNack>());
            }
            _ => {}
        }
    }
}

/// Retransmissions and padding are not media: only the two payload types of our offer count.
fn count(
    carried: &mut Carried,
    clock: &mut MediaClock,
    now: MonotonicUs,
    packet: &rtc::rtp::Packet,
) {
    match packet.header.payload_type {
        OPUS_PAYLOAD_TYPE => carried.audio_packets += 1,
        VP8_PAYLOAD_TYPE => {
            carried.video_packets += 1;
            carried.key_frames += u64::from(begins_key_frame(&packet.payload));
        }
        _ => return,
    }
    carried.bytes += packet.payload.len() as u64;
    clock.count(now);
    carried.media_ms = ElapsedMs(clock.total_us / 1_000);
}

/// Collects one connection's [`Evidence`].
#[derive(Clone, Debug, Default)]
pub struct MediaSink(Arc<Mutex<Seen>>);

impl MediaSink {
    /// What was seen so far.
    #[must_use]
    pub fn evidence(&self) -> Evidence {
        self.seen().evidence
    }

    /// Whether the other side asked for a key frame since the last call.
    #[must_use]
    pub fn take_key_frame_request(&self) -> bool {
        mem::take(&mut self.seen().key_frame_wanted)
    }

    /// The interceptor that fills this sink, and where it belongs.
    pub(crate) fn tap(&self, clock: Clock) -> (Slot, Tap) {
        let tap =
            Tap { sink: self.clone(), clock, reads: VecDeque::new(), writes: VecDeque::new() };
        (Slot::from(TAP_SLOT), tap)
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        // Counters stay true whatever else their holder was doing when it panicked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at every packet and passes it on.
pub(crate) struct Tap {
    sink: MediaSink,
    clock: Clock,
    reads: VecDeque<TaggedPacket>,
    writes: VecDeque<TaggedPacket>,
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for Tap {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.sink.seen().arrived(self.clock.at_instant(packet.now), &packet.message.packet);
        self.reads.push_back(packet);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.reads.pop_front()
    }

    fn handle_write(&mut self, packet: TaggedPacket) -> Result<(), Error> {
        self.sink.seen().departed(self.clock.at_instant(packet.now), &packet.message.packet);
        self.writes.push_back(packet);
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.writes.pop_front()
    }
}

impl Interceptor for Tap {
    fn bind_local_stream(&mut self, _: &StreamInfo) {}
    fn unbind_local_stream(&mut self, _: &StreamInfo) {}
    fn bind_remote_stream(&mut self, _: &StreamInfo) {}
    fn unbind_remote_stream(&mut self, _: &StreamInfo) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media_source::{OpusSource, RTX_PAYLOAD_TYPE};

    fn received_ms(arrivals_ms: &[u64]) -> u64 {
        let mut seen = Seen::default();
        let mut source = OpusSource::new(1, 0);
        for ms in arrivals_ms {
            seen.arrived(MonotonicUs(ms * 1_000), &Packet::Rtp(source.packet()));
        }
        seen.evidence.received.media_ms.0
    }

    #[test]
    fn media_time_is_the_time_between_packets_that_are_near_each_other() {
        for (arrivals_ms, media_ms) in [
            (&[][..], 0),
            (&[5_000], 0),
            (&[0, 20, 40], 40),
            (&[0, 400, 800], 800),
            (&[0, 600], 600),
            (&[0, 601], 0),
            (&[0, 20, 5_000, 5_020], 40),
            (&[100, 40, 120], 20),
        ] {
            assert_eq!(received_ms(arrivals_ms), media_ms, "{arrivals_ms:?}");
        }
    }

    #[test]
    fn retransmissions_are_no_media() {
        let mut seen = Seen::default();
        let mut packet = OpusSource::new(1, 0).packet();
        packet.header.payload_type = RTX_PAYLOAD_TYPE;
        for ms in [0, 20] {
            seen.arrived(MonotonicUs(ms * 1_000), &Packet::Rtp(packet.clone()));
        }
        assert_eq!(seen.evidence, Evidence::default());
    }

    #[test]
    fn a_key_frame_request_is_handed_out_once() {
        let sink = MediaSink::default();
        let request: Box<dyn rtcp::Packet> = Box::new(PictureLossIndication::default());
        sink.seen().arrived(MonotonicUs(0), &Packet::Rtcp(vec![request]));
        assert!(sink.take_key_frame_request());
        assert!(!sink.take_key_frame_request());
    }
}
