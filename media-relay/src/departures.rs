//! Puts the datagrams of one destination side by side and cuts them into messages, so that the
//! kernel is asked once for several.
//!
//! Pure, without copies: what comes out are the slices that came in. Nothing is allocated once the
//! buffers are as large as the largest flush.
//!
//! * Datagrams of one key keep their order; keys go in the order of their first datagrams.
//! * A message is a run of equal lengths to one destination; the last datagram may be shorter
//!   (`udp(7)`, `UDP_SEGMENT`).

use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::hash::Hash;
use std::io::IoSlice;
use std::mem;
use std::net::SocketAddr;
use std::ops::Range;

/// Most datagrams of one message: what every kernel with `UDP_SEGMENT` takes.
pub(crate) const SEGMENTS_MAX: usize = 64;

/// Most bytes of one message: the largest UDP payload over IPv4.
const MESSAGE_BYTES_MAX: usize = 65_507;

/// Arranges the datagrams of a flush. `K` names a destination, such as a leg.
pub(crate) struct Departures<K> {
    group_of: HashMap<K, Option<usize>, RandomState>,
    groups: Vec<Group>,
    /// Each datagram with its group; empty between flushes.
    gathered: Vec<(usize, IoSlice<'static>)>,
    /// The same datagrams, those of one group side by side; empty between flushes.
    ordered: Vec<IoSlice<'static>>,
    messages: Vec<Message>,
}

/// One destination's datagrams.
struct Group {
    to: SocketAddr,
    count: usize,
    /// Where the next of them goes.
    next: usize,
}

/// What one `msghdr` carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) to: SocketAddr,
    /// Which of the ordered datagrams.
    pub(crate) datagrams: Range<usize>,
}

impl<K: Copy + Eq + Hash> Departures<K> {
    pub(crate) fn new() -> Self {
        Self {
            group_of: HashMap::default(),
            groups: Vec::new(),
            gathered: Vec::new(),
            ordered: Vec::new(),
            messages: Vec::new(),
        }
    }

    /// Hands `single`, each a message of its own, and then `grouped`, with at most `segments_max`
    /// datagrams in one message, to `carry`. `address` says where a key's datagrams go and is asked
    /// once for each key. Returns how many had nowhere to go.
    pub(crate) fn send<'a>(
        &mut self,
        single: impl Iterator<Item = (SocketAddr, &'a [u8])>,
        grouped: impl Iterator<Item = (K, &'a [u8])>,
        address: impl Fn(K) -> Option<SocketAddr>,
        segments_max: usize,
        carry: impl FnOnce(&[Message], &[IoSlice<'_>]),
    ) -> u64 {
        let mut ordered: Vec<IoSlice<'a>> = mem::take(&mut self.ordered);
        let mut gathered: Vec<(usize, IoSlice<'a>)> = mem::take(&mut self.gathered);
        self.messages.clear();
        for (to, datagram) in single {
            let at = ordered.len();
            self.messages.push(Message { to, datagrams: at..at + 1 });
            ordered.push(IoSlice::new(datagram));
        }
        let lost = self.gather(&mut gathered, grouped, address);
        self.order(&gathered, &mut ordered);
        self.cut(&ordered, segments_max);
        if !ordered.is_empty() {
            carry(&self.messages, &ordered);
        }
        self.ordered = recycled(ordered);
        self.gathered = recycled(gathered);
        lost
    }

    /// Finds each datagram's group.
    fn gather<'a>(
        &mut self,
        gathered: &mut Vec<(usize, IoSlice<'a>)>,
        datagrams: impl Iterator<Item = (K, &'a [u8])>,
        address: impl Fn(K) -> Option<SocketAddr>,
    ) -> u64 {
        self.groups.clear();
        self.group_of.clear();
        let mut lost = 0;
        let mut latest = None;
        for (key, datagram) in datagrams {
            let group = match latest {
                Some((same, group)) if same == key => group,
                _ => {
                    let groups = &mut self.groups;
                    *self.group_of.entry(key).or_insert_with(|| {
                        let to = address(key)?;
                        groups.push(Group { to, count: 0, next: 0 });
                        Some(groups.len() - 1)
                    })
                }
            };
            latest = Some((key, group));
            match group {
                Some(group) => {
                    self.groups[group].count += 1;
                    gathered.push((group, IoSlice::new(datagram)));
                }
                None => lost += 1,
            }
        }
        lost
    }

    /// Puts each group's datagrams side by side, behind those that are there.
    fn order<'a>(&mut self, gathered: &[(usize, IoSlice<'a>)], ordered: &mut Vec<IoSlice<'a>>) {
        let mut next = ordered.len();
        for group in &mut self.groups {
            group.next = next;
            next += group.count;
        }
        ordered.resize(next, IoSlice::new(&[]));
        for (group, datagram) in gathered {
            let place = &mut self.groups[*group].next;
            ordered[*place] = *datagram;
            *place += 1;
        }
    }

    /// Cuts each group's datagrams into messages.
    fn cut(&mut self, ordered: &[IoSlice<'_>], segments_max: usize) {
        for group in &self.groups {
            let mut start = group.next - group.count;
            while start < group.next {
                let len = run(&ordered[start..group.next], segments_max);
                self.messages.push(Message { to: group.to, datagrams: start..start + len });
                start += len;
            }
        }
    }
}

/// How many of these datagrams, at least the first, one message can carry.
fn run(datagrams: &[IoSlice<'_>], segments_max: usize) -> usize {
    let segment = datagrams.first().map_or(0, |first| first.len());
    let fit = MESSAGE_BYTES_MAX.checked_div(segment).unwrap_or(1);
    let most = datagrams.len().min(segments_max).min(fit).max(1);
    let equal = datagrams[..most].iter().take_while(|datagram| datagram.len() == segment).count();
    let shorter = datagrams[..most].get(equal);
    equal + usize::from(shorter.is_some_and(|last| (1..segment).contains(&last.len())))
}

/// An empty vector for other lifetimes in the same memory: the standard library collects in place
/// what has the same layout.
fn recycled<Used, Fresh>(mut used: Vec<Used>) -> Vec<Fresh> {
    used.clear();
    used.into_iter().map(|_| unreachable!("the vector is empty")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parses "a3 b3 a2" (destination, length) and shows the messages as "a:3+2 b:3". Nobody knows
    /// where '?' is.
    fn check(datagrams: &str, segments_max: usize, messages: &str) {
        let mut departures = Departures::new();
        // Twice, for buffers that were used before.
        for _ in 0..2 {
            let parsed: Vec<(char, Vec<u8>)> = datagrams
                .split_whitespace()
                .zip(0..)
                .map(|(word, number)| {
                    let (key, len) = word.split_at(1);
                    (key.chars().next().unwrap(), vec![number; len.parse().unwrap()])
                })
                .collect();
            let mut shown = Vec::new();
            let mut order: HashMap<SocketAddr, Vec<u8>> = HashMap::new();
            let lost = departures.send(
                std::iter::empty(),
                parsed.iter().map(|(key, bytes)| (*key, &bytes[..])),
                address,
                segments_max,
                |messages, ordered| {
                    for Message { to, datagrams } in messages {
                        let of_message = &ordered[datagrams.clone()];
                        let lens: Vec<_> =
                            of_message.iter().map(|bytes| bytes.len().to_string()).collect();
                        shown.push(format!("{}:{}", name(*to), lens.join("+")));
                        let numbers = of_message.iter().filter_map(|bytes| bytes.first());
                        order.entry(*to).or_default().extend(numbers);
                    }
                },
            );
            assert_eq!(shown.join(" "), messages);
            assert_eq!(lost, parsed.iter().filter(|(key, _)| *key == '?').count() as u64);
            for (to, numbers) in order {
                assert!(numbers.is_sorted(), "{}: {numbers:?}", name(to));
            }
        }
    }

    fn address(key: char) -> Option<SocketAddr> {
        let port = u16::try_from(u32::from(key)).unwrap();
        (key != '?').then(|| SocketAddr::from(([192, 0, 2, 1], port)))
    }

    fn name(address: SocketAddr) -> char {
        char::from_u32(address.port().into()).unwrap()
    }

    #[test]
    fn datagrams_of_one_destination_travel_together_where_their_lengths_allow() {
        for (datagrams, messages) in [
            ("", ""),
            ("a3", "a:3"),
            ("a3 a3 a3", "a:3+3+3"),
            ("a3 b3 a3 b3", "a:3+3 b:3+3"),
            ("b3 a3 b3", "b:3+3 a:3"),
            // A shorter one ends a message, a longer one begins the next.
            ("a9 a9 a4 a9", "a:9+9+4 a:9"),
            ("a4 a9", "a:4 a:9"),
            ("a9 a4 a4", "a:9+4 a:4"),
            ("a9 b4 a9 b5 a2 b5", "a:9+9+2 b:4 b:5+5"),
            // An empty datagram can't be a segment.
            ("a0 a0 a3 a0", "a:0 a:0 a:3 a:0"),
        ] {
            check(datagrams, SEGMENTS_MAX, messages);
        }
    }

    #[test]
    fn a_message_has_a_most_of_datagrams_and_of_bytes() {
        check("a3 a3 a3 a2", 2, "a:3+3 a:3+2");
        check("a3 b3 a3", 1, "a:3 a:3 b:3");
        let many = ["a1"; SEGMENTS_MAX + 1].join(" ");
        let most = ["1"; SEGMENTS_MAX].join("+");
        check(&many, SEGMENTS_MAX, &format!("a:{most} a:1"));
        // 32,753 twice is below the most bytes of a message, 32,754 twice is above it.
        check("a32753 a32753", SEGMENTS_MAX, "a:32753+32753");
        check("a32754 a32754", SEGMENTS_MAX, "a:32754 a:32754");
        // A shorter last one is reckoned like the others.
        check("a32755 a9", SEGMENTS_MAX, "a:32755 a:9");
        check("a70000 a9", SEGMENTS_MAX, "a:70000 a:9");
    }

    #[test]
    fn what_has_nowhere_to_go_is_counted_and_holds_up_nothing() {
        check("?3 a3 ?4 a3 ?5", SEGMENTS_MAX, "a:3+3");
        check("?3", SEGMENTS_MAX, "");
    }

    #[test]
    fn single_datagrams_go_first_and_alone() {
        let to = SocketAddr::from(([192, 0, 2, 7], 1));
        let single = [(to, &[1; 5][..]), (to, &[2; 5])];
        let grouped = [('a', &[3; 5][..]), ('a', &[4; 5])];
        let mut firsts = Vec::new();
        Departures::new().send(
            single.into_iter(),
            grouped.into_iter(),
            address,
            SEGMENTS_MAX,
            |messages, ordered| {
                for message in messages {
                    let of_message = ordered[message.datagrams.clone()].iter();
                    firsts.push((message.to, of_message.map(|bytes| bytes[0]).collect::<Vec<_>>()));
                }
            },
        );
        let grouped_to = address('a').unwrap();
        assert_eq!(firsts, [(to, vec![1]), (to, vec![2]), (grouped_to, vec![3, 4])]);
    }

    #[test]
    fn a_flush_like_the_one_before_takes_no_new_memory() {
        let mut departures = Departures::new();
        let bytes = [7; 1_100];
        let mut memory = Vec::new();
        for _ in 0..3 {
            let datagrams = (0..1_000).map(|number| (number % 50, &bytes[..]));
            let to = address('a');
            departures.send(std::iter::empty(), datagrams, |_| to, SEGMENTS_MAX, |_, _| {});
            memory.push((
                departures.ordered.as_ptr().addr(),
                departures.gathered.as_ptr().addr(),
                departures.messages.as_ptr().addr(),
                departures.group_of.capacity(),
                departures.groups.as_ptr().addr(),
            ));
        }
        assert_eq!(memory[0], memory[1]);
        assert_eq!(memory[1], memory[2]);
        assert!(departures.ordered.capacity() >= 1_000);
    }
}
