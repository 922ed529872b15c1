//! One connection, once both sides know each other: frames of messages and acknowledgements.
//!
//! A frame is `{"ack": 9, "messages": [[17, {...}], [18, {...}]]}`. A frame goes out at least once
//! a second, so that silence tells a lost connection from a quiet one.

use super::handshake::{Introduction, Name, Refusal};
use super::post::{Post, Replaced};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt as _, StreamExt as _};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt::Write as _;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tracing::error;

/// How often a side says that it is there.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// How long a peer may be silent. Three heartbeats may be lost or late; a shorter time would cut
/// connections of a process that only has a long moment, a longer one delays the next connection.
const SILENCE_MAX: Duration = Duration::from_secs(4);

/// About how much one frame holds. A larger one would make acknowledgements wait behind it.
const FRAME_BYTES: usize = 64 * 1024;

/// The largest message. An SDP offer takes 10 KiB.
pub(super) const MESSAGE_BYTES_MAX: usize = 512 * 1024;

/// The largest frame that is read. More would let a broken peer fill the memory.
const READ_BYTES_MAX: usize = 2 * MESSAGE_BYTES_MAX;

// A frame is begun with less than its measure and ends with at most one message more.
const _: () = assert!(2 * FRAME_BYTES + MESSAGE_BYTES_MAX < READ_BYTES_MAX);

/// Why a connection ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error("the peer closed the connection")]
    Closed,
    #[error("the peer was silent for 4 s")]
    Silent,
    #[error("the peer sent what is no frame of a link")]
    Garbage,
    #[error("the peer refuses us: {0}")]
    RefusesUs(Refusal),
    #[error(transparent)]
    Replaced(#[from] Replaced),
    #[error(transparent)]
    Socket(#[from] Box<tungstenite::Error>),
}

/// How sockets of links are set up.
pub(super) fn socket_config() -> WebSocketConfig {
    WebSocketConfig::default()
        .max_message_size(Some(READ_BYTES_MAX))
        .max_frame_size(Some(READ_BYTES_MAX))
}

#[derive(Deserialize)]
#[serde(bound = "M: DeserializeOwned")]
struct Frame<M> {
    ack: u64,
    messages: Vec<(u64, M)>,
}

/// Talks until the connection ends.
pub(super) async fn talk<S, Out, In>(
    socket: WebSocketStream<S>,
    post: Arc<Post<Out, In>>,
    peer: &Name,
    connection: u64,
) -> End
where
    S: AsyncRead + AsyncWrite + Unpin,
    Out: Serialize,
    In: DeserializeOwned,
{
    let (sink, stream) = socket.split();
    // Reading never waits for writing: two peers that both wait to write would wait for ever.
    let ended = tokio::select! {
        ended = write(sink, &post, peer, connection) => ended,
        ended = read(stream, &post, peer, connection) => ended,
    };
    match ended {
        Ok(()) => End::Closed,
        Err(end) => end,
    }
}

async fn write<S, Out: Serialize, In>(
    mut sink: SplitSink<WebSocketStream<S>, Message>,
    post: &Post<Out, In>,
    peer: &Name,
    connection: u64,
) -> Result<(), End>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut is_due = true;
    // From the last frame, not from the last ring: other peers' traffic rings as well.
    let mut heartbeat = pin!(sleep(HEARTBEAT));
    loop {
        let mut rung = pin!(post.bell.notified());
        // From here on no ring is missed.
        rung.as_mut().enable();
        let parcel = post.parcel(peer, connection, FRAME_BYTES)?;
        if parcel.is_news || is_due {
            let mut frame = format!("{{\"ack\":{},\"messages\":[", parcel.acknowledged);
            for (at, (n, body)) in parcel.messages.iter().enumerate() {
                let comma = if at == 0 { "" } else { "," };
                // Writing to a String can't fail.
                let _ = write!(frame, "{comma}[{n},{body}]");
            }
            frame.push_str("]}");
            sink.send(Message::text(frame)).await.map_err(Box::new)?;
            is_due = false;
            heartbeat.set(sleep(HEARTBEAT));
            continue;
        }
        tokio::select! {
            () = rung => {}
            () = &mut heartbeat => is_due = true,
        }
    }
}

async fn read<S, Out, In>(
    mut stream: SplitStream<WebSocketStream<S>>,
    post: &Post<Out, In>,
    peer: &Name,
    connection: u64,
) -> Result<(), End>
where
    S: AsyncRead + AsyncWrite + Unpin,
    Out: Serialize,
    In: DeserializeOwned,
{
    loop {
        let text = match timeout(SILENCE_MAX, stream.next()).await.map_err(|_| End::Silent)? {
            None | Some(Ok(Message::Close(_))) => return Err(End::Closed),
            Some(Err(cause)) => return Err(End::Socket(Box::new(cause))),
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            Some(Ok(Message::Binary(_) | Message::Frame(_))) => return Err(End::Garbage),
        };
        let (ack, messages) = read_frame(&text, post.label, peer)?;
        post.acknowledged(peer, connection, ack)?;
        if messages.is_empty() {
            continue;
        }
        for (n, message) in messages {
            let Some(message) = message else {
                post.skip(peer, connection, n)?;
                continue;
            };
            // While the service is behind, nothing more is read, and the peer has to wait.
            let place = Arc::clone(&post.room).acquire_owned().await;
            let place = place.expect("nobody closes the room");
            post.deliver(peer, connection, n, message, place)?;
        }
        post.bell.notify_waiters();
    }
}

/// The listener may say no after the dialer's last word.
fn no_frame(text: &str) -> End {
    match serde_json::from_str(text) {
        Ok(Introduction::Refused { reason }) => End::RefusesUs(reason),
        Ok(
            Introduction::Challenge { .. }
            | Introduction::Proof { .. }
            | Introduction::Welcome { .. }
            | Introduction::Hello { .. },
        )
        | Err(_) => End::Garbage,
    }
}

/// The messages of a frame.
pub(super) type Messages<In> = Vec<(u64, Option<In>)>;

/// Reads a frame: its acknowledgement and its messages, of which some may be unknown.
///
/// # Errors
/// [`End::Garbage`], or [`End::RefusesUs`].
pub(super) fn read_frame<In: DeserializeOwned>(
    text: &str,
    link: &'static str,
    peer: &Name,
) -> Result<(u64, Messages<In>), End> {
    match serde_json::from_str::<Frame<In>>(text) {
        Ok(frame) => {
            Ok((frame.ack, frame.messages.into_iter().map(|(n, m)| (n, Some(m))).collect()))
        }
        Err(_) => one_by_one(text, link, peer),
    }
}

/// Reads a frame in which some message can't be read: a peer of another version may say things
/// that this one does not know. They are skipped, loudly, and the others count.
fn one_by_one<In: DeserializeOwned>(
    text: &str,
    link: &'static str,
    peer: &Name,
) -> Result<(u64, Messages<In>), End> {
    let frame: Frame<Value> = serde_json::from_str(text).map_err(|_| no_frame(text))?;
    let known = |(n, value): (u64, Value)| {
        let message = serde_json::from_value(value);
        if let Err(cause) = &message {
            error!(link, peer = %peer, n, %cause, "a message can't be read; it is skipped");
        }
        (n, message.ok())
    };
    Ok((frame.ack, frame.messages.into_iter().map(known).collect()))
}
