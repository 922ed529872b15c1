//! The executable as an operator meets it.

use crate::browser::turn;
use crate::server::Server;
use serde_json::{Value, json};
use std::process::{Command, Output};

fn coinline(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_coinline")).args(arguments).output().unwrap()
}

fn refusal(arguments: &[&str]) -> String {
    let output = coinline(arguments);
    assert!(!output.status.success(), "{arguments:?} should be refused");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn help_names_the_commands() {
    let help = String::from_utf8(coinline(&["--help"]).stdout).unwrap();
    for word in ["serve", "token", "audit", "--config", "--listen"] {
        assert!(help.contains(word), "no {word} in {help}");
    }
}

#[test]
fn a_price_is_quoted_without_a_server() {
    let line = ["quote", "--rate", "2.50", "--minutes", "480", "--share", "70", "--fee", "3%"];
    let said = String::from_utf8(coinline(&line).stdout).unwrap();
    assert!(said.contains("host nets") && said.contains("804.00"), "{said}");
    let line = ["quote", "--rate", "1.99", "--minutes", "7.2", "--hold-minutes", "20", "--json"];
    let said = String::from_utf8(coinline(&line).stdout).unwrap();
    let quote: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(quote["hold"]["released"], "25.48", "{said}");
    let said = refusal(&["quote", "--rate", "5", "--minutes", "3000"]);
    assert!(said.contains("2880 minutes") && said.contains("--calls"), "{said}");
}

#[test]
fn the_demo_refuses_other_machines() {
    let said = refusal(&["--listen", "0.0.0.0:0"]);
    assert!(said.contains("loopback"), "{said}");
}

#[test]
fn an_address_in_use_is_named_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = Command::new(env!("CARGO_BIN_EXE_coinline"))
        .args(["--listen", &address])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(said.contains(&address) && said.contains("--listen"), "{said}");
}

#[test]
fn production_refuses_to_start_without_secrets() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "mode = \"production\"\nauth.key = \"live\"\n").unwrap();
    let path = file.path().to_str().unwrap();
    let said = refusal(&["serve", "--config", path]);
    assert!(said.contains("secret"), "{said}");
    let missing = refusal(&["serve", "--config", "/nonexistent.toml"]);
    assert!(missing.contains("/nonexistent.toml"), "{missing}");
}

/// The relay's address is taken, which ends the process.
#[test]
fn production_without_a_key_of_receipts_says_that_they_are_not_signed() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let [secret, database, config, key] =
        ["secret", "books.db", "coinline.toml", "key"].map(|name| folder.path().join(name));
    std::fs::write(&secret, "s".repeat(48)).unwrap();
    std::fs::write(&key, [7; 32]).unwrap();
    let toml = format!(
        "mode = \"production\"\nauth.key = \"live\"\nauth.secret_file = {secret:?}\n\
         store.database = {database:?}\nmedia_relay.listen = \"{}\"\n\
         signaling.listen = \"127.0.0.1:0\"\n",
        taken.local_addr().unwrap()
    );
    let signed = format!("{toml}receipts.key_file = {key:?}\n");
    for (toml, warns) in [(toml, true), (signed, false)] {
        std::fs::write(&config, toml).unwrap();
        let said = refusal(&["serve", "--config", config.to_str().unwrap()]);
        let warned = said.contains("receipts are not signed") && said.contains("key_file");
        assert_eq!(warned, warns, "{said}");
    }
}

/// Adds coins to the host's wallet of the demo.
async fn credit(server: &Server, coins: &str, key: &str) -> (u16, Value) {
    let request = reqwest::Client::new()
        .post(format!("{}/v1/demo/credit", server.url))
        .header("Idempotency-Key", key)
        .json(&json!({"user": "meera", "coins": coins}));
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_keeps_balances_over_restarts_and_stops_in_good_order() {
    let _turn = turn().await;
    let mut server =
        Server::start(&[("asha", "fan", "12.50"), ("meera", "host", "0")], 60_000).await;
    for _ in 0..2 {
        let people = reqwest::get(format!("{}/v1/demo/people", server.url)).await.unwrap();
        let people: Value = people.json().await.unwrap();
        let asha = people["people"].as_array().unwrap().iter().find(|p| p["id"] == "asha").unwrap();
        assert_eq!(asha["balance_micro"], 12_500_000, "{people}");
        assert_eq!(
            credit(&server, "0.50", "key-1").await,
            (200, json!({"balance_micro": 500_000}))
        );
        let (status, problem) = credit(&server, "0.60", "key-1").await;
        assert_eq!((status, &problem["code"]), (409, &json!("billing.id_reused")));
        assert!(server.stop().success());
        crate::books::balance(&server.database()).await;
        server.restart().await;
    }
}
