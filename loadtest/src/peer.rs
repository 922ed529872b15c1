//! One person at a headless client: rings or answers, talks, and keeps what it saw.

use crate::media_connection::MediaConnection;
use crate::media_sink::Evidence;
use crate::signaling_client::{ClientError, Endpoint, SignalingClient};
use protocol::ErrorCode;
use protocol::client::{
    CallState, CallView, EndReason, Party, Prices, Receipt, RequestBody, ServerMessage,
};
use serde::Serialize;
use service_kit::Clock;
use std::future::pending;
use std::net::IpAddr;
use std::time::Duration;
use units::{CallId, ElapsedMs, Medium, MicroCoins, Rate, UserId};

/// How long from the first ring to the host's answer. The server's own limit is 30 s.
const ANSWER_WITHIN: Duration = Duration::from_secs(35);

/// How long from the answer to media that is confirmed. The server's own limit is shorter.
const LIVE_WITHIN: Duration = Duration::from_secs(40);

/// How long from hanging up to the receipt: 2 s for the last proof, 5 s until the meter settles
/// without it, and time for a busy machine.
const RECEIPT_WITHIN: Duration = Duration::from_secs(15);

/// Why a peer could not go through with a call.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("media: {0}")]
    Media(#[from] webrtc::error::Error),
    #[error("no route to the server: {0}")]
    NoRoute(#[from] std::io::Error),
    #[error("no {what} within {} s{detail}", within.as_secs())]
    TooLate { what: &'static str, within: Duration, detail: String },
}

/// A `call.tick` as this peer got it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Tick {
    pub proven_ms: ElapsedMs,
    pub charged_micro: MicroCoins,
    pub host_micro: MicroCoins,
    /// Only the fan is told.
    pub balance_micro: Option<MicroCoins>,
    pub paused: bool,
}

/// All that one side saw of a call that ended: the bill, and the evidence to hold it against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Statement {
    pub call: CallId,
    pub user: UserId,
    pub party: Party,
    pub medium: Medium,
    /// The price that this side was shown.
    pub rate_micro_per_min: Rate,
    pub ticks: Vec<Tick>,
    pub reason: EndReason,
    pub receipt: Option<Receipt>,
    pub evidence: Evidence,
}

/// A call's course as its events tell it.
#[derive(Debug)]
struct Course {
    view: CallView,
    ticks: Vec<Tick>,
    ended: Option<(EndReason, Option<Receipt>)>,
}

impl Course {
    fn new(view: CallView) -> Self {
        Self { view, ticks: Vec::new(), ended: None }
    }

    /// Takes in what concerns this call and ignores the rest.
    fn apply(&mut self, event: ServerMessage) {
        let this = self.view.call;
        if let ServerMessage::Call { call: view } = event {
            if view.call == this {
                self.view = view;
            }
        } else if let ServerMessage::CallEnded { call, reason, receipt } = event {
            if call == this {
                self.ended = Some((reason, receipt));
            }
        } else if let ServerMessage::CallTick {
            call,
            proven_ms,
            charged_micro,
            host_micro,
            balance_micro,
            remaining_ms: _,
            paused,
        } = event
            && call == this
        {
            let tick = Tick { proven_ms, charged_micro, host_micro, balance_micro, paused };
            self.ticks.push(tick);
        }
    }

    fn rings(&self) -> bool {
        self.ended.is_none() && self.view.state == CallState::Ringing
    }

    fn is_live(&self) -> bool {
        self.ended.is_none() && self.view.state == CallState::Live
    }
}

/// A person who is logged in.
pub struct Peer {
    client: SignalingClient,
    local: IpAddr,
    clock: Clock,
}

impl Peer {
    /// Logs in at `server`.
    ///
    /// # Errors
    /// No connection, or a refused token.
    pub async fn log_in(server: &Endpoint, token: &str, clock: Clock) -> Result<Self, PeerError> {
        let local = server.local_address().await?;
        Ok(Self { client: SignalingClient::log_in(server, token).await?, local, clock })
    }

    /// Who the server says this is.
    #[must_use]
    pub fn user(&self) -> &UserId {
        self.client.user()
    }

    /// Takes calls at these prices from now on.
    ///
    /// # Errors
    /// A refusal such as `price.out_of_band`.
    pub async fn go_online(&mut self, prices: Prices) -> Result<(), PeerError> {
        self.client.request(RequestBody::HostOnline { prices }).await?;
        Ok(())
    }

    /// The balance as the server has it now.
    ///
    /// # Errors
    /// A session that ended.
    pub async fn balance(&mut self) -> Result<MicroCoins, PeerError> {
        let pick = |answer: &ServerMessage| {
            if let ServerMessage::Wallet { balance_micro } = answer {
                Some(*balance_micro)
            } else {
                None
            }
        };
        Ok(self.client.ask(RequestBody::WalletShow, pick).await?)
    }

    /// Rings `host`, at no more than `at_most` per minute.
    ///
    /// # Errors
    /// A refusal such as `call.busy` or `billing.no_funds`.
    pub async fn ring(
        &mut self,
        host: &UserId,
        medium: Medium,
        at_most: Rate,
    ) -> Result<CallView, PeerError> {
        let ring = RequestBody::CallRing {
            host: host.clone(),
            medium,
            at_most_micro_per_min: Some(at_most),
        };
        let pick = |answer: &ServerMessage| {
            if let ServerMessage::Call { call } = answer { Some(call.clone()) } else { None }
        };
        Ok(self.client.ask(ring, pick).await?)
    }

    /// Waits for a fan to ring, and accepts.
    ///
    /// # Errors
    /// Nobody rang in time, or the call was over before it was accepted.
    pub async fn answer(&mut self) -> Result<CallView, PeerError> {
        let rung = async {
            loop {
                if let ServerMessage::CallIncoming { call } = self.client.event().await? {
                    return Ok::<_, PeerError>(call);
                }
            }
        };
        let view = in_time("incoming call", ANSWER_WITHIN, rung).await?;
        let mut course = Course::new(view);
        let call = course.view.call;
        course.apply(self.client.request(RequestBody::CallAccept { call }).await?);
        Ok(course.view)
    }

    /// Goes through with a call that was rung or answered, until it has ended. With `talk`, hangs
    /// up when the call has been live for that long; `on_tick` sees each tick at once.
    ///
    /// # Errors
    /// A step that took too long, a refused offer, or a session that broke.
    pub async fn converse(
        &mut self,
        call: CallView,
        talk: Option<Duration>,
        on_tick: impl Fn(&Tick) + Send,
    ) -> Result<Statement, PeerError> {
        let mut course = Course::new(call);
        let accepted = async {
            while course.rings() {
                course.apply(self.client.event().await?);
            }
            Ok(())
        };
        in_time("answer of the host", ANSWER_WITHIN, accepted).await?;
        if course.ended.is_some() {
            return Ok(self.statement(course, Evidence::default()));
        }

        let mut media = MediaConnection::open(self.local, course.view.medium, self.clock).await?;
        let talked = self.connect_and_talk(&mut course, &mut media, talk, on_tick).await;
        let state = media.state();
        let evidence = media.close().await;
        match talked {
            Ok(()) => Ok(self.statement(course, evidence)),
            Err(PeerError::TooLate { what, within, .. }) => {
                let detail = format!(
                    "; the connection was {state}, {} packets came in, {} went out",
                    evidence.received.audio_packets, evidence.sent.audio_packets
                );
                Err(PeerError::TooLate { what, within, detail })
            }
            Err(error) => Err(error),
        }
    }

    /// Ends the session.
    pub async fn log_out(self) {
        self.client.log_out().await;
    }

    async fn connect_and_talk(
        &mut self,
        course: &mut Course,
        media: &mut MediaConnection,
        talk: Option<Duration>,
        on_tick: impl Fn(&Tick) + Send,
    ) -> Result<(), PeerError> {
        let call = course.view.call;
        let offer = RequestBody::MediaOffer { call, sdp: media.offer().await? };
        let pick = |answer: &ServerMessage| {
            if let ServerMessage::MediaAnswer { sdp, .. } = answer {
                Some(sdp.clone())
            } else {
                None
            }
        };
        media.accept(self.client.ask(offer, pick).await?).await?;

        let live = async {
            while course.ended.is_none() && !course.is_live() {
                course.apply(self.client.event().await?);
            }
            Ok(())
        };
        in_time("confirmed media", LIVE_WITHIN, live).await?;

        let hang_up = async {
            match talk {
                Some(talk) => tokio::time::sleep(talk).await,
                // Ends through the other side, or with the fan's funds.
                None => pending().await,
            }
        };
        tokio::select! {
            ended = self.follow(course, &on_tick) => return ended,
            () = hang_up => {}
        }
        match self.client.request(RequestBody::CallHangUp { call }).await {
            // Something else ended it in the same moment.
            Err(ClientError::Refused {
                code: ErrorCode::CallWrongState | ErrorCode::CallUnknown,
                ..
            }) => {}
            answer => course.apply(answer?),
        }
        in_time("end of the call", RECEIPT_WITHIN, self.follow(course, &on_tick)).await
    }

    /// Takes in events until the call has ended. Can be abandoned and begun again.
    async fn follow(
        &mut self,
        course: &mut Course,
        on_tick: &(impl Fn(&Tick) + Send),
    ) -> Result<(), PeerError> {
        while course.ended.is_none() {
            let known = course.ticks.len();
            course.apply(self.client.event().await?);
            course.ticks[known..].iter().for_each(on_tick);
        }
        Ok(())
    }

    fn statement(&self, course: Course, evidence: Evidence) -> Statement {
        let (reason, receipt) = course.ended.expect("a statement is made when the call has ended");
        Statement {
            call: course.view.call,
            user: self.user().clone(),
            party: course.view.you,
            medium: course.view.medium,
            rate_micro_per_min: course.view.rate_micro_per_min,
            ticks: course.ticks,
            reason,
            receipt,
            evidence,
        }
    }
}

async fn in_time<T>(
    what: &'static str,
    within: Duration,
    step: impl Future<Output = Result<T, PeerError>>,
) -> Result<T, PeerError> {
    let late = || PeerError::TooLate { what, within, detail: String::new() };
    tokio::time::timeout(within, step).await.unwrap_or_else(|_| Err(late()))
}
