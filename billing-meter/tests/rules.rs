//! BILLING.md keeps its word: every rule names a test, every test it names is there, and every
//! rule that a source comment refers to is there.
#![expect(clippy::unwrap_used, reason = "a test that can't go on should stop")]

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
    for folder in ["src", "tests", "../crates/billing-core", "../crates/store"] {
        sources(&here(folder), &mut found);
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
    for (index, (number, text)) in rules.iter().enumerate() {
        assert_eq!(*number, index + 1, "rules are numbered in order");
        let (_, tests) = text.split_once("Test").expect("each rule names its tests");
        let names: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "rule {number} names no test");
        for name in names {
            let is_test = sources.contains(&format!("fn {name}(")) && is_run(&sources, name);
            assert!(is_test, "rule {number}: there is no test {name}");
        }
    }
}

/// Whether the function is a test: by attribute, or by its name in the conformance suite's list.
fn is_run(sources: &str, name: &str) -> bool {
    let (before, _) = sources.split_once(&format!("fn {name}(")).unwrap();
    let line = before.trim_end_matches("async ").trim_end();
    let listed = sources.split_once("\nconformance! {").unwrap().1.split_once('}').unwrap().0;
    line.ends_with("#[test]")
        || line.ends_with("#[tokio::test]")
        || listed.split_whitespace().any(|test| test == name)
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
        assert!((1..=rules.len()).contains(&reference), "there is no rule {reference}");
    }
}
