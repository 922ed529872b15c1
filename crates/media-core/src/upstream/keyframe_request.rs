//! When to ask a publisher for a key frame.

use units::{ElapsedMs, MonotonicUs};

/// The shortest time between two requests. Key frames are some ten times as large as others: more
/// often, one bad listener ruins the picture for all; less often, a picture stays frozen longer.
const EVERY: ElapsedMs = ElapsedMs(500);

/// All wishes for a key frame of one track, merged: the first is passed on at once, then it is
/// repeated until a key frame comes.
///
/// A key frame that goes to a listener without keys fulfils nothing: the server's end of a DTLS
/// handshake is done first, so a listener may be sent media that it can't open yet. Such a one is
/// asked for anew as soon as the listener can.
#[derive(Debug, Default)]
pub(crate) struct KeyframeRequest {
    wanted: bool,
    /// The last key frame went to a listener that was not ready.
    wasted: bool,
    asked: Option<MonotonicUs>,
}

impl KeyframeRequest {
    /// Somebody can't go on without a key frame.
    pub(crate) const fn want(&mut self) {
        self.wanted = true;
        self.wasted = false;
    }

    /// A key frame has come, and its listener was `ready` to open it or not.
    pub(crate) const fn came(&mut self, ready: bool) {
        self.wanted = !ready;
        self.wasted = !ready;
    }

    /// The listener has become ready: it need not wait for the next repetition.
    pub(crate) const fn listener_ready(&mut self) {
        if self.wasted {
            self.wasted = false;
            self.asked = None;
        }
    }

    /// When to ask next.
    pub(crate) fn due(&self) -> Option<MonotonicUs> {
        (self.wanted && !self.wasted)
            .then(|| self.asked.map_or(MonotonicUs(0), |asked| asked + EVERY))
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

    /// Plays `"100 want, 300 came"` in steps of 100 ms up to 3 s; returns when it asked.
    fn play(script: &str) -> Vec<u64> {
        let mut request = KeyframeRequest::default();
        let steps: Vec<_> = script.split(", ").filter_map(|step| step.split_once(' ')).collect();
        let mut asked = Vec::new();
        for ms in (0..3_000).step_by(100) {
            for (_, step) in steps.iter().filter(|(at, _)| at.parse() == Ok(ms)) {
                match *step {
                    "want" => request.want(),
                    "came" => request.came(true),
                    "wasted" => request.came(false),
                    "ready" => request.listener_ready(),
                    other => panic!("{other}"),
                }
            }
            if request.ask(MonotonicUs(ms * 1_000)) {
                asked.push(ms);
            }
        }
        asked
    }

    #[test]
    fn asks_at_once_then_twice_a_second_until_it_comes() {
        for (script, asked) in [
            ("0 came", &[][..]),
            ("300 want, 400 want, 500 want, 1400 came", &[300, 800, 1_300]),
            // Somebody wants one again, but the last request is too near, and one comes.
            ("300 want, 400 came, 600 want, 700 came", &[300]),
        ] {
            assert_eq!(play(script), asked, "{script}");
        }
    }

    #[test]
    fn a_key_frame_that_nobody_could_open_is_asked_for_when_somebody_can() {
        for (script, asked) in [
            ("100 wasted", &[][..]),
            ("100 wasted, 200 ready, 300 came", &[200]),
            ("100 wasted, 200 ready", &[200, 700, 1_200, 1_700, 2_200, 2_700]),
            // The answer to a request is lost: the next one does not wait for its turn.
            ("0 want, 100 wasted, 200 ready, 300 came", &[0, 200]),
            // The answer comes when it can be opened: nothing more is needed.
            ("0 want, 100 ready, 200 came", &[0]),
            ("100 ready", &[]),
            // Whoever wants one meanwhile is not kept waiting.
            ("100 wasted, 300 want, 400 came, 500 ready", &[300]),
        ] {
            assert_eq!(play(script), asked, "{script}");
        }
    }
}
