//! BILLING.md keeps its word: every rule names a test, every test it names is there, and every
//! rule that a source comment refers to is there.
#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn sources(folder: &Path, found: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

fn all_sources() -> String {
    let mut found = String::new();
    let parts = ["crates", "billing-meter", "media-relay", "signaling/src", "signaling/tests"];
    for folder in parts.into_iter().chain(["loadtest", "src", "tests"]) {
        sources(&here("..").join(folder), &mut found);
    }
    found
}

/// Each rule's number and text.
fn rules() -> Vec<(usize, String)> {
    let mut rules: Vec<(usize, String)> = Vec::new();
    for line in fs::read_to_string(here("BILLING.md")).unwrap().lines() {
        if let Some((number, text)) = line.split_once(". **")
            && let Ok(number) = number.parse()
        {
            rules.push((number, text.to_owned()));
        } else if line.starts_with(' ')
            && let Some((_, text)) = rules.last_mut()
        {
            text.push_str(line);
        }
    }
    rules
}

#[test]
fn every_rule_names_tests_that_exist() {
    let (rules, sources) = (rules(), all_sources());
    assert!(!rules.is_empty());
    let numbers: BTreeSet<usize> = rules.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers.len(), rules.len(), "a number names one rule");
    for (number, text) in &rules {
        let (_, tests) = text.split_once("Test").expect("each rule names its tests");
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "rule {number} names no test");
        for name in names {
            assert!(is_run(&sources, name), "rule {number}: there is no test {name}");
        }
    }
}

/// Whether one of the functions of that name is a test: by attribute, or by its name on a line of
/// its own, as in the lists of the store's suite.
fn is_run(sources: &str, name: &str) -> bool {
    let is_listed = || sources.lines().any(|line| line.trim() == name);
    ["(", "<"].iter().any(|open| {
        let head = format!("fn {name}{open}");
        let mut functions = sources.match_indices(&head).map(|(at, _)| &sources[..at]);
        functions.any(|before| {
            let attributes = before.rsplit(['}', ';', '{']).next().unwrap_or_default();
            let is_marked = attributes.contains("#[test]") || attributes.contains("#[tokio::test");
            is_marked || is_listed()
        })
    })
}

#[test]
fn every_rule_that_a_comment_refers_to_exists() {
    let (rules, sources) = (rules(), all_sources());
    let references: Vec<usize> = sources
        .split("BILLING.md, rule ")
        .skip(1)
        .filter_map(|text| text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok())
        .collect();
    assert!(!references.is_empty());
    for reference in references {
        let is_there = rules.iter().any(|(number, _)| *number == reference);
        assert!(is_there, "there is no rule {reference}");
    }
}
