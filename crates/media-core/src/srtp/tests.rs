//! Vectors of the RFCs, and what a stranger may try.

use super::cipher::Cipher;
use super::*;
use proptest::prelude::*;

pub(super) fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .map(|c| c.to_digit(16).unwrap() as u8)
        .collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

const PROFILES: [SrtpProfile; 3] =
    [SrtpProfile::AeadAes128Gcm, SrtpProfile::AeadAes256Gcm, SrtpProfile::Aes128CmSha1_80];

fn pair(profile: SrtpProfile) -> (SrtpContext, SrtpContext) {
    let keys: Vec<u8> = (0..96).collect();
    let side = |role| SrtpContext::new(profile, &keys, role, 4).unwrap();
    (side(Role::Client), side(Role::Server))
}

fn rtp(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 111];
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0, 9]);
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(b"some payload");
    packet
}

fn sealed(sealer: &mut Sealer, mut packet: Vec<u8>) -> Vec<u8> {
    sealer.seal_rtp(&mut packet, 0).unwrap();
    packet
}

/// RFC 7714 sections 16.1 and 16.2: session keys, one RTP packet.
#[test]
fn rtp_of_rfc_7714_section_16() {
    let salt = *b"Quid pro quo";
    let mut plain = unhex("8040f17b8041f8d35501a0b2");
    plain.extend_from_slice(b"Gallia est omnis divisa in partes tres");
    for (key_len, expected) in [
        (
            16,
            "8040f17b8041f8d35501a0b2 f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7
             d19b36de3adf8833 899d7f27beb16a9152cf765ee4390cce",
        ),
        (
            32,
            "8040f17b8041f8d35501a0b2 32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ff
             ae0f1ba63799b87b 7aa3db36dfffd6b0f9bb7878d7a76c13",
        ),
    ] {
        let key: Vec<u8> = (0..key_len).collect();
        let cipher = Cipher::gcm(&key, salt);
        let mut packet = plain.clone();
        cipher.seal_rtp(&mut packet, 0, 12, 0x5501_a0b2, 0xf17b);
        assert_eq!(packet, unhex(expected));
        assert_eq!(cipher.open_rtp(&mut packet, 12, 0x5501_a0b2, 0xf17b), Some(plain.len()));
        assert_eq!(packet[..plain.len()], plain);
    }
}

/// RFC 7714 section 17.1: session keys, one RTCP packet with index 0x5d4.
#[test]
fn rtcp_of_rfc_7714_section_17() {
    let cipher = Cipher::gcm(&(0..16).collect::<Vec<u8>>(), *b"Quid pro quo");
    let plain = unhex(
        "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeef
         deadbeefdeadbeef",
    );
    let mut packet = plain.clone();
    cipher.seal_rtcp(&mut packet, 0, 0x4d61_7273, 0x5d4);
    let expected = unhex(
        "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b46
         86303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4",
    );
    assert_eq!(packet, expected);
    assert_eq!(cipher.rtcp_index(&packet), Some(0x5d4));
    assert_eq!(cipher.open_rtcp(&mut packet, 0x4d61_7273, 0x5d4), Some(plain.len()));
    assert_eq!(packet[..plain.len()], plain);
}

/// RFC 3711 appendix B.2: the first three blocks of the key stream.
#[test]
fn key_stream_of_rfc_3711_b_2() {
    let salt = unhex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD").try_into().unwrap();
    let key = unhex("2B7E151628AED2A6ABF7158809CF4F3C").try_into().unwrap();
    let mut bytes = vec![0; 48];
    Cipher::cm(&key, salt, &[0; 20]).seal_rtp(&mut bytes, 0, 0, 0, 0);
    let expected = unhex(
        "E03EAD0935C95E80E166B16DD92B4EB4 D23513162B02D0F72A43A2FE4A5F97AB
         41E95B3BB0A2E8DD477901E4FCA894C0",
    );
    assert_eq!(bytes[..48], expected);
}

/// The master key and salt of RFC 3711 appendix B.3 with the packet that libsrtp is checked by.
#[test]
fn a_whole_packet_with_hmac_sha1() {
    let (key, salt) =
        (unhex("E1F97A0D3E018BE0D64FA32C06DE4139"), unhex("0EC675AD498AFEEBB6960B3AABE6"));
    let cipher = Cipher::rtp(SrtpProfile::Aes128CmSha1_80, &key, &salt);
    let mut packet = unhex("800f1234decafbadcafebabe abababababababababababababababab");
    cipher.seal_rtp(&mut packet, 0, 12, 0xcafe_babe, 0x1234);
    let expected =
        unhex("800f1234decafbadcafebabe 4e55dc4ce79978d88ca4d215949d2402 b78d6acc99ea179b8dbb");
    assert_eq!(packet, expected);
}

#[test]
fn both_roles_understand_each_other() {
    for profile in PROFILES {
        let (mut client, mut server) = pair(profile);
        for (from, to) in [(true, false), (false, true)] {
            let (from, to) =
                if from && !to { (&mut client, &mut server) } else { (&mut server, &mut client) };
            let mut packet = sealed(&mut from.sealer, rtp(7, 1_000));
            assert_ne!(packet[12..24], *b"some payload");
            let len = to.opener.open_rtp(&mut packet).unwrap();
            assert_eq!(packet[..len], rtp(7, 1_000));

            let mut report = vec![0x80, 201, 0, 2, 0, 0, 0, 7, 1, 2, 3, 4];
            from.sealer.seal_rtcp(&mut report, 0).unwrap();
            let len = to.opener.open_rtcp(&mut report).unwrap();
            assert_eq!(report[..len], [0x80, 201, 0, 2, 0, 0, 0, 7, 1, 2, 3, 4]);
        }
    }
}

#[test]
fn a_replayed_packet_is_refused() {
    for profile in PROFILES {
        let (mut client, mut server) = pair(profile);
        let packet = sealed(&mut client.sealer, rtp(7, 1));
        assert!(server.opener.open_rtp(&mut packet.clone()).is_ok());
        assert_eq!(server.opener.open_rtp(&mut packet.clone()), Err(SrtpError::Replayed));
        let mut report = vec![0x80, 201, 0, 1, 0, 0, 0, 7];
        client.sealer.seal_rtcp(&mut report, 0).unwrap();
        assert!(server.opener.open_rtcp(&mut report.clone()).is_ok());
        assert_eq!(server.opener.open_rtcp(&mut report), Err(SrtpError::Replayed));
    }
}

#[test]
fn forged_packets_leave_nothing_behind() {
    for profile in PROFILES {
        let (mut client, mut server) = pair(profile);
        let genuine = sealed(&mut client.sealer, rtp(7, 1));
        for at in 0..genuine.len() {
            let mut forged = genuine.clone();
            forged[at] ^= 0x10;
            assert!(server.opener.open_rtp(&mut forged).is_err(), "{profile:?} byte {at}");
        }
        for ssrc in 0..1_000 {
            let mut forged = rtp(ssrc, 9);
            forged.extend_from_slice(&[0; 16]);
            assert_eq!(server.opener.open_rtp(&mut forged), Err(SrtpError::Forged));
        }
        assert_eq!(server.opener.streams(), 0);
        assert!(server.opener.open_rtp(&mut genuine.clone()).is_ok());
        assert_eq!(server.opener.streams(), 1);
    }
}

#[test]
fn a_client_may_not_open_streams_without_end() {
    let (mut client, mut server) = pair(SrtpProfile::AeadAes128Gcm);
    for ssrc in 0..4 {
        assert!(server.opener.open_rtp(&mut sealed(&mut client.sealer, rtp(ssrc, 1))).is_ok());
    }
    let mut fifth = sealed(&mut client.sealer, rtp(4, 1));
    assert_eq!(server.opener.open_rtp(&mut fifth), Err(SrtpError::TooManyStreams));
    assert!(server.opener.open_rtp(&mut sealed(&mut client.sealer, rtp(3, 2))).is_ok());
}

#[test]
fn reordering_round_the_rollover_opens_every_packet() {
    for profile in PROFILES {
        let (mut client, mut server) = pair(profile);
        let sequences = [65_533, 65_534, 65_535, 0, 1, 2];
        let mut packets: Vec<_> =
            sequences.iter().map(|s| sealed(&mut client.sealer, rtp(7, *s))).collect();
        packets.swap(1, 4);
        packets.swap(2, 3);
        for packet in &mut packets {
            assert!(server.opener.open_rtp(packet).is_ok());
        }
        assert_eq!(client.sealer.highest_index(7), Some(65_538));
    }
}

#[test]
fn an_index_is_sealed_once() {
    let (mut client, mut server) = pair(SrtpProfile::AeadAes256Gcm);
    let first = sealed(&mut client.sealer, rtp(7, 5));
    let mut other = rtp(7, 5);
    other[20] ^= 1;
    let untouched = other.clone();
    assert_eq!(client.sealer.seal_rtp(&mut other, 0), Err(SrtpError::IndexUsed));
    assert_eq!(other, untouched);

    let mut again = rtp(7, 5);
    client.sealer.reseal_rtp(&mut again, 0).unwrap();
    assert_eq!(again, first);
    assert_eq!(client.sealer.reseal_rtp(&mut rtp(7, 6), 0), Err(SrtpError::IndexUsed));
    assert!(server.opener.open_rtp(&mut again).is_ok());
}

#[test]
fn short_keying_material_is_refused() {
    let new =
        |len| SrtpContext::new(SrtpProfile::AeadAes256Gcm, &vec![1; len], Role::Server, 4).err();
    assert_eq!((new(87), new(88)), (Some(SrtpError::KeyTooShort), None));
}

proptest! {
    #[test]
    fn random_bytes_are_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..80)) {
        for profile in PROFILES {
            let (_, mut server) = pair(profile);
            if let Some(first) = bytes.first_mut() {
                *first = 0x80 | *first & 0x3f;
            }
            prop_assert!(server.opener.open_rtp(&mut bytes.clone()).is_err());
            prop_assert!(server.opener.open_rtcp(&mut bytes.clone()).is_err());
            prop_assert_eq!(server.opener.streams(), 0);
        }
    }
}

#[test]
fn an_index_is_claimed_once_and_only_where_a_receiver_would_know_it() {
    let mut sealer = pair(SrtpProfile::AeadAes128Gcm).1.sealer;
    let streams = [5, 6, 7].map(|ssrc| sealer.stream(ssrc));
    assert_eq!(streams, [5, 6, 7].map(|ssrc| sealer.stream(ssrc)), "each SSRC has one");
    for stream in streams {
        for (index, claimed) in [
            // The first packet has rollover counter 0.
            (1 << 16, false),
            (4_096, true),
            (4_096, false),
            (4_095, true),
            (4_095, false),
            (4_096 + 32_767, true),
            // As far as half of all sequence numbers is taken for what came before.
            (4_096 + 32_767 + 32_768, false),
            (4_096 + 32_767 - 1_024, false),
            (4_096 + 32_767 - 1_023, true),
            (4_096 + 2 * 32_767, true),
            (4_096 + 2 * 32_767 - 5, true),
        ] {
            let claim = sealer.claim(stream, index);
            assert_eq!(claim.is_ok(), claimed, "{index}");
        }
    }
}

#[test]
fn a_packet_in_parts_is_sealed_as_a_whole_one_is() {
    for profile in PROFILES {
        let header = [0x80, 96, 0x10, 0x00, 0, 0, 0, 9, 0, 0, 0, 5];
        let mut whole = [&header[..], b"payload"].concat();
        pair(profile).1.sealer.seal_rtp(&mut whole, 0).unwrap();
        let mut sealer = pair(profile).1.sealer;
        let stream = sealer.stream(5);
        let claim = sealer.claim(stream, 0x1000).unwrap();
        let mut parts = vec![0xff; header.len() + 7 + sealer.tag_len()];
        sealer.seal_rtp_to(&mut parts, claim, &header, b"payload");
        assert_eq!(parts, whole);
    }
}
