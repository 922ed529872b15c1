//! The shape of the workspace, held by tests: who may import whom, and what every file owes its
//! reader (ARCHITECTURE.md, "Invariants").
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use cargo_metadata::{DependencyKind, MetadataCommand};
use spdx::{Expression, ParseMode};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Which of our own packages each package may use. Nothing else may be imported.
const ALLOWED: &[(&str, &[&str])] = &[
    ("units", &[]),
    ("call-core", &["units"]),
    ("billing-core", &["units"]),
    ("media-core", &["units"]),
    ("protocol", &["units"]),
    ("store", &["units", "billing-core"]),
    ("service-kit", &["units"]),
    ("test-servers", &[]),
    ("hostile-input", &[]),
    ("simulation", CRATES),
    ("signaling", CRATES),
    ("media-relay", CRATES),
    ("billing-meter", CRATES),
    ("loadtest", CRATES),
];

const CRATES: &[&str] = &[
    "units",
    "call-core",
    "billing-core",
    "media-core",
    "protocol",
    "store",
    "service-kit",
    "test-servers",
];

/// The only packages from outside that a core may use: no I/O, no clock, no randomness.
const PURE: &[&str] = &["aws-lc-rs", "serde", "serde_json", "thiserror"];

#[test]
fn packages_import_only_what_the_design_allows() {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    let allowed: BTreeMap<_, BTreeSet<_>> =
        ALLOWED.iter().map(|(name, uses)| (*name, uses.iter().copied().collect())).collect();
    let ours: BTreeSet<_> = metadata.packages.iter().map(|p| p.name.as_str()).collect();
    for package in metadata.packages.iter().filter(|package| package.name != "coinline") {
        let name = package.name.as_str();
        let allowed = allowed.get(name).unwrap_or_else(|| panic!("{name} has no rule here"));
        for dependency in package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal) {
            let used = dependency.name.as_str();
            if ours.contains(used) {
                assert!(allowed.contains(used), "{name} must not import {used}");
            } else if name.ends_with("-core") {
                assert!(PURE.contains(&used), "{name} is pure and must not import {used}");
            }
        }
    }
}

#[test]
fn every_source_file_says_what_it_is_and_can_be_read_in_a_sitting() {
    let mut read = 0;
    for path in sources(Path::new(env!("CARGO_MANIFEST_DIR"))) {
        let text = std::fs::read_to_string(&path).unwrap();
        read += 1;
        assert!(text.starts_with("//!"), "{} does not begin with //!", path.display());
        let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
        let lines = code.lines().count();
        let is_test = path.components().any(|part| part.as_os_str() == "tests");
        assert!(is_test || lines <= LINES_MAX, "{} has {lines} lines", path.display());
        for word in ["TODO", "FIXME", "XXX"] {
            let here = path.file_name().unwrap() == "architecture.rs";
            assert!(here || !text.contains(word), "{} has a {word}", path.display());
        }
    }
    assert!(read > 30, "only {read} files found");
}

#[test]
fn every_invariant_names_tests_that_exist() {
    let page = include_str!("../ARCHITECTURE.md");
    let table = page.split("## Invariants").nth(1).unwrap().split("\n## ").next().unwrap();
    let named: Vec<&str> = table
        .lines()
        .filter_map(|row| row.rsplit('|').nth(1))
        .flat_map(|held_by| held_by.split('`').skip(1).step_by(2))
        .filter(|name| !name.contains('.'))
        .collect();
    assert!(named.len() > 15, "{named:?}");
    let code: String = sources(Path::new(env!("CARGO_MANIFEST_DIR")))
        .into_iter()
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    for name in named {
        assert!(code.contains(&format!("fn {name}(")), "no test is called {name}");
    }
}

#[test]
fn licences_are_permissive() {
    let policy: toml::Table = include_str!("../deny.toml").parse().unwrap();
    let allowed: BTreeSet<&str> = policy["licenses"]["allow"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    let metadata = MetadataCommand::new().exec().unwrap();
    assert!(metadata.packages.len() > 100);
    for package in metadata.packages {
        let name = &package.name;
        let licence = package.license.unwrap_or_else(|| panic!("{name} names no licence"));
        assert!(permits(&allowed, &licence), "{name} is licensed {licence}");
    }
}

/// Whether an SPDX expression leaves a choice among the `allowed` licences.
fn permits(allowed: &BTreeSet<&str>, expression: &str) -> bool {
    let expression = Expression::parse_mode(expression, ParseMode::LAX).unwrap();
    expression.evaluate(|required| allowed.contains(required.to_string().as_str()))
}

/// More, and a file holds two ideas.
const LINES_MAX: usize = 600;

/// All Rust files of the project.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
