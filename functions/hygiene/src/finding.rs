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
    /// What the verdict is on, shared by the subject's findings.
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

    /// Which kind of verdict it is.
    pub fn status(&self) -> Status {
        self.verdict.status()
    }

    /// The problem, if there is one.
    pub fn failure(&self) -> Option<&Failure> {
        match &self.verdict {
            Verdict::Failed(failure) => Some(failure),
            Verdict::Passed(_) | Verdict::NotApplicable(_) | Verdict::Unknown(_) => None,
        }
    }

    /// How bad it is: the check's severity, unless the evidence says otherwise.
    pub fn severity(&self) -> Severity {
        self.failure().and_then(|failure| failure.severity).unwrap_or(self.check.severity)
    }

    /// The finding with no severity above that one: a source that could not be read makes nothing worse than it was.
    #[must_use]
    pub fn at_most(mut self, highest: Severity) -> Self {
        let severity = self.severity().min(highest);
        if let Verdict::Failed(failure) = &mut self.verdict {
            failure.severity = Some(severity);
        }
        self
    }

    /// A sentence: what is wrong, why nothing is, or why there is no verdict.
    pub fn message(&self) -> &str {
        self.verdict.message()
    }

    /// What the verdict rests on; only a problem has evidence.
    pub fn evidence(&self) -> &[Fact] {
        self.failure().map_or(&[], |failure| &failure.evidence)
    }

    /// Whether a value of that source is in the evidence.
    pub fn rests_on(&self, source: SourceId) -> bool {
        self.evidence().iter().any(|fact| fact.source == source)
    }

    /// Whether there is no verdict only because a source was not asked for, for which nobody is to blame.
    pub fn not_given(&self) -> bool {
        matches!(self.verdict, Verdict::Unknown(Unavailable::NotAsked(_)))
    }

    /// Whether it is about what could not be read, not about a credential.
    pub fn is_blind_spot(&self) -> bool {
        matches!(self.check.rule, Rule::BlindSpots(_))
    }

    /// What to do about it: console steps for root, AWS CLI commands for users, with the access key's id where it is known.
    pub fn remediation(&self, access_key_id: Option<&str>) -> Remediation {
        (self.check.remediation)(&Target { subject: &self.subject, access_key_id })
    }

    /// Worst first; among equals root first, then users by name, a user before the keys; then in the checks' order, if the
    /// sort is stable.
    pub fn urgency(&self) -> impl Ord + use<> {
        (Reverse(self.severity()), !self.subject.is_root(), self.subject.id().to_string())
    }
}

/// A finding as the contract's JSON has it.
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
    /// The finding of that account, with the access key's id where it is known.
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
