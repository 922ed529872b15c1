//! Whether packets take longer and longer: a queue that grows on the path
//! (draft-ietf-rmcat-gcc-02 section 5, with the trend line that took its Kalman filter's place).

use std::collections::VecDeque;
use units::MonotonicUs;

/// Packets that were sent within this time are one group: a sender's bursts are not the path's.
const BURST_US: u64 = 5_000;

/// The longest that packets which were held up together may take to arrive.
const HELD_UP_US: i64 = 100_000;

/// Groups that the line is laid through.
const GROUPS: usize = 20;

/// How slowly single delays move the smoothed one.
const SMOOTHING: f64 = 0.9;

/// How much a slope of 1 (each second of sending arrives a second later still) weighs, and how many
/// groups weigh in.
const GAIN: f64 = 4.0;
const GROUPS_WEIGHED: u32 = 60;

/// The threshold, in ms, follows what is usual on the path: at once where it is below, slowly where
/// it is above, so that it is not worn out by a competing flow.
const THRESHOLD_MS: f64 = 12.5;
const THRESHOLD_RANGE_MS: (f64, f64) = (6.0, 600.0);
const FOLLOWS_DOWN: f64 = 0.039;
const FOLLOWS_UP: f64 = 0.0087;
const SPIKE_MS: f64 = 15.0;

/// How long a slope must be above the threshold to be a sign.
const LASTS_MS: f64 = 10.0;

/// How long the shortest delay is remembered, once and twice: two clocks drift apart by a
/// millisecond or two in that time, and a path may become another.
const LEAST_OF_MS: f64 = 20_000.0;

/// How long ago "lately" is: pauses of a radio or a busy machine are shorter.
const LATELY_MS: f64 = 200.0;

/// Clocks that jump by this much are others: the line begins anew.
const JUMP_US: i64 = 3_000_000;

/// What the delays say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sign {
    Normal,
    /// A queue grows.
    Overuse,
    /// A queue drains.
    Underuse,
}

#[derive(Clone, Copy, Debug)]
struct Group {
    first_sent: MonotonicUs,
    last_sent: MonotonicUs,
    first_arrived_us: i64,
    last_arrived_us: i64,
}

impl Group {
    const fn of(sent: MonotonicUs, arrived_us: i64) -> Self {
        let (first_arrived_us, last_arrived_us) = (arrived_us, arrived_us);
        Self { first_sent: sent, last_sent: sent, first_arrived_us, last_arrived_us }
    }

    /// Whether a packet belongs to it: sent in one burst with it, or held up together and let go
    /// together, by a radio that sleeps or a busy machine.
    fn takes(&self, sent: MonotonicUs, arrived_us: i64) -> bool {
        if sent.us_since(self.first_sent) <= BURST_US {
            return true;
        }
        let apart_us = arrived_us - self.last_arrived_us;
        let catches_up = apart_us < sent.us_since(self.last_sent).cast_signed();
        let lasts_us = arrived_us - self.first_arrived_us;
        catches_up && apart_us <= BURST_US.cast_signed() && lasts_us < HELD_UP_US
    }
}

/// The line through the delays of the latest groups.
#[derive(Debug)]
pub(super) struct Trend {
    current: Option<Group>,
    before: Option<Group>,
    /// When the groups arrived, in ms since the first, and their smoothed delays.
    points: VecDeque<(f64, f64)>,
    /// The shortest delay of the latest time, and of all that is remembered.
    lately: Least,
    ever: Least,
    began_us: i64,
    delay_ms: f64,
    smoothed_ms: f64,
    groups: u32,
    threshold_ms: f64,
    above_ms: Option<f64>,
    slope: f64,
}

impl Default for Trend {
    fn default() -> Self {
        Self {
            current: None,
            before: None,
            points: VecDeque::with_capacity(GROUPS + 1),
            lately: Least::over(LATELY_MS),
            ever: Least::over(LEAST_OF_MS),
            began_us: 0,
            delay_ms: 0.0,
            smoothed_ms: 0.0,
            groups: 0,
            threshold_ms: THRESHOLD_MS,
            above_ms: None,
            slope: 0.0,
        }
    }
}

impl Trend {
    /// A packet arrived; what the line says now, if a group ended with it.
    pub(super) fn arrived(&mut self, sent: MonotonicUs, arrived_us: i64) -> Option<Sign> {
        let Some(group) = &mut self.current else {
            self.begin(sent, arrived_us);
            return None;
        };
        if sent < group.first_sent {
            return None;
        }
        if group.takes(sent, arrived_us) {
            group.last_sent = sent;
            group.last_arrived_us = group.last_arrived_us.max(arrived_us);
            return None;
        }
        let done = *group;
        let next = Group::of(sent, arrived_us);
        self.current = Some(next);
        let before = self.before.replace(done)?;
        let sent_us = done.last_sent.us_since(before.last_sent).cast_signed();
        let arrived_us = done.last_arrived_us - before.last_arrived_us;
        if (arrived_us - sent_us).abs() > JUMP_US {
            *self = Self { threshold_ms: self.threshold_ms, ..Self::default() };
            self.begin(next.first_sent, next.last_arrived_us);
            return None;
        }
        self.lay(done.last_arrived_us, ms(sent_us), ms(arrived_us))
    }

    fn begin(&mut self, sent: MonotonicUs, arrived_us: i64) {
        self.current = Some(Group::of(sent, arrived_us));
        self.began_us = arrived_us;
    }

    fn lay(&mut self, at_us: i64, sent_ms: f64, arrived_ms: f64) -> Option<Sign> {
        self.groups = (self.groups + 1).min(GROUPS_WEIGHED);
        self.delay_ms += arrived_ms - sent_ms;
        self.lately.note(self.delay_ms, arrived_ms);
        self.ever.note(self.delay_ms, arrived_ms);
        self.smoothed_ms = SMOOTHING * self.smoothed_ms + (1.0 - SMOOTHING) * self.delay_ms;
        self.points.push_back((ms(at_us - self.began_us), self.smoothed_ms));
        if self.points.len() <= GROUPS {
            return None;
        }
        self.points.pop_front();
        let before = self.slope;
        self.slope = slope(&self.points).unwrap_or(before);
        let weighed = self.slope * f64::from(self.groups) * GAIN;
        let sign = self.judge(weighed, before, sent_ms);
        self.follow(weighed, arrived_ms);
        Some(sign)
    }

    /// How long packets wait in queues, even those that wait shortest: single packets are late for
    /// many reasons, but past a queue nobody gets.
    pub(super) fn waits_ms(&self) -> f64 {
        (self.lately.ms() - self.ever.ms()).max(0.0)
    }

    fn judge(&mut self, weighed: f64, slope_before: f64, sent_ms: f64) -> Sign {
        if weighed <= self.threshold_ms {
            self.above_ms = None;
            let draining = weighed < -self.threshold_ms;
            return if draining { Sign::Underuse } else { Sign::Normal };
        }
        let first = self.above_ms.is_none();
        let above = self.above_ms.unwrap_or(0.0) + sent_ms;
        self.above_ms = Some(above);
        if above > LASTS_MS && !first && self.slope >= slope_before {
            self.above_ms = None;
            return Sign::Overuse;
        }
        Sign::Normal
    }

    fn follow(&mut self, weighed: f64, passed_ms: f64) {
        let beyond = weighed.abs() - self.threshold_ms;
        if beyond > SPIKE_MS {
            return;
        }
        let speed = if beyond < 0.0 { FOLLOWS_DOWN } else { FOLLOWS_UP };
        let (least, most) = THRESHOLD_RANGE_MS;
        self.threshold_ms += speed * beyond * passed_ms.clamp(0.0, 100.0);
        self.threshold_ms = self.threshold_ms.clamp(least, most);
    }
}

/// The least of what was noted in a stretch of time: between one and two times as long as asked.
#[derive(Debug)]
struct Least {
    over_ms: f64,
    lasts_ms: f64,
    present: f64,
    before: f64,
}

impl Least {
    const fn over(over_ms: f64) -> Self {
        Self { over_ms, lasts_ms: 0.0, present: f64::MAX, before: f64::MAX }
    }

    fn note(&mut self, value: f64, passed_ms: f64) {
        self.lasts_ms += passed_ms;
        if self.lasts_ms > self.over_ms {
            (self.before, self.present, self.lasts_ms) = (self.present, value, 0.0);
        }
        self.present = self.present.min(value);
    }

    const fn ms(&self) -> f64 {
        self.present.min(self.before)
    }
}

/// The slope of the line that lies nearest to all points (least squares); none if they are all at
/// one time.
fn slope(points: &VecDeque<(f64, f64)>) -> Option<f64> {
    let count = points.len() as f64;
    let (sum_x, sum_y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let (mut over, mut under) = (0.0, 0.0);
    for (x, y) in points {
        over += (x - mean_x) * (y - mean_y);
        under += (x - mean_x) * (x - mean_x);
    }
    (under > 0.0).then(|| over / under)
}

fn ms(us: i64) -> f64 {
    us as f64 / 1_000.0
}
