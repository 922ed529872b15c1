//! Media time against tables, and against a recomputation from everything that happened.

use super::showing::{OFF_AFTER_US, STILL_MAX_US};
use super::*;
use proptest::prelude::*;

const OPEN: ElapsedMs = ElapsedMs(u64::MAX);

const fn ms(ms: u64) -> MonotonicUs {
    MonotonicUs(ms * 1_000)
}

fn sums(evidence: &Evidence) -> String {
    let (forwarded, proven, lost) = (evidence.forwarded(), evidence.proven(), evidence.lost());
    format!("{}/{}/{}", forwarded.0, proven.0, lost.0)
}

/// Forwards packets at these milliseconds, confirms at once those whose number stands in
/// `confirmed`, and returns `forwarded/proven/lost`.
fn play(limit: ElapsedMs, sent_ms: &[u64], confirmed: &[usize]) -> String {
    let mut evidence = Evidence::default();
    let forward = |at: &u64| evidence.forward(ms(*at), limit, Content::Sound);
    let marks: Vec<_> = sent_ms.iter().map(forward).collect();
    for at in confirmed {
        evidence.confirm(marks.last().unwrap().moment, marks[*at]);
    }
    sums(&evidence)
}

#[test]
fn time_between_packets_counts_up_to_the_longest_gap() {
    for (sent, confirmed, expected) in [
        (&[][..], &[][..], "0/0/0"),
        (&[3_000], &[0], "0/0/0"),
        (&[0, 20, 40], &[0, 1, 2], "40/40/0"),
        // Silence with DTX is media.
        (&[0, 400, 800], &[0, 1, 2], "800/800/0"),
        (&[0, 600], &[0, 1], "600/600/0"),
        // An outage is not.
        (&[0, 601], &[0, 1], "0/0/0"),
        (&[0, 20, 3_000, 3_020], &[0, 1, 2, 3], "40/40/0"),
        // What was not confirmed is not proven...
        (&[0, 20, 40, 60], &[0, 1], "60/20/0"),
        // ...and lost as soon as something later is...
        (&[0, 20, 40, 60], &[2], "60/0/40"),
        (&[0, 500, 1_000, 1_500], &[0, 3], "1500/0/1500"),
        // ...but a lost packet between two that arrived is no gap.
        (&[0, 20, 40, 60], &[0, 3], "60/60/0"),
        // Late and repeated confirmations change nothing.
        (&[0, 500, 1_000, 1_500], &[0, 3, 1, 2, 3], "1500/0/1500"),
        (&[0, 20, 40], &[0, 0, 2, 1, 2], "40/40/0"),
    ] {
        assert_eq!(play(OPEN, sent, confirmed), expected, "{sent:?} {confirmed:?}");
    }
}

#[test]
fn the_cut_is_exact() {
    let limit = ElapsedMs(50);
    assert_eq!(play(limit, &[0, 20, 40, 60], &[0, 1, 2, 3]), "50/50/0");
    assert_eq!(play(limit, &[0, 20, 40, 60], &[0, 1, 2]), "50/40/0");
    assert_eq!(play(ElapsedMs(1_050), &[0, 500, 1_000, 1_100], &[0, 1, 2, 3]), "1050/1050/0");
    assert_eq!(play(ElapsedMs(1_250), &[0, 500, 1_000, 1_500], &[2, 3]), "1250/250/1000");
    assert_eq!(play(ElapsedMs(0), &[0, 500], &[0, 1]), "0/0/0");
}

#[test]
fn what_is_lost_makes_room_for_as_much_again() {
    let limit = ElapsedMs(100);
    let mut evidence = Evidence::default();
    let marks: Vec<_> =
        (0..6).map(|at| evidence.forward(ms(at * 20), limit, Content::Sound)).collect();
    assert!(evidence.reaches(limit));
    // The fan's keys were not ready for the first three.
    evidence.confirm(ms(110), marks[3]);
    assert!(!evidence.reaches(limit));
    evidence.confirm(ms(110), marks[5]);
    assert_eq!(sums(&evidence), "100/40/60");
    let marks: Vec<_> =
        (6..10).map(|at| evidence.forward(ms(at * 20), limit, Content::Sound)).collect();
    assert_eq!(sums(&evidence), "160/40/60");
    assert!(evidence.reaches(limit) && !evidence.is_decided());
    evidence.confirm(ms(200), marks[2]);
    assert_eq!(sums(&evidence), "160/100/60");
    assert!(evidence.reaches(limit) && evidence.is_decided());
}

#[test]
fn proof_is_waited_for_four_seconds() {
    for (confirmed_ms, expected) in [
        // Of the moments whose sums are noted, 500 ms is the first at which there is any.
        (4_499, "1000/1000/0"),
        (4_500, "1000/500/500"),
        (4_999, "1000/500/500"),
        (5_000, "1000/0/1000"),
        (9_000, "1000/0/1000"),
    ] {
        let mut evidence = Evidence::default();
        let marks: Vec<_> =
            (0..=10).map(|at| evidence.forward(ms(at * 100), OPEN, Content::Sound)).collect();
        marks.iter().for_each(|mark| evidence.confirm(ms(confirmed_ms), *mark));
        assert_eq!(sums(&evidence), expected, "{confirmed_ms}");
    }
}

#[test]
fn what_is_given_up_is_never_proven() {
    let mut evidence = Evidence::default();
    let marks: Vec<_> =
        (0..5).map(|at| evidence.forward(ms(at * 20), OPEN, Content::Sound)).collect();
    marks[..2].iter().for_each(|mark| evidence.confirm(ms(80), *mark));
    evidence.give_up();
    assert_eq!(sums(&evidence), "80/20/60");
    marks.iter().for_each(|mark| evidence.confirm(ms(80), *mark));
    assert_eq!(sums(&evidence), "80/20/60");
}

#[test]
fn a_lowered_limit_takes_nothing_back() {
    let mut evidence = Evidence::default();
    let first = evidence.forward(ms(0), OPEN, Content::Sound);
    let last = evidence.forward(ms(500), OPEN, Content::Sound);
    let beyond = evidence.forward(ms(600), ElapsedMs(200), Content::Sound);
    evidence.confirm(ms(600), first);
    evidence.confirm(ms(600), last);
    evidence.confirm(ms(600), beyond);
    assert_eq!(sums(&evidence), "500/500/0");
    assert!(evidence.reaches(ElapsedMs(200)) && evidence.is_decided());
}

/// What a word stands for: `v` and `V` are picture of the same and of a new frame, `a` sound, `s`
/// silence; a number lets as many milliseconds pass. Every packet is confirmed at once. Returns
/// `proven: picture silent frozen`.
fn show(words: &str) -> String {
    let (mut evidence, mut now, mut frame) = (Evidence::default(), 1_000, 0);
    for word in words.split(' ') {
        let content = match word {
            "v" => Content::Picture { frame },
            "V" => {
                frame += 1;
                Content::Picture { frame }
            }
            "a" => Content::Sound,
            "s" => Content::Silence,
            pause => {
                now += pause.parse::<u64>().unwrap();
                continue;
            }
        };
        let mark = evidence.forward(ms(now), OPEN, content);
        evidence.confirm(ms(now), mark);
    }
    let (picture, silent, frozen) = (evidence.picture(), evidence.silent(), evidence.frozen());
    format!("{}: {} {} {}", evidence.proven().0, picture.0, silent.0, frozen.0)
}

#[test]
fn picture_silence_and_standing_picture_are_told_apart() {
    // A second of sound that is heard.
    let sound = "500 a 500 a";
    for (words, expected) in [
        ("a 500 a 500 a", "1000: 0 0 0"),
        ("V 33 V 33 V", "66: 66 0 0"),
        // Voice before the first picture is voice.
        ("a 500 a 100 V 100 V", "700: 100 0 0"),
        // The last frame stands for a second, then the camera was off.
        (&format!("V {sound} {sound} {sound}"), "3000: 1000 0 0"),
        // It was not, if picture goes on.
        (&format!("V {sound} {sound} {sound} 100 V"), "3100: 1000 0 2100"),
        (&format!("V {sound} {sound} 100 v 100 V 50 V"), "2250: 1050 0 1200"),
        // Packets of one and the same frame are no moving picture.
        ("V 500 v 500 v 500 v 500 v", "2000: 1000 0 1000"),
        // More than 10 s apart it was off.
        (&format!("V {} 100 V", [sound; 10].join(" ")), "10100: 1000 0 0"),
        (&format!("V {} 500 a 500 V", [sound; 9].join(" ")), "10000: 1000 0 9000"),
        // An outage is in no sum.
        ("V 100 V 700 V 100 V", "200: 200 0 0"),
        ("V 100 V 1500 a 100 a 100 V", "300: 100 0 200"),
        ("s 20 s 20 s", "40: 0 40 0"),
        ("s 20 a 20 s 20 s", "60: 0 20 0"),
        ("s 400 s 601 s 20 s", "420: 0 420 0"),
        // Without any audio packet nothing is known of sound.
        ("s 300 V 300 V 300 s", "900: 600 0 0"),
        ("s 20 V 20 s 20 V", "60: 40 40 0"),
    ] {
        assert_eq!(show(words), expected, "{words}");
    }
}

#[test]
fn a_late_report_of_picture_still_shows_that_there_was_some() {
    let mut evidence = Evidence::default();
    let picture = evidence.forward(ms(0), OPEN, Content::Picture { frame: 1 });
    let sound: Vec<_> =
        (0..5).map(|at| evidence.forward(ms(at * 300), OPEN, Content::Sound)).collect();
    evidence.confirm(ms(1_200), sound[1]);
    evidence.confirm(ms(1_200), picture);
    evidence.confirm(ms(1_200), picture);
    evidence.confirm(ms(1_200), sound[2]);
    evidence.confirm(ms(1_200), sound[3]);
    evidence.confirm(ms(1_200), sound[4]);
    assert_eq!((evidence.proven(), evidence.picture()), (ElapsedMs(900), ElapsedMs(700)));
}

/// Everything that happened, from which all sums are computed anew whenever they are wanted.
#[derive(Default)]
struct Log {
    /// Moment, forwarded time up to it, content.
    packets: Vec<(u64, u64, Content)>,
    /// When, and what had been forwarded by then; a confirmation names its packet.
    steps: Vec<(u64, usize, Option<usize>)>,
}

/// A confirmed packet, and by how much it raised proven time.
struct Proven {
    packet: usize,
    us: u64,
}

impl Log {
    /// Forwarded time that was too old by each step, and what the confirmations proved.
    fn replay(&self) -> (u64, Vec<Proven>) {
        let noted: Vec<_> = self.packets.iter().fold(Vec::new(), |mut noted: Vec<_>, packet| {
            if noted.last().is_none_or(|(at, _)| at + 500_000 <= packet.0) {
                noted.push((packet.0, packet.1));
            }
            noted
        });
        let (mut decided, mut proven) = (0, Vec::<Proven>::new());
        for (now, len, confirmed) in &self.steps {
            let sent = &self.packets[..*len];
            let Some(latest) = sent.last() else { continue };
            let known = noted.iter().filter(|(at, _)| *at <= latest.0);
            let old = known.copied().chain([(latest.0, latest.1)]);
            let old = old.filter(|(at, _)| at + 4_000_000 <= *now).map(|(_, sum)| sum);
            decided = old.max().unwrap_or(0).max(decided);
            let Some(packet) = *confirmed else { continue };
            let (moment, sum, _) = self.packets[packet];
            let before = proven.last().map(|before| self.packets[before.packet].0);
            if before.is_some_and(|before| moment < before) {
                continue;
            }
            let gap = before.map_or(0, |before| moment - before);
            let step = if gap <= GAP_MAX_US { gap } else { 0 };
            proven.push(Proven { packet, us: step.min(sum.saturating_sub(decided)) });
            decided = decided.max(sum);
        }
        (decided, proven)
    }

    fn forwarded(&self) -> u64 {
        self.packets.last().map_or(0, |packet| packet.1)
    }

    /// Proven, lost, picture, silent and frozen time.
    fn sums(&self) -> [u64; 5] {
        let (decided, proven) = self.replay();
        let total: u64 = proven.iter().map(|proven| proven.us).sum();
        let at = |nth: usize| self.packets[proven[nth].packet].0;
        let content = |nth: usize| self.packets[proven[nth].packet].2;
        let frame = |nth: usize| match content(nth) {
            Content::Picture { frame } => Some(frame),
            Content::Sound | Content::Silence => None,
        };
        let pictures: Vec<_> = (0..proven.len()).filter(|nth| frame(*nth).is_some()).collect();
        let first_of = |nth: usize| {
            let same = pictures.iter().rev().filter(|p| **p <= nth);
            same.take_while(|p| frame(**p) == frame(nth)).last().copied()
        };
        // Proven time up to the nth packet that lies more than a second behind its frame's start.
        let still = |nth: usize| {
            let before = pictures.iter().rev().find(|p| **p < nth)?;
            let began = at(first_of(*before)?);
            Some(proven[nth].us.min(at(nth).saturating_sub(began + STILL_MAX_US)))
        };
        let picture = (0..proven.len())
            .filter_map(|nth| still(nth).map(|still| proven[nth].us - still))
            .sum();
        let on = pictures.windows(2).filter(|pair| at(pair[1]) - at(pair[0]) <= OFF_AFTER_US);
        let frozen = on.flat_map(|pair| pair[0] + 1..=pair[1]).filter_map(still).sum();
        let sounds: Vec<_> = (0..proven.len()).filter(|nth| frame(*nth).is_none()).collect();
        let quiet = sounds.windows(2).filter(|pair| {
            pair.iter().all(|nth| content(*nth) == Content::Silence)
                && at(pair[1]) - at(pair[0]) <= GAP_MAX_US
        });
        let silent = quiet.flat_map(|pair| pair[0] + 1..=pair[1]).map(|nth| proven[nth].us).sum();
        [total, decided - total, picture, silent, frozen]
    }

    /// Forwards a packet as the rule says.
    fn forward(&mut self, now: u64, limit_us: u64, content: Content) {
        self.steps.push((now, self.packets.len(), None));
        let provable = self.forwarded() - self.sums()[1];
        let gap = self.packets.last().map_or(0, |packet| now - packet.0);
        let step = if gap <= GAP_MAX_US { gap } else { 0 };
        let added = step.min(limit_us.saturating_sub(provable));
        self.packets.push((now - (step - added), self.forwarded() + added, content));
    }
}

fn step() -> impl Strategy<Value = (u64, u8, usize)> {
    let pause = prop_oneof![
        8 => 1_000u64..90_000,
        4 => 300_000u64..650_000,
        1 => 900_000u64..1_200_000,
        1 => 3_900_000u64..4_100_000,
    ];
    (pause, 0u8..9, 0usize..12)
}

proptest! {
    /// Loss, silence, limits, late, lost and repeated confirmations in any order.
    #[test]
    fn sums_are_what_a_recomputation_from_everything_says(
        steps in prop::collection::vec(step(), 1..70),
        limits in prop::collection::vec(0u64..12_000, 1..4),
        in_order in any::<bool>(),
    ) {
        let (mut evidence, mut log, mut marks) = (Evidence::default(), Log::default(), vec![]);
        let (mut now, mut confirmed) = (5_000_000, 0);
        for (at, (pause, what, back)) in steps.into_iter().enumerate() {
            let limit = ElapsedMs(limits[at * limits.len() / 70]);
            let content = match what {
                0 | 1 => Content::Sound,
                2 | 3 => Content::Silence,
                4 | 5 => Content::Picture { frame: marks.len() as u32 / 2 },
                _ => {
                    let nth = marks.len().saturating_sub(1 + back);
                    // Late pictures show what the sums of the log leave out.
                    if nth < marks.len() && !(in_order && nth < confirmed) {
                        now += pause / 20;
                        confirmed = nth;
                        log.steps.push((now, marks.len(), Some(nth)));
                        evidence.confirm(MonotonicUs(now), marks[nth]);
                    }
                    continue;
                }
            };
            now += pause;
            let before = evidence.clone();
            log.forward(now, limit.0 * 1_000, content);
            marks.push(evidence.forward(MonotonicUs(now), limit, content));
            prop_assert!(before.proven_us <= evidence.proven_us);
            prop_assert!(before.lost_us() <= evidence.lost_us());
            // Whatever was provable before may stay above a limit that was lowered.
            prop_assert!(evidence.provable_us() <= us(limit).max(before.provable_us()));
        }
        let [proven, lost, picture, silent, frozen] = log.sums();
        prop_assert_eq!(evidence.forwarded_us, log.forwarded());
        prop_assert_eq!((evidence.proven_us, evidence.lost_us()), (proven, lost));
        prop_assert!(proven + lost <= evidence.forwarded_us);
        let Showing { picture_us, silent_us, frozen_us, .. } = evidence.showing;
        prop_assert!(picture_us + frozen_us <= proven && silent_us <= proven);
        prop_assert_eq!(silent_us, silent);
        if in_order {
            prop_assert_eq!((picture_us, frozen_us), (picture, frozen));
        }
    }

    #[test]
    fn sums_are_independent_of_how_confirmations_are_cut(
        steps in prop::collection::vec((0u64..900_000, 0u8..4), 1..200),
        funded in 0u64..100_000,
        cuts in prop::collection::vec(1usize..20, 1..50),
    ) {
        let limit = ElapsedMs(funded);
        let (mut evidence, mut now) = (Evidence::default(), 5);
        let mut marks = Vec::new();
        for (step, what) in &steps {
            if evidence.reaches(limit) {
                break;
            }
            // Within the time in which proof counts.
            now += step / 100;
            let content = match what {
                0 => Content::Sound,
                1 => Content::Silence,
                _ => Content::Picture { frame: marks.len() as u32 },
            };
            let mark = evidence.forward(MonotonicUs(now), limit, content);
            if step % 3 > 0 {
                marks.push(mark);
            }
        }
        let now = MonotonicUs(now);
        let mut at_once = evidence.clone();
        marks.iter().for_each(|mark| at_once.confirm(now, *mark));

        // Cut into reports, each of which is repeated, and tells again all that came before.
        let mut cut = evidence;
        let (mut told, mut proven) = (0, ElapsedMs::ZERO);
        for len in cuts.iter().cycle() {
            told = (told + len).min(marks.len());
            for _ in 0..2 {
                marks[..told].iter().for_each(|mark| cut.confirm(now, *mark));
            }
            prop_assert!(proven <= cut.proven());
            proven = cut.proven();
            if told == marks.len() {
                break;
            }
        }
        prop_assert_eq!(cut, at_once);
    }
}
