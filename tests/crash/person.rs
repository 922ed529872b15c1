//! A fan or host who goes through crashes as a good client does: tries again, hangs up, comes back.

use crate::book::Book;
use crate::site::PATIENCE;
use loadtest::{ClientError, Endpoint, Login, MediaConnection, SignalingClient};
use protocol::ErrorCode;
use protocol::client::{CallState, CallView, Party, Prices, RequestBody, ServerMessage};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use units::{CallId, ElapsedMs, Medium, MonotonicMs, Rate, UserId};

/// How long to wait before a request that failed is made again.
const PAUSE: Duration = Duration::from_millis(250);

/// How long a call that was hung up may go on before it is hung up again.
const HANG_UP_EVERY: ElapsedMs = ElapsedMs(3_000);

/// The call that somebody is in.
struct Current {
    call: CallId,
    rung_at: MonotonicMs,
    state: CallState,
    media: Option<MediaConnection>,
    /// When to hang up; again and again, until the call has ended.
    hang_up_at: Option<MonotonicMs>,
    /// When it has gone on for so long that something is wrong.
    give_up_at: MonotonicMs,
}

/// Somebody at a client.
pub(crate) struct Person {
    server: Endpoint,
    login: Login,
    local: IpAddr,
    client: SignalingClient,
    book: Arc<Book>,
    /// What a host sells.
    prices: Option<Prices>,
    /// How long a call is live before this person hangs up; `None`: somebody else ends it.
    pub(crate) talk: Option<Duration>,
    current: Option<Current>,
}

impl Person {
    pub(crate) async fn log_in(
        server: &Endpoint,
        login: &Login,
        prices: Option<Prices>,
        book: &Arc<Book>,
    ) -> Self {
        let client = SignalingClient::log_in(server, &login.token).await.unwrap();
        let mut person = Self {
            server: server.clone(),
            login: login.clone(),
            local: server.local_address().await.unwrap(),
            client,
            book: Arc::clone(book),
            prices,
            talk: None,
            current: None,
        };
        person.go_online().await.unwrap();
        person
    }

    pub(crate) fn user(&self) -> &UserId {
        &self.login.user
    }

    pub(crate) fn is_in_call(&self) -> bool {
        self.current.is_some()
    }

    /// The call, while it is live.
    pub(crate) fn live_call(&self) -> Option<CallId> {
        let current = self.current.as_ref()?;
        (current.state == CallState::Live).then_some(current.call)
    }

    /// Rings, once; says why not if it was refused.
    pub(crate) async fn ring(
        &mut self,
        host: &UserId,
        medium: Medium,
        at_most: Rate,
    ) -> Option<ErrorCode> {
        let rung_at = self.book.clock.now();
        let at_most_micro_per_min = Some(at_most);
        let ring = RequestBody::CallRing { host: host.clone(), medium, at_most_micro_per_min };
        match self.client.request(ring).await {
            Ok(ServerMessage::Call { call }) => {
                self.begin(call, rung_at);
                None
            }
            Ok(answer) => panic!("ringing was answered by {answer:?}"),
            Err(ClientError::Refused { code, .. }) => {
                tokio::time::sleep(PAUSE).await;
                Some(code)
            }
            Err(error) => {
                self.recover(&error).await;
                None
            }
        }
    }

    /// Takes in what comes next, or does what is due, for at most `patience`.
    pub(crate) async fn step(&mut self, patience: Duration) {
        let clock = self.book.clock;
        let due = self.current.as_ref().and_then(|current| current.hang_up_at);
        let hang_up = async {
            match due {
                Some(due) => tokio::time::sleep_until(clock.tokio_at(due)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            event = self.client.event() => match event {
                Ok(event) => self.take(event).await,
                Err(ClientError::Refused { .. }) => {}
                Err(error) => self.recover(&error).await,
            },
            () = hang_up => self.hang_up().await,
            () = tokio::time::sleep(patience) => {}
        }
        if let Some(current) = &self.current
            && current.give_up_at < clock.now()
        {
            let (stories, _) = self.book.read();
            let story = stories.get(&current.call).map_or("", |story| &story.lines);
            panic!("call {} does not end:\n{story}", current.call);
        }
    }

    fn begin(&mut self, view: CallView, rung_at: MonotonicMs) {
        self.book.begin(self.user(), &view);
        self.current = Some(Current {
            call: view.call,
            rung_at,
            state: view.state,
            media: None,
            hang_up_at: None,
            give_up_at: rung_at + ElapsedMs(2 * u64::try_from(PATIENCE.as_millis()).unwrap()),
        });
    }

    async fn take(&mut self, event: ServerMessage) {
        let user = self.user().clone();
        match event {
            ServerMessage::CallIncoming { call: view } => {
                let call = view.call;
                self.begin(view, self.book.clock.now());
                self.ask(call, RequestBody::CallAccept { call }).await;
            }
            ServerMessage::Call { call: view } => self.changed(view).await,
            ServerMessage::CallTick { call, charged_micro, proven_ms, .. } => {
                self.book.told(call, &user, charged_micro.micro(), proven_ms.0);
            }
            ServerMessage::CallEnded { call, reason, receipt } => {
                self.book.ended(call, &user, reason, receipt);
                if self.current.as_ref().is_some_and(|current| current.call == call) {
                    self.leave().await;
                }
            }
            // The rest moves no coins.
            _ => {}
        }
    }

    /// Follows a call's state.
    async fn changed(&mut self, view: CallView) {
        let (call, state) = (view.call, view.state);
        if self.current.is_none() && state != CallState::Ending {
            // The answer to a ring was late: it is nobody's call any more.
            self.begin(view, MonotonicMs(0));
            let now = self.book.clock.now();
            if let Some(current) = &mut self.current {
                current.hang_up_at = Some(now);
                current.give_up_at = now + ElapsedMs(60_000);
            }
            return;
        }
        let now = self.book.clock.now();
        let (talk, user) = (self.talk, self.user().clone());
        let Some(current) = self.current.as_mut().filter(|current| current.call == call) else {
            return;
        };
        let before = std::mem::replace(&mut current.state, state);
        if before == state {
            return;
        }
        self.book.note(call, &user, &format!("{state:?}"));
        if state == CallState::Live {
            let talk = talk.map(|talk| ElapsedMs(u64::try_from(talk.as_millis()).unwrap()));
            current.hang_up_at = current.hang_up_at.or(talk.map(|talk| now + talk));
            if view.you == Party::Fan {
                self.book.live(&user, current.rung_at);
            }
        }
        if state == CallState::Connecting && current.media.is_none() {
            self.connect(view).await;
        }
    }

    async fn connect(&mut self, view: CallView) {
        let call = view.call;
        let media = MediaConnection::open(self.local, view.medium, self.book.clock).await;
        let mut media = media.unwrap();
        let offer = RequestBody::MediaOffer { call, sdp: media.offer().await.unwrap() };
        if let Some(ServerMessage::MediaAnswer { sdp, .. }) = self.ask(call, offer).await {
            media.accept(sdp).await.unwrap();
        }
        match self.current.as_mut().filter(|current| current.call == call) {
            Some(current) => current.media = Some(media),
            None => drop(media.close().await),
        }
    }

    /// Asks within a call; one that fails is hung up.
    async fn ask(&mut self, call: CallId, body: RequestBody) -> Option<ServerMessage> {
        match self.client.request(body).await {
            Ok(answer) => return Some(answer),
            Err(error @ ClientError::Refused { .. }) => {
                self.book.note(call, self.user(), &error.to_string());
            }
            Err(error) => self.recover(&error).await,
        }
        let now = self.book.clock.now();
        if let Some(current) = &mut self.current {
            current.hang_up_at = Some(now);
        }
        None
    }

    /// Hangs up, and once more later if the call goes on all the same.
    async fn hang_up(&mut self) {
        let again_at = self.book.clock.now() + HANG_UP_EVERY;
        let Some(current) = &mut self.current else { return };
        current.hang_up_at = Some(again_at);
        let (call, state) = (current.call, current.state);
        let is_fan = self.prices.is_none();
        let body = match state {
            CallState::Ringing if is_fan => RequestBody::CallCancel { call },
            CallState::Ringing => RequestBody::CallDecline { call },
            CallState::Connecting | CallState::Live | CallState::Ending => {
                RequestBody::CallHangUp { call }
            }
        };
        self.book.note(call, self.user(), "hangs up");
        match self.client.request(body).await {
            Ok(_) => {}
            Err(error @ ClientError::Refused { .. }) => {
                self.book.note(call, self.user(), &error.to_string());
            }
            Err(error) => self.recover(&error).await,
        }
    }

    /// The call is over: the media stops, and what came of it is written down.
    async fn leave(&mut self) {
        let Some(current) = self.current.take() else { return };
        let Some(media) = current.media else { return };
        let evidence = media.close().await;
        if self.prices.is_none() {
            self.book.received(current.call, self.user(), &evidence);
        }
    }

    /// A session that broke is begun anew, and its call hung up. An answer that did not come in
    /// time breaks nothing.
    async fn recover(&mut self, error: &ClientError) {
        self.book.round(&format!("{}: {error}", self.user()));
        if matches!(error, ClientError::NoAnswer { .. }) {
            return;
        }
        let back = async {
            loop {
                if let Ok(client) = SignalingClient::log_in(&self.server, &self.login.token).await {
                    return client;
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        self.client = tokio::time::timeout(PATIENCE, back).await.unwrap();
        self.go_online().await.unwrap();
        let now = self.book.clock.now();
        if let Some(current) = &mut self.current {
            current.hang_up_at = Some(now);
        }
    }

    async fn go_online(&mut self) -> Result<(), ClientError> {
        if let Some(prices) = self.prices {
            self.client.request(RequestBody::HostOnline { prices }).await?;
        }
        Ok(())
    }
}
