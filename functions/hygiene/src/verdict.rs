//! What a check says of a subject, and what that rests on.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::source::{SourceId, Unavailable};
use crate::uses::Uses;

/// ASFF's severity labels, mildest first.
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
    /// All of them, mildest first.
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

    /// The severity that ASFF spells so.
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
    /// The problem is there.
    Failed,
    /// It was looked for and is not there.
    Passed,
    /// The subject lacks what the check is about.
    NotApplicable,
    /// The data for a verdict could not be read or understood. Never a silent pass: it closes nothing.
    Unknown,
}

impl Status {
    /// All of them, in the order of the counts.
    pub const ALL: [Self; 4] = [Self::Failed, Self::Passed, Self::NotApplicable, Self::Unknown];

    /// The contract's spelling.
    pub fn label(self) -> &'static str {
        match self {
            Self::Failed => "FAILED",
            Self::Passed => "PASSED",
            Self::NotApplicable => "NOT_APPLICABLE",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// What a check says of a subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Verdict {
    /// The problem is there.
    Failed(Failure),
    /// It was looked for and is not there; a sentence says why.
    Passed(Cow<'static, str>),
    /// The subject lacks what the check is about; a sentence says what.
    NotApplicable(Cow<'static, str>),
    /// No verdict can be had, for this reason.
    Unknown(Unavailable),
}

/// A problem.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// Set where it is not the check's own.
    pub severity: Option<Severity>,
    /// A sentence: what is wrong, with the actual dates and ages.
    pub message: String,
    /// What the verdict rests on.
    pub evidence: Evidence,
    /// What is worth a second alert when it changes.
    pub reportable: ReportedEvidence,
    /// Whether a live source shows the problem, as opposed to a credential report that can be four hours old.
    pub is_live: bool,
}

/// What a verdict rests on, in the order in which it is shown.
pub type Evidence = Vec<Fact>;

/// A source's own name for a value, and the value: the report's column and cell, the summary's key and number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// Where it is from.
    pub source: SourceId,
    /// The source's name for it.
    pub name: Cow<'static, str>,
    /// Its value, as the source has it.
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

/// The part of a finding's evidence that is worth a second alert when it changes. Security Hub keeps it with the finding, so
/// that the next run sees what was reported.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedEvidence {
    /// The latest use of each of the root user's credentials.
    pub uses: Uses,
    /// The root user's access keys that the finding names, by when they were [created](crate::subject::stamp).
    pub keys: BTreeSet<String>,
    /// Whether the keys are all there are. Where a run could not read all of them, those that were named before stay named.
    pub keys_whole: bool,
}

impl Verdict {
    /// The problem is there.
    pub fn failed(message: String, evidence: Evidence) -> Self {
        let reportable = ReportedEvidence::default();
        Self::Failed(Failure { severity: None, message, evidence, reportable, is_live: false })
    }

    /// The problem is not there.
    pub fn passed(message: &'static str) -> Self {
        Self::Passed(Cow::Borrowed(message))
    }

    /// The subject lacks what the check is about.
    pub fn not_applicable(message: &'static str) -> Self {
        Self::NotApplicable(Cow::Borrowed(message))
    }

    /// No verdict can be had, for this reason.
    pub fn unknown(reason: impl Into<Unavailable>) -> Self {
        Self::Unknown(reason.into())
    }

    /// Which kind of verdict it is.
    pub fn status(&self) -> Status {
        match self {
            Self::Failed(_) => Status::Failed,
            Self::Passed(_) => Status::Passed,
            Self::NotApplicable(_) => Status::NotApplicable,
            Self::Unknown(_) => Status::Unknown,
        }
    }

    /// A sentence: what is wrong, why nothing is, or why there is no verdict.
    pub fn message(&self) -> &str {
        match self {
            Self::Failed(failure) => &failure.message,
            Self::Passed(message) | Self::NotApplicable(message) => message,
            Self::Unknown(reason) => reason.reason(),
        }
    }
}
