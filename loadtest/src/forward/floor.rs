//! The floor: the seal alone, with as many keys in turn.

use aws_lc_rs::aead::{Aad, Algorithm, LessSafeKey, Nonce, UnboundKey};
use std::hint::black_box;

/// Bytes that are authenticated in the clear: an RTP header with the usual extensions.
const HEADER: [u8; 20] = [0x90; 20];

/// Keys, and what is sealed with them again and again.
pub(super) struct Floor {
    keys: Vec<LessSafeKey>,
    payload: Vec<u8>,
    sealed: u64,
}

impl Floor {
    pub(super) fn new(algorithm: &'static Algorithm, keys: usize, payload_bytes: usize) -> Self {
        let key = |n: usize| {
            let mut bytes = vec![0x5a; algorithm.key_len()];
            bytes[..8].copy_from_slice(&n.to_be_bytes());
            let key = UnboundKey::new(algorithm, &bytes).expect("as many bytes as a key has");
            LessSafeKey::new(key)
        };
        Self { keys: (0..keys).map(key).collect(), payload: vec![7; payload_bytes], sealed: 0 }
    }

    /// Seals as many packets, each with the next key.
    pub(super) fn seal(&mut self, packets: u64) {
        let mut left = packets;
        while left > 0 {
            for key in &self.keys {
                let mut nonce = [0; 12];
                nonce[4..].copy_from_slice(&self.sealed.to_be_bytes());
                self.sealed += 1;
                let nonce = Nonce::assume_unique_for_key(nonce);
                let tag = key
                    .seal_in_place_separate_tag(nonce, Aad::from(&HEADER), &mut self.payload)
                    .expect("a packet is far below the cipher's limit");
                let _ = black_box(tag);
                left -= 1;
                if left == 0 {
                    break;
                }
            }
        }
    }
}
