//! The corpus of the fuzzers: no file panics, and all output is escaped.

use std::path::Path;

use crate::inputs::{rendered, served, shown};

/// Runs the function on every file of its fuzzer's corpus.
fn replay(target: &str, function: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut count = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let outcome = std::panic::catch_unwind(|| function(&bytes));
        assert!(outcome.is_ok(), "{}", path.display());
        count += 1;
    }
    assert!(count >= 50, "the corpus of {target} has {count} files");
}

#[test]
fn served_reports_of_the_corpus_are_safe() {
    replay("served", served);
}

#[test]
fn saved_files_of_the_corpus_are_safe() {
    replay("saved", shown);
}

#[test]
fn rendered_files_of_the_corpus_are_safe() {
    replay("rendered", rendered);
}
