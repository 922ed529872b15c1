//! The demo's own addresses: ready-made people, and coins that cost nothing. And its own door:
//! since everybody who gets in may be anybody, only this machine's own pages do.

use crate::config::{Demo, decimal};
use crate::hub::Message;
use crate::problem::Problem;
use crate::routes::{Desk, ask_meter, ask_meter_within};
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use futures::future::try_join_all;
use protocol::token::Role;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use units::{MicroCoins, UserId};

/// How long a demo token is good for, in seconds: a day of trying things out.
const TOKEN_SECONDS: u64 = 24 * 60 * 60;
/// The most that one request adds. Enough for hours of any call, and far from a wallet's limit.
const CREDIT_MAX: MicroCoins = MicroCoins::coins(1_000);
/// How long to wait for a balance before it is asked for again.
const ASK_AGAIN_EVERY: Duration = Duration::from_secs(1);
/// How often a balance is asked for: for longer than a dead meter's lease stands (10 s), and the
/// 2.5 s in which another one notices. More would keep a page waiting while no meter is there.
const ASKED_AT_MOST: u32 = 15;
/// Longest idempotency key, in bytes.
const KEY_BYTES_MAX: usize = 64;

#[derive(Debug, Serialize)]
pub(crate) struct People {
    people: Vec<Person>,
}

#[derive(Debug, Serialize)]
struct Person {
    id: UserId,
    name: String,
    role: Role,
    token: String,
    balance_micro: MicroCoins,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Credit {
    user: UserId,
    #[serde(deserialize_with = "decimal")]
    coins: MicroCoins,
}

#[derive(Debug, Serialize)]
pub(crate) struct Balance {
    balance_micro: MicroCoins,
}

/// `GET /v1/demo/people`
pub(crate) async fn people(State(desk): State<Arc<Desk>>) -> Result<Json<People>, Problem> {
    let demo = demo(&desk)?;
    let exp = desk.clock.unix().0 / 1_000 + TOKEN_SECONDS;
    let people = demo.users.iter().map(async |user| {
        Ok::<_, Problem>(Person {
            id: user.id.clone(),
            name: user.name.clone(),
            role: user.role,
            token: desk.token_key.sign(&user.id, &user.name, user.role, exp),
            balance_micro: balance(&desk, &user.id).await?,
        })
    });
    Ok(Json(People { people: try_join_all(people).await? }))
}

/// A balance, asked for again while its wallet goes from one meter to another and nobody answers.
async fn balance(desk: &Desk, user: &UserId) -> Result<MicroCoins, Problem> {
    let mut again = tokio::time::interval(ASK_AGAIN_EVERY);
    let mut tries = 0;
    loop {
        again.tick().await;
        tries += 1;
        let ask = |answer| Message::Balance { user: user.clone(), answer };
        match ask_meter_within(ASK_AGAIN_EVERY, desk, ask).await {
            Err(_) if tries < ASKED_AT_MOST && !desk.shutdown.is_requested() => {}
            Err(problem) => return Err(problem),
            Ok(balance) => return Ok(balance),
        }
    }
}

/// `POST /v1/demo/credit`
pub(crate) async fn credit(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    body: Result<Json<Credit>, JsonRejection>,
) -> Result<Json<Balance>, Problem> {
    let demo = demo(&desk)?;
    let key = idempotency_key(&headers)?;
    let Json(Credit { user, coins }) =
        body.map_err(|rejection| Problem::malformed(rejection.body_text()))?;
    if !demo.users.iter().any(|person| person.id == user) {
        return Err(Problem::not_found());
    }
    if coins == MicroCoins::ZERO || coins > CREDIT_MAX {
        return Err(Problem::malformed(format!("coins must be above 0 and at most {CREDIT_MAX}")));
    }
    // The key counts per user: one who guesses another's key does not swallow their credit.
    let id = format!("demo:{user}:{key}");
    let ask = |answer| Message::Credit { user, amount: coins, id, answer };
    Ok(Json(Balance { balance_micro: ask_meter(&desk, ask).await? }))
}

/// Refuses whoever came by a name that is not this machine's own.
///
/// A foreign web page can have its own name resolve to 127.0.0.1 (DNS rebinding) and would then
/// count as one of ours, tokens and all; the name that the browser went by gives it away.
pub(crate) async fn loopback_names_only(request: Request, next: Next) -> Result<Response, Problem> {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    if host.is_some_and(is_loopback) {
        return Ok(next.run(request).await);
    }
    Err(Problem::forbidden("demo mode answers at localhost, 127.0.0.1 and [::1] only"))
}

/// Whether a `Host` header names this machine, with or without a port.
fn is_loopback(host: &str) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').unwrap_or((host, "")),
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let known = ["localhost", "127.0.0.1", "::1"];
    let port = port.strip_prefix(':').unwrap_or(port);
    port.bytes().all(|byte| byte.is_ascii_digit())
        && known.iter().any(|known| name.eq_ignore_ascii_case(known))
}

fn demo(desk: &Desk) -> Result<&Demo, Problem> {
    desk.demo.as_ref().ok_or_else(Problem::not_found)
}

fn idempotency_key(headers: &HeaderMap) -> Result<&str, Problem> {
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok());
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    let good = |key: &&str| (1..=KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(plain);
    key.filter(good).ok_or_else(|| {
        Problem::malformed("the header Idempotency-Key is needed: 1 to 64 of A-Z a-z 0-9 . _ -")
    })
}
