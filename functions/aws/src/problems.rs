//! Logs errors as they occur, and adds them to the run's problems.

use hygiene::problems::{Problems, Step};

/// Logs and adds an error that fails the run.
pub fn fail(problems: &mut Problems, step: Step, error: String) {
    log(&error);
    problems.fail(step, error);
}

/// Logs and adds an error that is reported, but fails nothing.
pub fn note(problems: &mut Problems, error: String) {
    log(&error);
    problems.note(error);
}

/// Logs an error.
pub fn log(error: &str) {
    tracing::warn!(error, "Something went wrong.");
}
