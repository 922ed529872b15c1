//! Whatever happens in whatever order, the rules that money and memory depend on hold.

use crate::script::{RULES, coins, facts, receipt, user};
use call_core::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use units::{CallId, ElapsedMs, Medium, MicroCoins, MonotonicMs, SessionId};
use uuid::Uuid;

const FANS: [&str; 3] = ["asha", "bela", "cyra"];
const HOSTS: [&str; 2] = ["meera", "noor"];

/// One random thing; small numbers pick among what there is at that moment.
#[derive(Clone, Copy, Debug)]
enum Step {
    Connect { who: usize },
    Resume { who: usize, after: u64 },
    Cut { pick: usize },
    Request { pick: usize, kind: u8, call: usize, skip: u64 },
    Meter { pick: usize, kind: u8 },
    Relay { pick: usize, kind: u8 },
    Garbage { pick: usize },
    Wait { ms: u64 },
    Wake,
}

fn step() -> impl Strategy<Value = Step> {
    let pick = 0..8_usize;
    prop_oneof![
        1 => (0..5_usize).prop_map(|who| Step::Connect { who }),
        1 => (0..5_usize, 0..6_u64).prop_map(|(who, after)| Step::Resume { who, after }),
        1 => pick.clone().prop_map(|pick| Step::Cut { pick }),
        20 => (pick.clone(), 0..13_u8, 0..4_usize, 0..4_u64)
            .prop_map(|(pick, kind, call, skip)| Step::Request { pick, kind, call, skip }),
        12 => (pick.clone(), 0..8_u8).prop_map(|(pick, kind)| Step::Meter { pick, kind }),
        5 => (pick.clone(), 0..7_u8).prop_map(|(pick, kind)| Step::Relay { pick, kind }),
        1 => pick.prop_map(|pick| Step::Garbage { pick }),
        1 => (1..12_000_u64).prop_map(|ms| Step::Wait { ms }),
        1 => Just(Step::Wake),
    ]
}

/// What the outside knows: it obeys the switchboard and checks it.
struct World {
    board: Switchboard,
    now: MonotonicMs,
    counter: u64,
    /// Open sockets, and who is there.
    sockets: BTreeMap<SocketId, usize>,
    sessions: BTreeMap<usize, SessionId>,
    /// The next request number per socket.
    requests: BTreeMap<SocketId, u64>,
    asks: Vec<AskId>,
    calls: Vec<CallId>,
    opened: BTreeSet<CallId>,
    not_opened: BTreeSet<CallId>,
    ended: BTreeSet<CallId>,
    closed: BTreeSet<CallId>,
    /// Calls whose bill came after their end.
    settled: BTreeSet<CallId>,
    /// The last frame that each user has seen of their session.
    seen: BTreeMap<usize, u64>,
    /// Which call each user was last told they are in.
    told: BTreeMap<usize, CallId>,
}

impl World {
    fn new() -> Self {
        Self {
            board: Switchboard::new(RULES),
            now: MonotonicMs(0),
            counter: 0,
            sockets: BTreeMap::new(),
            sessions: BTreeMap::new(),
            requests: BTreeMap::new(),
            asks: Vec::new(),
            calls: Vec::new(),
            opened: BTreeSet::new(),
            not_opened: BTreeSet::new(),
            ended: BTreeSet::new(),
            settled: BTreeSet::new(),
            closed: BTreeSet::new(),
            seen: BTreeMap::new(),
            told: BTreeMap::new(),
        }
    }

    fn fresh(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    fn socket(&self, pick: usize) -> Option<SocketId> {
        self.sockets.keys().nth(pick % self.sockets.len().max(1)).copied()
    }

    fn input(&mut self, step: Step) -> Option<Input> {
        let call = |picked: usize, calls: &[CallId]| {
            calls.iter().rev().nth(picked % calls.len().max(1)).copied()
        };
        match step {
            Step::Connect { who } => Some(self.connect(who, None)),
            Step::Resume { who, after } => {
                let after = after.min(self.seen.get(&who).copied().unwrap_or_default());
                let resume = self.sessions.get(&who).map(|id| Resume { session: *id, after });
                Some(self.connect(who, resume))
            }
            Step::Cut { pick } => Some(Input::Disconnected { socket: self.socket(pick)? }),
            Step::Garbage { pick } => {
                let (socket, refusal) = (self.socket(pick)?, Refusal::Malformed);
                Some(Input::Unreadable { socket, id: None, refusal, detail: None })
            }
            Step::Request { pick, kind, call: picked, skip } => {
                let socket = self.socket(pick)?;
                let last = self.requests.entry(socket).or_default();
                *last += skip;
                let id = *last;
                let some_call = call(picked, &self.calls).unwrap_or(CallId(Uuid::nil()));
                let request = self.request(kind, picked, some_call);
                Some(Input::Requested { socket, id, request })
            }
            Step::Meter { pick, kind } => {
                let ask = self.asks.iter().rev().nth(pick % 3).copied();
                meter(kind, ask?, call(pick, &self.calls)?).map(Input::Meter)
            }
            Step::Relay { pick, kind } => {
                let ask = self.asks.iter().rev().nth(pick % 3).copied();
                relay(kind, ask?, call(pick, &self.calls)?).map(Input::Relay)
            }
            Step::Wait { ms } => {
                self.now = self.now + ElapsedMs(ms);
                None
            }
            Step::Wake => {
                self.now = self.board.next_wake()?.max(self.now);
                Some(Input::WokeUp)
            }
        }
    }

    fn connect(&mut self, who: usize, resume: Option<Resume>) -> Input {
        let number = self.fresh();
        let (name, role) = match FANS.get(who) {
            Some(fan) => (*fan, Role::Fan),
            None => (HOSTS[who - FANS.len()], Role::Host),
        };
        let login = Login { user: user(name), name: name.to_owned(), role };
        let (socket, fresh) = (SocketId(number), SessionId(Uuid::from_u128(number.into())));
        self.sockets.insert(socket, who);
        // Enough that a resumed session takes them as new.
        self.requests.insert(socket, number * 1_000);
        Input::Connected { socket, login, resume, fresh }
    }

    fn request(&mut self, kind: u8, pick: usize, call: CallId) -> Request {
        let host = user(HOSTS[pick % HOSTS.len()]);
        match kind {
            0 | 1 => Request::GoOnline(Prices { voice: Some(coins(5)), video: None }),
            2 => Request::GoOffline,
            3 => Request::WatchHosts,
            4 | 5 => {
                let fresh = CallId(Uuid::from_u128(self.fresh().into()));
                self.calls.push(fresh);
                Request::Ring(Ring { fresh, host, medium: Medium::Voice, at_most: None })
            }
            6 => Request::Cancel(call),
            7 | 8 => Request::Accept(call),
            9 => Request::Decline(call),
            10 => Request::HangUp(call),
            11 => Request::OfferMedia { call, sdp: String::new() },
            _ => Request::ShowWallet,
        }
    }

    /// Applies an input and checks everything that it leads to.
    fn apply(&mut self, input: Input) {
        if let Input::Meter(MeterFact::NotOpened { call, .. }) = &input {
            self.not_opened.insert(*call);
        }
        let mut bill = None;
        if let Input::Meter(MeterFact::Settled { call, .. } | MeterFact::NotOpened { call, .. }) =
            &input
        {
            bill = Some(*call);
        }
        let cut = if let Input::Disconnected { socket } = &input { Some(*socket) } else { None };
        // What was overdue is still sent to a socket whose end comes with this very input.
        for output in self.board.handle(self.now, input) {
            match output {
                Output::Send { socket, frame } => {
                    let who = *self.sockets.get(&socket).expect("sent to a socket that is gone");
                    self.read(who, &frame);
                }
                Output::Close { socket, .. } => {
                    assert!(self.sockets.remove(&socket).is_some(), "closed twice");
                }
                Output::Ask { ask, .. } | Output::Admit { ask, .. } => self.asks.push(ask),
                Output::OpenMeter { call, .. } => {
                    assert!(self.opened.insert(call), "opened twice");
                }
                Output::EndMeter { call, .. } => {
                    assert!(self.opened.contains(&call), "ended, never opened");
                    assert!(!self.settled.contains(&call), "ended again though it was settled");
                    self.ended.insert(call);
                }
                Output::CloseRoom { call } => assert!(self.closed.insert(call), "closed twice"),
                Output::OpenRoom { call, .. } => assert!(self.opened.contains(&call)),
                Output::ReportUnsettled { call } => assert!(self.ended.contains(&call)),
            }
        }
        if let Some(socket) = cut {
            self.sockets.remove(&socket);
        }
        self.settled.extend(bill.filter(|call| self.ended.contains(call)));
        assert_eq!(self.ended, self.closed, "settled and closed together");
        let next = self.board.next_wake();
        assert!(next.is_none_or(|next| next > self.now), "an alarm that leads nowhere");
    }

    /// Reads as a client does: what it has seen before it passes over, and where it resumes, it
    /// goes by what follows.
    fn read(&mut self, who: usize, frame: &Frame) {
        if frame.seq > 0 {
            let seen = self.seen.entry(who).or_default();
            if frame.seq <= *seen {
                return;
            }
            assert_eq!(frame.seq, *seen + 1, "a gap");
            *seen = frame.seq;
        }
        match &frame.message {
            Message::Welcome(welcome) if welcome.resumed => {}
            Message::Welcome(welcome) => {
                self.sessions.insert(who, welcome.session);
                self.seen.insert(who, 0);
                match &welcome.call {
                    Some(view) => self.told.insert(who, view.call),
                    None => self.told.remove(&who),
                };
            }
            Message::CallIncoming(view) => {
                let before = self.told.insert(who, view.call);
                assert!(before.is_none_or(|call| call == view.call), "a second call");
            }
            Message::Call(view) => {
                let before = self.told.insert(who, view.call);
                assert!(before.is_none_or(|call| call == view.call), "a second call");
            }
            Message::CallEnded { call, .. } => {
                // A bill may be told late, or again.
                if self.told.get(&who) == Some(call) {
                    self.told.remove(&who);
                }
            }
            Message::Ok
            | Message::Refused { .. }
            | Message::Hosts(_)
            | Message::Quote(_)
            | Message::MediaAnswer { .. }
            | Message::Wallet { .. }
            | Message::Pong
            | Message::HostUpdated(_)
            | Message::CallTick(_)
            | Message::LowFunds { .. }
            | Message::CallCredited { .. }
            | Message::SessionReplaced => {}
        }
    }
}

fn meter(kind: u8, ask: AskId, call: CallId) -> Option<MeterFact> {
    Some(match kind {
        0..=2 => MeterFact::Quoted { ask, facts: facts("10") },
        3 => MeterFact::BalanceTold { ask, balance: MicroCoins::ZERO },
        4 | 5 => MeterFact::Opened { call, funded: ElapsedMs(1) },
        6 => MeterFact::NotOpened { call, refusal: Refusal::BillingUnavailable },
        _ => MeterFact::Settled { call, receipt: receipt(call) },
    })
}

fn relay(kind: u8, ask: AskId, call: CallId) -> Option<RelayFact> {
    Some(match kind {
        0 => RelayFact::Answered { ask, answer: String::new() },
        1 => RelayFact::OfferRefused { ask, refusal: OfferRefusal::Unavailable },
        2 | 3 => RelayFact::Flowing { call },
        4 => RelayFact::Gone { call, party: Party::Fan },
        5 => RelayFact::Connected { call, party: Party::Fan },
        _ => RelayFact::LimitReached { call },
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_books_and_the_memory_are_clean_afterwards(
        steps in prop::collection::vec(step(), 1..250)
    ) {
        let mut world = World::new();
        for step in steps {
            if let Some(input) = world.input(step) {
                world.apply(input);
            }
        }
        // Everybody leaves and nobody answers any more.
        let sockets: Vec<SocketId> = world.sockets.keys().copied().collect();
        for socket in sockets {
            world.apply(Input::Disconnected { socket });
        }
        let mut wakes = 0;
        while let Some(at) = world.board.next_wake() {
            world.now = at;
            world.apply(Input::WokeUp);
            wakes += 1;
            prop_assert!(wakes < 10_000, "alarms without end");
        }
        prop_assert!(world.board.is_empty(), "something is left: {:?}", world.board);
        let unsettled: Vec<_> = world.opened.difference(&world.ended).collect();
        prop_assert!(
            unsettled.iter().all(|call| world.not_opened.contains(call)),
            "opened and never ended"
        );
    }
}
