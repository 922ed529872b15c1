//! What a run measured, for people and for programs.

use super::load::Load;
use super::{AUDIO_BYTES, Floor, Measured, ProcessError, Shape, VIDEO_BYTES};
use serde::Serialize;
use std::fmt;

/// The floor: for each track, the middle of all rounds.
pub(super) struct Floors {
    shape: Shape,
    tracks: Vec<Track>,
}

/// One track's floor.
struct Track {
    per_second: u64,
    floor: Floor,
    send: Vec<u64>,
    seal: Vec<u64>,
}

impl Floors {
    pub(super) fn new(shape: Shape) -> Result<Self, ProcessError> {
        let mut tracks = Vec::new();
        let (audio, video) = shape.rates();
        for (per_second, bytes) in [(audio, AUDIO_BYTES), (video, VIDEO_BYTES)] {
            if per_second > 0 {
                let sockets = shape.publishers * shape.listeners;
                let floor = Floor::new(sockets, !shape.calls(), bytes)?;
                let per_second = per_second.into();
                tracks.push(Track { per_second, floor, send: Vec::new(), seal: Vec::new() });
            }
        }
        Ok(Self { shape, tracks })
    }

    /// Takes it so often.
    pub(super) fn rounds(&mut self, rounds: usize) -> Result<(), ProcessError> {
        let few = rounds.min(20_000 / (self.shape.publishers * self.shape.listeners).max(1)).max(4);
        for _ in 0..few {
            for track in &mut self.tracks {
                let (send, seal) = track.floor.round()?;
                track.send.push(send);
                track.seal.push(seal);
            }
        }
        Ok(())
    }

    /// Sending and sealing, in ns per packet of the mixture that was sent.
    fn ns(mut self) -> (u64, u64) {
        let all: u64 = self.tracks.iter().map(|track| track.per_second).sum();
        let mut sums = (0, 0);
        for track in &mut self.tracks {
            sums.0 += middle(&mut track.send) * track.per_second;
            sums.1 += middle(&mut track.seal) * track.per_second;
        }
        (sums.0 / all.max(1), sums.1 / all.max(1))
    }
}

/// What is wanted of a run of this shape; nothing where nothing was set.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Goals {
    pub ns_per_packet: Option<u64>,
    pub kib_per_person: Option<u64>,
    pub p99_us: u64,
}

/// All figures. `Display` is a list whose last line is the verdict.
#[derive(Clone, Debug, Serialize)]
pub struct ProcessReport {
    pub name: String,
    pub seconds: u64,
    /// Packets that reached a listener, of those that should have.
    pub delivered: u64,
    pub expected: u64,
    /// Packets that were sent more than 2 ms late, by thousand: the load, not the relay, was slow.
    pub late_permille: u64,
    /// Packets that listeners asked for again, and publishers were asked for.
    pub asked_again: u64,
    /// Processor time of the relay's process.
    pub cpu_ns_per_packet: u64,
    /// Of one processor.
    pub cpu_percent: u64,
    pub floor_send_ns: u64,
    pub floor_seal_ns: u64,
    pub latency_p50_us: u64,
    pub latency_p99_us: u64,
    /// How much more memory the process holds, by participant.
    pub kib_per_person: u64,
    pub goals: Goals,
}

impl ProcessReport {
    pub(super) fn new(
        shape: Shape,
        load: &Load,
        measured: Measured,
        floors: Floors,
        resident_kib: u64,
    ) -> Result<Self, ProcessError> {
        let wrong = load.listeners.iter().map(|listener| listener.wrong).sum();
        if wrong > 0 {
            return Err(ProcessError::Wrong { wrong });
        }
        let delivered = load.harvest.delivered;
        if delivered == 0 {
            return Err(ProcessError::Nothing);
        }
        let Measured { seconds, cpu_ns, sent, late } = measured;
        let (floor_send_ns, floor_seal_ns) = floors.ns();
        let mut latencies = load.harvest.latencies.clone();
        latencies.sort_unstable();
        let at = |percent: usize| latencies[(latencies.len() - 1) * percent / 100] / 1_000;
        let missed: u64 = load.listeners.iter().map(|listener| listener.missed).sum();
        let lost: u64 = load.publishers.iter().map(|publisher| publisher.lost).sum();
        Ok(Self {
            name: name(shape),
            seconds,
            delivered,
            expected: sent * shape.listeners as u64,
            late_permille: late * 1_000 / sent.max(1),
            asked_again: missed + lost,
            cpu_ns_per_packet: cpu_ns / delivered,
            cpu_percent: cpu_ns / (seconds * 10_000_000),
            floor_send_ns,
            floor_seal_ns,
            latency_p50_us: at(50).into(),
            latency_p99_us: at(99).into(),
            kib_per_person: resident_kib / shape.people() as u64,
            goals: goals(shape),
        })
    }

    /// Packets that did not reach their listener.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.expected.saturating_sub(self.delivered)
    }

    /// Whether all goals were reached.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        self.missed().is_empty()
    }

    fn missed(&self) -> Vec<&'static str> {
        let above = |figure: u64, goal: Option<u64>| goal.is_some_and(|goal| figure > goal);
        let missed = [
            (above(self.cpu_ns_per_packet, self.goals.ns_per_packet), "processor time"),
            (above(self.kib_per_person, self.goals.kib_per_person), "memory"),
            (self.lost() > 0, "loss"),
            (self.latency_p99_us > self.goals.p99_us, "latency"),
        ];
        missed.into_iter().filter(|(missed, _)| *missed).map(|(_, what)| what).collect()
    }
}

fn name(shape: Shape) -> String {
    let Shape { publishers, listeners, audio_pps, video_pps } = shape;
    let video = match video_pps {
        0 => String::new(),
        video => format!(" and {video} x {VIDEO_BYTES} B of video"),
    };
    let who = if shape.calls() {
        format!("{publishers} calls, one side of each sending")
    } else {
        format!("1 publisher to {listeners} listeners,")
    };
    format!("{who} {audio_pps} x {AUDIO_BYTES} B of audio{video} per second")
}

fn goals(shape: Shape) -> Goals {
    let video = shape.video_pps > 0;
    let ns_per_packet = match (shape.calls(), video, shape.listeners) {
        (true, true, _) => Some(8_000),
        (true, false, _) => Some(18_000),
        (false, true, 0..100) => Some(3_500),
        (false, true, _) => Some(3_000),
        (false, false, _) => None,
    };
    let kib_per_person = match (shape.calls(), video) {
        (true, true) => Some(150),
        (false, false) => Some(60),
        (true, false) | (false, true) => None,
    };
    Goals { ns_per_packet, kib_per_person, p99_us: 700 }
}

fn middle(values: &mut [u64]) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Thousandths as a decimal number of two places.
fn thousandths(value: u64) -> String {
    format!("{}.{:02}", value / 1_000, value % 1_000 / 10)
}

impl fmt::Display for ProcessReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let goal = |goal: Option<u64>| {
            goal.map_or_else(String::new, |goal| format!(" (goal {})", thousandths(goal)))
        };
        let kib_goal = self.goals.kib_per_person;
        let kib_goal = kib_goal.map_or_else(String::new, |goal| format!(" (goal {goal})"));
        let (send, seal) = (self.floor_send_ns, self.floor_seal_ns);
        writeln!(f, "{}, {} s", self.name, self.seconds)?;
        writeln!(
            f,
            "  delivered   {} of {} packets, {} lost; {} asked for again; {} of 1,000 sent late",
            self.delivered,
            self.expected,
            self.lost(),
            self.asked_again,
            self.late_permille
        )?;
        writeln!(
            f,
            "  processor   {} us per packet{}, {} % of one processor",
            thousandths(self.cpu_ns_per_packet),
            goal(self.goals.ns_per_packet),
            self.cpu_percent
        )?;
        writeln!(
            f,
            "  latency     p50 {} ms, p99 {} ms (goal {})",
            thousandths(self.latency_p50_us),
            thousandths(self.latency_p99_us),
            thousandths(self.goals.p99_us)
        )?;
        writeln!(f, "  memory      {} KiB per participant{kib_goal}", self.kib_per_person)?;
        let floor = send + seal;
        let ratio = self.cpu_ns_per_packet * 1_000 / floor.max(1);
        let verdict = match &self.missed()[..] {
            [] => "reached".to_owned(),
            missed => format!("missed: {}", missed.join(", ")),
        };
        write!(
            f,
            "figure {} us, floor {} us (sendmmsg {} + seal {}), ratio {}; goals {verdict}",
            thousandths(self.cpu_ns_per_packet),
            thousandths(floor),
            thousandths(send),
            thousandths(seal),
            thousandths(ratio)
        )
    }
}
