//! A finding: one check's verdict on one subject.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::checks::Check;
use crate::snapshot::Unavailable;
use crate::text;

/// ASFF's severity labels, mildest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
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

/// A verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
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

/// What a verdict is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Subject {
    /// What it is.
    #[serde(rename = "type")]
    pub kind: SubjectKind,
    /// The IAM user's name, as in the report. Hostile text wherever it is shown.
    pub user: Option<String>,
    /// The ARN of the user or of root.
    pub arn: Option<String>,
    /// The access key's slot in the report, 1 or 2.
    pub slot: Option<u8>,
    /// The access key's id, where it is known: the report does not have it.
    pub access_key_id: Option<String>,
    /// When the access key was created.
    pub created: Option<DateTime<Utc>>,
    /// Whether the access key is active, where the report says.
    #[serde(skip)]
    pub active: Option<bool>,
    /// The last part of a finding's identity: `root`, `user/alice`, `user/alice/key/20210620T051650Z`.
    #[serde(skip)]
    pub path: String,
}

/// The kinds of [`Subject`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    /// The root user.
    Root,
    /// The account as a whole: what a check on users has for a subject when there is no report to find users in.
    Account,
    /// An IAM user.
    User,
    /// One access key of an IAM user.
    AccessKey,
}

impl Subject {
    /// The root user or the account.
    pub fn account(kind: SubjectKind, arn: Option<String>) -> Self {
        let path = if kind == SubjectKind::Root { "root" } else { "account" };
        Self {
            kind,
            user: None,
            arn,
            slot: None,
            access_key_id: None,
            created: None,
            active: None,
            path: path.to_owned(),
        }
    }

    /// An IAM user.
    pub fn user(name: &str, arn: Option<String>) -> Self {
        let path = format!("user/{name}");
        Self { user: Some(name.to_owned()), path, ..Self::account(SubjectKind::User, arn) }
    }

    /// The user's name as it can be shown anywhere.
    pub fn shown_user(&self) -> Cow<'_, str> {
        text::inert(self.user.as_deref().unwrap_or_default())
    }

    /// What to call it in a sentence: `the root user`, `alice`, `access key 2 of alice`.
    pub fn called(&self) -> String {
        match self.kind {
            SubjectKind::Root => "the root user".to_owned(),
            SubjectKind::Account => "the account".to_owned(),
            SubjectKind::User => self.shown_user().into_owned(),
            SubjectKind::AccessKey => format!("access key {} of {}", self.slot.unwrap_or_default(), self.shown_user()),
        }
    }
}

/// What a verdict rests on: the report's own column names and values, the summary's keys and values.
pub type Evidence = Vec<(&'static str, String)>;

/// What makes a finding worth a second alert when it changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Novelties {
    /// The latest use of the root user.
    pub last_used: Option<DateTime<Utc>>,
    /// The root user's access keys that the finding names, by when they were [created](stamp).
    pub keys: BTreeSet<String>,
    /// Whether the keys are all there are. Where a run could not see them all, those that were named before stay named.
    pub keys_whole: bool,
}

/// One check's verdict on one subject.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The check.
    pub check: &'static Check,
    /// What the verdict is on, shared by the subject's findings.
    pub subject: Arc<Subject>,
    /// The verdict.
    pub status: Status,
    /// How bad it is: the check's severity, unless the evidence says otherwise.
    pub severity: Severity,
    /// A sentence: what is wrong, with the actual dates and ages; or why there is no verdict.
    pub message: Cow<'static, str>,
    /// What the verdict rests on.
    pub evidence: Evidence,
    /// What would be news in it.
    pub novelties: Option<Novelties>,
    /// Whether there is no verdict only because a source was not given, for which nobody is to blame.
    pub not_given: bool,
}

impl Finding {
    /// The finding's identity: it lasts as long as the problem does, and has no region, wording or threshold in it.
    pub fn id(&self, account_id: Option<&str>) -> String {
        identity(self.check.id, account_id, &self.subject.path)
    }

    /// What to do about it: console steps for root, AWS CLI commands for users.
    pub fn remediation(&self) -> String {
        (self.check.remediation)(&self.subject)
    }

    /// Worst first; among equals root first, then users by name, a user before the keys; then in the checks' order.
    pub fn urgency(&self) -> impl Ord + use<'_> {
        (std::cmp::Reverse(self.severity), self.subject.kind != SubjectKind::Root, self.subject.path.as_str())
    }
}

/// A moment as it stands in identities: `20210620T051650Z`, in UTC, fractions cut.
pub fn stamp(time: DateTime<Utc>) -> String {
    time.format("%Y%m%dT%H%M%SZ").to_string()
}

/// `credwarden/<check id>/<account id>/<subject>`
pub fn identity(check: &str, account_id: Option<&str>, subject: &str) -> String {
    format!("credwarden/{check}/{}/{subject}", account_id.unwrap_or("unknown"))
}

/// A finding as the contract's JSON has it. The requirements are half of it, and the same for every finding of a check: who
/// writes a hundred thousand may have them [prepared](Self::with_requirements).
#[derive(Debug, Serialize)]
pub struct FindingJson<'a, R = &'static [&'static str]> {
    id: String,
    check: &'static str,
    status: Status,
    severity: Severity,
    title: &'static str,
    message: &'a str,
    subject: &'a Subject,
    #[serde(serialize_with = "as_map")]
    evidence: &'a Evidence,
    remediation: Option<String>,
    requirements: R,
}

impl<'a> FindingJson<'a> {
    /// The finding of that account.
    pub fn new(finding: &'a Finding, account_id: Option<&str>) -> Self {
        Self {
            id: finding.id(account_id),
            check: finding.check.id,
            status: finding.status,
            severity: finding.severity,
            title: finding.check.title,
            message: &finding.message,
            subject: &finding.subject,
            evidence: &finding.evidence,
            remediation: (finding.status == Status::Failed).then(|| finding.remediation()),
            requirements: finding.check.requirements,
        }
    }
}

impl<'a, R> FindingJson<'a, R> {
    /// With the requirements in another form.
    pub fn with_requirements<P>(self, requirements: P) -> FindingJson<'a, P> {
        let Self { id, check, status, severity, title, message, subject, evidence, remediation, .. } = self;
        FindingJson { id, check, status, severity, title, message, subject, evidence, remediation, requirements }
    }
}

fn as_map<S: serde::Serializer>(evidence: &Evidence, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(evidence.iter().map(|(name, value)| (name, value)))
}

/// What a check says of a subject.
#[derive(Debug)]
pub struct Verdict {
    /// The verdict.
    pub status: Status,
    /// Set where it is not the check's own.
    pub severity: Option<Severity>,
    /// A sentence.
    pub message: Cow<'static, str>,
    /// What it rests on.
    pub evidence: Evidence,
    /// What would be news.
    pub novelties: Option<Novelties>,
    /// Whether what is missing was [not given](Unavailable::NotGiven).
    pub not_given: bool,
}

impl Verdict {
    fn new(status: Status, message: impl Into<Cow<'static, str>>) -> Self {
        let (severity, novelties) = (None, None);
        Self { status, severity, message: message.into(), evidence: Evidence::new(), novelties, not_given: false }
    }

    /// The problem is there.
    pub fn failed(message: String, evidence: Evidence) -> Self {
        Self { evidence, ..Self::new(Status::Failed, message) }
    }

    /// The problem is not there.
    pub fn passed(message: &'static str) -> Self {
        Self::new(Status::Passed, message)
    }

    /// The subject lacks what the check is about.
    pub fn not_applicable(message: &'static str) -> Self {
        Self::new(Status::NotApplicable, message)
    }

    /// No verdict can be had, for this reason.
    pub fn unknown(reason: impl Into<Unavailable>) -> Self {
        let reason = reason.into();
        let not_given = matches!(reason, Unavailable::NotGiven(_));
        Self { not_given, ..Self::new(Status::Unknown, reason.to_string()) }
    }
}
