//! A wallet as it is packed in Redis.
//!
//! `1 | credited paid, promo | settled paid, promo | per slot: its id, what it took paid, promo`.
//! Amounts are 7 bytes, big-endian; ids are the 16 bytes of the UUID. One slot makes 59 bytes.

use crate::{HotWallet, Slot};
use units::{Coins, MicroCoins, UserId};
use uuid::Uuid;

/// The layout above. Another one would carry another number.
const VERSION: u8 = 1;
const COINS_LEN: usize = 2 * AMOUNT_LEN;
/// 2^53 takes 54 bits.
const AMOUNT_LEN: usize = 7;
const SLOT_LEN: usize = 16 + COINS_LEN;

/// A wallet's record.
pub(super) fn pack(wallet: &HotWallet) -> Vec<u8> {
    let mut record = vec![VERSION];
    pack_coins(&mut record, wallet.credited);
    pack_coins(&mut record, wallet.settled);
    for (slot, charged) in &wallet.slots {
        record.extend_from_slice(slot.0.as_bytes());
        pack_coins(&mut record, *charged);
    }
    record
}

/// The wallet of a record, or `None` if it is none that we write.
pub(super) fn unpack(user: UserId, record: &[u8]) -> Option<HotWallet> {
    let (version, rest) = record.split_first()?;
    if *version != VERSION {
        return None;
    }
    let (credited, rest) = unpack_coins(rest)?;
    let (settled, mut rest) = unpack_coins(rest)?;
    let mut slots = Vec::with_capacity(rest.len() / SLOT_LEN);
    while !rest.is_empty() {
        let (id, charged) = rest.split_first_chunk()?;
        let (charged, more) = unpack_coins(charged)?;
        slots.push((Slot(Uuid::from_bytes(*id)), charged));
        rest = more;
    }
    Some(HotWallet { user, credited, settled, slots })
}

/// Adds both kinds of coins.
pub(super) fn pack_coins(to: &mut Vec<u8>, coins: Coins) {
    pack_amount(to, coins.paid);
    pack_amount(to, coins.promo);
}

/// Adds an amount.
pub(super) fn pack_amount(to: &mut Vec<u8>, amount: MicroCoins) {
    to.extend_from_slice(&amount.micro().to_be_bytes()[8 - AMOUNT_LEN..]);
}

/// Coins whose total is one that a wallet can hold, and what follows them.
fn unpack_coins(from: &[u8]) -> Option<(Coins, &[u8])> {
    let (paid, rest) = unpack_amount(from)?;
    let (promo, rest) = unpack_amount(rest)?;
    let coins = Coins { paid, promo };
    coins.total().map(|_| (coins, rest))
}

fn unpack_amount(from: &[u8]) -> Option<(MicroCoins, &[u8])> {
    let (bytes, rest) = from.split_first_chunk::<AMOUNT_LEN>()?;
    let micro = bytes.iter().fold(0, |micro, byte| micro << 8 | u64::from(*byte));
    Some((MicroCoins::new(micro).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coins(paid: u64, promo: u64) -> Coins {
        Coins { paid: MicroCoins::new(paid).unwrap(), promo: MicroCoins::new(promo).unwrap() }
    }

    #[test]
    fn a_record_is_read_as_it_was_written_and_no_other_is() {
        let slots = [(1, coins(0, 7)), (u128::MAX, coins(1 << 53, 0))];
        let wallet = HotWallet {
            user: "asha".parse().unwrap(),
            credited: coins((1 << 53) - 1, 1),
            settled: coins(256, 65_535),
            slots: slots.map(|(id, charged)| (Slot(Uuid::from_u128(id)), charged)).to_vec(),
        };
        let record = pack(&wallet);
        assert_eq!(record.len(), 29 + 2 * 30);
        let read = |record: &[u8]| unpack(wallet.user.clone(), record);
        assert_eq!(read(&record), Some(wallet.clone()));
        for length in 0..record.len() {
            let whole = length == 29 || length == 59;
            assert_eq!(read(&record[..length]).is_some(), whole, "{length} bytes");
        }
        let broken = |at: usize, byte: u8| {
            let mut record = record.clone();
            record[at] = byte;
            record
        };
        for (what, record) in [
            ("another version", broken(0, 2)),
            ("an amount above the largest", broken(1, 0x20)),
            ("a total above the largest", broken(14, 2)),
        ] {
            assert_eq!(read(&record), None, "{what}");
        }
    }
}
