//! All that a run will do, as data: what is written, reported, marked, held back and closed, and what stays as it is.
//!
//! It can be carried out in another process, on another day or from another account than it was made: nothing else is needed.

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

/// The version of a [`Decision`]'s form. A decision of another one is refused: carried out by halves it would do harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Version(u32);

impl Version {
    /// This version's.
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

/// All that a run will do about one account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The version of its form.
    pub version: Version,
    /// The account's 12 digits, if they are known.
    pub account_id: Option<String>,
    /// What people call the account. Hostile text wherever it is shown.
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
    /// How many verdicts there are of each status.
    pub counts: Counts,
    /// Where findings are written.
    pub hub: Hub,
    /// What occasions a message, and about what.
    pub rules: AlertRules,
    /// What went wrong so far.
    pub problems: Problems,
    /// Every FAILED finding, worst first. All of them are written.
    pub failing: Vec<Failing>,
    /// What to mark before anything is written.
    pub marks: Vec<Mark>,
    /// What to mark when the message is out.
    pub marks_when_sent: Vec<Mark>,
    /// Open findings to close when people know.
    pub closings: Vec<Closing>,
    /// Open findings on which this run has no verdict: they stay as they are.
    pub not_evaluated: Vec<Stored>,
    /// Open findings whose source this run did not ask for: they stay as they are, and nobody is notified of that.
    pub not_asked: Vec<Stored>,
    /// The UNKNOWN findings, in the evaluation's order, but for those whose source was not asked for.
    pub unknown: Vec<Finding>,
    /// Whether an open finding that matters could not be evaluated, for a reason that no finding reports.
    pub is_blind: bool,
}

/// Security Hub's part in the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Hub {
    /// Our findings in it were read; it is in this region.
    Read {
        /// The region.
        region: String,
    },
    /// It is not used: there is no memory of earlier runs.
    Off,
    /// Our findings in it could not be read: no memory in this run, and nothing is written.
    Unread,
}

/// When a message is sent, and about what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertRules {
    /// The occasion.
    pub on: AlertOn,
    /// Milder findings are published but not reported.
    pub min_severity: Severity,
}

/// What occasions a message. A run that could not read something sends one whatever is set here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertOn {
    /// Something is new, resolved, or no longer checked.
    Changes,
    /// Anything fails.
    Failures,
    /// Every run.
    Always,
}

impl AlertOn {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Changes, Self::Failures, Self::Always];

    /// As the setting spells it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Changes => "changes",
            Self::Failures => "failures",
            Self::Always => "always",
        }
    }
}

/// A finding to write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failing {
    /// Its identity.
    pub id: String,
    /// The finding.
    pub finding: Finding,
    /// The access key's id, where it is known.
    pub access_key_id: Option<String>,
    /// Whether it is about an event that the report no longer shows: it is written as it is stored.
    pub held: bool,
    /// Whether people know.
    pub alert: AlertStatus,
    /// `CreatedAt`: the first run that ever found it.
    pub created_at: DateTime<Utc>,
    /// `FirstObservedAt`: the first run that found it since it was last resolved.
    pub first_observed_at: DateTime<Utc>,
    /// `UpdatedAt`: later than the stored one, or Security Hub ignores the update without an error.
    pub updated_at: DateTime<Utc>,
    /// What is to be stored of what is reported.
    pub record: Record,
    /// When that may be stored.
    pub storing: Storing,
}

/// What the next run compares with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The severity.
    pub severity: Severity,
    /// The evidence.
    pub evidence: ReportedEvidence,
    /// When the credential report was made that the finding rests on.
    pub generated_at: Option<DateTime<Utc>>,
    /// When the user was created that the finding is on.
    pub user_created_at: Option<DateTime<Utc>>,
    /// The access key's id, where it is known: by it the next run tells a key from another one of the same second.
    pub access_key_id: Option<String>,
}

/// When the record of a finding may be stored. A record that is stored while people do not know of it hides from all later
/// runs that there is something new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Storing {
    /// With the finding.
    AtOnce,
    /// With the finding, if it could be marked before; else this one stays stored.
    IfMarked(Record),
    /// When the message is out; until then this one stays stored.
    WhenSent(Record),
}

/// Whether people know of a failing finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AlertStatus {
    /// It is to be reported, for this reason.
    New(Reason),
    /// It was reported, and nothing that matters has changed.
    Reported,
    /// It is not to be reported: a person's decision.
    Suppressed,
}

/// Why a finding is to be reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// Security Hub does not have it.
    FirstSeen,
    /// Earlier runs found it, but none reported it.
    NotYetReported,
    /// It was closed, and the problem is back.
    CameBack,
    /// It was closed while its check was disabled.
    CheckedAgain,
    /// The finding that Security Hub has is on an earlier user of the same name.
    AnotherUser,
    /// The finding that Security Hub has may be on another access key, which was created in the same second and is gone.
    AnotherKey,
    /// A person resolved it, and the problem is still there.
    NotResolved,
    /// It has evidence that was not reported, in words.
    NewEvidence(String),
    /// It has evidence, in words, that is later than what a person suppressed. It stays suppressed.
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
    /// What is closed.
    pub stored: Stored,
    /// Why.
    pub reason: CloseReason,
    /// When the credential report was made that closes it.
    pub generated_at: Option<DateTime<Utc>>,
    /// `UpdatedAt`
    pub updated_at: DateTime<Utc>,
    /// The finding without whose mark it must stay open: it shows that the other one has to be reported anew.
    pub only_with_mark: Option<String>,
}

/// Why a finding is closed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CloseReason {
    /// This run's verdict is PASSED; its sentence.
    Passed(String),
    /// This run's verdict on a check of disuse is PASSED: the credential is in use, and nobody fixed anything; its sentence.
    InUse(String),
    /// This run's verdict is `NOT_APPLICABLE`; its sentence.
    NotApplicable(String),
    /// This run's verdict on an event check is PASSED: the event is older than the limit; its sentence.
    Expired(String),
    /// The user or the key is gone: this is its own source, which was read whole and does not have it.
    Gone(SourceId),
    /// The check is disabled, or this version does not have it. Nobody fixed anything.
    NotChecked,
    /// The access key was known by its slot, and is known by its date again.
    KnownByDate,
}

impl Decision {
    /// How many findings are open when it is carried out: new ones, known ones, those that could not be evaluated.
    pub fn open(&self) -> usize {
        self.failing.len() + self.not_evaluated.len() + self.not_asked.len()
    }

    /// How many of the open findings were suppressed when they were recalled.
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

    /// Whether a severity is high enough to be reported.
    pub fn is_reportable(&self, severity: Severity) -> bool {
        self.rules.min_severity <= severity
    }
}

impl Failing {
    /// Whether people have to be notified.
    pub fn is_new(&self) -> bool {
        matches!(self.alert, AlertStatus::New(_))
    }

    /// Its severity.
    pub fn severity(&self) -> Severity {
        self.finding.severity()
    }

    /// What to do about it.
    pub fn remediation(&self) -> Remediation {
        self.finding.remediation(self.access_key_id.as_deref())
    }
}

impl Closing {
    /// Whether the problem is solved, as opposed to no longer looked for.
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

/// A line for each finding, for tests. It names users, so it is never logged.
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
            // Who was renamed is in the account.
            Self::Gone(SourceId::CredentialReport) => {
                formatter.write_str("It is no longer in the credential report, where a renamed user has another name.")
            }
            Self::Gone(source) => write!(formatter, "It is no longer in {}.", source.name()),
            Self::NotChecked => formatter.write_str("Its check is disabled, or not in this version."),
            Self::KnownByDate => formatter.write_str("The access key is known by its date again."),
        }
    }
}
