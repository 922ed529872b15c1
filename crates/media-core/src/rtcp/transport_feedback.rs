//! Transport-wide feedback: which packets of a connection arrived, and when
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01 section 3.1).

use super::{format, kind, word, write};
use units::MonotonicUs;

/// Times are given in steps of 250 us.
const TICK_US: u64 = 250;
/// The reference time is given in steps of 64 ms.
const REFERENCE_TICKS: u64 = 256;
/// Packets that one report of ours covers. More would let one jump of a client's counter make a
/// report of thousands of losses.
const SPAN_MAX: u64 = 1_000;
/// Arrivals in one report of ours, so that it stays below 1,200 bytes even with long deltas.
const ARRIVALS_MAX: usize = 400;
/// The longest run that a run-length chunk holds.
const RUN_MAX: usize = (1 << 13) - 1;
/// Symbols in a vector chunk of two-bit symbols.
const VECTOR: usize = 7;

/// The arrival of the packet with a transport-wide number, counted beyond 16 bits.
pub(crate) type Arrival = (u64, MonotonicUs);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Symbol {
    Lost = 0,
    /// The delta has one byte, unsigned.
    Small = 1,
    /// The delta has two bytes, signed.
    Large = 2,
}

/// A report as it was read: every chunk and delta is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TransportFeedback<'a> {
    base: u16,
    count: u16,
    reference: i32,
    chunks: &'a [u8],
    deltas: &'a [u8],
}

impl<'a> TransportFeedback<'a> {
    /// Reads the body of a feedback packet, sender and media SSRC first; `None` if a chunk or delta
    /// is missing, or a symbol is reserved.
    pub(super) fn read(body: &'a [u8]) -> Option<Self> {
        let head = word(body, 8)?;
        let reference = word(body, 12)?;
        let (base, count) = ((head >> 16) as u16, head as u16);
        let behind = body.get(16..)?;
        let (mut symbols, mut chunks, mut deltas) = (usize::from(count), 0, 0);
        while symbols > 0 {
            let chunk = Chunk::read(behind.get(chunks..)?)?;
            chunks += 2;
            deltas += chunk.delta_bytes(symbols)?;
            symbols -= chunk.len().min(symbols);
        }
        let deltas = behind.get(chunks..)?.get(..deltas)?;
        Some(Self {
            base,
            count,
            reference: reference.cast_signed() >> 8,
            chunks: &behind[..chunks],
            deltas,
        })
    }

    /// The packets that arrived, in the order of their numbers: number, and time in microseconds
    /// on the reporter's clock.
    pub(crate) fn arrivals(self) -> impl Iterator<Item = (u16, i64)> + 'a {
        let Self { base, count, reference, chunks, mut deltas } = self;
        let mut ticks = i64::from(reference) * REFERENCE_TICKS.cast_signed();
        let mut left = usize::from(count);
        let mut next = base;
        let received = chunks.chunks_exact(2).filter_map(Chunk::read).flat_map(move |chunk| {
            let len = chunk.len().min(left);
            left -= len;
            let first = next;
            next = next.wrapping_add(len as u16);
            chunk.received(len).map(move |(at, symbol)| (first.wrapping_add(at), symbol))
        });
        received.map_while(move |(number, symbol)| {
            let delta = match (symbol, deltas) {
                (Symbol::Small, [delta, rest @ ..]) => {
                    deltas = rest;
                    i64::from(*delta)
                }
                (Symbol::Large, [high, low, rest @ ..]) => {
                    deltas = rest;
                    i64::from(i16::from_be_bytes([*high, *low]))
                }
                (Symbol::Small | Symbol::Large | Symbol::Lost, _) => return None,
            };
            ticks += delta;
            Some((number, ticks * TICK_US.cast_signed()))
        })
    }
}

/// A packet status chunk (section 3.1.2 to 3.1.4).
#[derive(Clone, Copy, Debug)]
enum Chunk {
    Run {
        symbol: Symbol,
        len: u16,
    },
    /// 14 symbols of one bit.
    Bits(u16),
    /// 7 symbols of two bits, none of them reserved.
    Pairs(u16),
}

impl Chunk {
    fn read(bytes: &[u8]) -> Option<Self> {
        let word = u16::from_be_bytes(*bytes.first_chunk()?);
        let symbol = |bits: u16| match bits & 3 {
            0 => Some(Symbol::Lost),
            1 => Some(Symbol::Small),
            2 => Some(Symbol::Large),
            _ => None,
        };
        match word >> 14 {
            0 | 1 => {
                let len = word & RUN_MAX as u16;
                Some(Self::Run { symbol: symbol(word >> 13)?, len }).filter(|_| len > 0)
            }
            2 => Some(Self::Bits(word)),
            _ => (0..VECTOR)
                .all(|at| symbol(word >> (12 - 2 * at)).is_some())
                .then_some(Self::Pairs(word)),
        }
    }

    const fn len(self) -> usize {
        match self {
            Self::Run { len, .. } => len as usize,
            Self::Bits(_) => 14,
            Self::Pairs(_) => VECTOR,
        }
    }

    fn symbol(self, at: u16) -> Symbol {
        match self {
            Self::Run { symbol, .. } => symbol,
            Self::Bits(word) if word >> (13 - at) & 1 == 1 => Symbol::Small,
            Self::Bits(_) => Symbol::Lost,
            Self::Pairs(word) => match word >> (12 - 2 * at) & 3 {
                0 => Symbol::Lost,
                1 => Symbol::Small,
                _ => Symbol::Large,
            },
        }
    }

    /// The symbols among the first `len` that stand for packets that arrived.
    fn received(self, len: usize) -> impl Iterator<Item = (u16, Symbol)> {
        let lost_run = matches!(self, Self::Run { symbol: Symbol::Lost, .. });
        let len = if lost_run { 0 } else { len as u16 };
        (0..len).map(move |at| (at, self.symbol(at))).filter(|(_, symbol)| *symbol != Symbol::Lost)
    }

    /// Bytes of deltas that belong to the first `symbols` symbols.
    fn delta_bytes(self, symbols: usize) -> Option<usize> {
        let len = self.len().min(symbols);
        match self {
            Self::Run { symbol, .. } => len.checked_mul(symbol as usize),
            Self::Bits(_) | Self::Pairs(_) => {
                Some(self.received(len).map(|(_, symbol)| symbol as usize).sum())
            }
        }
    }
}

/// Appends one report on packets from number `base` on (from the first arrival on, if that is far
/// above), as many of `arrivals` (ascending, none below `base`, each number once) as fit; returns
/// how many that were: at least one, unless there is none.
pub(crate) fn write_transport_feedback(
    bytes: &mut Vec<u8>,
    (sender, media): (u32, u32),
    report: u8,
    base: u64,
    arrivals: &[Arrival],
) -> usize {
    let Some((first, first_at)) = arrivals.first() else { return 0 };
    let base = if first - base < SPAN_MAX { base } else { *first };
    let reference = first_at.0 / TICK_US / REFERENCE_TICKS;
    let mut before = reference * REFERENCE_TICKS;
    let mut symbols = Vec::new();
    let mut deltas = Vec::new();
    let mut taken = 0;
    for (number, at) in arrivals.iter().take(ARRIVALS_MAX) {
        let ticks = at.0 / TICK_US;
        let delta = ticks.cast_signed() - before.cast_signed();
        let (Ok(long), true) = (i16::try_from(delta), number - base < SPAN_MAX) else { break };
        symbols.resize((number - base) as usize, Symbol::Lost);
        if let Ok(short) = u8::try_from(delta) {
            symbols.push(Symbol::Small);
            deltas.push(short);
        } else {
            symbols.push(Symbol::Large);
            deltas.extend_from_slice(&long.to_be_bytes());
        }
        before = ticks;
        taken += 1;
    }
    write::packet(bytes, format::TRANSPORT_WIDE, kind::TRANSPORT_FEEDBACK, |bytes| {
        bytes.extend_from_slice(&sender.to_be_bytes());
        bytes.extend_from_slice(&media.to_be_bytes());
        bytes.extend_from_slice(&(base as u16).to_be_bytes());
        bytes.extend_from_slice(&(symbols.len() as u16).to_be_bytes());
        bytes.extend_from_slice(&(reference as u32).to_be_bytes()[1..]);
        bytes.push(report);
        write_chunks(bytes, &symbols);
        bytes.extend_from_slice(&deltas);
    });
    taken
}

/// Runs where they are longer than a vector, else vectors of two-bit symbols.
fn write_chunks(bytes: &mut Vec<u8>, mut symbols: &[Symbol]) {
    while let Some(symbol) = symbols.first() {
        let run = symbols.iter().take(RUN_MAX).take_while(|other| *other == symbol).count();
        let (chunk, len) = if run > VECTOR {
            ((*symbol as u16) << 13 | run as u16, run)
        } else {
            let vector = &symbols[..symbols.len().min(VECTOR)];
            let pairs = vector.iter().zip((0..VECTOR).rev());
            let word = pairs.map(|(symbol, place)| (*symbol as u16) << (2 * place)).sum::<u16>();
            (0xc000 | word, vector.len())
        };
        bytes.extend_from_slice(&chunk.to_be_bytes());
        symbols = &symbols[len..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(body: &[u8]) -> Option<Vec<(u16, i64)>> {
        TransportFeedback::read(body).map(|feedback| feedback.arrivals().collect())
    }

    fn body(base: u16, count: u16, behind: &[u8]) -> Vec<u8> {
        let mut body = vec![0; 8];
        body.extend_from_slice(&base.to_be_bytes());
        body.extend_from_slice(&count.to_be_bytes());
        body.extend_from_slice(&[0, 0, 1, 9]);
        body.extend_from_slice(behind);
        body
    }

    #[test]
    fn every_kind_of_chunk_is_read() {
        const START: i64 = 64_000;
        for (count, behind, arrivals) in [
            // A run of three small deltas.
            (
                3,
                &[0x20, 3, 4, 0, 1][..],
                &[(9, START + 1_000), (10, START + 1_000), (11, START + 1_250)][..],
            ),
            // A run of losses.
            (8_191, &[0x1f, 0xff], &[]),
            // A vector of 14 bits of which the second and the last are set; only 5 symbols count.
            (5, &[0x90, 0x01, 4], &[(10, START + 1_000)]),
            // Pairs: lost, small, large (negative), lost.
            (4, &[0xc6, 0x00, 8, 0xff, 0xfe], &[(10, START + 2_000), (11, START + 1_500)]),
            // The base wraps.
            (0, &[], &[]),
        ] {
            assert_eq!(read(&body(9, count, behind)).as_deref(), Some(arrivals), "{behind:x?}");
        }
        let wrapped = read(&body(65_535, 2, &[0x20, 2, 0, 0])).unwrap();
        assert_eq!(wrapped, [(65_535, START), (0, START)]);
    }

    #[test]
    fn a_report_that_is_not_whole_is_refused() {
        for (count, behind) in [
            (1, &[][..]),
            (1, &[0x20]),
            (1, &[0x20, 1]),
            (1, &[0x40, 1, 0]),
            (2, &[0x20, 1, 0]),
            // Reserved symbols, a run of none.
            (1, &[0x60, 1, 0, 0, 0]),
            (1, &[0xf0, 0, 0, 0, 0]),
            (1, &[0x20, 0, 0]),
        ] {
            assert_eq!(read(&body(9, count, behind)), None, "{behind:x?}");
        }
        assert_eq!(read(&[0; 15]), None);
    }

    /// Writes reports until all arrivals are told, and reads them back.
    fn round_trip(base: u64, arrivals: &[Arrival]) -> Vec<(u16, i64)> {
        let (mut rest, mut told, mut base) = (arrivals, Vec::new(), base);
        while !rest.is_empty() {
            let mut bytes = Vec::new();
            let taken = write_transport_feedback(&mut bytes, (1, 2), 0, base, rest);
            assert!(taken > 0 && bytes.len() <= 1_200 && bytes.len() % 4 == 0, "{}", bytes.len());
            let mut packets = crate::rtcp::packets(&bytes).unwrap();
            let Some(crate::rtcp::Packet::TransportFeedback(feedback)) = packets.next() else {
                panic!("{bytes:x?}")
            };
            told.extend(feedback.arrivals());
            rest = &rest[taken..];
            base = rest.first().map_or(0, |(number, _)| *number);
        }
        told
    }

    /// The reference time has 24 signed bits of 64 ms: it turns over after 6 days, and every 12.
    #[test]
    fn times_go_on_where_the_reference_turns_over() {
        const TURN_US: i64 = 64_000 << 24;
        for turn_us in [64_000u64 << 23, 64_000 << 24, 5 * (64_000 << 24)] {
            let at = |us: u64| MonotonicUs(turn_us - 100_000 + us);
            let arrivals = [(1, at(0)), (2, at(90_000)), (3, at(180_000)), (4, at(20_000_000))];
            let times: Vec<_> = round_trip(1, &arrivals).into_iter().map(|(_, at)| at).collect();
            let since = |time: &i64| (time - times[0]).rem_euclid(TURN_US);
            let since: Vec<_> = times.iter().map(since).collect();
            assert_eq!(since, [0, 90_000, 180_000, 20_000_000], "{turn_us}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(
            start in 0u64..200_000,
            steps in prop::collection::vec((1u64..40, -3_000_000i64..9_000_000), 1..900),
        ) {
            let (mut number, mut at) = (start, 60_000_000i64);
            let mut arrivals = Vec::new();
            for (step, us) in steps {
                // Mostly small steps, now and then beyond what a delta holds.
                at = (at + us / if step > 3 { 400 } else { 1 }).max(0);
                number += if step > 30 { step * 50 } else { step };
                arrivals.push((number, MonotonicUs(at.cast_unsigned())));
            }
            // The reference time has 24 signed bits of 64 ms: 6 days; the test stays below.
            let expected: Vec<_> = arrivals
                .iter()
                .map(|(number, at)| (*number as u16, (at.0 / TICK_US * TICK_US).cast_signed()))
                .collect();
            prop_assert_eq!(round_trip(arrivals[0].0, &arrivals), expected);
        }

        #[test]
        fn takes_any_bytes(body in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Some(arrivals) = read(&body) {
                prop_assert!(arrivals.len() <= body.len());
            }
        }
    }
}
