//! The one task that owns the switchboard: everything that happens passes here, one at a time.

use crate::Error;
use crate::config::Config;
use crate::socket::{CloseCode, Outgoing, Outlet};
use crate::translate::{self, Errand};
use call_core::{AskId, Closing, Input, Login, Output, Resume, SocketId, Switchboard};
use protocol::ErrorCode;
use protocol::service::{
    CreditKind, MeterCommand, MeterEvent, RelayCommand, RelayEvent, SignedReceipt,
};
use service_kit::link::Link;
use service_kit::{Clock, Shutdown, entropy};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::{debug, info, warn};
use units::{CallId, ElapsedMs, MicroCoins, MonotonicMs, UserId};

/// Messages of all sockets that wait for the hub. It handles one in microseconds; more would only
/// hide that it can't keep up, fewer would make sockets wait for each other at a login storm.
const INBOX_MAX: usize = 1_024;

/// How long closed sockets may take to say goodbye when the service stops.
const FAREWELL: ElapsedMs = ElapsedMs(1_500);

/// How long an HTTP request waits for the meter by way of the hub.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// The balance asked for, or why it is not to be had.
pub(crate) type BalanceAnswer = Result<MicroCoins, ErrorCode>;

/// The signed receipt asked for, if there is one, or why it is not to be had.
pub(crate) type DocumentAnswer = Result<Option<SignedReceipt>, ErrorCode>;

/// What reaches the hub from sockets and HTTP requests.
#[derive(Debug)]
pub(crate) enum Message {
    Connected {
        socket: SocketId,
        login: Login,
        resume: Option<Resume>,
        outlet: Outlet,
    },
    /// One of the inputs that a socket can cause.
    FromSocket(Input),
    Balance {
        user: UserId,
        answer: oneshot::Sender<BalanceAnswer>,
    },
    Credit {
        user: UserId,
        amount: MicroCoins,
        id: String,
        answer: oneshot::Sender<BalanceAnswer>,
    },
    Document {
        call: CallId,
        answer: oneshot::Sender<DocumentAnswer>,
    },
}

/// An HTTP request that waits for the meter.
#[derive(Debug)]
enum Waiting {
    Balance(oneshot::Sender<BalanceAnswer>),
    Document(oneshot::Sender<DocumentAnswer>),
}

/// The way to the hub.
pub(crate) type Entrance = mpsc::Sender<Message>;

/// The switchboard and everything it is connected to.
pub(crate) struct Hub {
    clock: Clock,
    board: Switchboard,
    inbox: mpsc::Receiver<Message>,
    relay: Link<RelayCommand, RelayEvent>,
    meter: Link<MeterCommand, MeterEvent>,
    outlets: HashMap<SocketId, Outlet>,
    /// HTTP requests that wait for the meter, by their odd numbers.
    waiting: HashMap<u64, Waiting>,
    last_request: u64,
    stop_timeout: ElapsedMs,
}

/// A hub and the way to it.
pub(crate) fn new(
    config: &Config,
    clock: Clock,
    relay: Link<RelayCommand, RelayEvent>,
    meter: Link<MeterCommand, MeterEvent>,
) -> (Entrance, Hub) {
    let (entrance, inbox) = mpsc::channel(INBOX_MAX);
    // Meter and relay may still answer an earlier run of this process: its questions had other
    // numbers. A run asks fewer than 2^28.
    let first_ask = u64::from(u32::from_le_bytes(entropy::bytes())) << 28;
    let hub = Hub {
        clock,
        board: Switchboard::new(config.rules()).asking_from(first_ask),
        inbox,
        relay,
        meter,
        outlets: HashMap::new(),
        waiting: HashMap::new(),
        last_request: translate::ask_number(AskId(first_ask)) + 1,
        stop_timeout: ElapsedMs(config.stop_timeout_ms),
    };
    (entrance, hub)
}

impl Hub {
    /// Works until `shutdown`, then ends the calls and says goodbye.
    pub(crate) async fn run(mut self, mut shutdown: Shutdown) -> Result<(), Error> {
        let outcome = loop {
            let wake = self.wake();
            tokio::select! {
                () = shutdown.requested() => break Ok(()),
                Some(message) = self.inbox.recv() => self.received(message),
                event = self.relay.incoming.recv() => match event {
                    Some(event) => self.relay_said(event),
                    None => break Err(Error::NeighbourGone("media relay")),
                },
                event = self.meter.incoming.recv() => match event {
                    Some(event) => self.meter_said(event),
                    None => break Err(Error::NeighbourGone("billing meter")),
                },
                () = at(wake) => self.input(Input::WokeUp),
            }
        };
        // Neighbours that stop together with this service are no fault.
        let outcome = if shutdown.is_requested() { Ok(()) } else { outcome };
        self.stop_calls().await;
        self.say_goodbye().await;
        outcome
    }

    /// Ends every call and waits for the bills, but not for long.
    async fn stop_calls(&mut self) {
        let deadline = self.clock.tokio_at(self.now() + self.stop_timeout);
        self.input(Input::StopRequested);
        while self.board.call_count() > 0 {
            let wake = self.wake();
            tokio::select! {
                Some(message) = self.inbox.recv() => self.received(message),
                event = self.relay.incoming.recv() => match event {
                    Some(event) => self.relay_said(event),
                    None => break,
                },
                event = self.meter.incoming.recv() => match event {
                    Some(event) => self.meter_said(event),
                    None => break,
                },
                () = at(wake) => self.input(Input::WokeUp),
                () = sleep_until(deadline) => break,
            }
        }
        let unsettled = self.board.call_count();
        if unsettled > 0 {
            warn!(unsettled, "stopping before every bill is in; the meter settles them itself");
        }
    }

    /// Closes every socket and waits until most are gone.
    async fn say_goodbye(&mut self) {
        let deadline = self.clock.tokio_at(self.now() + FAREWELL);
        for outlet in self.outlets.values() {
            outlet.close(CloseCode::Away);
        }
        while !self.outlets.is_empty() {
            match timeout_at(deadline, self.inbox.recv()).await {
                Ok(Some(Message::FromSocket(Input::Disconnected { socket }))) => {
                    self.outlets.remove(&socket);
                }
                Ok(Some(Message::Connected { outlet, .. })) => outlet.close(CloseCode::Away),
                Ok(Some(
                    Message::FromSocket(_)
                    | Message::Balance { .. }
                    | Message::Credit { .. }
                    | Message::Document { .. },
                )) => {}
                Ok(None) | Err(_) => break,
            }
        }
    }

    fn now(&self) -> MonotonicMs {
        self.clock.now()
    }

    fn wake(&self) -> Option<Instant> {
        self.board.next_wake().map(|at| self.clock.tokio_at(at))
    }

    fn received(&mut self, message: Message) {
        match message {
            Message::Connected { socket, login, resume, outlet } => {
                self.outlets.insert(socket, outlet);
                debug!(sockets = self.outlets.len(), "a client connected");
                let fresh = entropy::session_id();
                self.input(Input::Connected { socket, login, resume, fresh });
            }
            Message::FromSocket(input) => {
                if let Input::Disconnected { socket } = &input {
                    self.outlets.remove(socket);
                    debug!(sockets = self.outlets.len(), "a client disconnected");
                }
                self.input(input);
            }
            Message::Balance { user, answer } => {
                let request = self.wait(Waiting::Balance(answer));
                self.tell_meter(MeterCommand::Balance { request, user });
            }
            Message::Credit { user, amount, id, answer } => {
                let request = self.wait(Waiting::Balance(answer));
                self.tell_meter(MeterCommand::Credit {
                    request,
                    user,
                    amount,
                    id,
                    kind: CreditKind::Purchase,
                });
            }
            Message::Document { call, answer } => {
                let request = self.wait(Waiting::Document(answer));
                self.tell_meter(MeterCommand::Document { request, call });
            }
        }
    }

    /// Keeps an HTTP request until the meter answers; forgets those who have given up.
    fn wait(&mut self, waiting: Waiting) -> u64 {
        self.waiting.retain(|_, waiting| !waiting.is_closed());
        self.last_request += 2;
        self.waiting.insert(self.last_request, waiting);
        self.last_request
    }

    fn meter_said(&mut self, event: MeterEvent) {
        if let Some(waiting) = answers(&event).and_then(|request| self.waiting.remove(&request)) {
            waiting.answer(event);
        } else if let Some(fact) = translate::meter_fact(event) {
            self.input(Input::Meter(fact));
        }
    }

    fn relay_said(&mut self, event: RelayEvent) {
        if let Some(fact) = translate::relay_fact(event) {
            self.input(Input::Relay(fact));
        }
    }

    /// Hands an input to the switchboard and carries out what follows, including the end of
    /// sockets that turn out to be too slow.
    fn input(&mut self, input: Input) {
        let now = self.now();
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for output in self.board.handle(now, input) {
                if let Some(socket) = self.carry_out(output) {
                    inputs.push_back(Input::Disconnected { socket });
                }
            }
        }
    }

    /// Does what the switchboard wants; a socket that could not take its frame is returned.
    fn carry_out(&mut self, output: Output) -> Option<SocketId> {
        match translate::errand(output) {
            Errand::Frame(socket, frame) => {
                let outlet = self.outlets.get(&socket)?;
                if outlet.push(Outgoing::Frame(Box::new(frame))) {
                    return None;
                }
                debug!("a client is too slow to read");
                outlet.close_at_once(CloseCode::TooSlow);
                self.outlets.remove(&socket);
                return Some(socket);
            }
            Errand::Close(socket, why) => {
                // The socket's task reports its end; until then goodbyes wait for it.
                self.outlets.get(&socket)?.close(match why {
                    Closing::Replaced => CloseCode::Replaced,
                    Closing::Moved => CloseCode::Moved,
                    Closing::Abused => CloseCode::Abused,
                    Closing::TooLarge => CloseCode::TooLarge,
                });
            }
            Errand::Meter(command) => self.tell_meter(command),
            Errand::Relay(command) => {
                // An error means that the relay has ended; the loop sees it as well.
                let _ = self.relay.outgoing.send(command);
            }
            Errand::Unsettled(call) => {
                warn!(%call, "the meter did not settle this call in time");
            }
        }
        None
    }

    fn tell_meter(&self, command: MeterCommand) {
        match &command {
            MeterCommand::Open { call, terms } => info!(%call, medium = %terms.medium, "accepted"),
            MeterCommand::End { call, reason, .. } => info!(%call, ?reason, "ended"),
            MeterCommand::Quote { .. }
            | MeterCommand::Balance { .. }
            | MeterCommand::Credit { .. }
            | MeterCommand::Gift { .. }
            | MeterCommand::Chargeback { .. }
            | MeterCommand::Change { .. }
            | MeterCommand::EndAll
            | MeterCommand::Document { .. } => {}
        }
        // An error means that the meter has ended; the loop sees it as well.
        let _ = self.meter.outgoing.send(command);
    }
}

/// The number of the request that an event answers.
const fn answers(event: &MeterEvent) -> Option<u64> {
    match event {
        MeterEvent::Balance { request, .. }
        | MeterEvent::Document { request, .. }
        | MeterEvent::Failed { request, .. } => Some(*request),
        MeterEvent::Quoted { .. }
        | MeterEvent::Opened { .. }
        | MeterEvent::NotOpened { .. }
        | MeterEvent::Metered { .. }
        | MeterEvent::Changed { .. }
        | MeterEvent::GiveUp { .. }
        | MeterEvent::LowFunds { .. }
        | MeterEvent::Credited { .. }
        | MeterEvent::Settled { .. } => None,
    }
}

impl Waiting {
    /// Whether the HTTP client has gone.
    fn is_closed(&self) -> bool {
        match self {
            Self::Balance(answer) => answer.is_closed(),
            Self::Document(answer) => answer.is_closed(),
        }
    }

    /// Hands the meter's answer on. An answer to another question leaves this one unanswered; an
    /// error in sending means that the HTTP client has gone.
    fn answer(self, event: MeterEvent) {
        let (balance, document) = match event {
            MeterEvent::Failed { code, .. } => (Some(Err(code)), Some(Err(code))),
            MeterEvent::Balance { balance, .. } => (Some(Ok(balance)), None),
            MeterEvent::Document { document, .. } => (None, Some(Ok(document))),
            MeterEvent::Quoted { .. }
            | MeterEvent::Opened { .. }
            | MeterEvent::NotOpened { .. }
            | MeterEvent::Metered { .. }
            | MeterEvent::Changed { .. }
            | MeterEvent::GiveUp { .. }
            | MeterEvent::LowFunds { .. }
            | MeterEvent::Credited { .. }
            | MeterEvent::Settled { .. } => (None, None),
        };
        match self {
            Self::Balance(waiting) => {
                let _ = balance.map(|balance| waiting.send(balance));
            }
            Self::Document(waiting) => {
                let _ = document.map(|document| waiting.send(document));
            }
        }
    }
}

/// Sleeps until then, or for ever.
async fn at(wake: Option<Instant>) {
    match wake {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
