//! Evidence as it stands in a database: all records of a checkpoint in one value.
//!
//! Layout: a byte for the version, 1; then each record as eighteen numbers, in the order of
//! [`numbers`], each as its difference to the record before it (the first one to nothing). A
//! difference is taken modulo 2^64, its sign moved to the lowest bit, and written seven bits at a
//! time, lowest first, with the highest bit of a byte saying that another follows. A second of a
//! call is about 30 bytes; fixed numbers would be 144, and at 100,000 calls 1 TB a day.

use crate::Error;
use billing_core::{Counted, EvidenceRecord, Flow};
use units::{ElapsedMs, MicroCoins};

const VERSION: u8 = 1;
const NUMBERS: usize = 18;

/// The records as bytes; none for none.
pub(crate) fn pack(records: &[EvidenceRecord]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + 64 + 32 * records.len());
    if !records.is_empty() {
        bytes.push(VERSION);
    }
    let mut before = [0; NUMBERS];
    for record in records {
        let numbers = numbers(record);
        for (number, before) in numbers.iter().zip(before) {
            push(&mut bytes, number.wrapping_sub(before));
        }
        before = numbers;
    }
    bytes
}

/// What [`pack`] made bytes of.
///
/// # Errors
/// [`Error::Corrupt`] for any other bytes.
pub(crate) fn unpack(bytes: &[u8]) -> Result<Vec<EvidenceRecord>, Error> {
    records(bytes).ok_or_else(|| Error::Corrupt {
        column: "records",
        value: format!("{} bytes that are no evidence", bytes.len()),
    })
}

fn records(bytes: &[u8]) -> Option<Vec<EvidenceRecord>> {
    let Some((version, mut rest)) = bytes.split_first() else { return Some(Vec::new()) };
    if *version != VERSION || rest.is_empty() {
        return None;
    }
    let mut records = Vec::new();
    let mut numbers = [0_u64; NUMBERS];
    while !rest.is_empty() {
        for number in &mut numbers {
            *number = number.wrapping_add(pull(&mut rest)?);
        }
        records.push(record(numbers)?);
    }
    Some(records)
}

fn numbers(record: &EvidenceRecord) -> [u64; NUMBERS] {
    let EvidenceRecord { n, at, counted, charged } = record;
    let Counted { to_fan: fan, to_host: host, video, silent, frozen } = counted;
    [
        u64::from(*n),
        at.0,
        fan.forwarded.0,
        fan.proven.0,
        fan.lost.0,
        fan.packets,
        fan.bytes,
        fan.packets_lost,
        host.forwarded.0,
        host.proven.0,
        host.lost.0,
        host.packets,
        host.bytes,
        host.packets_lost,
        video.0,
        silent.0,
        frozen.0,
        charged.micro(),
    ]
}

fn record(numbers: [u64; NUMBERS]) -> Option<EvidenceRecord> {
    let [n, at, fan @ .., video, silent, frozen, charged] = numbers;
    let [a, b, c, d, e, f, host @ ..] = fan;
    let flow = |[forwarded, proven, lost, packets, bytes, packets_lost]: [u64; 6]| Flow {
        forwarded: ElapsedMs(forwarded),
        proven: ElapsedMs(proven),
        lost: ElapsedMs(lost),
        packets,
        bytes,
        packets_lost,
    };
    Some(EvidenceRecord {
        n: u32::try_from(n).ok()?,
        at: ElapsedMs(at),
        counted: Counted {
            to_fan: flow([a, b, c, d, e, f]),
            to_host: flow(host),
            video: ElapsedMs(video),
            silent: ElapsedMs(silent),
            frozen: ElapsedMs(frozen),
        },
        charged: MicroCoins::new(charged).ok()?,
    })
}

/// Counts seldom fall, but a difference may be anything: its sign goes to the lowest bit, so that
/// small ones of either sign are short.
fn push(bytes: &mut Vec<u8>, difference: u64) {
    let sign = 0_u64.wrapping_sub(difference >> 63);
    let mut left = (difference << 1) ^ sign;
    loop {
        let [low, ..] = left.to_le_bytes();
        left >>= 7;
        if left == 0 {
            bytes.push(low & 0x7f);
            return;
        }
        bytes.push(low | 0x80);
    }
}

fn pull(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u64::from(byte & 0x7f);
        if shift == 63 && part > 1 {
            return None;
        }
        number |= part << shift;
        if byte & 0x80 == 0 {
            return Some((number >> 1) ^ 0_u64.wrapping_sub(number & 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    fn any_record() -> impl Strategy<Value = EvidenceRecord> {
        (any::<[u64; NUMBERS]>(), any::<u32>(), 0..=MicroCoins::MAX.micro()).prop_map(
            |(mut numbers, n, charged)| {
                numbers[0] = u64::from(n);
                numbers[NUMBERS - 1] = charged;
                record(numbers).unwrap()
            },
        )
    }

    proptest! {
        #[test]
        fn evidence_is_read_back_as_it_was_written(records in vec(any_record(), 0..5)) {
            prop_assert_eq!(unpack(&pack(&records)).unwrap(), records);
        }

        #[test]
        fn bytes_that_are_no_evidence_are_an_error_or_evidence(bytes in vec(any::<u8>(), 0..200)) {
            if let Ok(records) = unpack(&bytes) {
                prop_assert_eq!(unpack(&pack(&records)).unwrap(), records);
            }
        }
    }

    #[test]
    fn a_second_of_a_call_is_about_thirty_bytes() {
        let second = |n: u64| {
            let flow = [n * 1_000, n * 1_000, n / 5, n * 50, n * 250_000, n / 9];
            let mut numbers = [0; NUMBERS];
            numbers[..2].copy_from_slice(&[n, n * 1_000]);
            numbers[2..8].copy_from_slice(&flow);
            numbers[8..14].copy_from_slice(&flow);
            numbers[14..].copy_from_slice(&[n * 1_000, n * 40, n / 5, n * 83_333]);
            record(numbers).unwrap()
        };
        let minute: Vec<_> = (600..660).map(second).collect();
        assert!(pack(&minute).len() < 60 * 31, "{}", pack(&minute).len());
    }

    #[test]
    fn a_part_of_the_bytes_is_no_evidence() {
        let whole = pack(&[record([1; NUMBERS]).unwrap()]);
        for bytes in [&whole[..1], &whole[..whole.len() - 1], &[2][..], &[1, 0xff][..]] {
            assert!(unpack(bytes).is_err(), "{bytes:?}");
        }
        assert_eq!(unpack(&[]).unwrap(), []);
    }
}
