//! The relay as the world's truth about media: who sent what, and when it was confirmed.
//!
//! It obeys the limits it is given as the real one does: what is, or can still be, proven never
//! passes the limit. Time moves in steps, so that a call's media is a sum that anybody can check.

use crate::{Chance, Trace};
use billing_core::{Counted, Flow};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use units::{CallId, ElapsedMs, MonotonicMs};

/// How finely media is cut.
pub(crate) const STEP_MS: u64 = 100;

/// How often totals are told.
const REPORT_MS: u64 = 1_000;

/// How long a closing room waits for the last proof.
const CLOSE_MS: u64 = 2_000;

/// How long unproven media may still be proven.
const PROOF_MS: u64 = 4_000;

/// A piece of media on its way to its proof.
#[derive(Clone, Copy, Debug)]
struct Piece {
    sent_at: u64,
    proven_at: u64,
    ms: u64,
    picture: bool,
}

/// One call's room.
#[derive(Debug)]
pub(crate) struct Room {
    funded: u64,
    forwarded: u64,
    lost: u64,
    proven: u64,
    video: u64,
    silent: u64,
    frozen: u64,
    pieces: VecDeque<Piece>,
    /// What people do: whether both are there, and what the host sends.
    pub(crate) connected: bool,
    pub(crate) sends: bool,
    pub(crate) camera: bool,
    pub(crate) silent_host: bool,
    /// Whether what is sent arrives.
    pub(crate) arrives: bool,
    flowing_told: bool,
    limit_told: bool,
    closing_until: Option<u64>,
    next_report: u64,
}

/// What the relay has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    Flowing(CallId),
    LimitReached(CallId),
    Counted { call: CallId, counted: Counted, last: bool },
}

/// All rooms.
#[derive(Debug, Default)]
pub(crate) struct Relay {
    pub(crate) rooms: BTreeMap<CallId, Room>,
    /// What each room had carried when it closed, or when the relay died: the truth for the audit.
    pub(crate) carried: BTreeMap<CallId, Counted>,
    /// Last reports of closed rooms, which every meter that starts is told.
    said_last: BTreeMap<CallId, Counted>,
    /// Calls that were open when the relay died: nobody will ever report them again.
    pub(crate) died: BTreeSet<CallId>,
}

impl Room {
    fn new(now: MonotonicMs, funded: ElapsedMs) -> Self {
        Self {
            funded: funded.0,
            forwarded: 0,
            lost: 0,
            proven: 0,
            video: 0,
            silent: 0,
            frozen: 0,
            pieces: VecDeque::new(),
            connected: false,
            sends: true,
            camera: true,
            silent_host: false,
            arrives: true,
            flowing_told: false,
            limit_told: false,
            closing_until: None,
            next_report: now.0 + REPORT_MS,
        }
    }

    pub(crate) fn counted(&self) -> Counted {
        let flow = Flow {
            forwarded: ElapsedMs(self.forwarded),
            proven: ElapsedMs(self.proven),
            lost: ElapsedMs(self.lost),
            packets: self.forwarded / 20,
            bytes: self.forwarded * 6,
            packets_lost: self.lost / 20,
        };
        Counted {
            to_fan: flow,
            to_host: Flow::default(),
            video: ElapsedMs(self.video),
            silent: ElapsedMs(self.silent),
            frozen: ElapsedMs(self.frozen),
        }
    }

    fn step(&mut self, now: u64, chance: &Chance) {
        while let Some(piece) = self.pieces.front().copied() {
            if piece.proven_at <= now {
                self.proven += piece.ms;
                self.video += if piece.picture { piece.ms } else { 0 };
                self.silent += if self.silent_host { piece.ms } else { 0 };
            } else if now >= piece.sent_at + PROOF_MS {
                self.lost += piece.ms;
            } else {
                break;
            }
            self.pieces.pop_front();
        }
        if !self.connected || !self.sends || self.closing_until.is_some() {
            return;
        }
        let ms = STEP_MS.min(self.funded.saturating_sub(self.forwarded - self.lost));
        if ms == 0 {
            return;
        }
        self.forwarded += ms;
        if chance.one_in(100) {
            self.lost += ms;
        } else {
            let lag = if self.arrives { chance.between(20, 800) } else { 1_000_000 };
            let after = self.pieces.back().map_or(0, |piece| piece.proven_at.min(now + 2_000));
            let proven_at = (now + lag).max(after);
            self.pieces.push_back(Piece { sent_at: now, proven_at, ms, picture: self.camera });
        }
    }
}

impl Relay {
    pub(crate) fn open(&mut self, now: MonotonicMs, call: CallId, funded: ElapsedMs) {
        if !self.carried.contains_key(&call) {
            self.rooms.entry(call).or_insert_with(|| Room::new(now, funded));
        }
    }

    pub(crate) fn limit(&mut self, call: CallId, funded: ElapsedMs) {
        if let Some(room) = self.rooms.get_mut(&call) {
            room.funded = funded.0;
            room.limit_told &= room.forwarded - room.lost >= funded.0;
        }
    }

    pub(crate) fn close(&mut self, now: MonotonicMs, call: CallId) -> Option<Word> {
        match self.rooms.get_mut(&call) {
            Some(room) => {
                room.closing_until.get_or_insert(now.0 + CLOSE_MS);
                None
            }
            None => {
                // An order to open it that comes later was overtaken.
                self.carried.entry(call).or_default();
                let counted = self.said_last.get(&call).copied().unwrap_or_default();
                Some(Word::Counted { call, counted, last: true })
            }
        }
    }

    /// Lets a step's time pass.
    pub(crate) fn step(&mut self, now: MonotonicMs, chance: &Chance) -> Vec<Word> {
        let mut words = Vec::new();
        let mut closed = Vec::new();
        for (call, room) in &mut self.rooms {
            room.step(now.0, chance);
            if room.proven > 0 && !room.flowing_told {
                room.flowing_told = true;
                words.push(Word::Flowing(*call));
            }
            let decided = room.pieces.is_empty();
            if room.proven + room.lost > 0 && room.proven >= room.funded && !room.limit_told {
                room.limit_told = true;
                words.push(Word::LimitReached(*call));
            }
            if room.closing_until.is_some_and(|until| decided || until <= now.0) {
                closed.push(*call);
            } else if room.next_report <= now.0 {
                room.next_report = now.0 + REPORT_MS;
                words.push(Word::Counted { call: *call, counted: room.counted(), last: false });
            }
        }
        for call in closed {
            if let Some(room) = self.rooms.remove(&call) {
                let counted = room.counted();
                self.carried.insert(call, counted);
                self.said_last.insert(call, counted);
                words.push(Word::Counted { call, counted, last: true });
            }
        }
        words
    }

    /// The process dies with all its rooms.
    pub(crate) fn crash(&mut self, trace: &Trace) {
        trace.note("relay", || format!("dies with {} rooms", self.rooms.len()));
        for (call, room) in std::mem::take(&mut self.rooms) {
            self.carried.insert(call, room.counted());
            self.died.insert(call);
        }
        self.died.extend(std::mem::take(&mut self.said_last).into_keys());
    }

    /// What a meter that starts is told.
    pub(crate) fn last_words(&self) -> impl Iterator<Item = (CallId, Counted)> {
        self.said_last.iter().map(|(call, counted)| (*call, *counted))
    }

    /// What a call has carried so far, in truth.
    pub(crate) fn truth(&self, call: CallId) -> Counted {
        let open = self.rooms.get(&call).map(Room::counted);
        open.or_else(|| self.carried.get(&call).copied()).unwrap_or_default()
    }
}
