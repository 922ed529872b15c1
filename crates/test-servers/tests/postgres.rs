//! A PostgreSQL server is started, crashes, comes back with its data, and leaves nothing behind.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::process::Command;
use test_servers::Postgres;

/// What `sql` answers.
fn ask(url: &str, sql: &str) -> Result<String, String> {
    let output = Command::new("psql").args([url, "-qtAc", sql]).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[test]
fn a_server_keeps_what_was_committed_through_a_crash() {
    let mut server = Postgres::start().unwrap();
    let url = server.database().unwrap();
    assert_eq!(ask(&url, "SHOW fsync").unwrap(), "on");
    ask(&url, "CREATE TABLE kept (n INT); INSERT INTO kept VALUES (7)").unwrap();
    server.kill9();
    ask(&url, "SELECT 1").unwrap_err();
    server.restart().unwrap();
    assert_eq!(ask(&url, "SELECT n FROM kept").unwrap(), "7");
    server.stop();
    ask(&url, "SELECT 1").unwrap_err();
    server.restart().unwrap();
    assert_eq!(ask(&url, "SELECT n FROM kept").unwrap(), "7");
}

#[test]
fn databases_of_the_shared_server_are_apart() {
    let server = Postgres::shared().unwrap();
    let (one, other) = (server.database().unwrap(), server.database().unwrap());
    ask(&one, "CREATE TABLE mine (n INT)").unwrap();
    ask(&other, "SELECT n FROM mine").unwrap_err();
    assert_eq!(ask(&server.url(), "SELECT 1").unwrap(), "1");
}

#[test]
fn a_server_that_is_dropped_is_gone_with_its_data() {
    let server = Postgres::start_unsynced().unwrap();
    let url = server.database().unwrap();
    let folder = ask(&url, "SHOW data_directory").unwrap();
    assert!(fs::exists(&folder).unwrap());
    drop(server);
    assert!(!fs::exists(&folder).unwrap());
    ask(&url, "SELECT 1").unwrap_err();
}
