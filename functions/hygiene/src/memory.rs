//! What is known of earlier runs: the findings that they stored, or nothing.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::subject::{FindingId, SubjectId};
use crate::time::later;
use crate::verdict::{Evidence, ReportedEvidence, Severity};

/// What is known of earlier runs.
#[derive(Debug, Clone, PartialEq)]
pub enum Memory {
    /// credwarden's findings in Security Hub, open and closed, by identity.
    Recalled {
        /// Security Hub's region.
        region: String,
        /// The findings. Of the closed ones only those that fail again have to be here.
        findings: BTreeMap<String, Stored>,
    },
    /// There is none: Security Hub is not used.
    Off,
    /// It could not be read.
    Unread,
}

impl Memory {
    /// The findings that are known.
    pub fn findings(&self) -> impl Iterator<Item = &Stored> {
        let findings = match self {
            Self::Recalled { findings, .. } => Some(findings),
            Self::Off | Self::Unread => None,
        };
        findings.into_iter().flat_map(BTreeMap::values)
    }
}

/// A finding of an earlier run: no more of it than the next run needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Its identity, as it is stored.
    pub id: String,
    /// The check's id.
    pub check: String,
    /// Its title.
    pub title: String,
    /// Whether it is open, not closed.
    pub active: bool,
    /// Whether people were notified of it, and what they made of that.
    pub workflow: Workflow,
    /// Its severity.
    pub severity: Severity,
    /// When it was stored first.
    pub created_at: DateTime<Utc>,
    /// When it was found first since it was last closed.
    pub first_observed_at: Option<DateTime<Utc>>,
    /// When it was stored last; none where that cannot be read.
    pub updated_at: Option<DateTime<Utc>>,
    /// The ARN of the user or of root.
    pub arn: Option<String>,
    /// The access key's id, where it was known when the finding was stored.
    pub access_key_id: Option<String>,
    /// What was reported of it.
    pub reported: ReportedEvidence,
    /// Whether it was closed though nobody saw that the problem is solved: its check was disabled, or unknown.
    pub closed_unchecked: bool,
    /// When the user was created that it was made for: a later user of the same name is another one.
    pub user_created_at: Option<DateTime<Utc>>,
    /// When the credential report was made that it rests on.
    pub generated_at: Option<DateTime<Utc>>,
    /// What its verdict rested on; only of checks on events, which nothing undoes.
    pub evidence: Evidence,
}

/// The state of a finding's alert: Security Hub's workflow status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Workflow {
    /// Not reported yet.
    New,
    /// Reported.
    Notified,
    /// Never to be reported: a person's decision.
    Suppressed,
    /// A person says that it is fixed.
    Resolved,
}

impl Workflow {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::New, Self::Notified, Self::Suppressed, Self::Resolved];

    /// Security Hub's spelling.
    pub fn label(self) -> &'static str {
        match self {
            Self::New => "NEW",
            Self::Notified => "NOTIFIED",
            Self::Suppressed => "SUPPRESSED",
            Self::Resolved => "RESOLVED",
        }
    }

    /// The status that Security Hub spells so.
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|workflow| workflow.label() == label)
    }
}

impl Stored {
    /// What it is on.
    pub fn subject(&self) -> SubjectId<'_> {
        FindingId::parse(&self.id).map_or(SubjectId::Other("".into()), |id| id.subject)
    }

    /// Since when it has been open.
    pub fn open_since(&self) -> DateTime<Utc> {
        self.first_observed_at.unwrap_or(self.created_at)
    }

    /// The time to update it with: later than the stored one, or Security Hub ignores the update without an error.
    pub fn next_update(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.updated_at.map_or(now, |updated_at| now.max(later(updated_at)))
    }

    /// Whether it is known that the time of the next update is later than the stored one. What Security Hub ignores stays as it
    /// is there, so that the next run tells it once more.
    pub fn takes_updates(&self) -> bool {
        self.updated_at.is_some_and(|updated_at| updated_at < later(updated_at))
    }

    /// Whether no update can be later than the stored one. Security Hub ignores such an update, so the finding cannot be closed.
    pub fn is_frozen(&self) -> bool {
        self.updated_at.is_some() && !self.takes_updates()
    }
}
