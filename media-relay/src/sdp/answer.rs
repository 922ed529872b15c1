//! Writes the answer.

use super::agree::{AgreedLine, Agreement, Outcome};
use media_core::Codec;
use std::fmt::Write;
use std::net::SocketAddr;

/// Our side of one client's transport.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Local<'a> {
    /// Our session's id, and how many answers there were in it (RFC 8866 section 5.2).
    pub(crate) session: (u64, u64),
    pub(crate) ufrag: &'a str,
    pub(crate) pwd: &'a str,
    /// SHA-256 of our certificate: `AB:CD:...`.
    pub(crate) fingerprint: &'a str,
    /// Where we can be reached.
    pub(crate) candidates: &'a [SocketAddr],
    pub(crate) streams: Streams<'a>,
}

/// How what we send is named: audio and video of one stream are played in sync.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Streams<'a> {
    /// All is one person's.
    One(&'a str),
    /// The first audio and the first video m-line that the client receives on are one person's, the
    /// second ones another's, and so on.
    Slots,
}

/// The answer to the offer that led to `agreement`.
pub(crate) fn answer(agreement: &Agreement, local: &Local<'_>) -> String {
    let mut text = String::with_capacity(2_048);
    let mids = agreement.media().map(|media| mid_text(media.mid.as_bytes()));
    let bundle: Vec<String> = mids.collect();
    let all = match local.streams {
        Streams::One(name) => name,
        Streams::Slots => "*",
    };
    let session = [
        "v=0".to_owned(),
        format!("o=- {} {} IN IP4 0.0.0.0", local.session.0, local.session.1),
        "s=-".to_owned(),
        "t=0 0".to_owned(),
        format!("a=group:BUNDLE {}", bundle.join(" ")),
        "a=ice-lite".to_owned(),
        format!("a=msid-semantic: WMS {all}"),
    ];
    write_lines(&mut text, session);
    // The bundled transport's candidates belong to the m-line that the group names first
    // (RFC 8843 section 7.3.1).
    let mut candidates = local.candidates;
    let mut slots = [0; 2];
    for outcome in &agreement.sections {
        match outcome {
            Outcome::Agreed(line) => {
                write_transport(&mut text, line, local, std::mem::take(&mut candidates));
                write_format(&mut text, line);
                write_sources(&mut text, line, local.streams, &mut slots);
            }
            Outcome::Rejected { kind, profile, format, mid } => {
                let lines = [
                    Some(format!("m={kind} 0 {profile} {format}")),
                    Some("c=IN IP4 0.0.0.0".to_owned()),
                    mid.as_ref().map(|mid| format!("a=mid:{mid}")),
                    Some("a=inactive".to_owned()),
                ];
                write_lines(&mut text, lines.into_iter().flatten());
            }
        }
    }
    text
}

fn write_lines(text: &mut String, lines: impl IntoIterator<Item = String>) {
    for line in lines {
        text.push_str(&line);
        text.push_str("\r\n");
    }
}

fn mid_text(mid: &[u8]) -> String {
    String::from_utf8_lossy(mid).into_owned()
}

fn write_transport(
    text: &mut String,
    line: &AgreedLine,
    local: &Local<'_>,
    candidates: &[SocketAddr],
) {
    let media = &line.media;
    let kind = if media.codec == Codec::Opus { "audio" } else { "video" };
    let rtx = media.rtx_payload_type.map(|rtx| format!(" {rtx}")).unwrap_or_default();
    let direction = match (media.client_receives, media.client_sends) {
        (true, true) => "sendrecv",
        (true, false) => "sendonly",
        (false, true) => "recvonly",
        (false, false) => "inactive",
    };
    let lines = [
        format!("m={kind} 9 UDP/TLS/RTP/SAVPF {}{rtx}", media.payload_type),
        "c=IN IP4 0.0.0.0".to_owned(),
        format!("a=mid:{}", mid_text(media.mid.as_bytes())),
        format!("a={direction}"),
        format!("a=ice-ufrag:{}", local.ufrag),
        format!("a=ice-pwd:{}", local.pwd),
        format!("a=fingerprint:sha-256 {}", local.fingerprint),
        "a=setup:passive".to_owned(),
        "a=rtcp-mux".to_owned(),
        "a=rtcp-rsize".to_owned(),
    ];
    write_lines(text, lines);
    for (index, address) in (0..).zip(candidates) {
        // RFC 8445 section 5.1.2: type preference 126 (host), local preference falling with the
        // position in the list, component 1.
        let priority = (126_u32 << 24) + ((65_535_u32.saturating_sub(index)) << 8) + 255;
        let (foundation, ip, port) = (index + 1, address.ip(), address.port());
        let line = format!("a=candidate:{foundation} 1 udp {priority} {ip} {port} typ host");
        write_lines(text, [line]);
    }
    if !candidates.is_empty() {
        write_lines(text, ["a=end-of-candidates".to_owned()]);
    }
}

fn write_format(text: &mut String, line: &AgreedLine) {
    let payload_type = line.media.payload_type;
    let [profile, constraints, level] = line.profile_level;
    let (mapping, parameters) = match line.media.codec {
        Codec::Opus => ("opus/48000/2", Some("minptime=10;useinbandfec=1".to_owned())),
        Codec::Vp8 => ("VP8/90000", None),
        Codec::H264 => {
            let id = format!("{profile:02x}{constraints:02x}{level:02x}");
            let fixed = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=";
            ("H264/90000", Some(format!("{fixed}{id}")))
        }
    };
    write_lines(text, [format!("a=rtpmap:{payload_type} {mapping}")]);
    let feedback = [
        (line.feedback.remb, "goog-remb"),
        (line.feedback.nack, "nack"),
        (line.feedback.nack_pli, "nack pli"),
        (line.feedback.ccm_fir, "ccm fir"),
        (line.feedback.transport_cc, "transport-cc"),
    ];
    let kept = feedback.into_iter().filter(|(kept, _)| *kept);
    write_lines(text, kept.map(|(_, name)| format!("a=rtcp-fb:{payload_type} {name}")));
    write_lines(text, parameters.map(|parameters| format!("a=fmtp:{payload_type} {parameters}")));
    if let Some(rtx) = line.media.rtx_payload_type {
        let lines =
            [format!("a=rtpmap:{rtx} rtx/90000"), format!("a=fmtp:{rtx} apt={payload_type}")];
        write_lines(text, lines);
    }
    let extensions = line.extension_names().map(|(id, name)| format!("a=extmap:{id} {name}"));
    write_lines(text, extensions);
}

/// What we send on this m-line, if the client receives on it. `slots` counts such lines so far.
fn write_sources(text: &mut String, line: &AgreedLine, streams: Streams<'_>, slots: &mut [u32; 2]) {
    let media = &line.media;
    if !media.client_receives {
        return;
    }
    let audio = media.codec == Codec::Opus;
    let track = if audio { "audio" } else { "video" };
    let slot = &mut slots[usize::from(audio)];
    *slot += 1;
    let stream = match streams {
        Streams::One(name) => name,
        Streams::Slots => &format!("slot{slot}"),
    };
    write_lines(text, [format!("a=msid:{stream} {track}")]);
    if let Some(rtx) = media.rtx_ssrc {
        write_lines(text, [format!("a=ssrc-group:FID {} {rtx}", media.ssrc)]);
    }
    // The media's SSRC stands before its retransmissions': Chromium takes the first `a=ssrc` line
    // for the media and shows nothing at all otherwise.
    for ssrc in [Some(media.ssrc), media.rtx_ssrc].into_iter().flatten() {
        let _ =
            write!(text, "a=ssrc:{ssrc} cname:{stream}\r\na=ssrc:{ssrc} msid:{stream} {track}\r\n");
    }
}
