//! What proven time showed: picture, a picture that stood still, silence.
//!
//! * **With picture** is proven time at most [`STILL_MAX_US`] after the latest frame began.
//! * **Frozen** is proven time beyond that, up to the next picture packet, if picture packets are
//!   at most [`OFF_AFTER_US`] apart. A longer absence is a camera that was off, and so is one that
//!   never ends. A camera that is off for a shorter time can't be told from a frozen picture here.
//! * **Silent** is proven time between two packets of audio that are both silent and at most
//!   [`GAP_MAX_US`] apart.
//!
//! A frame begins with the first of its packets that is confirmed. Each sum only grows, and none
//! passes proven time; picture and frozen time together don't either.

use super::{Content, GAP_MAX_US, Mark};
use units::MonotonicUs;

/// The longest time that a frame is seen as moving picture: one frame a second is the least that
/// cameras send, in the dark or over bad networks. Less would drop them to the voice rate; more
/// would bill more picture after the camera was switched off.
pub(super) const STILL_MAX_US: u64 = 1_000_000;

/// The longest time between two picture packets of a camera that was on. Less would miss long
/// freezes; more would take a camera that was switched off and on for frozen.
pub(super) const OFF_AFTER_US: u64 = 10_000_000;

/// What one receiver was shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Showing {
    pub(super) picture_us: u64,
    pub(super) silent_us: u64,
    pub(super) frozen_us: u64,
    /// The RTP timestamp of the latest frame, and when it began.
    frame: Option<(u32, MonotonicUs)>,
    /// The latest packet of picture.
    picture_to: Option<MonotonicUs>,
    /// Proven time without a moving picture since then: frozen if the picture goes on soon.
    still_us: u64,
    /// The latest packet of audio, if it is silent, and proven time at it.
    silent_from: Option<(MonotonicUs, u64)>,
}

impl Showing {
    /// Counts `step_us` of proven time up to the packet of `mark`, by which it is `proven_us`.
    pub(super) fn proven(&mut self, mark: Mark, step_us: u64, proven_us: u64) {
        let end = mark.moment.0;
        if let Some((_, began)) = self.frame {
            let moving_until = (began.0 + STILL_MAX_US).max(end - step_us);
            let still = end.saturating_sub(moving_until);
            self.picture_us += step_us - still;
            self.still_us += still;
        }
        match mark.content {
            Content::Picture { frame } => {
                let was_on = |latest: MonotonicUs| mark.moment.us_since(latest) <= OFF_AFTER_US;
                if self.picture_to.is_some_and(was_on) {
                    self.frozen_us += self.still_us;
                }
                self.picture(mark.moment, frame);
            }
            Content::Silence => {
                let before = self.silent_from.replace((mark.moment, proven_us));
                if let Some((at, then_us)) = before
                    && mark.moment.us_since(at) <= GAP_MAX_US
                {
                    self.silent_us += proven_us - then_us;
                }
            }
            Content::Sound => self.silent_from = None,
        }
    }

    /// Takes a confirmation that came after that of a later packet: of picture and sound whose
    /// reports come apart. It shows only that there was picture.
    pub(super) fn late(&mut self, mark: Mark) {
        if let Content::Picture { frame } = mark.content
            && self.picture_to.is_none_or(|latest| latest < mark.moment)
        {
            self.picture(mark.moment, frame);
        }
    }

    fn picture(&mut self, moment: MonotonicUs, frame: u32) {
        self.picture_to = Some(moment);
        self.still_us = 0;
        if self.frame.is_none_or(|(latest, _)| latest != frame) {
            self.frame = Some((frame, moment));
        }
    }
}
