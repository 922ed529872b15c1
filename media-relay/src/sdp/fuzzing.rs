//! Offers of anybody.

use super::lines::{Description, is_token};
use super::{Local, Offer, Ssrcs, Streams, Use, agree, answer};
use crate::limits::{OFFER_BYTES_MAX, SECTIONS_MAX};
use std::collections::BTreeSet;

/// Bytes of our answer for one m-line, apart from the offer's own words in it.
const SECTION_BYTES_MAX: usize = 2_048;

/// Reads an offer. If it can be answered, the answer is bounded, is SDP line by line, has the
/// offer's m-lines and nothing that was not offered; and a repeated offer changes nothing.
///
/// # Panics
/// If that does not hold.
pub fn sdp(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for used in [Use::Pair, Use::All] {
        answered(text, used);
    }
}

fn answered(text: &str, used: Use) {
    let Ok(offer) = Offer::read(text, used) else { return };
    assert!(text.len() <= OFFER_BYTES_MAX && offer.sections.len() <= SECTIONS_MAX);
    let Ok(agreement) = agree(&offer, None, &[], Ssrcs::drawn(7)) else { return };
    let lines: Vec<_> = agreement.media().copied().collect();
    let repeated = agree(&offer, agreement.video(), &lines, Ssrcs::drawn(70));
    let repeated = repeated.expect("what was agreed on can be agreed on again");
    assert_eq!(repeated.media().copied().collect::<Vec<_>>(), lines);

    let candidates = ["192.0.2.7:5000".parse().expect("an address")];
    let local = Local {
        session: (42, 1),
        ufrag: "ourufrag",
        pwd: "our password",
        fingerprint: "AB:CD",
        candidates: &candidates,
        streams: Streams::One("host"),
    };
    let written = answer(&agreement, &local);
    let most = (1 + offer.sections.len()) * SECTION_BYTES_MAX + text.len();
    assert!(written.len() <= most, "{} bytes answer {}", written.len(), text.len());
    let body = written.strip_suffix("\r\n").expect("lines end");
    for line in body.split("\r\n") {
        let (kind, _) = line.split_once('=').expect("a line of SDP");
        assert!(kind.len() == 1 && !line.chars().any(char::is_control), "{line:?}");
    }
    let read = Description::read(&written).expect("what is ours can be read");
    assert_eq!(read.sections.len(), offer.sections.len());
    let mut ssrcs = BTreeSet::new();
    for (ours, theirs) in read.sections.iter().zip(&offer.sections) {
        assert_eq!(ours.kind, theirs.kind);
        let mid = theirs.attributes.value("mid").filter(|mid| is_token(mid));
        assert_eq!(ours.attributes.value("mid"), mid);
        assert!(ours.formats.iter().all(|format| theirs.formats.contains(format)));
    }
    for line in &lines {
        let all = [Some(line.ssrc), line.rtx_ssrc].into_iter().flatten();
        assert!(all.into_iter().all(|ssrc| ssrc > 0 && ssrcs.insert(ssrc)), "{lines:?}");
    }
}
