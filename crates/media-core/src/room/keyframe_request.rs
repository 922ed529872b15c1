//! When to ask a publisher for a key frame.

use units::{ElapsedMs, MonotonicUs};

/// The shortest time between two requests. Key frames are some ten times as large as others: more
/// often, one bad listener ruins the picture for all; less often, a picture stays frozen longer.
const EVERY: ElapsedMs = ElapsedMs(500);

/// All wishes for a key frame of one track, merged: the first is passed on at once, then it is
/// repeated until a key frame comes.
#[derive(Debug, Default)]
pub(crate) struct KeyframeRequest {
    wanted: bool,
    asked: Option<MonotonicUs>,
}

impl KeyframeRequest {
    /// Somebody can't go on without a key frame.
    pub(crate) const fn want(&mut self) {
        self.wanted = true;
    }

    /// A key frame has come.
    pub(crate) const fn came(&mut self) {
        self.wanted = false;
    }

    /// When to ask next.
    pub(crate) fn due(&self) -> Option<MonotonicUs> {
        self.wanted.then(|| self.asked.map_or(MonotonicUs(0), |asked| asked + EVERY))
    }

    /// Whether to ask now.
    pub(crate) fn ask(&mut self, now: MonotonicUs) -> bool {
        let ask = self.due().is_some_and(|due| due <= now);
        if ask {
            self.asked = Some(now);
        }
        ask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_at_once_then_twice_a_second_until_it_comes() {
        let mut request = KeyframeRequest::default();
        let mut asked = Vec::new();
        for ms in (0..3_000).step_by(100) {
            match ms {
                300 | 400 | 500 | 1_600 => request.want(),
                1_400 | 1_700 => request.came(),
                _ => {}
            }
            if request.ask(MonotonicUs(ms * 1_000)) {
                asked.push(ms);
            }
        }
        // At 1,600 somebody wants one again, but the last request is too near, and one comes.
        assert_eq!(asked, [300, 800, 1_300]);
    }
}
