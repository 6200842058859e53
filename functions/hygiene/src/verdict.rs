//! The verdict of a check on a subject, and its evidence.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::source::{SourceId, Unavailable};
use crate::uses::Uses;

/// ASFF's severity labels, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "ASFF's own words")]
pub enum Severity {
    Informational,
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    /// All of them, lowest first.
    pub const ALL: [Self; 5] = [Self::Informational, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// ASFF's spelling.
    pub fn label(self) -> &'static str {
        match self {
            Self::Informational => "INFORMATIONAL",
            Self::Low => "LOW",
            Self::Medium => "MEDIUM",
            Self::High => "HIGH",
            Self::Critical => "CRITICAL",
        }
    }

    /// Parses ASFF's spelling.
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.label() == label)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.label())
    }
}

/// The kinds of [`Verdict`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// The problem exists.
    Failed,
    /// The problem does not exist.
    Passed,
    /// The check does not apply to the subject.
    NotApplicable,
    /// The data for a verdict could not be read or parsed. Never a silent pass: it closes nothing.
    Unknown,
}

impl Status {
    /// All of them, in the order of the counts.
    pub const ALL: [Self; 4] = [Self::Failed, Self::Passed, Self::NotApplicable, Self::Unknown];

    /// The spelling in the JSON contract.
    pub fn label(self) -> &'static str {
        match self {
            Self::Failed => "FAILED",
            Self::Passed => "PASSED",
            Self::NotApplicable => "NOT_APPLICABLE",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// The verdict of a check on a subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Verdict {
    /// The problem exists.
    Failed(Failure),
    /// The problem does not exist, with the reason as a sentence.
    Passed(Cow<'static, str>),
    /// The check does not apply to the subject, with the reason as a sentence.
    NotApplicable(Cow<'static, str>),
    /// No verdict is possible, for this reason.
    Unknown(Unavailable),
}

/// A problem.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// Set if it differs from the check's severity.
    pub severity: Option<Severity>,
    /// A sentence that describes the problem, with the actual dates and ages.
    pub message: String,
    /// Parts of the message, each after a comma, that other findings of the same subject repeat word for word.
    #[serde(default)]
    pub details: Vec<String>,
    /// The evidence of the verdict.
    pub evidence: Evidence,
    /// The evidence that causes a second alert when it changes.
    pub reportable: ReportedEvidence,
    /// Whether a live source shows the problem, as opposed to a credential report that can be four hours old.
    pub is_live: bool,
}

/// The data that a verdict is based on, in the order in which it is shown.
pub type Evidence = Vec<Fact>;

/// A value with its name in the source: the report's column and cell, or the summary's key and number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// The source.
    pub source: SourceId,
    /// Its name in the source.
    pub name: Cow<'static, str>,
    /// The value, as in the source.
    pub value: String,
}

impl Fact {
    /// A value of the credential report.
    pub fn of_report(name: &'static str, value: impl Into<String>) -> Self {
        Self { source: SourceId::CredentialReport, name: Cow::Borrowed(name), value: value.into() }
    }

    /// A value of the account summary.
    pub fn of_summary(name: &'static str, value: i32) -> Self {
        Self { source: SourceId::AccountSummary, name: Cow::Borrowed(name), value: value.to_string() }
    }
}

/// The part of a finding's evidence that causes a second alert when it changes. It is stored with the finding in
/// Security Hub, so that the next run knows the reported evidence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedEvidence {
    /// The latest use of each of the root user's credentials.
    pub uses: Uses,
    /// The root user's access keys that the finding names, by [creation time](crate::subject::stamp).
    pub keys: BTreeSet<String>,
    /// Whether these are all keys. If a run could not read all of them, the keys of earlier alerts are kept.
    pub keys_whole: bool,
}

impl Verdict {
    /// A FAILED verdict with the check's severity.
    pub fn failed(message: String, evidence: Evidence) -> Self {
        let reportable = ReportedEvidence::default();
        Self::Failed(Failure { severity: None, message, details: Vec::new(), evidence, reportable, is_live: false })
    }

    /// A PASSED verdict.
    pub fn passed(message: &'static str) -> Self {
        Self::Passed(Cow::Borrowed(message))
    }

    /// A `NOT_APPLICABLE` verdict.
    pub fn not_applicable(message: &'static str) -> Self {
        Self::NotApplicable(Cow::Borrowed(message))
    }

    /// An UNKNOWN verdict with the reason.
    pub fn unknown(reason: impl Into<Unavailable>) -> Self {
        Self::Unknown(reason.into())
    }

    /// The kind of the verdict.
    pub fn status(&self) -> Status {
        match self {
            Self::Failed(_) => Status::Failed,
            Self::Passed(_) => Status::Passed,
            Self::NotApplicable(_) => Status::NotApplicable,
            Self::Unknown(_) => Status::Unknown,
        }
    }

    /// A sentence: the problem, or the reason why there is no problem or no verdict.
    pub fn message(&self) -> &str {
        match self {
            Self::Failed(failure) => &failure.message,
            Self::Passed(message) | Self::NotApplicable(message) => message,
            Self::Unknown(reason) => reason.reason(),
        }
    }
}
