//! A check: its metadata and its rule.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Serialize, Serializer};

use crate::account::{Account, User};
use crate::blind_spots::BlindSpots;
use crate::policy::Policy;
use crate::remediation::Remediation;
use crate::report::{AccessKey, Column, Row};
use crate::requirements::Mapping;
use crate::service_credential::ServiceCredential;
use crate::source::{Source, SourceId};
use crate::subject::{Subject, SubjectId};
use crate::time::Time;
use crate::verdict::{Evidence, Fact, Severity, Verdict};

/// A rule about credentials: data and one function.
#[derive(Debug)]
pub struct Check {
    /// The public name: the problem that is flagged. It never changes, so it has no number of a benchmark: those
    /// change.
    pub id: &'static str,
    /// The problem as a heading, at most 256 characters.
    pub title: &'static str,
    /// The default severity; a verdict can override it.
    pub severity: Severity,
    /// Whether it is about a state or an event.
    pub kind: Kind,
    /// The sources of its verdict. The first has priority: if it cannot be read, the others close no finding.
    pub sources: &'static [SourceId],
    /// The source that lists its subjects: if it was read and does not have a subject, the subject's finding is gone.
    /// `None` for the root user, who always exists.
    pub listed_by: Option<SourceId>,
    /// The columns of the credential report that it needs: without one of them, some subject has no verdict.
    pub columns: &'static [Column],
    /// The condition under which it fails, for the documentation.
    pub fails_when: &'static str,
    /// Why it matters.
    pub rationale: &'static str,
    /// The recommendation, at most 512 characters.
    pub recommendation: &'static str,
    /// The exact way to fix it: console steps for root, AWS CLI commands for users.
    pub remediation: fn(&Target<'_>) -> Remediation,
    /// AWS's documentation on the subject.
    pub documentation: &'static str,
    /// Requirements that it maps to, in Security Hub's spelling: at most 32, each of at most 64 characters.
    pub requirements: &'static [&'static str],
    /// Its ids in other catalogues, with the author of each mapping.
    pub mappings: &'static [Mapping],
    /// The rule.
    pub rule: Rule,
}

impl PartialEq for Check {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Check {}

impl Check {
    /// Whether its verdict can be based on the source.
    pub fn reads(&self, source: SourceId) -> bool {
        self.sources.contains(&source)
    }

    /// Whether it has findings on subjects of that kind.
    pub fn judges(&self, subject: &SubjectId<'_>) -> bool {
        match self.rule {
            Rule::Root(_) => matches!(subject, SubjectId::Root),
            Rule::User(_) => matches!(subject, SubjectId::User(_) | SubjectId::Account),
            Rule::AccessKey(_) => matches!(subject, SubjectId::AccessKey { .. } | SubjectId::Account),
            Rule::ServiceCredential(_) => matches!(subject, SubjectId::ServiceCredential { .. } | SubjectId::Account),
            Rule::BlindSpots(_) => matches!(subject, SubjectId::Root | SubjectId::User(_) | SubjectId::Account),
        }
    }
}

/// Checks are static, so only the id is serialized.
impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id)
    }
}

/// The rule, by the kind of its subjects.
#[derive(Debug, Clone, Copy)]
pub enum Rule {
    /// The root user, with every source.
    Root(fn(&Account, &Context<'_>) -> Verdict),
    /// Each IAM user; a source or a cell that cannot be read makes the verdict UNKNOWN.
    User(fn(&User<'_>, &Context<'_>) -> Source<Verdict>),
    /// Each access key of each IAM user, in the user's row.
    AccessKey(fn(&Row, &AccessKey, &Context<'_>) -> Source<Verdict>),
    /// Each service-specific credential, whether or not the report has its user.
    ServiceCredential(fn(&ServiceCredential, &Context<'_>) -> Source<Verdict>),
    /// The root user, each IAM user and the account, with the parts of the report that the other rules could not read.
    BlindSpots(fn(&BlindSpots<'_>) -> Verdict),
}

/// The kind of a check, which decides how its findings end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The check is about a state: its finding ends when the state does.
    State,
    /// The check is about an unused credential: its finding ends when the credential is used, which is not a fix.
    Disuse,
    /// The check is about an event, which cannot be undone.
    Event,
}

/// The target of remediation commands.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The subject of the finding.
    pub subject: &'a Subject,
    /// The access key's id, if it is known.
    pub access_key_id: Option<&'a str>,
}

impl Target<'_> {
    /// The name of the IAM user, unescaped.
    pub fn user_name(&self) -> &str {
        self.subject.owner().map_or("", |user| &user.name)
    }
}

/// The time of the run and the limits.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The time of the run.
    pub now: DateTime<Utc>,
    /// The limits.
    pub policy: &'a Policy,
}

impl Context<'_> {
    /// The age of a time. A time in the future counts as now, since clocks differ.
    pub fn age(&self, time: Time) -> TimeDelta {
        (self.now - time).max(TimeDelta::zero())
    }
}

/// The cells of those columns, unchanged.
pub(crate) fn evidence(row: &Row, columns: &[Column]) -> Evidence {
    let cell = |column: &Column| row.cell(*column).map(|cell| Fact::of_report(column.name(), cell));
    columns.iter().filter_map(cell).collect()
}
