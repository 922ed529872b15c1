//! Rooms of many: what is said in which order, who is told what, and how they end.

use super::*;
use crate::gatherings::DESERTED_MAX;
use media_core::{Role, SrtpContext};
use protocol::service::{GroupCommand, GroupTrack, LineMedium};
use units::{GroupId, MemberId};

/// The m-lines of the offer, by their mids.
const AUDIO: &str = "0";
const VIDEO: &str = "1";

/// A member that is connected.
struct Guest {
    member: MemberId,
    client: Client,
    port: u16,
    srtp: SrtpContext,
    /// What we send on the audio and the video m-line.
    ssrcs: [u32; 2],
    sequence: u16,
}

/// A room of many under test.
struct Party {
    world: World,
    group: GroupId,
    ports: u16,
}

impl Party {
    fn new() -> Self {
        let (world, group) = (World::new(), service_kit::entropy::group_id());
        let mut party = Self { world, group, ports: 100 };
        assert_eq!(party.say(GroupCommand::Open), []);
        party
    }

    fn say(&mut self, command: GroupCommand) -> Vec<GroupEvent> {
        let group = self.group;
        let heard = self.world.command(RelayCommand::Group { group, command });
        heard.events.into_iter().map(|event| self.of_ours(event)).collect()
    }

    fn of_ours(&self, event: RelayEvent) -> GroupEvent {
        let RelayEvent::Group { group, event } = event else { panic!("{event:?}") };
        assert_eq!(group, self.group);
        event
    }

    fn offer(&mut self, member: MemberId) -> (Client, [u32; 2]) {
        let certificate = generate_self_signed_certificate().unwrap();
        let offer = OFFER.replace(OFFERED_HASH, &certificate.fingerprint_str());
        let told = self.say(GroupCommand::Admit { member, request: 7, offer });
        let [GroupEvent::Answered { request: 7, answer, lines, .. }] = &told[..] else {
            panic!("{told:?}");
        };
        let named: Vec<_> = lines.iter().map(|line| (&line.line[..], line.medium)).collect();
        assert_eq!(named, [(AUDIO, LineMedium::Audio), (VIDEO, LineMedium::Video)]);
        assert!(lines.iter().all(|line| line.sends && line.receives));
        let ssrcs = ["m=audio", "m=video"].map(|line| {
            let section = &answer[answer.find(line).unwrap()..];
            let ssrc = section.split("a=ssrc:").nth(1).unwrap();
            ssrc.split(' ').next().unwrap().parse().unwrap()
        });
        let group = self.group;
        let event = |event| RelayEvent::Group { group, event };
        let connected = event(GroupEvent::Connected { member });
        let gone = event(GroupEvent::Gone { member });
        let place = Place::Group(group, member);
        (self.world.client(certificate, answer, (place, connected, gone)), ssrcs)
    }

    fn join(&mut self, member: MemberId) -> Guest {
        let (mut client, ssrcs) = self.offer(member);
        self.ports += 1;
        self.world.connect(&mut client, self.ports);
        let mut buffer = [0; 2_048];
        let srtp = loop {
            if let Output::KeyingMaterial(material, profile) = client.dtls.poll_output(&mut buffer)
            {
                assert_eq!(profile, dimpl::SrtpProfile::AEAD_AES_256_GCM);
                let profile = media_core::SrtpProfile::AeadAes256Gcm;
                break SrtpContext::new(profile, material.as_ref(), Role::Client, 8).unwrap();
            }
        };
        Guest { member, client, port: self.ports, srtp, ssrcs, sequence: 0 }
    }

    fn enter(&mut self) -> Guest {
        self.join(service_kit::entropy::member_id())
    }

    fn hear(&mut self, listener: &Guest, line: &str, of: Option<(MemberId, &str)>) {
        let told = self.try_hear(listener.member, line, of);
        assert_eq!(told, []);
    }

    fn try_hear(
        &mut self,
        listener: MemberId,
        line: &str,
        of: Option<(MemberId, &str)>,
    ) -> Vec<GroupEvent> {
        let track = of.map(|(member, line)| GroupTrack { member, line: line.to_owned() });
        self.say(GroupCommand::Hear { listener, line: line.to_owned(), track })
    }

    /// An audio packet of `from`: where it goes, and on which of our SSRCs.
    fn audio(&mut self, from: &mut Guest) -> Vec<(SocketAddr, u32)> {
        from.sequence += 1;
        let mut packet = vec![0x80, 111];
        packet.extend(from.sequence.to_be_bytes());
        packet.extend([0, 0, 0, 1]);
        packet.extend(u32::from(from.port).to_be_bytes());
        // RFC 8285: the mid names the m-line.
        packet[0] |= 0x10;
        packet.extend([0xbe, 0xde, 0, 1, 4 << 4, AUDIO.as_bytes()[0], 0, 0]);
        packet.extend(b"sound");
        from.srtp.sealer.seal_rtp(&mut packet, 0).unwrap();
        let Self { world, .. } = self;
        world.exchange.receive(world.now, super::from(from.port), &mut packet);
        let heard = world.heard();
        assert_eq!(heard.nowhere, 0);
        let sent = heard.sent.into_iter();
        let media = sent.filter(|(_, datagram)| !(192..=223).contains(&datagram[1]));
        media
            .map(|(to, datagram)| (to, u32::from_be_bytes(datagram[8..12].try_into().unwrap())))
            .collect()
    }

    fn check(&mut self, guest: &Guest) -> usize {
        self.world.check(&guest.client, guest.port, true).sent.len()
    }
}

fn at(guest: &Guest) -> (SocketAddr, u32) {
    (from(guest.port), guest.ssrcs[0])
}

#[test]
fn whoever_is_to_hear_a_publisher_does_whichever_of_them_came_first() {
    let mut party = Party::new();
    let [early, late] = [0; 2].map(|_| service_kit::entropy::member_id());
    let publisher = service_kit::entropy::member_id();
    assert_eq!(party.try_hear(late, AUDIO, Some((publisher, AUDIO))), []);
    let early = party.join(early);
    party.hear(&early, AUDIO, Some((publisher, AUDIO)));
    let mut publisher = party.join(publisher);
    assert_eq!(party.audio(&mut publisher), [at(&early)]);
    let late = party.join(late);
    assert_eq!(party.audio(&mut publisher), [at(&early), at(&late)]);
    party.hear(&early, AUDIO, Some((publisher.member, AUDIO)));
    assert_eq!(party.audio(&mut publisher), [at(&early), at(&late)], "a repeat changes nothing");
    party.hear(&early, AUDIO, None);
    assert_eq!(party.audio(&mut publisher), [at(&late)]);
}

#[test]
fn a_publisher_that_comes_again_is_heard_by_whom_it_was() {
    let mut party = Party::new();
    let (earlier, listener) = (party.enter(), party.enter());
    party.hear(&listener, AUDIO, Some((earlier.member, AUDIO)));
    let mut again = party.join(earlier.member);
    assert_eq!(party.audio(&mut again), [at(&listener)]);
    assert_eq!(party.check(&earlier), 0, "the earlier connection is gone");
    let listener = party.join(listener.member);
    assert_eq!(party.audio(&mut again), [at(&listener)]);
    assert_eq!(party.world.exchange.legs.len(), 2);
}

#[test]
fn a_muted_line_is_silent_until_it_is_not_also_after_a_new_join() {
    let mut party = Party::new();
    let (mut publisher, listener) = (party.enter(), party.enter());
    party.hear(&listener, AUDIO, Some((publisher.member, AUDIO)));
    assert_eq!(party.audio(&mut publisher), [at(&listener)]);
    let mute = |publisher: &Guest, muted| GroupCommand::Mute {
        member: publisher.member,
        line: AUDIO.to_owned(),
        muted,
    };
    for _ in 0..2 {
        assert_eq!(party.say(mute(&publisher, true)), []);
        assert_eq!(party.audio(&mut publisher), []);
    }
    let mut publisher = party.join(publisher.member);
    assert_eq!(party.audio(&mut publisher), []);
    party.say(mute(&publisher, false));
    assert_eq!(party.audio(&mut publisher), [at(&listener)]);
}

#[test]
fn what_can_not_be_heard_is_told_with_a_code_and_changes_nothing() {
    let mut party = Party::new();
    let (mut publisher, listener) = (party.enter(), party.enter());
    party.hear(&listener, AUDIO, Some((publisher.member, AUDIO)));
    for (line, of, code) in [
        ("7", AUDIO, "group.no_line"),
        (AUDIO, "7", "group.no_line"),
        (AUDIO, VIDEO, "group.other_codec"),
        (AUDIO, "a mid that is longer than sixteen", "group.no_line"),
        ("", AUDIO, "group.no_line"),
    ] {
        let told = party.try_hear(listener.member, line, Some((publisher.member, of)));
        let [GroupEvent::NotHeard { listener: who, line: on, code: why }] = &told[..] else {
            panic!("{told:?}");
        };
        assert_eq!((*who, &on[..], &why[..]), (listener.member, line, code));
        assert_eq!(party.audio(&mut publisher), [at(&listener)]);
    }
}

#[test]
fn who_leaves_or_is_lost_is_told_gone_and_is_sent_nothing_more() {
    let mut party = Party::new();
    let (mut publisher, left, lost) = (party.enter(), party.enter(), party.enter());
    for listener in [&left, &lost] {
        party.hear(listener, AUDIO, Some((publisher.member, AUDIO)));
    }
    let told = party.say(GroupCommand::Leave { member: left.member });
    assert_eq!(told, [GroupEvent::Gone { member: left.member }]);
    assert_eq!(party.say(GroupCommand::Leave { member: left.member }), []);
    assert_eq!(party.audio(&mut publisher), [at(&lost)]);
    party.world.pass(ElapsedMs(CONSENT.0 - 1));
    party.check(&publisher);
    assert_eq!(party.world.pass(ElapsedMs(1)).events, [gone(&lost.client)]);
    assert_eq!(party.audio(&mut publisher), []);
    // What was said of it stays for its return.
    let lost = party.join(lost.member);
    assert_eq!(party.audio(&mut publisher), [at(&lost)]);
    let left = party.join(left.member);
    assert_eq!(party.audio(&mut publisher), [at(&lost)], "{:?} was forgotten", left.member);
}

#[test]
fn a_closed_or_deserted_room_is_forgotten_and_answers_no_offer() {
    let mut party = Party::new();
    let guest = party.enter();
    assert_eq!(party.say(GroupCommand::Open), [], "a repeat changes nothing");
    assert_eq!(party.check(&guest), 1);
    assert_eq!(party.say(GroupCommand::Close), [GroupEvent::Closed]);
    assert_eq!(party.say(GroupCommand::Close), [GroupEvent::Closed]);
    assert_eq!(party.check(&guest), 0);
    assert_eq!((party.world.exchange.legs.len(), party.world.exchange.next_wake()), (0, None));
    let (member, offer) = (guest.member, OFFER.to_owned());
    let told = party.say(GroupCommand::Admit { member, request: 8, offer });
    let refusal = OfferRefusal::NoRoom;
    assert_eq!(told, [GroupEvent::Refused { member, request: 8, refusal }]);

    party.say(GroupCommand::Open);
    let guest = party.enter();
    party.say(GroupCommand::Leave { member: guest.member });
    assert_eq!(party.world.pass(ElapsedMs(DESERTED_MAX.0 - 1)).events, []);
    assert!(!party.world.exchange.is_empty());
    let told = party.world.pass(ElapsedMs(1)).events;
    assert_eq!(told, [RelayEvent::Group { group: party.group, event: GroupEvent::Closed }]);
    assert!(party.world.exchange.is_empty());
}

#[test]
fn a_restart_of_signaling_closes_rooms_of_many_too() {
    let mut party = Party::new();
    party.enter();
    let told = party.world.command(RelayCommand::CloseAll).events;
    assert_eq!(told, [RelayEvent::Group { group: party.group, event: GroupEvent::Closed }]);
    assert!(party.world.exchange.is_empty());
}

#[test]
fn a_bug_in_a_room_ends_that_room_and_no_other_and_no_call() {
    let mut party = Party::new();
    let (mut publisher, listener) = (party.enter(), party.enter());
    party.hear(&listener, AUDIO, Some((publisher.member, AUDIO)));
    let broken = party.group;
    let call = party.world.open();
    let mut fan = party.world.offer(call, protocol::client::Party::Fan);
    party.world.connect(&mut fan, 9);
    let other = std::mem::replace(&mut party.group, service_kit::entropy::group_id());
    party.say(GroupCommand::Open);
    let (mut speaker, hearer) = (party.enter(), party.enter());
    party.hear(&hearer, AUDIO, Some((speaker.member, AUDIO)));

    party.world.exchange.contain(party.world.now, |exchange| {
        exchange.serving = Some(Served::Group(broken));
        panic!("a bug, on purpose");
    });
    let told = party.world.heard().events;
    assert_eq!(told, [RelayEvent::Group { group: other, event: GroupEvent::Closed }]);
    assert_eq!(party.audio(&mut publisher), []);
    assert_eq!(party.audio(&mut speaker), [at(&hearer)]);
    assert_eq!(party.world.destination(&fan), Some(from(9)));

    // One that nobody can be blamed for ends all.
    party.world.exchange.contain(party.world.now, |_| panic!("a bug, on purpose"));
    let told = party.world.heard().events;
    let closed = RelayEvent::Group { group: party.group, event: GroupEvent::Closed };
    assert_eq!(told, [gone(&fan), closed]);
    assert!(party.world.exchange.is_empty());
}

#[test]
fn datagrams_and_timers_are_served_in_the_name_of_their_room() {
    let mut party = Party::new();
    let mut publisher = party.enter();
    party.audio(&mut publisher);
    assert_eq!(party.world.exchange.serving, Some(Served::Group(party.group)));
    party.world.exchange.serving = None;
    party.world.now = party.world.exchange.forwarder.next_wake().unwrap();
    party.world.exchange.wake(party.world.now);
    assert_eq!(party.world.exchange.serving, Some(Served::Group(party.group)));
    assert!(party.world.heard().sent.iter().all(|(to, _)| *to == from(publisher.port)));
}
