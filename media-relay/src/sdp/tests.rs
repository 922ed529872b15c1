//! Offers of real clients and what we make of them.

use super::*;
use media_core::{Codec, ExtensionIds, MediaLine};
use proptest::prelude::*;

const CHROMIUM: &str = include_str!("offers/chromium_156.sdp");
const FIREFOX: &str = include_str!("offers/firefox_style.sdp");

fn respond(offer: &str, peer_video: Option<Codec>) -> Result<(Agreement, String), Unsupported> {
    respond_with(Use::Pair, offer, peer_video)
}

fn respond_with(
    used: Use,
    offer: &str,
    peer_video: Option<Codec>,
) -> Result<(Agreement, String), Unsupported> {
    let agreement = agree(&Offer::read(offer, used)?, peer_video, &[], Ssrcs::drawn(0))?;
    let candidates = ["192.0.2.7:5000".parse().unwrap(), "[2001:db8::7]:5000".parse().unwrap()];
    let local = Local {
        session: (42, 1),
        ufrag: "ourufrag",
        pwd: "our password",
        fingerprint: "AB:CD",
        candidates: &candidates,
        streams: match used {
            Use::Pair => Streams::One("host"),
            Use::All => Streams::Slots,
        },
    };
    let text = answer(&agreement, &local);
    Ok((agreement, text))
}

fn refused(offer: &str, peer_video: Option<Codec>) -> String {
    respond(offer, peer_video).expect_err("must be refused").to_string()
}

/// The part of an answer that follows the n-th `m=`, with it, as lines.
fn section(answer: &str, index: usize) -> Vec<&str> {
    answer.split("\r\nm=").nth(index + 1).expect("an m-line").split("\r\n").collect()
}

#[test]
fn chromiums_offer_is_answered_with_opus_and_vp8() {
    let (agreement, text) = respond(CHROMIUM, None).unwrap();
    let lines: Vec<&MediaLine> = agreement.media().collect();
    let [audio, video] = lines[..] else { panic!("{lines:?}") };
    assert_eq!((audio.codec, audio.payload_type, audio.clock_hz), (Codec::Opus, 111, 48_000));
    assert_eq!((audio.ssrc, audio.rtx_ssrc), (1, None));
    let ids = ExtensionIds { mid: Some(4), transport_sequence: Some(3), audio_level: Some(1) };
    assert_eq!(audio.extensions, ids);
    assert_eq!((video.codec, video.payload_type, video.clock_hz), (Codec::Vp8, 96, 90_000));
    assert_eq!((video.rtx_payload_type, video.ssrc, video.rtx_ssrc), (Some(97), 2, Some(3)));
    assert_eq!(video.extensions, ExtensionIds { audio_level: None, ..ids });
    assert!(
        audio.transport_cc && video.transport_cc && audio.client_sends && video.client_receives
    );
    assert_eq!(agreement.ufrag, "Ab1+");
    assert_eq!(agreement.session.fingerprint.hash, (0..32).collect::<Vec<u8>>());

    assert!(text.starts_with("v=0\r\no=- 42 1 IN IP4 0.0.0.0\r\n"));
    assert!(text.contains("a=group:BUNDLE 0 1\r\na=ice-lite\r\n"));
    assert_eq!(
        section(&text, 0).join("\n").trim_end(),
        include_str!("offers/answer_audio.txt").trim_end()
    );
    assert_eq!(
        section(&text, 1).join("\n").trim_end(),
        include_str!("offers/answer_video.txt").trim_end()
    );
}

#[test]
fn the_media_ssrc_stands_before_its_retransmissions() {
    let (_, text) = respond(CHROMIUM, None).unwrap();
    let (media, rtx) = (text.find("a=ssrc:2 ").unwrap(), text.find("a=ssrc:3 ").unwrap());
    assert!(media < rtx);
}

#[test]
fn the_first_side_chooses_the_video_codec_and_the_other_follows() {
    let h264_first = FIREFOX;
    let no_vp8 = CHROMIUM.replace("VP8/90000", "VP7/90000");
    for (offer, peer, expected) in [
        (CHROMIUM, None, Some((Codec::Vp8, 96, Some(97)))),
        (CHROMIUM, Some(Codec::H264), Some((Codec::H264, 108, Some(109)))),
        (h264_first, None, Some((Codec::H264, 126, Some(127)))),
        (h264_first, Some(Codec::Vp8), Some((Codec::Vp8, 120, Some(124)))),
        (&no_vp8, None, Some((Codec::H264, 108, Some(109)))),
        (&no_vp8, Some(Codec::Vp8), None),
    ] {
        let video = respond(offer, peer).ok().and_then(|(agreement, _)| {
            let line = agreement.media().find(|line| line.codec != Codec::Opus)?;
            Some((line.codec, line.payload_type, line.rtx_payload_type))
        });
        assert_eq!(video, expected, "{peer:?}");
    }
}

#[test]
fn h264_is_constrained_baseline_in_mode_1_of_a_level_all_can_decode() {
    for (offered, answered) in [
        ("packetization-mode=1;profile-level-id=42e01f", Some("42e01f")),
        ("profile-level-id=42C00D; packetization-mode=1", Some("42c00d")),
        ("packetization-mode=1;profile-level-id=42e034", Some("42e01f")),
        ("packetization-mode=0;profile-level-id=42e01f", None),
        ("profile-level-id=42e01f", None),
        ("packetization-mode=1;profile-level-id=42001f", None),
        ("packetization-mode=1;profile-level-id=64e01f", None),
        ("packetization-mode=1;profile-level-id=42e0", None),
        ("packetization-mode=1", None),
    ] {
        let fmtp = "profile-level-id=42e01f;level-asymmetry-allowed=1;packetization-mode=1";
        let offer = FIREFOX
            .replace(fmtp, offered)
            .replace("VP8/", "VP7/")
            .replace("a=rtpmap:97 H264", "a=rtpmap:97 X");
        let (expected, outcome) = (answered, respond(&offer, None));
        let id = outcome.as_ref().ok().map(|(_, text)| {
            let id = text.split("profile-level-id=").nth(1).unwrap();
            id.split("\r\n").next().unwrap()
        });
        assert_eq!(id, expected, "{offered}");
    }
}

#[test]
fn other_m_lines_are_rejected_in_place() {
    let (agreement, text) = respond(FIREFOX, None).unwrap();
    assert_eq!(agreement.sections.len(), 3);
    assert!(text.contains("a=group:BUNDLE 0 1\r\n"));
    let rejected =
        "application 0 UDP/DTLS/SCTP webrtc-datachannel\nc=IN IP4 0.0.0.0\na=mid:2\na=inactive\n";
    assert_eq!(section(&text, 2).join("\n"), rejected);
}

#[test]
fn a_voice_call_is_an_offer_without_video() {
    let (session, media) = CHROMIUM.split_once("m=audio").unwrap();
    let audio = media.split("m=video").next().unwrap();
    let voice = format!("{}m=audio{audio}", session.replace("BUNDLE 0 1", "BUNDLE 0"));
    let (agreement, _) = respond(&voice, Some(Codec::Vp8)).unwrap();
    assert_eq!((agreement.media().count(), agreement.video()), (1, None));
    let rejected = CHROMIUM.replace("m=video 9", "m=video 0");
    assert_eq!(respond(&rejected, None).unwrap().0.video(), None);
    let bundle_only = rejected.replace("a=mid:1", "a=mid:1\r\na=bundle-only");
    assert_eq!(respond(&bundle_only, None).unwrap().0.video(), Some(Codec::Vp8));
}

#[test]
fn directions_are_mirrored() {
    for (offered, answered, sends, receives) in [
        ("sendrecv", "sendrecv", true, true),
        ("sendonly", "recvonly", true, false),
        ("recvonly", "sendonly", false, true),
        ("inactive", "inactive", false, false),
    ] {
        let offer = CHROMIUM.replace("a=sendrecv", &format!("a={offered}"));
        let (agreement, text) = respond(&offer, None).unwrap();
        assert_eq!(text.matches(&format!("a={answered}\r\n")).count(), 2, "{offered}");
        assert_eq!(text.contains("a=msid:"), receives, "{offered}");
        assert!(agreement.media().all(|line| line.client_sends == sends));
        assert!(agreement.media().all(|line| line.client_receives == receives));
    }
}

#[test]
fn what_an_offer_lacks_is_named() {
    let without = |line: &str| CHROMIUM.replace(line, "a=x-removed");
    for (offer, lack) in [
        (without("a=group:BUNDLE 0 1"), "a BUNDLE group"),
        (CHROMIUM.replace("BUNDLE 0 1", "BUNDLE 1"), "an audio m-line"),
        (CHROMIUM.replace("m=audio", "m=text"), "an audio m-line"),
        (CHROMIUM.replace("a=mid:0", "a=mid:12345678901234567"), "an audio m-line"),
        (CHROMIUM.replace("a=mid:1", "a=mid:0"), "a mid of"),
        (without("a=mid:0"), "a mid of"),
        (without("a=rtcp-mux"), "RTCP multiplexing"),
        (CHROMIUM.replace("UDP/TLS/RTP/SAVPF", "RTP/AVPF"), "the profile UDP/TLS/RTP/SAVPF"),
        (without("a=ice-ufrag:Ab1+"), "an ICE user fragment"),
        (CHROMIUM.replace("a=ice-ufrag:Ab1+", "a=ice-ufrag:a b!"), "an ICE user fragment"),
        (without("a=ice-pwd:abcdefghijklmnopqrstuv+/"), "an ICE password"),
        (CHROMIUM.replace("a=group", "a=ice-lite\r\na=group"), "a full ICE agent"),
        (CHROMIUM.replace("sha-256", "sha-1"), "a certificate fingerprint"),
        (CHROMIUM.replace(":1E:1F", ":1E"), "a certificate fingerprint"),
        (CHROMIUM.replace("actpass", "passive"), "the DTLS client's role"),
        (without("a=setup:actpass"), "the DTLS client's role"),
        (CHROMIUM.replace("opus/48000/2", "speex/16000"), "audio codec Opus"),
        (CHROMIUM.replace("VP8/", "VP7/").replace("H264/", "H263/"), "video codec VP8 or H.264"),
        ("not a description".to_owned(), "a readable line 1"),
        (CHROMIUM.replace("a=mid:0", "a=mid:0\0"), "a readable line"),
        (format!("{CHROMIUM}{}", "m=audio 9 RTP/AVP 0\r\n".repeat(15)), "a limit of 16 m-lines"),
        (format!("{CHROMIUM}a={}", "x".repeat(64 * 1_024)), "a size of at most 65536 bytes"),
    ] {
        let missing = refused(&offer, None);
        assert!(missing.starts_with(lack), "{missing:?} instead of {lack:?}");
    }
    let no_vp8 = CHROMIUM.replace("VP8/", "VP7/");
    assert_eq!(refused(&no_vp8, Some(Codec::Vp8)), "video codec VP8");
    let no_h264 = CHROMIUM.replace("H264/", "H263/");
    assert!(refused(&no_h264, Some(Codec::H264)).starts_with("video codec H.264"));
}

#[test]
fn stronger_fingerprints_are_taken_and_others_passed_over() {
    let hex = |bytes: usize| vec!["0A"; bytes].join(":");
    let (line, _) = CHROMIUM.split_once("a=fingerprint:").unwrap();
    assert!(!line.is_empty());
    for (name, bytes, algorithm) in
        [("SHA-384", 48, HashAlgorithm::Sha384), ("sha-512", 64, HashAlgorithm::Sha512)]
    {
        let other =
            format!("a=fingerprint:sha-1 {}\r\na=fingerprint:{name} {}", hex(20), hex(bytes));
        let start = CHROMIUM.find("a=fingerprint").unwrap();
        let end = start + CHROMIUM[start..].find("\r\n").unwrap();
        let offer = CHROMIUM.replace(&CHROMIUM[start..end], &other);
        let (agreement, _) = respond(&offer, None).unwrap();
        assert_eq!(agreement.session.fingerprint, Fingerprint { algorithm, hash: vec![10; bytes] });
    }
}

#[test]
fn an_extension_id_for_two_things_is_not_used() {
    let uri = "urn:ietf:params:rtp-hdrext:sdes:mid";
    let offer = CHROMIUM.replace(&format!("a=extmap:4 {uri}"), &format!("a=extmap:3 {uri}"));
    let (agreement, _) = respond(&offer, None).unwrap();
    for line in agreement.media() {
        assert_eq!((line.extensions, line.transport_cc), (ExtensionIds::default(), false));
    }
}

/// An offer of as many m-lines as there are letters: `a` audio, `v` video that the client only
/// receives, and the same in capitals that it also sends. Mids are counted from 0.
fn many(lines: &str) -> String {
    let (session, audio) = CHROMIUM.split_once("m=audio").unwrap();
    let (audio, video) = audio.split_once("m=video").unwrap();
    let mids: Vec<String> = (0..lines.len()).map(|mid| mid.to_string()).collect();
    let mut offer = session.replace("BUNDLE 0 1", &format!("BUNDLE {}", mids.join(" ")));
    for (mid, line) in mids.iter().zip(lines.chars()) {
        let (kind, text, of) = match line.to_ascii_lowercase() {
            'a' => ("m=audio", audio, "a=mid:0\r\n"),
            _ => ("m=video", video, "a=mid:1\r\n"),
        };
        let text = text.replace(of, &format!("a=mid:{mid}\r\n"));
        offer.push_str(kind);
        let way = if line.is_ascii_lowercase() { "a=recvonly" } else { "a=sendrecv" };
        offer.push_str(&text.replace("a=sendrecv", way));
    }
    offer
}

#[test]
fn in_a_room_of_many_every_m_line_is_answered_with_ssrcs_of_its_own() {
    let (agreement, text) = respond_with(Use::All, &many("Vaavv"), None).unwrap();
    let lines: Vec<_> =
        agreement.media().map(|line| (line.codec, line.ssrc, line.rtx_ssrc)).collect();
    let (opus, vp8) = (Codec::Opus, Codec::Vp8);
    let expected =
        [(vp8, 1, Some(2)), (opus, 3, None), (opus, 4, None), (vp8, 5, Some(6)), (vp8, 7, Some(8))];
    assert_eq!(lines, expected);
    let sends: Vec<bool> = agreement.media().map(|line| line.client_sends).collect();
    assert_eq!(sends, [true, false, false, false, false]);
    assert!(text.contains("a=group:BUNDLE 0 1 2 3 4\r\n"));
    // The n-th audio and the n-th video are one person's, and the media's SSRC is named first.
    for (index, stream, ssrc) in
        [(0, "slot1", 1), (1, "slot1", 3), (2, "slot2", 4), (3, "slot2", 5), (4, "slot3", 7)]
    {
        let section = section(&text, index);
        assert!(section.iter().any(|line| line.starts_with(&format!("a=msid:{stream} "))));
        let first = section.iter().find(|line| line.starts_with("a=ssrc:")).unwrap();
        assert_eq!(*first, format!("a=ssrc:{ssrc} cname:{stream}"), "{section:?}");
    }
}

#[test]
fn in_a_room_of_many_all_video_is_of_one_codec_and_there_need_not_be_any_audio() {
    let (agreement, _) = respond_with(Use::All, &many("vv"), Some(Codec::H264)).unwrap();
    assert!(agreement.media().all(|line| line.codec == Codec::H264));
    // The first m-line prefers VP8 and the second does not know it.
    let (first, second) =
        many("vv").rsplit_once("m=video").map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
    let offer = format!("{first}m=video{}", second.replace("VP8/", "VP7/"));
    let lacks = respond_with(Use::All, &offer, None).unwrap_err();
    assert_eq!(lacks.to_string(), "video codec VP8");
    let none = CHROMIUM.replace("m=audio", "m=text").replace("m=video", "m=text");
    let lacks = respond_with(Use::All, &none, None).unwrap_err();
    assert_eq!(lacks.to_string(), "an m-line for audio or video in the BUNDLE group");
    assert_eq!(refused(&none, None), "an audio m-line in the BUNDLE group");
}

#[test]
fn a_call_uses_the_first_m_line_of_each_kind() {
    let (agreement, text) = respond(&many("avav"), None).unwrap();
    assert_eq!(agreement.media().count(), 2);
    assert!(text.contains("a=group:BUNDLE 0 1\r\n"));
}

#[test]
fn ssrcs_are_never_zero_however_many_there_are() {
    for random in [0, 1, u32::MAX - 33, u32::MAX - 32, u32::MAX - 2, u32::MAX] {
        let offer = many(&"v".repeat(16));
        let offer = Offer::read(&offer, Use::All).unwrap();
        let agreement = agree(&offer, None, &[], Ssrcs::drawn(random)).unwrap();
        let ssrcs = agreement.media().flat_map(|line| [Some(line.ssrc), line.rtx_ssrc]).flatten();
        let ssrcs: Vec<u32> = ssrcs.collect();
        assert_eq!(ssrcs.len(), 32);
        assert!(ssrcs[0] > 0 && ssrcs.is_sorted_by(|one, next| one < next), "{random}: {ssrcs:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_mutation_panics_or_injects_lines(
        firefox in any::<bool>(),
        used in prop::sample::select(vec![Use::Pair, Use::All]),
        peer in prop::sample::select(vec![None, Some(Codec::Vp8), Some(Codec::H264)]),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..12_usize, ".{0,8}"), 1..12),
    ) {
        let mut offer: Vec<char> = if firefox { FIREFOX } else { CHROMIUM }.chars().collect();
        for (at, removed, inserted) in edits {
            let start = at.index(offer.len() + 1);
            let end = (start + removed).min(offer.len());
            offer.splice(start..end, inserted.chars());
        }
        let offer: String = offer.into_iter().collect();
        if let Ok((agreement, text)) = respond_with(used, &offer, peer) {
            prop_assert_eq!(text.matches("\r\nm=").count(), agreement.sections.len());
            for line in text.split_terminator("\r\n") {
                let printable = line.bytes().all(|byte| (0x20..0x7f).contains(&byte));
                prop_assert!(printable && line.as_bytes().get(1) == Some(&b'='), "{:?}", line);
            }
        }
    }

    #[test]
    fn shuffled_and_repeated_lines_never_panic(
        picks in prop::collection::vec(any::<prop::sample::Index>(), 1..250),
    ) {
        let lines: Vec<&str> = CHROMIUM.split_inclusive('\n').collect();
        let offer: String = picks.iter().map(|pick| lines[pick.index(lines.len())]).collect();
        let _ = respond(&offer, None);
    }
}
