//! A decision, and what came of it so far.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::decision::{AlertStatus, Closing, Decision, Failing, Storing};
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
    /// What was suppressed while the others were written.
    pub meanwhile: Meanwhile,
    /// What went wrong.
    pub problems: Problems,
}

/// Which of the new findings a person or a rule of Security Hub suppressed after they were recalled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Meanwhile {
    /// These: they are neither reported nor marked.
    Suppressed(BTreeSet<String>),
    /// It could not be read: all are reported, and none is marked, so that the next run reports them again.
    Unread,
}

impl Default for Meanwhile {
    fn default() -> Self {
        Self::Suppressed(BTreeSet::new())
    }
}

/// What became of the alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// It was sent.
    Sent,
    /// There was nothing to report.
    NotNeeded,
    /// No topic is set.
    Off,
    /// It could not be sent; the next run reports it.
    Failed,
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

    /// The findings that are reported as new, worst first.
    pub fn reported_as_new(&self) -> impl Iterator<Item = &Failing> {
        self.decision.reported_as_new().filter(|failing| !self.was_suppressed_meanwhile(failing))
    }

    /// Whether the finding is not to be reported: it was suppressed before the run, or was meanwhile.
    pub fn is_suppressed(&self, failing: &Failing) -> bool {
        failing.alert == AlertStatus::Suppressed || self.was_suppressed_meanwhile(failing)
    }

    fn was_suppressed_meanwhile(&self, failing: &Failing) -> bool {
        match &self.receipts.meanwhile {
            Meanwhile::Suppressed(ids) => ids.contains(&failing.id),
            Meanwhile::Unread => false,
        }
    }

    /// Whether the finding can be closed: not while what shows that another one is new could not be marked so.
    pub fn can_be_closed(&self, closing: &Closing) -> bool {
        closing.only_with_mark.as_ref().is_none_or(|id| !self.receipts.unmarked.contains(id))
    }

    /// Whether the finding can be marked as reported: what is stored of it is what is reported of it, and the mark overwrites no
    /// suppression.
    pub fn can_be_marked(&self, failing: &Failing) -> bool {
        let stays = match failing.storing {
            Storing::AtOnce | Storing::WhenSent(_) => false,
            Storing::IfMarked(_) => self.receipts.unmarked.contains(&failing.id),
        };
        let may_be_suppressed = self.receipts.meanwhile == Meanwhile::Unread || self.was_suppressed_meanwhile(failing);
        !stays && !self.receipts.refused.contains_key(&failing.id) && !may_be_suppressed
    }
}
