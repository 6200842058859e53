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
    /// The public name: the problem that is flagged. It never changes, and no benchmark's number is in it: those move.
    pub id: &'static str,
    /// The problem as a heading, at most 256 characters.
    pub title: &'static str,
    /// How bad it is, unless the evidence says otherwise.
    pub severity: Severity,
    /// Whether it is about what is, or about what happened.
    pub kind: Kind,
    /// The sources that its verdict can rest on, first the one that prevails: where that cannot be read, no other closes a finding.
    pub sources: &'static [SourceId],
    /// The source that lists its subjects: a finding on a subject that is not in it is gone, if it was read. None for the root
    /// user, who is always there.
    pub listed_by: Option<SourceId>,
    /// The columns of the credential report without which some subject has no verdict.
    pub columns: &'static [Column],
    /// When it fails, for the documents.
    pub fails_when: &'static str,
    /// Why it matters.
    pub rationale: &'static str,
    /// What to do, in at most 512 characters.
    pub recommendation: &'static str,
    /// The exact way to fix it: console steps for root, AWS CLI commands for users.
    pub remediation: fn(&Target<'_>) -> Remediation,
    /// AWS's documentation of the matter.
    pub documentation: &'static str,
    /// Requirements that it maps to, in Security Hub's spelling: at most 32 of at most 64 characters.
    pub requirements: &'static [&'static str],
    /// What other catalogues call it, with who says so.
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
    /// Whether its verdict can rest on that source.
    pub fn reads(&self, source: SourceId) -> bool {
        self.sources.contains(&source)
    }

    /// Whether it makes findings on subjects of that kind.
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

/// A check is data of the program: its id stands for it.
impl Serialize for Check {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id)
    }
}

/// What a check looks at, which is what its findings are about.
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
    /// The root user, each IAM user and the account, with what the other rules could not read of the credential report.
    BlindSpots(fn(&BlindSpots<'_>) -> Verdict),
}

/// What ends a check's finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The check is about a state: its finding ends when the state does.
    State,
    /// The check is about a credential that nobody uses: its finding ends when somebody does, and nobody has fixed anything.
    Disuse,
    /// The check is about something that happened, which nothing undoes.
    Event,
}

/// What commands act on.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The subject of the finding.
    pub subject: &'a Subject,
    /// The access key's id, where it is known.
    pub access_key_id: Option<&'a str>,
}

impl Target<'_> {
    /// The name of the IAM user, as it is.
    pub fn user_name(&self) -> &str {
        self.subject.owner().map_or("", |user| &user.name)
    }
}

/// The present and the limits.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The time of the run.
    pub now: DateTime<Utc>,
    /// The limits.
    pub policy: &'a Policy,
}

impl Context<'_> {
    /// How long ago that was; a time in the future counts as now, since clocks differ.
    pub fn age(&self, time: Time) -> TimeDelta {
        (self.now - time).max(TimeDelta::zero())
    }
}

/// What the report says in those columns, as it says it.
pub(crate) fn evidence(row: &Row, columns: &[Column]) -> Evidence {
    let cell = |column: &Column| row.cell(*column).map(|cell| Fact::of_report(column.name(), cell));
    columns.iter().filter_map(cell).collect()
}
