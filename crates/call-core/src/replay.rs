//! A session's last frames, kept for a client that comes back after a cut.
//!
//! The client acknowledges nothing; when it returns it names the last frame it saw. Frames that it
//! has not seen and that are no longer here make the session not resumable.

use crate::output::{Frame, Message};
use std::collections::VecDeque;

/// Most frames kept. A live call makes about one a second, so this is several grace periods; more
/// would only cost memory.
pub const REPLAY_FRAMES_MAX: usize = 256;
/// Most memory kept, in bytes. Holds some twenty SDP answers or a few hundred other frames; times
/// the number of sessions it is what signaling's memory is made of.
pub const REPLAY_BYTES_MAX: usize = 128 * 1024;

/// The frames, newest last.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    frames: VecDeque<Frame>,
    bytes: usize,
    last_seq: u64,
}

impl Replay {
    /// Numbers a message and keeps a copy.
    pub(crate) fn push(&mut self, re: Option<u64>, message: Message) -> Frame {
        self.last_seq += 1;
        let frame = Frame { seq: self.last_seq, re, message };
        self.bytes += bytes(&frame);
        self.frames.push_back(frame.clone());
        while self.frames.len() > REPLAY_FRAMES_MAX || self.bytes > REPLAY_BYTES_MAX {
            let Some(oldest) = self.frames.pop_front() else { break };
            self.bytes -= bytes(&oldest);
        }
        frame
    }

    /// Every frame after number `after`, or `None` if some of them are gone or `after` was never
    /// reached.
    pub(crate) fn after(&self, after: u64) -> Option<Vec<Frame>> {
        let missed = usize::try_from(self.last_seq.checked_sub(after)?).ok()?;
        let kept_before = self.frames.len().checked_sub(missed)?;
        Some(self.frames.iter().skip(kept_before).cloned().collect())
    }
}

fn bytes(frame: &Frame) -> usize {
    size_of::<Frame>() + frame.message.heap_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(count: usize, message: &Message) -> Replay {
        let mut replay = Replay::default();
        for _ in 0..count {
            let _sent = replay.push(None, message.clone());
        }
        replay
    }

    fn seqs(replay: &Replay, after: u64) -> Option<Vec<u64>> {
        replay.after(after).map(|frames| frames.iter().map(|frame| frame.seq).collect())
    }

    #[test]
    fn a_client_gets_exactly_what_it_has_not_seen() {
        let replay = filled(3, &Message::Pong);
        assert_eq!(seqs(&replay, 0), Some(vec![1, 2, 3]));
        assert_eq!(seqs(&replay, 2), Some(vec![3]));
        assert_eq!(seqs(&replay, 3), Some(vec![]));
        assert_eq!(seqs(&replay, 4), None, "never sent");
    }

    #[test]
    fn what_is_too_old_is_gone() {
        let replay = filled(REPLAY_FRAMES_MAX + 10, &Message::Pong);
        assert_eq!(seqs(&replay, 9), None);
        assert_eq!(seqs(&replay, 10).unwrap().len(), REPLAY_FRAMES_MAX);
    }

    #[test]
    fn large_frames_push_out_more() {
        let large = Message::Refused {
            refusal: crate::words::Refusal::Malformed,
            detail: Some("x".repeat(REPLAY_BYTES_MAX / 4)),
        };
        let replay = filled(10, &large);
        assert!(replay.bytes <= REPLAY_BYTES_MAX);
        assert_eq!((seqs(&replay, 6), seqs(&replay, 7)), (None, Some(vec![8, 9, 10])));
        let one_too_large = Message::Refused {
            refusal: crate::words::Refusal::Malformed,
            detail: Some("x".repeat(REPLAY_BYTES_MAX)),
        };
        assert_eq!(seqs(&filled(1, &one_too_large), 0), None);
        assert_eq!(seqs(&filled(1, &one_too_large), 1), Some(vec![]));
    }
}
