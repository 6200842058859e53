//! All actions of a run, as data: findings to import, report, mark, hold and close, and findings that stay open.
//!
//! A decision is complete: another process can execute it, on another day or from another account.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};

use crate::evaluate::Counts;
use crate::finding::Finding;
use crate::memory::{Stored, Workflow};
use crate::problems::Problems;
use crate::remediation::Remediation;
use crate::source::SourceId;
use crate::text::escape;
use crate::verdict::{ReportedEvidence, Severity};

/// The version of a [`Decision`]'s format. Any other version is rejected: partial execution would do damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Version(u32);

impl Version {
    /// The current version.
    pub const CURRENT: Self = Self(1);
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let version = Self(u32::deserialize(deserializer)?);
        if version == Self::CURRENT {
            return Ok(version);
        }
        let (known, found) = (Self::CURRENT.0, version.0);
        Err(serde::de::Error::custom(format!(
            "the decision has version {found}, and this program knows version {known}"
        )))
    }
}

/// All actions of a run for one account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The version of the format.
    pub version: Version,
    /// The account's 12 digits, if they are known.
    pub account_id: Option<String>,
    /// The account's display name. Untrusted text: escape it where it is shown.
    #[serde(default)]
    pub account_name: Option<String>,
    /// The partition; an unknown one counts as `aws`.
    pub partition: String,
    /// The time of the run.
    pub evaluated_at: DateTime<Utc>,
    /// Whether the credential report was read.
    pub report_was_read: bool,
    /// When the credential report was made.
    pub report_generated_at: Option<DateTime<Utc>>,
    /// The number of verdicts by status.
    pub counts: Counts,
    /// Whether and where findings are imported.
    pub hub: Hub,
    /// The rules for sending a message.
    pub rules: AlertRules,
    /// Errors of the run so far.
    pub problems: Problems,
    /// Every FAILED finding, worst first. All of them are imported.
    pub failing: Vec<Failing>,
    /// Workflow statuses to set before findings are imported.
    pub marks: Vec<Mark>,
    /// Workflow statuses to set after the message is sent.
    pub marks_when_sent: Vec<Mark>,
    /// Open findings to close after they are reported.
    pub closings: Vec<Closing>,
    /// Open findings without a verdict in this run. They stay open.
    pub not_evaluated: Vec<Stored>,
    /// Open findings whose source was not requested in this run. They stay open, and this is not reported.
    pub not_asked: Vec<Stored>,
    /// The UNKNOWN findings, in the evaluation's order, without those whose source was not requested.
    pub unknown: Vec<Finding>,
    /// Whether a reportable open finding could not be evaluated, for a reason that no finding reports.
    pub is_blind: bool,
}

/// The state of Security Hub in the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hub {
    /// credwarden's findings were read from Security Hub in this region.
    Read {
        /// The region.
        region: String,
    },
    /// Security Hub is not used: there is no memory of earlier runs.
    Off,
    /// credwarden's findings could not be read: this run has no memory, and nothing is imported.
    Unread,
}

/// The rules for sending a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertRules {
    /// The condition for a message.
    pub on: AlertOn,
    /// Findings with a lower severity are published but not reported.
    pub min_severity: Severity,
}

/// The condition for a message. A run that could not read a source always sends one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertOn {
    /// A finding is new, resolved or no longer checked.
    Changes,
    /// A finding fails.
    Failures,
    /// Every run.
    Always,
}

impl AlertOn {
    /// All values.
    pub const ALL: [Self; 3] = [Self::Changes, Self::Failures, Self::Always];

    /// Returns the name in the settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Changes => "changes",
            Self::Failures => "failures",
            Self::Always => "always",
        }
    }
}

/// A finding to import.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failing {
    /// Its identity.
    pub id: String,
    /// The finding.
    pub finding: Finding,
    /// The access key's id, if it is known.
    pub access_key_id: Option<String>,
    /// Whether the finding is on an event that the report no longer shows. It is imported as it is stored.
    pub held: bool,
    /// Whether the finding is to be reported.
    pub alert: AlertStatus,
    /// `CreatedAt`: the first run that found it.
    pub created_at: DateTime<Utc>,
    /// `FirstObservedAt`: the first run that found it since it was last resolved.
    pub first_observed_at: DateTime<Utc>,
    /// `UpdatedAt`: later than the stored one, or Security Hub ignores the update without an error.
    pub updated_at: DateTime<Utc>,
    /// The record to store with the finding.
    pub record: Record,
    /// When the record may be stored.
    pub storing: Storing,
}

/// The data with which the next run compares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The severity.
    pub severity: Severity,
    /// The evidence.
    pub evidence: ReportedEvidence,
    /// The time of the credential report on which the finding is based.
    pub generated_at: Option<DateTime<Utc>>,
    /// The creation time of the finding's user.
    pub user_created_at: Option<DateTime<Utc>>,
    /// The access key's id, if it is known. It distinguishes keys that were created in the same second.
    pub access_key_id: Option<String>,
}

/// When the record of a finding may be stored. If a record is stored before its evidence is reported, no later run
/// reports that evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Storing {
    /// With the finding.
    AtOnce,
    /// With the finding, if its workflow status could be set before. Otherwise this earlier record stays stored.
    IfMarked(Record),
    /// After the message is sent. Until then this earlier record stays stored.
    WhenSent(Record),
}

/// Whether a failing finding is to be reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AlertStatus {
    /// It is to be reported, for this reason.
    New(Reason),
    /// It was reported, and there is no new evidence.
    Reported,
    /// It is not reported, because a person suppressed it.
    Suppressed,
}

/// The reason to report a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// Security Hub does not have it.
    FirstSeen,
    /// Earlier runs found it, but did not report it.
    NotYetReported,
    /// It was closed, and fails again.
    CameBack,
    /// It was closed while its check was disabled.
    CheckedAgain,
    /// The finding in Security Hub is on an earlier user of the same name.
    AnotherUser,
    /// The finding in Security Hub may be on another access key, created in the same second and deleted since.
    AnotherKey,
    /// A person resolved it, but it still fails.
    NotResolved,
    /// It has evidence that is not yet reported, rendered as text.
    NewEvidence(String),
    /// It has evidence, rendered as text, that is later than the suppression. It stays suppressed.
    NewWhileSuppressed(String),
}

/// A workflow status to set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The finding's identity.
    pub id: String,
    /// The status.
    pub status: Workflow,
    /// A note for people.
    pub note: Option<String>,
}

/// An open finding to close.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closing {
    /// The finding.
    pub stored: Stored,
    /// The reason.
    pub reason: CloseReason,
    /// The time of the credential report that closes it.
    pub generated_at: Option<DateTime<Utc>>,
    /// `UpdatedAt`
    pub updated_at: DateTime<Utc>,
    /// It is closed only if this finding is marked: until then it shows that the other is to be reported again.
    pub only_with_mark: Option<String>,
}

/// The reason to close a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CloseReason {
    /// This run's verdict is PASSED, with its message.
    Passed(String),
    /// This run's verdict on an unused credential is PASSED, since it is in use again; not a fix. With its message.
    InUse(String),
    /// This run's verdict is `NOT_APPLICABLE`, with its message.
    NotApplicable(String),
    /// This run's verdict on an event check is PASSED: the event is older than the limit. With its message.
    Expired(String),
    /// The user or key no longer exists: this source, which lists it, was read completely and does not have it.
    Gone(SourceId),
    /// The check is disabled, or not in this version. It was not fixed.
    NotChecked,
    /// The access key was identified by its slot, and is identified by its date again.
    KnownByDate,
}

impl Decision {
    /// The number of open findings after execution: new, known and not evaluated.
    pub fn open(&self) -> usize {
        self.failing.len() + self.not_evaluated.len() + self.not_asked.len()
    }

    /// The number of open findings that were suppressed when they were recalled.
    pub fn suppressed(&self) -> usize {
        let is_failing = |failing: &&Failing| {
            matches!(failing.alert, AlertStatus::Suppressed | AlertStatus::New(Reason::NewWhileSuppressed(_)))
        };
        let closed = self.closings.iter().map(|closing| &closing.stored);
        let others = closed.chain(&self.not_evaluated).chain(&self.not_asked);
        self.failing.iter().filter(is_failing).count()
            + others.filter(|stored| stored.workflow == Workflow::Suppressed).count()
    }

    /// The findings that are to be reported as new, worst first.
    pub fn reported_as_new(&self) -> impl Iterator<Item = &Failing> {
        self.failing.iter().filter(|failing| failing.is_new() && self.is_reportable(failing.severity()))
    }

    /// Whether findings of this severity are reported.
    pub fn is_reportable(&self, severity: Severity) -> bool {
        self.rules.min_severity <= severity
    }
}

impl Failing {
    /// Whether the finding is to be reported.
    pub fn is_new(&self) -> bool {
        matches!(self.alert, AlertStatus::New(_))
    }

    /// Its severity.
    pub fn severity(&self) -> Severity {
        self.finding.severity()
    }

    /// The remediation.
    pub fn remediation(&self) -> Remediation {
        self.finding.remediation(self.access_key_id.as_deref())
    }
}

impl Closing {
    /// Whether the problem is solved, and not only no longer checked.
    pub fn is_resolved(&self) -> bool {
        match self.reason {
            CloseReason::Passed(_)
            | CloseReason::InUse(_)
            | CloseReason::NotApplicable(_)
            | CloseReason::Expired(_)
            | CloseReason::Gone(_) => true,
            CloseReason::NotChecked | CloseReason::KnownByDate => false,
        }
    }
}

/// One line for each finding, for tests. It has user names, so it is never logged.
impl fmt::Display for Decision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Failing { id, finding, alert, held, .. } in &self.failing {
            let (word, why) = match alert {
                AlertStatus::Reported if *held => ("held", String::new()),
                AlertStatus::New(reason) => ("new", format!(" ({reason})")),
                AlertStatus::Reported => ("reported", String::new()),
                AlertStatus::Suppressed => ("suppressed", String::new()),
            };
            writeln!(formatter, "{word:10} {:13} {}{why}", finding.severity(), escape(id))?;
        }
        for Closing { stored, reason, .. } in &self.closings {
            writeln!(formatter, "{:10} {:13} {} ({reason})", "close", stored.severity, escape(&stored.id))?;
        }
        for stored in &self.not_evaluated {
            writeln!(formatter, "{:10} {:13} {}", "keep", stored.severity, escape(&stored.id))?;
        }
        for stored in &self.not_asked {
            writeln!(formatter, "{:10} {:13} {}", "not asked", stored.severity, escape(&stored.id))?;
        }
        Ok(())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstSeen => formatter.write_str("first seen"),
            Self::NotYetReported => formatter.write_str("not reported yet"),
            Self::CameBack => formatter.write_str("it was resolved and came back"),
            Self::CheckedAgain => formatter.write_str("it is checked again"),
            Self::AnotherUser => formatter.write_str("first seen on this user; an earlier one had the same name"),
            Self::AnotherKey => {
                formatter.write_str("first seen on this access key; one of the same second may have had its place")
            }
            Self::NotResolved => formatter.write_str("it was marked RESOLVED but still fails"),
            Self::NewEvidence(evidence) => formatter.write_str(evidence),
            Self::NewWhileSuppressed(evidence) => {
                write!(formatter, "{evidence}; the finding is suppressed, and stays so")
            }
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed(message) | Self::NotApplicable(message) | Self::Expired(message) => {
                formatter.write_str(message)
            }
            Self::InUse(message) => write!(formatter, "{message} Make sure that it is its owner who uses it again."),
            // A renamed user is still in the account.
            Self::Gone(SourceId::CredentialReport) => {
                formatter.write_str("It is no longer in the credential report, where a renamed user has another name.")
            }
            Self::Gone(source) => write!(formatter, "It is no longer in {}.", source.name()),
            Self::NotChecked => formatter.write_str("Its check is disabled, or not in this version."),
            Self::KnownByDate => formatter.write_str("The access key is known by its date again."),
        }
    }
}
