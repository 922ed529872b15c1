//! The links of one process: doors through which peers come in, and peers that are dialled.

use super::address::DialAddress;
use super::conversation::{self, End};
use super::handshake::{self, Hello, Introduction, Name, Refusal, Secret, Terms};
use super::metrics::Metrics;
use super::post::Post;
use super::{Incoming, Kind, Link, Source};
use crate::operations::Readiness;
use crate::{Clock, entropy};
use futures::future::BoxFuture;
use futures::{SinkExt as _, StreamExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, accept_async_with_config, client_async_with_config};
use tracing::{debug, warn};

/// How long a connection and each word of the introduction may take.
const INTRODUCTION_MAX: Duration = Duration::from_secs(3);

/// Connections that may be introducing themselves at once. More are strangers.
const STRANGERS_MAX: usize = 64;

/// The wait between attempts to connect: doubled from the first to the last, and up to a quarter
/// longer at random, so that many processes don't come back in the same moment.
const REDIAL_FIRST: Duration = Duration::from_millis(50);
const REDIAL_LAST: Duration = Duration::from_secs(2);

/// How long the last messages may take at the end.
const FAREWELL_MAX: Duration = Duration::from_secs(2);

/// How often peers that stay away are looked for.
const TIDY_EVERY: Duration = Duration::from_secs(5);

/// What all links of a process share.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What this process is called.
    pub name: Name,
    pub secret: Secret,
    pub clock: Clock,
    /// Has a condition for each link: somebody is connected.
    pub readiness: Readiness,
}

/// The links of a process. Dropped, it breaks them off.
pub struct Network {
    settings: Settings,
    metrics: Metrics,
    doors: HashMap<&'static str, Door>,
    /// One task per link that hands out what the service says; it ends with the service.
    senders: Vec<JoinHandle<()>>,
    /// Listening and dialling.
    tasks: JoinSet<()>,
}

/// Takes in a peer that has introduced itself.
type Door = Arc<dyn Fn(Name, Socket) -> BoxFuture<'static, Result<(), Failure>> + Send + Sync>;

/// A connection in whose introduction the dialer's proof was checked.
struct Socket {
    stream: WebSocketStream<TcpStream>,
    listener: uuid::Uuid,
    dialer: uuid::Uuid,
}

/// Why a connection did not come about, or ended.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("can't connect: {0}")]
    Connect(io::Error),
    #[error("no answer in time")]
    Late,
    #[error("not a link's listener or dialer: {0}")]
    NoWebSocket(Box<tokio_tungstenite::tungstenite::Error>),
    #[error("it sent what is no introduction")]
    Garbage,
    #[error("it hung up")]
    HungUp,
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    #[error("it refuses us: {0}")]
    RefusesUs(Refusal),
    #[error(transparent)]
    Ended(#[from] End),
}

impl Failure {
    /// Whether this is the end of a conversation, not of an attempt to begin one.
    fn is_an_end(&self) -> bool {
        matches!(self, Self::Ended(end) if !matches!(end, End::RefusesUs(_)))
    }
}

impl Network {
    /// A process without links.
    ///
    /// # Errors
    /// The registry has a network's metrics already.
    pub fn new(
        settings: Settings,
        registry: &prometheus::Registry,
    ) -> Result<Self, prometheus::Error> {
        let metrics = Metrics::register(registry)?;
        Ok(Self {
            settings,
            metrics,
            doors: HashMap::new(),
            senders: Vec::new(),
            tasks: JoinSet::new(),
        })
    }

    /// A link to whoever comes in through the door of this name, once [`Network::listen`] has
    /// opened it.
    pub fn door<Out, In>(&mut self, door: &'static str, kind: Kind<Out, In>) -> Link<Out, In>
    where
        Out: Serialize + Send + 'static,
        In: DeserializeOwned + Send + 'static,
    {
        let (link, post) = self.post(door, kind);
        let settings = self.settings.clone();
        let come_in: Door = Arc::new(move |name, socket| {
            let (post, settings) = (Arc::clone(&post), settings.clone());
            Box::pin(async move { receive(&post, door, &settings, name, socket).await })
        });
        self.doors.insert(door, come_in);
        link
    }

    /// A link to the process at this address, through its door of this name. The connection is
    /// made, and made again, for as long as the network lives.
    pub fn dial<Out, In>(
        &mut self,
        label: &'static str,
        address: DialAddress,
        door: &'static str,
        kind: Kind<Out, In>,
    ) -> Link<Out, In>
    where
        Out: Serialize + Send + 'static,
        In: DeserializeOwned + Send + 'static,
    {
        let (link, post) = self.post(label, kind);
        let settings = self.settings.clone();
        self.tasks.spawn(keep_dialling(post, settings, label, address, door));
        link
    }

    /// Opens the doors at this address. Call it when all are made.
    ///
    /// # Errors
    /// The address is taken or not ours.
    pub async fn listen(&mut self, address: SocketAddr) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind(address).await?;
        let bound = listener.local_addr()?;
        let doors = Arc::new(self.doors.clone());
        let settings = Arc::new(self.settings.clone());
        self.tasks.spawn(async move {
            let strangers = Arc::new(Semaphore::new(STRANGERS_MAX));
            let mut guests = JoinSet::new();
            loop {
                while guests.try_join_next().is_some() {}
                let stranger = Arc::clone(&strangers).acquire_owned().await;
                let stranger = stranger.expect("nobody closes the entrance");
                let (stream, from) = match listener.accept().await {
                    Ok(accepted) => accepted,
                    Err(cause) => {
                        warn!(%cause, "a connection could not be accepted");
                        sleep(REDIAL_FIRST).await;
                        continue;
                    }
                };
                let (doors, settings) = (Arc::clone(&doors), Arc::clone(&settings));
                guests.spawn(async move {
                    let outcome = welcome(stream, &settings, &doors).await;
                    drop(stranger);
                    let outcome = match outcome {
                        Ok((door, name, socket)) => door(name, socket).await,
                        Err(failure) => Err(failure),
                    };
                    match outcome {
                        // The end of a conversation was told already.
                        Ok(()) | Err(Failure::Ended(_)) => {}
                        Err(failure) => warn!(%from, why = %failure, "a connection was refused"),
                    }
                });
            }
        });
        Ok(bound)
    }

    /// Waits until the services have ended and their last messages were delivered to those who
    /// are connected, for up to 2 s; then ends the connections.
    pub async fn close(mut self) {
        let senders = std::mem::take(&mut self.senders);
        let all = futures::future::join_all(senders);
        if timeout(FAREWELL_MAX, all).await.is_err() {
            warn!("stopping before every peer had the last messages");
        }
        self.tasks.shutdown().await;
    }

    fn post<Out, In>(
        &mut self,
        label: &'static str,
        kind: Kind<Out, In>,
    ) -> (Link<Out, In>, Arc<Post<Out, In>>)
    where
        Out: Serialize + Send + 'static,
        In: Send + 'static,
    {
        let (inbox, messages) = mpsc::unbounded_channel();
        let (outgoing, mut said) = mpsc::unbounded_channel();
        let condition = self.settings.readiness.condition(label);
        let clock = self.settings.clock;
        let post = Arc::new(Post::new(label, kind, clock, self.metrics.clone(), condition, inbox));
        let sender = Arc::clone(&post);
        self.senders.push(tokio::spawn(async move {
            let mut tidy = tokio::time::interval(TIDY_EVERY);
            loop {
                tokio::select! {
                    message = said.recv() => match message {
                        Some(message) => sender.send(&message),
                        None => break,
                    },
                    _ = tidy.tick() => sender.tidy(),
                }
            }
            while !sender.is_delivered() {
                sleep(Duration::from_millis(5)).await;
            }
        }));
        (Link { outgoing, incoming: Incoming(Source::Remote(messages)) }, post)
    }
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Checks who comes, up to their proof.
async fn welcome(
    stream: TcpStream,
    settings: &Settings,
    doors: &HashMap<&'static str, Door>,
) -> Result<(Door, Name, Socket), Failure> {
    // Frames are small and each is waited for.
    let _ = stream.set_nodelay(true);
    let config = Some(conversation::socket_config());
    let accepted = timeout(INTRODUCTION_MAX, accept_async_with_config(stream, config)).await;
    let mut stream = accepted.map_err(|_| Failure::Late)?.map_err(no_web_socket)?;
    let (listener, challenge) = handshake::challenge();
    say(&mut stream, &challenge).await?;
    let checked = match hear(&mut stream).await? {
        Introduction::Proof { version, nonce, door, name, mac } => {
            handshake::check_version(version)
                .and_then(|()| {
                    Terms::new(listener, nonce, &door, &name).check_proof(&settings.secret, &mac)
                })
                .and_then(|()| doors.get(door.as_str()).ok_or(Refusal::Door))
                .map(|door| (Arc::clone(door), name, nonce))
        }
        Introduction::Challenge { .. }
        | Introduction::Welcome { .. }
        | Introduction::Hello { .. }
        | Introduction::Refused { .. } => Err(Refusal::Order),
    };
    match checked {
        Ok((door, name, dialer)) => Ok((door, name, Socket { stream, listener, dialer })),
        Err(refusal) => Err(refuse(&mut stream, refusal).await),
    }
}

/// Takes in a peer at a door: proves who we are, then talks.
async fn receive<Out, In>(
    post: &Arc<Post<Out, In>>,
    door: &str,
    settings: &Settings,
    name: Name,
    socket: Socket,
) -> Result<(), Failure>
where
    Out: Serialize,
    In: DeserializeOwned,
{
    let Socket { mut stream, listener, dialer } = socket;
    let ours = post.hello(&name);
    let terms = Terms::new(listener, dialer, door, &name);
    say(&mut stream, &terms.welcome(&settings.secret, &settings.name, ours)).await?;
    let theirs = match hear(&mut stream).await? {
        Introduction::Hello { hello } => hello,
        Introduction::Refused { reason } => return Err(Failure::RefusesUs(reason)),
        Introduction::Challenge { .. }
        | Introduction::Proof { .. }
        | Introduction::Welcome { .. } => return Err(refuse(&mut stream, Refusal::Order).await),
    };
    Err(enter(post, stream, &name, ours, theirs).await)
}

/// Connects, and connects again.
async fn keep_dialling<Out, In>(
    post: Arc<Post<Out, In>>,
    settings: Settings,
    link: &'static str,
    address: DialAddress,
    door: &'static str,
) where
    Out: Serialize,
    In: DeserializeOwned,
{
    let mut wait = REDIAL_FIRST;
    let mut complained = String::new();
    loop {
        let failure = dial(&post, &settings, &address, door).await;
        let why = failure.to_string();
        if failure.is_an_end() {
            wait = REDIAL_FIRST;
            complained.clear();
        } else if why == complained {
            debug!(link, %address, why, "still not connected");
        } else {
            warn!(link, %address, why, "not connected; trying on");
            complained = why;
        }
        let [random] = entropy::bytes();
        sleep(wait + wait * u32::from(random) / 1_024).await;
        wait = REDIAL_LAST.min(wait * 2);
    }
}

/// One attempt to connect, and the conversation that follows. Returns how it ended.
async fn dial<Out, In>(
    post: &Arc<Post<Out, In>>,
    settings: &Settings,
    address: &DialAddress,
    door: &str,
) -> Failure
where
    Out: Serialize,
    In: DeserializeOwned,
{
    match introduce(post, settings, address, door).await {
        Ok((stream, name, ours, theirs)) => enter(post, stream, &name, ours, theirs).await,
        Err(failure) => failure,
    }
}

async fn introduce<Out, In>(
    post: &Arc<Post<Out, In>>,
    settings: &Settings,
    address: &DialAddress,
    door: &str,
) -> Result<(WebSocketStream<TcpStream>, Name, Hello, Hello), Failure>
where
    Out: Serialize,
    In: DeserializeOwned,
{
    let connected = timeout(INTRODUCTION_MAX, TcpStream::connect(address.socket())).await;
    let stream = connected.map_err(|_| Failure::Late)?.map_err(Failure::Connect)?;
    let _ = stream.set_nodelay(true);
    let config = Some(conversation::socket_config());
    let opened = client_async_with_config(address.to_string(), stream, config);
    let opened = timeout(INTRODUCTION_MAX, opened).await.map_err(|_| Failure::Late)?;
    let (mut stream, _) = opened.map_err(no_web_socket)?;
    let listener = match hear(&mut stream).await? {
        Introduction::Challenge { version, nonce } => {
            handshake::check_version(version)?;
            nonce
        }
        word @ (Introduction::Proof { .. }
        | Introduction::Welcome { .. }
        | Introduction::Hello { .. }
        | Introduction::Refused { .. }) => return Err(unexpected(word)),
    };
    let terms = Terms::new(listener, handshake::fresh(), door, &settings.name);
    say(&mut stream, &terms.proof(&settings.secret)).await?;
    let (name, theirs) = match hear(&mut stream).await? {
        Introduction::Welcome { name, mac, hello } => {
            terms.check_welcome(&settings.secret, &name, &hello, &mac)?;
            (name, hello)
        }
        word @ (Introduction::Proof { .. }
        | Introduction::Challenge { .. }
        | Introduction::Hello { .. }
        | Introduction::Refused { .. }) => return Err(unexpected(word)),
    };
    let ours = post.hello(&name);
    say(&mut stream, &Introduction::Hello { hello: ours }).await?;
    Ok((stream, name, ours, theirs))
}

/// Both sides know each other: talks until the connection ends.
async fn enter<Out, In>(
    post: &Arc<Post<Out, In>>,
    mut stream: WebSocketStream<TcpStream>,
    name: &Name,
    ours: Hello,
    theirs: Hello,
) -> Failure
where
    Out: Serialize,
    In: DeserializeOwned,
{
    let connection = match post.enter(name, ours, theirs) {
        Ok(connection) => connection,
        Err(refusal) => return refuse(&mut stream, refusal).await,
    };
    let end = conversation::talk(stream, Arc::clone(post), name, connection).await;
    post.leave(name, connection, &end.to_string());
    Failure::Ended(end)
}

async fn say(stream: &mut WebSocketStream<TcpStream>, word: &Introduction) -> Result<(), Failure> {
    let text = serde_json::to_string(word).expect("introductions serialise");
    let sent = timeout(INTRODUCTION_MAX, stream.send(Message::text(text))).await;
    sent.map_err(|_| Failure::Late)?.map_err(no_web_socket)
}

async fn hear(stream: &mut WebSocketStream<TcpStream>) -> Result<Introduction, Failure> {
    let heard = timeout(INTRODUCTION_MAX, stream.next()).await.map_err(|_| Failure::Late)?;
    let Some(heard) = heard else { return Err(Failure::HungUp) };
    let text = heard.map_err(no_web_socket)?.into_text().map_err(no_web_socket)?;
    serde_json::from_str(&text).map_err(|_| Failure::Garbage)
}

/// Tells a peer why it is not wanted.
async fn refuse(stream: &mut WebSocketStream<TcpStream>, refusal: Refusal) -> Failure {
    // It may be gone already.
    let _ = say(stream, &Introduction::Refused { reason: refusal }).await;
    let _ = timeout(INTRODUCTION_MAX, stream.close(None)).await;
    Failure::Refused(refusal)
}

fn unexpected(word: Introduction) -> Failure {
    match word {
        Introduction::Refused { reason } => Failure::RefusesUs(reason),
        Introduction::Challenge { .. }
        | Introduction::Proof { .. }
        | Introduction::Welcome { .. }
        | Introduction::Hello { .. } => Failure::Garbage,
    }
}

fn no_web_socket(error: tokio_tungstenite::tungstenite::Error) -> Failure {
    Failure::NoWebSocket(Box::new(error))
}
