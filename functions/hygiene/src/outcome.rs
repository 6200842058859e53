//! A decision and its results so far.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::decision::{AlertStatus, Closing, Decision, Failing, Storing};
use crate::problems::{Problems, Step};

/// The results of executing a decision in Security Hub.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipts {
    /// The number of imported findings.
    pub imported: usize,
    /// The reasons for rejected findings, by identity.
    pub refused: BTreeMap<String, String>,
    /// Findings that could not be marked before the import.
    pub unmarked: BTreeSet<String>,
    /// New findings that were suppressed during the import.
    pub meanwhile: Meanwhile,
    /// Errors.
    pub problems: Problems,
}

/// New findings that a person or an automation rule of Security Hub suppressed after they were recalled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Meanwhile {
    /// These findings are neither reported nor marked.
    Suppressed(BTreeSet<String>),
    /// They could not be read: all findings are reported, but not marked, so that the next run reports them again.
    Unread,
}

impl Default for Meanwhile {
    fn default() -> Self {
        Self::Suppressed(BTreeSet::new())
    }
}

/// The delivery of the alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// It was sent.
    Sent,
    /// There was nothing to report.
    NotNeeded,
    /// No topic is set.
    Off,
    /// It could not be sent. The next run reports the findings.
    Failed,
}

/// A decision, and the results in Security Hub.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// The decision.
    pub decision: Decision,
    /// The results in Security Hub.
    pub receipts: Receipts,
}

impl Outcome {
    /// The errors so far.
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

    /// Whether the finding is not to be reported, because it was suppressed before or during the run.
    pub fn is_suppressed(&self, failing: &Failing) -> bool {
        failing.alert == AlertStatus::Suppressed || self.was_suppressed_meanwhile(failing)
    }

    fn was_suppressed_meanwhile(&self, failing: &Failing) -> bool {
        match &self.receipts.meanwhile {
            Meanwhile::Suppressed(ids) => ids.contains(&failing.id),
            Meanwhile::Unread => false,
        }
    }

    /// Whether the finding can be closed: not while the finding in `only_with_mark` could not be marked.
    pub fn can_be_closed(&self, closing: &Closing) -> bool {
        closing.only_with_mark.as_ref().is_none_or(|id| !self.receipts.unmarked.contains(id))
    }

    /// Whether the finding can be marked as reported: the stored evidence is the reported evidence, and the mark does
    /// not overwrite a suppression.
    pub fn can_be_marked(&self, failing: &Failing) -> bool {
        let stays = match failing.storing {
            Storing::AtOnce | Storing::WhenSent(_) => false,
            Storing::IfMarked(_) => self.receipts.unmarked.contains(&failing.id),
        };
        let may_be_suppressed = self.receipts.meanwhile == Meanwhile::Unread || self.was_suppressed_meanwhile(failing);
        !stays && !self.receipts.refused.contains_key(&failing.id) && !may_be_suppressed
    }
}
