//! Later offers from the same peer connection: restarts of ICE, other m-lines.

use super::*;

/// A client's offer, as its peer connection makes it from the beginning and later.
struct Offering {
    call: CallId,
    offer: String,
    certificate: dimpl::DtlsCertificate,
}

impl Offering {
    fn new(world: &mut World) -> Self {
        let certificate = generate_self_signed_certificate().unwrap();
        let offer = OFFER.replace(OFFERED_HASH, &certificate.fingerprint_str());
        Self { call: world.open(), offer, certificate }
    }

    fn made(&self, world: &mut World, offer: &str) -> Result<String, OfferRefusal> {
        let (call, party) = (self.call, Party::Fan);
        let offer = offer.to_owned();
        let heard = world.command(RelayCommand::Admit { call, party, request: 7, offer });
        match &heard.events[..] {
            [RelayEvent::Answered { answer, .. }] => Ok(answer.clone()),
            [RelayEvent::Refused { refusal, .. }] => Err(refusal.clone()),
            other => panic!("{other:?}"),
        }
    }

    fn client(&self, world: &World, answer: &str) -> Client {
        let (call, party) = (self.call, Party::Fan);
        let place = Place::Call(LegKey { call, side: translate::side(party) });
        let known =
            (place, RelayEvent::Connected { call, party }, RelayEvent::Gone { call, party });
        world.client(self.certificate.clone(), answer, known)
    }
}

fn values<'a>(answer: &'a str, name: &str) -> Vec<&'a str> {
    answer.lines().filter_map(|line| line.strip_prefix(name)).collect()
}

#[test]
fn a_restart_of_ice_keeps_the_handshake_and_moves_media_with_the_nomination() {
    let mut world = World::new();
    let offering = Offering::new(&mut world);
    let first = offering.made(&mut world, &offering.offer).unwrap();
    let mut client = offering.client(&world, &first);
    world.connect(&mut client, 9);

    let restarted = offering.offer.replace("a=ice-ufrag:Ab1+", "a=ice-ufrag:Cd2+");
    let second = offering.made(&mut world, &restarted).unwrap();
    assert_eq!(world.exchange.legs.len(), 1);
    for kept in ["a=fingerprint:", "a=ssrc:", "a=candidate:", "a=rtpmap:"] {
        assert_eq!(values(&first, kept), values(&second, kept));
    }
    for fresh in ["a=ice-ufrag:", "a=ice-pwd:"] {
        assert_ne!(values(&first, fresh), values(&second, fresh));
    }
    let [one, other] = [&first, &second].map(|answer| values(answer, "o=- ")[0].split_once(' '));
    let ((id, version), (same, later)) = (one.unwrap(), other.unwrap());
    assert_eq!((id, version, later), (same, "1 IN IP4 0.0.0.0", "2 IN IP4 0.0.0.0"));

    // The earlier path serves until the client has chosen another.
    assert_eq!(world.check(&client, 9, true).sent.len(), 1);
    let mut moved = offering.client(&world, &second);
    moved.username = moved.username.replace("Ab1+", "Cd2+");
    assert_eq!(world.check(&moved, 10, false).sent.len(), 1);
    assert_eq!(world.destination(&client), Some(from(9)));
    assert_eq!(world.check(&moved, 10, true).sent.len(), 1);
    assert_eq!(world.destination(&client), Some(from(10)));
    assert!(world.check(&client, 9, true).sent.is_empty(), "the earlier credentials are void");
    for _ in 0..3 {
        assert!(world.pass(ElapsedMs(CONSENT.0 - 1)).events.is_empty());
        world.check(&moved, 10, true);
    }
}

#[test]
fn an_offer_that_comes_again_gets_the_same_answer_and_makes_no_second_connection() {
    let mut world = World::new();
    let offering = Offering::new(&mut world);
    let first = offering.made(&mut world, &offering.offer).unwrap();
    let second = offering.made(&mut world, &offering.offer).unwrap();
    assert_eq!(first.replace(" 1 IN IP4", " 2 IN IP4"), second);
    let mut client = offering.client(&world, &second);
    world.connect(&mut client, 9);
    assert_eq!(world.exchange.legs.len(), 1);
}

#[test]
fn another_peer_connection_of_the_same_client_is_another_connection() {
    let mut world = World::new();
    let offering = Offering::new(&mut world);
    let first = offering.made(&mut world, &offering.offer).unwrap();
    let mut client = offering.client(&world, &first);
    world.connect(&mut client, 9);
    let origin = offering.offer.lines().find(|line| line.starts_with("o=")).unwrap();
    for other in [
        offering.offer.replace(origin, "o=- 99 2 IN IP4 127.0.0.1"),
        offering.offer.replace(&format!("{origin}\r\n"), ""),
    ] {
        let answer = offering.made(&mut world, &other).unwrap();
        assert_eq!(world.exchange.legs.len(), 2);
        assert_ne!(values(&first, "a=ice-ufrag:"), values(&answer, "a=ice-ufrag:"));
    }
}

#[test]
fn m_lines_that_change_keep_their_sources() {
    let mut world = World::new();
    let offering = Offering::new(&mut world);
    let first = offering.made(&mut world, &offering.offer).unwrap();
    let mut client = offering.client(&world, &first);
    world.connect(&mut client, 9);
    let (head, video) = offering.offer.split_once("m=video").unwrap();
    let receiving = format!("{head}m=video{}", video.replacen("a=sendrecv", "a=recvonly", 1));
    let second = offering.made(&mut world, &receiving).unwrap();
    assert_eq!(values(&first, "a=ssrc:"), values(&second, "a=ssrc:"));
    assert!(second.contains("a=sendonly") && !first.contains("a=sendonly"));
    let without = format!("{head}m=video{}", video.replacen(" 96 97", " 127", 1));
    assert!(matches!(offering.made(&mut world, &without), Err(OfferRefusal::Unsupported { .. })));
    assert_eq!(world.destination(&client), Some(from(9)), "a refused offer changes nothing");
}
