//! A client that sends: Opus-like and VP8-like packets, each with the time at which it was sent.

use super::ProcessError;
use super::connection::Connection;
use super::offer::{
    AUDIO_LEVEL_ID, AUDIO_MID, AUDIO_PAYLOAD_TYPE, MID_ID, TRANSPORT_SEQUENCE_ID, VIDEO_MID,
    VIDEO_PAYLOAD_TYPE,
};
use super::rtcp;

/// Payload bytes: 24 kbit/s and some headroom of Opus, and what fits a datagram.
pub(super) const AUDIO_BYTES: usize = 120;
pub(super) const VIDEO_BYTES: usize = 1_100;

/// Where in a payload the time of sending stands, in ns since 1970.
pub(super) const SENT_AT: std::ops::Range<usize> = 8..16;

/// A frame is as many packets.
const FRAME_PACKETS: u64 = 10;

/// What a packet is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Track {
    Audio,
    Video,
}

/// A client that sends.
pub(super) struct Publisher {
    pub(super) connection: Connection,
    number: u32,
    audio: Source,
    video: Source,
    transport_sequence: u16,
    key_frame_due: bool,
    key_frame: bool,
    buffer: Vec<u8>,
    /// What the relay has asked to be repeated: lost on the way to it.
    pub(super) lost: u64,
}

#[derive(Default)]
struct Source {
    packets: u64,
    timestamp: u32,
    /// From one packet, or one frame, to the next.
    timestamp_step: u32,
}

impl Publisher {
    pub(super) fn new(connection: Connection, number: u32, (audio, video): (u32, u32)) -> Self {
        let source = |timestamp_step| Source { timestamp_step, ..Source::default() };
        Self {
            connection,
            number,
            audio: source(48_000 / audio.max(1)),
            video: source(90_000 * FRAME_PACKETS as u32 / video.max(1)),
            transport_sequence: 0,
            key_frame_due: true,
            key_frame: true,
            buffer: Vec::new(),
            lost: 0,
        }
    }

    /// Sends the next packet of a track.
    ///
    /// # Errors
    /// [`ProcessError`]
    pub(super) fn send(&mut self, track: Track, now_ns: i64) -> Result<(), ProcessError> {
        let [high, low] = self.transport_sequence.to_be_bytes();
        self.transport_sequence = self.transport_sequence.wrapping_add(1);
        let source = match track {
            Track::Audio => &mut self.audio,
            Track::Video => &mut self.video,
        };
        let place = source.packets % FRAME_PACKETS;
        let starts = track == Track::Audio || place == 0;
        if starts {
            source.timestamp = source.timestamp.wrapping_add(source.timestamp_step);
        }
        if track == Track::Video && starts {
            self.key_frame = std::mem::take(&mut self.key_frame_due);
        }
        let (payload_type, mid, bytes, marker) = match track {
            Track::Audio => (AUDIO_PAYLOAD_TYPE, AUDIO_MID, AUDIO_BYTES, false),
            Track::Video => {
                (VIDEO_PAYLOAD_TYPE, VIDEO_MID, VIDEO_BYTES, place == FRAME_PACKETS - 1)
            }
        };
        let ssrc = 0x2000_0000 + 2 * self.number + u32::from(track == Track::Video);
        let packet = &mut self.buffer;
        packet.clear();
        packet.extend_from_slice(&[0x90, (u8::from(marker) << 7) | payload_type]);
        packet.extend_from_slice(&(source.packets as u16).to_be_bytes());
        packet.extend_from_slice(&source.timestamp.to_be_bytes());
        packet.extend_from_slice(&ssrc.to_be_bytes());
        packet.extend_from_slice(&[0xbe, 0xde, 0, 2]);
        packet.extend_from_slice(&[TRANSPORT_SEQUENCE_ID << 4 | 1, high, low]);
        packet.extend_from_slice(&[MID_ID << 4, mid.as_bytes()[0]]);
        match track {
            Track::Audio => packet.extend_from_slice(&[AUDIO_LEVEL_ID << 4, 0x80 | 30, 0]),
            Track::Video => packet.extend_from_slice(&[0; 3]),
        }
        let start = packet.len();
        packet.resize(start + bytes, source.packets as u8);
        if track == Track::Video {
            let descriptor = if starts { 0x10 } else { 0 };
            packet[start..start + 2].copy_from_slice(&[descriptor, u8::from(!self.key_frame)]);
        }
        packet[start..][SENT_AT].copy_from_slice(&now_ns.to_be_bytes());
        source.packets += 1;
        let Connection { socket, relay, srtp, .. } = &mut self.connection;
        srtp.sealer.seal_rtp(packet, 0).map_err(|error| ProcessError::Dtls(error.to_string()))?;
        socket.send_to(packet, *relay)?;
        Ok(())
    }

    /// Takes what the relay has sent.
    pub(super) fn take(&mut self, datagram: &mut [u8]) {
        if !rtcp::is_rtcp(datagram) {
            return;
        }
        let Ok(len) = self.connection.srtp.opener.open_rtcp(datagram) else { return };
        for (kind, format) in rtcp::kinds(&datagram[..len]) {
            self.key_frame_due |= (kind, format) == rtcp::KEY_FRAME_WANTED;
            self.lost += u64::from((kind, format) == rtcp::NACK);
        }
    }
}
