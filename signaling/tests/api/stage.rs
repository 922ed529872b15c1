//! A running server, and the meter and relay that it talks to.

use crate::DEADLINE;
use crate::client::Client;
use protocol::client::{Party, Receipt};
use protocol::service::{
    MeterCommand, MeterEvent, OfferRefusal, QuoteFacts, RelayCommand, RelayEvent, SignedReceipt,
};
use protocol::token::{Role, TokenKey};
use service_kit::link::{self, Link};
use service_kit::{Clock, Shutdown, Trigger};
use signaling::{Config, Demo, DemoUser, Error, Signaling, Turn};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use units::{CallId, ElapsedMs, MicroCoins, ShareBps, UnixMs, UserId};

const FAR: u64 = 4_000_000_000;

/// Asha's call with Meera that has a signed receipt, and what that is.
pub(crate) const SIGNED_CALL: &str = "0193a1b2-0000-7000-8000-000000000001";
pub(crate) const SIGNED_TEXT: &str = "{\"as it\":\"stands\"}";
pub(crate) const RECEIPT_KEY: &str =
    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

pub(crate) const TURN_URL: &str = "turn:turn.example.org:3478";

/// A server and what is behind it.
pub(crate) struct Stage {
    pub(crate) address: SocketAddr,
    pub(crate) key: TokenKey,
    pub(crate) meter: mpsc::UnboundedSender<MeterEvent>,
    pub(crate) relay: mpsc::UnboundedSender<RelayEvent>,
    /// What the server had the meter and the relay do, quotes and balances aside.
    pub(crate) orders: mpsc::UnboundedReceiver<String>,
    trigger: Trigger,
    server: JoinHandle<Result<(), Error>>,
}

/// Asha has 100 coins, Bela half a coin; Meera earns.
fn demo() -> Demo {
    let user = |id: &str, role, coins: &str| DemoUser {
        id: id.parse().unwrap(),
        name: id.to_uppercase(),
        role,
        coins: coins.parse().unwrap(),
    };
    Demo {
        users: vec![
            user("asha", Role::Fan, "100"),
            user("bela", Role::Fan, "0.5"),
            user("meera", Role::Host, "0"),
        ],
    }
}

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with(Config::default(), true).await
    }

    pub(crate) async fn with(config: Config, in_demo_mode: bool) -> Self {
        let config = Config { listen: "127.0.0.1:0".parse().unwrap(), ..config };
        let key = TokenKey::new("test", &[7; 32]).unwrap();
        let people = in_demo_mode.then(demo);
        let clock = Clock::start();
        let signaling = Signaling::bind(config, key.clone(), people, clock).await.unwrap();
        let signaling = signaling.with_receipt_key(Some(RECEIPT_KEY.to_owned()));
        let turn = Turn::new(vec![TURN_URL.to_owned()], b"secret".to_vec(), ElapsedMs(60_000));
        let signaling = signaling.with_turn(Some(turn));
        let address = signaling.local_addr();
        let (relay, relay_end) = link::pair();
        let (meter, meter_end) = link::pair();
        let (trigger, shutdown) = Shutdown::new();
        let server = tokio::spawn(signaling.run(relay, meter, shutdown));
        let (done, orders) = mpsc::unbounded_channel();
        let (meter, relay) = (meter_end.outgoing.clone(), relay_end.outgoing.clone());
        tokio::spawn(play_meter(meter_end, done.clone()));
        tokio::spawn(play_relay(relay_end, done));
        Self { address, key, meter, relay, orders, trigger, server }
    }

    pub(crate) fn token(&self, user: &str, role: Role) -> String {
        self.key.sign(&user.parse().unwrap(), &user.to_uppercase(), role, FAR)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(crate) async fn fan(&self, user: &str) -> Client {
        Client::connect(self.address, &self.token(user, Role::Fan), "").await
    }

    pub(crate) async fn host(&self, user: &str) -> Client {
        Client::connect(self.address, &self.token(user, Role::Host), "").await
    }

    /// The next order to the meter or the relay.
    pub(crate) async fn order(&mut self) -> String {
        timeout(DEADLINE, self.orders.recv()).await.expect("an order").unwrap()
    }

    /// Stops the server and waits for its end.
    pub(crate) async fn stop(self) -> Result<(), Error> {
        self.trigger.stop();
        timeout(DEADLINE, self.server).await.expect("the server stops").unwrap()
    }

    /// Tells the server to stop, and goes on.
    pub(crate) fn begin_to_stop(&self) {
        self.trigger.stop();
    }
}

async fn play_meter(
    mut link: Link<MeterEvent, MeterCommand>,
    orders: mpsc::UnboundedSender<String>,
) {
    let mut wallets: BTreeMap<UserId, MicroCoins> =
        demo().users.into_iter().map(|user| (user.id, user.coins)).collect();
    let (mut credits, mut opened) = (BTreeSet::new(), BTreeMap::new());
    while let Some(command) = link.incoming.recv().await {
        let event = match command {
            MeterCommand::Quote { request, terms } => {
                let balance = wallets.get(&terms.fan).copied().unwrap_or_default();
                MeterEvent::Quoted { request, facts: facts(balance) }
            }
            MeterCommand::Balance { request, user } => {
                let balance = wallets.get(&user).copied().unwrap_or_default();
                MeterEvent::Balance { request, user, balance }
            }
            MeterCommand::Credit { request, user, amount, id, .. } => {
                let wallet = wallets.entry(user.clone()).or_default();
                if credits.insert(id) {
                    *wallet = wallet.checked_add(amount).unwrap();
                    let (user, balance) = (user.clone(), *wallet);
                    let news = MeterEvent::Balance { request: 0, user, balance };
                    link.outgoing.send(news).unwrap();
                }
                MeterEvent::Balance { request, user, balance: *wallet }
            }
            MeterCommand::Open { call, terms } => {
                orders.send(format!("open {}", terms.medium)).ok();
                opened.insert(call, terms);
                MeterEvent::Opened { call, funded_ms: ElapsedMs(20_000) }
            }
            MeterCommand::EndAll => continue,
            MeterCommand::End { call, reason, .. } => {
                orders.send(format!("end {reason:?}")).ok();
                let terms = opened.remove(&call).expect("only what was opened is ended, once");
                let receipt = Receipt {
                    call,
                    fan: terms.fan,
                    host: terms.host,
                    medium: terms.medium,
                    rate_micro_per_min: terms.rates.video,
                    voice_rate_micro_per_min: terms.rates.voice,
                    reason,
                    accepted_at_unix_ms: UnixMs(1),
                    ended_at_unix_ms: UnixMs(2),
                    proven_ms: ElapsedMs(7_000),
                    video_ms: ElapsedMs::ZERO,
                    silent_ms: ElapsedMs::ZERO,
                    frozen_ms: ElapsedMs::ZERO,
                    free_ms: ElapsedMs::ZERO,
                    charged_micro: MicroCoins::coins(1),
                    paid_micro: MicroCoins::coins(1),
                    promo_micro: MicroCoins::ZERO,
                    host_share_bps: share(),
                    host_micro: MicroCoins::ZERO,
                    platform_micro: MicroCoins::coins(1),
                };
                MeterEvent::Settled { call, receipt }
            }
            MeterCommand::Gift { .. }
            | MeterCommand::Chargeback { .. }
            | MeterCommand::Change { .. } => unreachable!("signaling asks for none of these"),
            MeterCommand::Document { request, call } => {
                let document = signed(call);
                MeterEvent::Document { request, document }
            }
        };
        if link.outgoing.send(event).is_err() {
            return;
        }
    }
}

fn signed(call: CallId) -> Option<SignedReceipt> {
    (call == SIGNED_CALL.parse().unwrap()).then(|| SignedReceipt {
        fan: "asha".parse().unwrap(),
        host: "meera".parse().unwrap(),
        text: SIGNED_TEXT.to_owned(),
    })
}

fn facts(balance: MicroCoins) -> QuoteFacts {
    QuoteFacts {
        free_ms: ElapsedMs::ZERO,
        minimum: MicroCoins::coins(1),
        balance,
        lasts_ms: ElapsedMs(60_000),
        host_share: share(),
    }
}

fn share() -> ShareBps {
    ShareBps::new(6_500).unwrap()
}

/// Media flows as soon as both sides have been admitted. An offer that says so lacks Opus.
async fn play_relay(
    mut link: Link<RelayEvent, RelayCommand>,
    orders: mpsc::UnboundedSender<String>,
) {
    let mut rooms: BTreeMap<CallId, BTreeSet<Party>> = BTreeMap::new();
    while let Some(command) = link.incoming.recv().await {
        let events = match command {
            RelayCommand::OpenRoom { call, funded_ms } => {
                orders.send(format!("room for {}", funded_ms.0)).ok();
                rooms.insert(call, BTreeSet::new());
                vec![]
            }
            RelayCommand::Admit { call, party, request, offer } if offer.contains("no opus") => {
                let refusal = OfferRefusal::Unsupported { missing: "opus".to_owned() };
                vec![RelayEvent::Refused { call, party, request, refusal }]
            }
            RelayCommand::Admit { call, party, request, offer } => {
                let room = rooms.get_mut(&call).expect("a room is opened before anybody enters");
                room.insert(party);
                let answer = format!("answer to {offer}");
                let mut events = vec![
                    RelayEvent::Answered { call, party, request, answer },
                    RelayEvent::Connected { call, party },
                ];
                if room.len() == 2 {
                    events.push(RelayEvent::Flowing { call });
                }
                events
            }
            RelayCommand::CloseRoom { call } => {
                orders.send("close room".to_owned()).ok();
                rooms.remove(&call);
                vec![]
            }
            RelayCommand::CloseAll => {
                rooms.clear();
                vec![]
            }
            RelayCommand::Group { .. } => vec![],
        };
        for event in events {
            if link.outgoing.send(event).is_err() {
                return;
            }
        }
    }
}
