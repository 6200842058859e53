//! A finding: one check's verdict on one subject.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};

use crate::check::{Check, Rule, Target};
use crate::remediation::Remediation;
use crate::source::{SourceId, Unavailable};
use crate::subject::{FindingId, Subject, SubjectJson};
use crate::verdict::{Fact, Failure, Severity, Status, Verdict};

/// One check's verdict on one subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The check.
    pub check: &'static Check,
    /// The subject, shared by all its findings.
    pub subject: Arc<Subject>,
    /// The verdict.
    pub verdict: Verdict,
}

impl Finding {
    /// The finding's identity.
    pub fn id<'a>(&'a self, account_id: Option<&'a str>) -> FindingId<'a> {
        FindingId {
            check: Cow::Borrowed(self.check.id),
            account_id: account_id.map(Cow::Borrowed),
            subject: self.subject.id(),
        }
    }

    /// The status of the verdict.
    pub fn status(&self) -> Status {
        self.verdict.status()
    }

    /// The failure, if the finding fails.
    pub fn failure(&self) -> Option<&Failure> {
        match &self.verdict {
            Verdict::Failed(failure) => Some(failure),
            Verdict::Passed(_) | Verdict::NotApplicable(_) | Verdict::Unknown(_) => None,
        }
    }

    /// The severity: the check's, unless the evidence changes it.
    pub fn severity(&self) -> Severity {
        self.failure().and_then(|failure| failure.severity).unwrap_or(self.check.severity)
    }

    /// Limits the severity: a source that could not be read must not raise it.
    #[must_use]
    pub fn at_most(mut self, highest: Severity) -> Self {
        let severity = self.severity().min(highest);
        if let Verdict::Failed(failure) = &mut self.verdict {
            failure.severity = Some(severity);
        }
        self
    }

    /// One sentence: the problem, or the reason why it passes or has no verdict.
    pub fn message(&self) -> &str {
        self.verdict.message()
    }

    /// The evidence; only a failing finding has any.
    pub fn evidence(&self) -> &[Fact] {
        self.failure().map_or(&[], |failure| &failure.evidence)
    }

    /// Whether the evidence has a value of that source.
    pub fn rests_on(&self, source: SourceId) -> bool {
        self.evidence().iter().any(|fact| fact.source == source)
    }

    /// Whether there is no verdict only because a source was not requested, which is not an error.
    pub fn not_given(&self) -> bool {
        matches!(self.verdict, Verdict::Unknown(Unavailable::NotAsked(_)))
    }

    /// Whether the finding is about unreadable data, not about a credential.
    pub fn is_blind_spot(&self) -> bool {
        matches!(self.check.rule, Rule::BlindSpots(_))
    }

    /// Whether it says that requested data could not be read. Such a finding is not about a credential.
    pub fn is_unread(&self) -> bool {
        match self.status() {
            Status::Failed => self.is_blind_spot(),
            Status::Unknown => !self.not_given(),
            Status::Passed | Status::NotApplicable => false,
        }
    }

    /// The remediation: console steps for root, AWS CLI commands for users, with the access key's id if it is known.
    pub fn remediation(&self, access_key_id: Option<&str>) -> Remediation {
        (self.check.remediation)(&Target { subject: &self.subject, access_key_id })
    }

    /// The sort key: worst first, then root, then users by name, a user before the keys; a stable sort keeps the
    /// checks' order.
    pub fn urgency(&self) -> impl Ord + use<> {
        (Reverse(self.severity()), !self.subject.is_root(), self.subject.id().to_string())
    }
}

/// A finding, serialized as the contract's JSON.
#[derive(Debug, Serialize)]
pub struct FindingJson<'a> {
    id: String,
    check: &'static str,
    status: Status,
    severity: Severity,
    title: &'static str,
    message: &'a str,
    subject: SubjectJson<'a>,
    #[serde(serialize_with = "as_map")]
    evidence: &'a [Fact],
    remediation: Option<String>,
    requirements: &'static [&'static str],
}

impl<'a> FindingJson<'a> {
    /// The account's finding, with the access key's id if it is known.
    pub fn new(finding: &'a Finding, account_id: Option<&str>, access_key_id: Option<&'a str>) -> Self {
        Self {
            id: finding.id(account_id).to_string(),
            check: finding.check.id,
            status: finding.status(),
            severity: finding.severity(),
            title: finding.check.title,
            message: finding.message(),
            subject: SubjectJson::new(&finding.subject, access_key_id),
            evidence: finding.evidence(),
            remediation: finding.failure().map(|_| finding.remediation(access_key_id).to_string()),
            requirements: finding.check.requirements,
        }
    }
}

fn as_map<S: Serializer>(evidence: &&[Fact], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(evidence.iter().map(|fact| (&fact.name, &fact.value)))
}
