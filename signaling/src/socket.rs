//! One client's WebSocket: a reader that turns frames into inputs and a writer that empties a
//! bounded queue.

use crate::hub::{Entrance, Message as ToHub};
use crate::incoming::{self, Unreadable};
use crate::translate;
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use call_core::{Input, Login, REPLAY_FRAMES_MAX, Refusal, Resume, SocketId};
use futures::{Sink, SinkExt, Stream, StreamExt};
use protocol::client::ServerFrame;
use service_kit::entropy;
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

/// Largest frame that is read at all, in bytes: enough above the allowed size that one who is a
/// little over it can be told; beyond, the connection is given up without reading on.
pub(crate) const READ_BYTES_MAX: usize = 4 * protocol::client::FRAME_BYTES_MAX;

/// Frames that may wait for a client to read. A replay has to fit, and some more; what does not
/// fit within that is a client that has stopped reading.
const QUEUE_FRAMES_MAX: usize = REPLAY_FRAMES_MAX * 2;

/// How often a client is asked for a sign of life, whatever else it is sent: a browser that only
/// listens sends nothing of its own. More often costs batteries; less often, dead
/// sockets look alive for longer.
const PING_EVERY: Duration = Duration::from_secs(10);
/// A socket that was silent for this long is dead: two pings and their way back.
const SILENCE_MAX: Duration = Duration::from_secs(25);
/// How long the last frames may take once a socket is to be closed, and how long it then waits for
/// the other end to close as well. More would let one who was told to leave linger.
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
    end: Mutex<Option<oneshot::Sender<End>>>,
}

/// The end of a socket, even if what is in its queue does not go out.
#[derive(Debug)]
struct End {
    within: Duration,
    code: CloseCode,
}

/// The socket's end.
#[derive(Debug)]
struct Queue {
    items: mpsc::Receiver<Outgoing>,
    end: oneshot::Receiver<End>,
}

fn queue() -> (Outlet, Queue) {
    let (queue, items) = mpsc::channel(QUEUE_FRAMES_MAX);
    let (end_it, end) = oneshot::channel();
    (Outlet { queue, end: Mutex::new(Some(end_it)) }, Queue { items, end })
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

    /// Closes once what is in the queue has gone out, or after [`CLOSE_TIMEOUT`].
    pub(crate) fn close(&self, code: CloseCode) {
        // One that finds the queue full closes when its time is over.
        let _ = self.push(Outgoing::Close(code));
        self.end(CLOSE_TIMEOUT, code);
    }

    /// Closes whatever is in the queue.
    pub(crate) fn close_at_once(&self, code: CloseCode) {
        self.end(Duration::ZERO, code);
    }

    fn end(&self, within: Duration, code: CloseCode) {
        let end = self.end.lock().expect("no holder of this lock panics").take();
        if let Some(end) = end {
            // An error means that the socket has ended.
            let _ = end.send(End { within, code });
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

async fn read(
    mut stream: impl Stream<Item = Result<Message, axum::Error>> + Unpin,
    socket: SocketId,
    hub: &Entrance,
) {
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
            // Signs of life, and the goodbye. The library answers them as it is read on.
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => continue,
        };
        if hub.send(ToHub::FromSocket(input)).await.is_err() {
            return;
        }
    }
}

async fn write(mut sink: impl Sink<Message, Error = axum::Error> + Unpin, queue: Queue) {
    let Queue { mut items, end } = queue;
    let emptied = async {
        let mut pings = interval(PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        pings.reset();
        loop {
            let item = tokio::select! {
                item = items.recv() => item,
                _ = pings.tick() => {
                    sink.send(Message::Ping(Vec::new().into())).await?;
                    continue;
                }
            };
            match item {
                Some(Outgoing::Frame(frame)) => sink.send(text(&frame)).await?,
                Some(Outgoing::Close(code)) => return Ok(code),
                // The hub has ended.
                None => return Ok(CloseCode::Away),
            }
        }
    };
    let overdue = async {
        match end.await {
            Ok(End { within, code }) => {
                sleep(within).await;
                code
            }
            Err(_) => std::future::pending().await,
        }
    };
    let code: Result<CloseCode, axum::Error> = tokio::select! {
        code = emptied => code,
        code = overdue => Ok(code),
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

#[cfg(test)]
mod tests {
    use super::*;
    use futures::channel::mpsc as pipe;
    use futures::stream;
    use protocol::client::ServerMessage;

    const SECOND: Duration = Duration::from_secs(1);

    fn frame() -> Outgoing {
        Outgoing::Frame(Box::new(ServerFrame { seq: 0, re: None, body: ServerMessage::Pong }))
    }

    /// What a client that reads everything is sent, and its end of the wire.
    fn client()
    -> (impl Sink<Message, Error = axum::Error> + Unpin, pipe::UnboundedReceiver<Message>) {
        let (sink, received) = pipe::unbounded();
        (sink.sink_map_err(axum::Error::new), received)
    }

    fn pings(received: &mut pipe::UnboundedReceiver<Message>) -> usize {
        let sent = std::iter::from_fn(|| received.try_recv().ok());
        sent.filter(|message| matches!(message, Message::Ping(_))).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_is_asked_for_a_sign_of_life_however_busy_its_socket_is() {
        for busy in [false, true] {
            let ((sink, mut received), (outlet, queue)) = (client(), queue());
            let minute = async {
                for _ in 0..60 {
                    sleep(SECOND).await;
                    assert!(!busy || outlet.push(frame()));
                }
            };
            tokio::select! {
                () = write(sink, queue) => panic!("the socket has ended"),
                () = minute => {}
            }
            let pings = pings(&mut received);
            assert!((5..=6).contains(&pings), "busy: {busy}, pings: {pings}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_is_dead_after_25_seconds_of_silence() {
        let (hub, _inbox) = mpsc::channel(1);
        let silent = stream::pending();
        let reading = read(silent, SocketId(1), &hub);
        tokio::pin!(reading);
        assert!(timeout(Duration::from_millis(24_999), &mut reading).await.is_err());
        assert!(timeout(Duration::from_millis(2), reading).await.is_ok());
        let answering = Box::pin(stream::unfold((), async |()| {
            sleep(20 * SECOND).await;
            Some((Ok(Message::Pong(Vec::new().into())), ()))
        }));
        assert!(timeout(600 * SECOND, read(answering, SocketId(1), &hub)).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_told_to_leave_and_does_not_read_is_gone_in_seconds() {
        let (sink, _never_read) = pipe::channel(0);
        let (outlet, queue) = queue();
        assert!((0..9).all(|_| outlet.push(frame())));
        outlet.close(CloseCode::Abused);
        let written = write(sink.sink_map_err(axum::Error::new), queue);
        assert!(timeout(4 * SECOND, written).await.is_ok());
    }
}
