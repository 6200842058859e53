//! The findings that earlier runs stored.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::subject::{FindingId, SubjectId};
use crate::time::later;
use crate::verdict::{Evidence, ReportedEvidence, Severity};

/// The stored findings, or the reason why they are not known.
#[derive(Debug, Clone, PartialEq)]
pub enum Memory {
    /// credwarden's findings in Security Hub, open and closed, by identity.
    Recalled {
        /// Security Hub's region.
        region: String,
        /// The findings. Closed findings are needed only if they fail again.
        findings: BTreeMap<String, Stored>,
    },
    /// Security Hub is not used.
    Off,
    /// The findings could not be read.
    Unread,
}

impl Memory {
    /// The stored findings; empty if they are not known.
    pub fn findings(&self) -> impl Iterator<Item = &Stored> {
        let findings = match self {
            Self::Recalled { findings, .. } => Some(findings),
            Self::Off | Self::Unread => None,
        };
        findings.into_iter().flat_map(BTreeMap::values)
    }
}

/// A finding of an earlier run, with only the members that the next run needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    /// Its identity, as it is stored.
    pub id: String,
    /// The check's id.
    pub check: String,
    /// Its title.
    pub title: String,
    /// Whether it is open.
    pub active: bool,
    /// Whether it was reported, and the decision of a person on it.
    pub workflow: Workflow,
    /// Its severity.
    pub severity: Severity,
    /// When it was stored first.
    pub created_at: DateTime<Utc>,
    /// When it was first observed since it was last closed.
    pub first_observed_at: Option<DateTime<Utc>>,
    /// When it was last stored; `None` if the time is unreadable.
    pub updated_at: Option<DateTime<Utc>>,
    /// The ARN of the user or of root.
    pub arn: Option<String>,
    /// The access key's id, if it was known when the finding was stored.
    pub access_key_id: Option<String>,
    /// The evidence that was reported.
    pub reported: ReportedEvidence,
    /// Whether it was closed without a verdict, because its check was disabled or unknown.
    pub closed_unchecked: bool,
    /// The creation time of its user: a later user with the same name is another user.
    pub user_created_at: Option<DateTime<Utc>>,
    /// The generation time of the credential report that it is based on.
    pub generated_at: Option<DateTime<Utc>>,
    /// The evidence of its verdict; only for checks on events.
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
    /// A person decided that it is never reported.
    Suppressed,
    /// A person marked it as fixed.
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

    /// Parses Security Hub's spelling.
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|workflow| workflow.label() == label)
    }
}

impl Stored {
    /// The subject in its identity.
    pub fn subject(&self) -> SubjectId<'_> {
        FindingId::parse(&self.id).map_or(SubjectId::Other("".into()), |id| id.subject)
    }

    /// The time since which it has been open.
    pub fn open_since(&self) -> DateTime<Utc> {
        self.first_observed_at.unwrap_or(self.created_at)
    }

    /// The `UpdatedAt` of the next update: it must be later than the stored one, or Security Hub ignores the update
    /// without an error.
    pub fn next_update(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        self.updated_at.map_or(now, |updated_at| now.max(later(updated_at)))
    }

    /// Whether the time of the next update is certainly later than the stored one. If Security Hub ignores the update,
    /// the next run reports the finding again.
    pub fn takes_updates(&self) -> bool {
        self.updated_at.is_some_and(|updated_at| updated_at < later(updated_at))
    }

    /// Whether no update can be later than the stored one. Security Hub ignores such an update, so the finding cannot be closed.
    pub fn is_frozen(&self) -> bool {
        self.updated_at.is_some() && !self.takes_updates()
    }
}
