//! Every address of the service.

use crate::config::{Config, Demo};
use crate::hub::{ANSWER_TIMEOUT, Entrance, Message};
use crate::problem::Problem;
use crate::socket::{self, READ_BYTES_MAX};
use crate::turn::{self, Turn};
use crate::{assets, demo, receipts, translate};
use axum::extract::rejection::QueryRejection;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use call_core::{Resume, SocketId};
use protocol::token::{Claims, TokenKey};
use protocol::{ErrorCode, SUBPROTOCOL};
use serde::Deserialize;
use service_kit::{Clock, Shutdown};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Largest HTTP body, in bytes: a demo credit takes about 50.
const BODY_BYTES_MAX: usize = 4 * 1024;

/// What handlers need.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) demo: Option<Demo>,
    pub(crate) token_key: TokenKey,
    pub(crate) clock: Clock,
    pub(crate) hub: Entrance,
    /// The public key of signed receipts.
    pub(crate) receipt_key: Option<String>,
    pub(crate) turn: Option<Turn>,
    allowed_origins: Vec<String>,
    sockets: AtomicU64,
    pub(crate) shutdown: Shutdown,
}

impl Desk {
    pub(crate) fn new(
        config: Config,
        token_key: TokenKey,
        demo: Option<Demo>,
        clock: Clock,
        hub: Entrance,
        (receipt_key, turn): (Option<String>, Option<Turn>),
        shutdown: Shutdown,
    ) -> Arc<Self> {
        let allowed_origins = config.allowed_origins;
        let sockets = AtomicU64::new(0);
        Arc::new(Self {
            demo,
            token_key,
            clock,
            hub,
            receipt_key,
            turn,
            allowed_origins,
            sockets,
            shutdown,
        })
    }
}

pub(crate) fn router(desk: Arc<Desk>) -> Router {
    let router = Router::new()
        .route("/v1/ws", get(open_socket))
        .route("/v1/token", get(check_token))
        .route("/v1/ice-servers", get(turn::ice_servers))
        .route("/v1/demo/people", get(demo::people))
        .route("/v1/demo/credit", post(demo::credit))
        .route("/v1/receipts/key", get(receipts::key))
        .route("/v1/receipts/{call}", get(receipts::document))
        .route("/healthz", get(async || "ok\n"))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::HttpNotFound)
        })
        .fallback(page)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX));
    let router = if desk.demo.is_some() {
        router.layer(middleware::from_fn(demo::loopback_names_only))
    } else {
        router
    };
    router.layer(middleware::map_response(guard)).with_state(desk)
}

/// Headers that make browsers strict with whatever we serve.
async fn guard(mut response: Response) -> Response {
    const HEADERS: [(HeaderName, &str); 6] = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob: data:; \
             object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // The token may stand in an address.
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("permissions-policy"),
            "camera=(self), microphone=(self), display-capture=(), geolocation=()",
        ),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn page(method: Method, uri: Uri, asked: HeaderMap) -> Response {
    if method == Method::GET || method == Method::HEAD {
        assets::serve(uri.path(), &asked)
    } else {
        Problem::not_found().into_response()
    }
}

/// Says why a token is refused, since browsers hide that of a WebSocket handshake.
async fn check_token(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
) -> Result<Json<Claims>, Problem> {
    let token = bearer(&headers).unwrap_or_default();
    desk.token_key.verify(token).map(Json).map_err(Problem::unauthorised)
}

/// What may stand in the address of `/v1/ws`.
#[derive(Debug, Default, Deserialize)]
struct SocketQuery {
    #[serde(default)]
    access_token: String,
    /// A session to resume; one that can't be read is one that is not there.
    session: Option<String>,
    after: Option<String>,
}

impl SocketQuery {
    fn resume(&self) -> Option<Resume> {
        let session = self.session.as_ref()?.parse().ok()?;
        Some(Resume { session, after: self.after.as_ref()?.parse().ok()? })
    }
}

async fn open_socket(
    State(desk): State<Arc<Desk>>,
    query: Result<Query<SocketQuery>, QueryRejection>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let Query(query) = query.map_err(|rejection| Problem::malformed(rejection.body_text()))?;
    let token = bearer(&headers).unwrap_or(&query.access_token);
    let claims = desk.token_key.verify(token).map_err(Problem::unauthorised)?;
    if !desk.is_welcome_origin(&headers) {
        return Err(Problem::new(StatusCode::FORBIDDEN, ErrorCode::AuthForbidden));
    }
    if desk.shutdown.is_requested() {
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::ServerDraining));
    }
    let upgrade = upgrade.map_err(|rejection| Problem::malformed(rejection.body_text()))?;
    let upgrade = upgrade.protocols([SUBPROTOCOL]);
    if upgrade.selected_protocol().is_none() {
        return Err(Problem::malformed(format!("the subprotocol {SUBPROTOCOL} is needed")));
    }
    let socket = SocketId(desk.sockets.fetch_add(1, Ordering::Relaxed));
    let (hub, resume, login) = (desk.hub.clone(), query.resume(), translate::login(claims));
    let upgrade = upgrade.max_message_size(READ_BYTES_MAX).max_frame_size(READ_BYTES_MAX);
    Ok(upgrade.on_upgrade(move |web_socket| socket::serve(web_socket, socket, login, resume, hub)))
}

impl Desk {
    /// Whether the page that opens the socket is ours or an allowed one. Clients that are not
    /// browsers send no origin. Tokens protect the account in any case, since no cookie does:
    /// this only keeps other sites' pages from being clients by accident.
    fn is_welcome_origin(&self, headers: &HeaderMap) -> bool {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let Some(origin) = text(header::ORIGIN) else {
            return !headers.contains_key(header::ORIGIN);
        };
        let host = origin.split_once("://").map(|(_, host)| host);
        let same = host.is_some() && host == text(header::HOST);
        same || self.allowed_origins.iter().any(|allowed| allowed == origin)
    }
}

/// Asks the meter by way of the hub, but does not wait for ever.
pub(crate) async fn ask_meter<T>(
    desk: &Desk,
    ask: impl FnOnce(oneshot::Sender<Result<T, ErrorCode>>) -> Message,
) -> Result<T, Problem> {
    ask_meter_within(ANSWER_TIMEOUT, desk, ask).await
}

/// Asks the meter by way of the hub, and waits that long at most.
pub(crate) async fn ask_meter_within<T>(
    patience: Duration,
    desk: &Desk,
    ask: impl FnOnce(oneshot::Sender<Result<T, ErrorCode>>) -> Message,
) -> Result<T, Problem> {
    let unavailable = |code| Problem::new(StatusCode::SERVICE_UNAVAILABLE, code);
    let (answer, answered) = oneshot::channel();
    let sent = desk.hub.send(ask(answer)).await;
    sent.map_err(|_| unavailable(ErrorCode::ServerDraining))?;
    match timeout(patience, answered).await {
        Ok(Ok(answer)) => answer.map_err(|code| Problem::new(status_of(code), code)),
        Ok(Err(_)) | Err(_) => Err(unavailable(ErrorCode::BillingUnavailable)),
    }
}

/// Whether the meter's no is about the request or about the meter.
fn status_of(code: ErrorCode) -> StatusCode {
    if matches!(code, ErrorCode::BillingIdReused | ErrorCode::BillingTooLarge) {
        StatusCode::CONFLICT
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    }
}

/// The token of `Authorization: Bearer TOKEN`.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
