//! One client's WebSocket: a reader that turns frames into inputs and a writer that empties a
//! bounded queue.

use crate::hub::{Entrance, Message as ToHub};
use crate::incoming::{self, Unreadable};
use crate::translate;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use call_core::{Input, Login, REPLAY_FRAMES_MAX, Refusal, Resume, SocketId};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use protocol::client::ServerFrame;
use service_kit::entropy;
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

/// Largest frame that is read at all, in bytes: enough above the allowed size that one who is a
/// little over it can be told; beyond, the connection is given up without reading on.
pub(crate) const READ_BYTES_MAX: usize = 4 * protocol::client::FRAME_BYTES_MAX;

/// Frames that may wait for a client to read. A replay has to fit, and some more; what does not
/// fit within that is a client that has stopped reading.
const QUEUE_FRAMES_MAX: usize = REPLAY_FRAMES_MAX * 2;

/// How often a client is asked for a sign of life. More often costs batteries; less often, dead
/// sockets look alive for longer.
const PING_EVERY: Duration = Duration::from_secs(10);
/// A socket that was silent for this long is dead: two pings and their way back.
const SILENCE_MAX: Duration = Duration::from_secs(25);
/// How long a closed socket waits for the other end to close as well.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Why a socket is closed (PROTOCOL.md, "Close codes").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseCode {
    Moved,
    Away,
    Abused,
    TooLarge,
    Replaced,
    TooSlow,
}

impl CloseCode {
    const fn number(self) -> u16 {
        match self {
            Self::Moved => 1000,
            Self::Away => 1001,
            Self::Abused => 1008,
            Self::TooLarge => 1009,
            Self::Replaced => 4001,
            Self::TooSlow => 4002,
        }
    }
}

/// What waits to be sent.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Frame(Box<ServerFrame>),
    Close(CloseCode),
}

/// The hub's end of a socket's queue.
#[derive(Debug)]
pub(crate) struct Outlet {
    queue: mpsc::Sender<Outgoing>,
    at_once: Mutex<Option<oneshot::Sender<CloseCode>>>,
}

/// The socket's end.
#[derive(Debug)]
struct Queue {
    items: mpsc::Receiver<Outgoing>,
    at_once: oneshot::Receiver<CloseCode>,
}

fn queue() -> (Outlet, Queue) {
    let (queue, items) = mpsc::channel(QUEUE_FRAMES_MAX);
    let (close, at_once) = oneshot::channel();
    (Outlet { queue, at_once: Mutex::new(Some(close)) }, Queue { items, at_once })
}

impl Outlet {
    /// Puts something in the queue; `false` if it is full.
    pub(crate) fn push(&self, item: Outgoing) -> bool {
        match self.queue.try_send(item) {
            // A socket that has just ended says so itself.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => true,
            Err(mpsc::error::TrySendError::Full(_)) => false,
        }
    }

    /// Closes once what is in the queue has gone out.
    pub(crate) fn close(&self, code: CloseCode) {
        if !self.push(Outgoing::Close(code)) {
            self.close_at_once(code);
        }
    }

    /// Closes whatever is in the queue.
    pub(crate) fn close_at_once(&self, code: CloseCode) {
        let close = self.at_once.lock().expect("no holder of this lock panics").take();
        if let Some(close) = close {
            // An error means that the socket has ended.
            let _ = close.send(code);
        }
    }
}

/// Serves one client until its socket ends.
pub(crate) async fn serve(
    web_socket: WebSocket,
    socket: SocketId,
    login: Login,
    resume: Option<Resume>,
    hub: Entrance,
) {
    let (outlet, queue) = queue();
    if hub.send(ToHub::Connected { socket, login, resume, outlet }).await.is_err() {
        return;
    }
    let (sink, stream) = web_socket.split();
    tokio::select! {
        () = read(stream, socket, &hub) => {}
        () = write(sink, queue) => {}
    }
    // An error means that the hub has ended, and with it the session.
    let _ = hub.send(ToHub::FromSocket(Input::Disconnected { socket })).await;
}

async fn read(mut stream: SplitStream<WebSocket>, socket: SocketId, hub: &Entrance) {
    while let Ok(Some(Ok(message))) = timeout(SILENCE_MAX, stream.next()).await {
        let input = match message {
            Message::Text(text) => match incoming::request(&text) {
                Ok(request) => {
                    let body = translate::request(request.body, entropy::call_id);
                    Input::Requested { socket, id: request.id, request: body }
                }
                Err(Unreadable { id, refusal, detail }) => {
                    Input::Unreadable { socket, id, refusal, detail }
                }
            },
            Message::Binary(_) => Input::Unreadable {
                socket,
                id: None,
                refusal: Refusal::Malformed,
                detail: Some("binary frames are not part of this protocol".to_owned()),
            },
            // Signs of life; the library answers pings.
            Message::Ping(_) | Message::Pong(_) => continue,
            Message::Close(_) => return,
        };
        if hub.send(ToHub::FromSocket(input)).await.is_err() {
            return;
        }
    }
}

async fn write(mut sink: SplitSink<WebSocket, Message>, mut queue: Queue) {
    let at_once = &mut queue.at_once;
    let items = &mut queue.items;
    let emptied = async {
        loop {
            match timeout(PING_EVERY, items.recv()).await {
                Ok(Some(Outgoing::Frame(frame))) => sink.send(text(&frame)).await?,
                Ok(Some(Outgoing::Close(code))) => return Ok(code),
                // The hub has ended.
                Ok(None) => return Ok(CloseCode::Away),
                Err(_) => sink.send(Message::Ping(Vec::new().into())).await?,
            }
        }
    };
    let code: Result<CloseCode, axum::Error> = tokio::select! {
        code = emptied => code,
        Ok(code) = at_once => Ok(code),
    };
    if let Ok(code) = code {
        let close = CloseFrame { code: code.number(), reason: "".into() };
        // An error or no end in time means that nobody reads any more.
        let _ = timeout(CLOSE_TIMEOUT, sink.send(Message::Close(Some(close)))).await;
        // Meanwhile the reader sees the other end close.
        sleep(CLOSE_TIMEOUT).await;
    }
}

fn text(frame: &ServerFrame) -> Message {
    serde_json::to_string(frame).expect("frames hold nothing that JSON can't").into()
}
