//! For tests: what a stranger might send. The committed corpus of a fuzz target (`fuzz/corpus/`),
//! and a bounded number of mutations of it, the same in every run.
#![forbid(unsafe_code)]

mod mutation;

use mutation::Mutator;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

/// Of which the mutations are made. Any number would do; it is printed with what fails.
const SEED: u64 = 0x636f_696e_6c69_6e65;

/// Plays the corpus of `target`, and `mutations` of each of its entries, to `body`.
///
/// # Panics
/// As `body` does, after it was said on which input; and if there is no corpus.
pub fn play(target: &str, mutations: u32, body: impl Fn(&[u8])) {
    let corpus = corpus(target);
    let entries: Vec<&[u8]> = corpus.iter().map(|(_, bytes)| bytes.as_slice()).collect();
    for (name, bytes) in &corpus {
        try_one(&body, bytes, &format!("{target}/{name}"));
        let mut mutator = Mutator::new(SEED ^ of_name(name), &entries);
        for n in 0..mutations {
            let mutant = mutator.mutant(bytes);
            try_one(&body, &mutant, &format!("{target}/{name}, mutation {n} of seed {SEED:#x}"));
        }
    }
}

/// The entries of a target's corpus by name, in the order of their names.
///
/// # Panics
/// If there are none.
#[must_use]
pub fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = folder(target);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut entries: Vec<(String, Vec<u8>)> = files
        .map(|file| {
            let file = file.expect("a folder that can be read");
            let bytes = fs::read(file.path()).expect("a file that can be read");
            (file.file_name().to_string_lossy().into_owned(), bytes)
        })
        .collect();
    assert!(!entries.is_empty(), "{folder:?} is empty");
    entries.sort();
    entries
}

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target)
}

fn try_one(body: &impl Fn(&[u8]), bytes: &[u8], what: &str) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| body(bytes))) {
        let shown: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        // Beside the panic's own message, which the test's output has.
        std::io::Write::write_all(
            &mut std::io::stderr(),
            format!("on {what}, {} bytes: {shown}\n", bytes.len()).as_bytes(),
        )
        .expect("the standard error stream takes a line");
        resume_unwind(panic);
    }
}

/// FNV-1a.
fn of_name(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
