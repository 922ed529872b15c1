//! Chooses what is used of what a client offers.

use super::Unsupported;
use super::lines::{Section, is_token};
use super::offer::{Offer, Session};
use crate::limits::SECTIONS_MAX;
use media_core::{Codec, ExtensionIds, MediaLine, Mid};

/// The SSRCs of what we send to one client: neighbours, none of them 0 (which some clients take for
/// "none").
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ssrcs {
    next: u32,
}

/// Most that one client needs: two per m-line.
const SSRCS_MAX: u32 = 2 * SECTIONS_MAX as u32;

impl Ssrcs {
    /// Those that follow a random number.
    pub(crate) const fn drawn(random: u32) -> Self {
        Self { next: if random >= u32::MAX - SSRCS_MAX { 1 } else { random + 1 } }
    }

    /// The next one that is not in use.
    fn take(&mut self, used: &[MediaLine]) -> u32 {
        loop {
            let ssrc = self.next;
            self.next = ssrc.checked_add(1).unwrap_or(1);
            let same = |line: &MediaLine| line.ssrc == ssrc || line.rtx_ssrc == Some(ssrc);
            if !used.iter().any(same) {
                return ssrc;
            }
        }
    }
}

/// What an offer and we agree on: all that the answer says about media.
#[derive(Clone, Debug)]
pub(crate) struct Agreement {
    pub(crate) ufrag: String,
    pub(crate) session: Session,
    /// As many as the offer has m-lines, in its order.
    pub(crate) sections: Vec<Outcome>,
}

/// What becomes of one offered m-line.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// Used.
    Agreed(AgreedLine),
    /// Answered with port 0. The words are tokens of the offer.
    Rejected { kind: String, profile: String, format: String, mid: Option<String> },
}

/// An m-line that carries media.
#[derive(Clone, Debug)]
pub(crate) struct AgreedLine {
    pub(crate) media: MediaLine,
    pub(crate) feedback: Feedback,
    /// H.264 only: what we answer as `profile-level-id` (RFC 6184 section 8.1).
    pub(crate) profile_level: [u8; 3],
}

/// The feedback messages (`a=rtcp-fb`) that both sides understand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Feedback {
    pub(crate) nack: bool,
    pub(crate) nack_pli: bool,
    pub(crate) ccm_fir: bool,
    pub(crate) transport_cc: bool,
    pub(crate) remb: bool,
}

/// The codec that a payload type stands for, and for H.264 the answered profile and level.
#[derive(Clone, Copy)]
struct Choice {
    payload_type: u8,
    codec: Codec,
    profile_level: [u8; 3],
}

const OPUS_CLOCK_HZ: u32 = 48_000;
const VIDEO_CLOCK_HZ: u32 = 90_000;

/// H.264 level 3.1: 1280x720 at 30 fps, which every browser decodes. A higher one would let one
/// side send what the other's phone can't show.
const H264_LEVEL: u8 = 0x1f;

const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
const TRANSPORT_SEQUENCE: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
const AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";

/// Agrees on codecs. `peer_video` is what the other side of the call uses already, if it sends or
/// receives video: the relay forwards and never transcodes, so both sides must use the same.
/// `earlier` are the m-lines of the same peer connection's earlier offer: they keep their SSRCs.
///
/// # Errors
/// [`Unsupported::Opus`], [`Unsupported::Video`].
pub(crate) fn agree(
    offer: &Offer<'_>,
    peer_video: Option<Codec>,
    earlier: &[MediaLine],
    mut ssrcs: Ssrcs,
) -> Result<Agreement, Unsupported> {
    let mut video = peer_video;
    let mut sections = Vec::with_capacity(offer.sections.len());
    for (index, section) in offer.sections.iter().enumerate() {
        let used = offer.lines.iter().find(|(used, _)| *used == index);
        let Some((_, mid)) = used else {
            sections.push(rejected(section));
            continue;
        };
        let choice = if section.kind == "audio" {
            choose(section, |codec| codec == Codec::Opus).ok_or(Unsupported::Opus)?
        } else {
            let wanted = |codec| video.map_or(codec != Codec::Opus, |video| codec == video);
            let choice = choose(section, wanted).ok_or(Unsupported::Video(video))?;
            video = Some(choice.codec);
            choice
        };
        sections.push(Outcome::Agreed(line(section, *mid, choice, (earlier, &mut ssrcs))));
    }
    let (ufrag, session) = (offer.ufrag.to_owned(), offer.session.clone());
    Ok(Agreement { ufrag, session, sections })
}

impl Agreement {
    /// The m-lines that carry media.
    pub(crate) fn media(&self) -> impl Iterator<Item = &MediaLine> {
        self.sections.iter().filter_map(|outcome| match outcome {
            Outcome::Agreed(line) => Some(&line.media),
            Outcome::Rejected { .. } => None,
        })
    }

    /// The video codec, if there is video: all such m-lines have the same.
    pub(crate) fn video(&self) -> Option<Codec> {
        self.media().map(|line| line.codec).find(|codec| *codec != Codec::Opus)
    }
}

fn rejected(section: &Section<'_>) -> Outcome {
    let mid = section.attributes.value("mid").filter(|mid| is_token(mid));
    Outcome::Rejected {
        kind: section.kind.to_owned(),
        profile: section.profile.to_owned(),
        format: section.formats.first().copied().unwrap_or("0").to_owned(),
        mid: mid.map(str::to_owned),
    }
}

/// The first payload type, in the offer's order of preference, whose codec is supported and wanted.
fn choose(section: &Section<'_>, wanted: impl Fn(Codec) -> bool) -> Option<Choice> {
    let payload_types = section.formats.iter().filter_map(|format| format.parse::<u8>().ok());
    payload_types
        .filter(|payload_type| *payload_type < 128)
        .filter_map(|payload_type| supported(section, payload_type))
        .find(|choice| wanted(choice.codec))
}

fn supported(section: &Section<'_>, payload_type: u8) -> Option<Choice> {
    let mapping = of_payload_type(section, "rtpmap", payload_type).next()?.to_ascii_lowercase();
    let mut profile_level = [0; 3];
    let codec = match (section.kind, mapping.as_str()) {
        ("audio", "opus/48000/2") => Codec::Opus,
        ("video", "vp8/90000") => Codec::Vp8,
        ("video", "h264/90000") => {
            profile_level = constrained_baseline(section, payload_type)?;
            Codec::H264
        }
        _ => return None,
    };
    Some(Choice { payload_type, codec, profile_level })
}

/// What to answer to an H.264 format, if it is constrained baseline (RFC 6184 table 5: profile
/// `42` with constraint set 1) in packetization mode 1.
fn constrained_baseline(section: &Section<'_>, payload_type: u8) -> Option<[u8; 3]> {
    let parameter = |name| parameter(section, payload_type, name);
    if parameter("packetization-mode") != Some("1") {
        return None;
    }
    let id = parameter("profile-level-id").filter(|id| id.len() == 6 && id.is_ascii())?;
    let [_, profile, constraints, level] = u32::from_str_radix(id, 16).ok()?.to_be_bytes();
    let constrained = profile == 0x42 && constraints & 0x40 != 0;
    constrained.then_some([profile, constraints, level.min(H264_LEVEL)])
}

fn line(
    section: &Section<'_>,
    mid: Mid,
    choice: Choice,
    (earlier, ssrcs): (&[MediaLine], &mut Ssrcs),
) -> AgreedLine {
    let before = earlier.iter().find(|line| line.mid == mid && line.codec == choice.codec);
    let ssrc = before.map_or_else(|| ssrcs.take(earlier), |line| line.ssrc);
    let audio = choice.codec == Codec::Opus;
    let extensions = extensions(section, audio);
    let rtx_payload_type = if audio { None } else { rtx(section, choice.payload_type) };
    let feedback = feedback(section, choice.payload_type, audio, extensions);
    let (client_sends, client_receives) = directions(section);
    let media = MediaLine {
        mid,
        codec: choice.codec,
        payload_type: choice.payload_type,
        rtx_payload_type,
        clock_hz: if audio { OPUS_CLOCK_HZ } else { VIDEO_CLOCK_HZ },
        extensions,
        ssrc,
        rtx_ssrc: rtx_payload_type.map(|_| {
            let kept = before.and_then(|line| line.rtx_ssrc);
            kept.unwrap_or_else(|| ssrcs.take(earlier))
        }),
        client_sends,
        client_receives,
        transport_cc: feedback.transport_cc,
        remb: feedback.remb,
    };
    AgreedLine { media, feedback, profile_level: choice.profile_level }
}

/// The payload type of retransmissions of `payload_type` (RFC 4588 section 8.6).
fn rtx(section: &Section<'_>, payload_type: u8) -> Option<u8> {
    let payload_types = section.formats.iter().filter_map(|format| format.parse::<u8>().ok());
    payload_types.filter(|rtx| *rtx < 128).find(|rtx| {
        let mapped = of_payload_type(section, "rtpmap", *rtx)
            .any(|mapping| mapping.eq_ignore_ascii_case("rtx/90000"));
        let apt = parameter(section, *rtx, "apt").and_then(|apt| apt.parse().ok());
        mapped && apt == Some(payload_type)
    })
}

/// Opus packets are not retransmitted (in-band FEC covers single losses sooner), so audio takes
/// only the feedback that proves arrival and drives the sender's bandwidth.
fn feedback(
    section: &Section<'_>,
    payload_type: u8,
    audio: bool,
    extensions: ExtensionIds,
) -> Feedback {
    let mut feedback = Feedback::default();
    let every = section.attributes.values("rtcp-fb").filter_map(|value| value.strip_prefix("* "));
    for value in of_payload_type(section, "rtcp-fb", payload_type).chain(every) {
        match value {
            "nack" => feedback.nack = !audio,
            "nack pli" => feedback.nack_pli = !audio,
            "ccm fir" => feedback.ccm_fir = !audio,
            "goog-remb" => feedback.remb = !audio,
            // Without its extension there is nothing to report on.
            "transport-cc" => feedback.transport_cc = extensions.transport_sequence.is_some(),
            _ => {}
        }
    }
    feedback
}

/// The extensions that we read or write, with the client's ids. One-byte headers hold 1 to 14.
fn extensions(section: &Section<'_>, audio: bool) -> ExtensionIds {
    let id_of = |uri: &str| {
        section.attributes.values("extmap").find_map(|value| {
            let (id, rest) = value.split_once(' ')?;
            let id = id.strip_suffix("/sendrecv").unwrap_or(id).parse::<u8>().ok()?;
            let same = rest.split(' ').next() == Some(uri);
            (same && (1..=14).contains(&id)).then_some(id)
        })
    };
    let ids = ExtensionIds {
        mid: id_of(MID),
        transport_sequence: id_of(TRANSPORT_SEQUENCE),
        audio_level: if audio { id_of(AUDIO_LEVEL) } else { None },
    };
    // An id that stands for two things would be read as the wrong one.
    let all = [ids.mid, ids.transport_sequence, ids.audio_level];
    let used: Vec<u8> = all.into_iter().flatten().collect();
    let twice = used.iter().any(|id| used.iter().filter(|other| *other == id).count() > 1);
    if twice { ExtensionIds::default() } else { ids }
}

impl AgreedLine {
    /// The agreed extensions with their names, for the answer.
    pub(crate) fn extension_names(&self) -> impl Iterator<Item = (u8, &'static str)> {
        let ids = self.media.extensions;
        let named = [
            (ids.mid, MID),
            (ids.transport_sequence, TRANSPORT_SEQUENCE),
            (ids.audio_level, AUDIO_LEVEL),
        ];
        named.into_iter().filter_map(|(id, name)| Some((id?, name)))
    }
}

/// Whether the client sends, and whether it receives.
fn directions(section: &Section<'_>) -> (bool, bool) {
    let has = |name| section.attributes.has(name);
    if has("inactive") {
        (false, false)
    } else if has("sendonly") {
        (true, false)
    } else if has("recvonly") {
        (false, true)
    } else {
        (true, true)
    }
}

/// The rest of each `a=NAME:PAYLOAD_TYPE rest`.
fn of_payload_type<'a>(
    section: &Section<'a>,
    name: &str,
    payload_type: u8,
) -> impl Iterator<Item = &'a str> {
    section.attributes.values(name).filter_map(move |value| {
        let (number, rest) = value.split_once(' ')?;
        (number.parse() == Ok(payload_type)).then_some(rest.trim())
    })
}

/// A parameter of a payload type's `a=fmtp`.
fn parameter<'a>(section: &Section<'a>, payload_type: u8, name: &str) -> Option<&'a str> {
    of_payload_type(section, "fmtp", payload_type)
        .flat_map(|parameters| parameters.split(';'))
        .filter_map(|parameter| parameter.trim().split_once('='))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}
