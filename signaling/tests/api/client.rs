//! A client that speaks plain JSON, so that the wire itself is tested.

use crate::DEADLINE;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderValue, Response};
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A connected client.
pub(crate) struct Client {
    pub(crate) socket: Socket,
    pub(crate) welcome: Value,
    /// The highest frame number seen.
    pub(crate) seq: u64,
    pub(crate) next_id: u64,
}

/// A handshake by hand: each header as given.
pub(crate) async fn handshake(
    address: SocketAddr,
    query: &str,
    headers: &[(&'static str, &str)],
) -> Result<Socket, Response<Option<Vec<u8>>>> {
    let url = format!("ws://{address}/v1/ws?{query}");
    let mut request = url.into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
    }
    match timeout(DEADLINE, connect_async(request)).await.expect("a handshake") {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(*response),
        Err(other) => panic!("{other}"),
    }
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr, token: &str, query: &str) -> Self {
        let headers = [
            ("authorization", &*format!("Bearer {token}")),
            ("sec-websocket-protocol", "coinline.v1"),
        ];
        let socket = handshake(address, query, &headers).await.expect("a good token");
        let mut client = Self { socket, welcome: Value::Null, seq: 0, next_id: 1 };
        client.welcome = client.frame().await;
        assert_eq!(client.welcome["type"], "welcome");
        client
    }

    /// The same session in a new socket, having seen what this one has.
    pub(crate) async fn resume(self, address: SocketAddr, token: &str) -> Self {
        let query = format!("session={}&after={}", self.session(), self.seq);
        let (seq, next_id) = (self.seq, self.next_id);
        drop(self);
        Self { seq, next_id, ..Self::connect(address, token, &query).await }
    }

    pub(crate) fn session(&self) -> &str {
        self.welcome["session"].as_str().unwrap()
    }

    pub(crate) async fn send_text(&mut self, text: impl Into<String>) {
        self.socket.send(Message::text(text.into())).await.unwrap();
    }

    /// Sends a request and returns its number.
    pub(crate) async fn send(&mut self, mut request: Value) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        request["id"] = json!(id);
        self.send_text(request.to_string()).await;
        id
    }

    /// Sends a request and returns its answer; events before it are passed over.
    pub(crate) async fn ask(&mut self, request: Value) -> Value {
        let id = self.send(request).await;
        loop {
            let frame = self.frame().await;
            if frame["re"] == id {
                return frame;
            }
        }
    }

    /// Asks what is refused, and returns the code.
    pub(crate) async fn refused(&mut self, request: Value) -> String {
        let answer = self.ask(request).await;
        assert_eq!(answer["type"], "error", "{answer}");
        assert!(!answer["message"].as_str().unwrap().is_empty());
        answer["code"].as_str().unwrap().to_owned()
    }

    /// The next frame of this type; others are passed over.
    pub(crate) async fn event(&mut self, kind: &str) -> Value {
        loop {
            let frame = self.frame().await;
            if frame["type"] == kind {
                return frame;
            }
        }
    }

    /// The next `call` event in this state.
    pub(crate) async fn call(&mut self, state: &str) -> Value {
        loop {
            let frame = self.event("call").await;
            if frame["call"]["state"] == state {
                return frame["call"].clone();
            }
        }
    }

    /// The next frame. Numbers have no gaps.
    pub(crate) async fn frame(&mut self) -> Value {
        loop {
            let message = timeout(DEADLINE, self.socket.next()).await.expect("a frame");
            let message = message.expect("an open socket").unwrap();
            if let Message::Close(close) = &message {
                panic!("closed: {close:?}");
            }
            let Message::Text(text) = message else { continue };
            let frame: Value = serde_json::from_str(&text).unwrap();
            let seq = frame["seq"].as_u64().unwrap();
            if seq > 0 {
                assert_eq!(seq, self.seq + 1, "{frame}");
                self.seq = seq;
            }
            return frame;
        }
    }

    /// Reads until the connection ends, as browsers do, and returns the close code and the frames
    /// before it.
    pub(crate) async fn closed(&mut self) -> (Option<u16>, Vec<Value>) {
        let (mut code, mut frames) = (None, Vec::new());
        loop {
            match timeout(DEADLINE, self.socket.next()).await.expect("an end") {
                Some(Ok(Message::Text(text))) => frames.push(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(close))) => {
                    code = close.map(|close| close.code.into());
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return (code, frames),
            }
        }
    }
}
