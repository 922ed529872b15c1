//! Pages, tokens, and the demo's own addresses.

use crate::stage::{RECEIPT_KEY, SIGNED_CALL, SIGNED_TEXT, Stage, TURN_URL};
use protocol::token::Role;
use reqwest::{Client, Response};
use serde_json::{Value, json};

async fn get(stage: &Stage, path: &str) -> Response {
    Client::new().get(stage.url(path)).send().await.unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

#[tokio::test]
async fn the_pages_are_served_with_strict_headers() {
    let stage = Stage::with(signaling::Config::default(), false).await;
    for (path, media_type) in [
        ("/", "text/html; charset=utf-8"),
        ("/index.html", "text/html; charset=utf-8"),
        ("/receipt", "text/html; charset=utf-8"),
        ("/receipt/verify.js", "text/javascript; charset=utf-8"),
        ("/client.js", "text/javascript; charset=utf-8"),
    ] {
        let page = get(&stage, path).await;
        assert_eq!((page.status().as_u16(), header(&page, "content-type")), (200, media_type));
        assert_eq!(header(&page, "x-content-type-options"), "nosniff");
        assert!(header(&page, "permissions-policy").contains("camera=(self), microphone=(self)"));
        let policy = header(&page, "content-security-policy");
        assert!(policy.starts_with("default-src 'self'") && !policy.contains("unsafe"), "{policy}");
        let tag = header(&page, "etag").to_owned();
        let again = Client::new().get(stage.url(path)).header("if-none-match", &tag);
        let again = again.send().await.unwrap();
        assert_eq!((again.status().as_u16(), header(&again, "etag")), (304, tag.as_str()));
    }
    let not_ours = ["/nothing.js", "/../Cargo.toml", "/%2e%2e/Cargo.toml", "/v1/nothing"];
    // They lie beside the pages, but are for developers.
    let not_served = ["/README.md", "/package.json", "/tests/client.test.mjs"];
    for path in not_ours.into_iter().chain(not_served) {
        let missing = get(&stage, path).await;
        assert_eq!(missing.status(), 404, "{path}");
        assert_eq!(header(&missing, "content-type"), "application/problem+json");
        assert_eq!(missing.json::<Value>().await.unwrap()["code"], "http.not_found");
    }
    assert_eq!(get(&stage, "/healthz").await.status(), 200);
}

#[tokio::test]
async fn a_good_token_is_answered_with_its_claims() {
    let stage = Stage::new().await;
    let bearer = format!("Bearer {}", stage.token("asha", Role::Fan));
    let request = Client::new().get(stage.url("/v1/token")).header("authorization", bearer);
    let claims: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!((&claims["sub"], &claims["coinline"]["role"]), (&json!("asha"), &json!("fan")));
}

async fn credit(stage: &Stage, key: Option<&str>, body: &Value) -> (u16, Value) {
    let mut request = Client::new().post(stage.url("/v1/demo/credit")).json(body);
    if let Some(key) = key {
        request = request.header("idempotency-key", key);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn demo_people_log_in_with_the_tokens_they_are_given() {
    let stage = Stage::new().await;
    let people: Value = get(&stage, "/v1/demo/people").await.json().await.unwrap();
    let people = people["people"].as_array().unwrap();
    assert_eq!(people.len(), 3);
    let asha = &people[0];
    assert_eq!((&asha["id"], &asha["role"]), (&json!("asha"), &json!("fan")));
    assert_eq!(asha["balance_micro"], 100_000_000);
    let token = asha["token"].as_str().unwrap();
    let client = crate::client::Client::connect(stage.address, token, "").await;
    assert_eq!(client.welcome["user"], "asha");
}

#[tokio::test]
async fn a_demo_credit_is_added_once_and_told() {
    let stage = Stage::new().await;
    let mut fan = stage.fan("bela").await;
    let ten = json!({"user": "bela", "coins": "10.00"});
    let new_balance = (200, json!({"balance_micro": 10_500_000}));
    assert_eq!(credit(&stage, Some("k1"), &ten).await, new_balance);
    assert_eq!(fan.event("wallet").await["balance_micro"], 10_500_000);
    assert_eq!(credit(&stage, Some("k1"), &ten).await, new_balance, "the same key again");
    assert_eq!(credit(&stage, Some("k2"), &ten).await.1["balance_micro"], 20_500_000);
    let wallet = fan.ask(json!({"type": "wallet.show"})).await;
    assert_eq!(wallet["balance_micro"], 20_500_000);
}

#[tokio::test]
async fn demo_credits_are_bounded_and_need_a_key() {
    let stage = Stage::new().await;
    let ten = json!({"user": "bela", "coins": "10.00"});
    for (key, body, status) in [
        (None, ten.clone(), 400),
        (Some(""), ten.clone(), 400),
        (Some("a b"), ten.clone(), 400),
        (Some(&*"k".repeat(65)), ten, 400),
        (Some("k"), json!({"user": "bela", "coins": "0"}), 400),
        (Some("k"), json!({"user": "bela", "coins": "-1"}), 400),
        (Some("k"), json!({"user": "bela", "coins": "1000.000001"}), 400),
        (Some("k"), json!({"user": "bela", "coins": "0.0000001"}), 400),
        (Some("k"), json!({"user": "bela", "coins": 10}), 400),
        (Some("k"), json!({"user": "bela"}), 400),
        (Some("k"), json!({"user": "stranger", "coins": "1"}), 404),
        (Some("k"), json!({"user": "x".repeat(10_000), "coins": "1"}), 400),
    ] {
        let (got, problem) = credit(&stage, key, &body).await;
        assert_eq!(got, status, "{body:.200}");
        assert!(problem["code"].is_string());
    }
    let wallet = stage.fan("bela").await.ask(json!({"type": "wallet.show"})).await;
    assert_eq!(wallet["balance_micro"], 500_000);
}

#[tokio::test]
async fn demo_mode_answers_to_this_machines_own_names_only() {
    let stage = Stage::new().await;
    let status = async |stage: &Stage, path: &str, host: &str| {
        let answer = Client::new().get(stage.url(path)).header("host", host).send().await.unwrap();
        (answer.status().as_u16(), header(&answer, "content-type").to_owned())
    };
    for host in ["localhost", "LocalHost:8080", "127.0.0.1:1", "[::1]", "[::1]:8080"] {
        assert_eq!(status(&stage, "/v1/demo/people", host).await.0, 200, "{host}");
    }
    for path in ["/", "/v1/demo/people", "/v1/token", "/v1/ws", "/nothing"] {
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:8080",
            "evil.example:127",
            "[::1].evil.example",
            "[::1",
            "[::2]:8080",
            "127.0.0.2",
            "",
        ] {
            let refused = (403, "application/problem+json".to_owned());
            assert_eq!(status(&stage, path, host).await, refused, "{path} at {host:?}");
        }
    }
    let public = Stage::with(signaling::Config::default(), false).await;
    assert_eq!(status(&public, "/", "calls.example").await.0, 200);
}

#[tokio::test]
async fn outside_demo_mode_there_are_no_demo_addresses() {
    let stage = Stage::with(signaling::Config::default(), false).await;
    assert_eq!(get(&stage, "/v1/demo/people").await.status(), 404);
    let (status, problem) = credit(&stage, Some("k"), &json!({"user": "asha", "coins": "1"})).await;
    assert_eq!((status, &problem["code"]), (404, &json!("http.not_found")));
}

#[tokio::test]
async fn a_signed_receipt_is_for_its_fan_and_host_alone() {
    let stage = Stage::new().await;
    let other_call = "0193a1b2-0000-7000-8000-000000000002";
    for (user, role, call, status) in [
        (Some("asha"), Role::Fan, SIGNED_CALL, 200),
        (Some("meera"), Role::Host, SIGNED_CALL, 200),
        (Some("bela"), Role::Fan, SIGNED_CALL, 404),
        (Some("asha"), Role::Fan, other_call, 404),
        (Some("asha"), Role::Fan, "no-call", 404),
        (None, Role::Fan, SIGNED_CALL, 401),
    ] {
        let mut request = Client::new().get(stage.url(&format!("/v1/receipts/{call}")));
        if let Some(user) = user {
            let bearer = format!("Bearer {}", stage.token(user, role));
            request = request.header("authorization", bearer);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), status, "{user:?} {call}");
        if status == 200 {
            assert_eq!(header(&answer, "content-type"), "application/json");
            assert_eq!(header(&answer, "cache-control"), "private, no-store");
            let file = format!("attachment; filename=\"receipt-{call}.json\"");
            assert_eq!(header(&answer, "content-disposition"), file);
            assert_eq!(answer.text().await.unwrap(), SIGNED_TEXT);
        } else {
            assert_eq!(header(&answer, "content-type"), "application/problem+json");
        }
    }
}

#[tokio::test]
async fn credentials_for_turn_are_for_those_who_are_known() {
    let stage = Stage::new().await;
    assert_eq!(get(&stage, "/v1/ice-servers").await.status(), 401);
    let token = stage.token("asha", Role::Fan);
    let asked = Client::new().get(stage.url("/v1/ice-servers")).bearer_auth(token);
    let answer: Value = asked.send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["ttl_ms"], 60_000);
    let server = &answer["ice_servers"][0];
    assert_eq!(server["urls"], json!([TURN_URL]));
    let (expires_s, user) = server["username"].as_str().unwrap().split_once(':').unwrap();
    assert_eq!(user, "asha");
    assert!(expires_s.parse::<u64>().unwrap() > 1_700_000_000);
    assert_eq!(server["credential"].as_str().unwrap().len(), 28);
}

#[tokio::test]
async fn the_key_that_proves_receipts_is_public() {
    let stage = Stage::new().await;
    let answer: Value = get(&stage, "/v1/receipts/key").await.json().await.unwrap();
    assert_eq!(answer, json!({"algorithm": "Ed25519", "key": RECEIPT_KEY}));
}
