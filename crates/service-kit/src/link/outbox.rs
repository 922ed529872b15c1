//! What one peer is still owed: sent and not acknowledged, or not yet sent.
//!
//! Pure. Messages are numbered from 1 and leave in order; what a later one replaces is taken out,
//! so numbers may have gaps.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use uuid::Uuid;

/// Most bytes that may wait for one peer. At 1,000 commands a second this is the traffic of several
/// minutes; more would only hold what nobody waits for any more.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// What keeping a message costs besides its text, about.
const OVERHEAD_BYTES: usize = 128;

/// The messages that wait.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: BTreeMap<u64, Waiting>,
    /// The number of the message that is the latest about its subject.
    latest: HashMap<Uuid, u64>,
    bytes: usize,
    /// The last number that was given.
    last: u64,
    /// The last number that was handed to the connection.
    sent: u64,
}

#[derive(Debug)]
struct Waiting {
    subject: Option<Uuid>,
    body: Arc<str>,
}

/// The peer is too far behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Overflow;

impl Outbox {
    /// Adds a message, which takes the place of the one before about the same subject.
    pub(super) fn push(&mut self, subject: Option<Uuid>, body: Arc<str>) -> Result<(), Overflow> {
        self.last += 1;
        if let Some(earlier) = subject.and_then(|subject| self.latest.insert(subject, self.last)) {
            self.remove(earlier);
        }
        self.bytes += body.len() + OVERHEAD_BYTES;
        self.waiting.insert(self.last, Waiting { subject, body });
        if self.bytes > BYTES_MAX { Err(Overflow) } else { Ok(()) }
    }

    /// The next messages that were not sent in this connection, up to about `bytes_max`.
    pub(super) fn batch(&mut self, bytes_max: usize) -> Vec<(u64, Arc<str>)> {
        let mut bytes = 0;
        let mut batch = Vec::new();
        for (n, waiting) in self.waiting.range(self.sent + 1..) {
            if bytes >= bytes_max {
                break;
            }
            bytes += waiting.body.len();
            batch.push((*n, Arc::clone(&waiting.body)));
        }
        if let Some((n, _)) = batch.last() {
            self.sent = *n;
        }
        batch
    }

    /// The peer has everything up to this number.
    pub(super) fn acknowledged(&mut self, up_to: u64) {
        while let Some(entry) = self.waiting.first_entry()
            && *entry.key() <= up_to
        {
            let n = *entry.key();
            self.remove(n);
        }
    }

    /// A connection begins: everything is sent again that the peer does not say it has.
    pub(super) fn rewind(&mut self, heard: u64) {
        self.acknowledged(heard);
        self.sent = 0;
    }

    /// How many messages wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    fn remove(&mut self, n: u64) {
        let Some(removed) = self.waiting.remove(&n) else { return };
        self.bytes -= removed.body.len() + OVERHEAD_BYTES;
        if let Some(subject) = removed.subject
            && self.latest.get(&subject) == Some(&n)
        {
            self.latest.remove(&subject);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays words: `a` is a command, `a1` a fact about subject 1, `.` sends a batch, `^3`
    /// acknowledges 3, `<3` reconnects after 3. Returns what was sent.
    fn play(words: &str) -> String {
        let mut outbox = Outbox::default();
        let mut sent = Vec::new();
        for word in words.split(' ') {
            let (first, rest) = word.split_at(1);
            match first {
                "." => {
                    let told: Vec<_> =
                        outbox.batch(1_000).iter().map(|(n, body)| format!("{n}{body}")).collect();
                    sent.push(told.join(" "));
                }
                "^" => outbox.acknowledged(rest.parse().unwrap()),
                "<" => outbox.rewind(rest.parse().unwrap()),
                _ => {
                    let subject = rest.parse().ok().map(Uuid::from_u128);
                    outbox.push(subject, first.into()).unwrap();
                }
            }
        }
        let cost = |waiting: &Waiting| waiting.body.len() + OVERHEAD_BYTES;
        let bytes: usize = outbox.waiting.values().map(cost).sum();
        assert_eq!(outbox.bytes, bytes, "bytes are counted right");
        assert!(outbox.latest.values().all(|n| outbox.waiting.contains_key(n)), "no stale subject");
        sent.join(" | ")
    }

    #[test]
    fn what_is_not_acknowledged_is_sent_again_in_order_after_a_reconnect() {
        for (words, sent) in [
            ("a b . c .", "1a 2b | 3c"),
            ("a b . <0 .", "1a 2b | 1a 2b"),
            ("a b c . <2 .", "1a 2b 3c | 3c"),
            ("a b . ^1 <0 c .", "1a 2b | 2b 3c"),
            ("a . ^1 . <1 . b .", "1a |  |  | 2b"),
        ] {
            assert_eq!(play(words), sent, "{words}");
        }
    }

    #[test]
    fn a_later_fact_takes_the_place_of_the_one_before_and_commands_stay() {
        for (words, sent) in [
            ("a1 b c1 .", "2b 3c"),
            ("a1 b2 c1 d .", "2b 3c 4d"),
            // Sent already, but not acknowledged: it need not be sent again.
            ("a1 . b1 <0 .", "1a | 2b"),
            ("a1 . ^1 b1 . <1 .", "1a | 2b | 2b"),
            ("a a a .", "1a 2a 3a"),
        ] {
            assert_eq!(play(words), sent, "{words}");
        }
    }

    #[test]
    fn facts_never_fill_it_and_commands_do_at_last() {
        let body: Arc<str> = "x".repeat(1024 * 1024).into();
        let mut outbox = Outbox::default();
        for _ in 0..1_000 {
            assert_eq!(outbox.push(Some(Uuid::nil()), Arc::clone(&body)), Ok(()));
        }
        assert_eq!(outbox.len(), 1);
        let filled = (1..100).find(|_| outbox.push(None, Arc::clone(&body)).is_err());
        assert_eq!(filled, Some(63));
    }

    #[test]
    fn a_batch_is_cut_by_size_and_never_empty_while_something_waits() {
        let mut outbox = Outbox::default();
        for body in ["aaaa", "bbbb", "cccc"] {
            outbox.push(None, body.into()).unwrap();
        }
        let sizes: Vec<_> = [1, 5, 5].map(|bytes| outbox.batch(bytes).len()).into();
        assert_eq!(sizes, [1, 2, 0]);
    }
}
