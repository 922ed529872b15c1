//! Clients and strangers that mean harm: what they do costs nobody else's leg.

use super::*;
use crate::metrics::Dropped;

impl World {
    fn judge(&mut self, port: u16, datagram: &[u8]) -> Result<(), Dropped> {
        self.exchange.judge(self.now, from(port), &mut datagram.to_vec())
    }
}

/// Datagrams that begin like DTLS (RFC 6347 section 4.1): alerts, handshakes and application data
/// of both epochs, cut off or full of nothing.
fn dtls_garbage() -> Vec<Vec<u8>> {
    let mut garbage = vec![vec![63], vec![22, 254, 253]];
    for kind in 20..=26 {
        for epoch in [0, 1, 255] {
            for len in [0_u8, 1, 2, 12, 40, 200] {
                let mut record = vec![kind, 254, 253, 0, epoch, 0, 0, 0, 0, 0, 9, 0, len];
                record.extend((0..len).map(|byte| byte.wrapping_mul(7)));
                garbage.push(record.clone());
                // The same, said to be longer than it is.
                record[11] = 0x40;
                garbage.push(record);
            }
        }
    }
    garbage
}

#[test]
fn dtls_that_somebody_forges_in_a_clients_name_ends_no_leg() {
    let mut world = World::new();
    let call = world.open();
    let mut client = world.offer(call, Party::Fan);
    world.connect(&mut client, 9);
    for record in dtls_garbage() {
        world.exchange.receive(world.now, from(9), &mut record.clone());
        assert_eq!(world.heard().events, [], "{record:02x?}");
    }
    assert_eq!(world.destination(&client), Some(from(9)));
    world.check(&client, 9, true);
    assert!(world.pass(ElapsedMs(CONSENT.0 - 1)).events.is_empty());
}

#[test]
fn a_handshake_that_never_ends_is_given_up_and_is_sent_little() {
    let mut world = World::new();
    let call = world.open();
    let mut client = world.offer(call, Party::Fan);
    world.check(&client, 9, false);
    // Its first flight is answered; from then on it says nothing.
    let mut sent = world.shake(&mut client, 9).sent;
    assert!(!sent.is_empty(), "no handshake began");
    let heard = world.pass(JOIN_TIMEOUT);
    sent.extend(heard.sent);
    assert_eq!(heard.events, [gone(&client)]);
    assert_eq!(world.exchange.legs.len(), 0);
    let bytes: usize = sent.iter().map(|(_, datagram)| datagram.len()).sum();
    assert!(bytes < 16_384, "{bytes}");
    assert!(world.pass(ElapsedMs::from_secs(60)).sent.is_empty());
}

#[test]
fn a_client_that_floods_checks_or_dtls_is_cut_off_at_its_rate_and_stays() {
    let mut world = World::new();
    let call = world.open();
    let mut client = world.offer(call, Party::Fan);
    world.connect(&mut client, 9);
    let mut answers = 0;
    for _ in 0..5_000 {
        answers += world.check(&client, 9, true).sent.len();
    }
    assert!((100..1_000).contains(&answers), "{answers}");
    let record = [&[23, 254, 253, 0, 1, 0, 0, 0, 0, 0, 9, 1, 0][..], &[7; 256]].concat();
    let judged: Vec<_> = (0..5_000).map(|_| world.judge(9, &record)).collect();
    assert!(judged[..100].iter().all(Result::is_ok));
    assert!(judged[1_000..].iter().all(|judged| *judged == Err(Dropped::OverRate)));
    // The purse for checks is another one, and fills again.
    world.pass(ElapsedMs::from_secs(5));
    assert_eq!(world.check(&client, 9, true).sent.len(), 1);
    assert_eq!(world.destination(&client), Some(from(9)));
}

#[test]
fn media_from_a_clients_address_that_is_not_its_own_is_told_by_reason() {
    let mut world = World::new();
    let call = world.open();
    let mut client = world.offer(call, Party::Fan);
    world.check(&client, 9, true);
    let mut rtp = [0x80; 60];
    rtp[1] = 111;
    assert_eq!(world.judge(9, &rtp), Err(Dropped::UnknownSource), "before it is connected");
    world.connect(&mut client, 9);
    let mut rtcp = rtp;
    rtcp[1] = 200;
    for (datagram, why) in [
        (&rtp[..], Dropped::ForgedMedia),
        (&rtcp, Dropped::ForgedMedia),
        (&rtp[..11], Dropped::MalformedMedia),
        (&rtcp[..7], Dropped::MalformedMedia),
        (&rtp[..1], Dropped::MalformedMedia),
    ] {
        assert_eq!(world.judge(9, datagram), Err(why), "{} bytes", datagram.len());
        assert_eq!(world.judge(10, datagram), Err(Dropped::UnknownSource));
    }
    assert!(world.heard().sent.is_empty());
}
