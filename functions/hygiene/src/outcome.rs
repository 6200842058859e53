//! A decision, and what came of it so far.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::decision::{Decision, Failing, Storing};
use crate::problems::{Problems, Step};

/// What Security Hub took of a decision, and what it did not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipts {
    /// How many findings were written.
    pub imported: usize,
    /// Why the others were not, by identity.
    pub refused: BTreeMap<String, String>,
    /// Findings that could not be marked before they were written.
    pub unmarked: BTreeSet<String>,
    /// What went wrong.
    pub problems: Problems,
}

/// A decision, and what Security Hub took of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The decision.
    pub decision: Decision,
    /// What Security Hub took of it.
    pub receipts: Receipts,
}

impl Outcome {
    /// What went wrong so far.
    pub fn problems(&self) -> Problems {
        self.decision.problems.followed_by(&self.receipts.problems)
    }

    /// Whether a source could not be read.
    pub fn source_failed(&self) -> bool {
        self.decision.problems.failed == Some(Step::Collect)
    }

    /// Whether what is stored of the finding is what is reported of it, so that it can be marked as reported.
    pub fn stores_what_is_reported(&self, failing: &Failing) -> bool {
        let stays = match failing.storing {
            Storing::AtOnce | Storing::WhenSent(_) => false,
            Storing::IfMarked(_) => self.receipts.unmarked.contains(&failing.id),
        };
        !stays && !self.receipts.refused.contains_key(&failing.id)
    }
}
