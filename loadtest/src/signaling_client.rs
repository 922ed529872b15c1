//! One client's session: requests, answers and events of `coinline.v1` over a WebSocket.

use futures::{SinkExt, StreamExt};
use protocol::client::{Request, RequestBody, ServerFrame, ServerMessage};
use protocol::{ErrorCode, SUBPROTOCOL};
use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::time::Duration;
use tokio::net::{TcpStream, UdpSocket};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use units::UserId;

/// How long a server may take to answer. Longer would hide a server that has stopped serving.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Where a server listens: the `host:port` of an `http://` or `ws://` address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(String);

/// A text that is no server address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no server address: write http://HOST:PORT or ws://HOST:PORT")]
pub struct EndpointError(String);

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let error = || EndpointError(text.to_owned());
        let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("ws://"));
        let rest = rest.ok_or_else(error)?;
        let authority = rest.trim_end_matches('/').trim_end_matches("/v1/ws");
        let named = !authority.is_empty() && !authority.contains(['/', '?', '#', '@', ' ']);
        if !named {
            return Err(error());
        }
        let ported =
            authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        Ok(Self(if ported { authority.to_owned() } else { format!("{authority}:80") }))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.0)
    }
}

impl Endpoint {
    /// The address of our own interface that leads to this server.
    ///
    /// # Errors
    /// A name that can't be resolved, or no route.
    pub async fn local_address(&self) -> std::io::Result<IpAddr> {
        let mut last = std::io::ErrorKind::AddrNotAvailable.into();
        for server in tokio::net::lookup_host(&self.0).await? {
            let any: IpAddr = match server {
                std::net::SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                std::net::SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
            };
            // Connecting a UDP socket sends nothing; it only picks the route.
            let socket = UdpSocket::bind((any, 0)).await?;
            match socket.connect(server).await {
                Ok(()) => return Ok(socket.local_addr()?.ip()),
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// Why a request or a session failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("WebSocket: {0}")]
    Socket(#[source] Box<tungstenite::Error>),
    #[error("the server closed the session: {0}")]
    Closed(String),
    #[error("a frame that this client can't read ({error}): {text}")]
    Unreadable { error: serde_json::Error, text: String },
    #[error("frame {got} came after frame {last}")]
    OutOfOrder { last: u64, got: u64 },
    #[error("{request} was refused: {code}{}", aside(detail.as_deref()))]
    Refused { request: &'static str, code: ErrorCode, detail: Option<String> },
    #[error("{request} was answered by {answer:?}")]
    WrongAnswer { request: &'static str, answer: Box<ServerMessage> },
    #[error("no answer to {request} within {} s", ANSWER_WITHIN.as_secs())]
    NoAnswer { request: &'static str },
}

fn aside(detail: Option<&str>) -> String {
    detail.map_or_else(String::new, |detail| format!(" ({detail})"))
}

impl From<tungstenite::Error> for ClientError {
    fn from(error: tungstenite::Error) -> Self {
        Self::Socket(Box::new(error))
    }
}

/// A session that is never resumed: a broken socket ends it, and with it the test's call.
#[derive(Debug)]
pub struct SignalingClient {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    user: UserId,
    last_id: u64,
    last_seq: u64,
    /// Came while an answer was waited for.
    events: VecDeque<ServerMessage>,
}

impl SignalingClient {
    /// Logs in.
    ///
    /// # Errors
    /// No connection, a refused token, or a first frame other than `welcome`.
    pub async fn log_in(server: &Endpoint, token: &str) -> Result<Self, ClientError> {
        const REQUEST: &str = "the login";
        let Endpoint(authority) = server;
        let mut request = format!("ws://{authority}/v1/ws").into_client_request()?;
        let bearer = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|error| tungstenite::Error::HttpFormat(error.into()))?;
        request.headers_mut().insert(AUTHORIZATION, bearer);
        let subprotocol = HeaderValue::from_static(SUBPROTOCOL);
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, subprotocol);

        let welcomed = async {
            let (mut socket, _) = tokio_tungstenite::connect_async(request).await?;
            let welcome = read(&mut socket).await?.body;
            if let ServerMessage::Welcome { user, .. } = welcome {
                Ok((socket, user))
            } else {
                let answer = Box::new(welcome);
                Err(ClientError::WrongAnswer { request: REQUEST, answer })
            }
        };
        let (socket, user) = tokio::time::timeout(ANSWER_WITHIN, welcomed)
            .await
            .unwrap_or(Err(ClientError::NoAnswer { request: REQUEST }))?;
        Ok(Self { socket, user, last_id: 0, last_seq: 0, events: VecDeque::new() })
    }

    /// Who the server says we are.
    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// Sends a request and waits for its answer. Events that come before it are kept for
    /// [`Self::event`].
    ///
    /// # Errors
    /// [`ClientError::Refused`] for an `error`, [`ClientError::NoAnswer`] after 10 s, or a session
    /// that ended.
    pub async fn request(&mut self, body: RequestBody) -> Result<ServerMessage, ClientError> {
        let name = name(&body);
        self.last_id += 1;
        let request = Request { id: self.last_id, body };
        let text = serde_json::to_string(&request).expect("requests serialise");
        let answered = async {
            self.socket.send(Message::text(text)).await?;
            loop {
                let frame = self.next_frame().await?;
                if frame.re == Some(request.id) {
                    return Ok(frame.body);
                }
                self.events.push_back(frame.body);
            }
        };
        let answer = tokio::time::timeout(ANSWER_WITHIN, answered)
            .await
            .unwrap_or(Err(ClientError::NoAnswer { request: name }))?;
        if let ServerMessage::Error { code, detail, .. } = answer {
            return Err(ClientError::Refused { request: name, code, detail });
        }
        Ok(answer)
    }

    /// Like [`Self::request`], for answers of which only one kind is right: `pick` takes what it
    /// wants out of that kind.
    ///
    /// # Errors
    /// Also [`ClientError::WrongAnswer`].
    pub async fn ask<T>(
        &mut self,
        body: RequestBody,
        pick: impl FnOnce(&ServerMessage) -> Option<T>,
    ) -> Result<T, ClientError> {
        let request = name(&body);
        let answer = self.request(body).await?;
        pick(&answer).ok_or_else(|| ClientError::WrongAnswer { request, answer: Box::new(answer) })
    }

    /// The next event, however long it takes. Nothing is lost if the wait is abandoned.
    ///
    /// # Errors
    /// A session that ended, or an `error` without a request.
    pub async fn event(&mut self) -> Result<ServerMessage, ClientError> {
        let event = match self.events.pop_front() {
            Some(event) => event,
            None => self.next_frame().await?.body,
        };
        if let ServerMessage::Error { code, detail, .. } = event {
            return Err(ClientError::Refused { request: "a frame", code, detail });
        }
        if event == ServerMessage::SessionReplaced {
            return Err(ClientError::Closed(format!("{} logged in elsewhere", self.user)));
        }
        Ok(event)
    }

    /// Ends the session.
    pub async fn log_out(mut self) {
        // A socket that is broken already is as closed as it can be.
        let _ = self.socket.close(None).await;
    }

    /// The next frame, checked to be the one after the last.
    async fn next_frame(&mut self) -> Result<ServerFrame, ClientError> {
        let frame = read(&mut self.socket).await?;
        if frame.seq != 0 {
            if frame.seq != self.last_seq + 1 {
                return Err(ClientError::OutOfOrder { last: self.last_seq, got: frame.seq });
            }
            self.last_seq = frame.seq;
        }
        Ok(frame)
    }
}

async fn read(
    socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>,
) -> Result<ServerFrame, ClientError> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => {
                return serde_json::from_str(&text).map_err(|error| ClientError::Unreadable {
                    error,
                    text: text.as_str().to_owned(),
                });
            }
            Some(Ok(Message::Close(frame))) => {
                let why = frame.map_or_else(String::new, |frame| frame.to_string());
                return Err(ClientError::Closed(why));
            }
            Some(Ok(
                Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_),
            )) => {}
            Some(Err(error)) => return Err(error.into()),
            None => return Err(ClientError::Closed(String::new())),
        }
    }
}

/// The request's `type`, for error messages.
fn name(body: &RequestBody) -> &'static str {
    match body {
        RequestBody::HostOnline { .. } => "host.online",
        RequestBody::HostOffline => "host.offline",
        RequestBody::HostsWatch => "hosts.watch",
        RequestBody::QuoteAsk { .. } => "quote.ask",
        RequestBody::CallRing { .. } => "call.ring",
        RequestBody::CallCancel { .. } => "call.cancel",
        RequestBody::CallAccept { .. } => "call.accept",
        RequestBody::CallDecline { .. } => "call.decline",
        RequestBody::CallHangUp { .. } => "call.hang_up",
        RequestBody::MediaOffer { .. } => "media.offer",
        RequestBody::MediaState { .. } => "media.state",
        RequestBody::WalletShow => "wallet.show",
        RequestBody::Ping => "ping",
    }
}

/// The server's side of a login with the token `the-token`.
#[cfg(test)]
pub(crate) async fn accept(stream: TcpStream) -> WebSocketStream<TcpStream> {
    use tungstenite::handshake::server::{ErrorResponse, Request, Response};
    #[expect(clippy::result_large_err, reason = "the library's signature")]
    let check = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        assert_eq!(request.headers()[AUTHORIZATION], "Bearer the-token");
        assert_eq!(request.uri().path(), "/v1/ws");
        let subprotocol = HeaderValue::from_static(SUBPROTOCOL);
        assert_eq!(request.headers()[SEC_WEBSOCKET_PROTOCOL], subprotocol);
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, subprotocol);
        Ok(response)
    };
    tokio_tungstenite::accept_hdr_async(stream, check).await.expect("a WebSocket request")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;
    use units::MicroCoins;

    /// The protocol's own example, of the user `asha`.
    fn welcome() -> &'static str {
        let manual = include_str!("../../crates/protocol/PROTOCOL.md");
        manual.lines().find(|line| line.contains(r#""type": "welcome""#)).unwrap()
    }

    /// A server that welcomes, then answers each frame it gets with the next of `script`.
    async fn scripted(script: Vec<Vec<&'static str>>) -> Endpoint {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut socket = accept(stream).await;
            socket.send(Message::text(welcome())).await.unwrap();
            for answers in script {
                socket.next().await.unwrap().unwrap();
                for answer in answers {
                    socket.send(Message::text(answer)).await.unwrap();
                }
            }
            socket.close(None).await.unwrap();
        });
        format!("http://{address}").parse().unwrap()
    }

    #[tokio::test]
    async fn answers_find_their_request_and_events_keep_their_order() {
        let server = scripted(vec![vec![
            r#"{"seq":1,"type":"wallet","balance_micro":1}"#,
            r#"{"seq":2,"type":"wallet","balance_micro":2}"#,
            r#"{"seq":3,"re":1,"type":"pong"}"#,
            r#"{"seq":4,"type":"wallet","balance_micro":3}"#,
        ]])
        .await;
        let mut client = SignalingClient::log_in(&server, "the-token").await.unwrap();
        assert_eq!(client.user().as_str(), "asha");
        assert_eq!(client.request(RequestBody::Ping).await.unwrap(), ServerMessage::Pong);
        for micro in 1..=3 {
            let balance_micro = MicroCoins::new(micro).unwrap();
            assert_eq!(client.event().await.unwrap(), ServerMessage::Wallet { balance_micro });
        }
        assert!(matches!(client.event().await, Err(ClientError::Closed(_))));
    }

    #[tokio::test]
    async fn refusals_lost_frames_and_unreadable_ones_are_told_apart() {
        let server = scripted(vec![
            vec![
                r#"{"seq":1,"re":1,"type":"error","code":"call.busy","message":"","retry":"never"}"#,
            ],
            vec![r#"{"seq":3,"re":2,"type":"pong"}"#],
            vec!["{}"],
        ])
        .await;
        let mut client = SignalingClient::log_in(&server, "the-token").await.unwrap();
        let refused = client.request(RequestBody::Ping).await;
        assert!(matches!(refused, Err(ClientError::Refused { code: ErrorCode::CallBusy, .. })));
        let lost = client.request(RequestBody::Ping).await;
        assert!(matches!(lost, Err(ClientError::OutOfOrder { last: 1, got: 3 })));
        let unreadable = client.request(RequestBody::Ping).await;
        assert!(matches!(unreadable, Err(ClientError::Unreadable { .. })));
    }

    #[test]
    fn a_server_address_has_a_scheme_and_a_host() {
        for (text, authority) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("ws://127.0.0.1:8080/v1/ws", "127.0.0.1:8080"),
            ("http://calls.example/", "calls.example:80"),
            ("http://[::1]:8080", "[::1]:8080"),
        ] {
            assert_eq!(text.parse(), Ok(Endpoint(authority.to_owned())), "{text}");
        }
        for text in ["", "127.0.0.1:8080", "https://a", "http://", "http://a/b", "ws://u@h"] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
    }
}
