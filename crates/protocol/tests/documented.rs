//! PROTOCOL.md and the types agree: each example parses and prints as it stands, and the table of
//! error codes is complete.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use protocol::ErrorCode;
use protocol::client::{Request, RequestBody, ServerFrame};
use protocol::token::Claims;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeSet;

const MANUAL: &str = include_str!("../PROTOCOL.md");

/// The JSON blocks of the manual marked `kind`.
fn examples(kind: &str) -> Vec<&'static str> {
    let fence = format!("```json {kind}\n");
    MANUAL.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().trim()).collect()
}

fn check<T: Serialize + DeserializeOwned>(kind: &str, at_least: usize) -> BTreeSet<String> {
    let examples = examples(kind);
    assert!(examples.len() >= at_least, "only {} examples of {kind}", examples.len());
    let mut types = BTreeSet::new();
    for example in examples {
        let shown: Value = serde_json::from_str(example).unwrap();
        let parsed: T = serde_json::from_str(example).unwrap_or_else(|e| panic!("{e}: {example}"));
        assert_eq!(serde_json::to_value(parsed).unwrap(), shown, "{example}");
        types.extend(shown["type"].as_str().map(str::to_owned));
    }
    types
}

/// The `#[serde(rename = "...")]` of each message in a source file.
fn declared(source: &str) -> BTreeSet<String> {
    source
        .split("#[serde(rename = \"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().to_owned())
        .collect()
}

#[test]
fn every_request_is_shown_and_every_example_parses() {
    let shown = check::<Request>("request", 10);
    assert_eq!(shown, declared(include_str!("../src/client/request.rs")));
    assert_eq!(shown, RequestBody::TYPES.map(str::to_owned).into());
}

#[test]
fn server_examples_parse() {
    let shown = check::<ServerFrame>("server", 10);
    let mut declared = declared(include_str!("../src/client/server.rs"));
    // Carry nothing but their type; named in the text.
    for plain in ["ok", "session.replaced"] {
        assert!(declared.remove(plain) && MANUAL.contains(&format!("`{plain}`")));
    }
    assert_eq!(shown, declared);
}

#[test]
fn claims_example_parses() {
    check::<Claims>("claims", 1);
}

#[test]
fn every_error_code_is_in_the_table_with_its_sentence() {
    for code in ErrorCode::ALL {
        let row = format!("| `{code}` | {} |", code.message());
        assert!(MANUAL.contains(&row), "PROTOCOL.md lacks: {row}");
    }
}
