//! The offer of a client that is measured with: what a browser's says, without what nobody reads.

use std::fmt::Write as _;

pub(super) const AUDIO_PAYLOAD_TYPE: u8 = 111;
pub(super) const VIDEO_PAYLOAD_TYPE: u8 = 96;
const RTX_PAYLOAD_TYPE: u8 = 97;

/// Ids of header extensions.
pub(super) const MID_ID: u8 = 4;
pub(super) const TRANSPORT_SEQUENCE_ID: u8 = 3;
pub(super) const AUDIO_LEVEL_ID: u8 = 1;

/// The m-lines by their mids.
pub(super) const AUDIO_MID: &str = "0";
pub(super) const VIDEO_MID: &str = "1";

/// What identifies a client in its offer.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) ufrag: String,
    pub(super) pwd: String,
    /// SHA-256 of its certificate.
    pub(super) fingerprint: String,
}

/// An offer of one audio and, if there is video, one video m-line, in one direction: `sendrecv`,
/// `sendonly` or `recvonly`.
pub(super) fn offer(identity: &Identity, video: bool, direction: &str) -> String {
    let bundle = if video { "0 1" } else { "0" };
    let mut text =
        format!("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE {bundle}\r\n");
    section(&mut text, identity, ("audio", AUDIO_MID, direction), &[AUDIO_PAYLOAD_TYPE]);
    let _ = write!(
        text,
        "a=rtpmap:{AUDIO_PAYLOAD_TYPE} opus/48000/2\r\n\
         a=rtcp-fb:{AUDIO_PAYLOAD_TYPE} transport-cc\r\n\
         a=extmap:{AUDIO_LEVEL_ID} urn:ietf:params:rtp-hdrext:ssrc-audio-level\r\n"
    );
    if video {
        let payload_types = [VIDEO_PAYLOAD_TYPE, RTX_PAYLOAD_TYPE];
        section(&mut text, identity, ("video", VIDEO_MID, direction), &payload_types);
        let _ = write!(text, "a=rtpmap:{VIDEO_PAYLOAD_TYPE} VP8/90000\r\n");
        for feedback in ["nack", "nack pli", "ccm fir", "transport-cc"] {
            let _ = write!(text, "a=rtcp-fb:{VIDEO_PAYLOAD_TYPE} {feedback}\r\n");
        }
        let _ = write!(
            text,
            "a=rtpmap:{RTX_PAYLOAD_TYPE} rtx/90000\r\n\
             a=fmtp:{RTX_PAYLOAD_TYPE} apt={VIDEO_PAYLOAD_TYPE}\r\n"
        );
    }
    text
}

fn section(
    text: &mut String,
    identity: &Identity,
    (kind, mid, direction): (&str, &str, &str),
    payload_types: &[u8],
) {
    let Identity { ufrag, pwd, fingerprint } = identity;
    let formats: Vec<String> = payload_types.iter().map(u8::to_string).collect();
    let _ = write!(
        text,
        "m={kind} 9 UDP/TLS/RTP/SAVPF {}\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\na={direction}\r\n\
         a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\na=fingerprint:sha-256 {fingerprint}\r\n\
         a=setup:actpass\r\na=rtcp-mux\r\na=rtcp-rsize\r\n\
         a=extmap:{MID_ID} urn:ietf:params:rtp-hdrext:sdes:mid\r\n\
         a=extmap:{TRANSPORT_SEQUENCE_ID} \
         http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\r\n",
        formats.join(" ")
    );
}
