//! Plays a transcript against a switchboard.
//!
//! A line without arrow is an input: its time in milliseconds, who, and what. The lines after it
//! that begin with `>` are everything that it must lead to, in order; `> ...` accepts anything.
//!
//! * People: asha and bela are fans, meera and noor hosts. `asha connects`, `asha resumes 3`
//!   (having seen frame 3), `asha resumes 3 of 1` (the session that began with the first socket of
//!   all), `asha cut`. A number before a verb is the request's: `asha 2 ping`.
//! * Calls are c1, c2, ... in the order of rings; asks are a1, a2, ...; sockets beyond a person's
//!   first are asha2, asha3, ...
//! * Prices and funds are in coins.

use call_core::*;
use std::collections::BTreeMap;
use units::{
    CallId, ElapsedMs, Medium, MicroCoins, MonotonicMs, Rate, SessionId, ShareBps, UnixMs, UserId,
};
use uuid::Uuid;

/// The rules of every transcript.
pub(crate) const RULES: Rules = Rules {
    bands: PriceBands {
        voice: PriceBand { min: coins(1), max: coins(15) },
        video: PriceBand { min: coins(2), max: coins(15) },
    },
    host_share: ShareBps::WHOLE,
    ring_timeout: ElapsedMs(30_000),
    grace: ElapsedMs(30_000),
    connect_timeout: ElapsedMs(20_000),
    media_grace: ElapsedMs(15_000),
    settle_timeout: ElapsedMs(10_000),
    ask_timeout: ElapsedMs(10_000),
};

pub(crate) const fn coins(coins: u64) -> Rate {
    match Rate::per_minute(coins * 1_000_000) {
        Ok(rate) => rate,
        Err(_) => panic!("a price"),
    }
}

/// Plays transcripts one after the other, as one.
pub(crate) fn play(transcripts: &[&str]) {
    let mut stage = Stage::new();
    let text = transcripts.join("\n");
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        let expected: Vec<&str> =
            lines[at + 1..].iter().map_while(|line| line.strip_prefix("> ")).collect();
        at += 1 + expected.len();
        let outputs = stage.input(line);
        if expected != ["..."] {
            assert_eq!(outputs, expected, "after {line:?}");
        }
    }
}

struct Stage {
    board: Switchboard,
    sockets: u64,
    labels: BTreeMap<SocketId, String>,
    latest: BTreeMap<String, (SocketId, SessionId)>,
    connections: BTreeMap<String, u32>,
    calls: u128,
}

impl Stage {
    fn new() -> Self {
        Self {
            board: Switchboard::new(RULES),
            sockets: 0,
            labels: BTreeMap::new(),
            latest: BTreeMap::new(),
            connections: BTreeMap::new(),
            calls: 0,
        }
    }

    fn input(&mut self, line: &str) -> Vec<String> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let now = MonotonicMs(words[0].replace('_', "").parse().expect(line));
        let input = match words[1..] {
            ["wake"] => Input::WokeUp,
            ["stop"] => Input::StopRequested,
            ["meter", ref what @ ..] => Input::Meter(meter(what)),
            ["relay", ref what @ ..] => Input::Relay(relay(what)),
            [who, "connects"] => self.connects(who, None),
            [who, "resumes", after] => {
                let session = self.latest[who].1;
                self.connects(who, Some(Resume { session, after: after.parse().expect(line) }))
            }
            [who, "resumes", after, "of", socket] => {
                let session = SessionId(Uuid::from_u128(socket.parse().expect(line)));
                let after = after.parse().expect(line);
                self.connects(who, Some(Resume { session, after }))
            }
            [who, "cut"] => Input::Disconnected { socket: self.latest[who].0 },
            [who, "garbage"] => self.unreadable(who, None, Refusal::Malformed),
            [who, "too_large"] => self.unreadable(who, None, Refusal::TooLarge),
            [who, id, "garbage"] => {
                self.unreadable(who, Some(id.parse().expect(line)), Refusal::Malformed)
            }
            [who, id, ref what @ ..] => Input::Requested {
                socket: self.latest[who].0,
                id: id.parse().expect(line),
                request: self.request(what),
            },
            ref other => panic!("no such input: {other:?}"),
        };
        let outputs = self.board.handle(now, input);
        outputs.iter().map(|output| self.print(output)).collect()
    }

    fn connects(&mut self, who: &str, resume: Option<Resume>) -> Input {
        self.sockets += 1;
        let socket = SocketId(self.sockets);
        let count = self.connections.entry(who.to_owned()).or_default();
        *count += 1;
        let label = if *count == 1 { who.to_owned() } else { format!("{who}{count}") };
        self.labels.insert(socket, label);
        let fresh = SessionId(Uuid::from_u128(self.sockets.into()));
        // A resumed session keeps its id; a refused resume gets the fresh one. Scripts resume once.
        let session = resume.map_or(fresh, |resume| resume.session);
        self.latest.insert(who.to_owned(), (socket, session));
        let role = if ["asha", "bela"].contains(&who) { Role::Fan } else { Role::Host };
        let login = Login { user: user(who), name: who.to_owned(), role };
        Input::Connected { socket, login, resume, fresh }
    }

    fn unreadable(&self, who: &str, id: Option<u64>, refusal: Refusal) -> Input {
        let socket = self.latest[who].0;
        Input::Unreadable { socket, id, refusal, detail: None }
    }

    fn request(&mut self, what: &[&str]) -> Request {
        match what {
            ["online", prices @ ..] => {
                let of = |medium: &str| {
                    let at = prices.iter().position(|word| *word == medium)?;
                    Some(prices[at + 1].parse::<Rate>().unwrap())
                };
                Request::GoOnline(Prices { voice: of("voice"), video: of("video") })
            }
            ["offline"] => Request::GoOffline,
            ["watch"] => Request::WatchHosts,
            ["quote", host, medium] => {
                Request::AskQuote { host: user(host), medium: Medium::parse(medium).unwrap() }
            }
            ["ring", host, medium, at_most @ ..] => {
                self.calls += 1;
                Request::Ring(Ring {
                    fresh: CallId(Uuid::from_u128(self.calls)),
                    host: user(host),
                    medium: Medium::parse(medium).unwrap(),
                    at_most: at_most.last().map(|price| price.parse().unwrap()),
                })
            }
            ["cancel", call] => Request::Cancel(id(call)),
            ["accept", call] => Request::Accept(id(call)),
            ["decline", call] => Request::Decline(id(call)),
            ["hang_up", call] => Request::HangUp(id(call)),
            ["offer", call] => Request::OfferMedia { call: id(call), sdp: "offer".to_owned() },
            ["mute", call] => Request::ShowMedia { call: id(call), audio: false, video: true },
            ["wallet"] => Request::ShowWallet,
            ["ping"] => Request::Ping,
            other => panic!("no such request: {other:?}"),
        }
    }

    fn print(&self, output: &Output) -> String {
        match output {
            Output::Send { socket, frame } => {
                let re = frame.re.map(|re| format!(" re {re}")).unwrap_or_default();
                format!("{}: {}{re}", self.labels[socket], message(&frame.message))
            }
            Output::Close { socket, why } => format!("close {} {why:?}", self.labels[socket]),
            Output::Ask { ask, question } => match question {
                Question::Quote(terms) => {
                    format!("meter: quote a{} {} {}", ask.0, terms.medium, terms.rate())
                }
                Question::Balance(user) => format!("meter: balance a{} {user}", ask.0),
            },
            Output::OpenMeter { call, terms } => {
                format!("meter: open {} {} {}", name(*call), terms.medium, terms.rate())
            }
            Output::EndMeter { call, reason, proof, .. } => {
                let proof = match proof.media {
                    ElapsedMs::ZERO => String::new(),
                    media => format!(" after {}", media.0),
                };
                format!("meter: end {} {reason:?}{proof}", name(*call))
            }
            Output::OpenRoom { call, funded } => {
                format!("relay: open {} {}", name(*call), funded.0)
            }
            Output::Admit { call, party, ask, .. } => {
                format!("relay: admit a{} {} {party:?}", ask.0, name(*call))
            }
            Output::CloseRoom { call } => format!("relay: close {}", name(*call)),
            Output::ReportUnsettled { call } => format!("report unsettled {}", name(*call)),
        }
    }
}

fn message(message: &Message) -> String {
    match message {
        Message::Welcome(welcome) => {
            let resumed = if welcome.resumed { " resumed" } else { "" };
            let call = welcome.call.as_ref().map(|call| format!(", {}", view(call)));
            let share = match welcome.host_share.bps() {
                10_000 => String::new(),
                bps => format!(", earns {bps} of 10000"),
            };
            format!("welcome{resumed}{}{share}", call.unwrap_or_default())
        }
        Message::Ok => "ok".to_owned(),
        Message::Refused { refusal, detail } => match detail {
            Some(detail) => format!("{refusal:?} ({detail})"),
            None => format!("{refusal:?}"),
        },
        Message::Hosts(cards) => {
            format!("hosts {}", cards.iter().map(card).collect::<Vec<_>>().join(", "))
        }
        Message::Quote(quote) => {
            format!("quote {} {} lasts {}", quote.medium, quote.rate, quote.lasts.0)
        }
        Message::Call(call) => view(call),
        Message::MediaAnswer { call, .. } => format!("answer {}", name(*call)),
        Message::Wallet { balance } => format!("wallet {balance}"),
        Message::Pong => "pong".to_owned(),
        Message::HostUpdated(host) => format!("host {}", card(host)),
        Message::CallIncoming(call) => format!("incoming {}", view(call)),
        Message::CallTick(tick) => {
            let balance = tick.balance.map(|balance| format!(" balance {balance}"));
            format!("tick {} {}{}", tick.proven.0, tick.charged, balance.unwrap_or_default())
        }
        Message::LowFunds { threshold, .. } => format!("low_funds {}", threshold.0),
        Message::CallEnded { call, reason, receipt } => {
            let receipt = if receipt.is_some() { " with receipt" } else { "" };
            format!("ended {} {reason:?}{receipt}", name(*call))
        }
        Message::CallCredited { call, credits } => {
            let amounts: Vec<_> = credits.iter().map(|credit| credit.amount.to_string()).collect();
            format!("credited {} {}", name(*call), amounts.join(" "))
        }
        Message::SessionReplaced => "replaced".to_owned(),
    }
}

fn card(host: &HostCard) -> String {
    let price = host.prices.voice.or(host.prices.video);
    let price = price.map(|price| format!(" {price}")).unwrap_or_default();
    format!("{} {:?}{price}", host.user, host.state)
}

fn view(call: &CallView) -> String {
    let away = if call.peer.online { "" } else { " away" };
    let muted = if call.peer.audio { "" } else { " muted" };
    let rings = call.ring_ends_in.map(|left| format!(" for {}", left.0)).unwrap_or_default();
    let state = format!("{:?}{rings}", call.state);
    format!("{} {state} with {}{away}{muted}", name(call.call), call.peer.user)
}

fn meter(what: &[&str]) -> MeterFact {
    match what {
        ["quoted", ask, balance] => MeterFact::Quoted { ask: ask_id(ask), facts: facts(balance) },
        ["balance", ask, balance] => {
            MeterFact::BalanceTold { ask: ask_id(ask), balance: balance.parse().unwrap() }
        }
        ["failed", ask] => {
            MeterFact::Failed { ask: ask_id(ask), refusal: Refusal::BillingUnavailable }
        }
        ["credited", who, balance] => {
            MeterFact::CoinsAdded { user: user(who), balance: balance.parse().unwrap() }
        }
        ["opened", call] => MeterFact::Opened { call: id(call), funded: ElapsedMs(20_000) },
        ["not_opened", call] => MeterFact::NotOpened { call: id(call), refusal: Refusal::NoFunds },
        ["metered", call, proven] => MeterFact::Metered {
            call: id(call),
            proof: Proof { media: ElapsedMs(proven.parse().unwrap()), video: ElapsedMs::ZERO },
            charged: MicroCoins::coins(1),
            host_earned: MicroCoins::ZERO,
            balance: MicroCoins::coins(9),
            remaining: ElapsedMs(5_000),
            paused: false,
        },
        ["low", call] => MeterFact::LowFunds {
            call: id(call),
            threshold: ElapsedMs(10_000),
            remaining: ElapsedMs(9_900),
        },
        ["refunded", call] => MeterFact::Credited {
            call: id(call),
            fan: user("asha"),
            host: user("meera"),
            credits: vec![Credit {
                reason: CreditReason::EarlyDrop,
                amount: MicroCoins::coins(1),
                payer: CreditPayer::Platform,
                from_n: 0,
                to_n: 7,
            }],
        },
        ["settled", call] => MeterFact::Settled { call: id(call), receipt: receipt(id(call)) },
        other => panic!("no such fact: {other:?}"),
    }
}

pub(crate) fn facts(balance: &str) -> QuoteFacts {
    QuoteFacts {
        free: ElapsedMs::ZERO,
        minimum: MicroCoins::coins(1),
        balance: balance.parse().unwrap(),
        lasts: ElapsedMs(60_000),
        host_share: ShareBps::new(7_000).unwrap(),
    }
}

pub(crate) fn receipt(call: CallId) -> Receipt {
    Receipt {
        call,
        fan: user("asha"),
        host: user("meera"),
        medium: Medium::Voice,
        rate: coins(5),
        voice_rate: coins(5),
        reason: EndReason::HungUpByFan,
        accepted_at: UnixMs(0),
        ended_at: UnixMs(0),
        proven: ElapsedMs::ZERO,
        video: ElapsedMs::ZERO,
        silent: ElapsedMs::ZERO,
        frozen: ElapsedMs::ZERO,
        free: ElapsedMs::ZERO,
        charged: MicroCoins::ZERO,
        paid: MicroCoins::ZERO,
        promo: MicroCoins::ZERO,
        host_share: ShareBps::WHOLE,
        host_earned: MicroCoins::ZERO,
        platform_earned: MicroCoins::ZERO,
    }
}

fn relay(what: &[&str]) -> RelayFact {
    let party = |name: &str| if name == "fan" { Party::Fan } else { Party::Host };
    match what {
        ["answered", ask] => RelayFact::Answered { ask: ask_id(ask), answer: "answer".to_owned() },
        ["unsupported", ask, missing] => RelayFact::OfferRefused {
            ask: ask_id(ask),
            refusal: OfferRefusal::Unsupported { missing: (*missing).to_owned() },
        },
        ["full", ask] => {
            RelayFact::OfferRefused { ask: ask_id(ask), refusal: OfferRefusal::Unavailable }
        }
        ["restarted"] => RelayFact::Restarted,
        ["connected", call, side] => RelayFact::Connected { call: id(call), party: party(side) },
        ["flowing", call] => RelayFact::Flowing { call: id(call) },
        ["gone", call, side] => RelayFact::Gone { call: id(call), party: party(side) },
        ["limit", call] => RelayFact::LimitReached { call: id(call) },
        other => panic!("no such fact: {other:?}"),
    }
}

fn ask_id(name: &str) -> AskId {
    AskId(name[1..].parse().unwrap())
}

fn id(name: &str) -> CallId {
    CallId(Uuid::from_u128(name[1..].parse().unwrap()))
}

fn name(call: CallId) -> String {
    format!("c{}", call.0.as_u128())
}

pub(crate) fn user(name: &str) -> UserId {
    name.parse().unwrap()
}
