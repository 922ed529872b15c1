//! The last words about subjects, for peers that come without the memory of them.
//!
//! Pure. A peer acknowledges what it has in memory, and its memory dies with it; nobody would ever
//! say these words again.

use std::collections::VecDeque;
use std::sync::Arc;
use units::{ElapsedMs, MonotonicMs};
use uuid::Uuid;

/// How long a last word is kept: as long as links wait for a peer that is away. Longer would tell
/// of what is long settled; shorter would leave out a peer that is restarted by hand.
const KEPT_FOR: ElapsedMs = ElapsedMs(5 * 60 * 1_000);

/// Most bytes that are kept: the ends of about 100 calls a second. More would fill a newcomer's
/// outbox; fewer would forget the oldest sooner.
const BYTES_MAX: usize = 16 * 1024 * 1024;

#[derive(Debug)]
struct Kept {
    since: MonotonicMs,
    subject: Option<Uuid>,
    body: Arc<str>,
}

/// Last words, oldest first.
#[derive(Debug, Default)]
pub(super) struct Lasting {
    kept: VecDeque<Kept>,
    bytes: usize,
}

impl Lasting {
    pub(super) fn keep(&mut self, now: MonotonicMs, subject: Option<Uuid>, body: Arc<str>) {
        self.bytes += body.len();
        self.kept.push_back(Kept { since: now, subject, body });
        while self.bytes > BYTES_MAX {
            self.drop_oldest();
        }
        self.expire(now);
    }

    /// What a newcomer is told.
    pub(super) fn told(
        &mut self,
        now: MonotonicMs,
    ) -> impl Iterator<Item = (Option<Uuid>, Arc<str>)> {
        self.expire(now);
        self.kept.iter().map(|kept| (kept.subject, Arc::clone(&kept.body)))
    }

    fn expire(&mut self, now: MonotonicMs) {
        while self.kept.front().is_some_and(|kept| now.since(kept.since) >= KEPT_FOR) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(kept) = self.kept.pop_front() {
            self.bytes -= kept.body.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(lasting: &mut Lasting, at_ms: u64) -> Vec<String> {
        lasting.told(MonotonicMs(at_ms)).map(|(_, body)| body[..1].to_owned()).collect()
    }

    #[test]
    fn last_words_are_kept_for_five_minutes() {
        let mut lasting = Lasting::default();
        lasting.keep(MonotonicMs(1), None, "a".into());
        lasting.keep(MonotonicMs(200_000), None, "b".into());
        assert_eq!(told(&mut lasting, 300_000), ["a", "b"]);
        assert_eq!(told(&mut lasting, 300_001), ["b"]);
        assert_eq!(told(&mut lasting, 500_000), [""; 0]);
    }

    #[test]
    fn of_too_many_the_oldest_go_first() {
        let mut lasting = Lasting::default();
        for word in 'a'..='j' {
            let body = word.to_string().repeat(BYTES_MAX / 8);
            lasting.keep(MonotonicMs(0), None, body.into());
        }
        assert_eq!(told(&mut lasting, 0).concat(), "cdefghij");
        assert!(lasting.bytes <= BYTES_MAX);
    }
}
