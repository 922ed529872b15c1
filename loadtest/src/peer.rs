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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signaling_client;
    use futures::{SinkExt, StreamExt};
    use protocol::client::{PeerView, PriceBand, PriceBands, Request, ServerFrame};
    use protocol::token::Role;
    use std::net::Ipv4Addr;
    use tokio::net::{TcpListener, TcpStream};
    use tokio_tungstenite::WebSocketStream;
    use tokio_tungstenite::tungstenite::Message;
    use units::{ShareBps, UnixMs};

    const ENOUGH_PACKETS: u64 = 25;
    const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// The server's end of one session: a socket, and a connection of our own kind for its media.
    struct Stage {
        socket: WebSocketStream<TcpStream>,
        media: MediaConnection,
        seq: u64,
        view: CallView,
    }

    impl Stage {
        /// A server that welcomes one client and then does as `play` says.
        async fn open<P>(you: Party, play: impl FnOnce(Self) -> P + Send + 'static) -> Endpoint
        where
            P: Future<Output = ()> + Send,
        {
            let listener = TcpListener::bind((LOCAL, 0)).await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(async move {
                let stream = listener.accept().await.unwrap().0;
                let socket = signaling_client::accept(stream).await;
                let media = MediaConnection::open(LOCAL, Medium::Voice, Clock::start());
                let media = media.await.unwrap();
                let mut stage = Self { socket, media, seq: 0, view: view(you) };
                stage.send(None, welcome()).await;
                stage.seq = 1;
                play(stage).await;
            });
            format!("http://{address}").parse().unwrap()
        }

        async fn send(&mut self, re: Option<u64>, body: ServerMessage) {
            let frame = ServerFrame { seq: self.seq, re, body };
            let text = serde_json::to_string(&frame).unwrap();
            self.socket.send(Message::text(text)).await.unwrap();
            self.seq += 1;
        }

        async fn request(&mut self) -> Request {
            let frame = self.socket.next().await.unwrap().unwrap();
            serde_json::from_str(frame.to_text().unwrap()).unwrap()
        }

        async fn change(&mut self, state: CallState) {
            self.view.state = state;
            let call = self.view.clone();
            self.send(None, ServerMessage::Call { call }).await;
        }

        /// Connects the client's media and waits until some of it has come.
        async fn connect(&mut self) {
            self.change(CallState::Connecting).await;
            let request = self.request().await;
            let RequestBody::MediaOffer { call, sdp } = request.body else {
                panic!("{request:?}");
            };
            let sdp = self.media.answer(sdp).await.unwrap();
            self.send(Some(request.id), ServerMessage::MediaAnswer { call, sdp }).await;
            let mut due = tokio::time::interval(Duration::from_millis(10));
            while self.media.evidence().received.audio_packets < ENOUGH_PACKETS {
                due.tick().await;
            }
            self.change(CallState::Live).await;
        }

        async fn end(&mut self, reason: EndReason) {
            let (call, receipt) = (self.view.call, Some(receipt(reason)));
            self.send(None, ServerMessage::CallEnded { call, reason, receipt }).await;
            self.socket.next().await;
        }
    }

    fn welcome() -> ServerMessage {
        let band = PriceBand { min_micro_per_min: rate(), max_micro_per_min: rate() };
        ServerMessage::Welcome {
            session: service_kit::entropy::session_id(),
            user: "me".parse().unwrap(),
            name: "Me".to_owned(),
            role: Role::Fan,
            resumed: false,
            grace_ms: ElapsedMs(30_000),
            price_bands: PriceBands { voice: band, video: band },
            host_share_bps: ShareBps::WHOLE,
            call: None,
            version: "0".to_owned(),
        }
    }

    fn rate() -> Rate {
        Rate::per_minute(6_000_000).unwrap()
    }

    fn view(you: Party) -> CallView {
        CallView {
            call: "0193a1b2-0000-7000-8000-000000000001".parse().unwrap(),
            state: CallState::Ringing,
            you,
            peer: PeerView {
                user: "other".parse().unwrap(),
                name: "Other".to_owned(),
                online: true,
                audio: true,
                video: false,
            },
            medium: Medium::Voice,
            rate_micro_per_min: rate(),
            host_share_bps: ShareBps::WHOLE,
            ring_ends_in_ms: None,
        }
    }

    fn receipt(reason: EndReason) -> Receipt {
        Receipt {
            call: view(Party::Fan).call,
            fan: "me".parse().unwrap(),
            host: "other".parse().unwrap(),
            medium: Medium::Voice,
            rate_micro_per_min: rate(),
            voice_rate_micro_per_min: rate(),
            reason,
            accepted_at_unix_ms: UnixMs(1),
            ended_at_unix_ms: UnixMs(2),
            proven_ms: ElapsedMs(500),
            video_ms: ElapsedMs::ZERO,
            silent_ms: ElapsedMs::ZERO,
            frozen_ms: ElapsedMs::ZERO,
            free_ms: ElapsedMs::ZERO,
            charged_micro: MicroCoins::new(50_000).unwrap(),
            paid_micro: MicroCoins::new(50_000).unwrap(),
            promo_micro: MicroCoins::ZERO,
            host_share_bps: ShareBps::WHOLE,
            host_micro: MicroCoins::new(50_000).unwrap(),
            platform_micro: MicroCoins::ZERO,
        }
    }

    fn tick(call: CallId) -> ServerMessage {
        ServerMessage::CallTick {
            call,
            proven_ms: ElapsedMs(400),
            charged_micro: MicroCoins::new(40_000).unwrap(),
            host_micro: MicroCoins::new(40_000).unwrap(),
            balance_micro: Some(MicroCoins::ZERO),
            remaining_ms: ElapsedMs(1),
            paused: false,
        }
    }

    #[tokio::test]
    async fn a_fan_rings_talks_hangs_up_and_returns_what_it_saw() {
        let server = Stage::open(Party::Fan, async |mut stage: Stage| {
            let ring = stage.request().await;
            assert!(matches!(ring.body, RequestBody::CallRing { .. }), "{ring:?}");
            let call = stage.view.clone();
            stage.send(Some(ring.id), ServerMessage::Call { call }).await;
            stage.connect().await;
            let hang_up = stage.request().await;
            assert!(matches!(hang_up.body, RequestBody::CallHangUp { .. }), "{hang_up:?}");
            // Ticks of this call and of another one, before and after the answer.
            stage.send(None, tick(stage.view.call)).await;
            stage.send(None, tick(service_kit::entropy::call_id())).await;
            stage.send(Some(hang_up.id), ServerMessage::Ok).await;
            stage.send(None, tick(stage.view.call)).await;
            stage.end(EndReason::HungUpByFan).await;
        });
        let server = server.await;
        let mut fan = Peer::log_in(&server, "the-token", Clock::start()).await.unwrap();
        let call = fan.ring(&"other".parse().unwrap(), Medium::Voice, rate()).await.unwrap();
        let seen = std::sync::atomic::AtomicUsize::new(0);
        let count = |_: &Tick| {
            seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        };
        let saw = fan.converse(call, Some(Duration::from_millis(1)), count).await.unwrap();
        assert_eq!((saw.ticks.len(), seen.into_inner()), (2, 2));
        assert_eq!(saw.receipt, Some(receipt(EndReason::HungUpByFan)));
        assert!(saw.evidence.sent.audio_packets >= ENOUGH_PACKETS, "{:?}", saw.evidence);
        assert!(saw.evidence.received.audio_packets > 0, "{:?}", saw.evidence);
    }

    #[tokio::test]
    async fn a_host_answers_and_stays_until_the_call_has_ended() {
        let server = Stage::open(Party::Host, async |mut stage: Stage| {
            let call = stage.view.clone();
            stage.send(None, ServerMessage::CallIncoming { call }).await;
            let accept = stage.request().await;
            assert!(matches!(accept.body, RequestBody::CallAccept { .. }), "{accept:?}");
            stage.send(Some(accept.id), ServerMessage::Ok).await;
            stage.connect().await;
            stage.end(EndReason::FundsExhausted).await;
        });
        let mut host = Peer::log_in(&server.await, "the-token", Clock::start()).await.unwrap();
        let call = host.answer().await.unwrap();
        let saw = host.converse(call, None, |_| {}).await.unwrap();
        assert_eq!((saw.party, saw.reason), (Party::Host, EndReason::FundsExhausted));
        assert!(saw.evidence.sent.audio_packets >= ENOUGH_PACKETS, "{:?}", saw.evidence);
    }

    #[tokio::test]
    async fn a_declined_call_is_over_without_media() {
        let server = Stage::open(Party::Fan, async |mut stage: Stage| {
            let call = stage.view.call;
            let reason = EndReason::Declined;
            let ended = ServerMessage::CallEnded { call, reason, receipt: None };
            stage.send(None, ended).await;
            stage.socket.next().await;
        });
        let mut fan = Peer::log_in(&server.await, "the-token", Clock::start()).await.unwrap();
        let saw = fan.converse(view(Party::Fan), None, |_| {}).await.unwrap();
        assert_eq!((saw.reason, saw.receipt), (EndReason::Declined, None));
        assert_eq!(saw.evidence, Evidence::default());
    }
}
