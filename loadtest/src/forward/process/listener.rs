//! A client that receives: opens every packet, counts it, measures its way, and reports as browsers
//! do.

use super::ProcessError;
use super::connection::Connection;
use super::offer::{AUDIO_PAYLOAD_TYPE, TRANSPORT_SEQUENCE_ID, VIDEO_PAYLOAD_TYPE};
use super::publisher::{SENT_AT, Track};
use super::rtcp;
use std::ops::Range;

/// A client that receives.
pub(super) struct Listener {
    pub(super) connection: Connection,
    audio: Stream,
    video: Stream,
    /// Transport-wide numbers that came since the last feedback.
    arrived: Vec<u16>,
    feedbacks: u8,
    /// Packets that did not open, or were no packets of this run.
    pub(super) wrong: u64,
    /// Packets that were asked for again.
    pub(super) missed: u64,
}

#[derive(Default)]
struct Stream {
    ssrc: u32,
    /// The highest sequence number with cycles; 0: nothing has come.
    highest: u32,
}

/// What came of the packets that were sent in a span of time.
pub(super) struct Harvest {
    /// In ns since 1970.
    pub(super) span: Range<i64>,
    pub(super) delivered: u64,
    /// From the publisher's call to the arrival in the listener's socket, in ns.
    pub(super) latencies: Vec<u32>,
}

impl Listener {
    pub(super) fn new(connection: Connection) -> Self {
        Self {
            connection,
            audio: Stream::default(),
            video: Stream::default(),
            arrived: Vec::new(),
            feedbacks: 0,
            wrong: 0,
            missed: 0,
        }
    }

    /// Takes what the relay has sent and the kernel has received at `came_ns`.
    ///
    /// # Errors
    /// [`ProcessError`]
    pub(super) fn take(
        &mut self,
        datagram: &mut [u8],
        came_ns: i64,
        harvest: &mut Harvest,
    ) -> Result<(), ProcessError> {
        // Answers to checks.
        if datagram.first().is_none_or(|first| !(128..=191).contains(first)) {
            return Ok(());
        }
        let opener = &mut self.connection.srtp.opener;
        if rtcp::is_rtcp(datagram) {
            self.wrong += u64::from(opener.open_rtcp(datagram).is_err());
            return Ok(());
        }
        let opened = opener.open_rtp(datagram).ok().and_then(|len| Read::new(&datagram[..len]));
        let Some(packet) = opened else {
            self.wrong += 1;
            return Ok(());
        };
        self.arrived.extend(packet.number);
        let Some(track) = packet.track else { return Ok(()) };
        if harvest.span.contains(&packet.sent_ns) {
            harvest.delivered += 1;
            let took = u32::try_from((came_ns - packet.sent_ns).max(0)).unwrap_or(u32::MAX);
            harvest.latencies.push(took);
        }
        let stream = match track {
            Track::Audio => &mut self.audio,
            Track::Video => &mut self.video,
        };
        let missing = stream.follow(packet.ssrc, packet.sequence);
        if track == Track::Video {
            for sequence in missing {
                self.missed += 1;
                self.report(rtcp::nack(packet.ssrc, sequence))?;
            }
        }
        Ok(())
    }

    /// Tells what has arrived since the last time.
    ///
    /// # Errors
    /// [`ProcessError`]
    pub(super) fn feedback(&mut self) -> Result<(), ProcessError> {
        self.feedbacks = self.feedbacks.wrapping_add(1);
        let feedback = rtcp::transport_feedback(self.feedbacks, &self.arrived);
        self.arrived.clear();
        feedback.map_or(Ok(()), |feedback| self.report(feedback))
    }

    /// Reports on its streams.
    ///
    /// # Errors
    /// [`ProcessError`]
    pub(super) fn reception(&mut self) -> Result<(), ProcessError> {
        let streams = [&self.audio, &self.video].map(|stream| (stream.ssrc, stream.highest));
        let known: Vec<_> = streams.into_iter().filter(|(ssrc, _)| *ssrc != 0).collect();
        self.report(rtcp::receiver_report(&known))
    }

    fn report(&mut self, mut packet: Vec<u8>) -> Result<(), ProcessError> {
        let Connection { socket, relay, srtp, .. } = &mut self.connection;
        let sealed = srtp.sealer.seal_rtcp(&mut packet, 0);
        sealed.map_err(|error| ProcessError::Dtls(error.to_string()))?;
        socket.send_to(&packet, *relay)?;
        Ok(())
    }
}

impl Stream {
    /// Takes a sequence number in; returns those that are missing before it.
    fn follow(&mut self, ssrc: u32, sequence: u16) -> impl Iterator<Item = u16> + use<> {
        self.ssrc = ssrc;
        let ahead = sequence.wrapping_sub(self.highest as u16);
        let before = if self.highest == 0 || ahead > 0x8000 { 1 } else { ahead.max(1) };
        if self.highest == 0 {
            self.highest = sequence.into();
        } else if ahead < 0x8000 {
            self.highest += u32::from(ahead);
        }
        (1..before).rev().map(move |back| sequence.wrapping_sub(back))
    }
}

/// What is read of an opened packet.
struct Read {
    ssrc: u32,
    sequence: u16,
    /// `None`: a repetition.
    track: Option<Track>,
    number: Option<u16>,
    sent_ns: i64,
}

impl Read {
    fn new(packet: &[u8]) -> Option<Self> {
        let u16_at = |at: usize| Some(u16::from_be_bytes(packet.get(at..at + 2)?.try_into().ok()?));
        let track = match packet.get(1)? & 0x7f {
            AUDIO_PAYLOAD_TYPE => Some(Track::Audio),
            VIDEO_PAYLOAD_TYPE => Some(Track::Video),
            _ => None,
        };
        let words = if packet[0] & 0x10 == 0 { 0 } else { 1 + usize::from(u16_at(14)?) };
        let (extension, payload) = packet.get(12..)?.split_at_checked(4 * words)?;
        let sent = payload.get(SENT_AT)?.try_into().ok()?;
        Some(Self {
            ssrc: u32::from_be_bytes(packet.get(8..12)?.try_into().ok()?),
            sequence: u16_at(2)?,
            track,
            number: number(extension.get(4..).unwrap_or_default()),
            sent_ns: i64::from_be_bytes(sent),
        })
    }
}

/// The transport-wide number among one-byte header extensions (RFC 8285 section 4.2).
fn number(mut elements: &[u8]) -> Option<u16> {
    while let Some((head, rest)) = elements.split_first() {
        if *head == 0 {
            elements = rest;
            continue;
        }
        let (data, rest) = rest.split_at_checked(usize::from(head & 0x0f) + 1)?;
        if head >> 4 == TRANSPORT_SEQUENCE_ID {
            return Some(u16::from_be_bytes(data.try_into().ok()?));
        }
        elements = rest;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_tells_what_is_missing_over_the_wrap_of_its_numbers() {
        let mut stream = Stream::default();
        let mut follow = |sequence| stream.follow(7, sequence).collect::<Vec<_>>();
        assert!(follow(65_533).is_empty());
        assert!(follow(65_534).is_empty());
        assert_eq!(follow(1), [65_535, 0]);
        assert!(follow(0).is_empty());
        assert!(follow(2).is_empty());
        assert_eq!(stream.highest, 65_536 + 2);
    }
}
