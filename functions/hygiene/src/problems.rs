//! The errors of a run, in the order of its steps.

use serde::{Deserialize, Serialize};

use crate::text::counted;

/// A step of a run that can fail. The names are public: alarms and automation match them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// A source could not be read.
    Collect,
    /// credwarden's findings in Security Hub could not be read.
    Recall,
    /// A finding could not be imported.
    Import,
    /// The alert could not be sent.
    Alert,
}

impl Step {
    /// The function's `errorType`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Collect => "Collect",
            Self::Recall => "Recall",
            Self::Import => "Import",
            Self::Alert => "Alert",
        }
    }
}

/// The errors of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problems {
    /// The first step that failed.
    pub failed: Option<Step>,
    errors: Vec<String>,
    /// The number of errors that are only in the log.
    unlisted: u64,
}

/// The maximum number of listed errors; more are only counted. The list is in every part of the message.
const ERRORS: usize = 25;

impl Problems {
    /// Adds an error that fails the run.
    pub fn fail(&mut self, step: Step, error: String) {
        self.failed.get_or_insert(step);
        self.note(error);
    }

    /// Adds an error that is reported but does not fail the run.
    pub fn note(&mut self, error: String) {
        if self.errors.len() < ERRORS {
            self.errors.push(error);
        } else {
            self.unlisted += 1;
        }
    }

    /// Returns these problems, followed by those of a later part of the run.
    #[must_use]
    pub fn followed_by(&self, later: &Self) -> Self {
        let mut all = self.clone();
        all.failed = all.failed.or(later.failed);
        later.errors.iter().for_each(|error| all.note(error.clone()));
        all.unlisted += later.unlisted;
        all
    }

    /// Returns the listed errors, and the number of the others.
    pub fn list(&self) -> Vec<String> {
        let rest = (self.unlisted > 0).then(|| format!("and {}, in the log", counted(self.unlisted, "more error")));
        self.errors.iter().cloned().chain(rest).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_of_two_parts_are_listed_like_those_of_one() {
        let some = |from: usize, to: usize| {
            let mut problems = Problems::default();
            (from..to).for_each(|number| problems.note(number.to_string()));
            problems
        };
        let mut later = some(20, 30);
        later.fail(Step::Alert, "30".to_owned());
        let all = some(0, 20).followed_by(&later);
        assert_eq!(all.list(), some(0, 31).list());
        assert_eq!(all.list().last().unwrap(), "and 6 more errors, in the log");
        assert_eq!(all.failed, Some(Step::Alert));
    }
}
