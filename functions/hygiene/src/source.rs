//! The sources of an account's data, how much of each was read, and the reasons for missing data.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::report::{CellError, Column, ColumnError, Damage};
use crate::subject::SubjectId;
use crate::text::sentence;

/// A source of an account's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceId {
    /// `GetCredentialReport`.
    CredentialReport,
    /// `GetAccountSummary`.
    AccountSummary,
    /// `ListVirtualMFADevices`.
    VirtualMfaDevices,
    /// `ListServiceSpecificCredentials`, of all users.
    ServiceSpecificCredentials,
}

impl SourceId {
    /// All of them.
    pub const ALL: [Self; 4] =
        [Self::CredentialReport, Self::AccountSummary, Self::VirtualMfaDevices, Self::ServiceSpecificCredentials];

    /// Its name in a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::CredentialReport => "the credential report",
            Self::AccountSummary => "the account summary",
            Self::VirtualMfaDevices => "the list of virtual MFA devices",
            Self::ServiceSpecificCredentials => "the list of service-specific credentials",
        }
    }
}

/// The data of a source, or the reason why it is missing.
pub type Source<T> = Result<T, Unavailable>;

/// The reason why data is missing, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Unavailable {
    /// It was requested, and could not be read or parsed: the operation, and every cause down to AWS's message.
    #[error("{0}")]
    Unreadable(String),
    /// A row or a cell is unreadable in a credential report that was read: its text, and the reason. The check
    /// `credential-report-unreadable` reports it.
    #[error("{reason}")]
    BlindSpot {
        /// The sentence.
        reason: String,
        /// The cell's column; `None` for a row.
        column: Option<Column>,
    },
    /// It was not requested: the command line got other files, or the partition does not have it.
    #[error("{0}")]
    NotAsked(String),
}

impl Unavailable {
    /// Returns the reason to report: the first, unless only the second is about data that was requested.
    pub fn graver(first: Option<Self>, second: Option<Self>) -> Option<Self> {
        match (first, second) {
            (Some(Self::NotAsked(_)) | None, Some(second @ (Self::Unreadable(_) | Self::BlindSpot { .. }))) => {
                Some(second)
            }
            (first, second) => first.or(second),
        }
    }

    /// The sentence.
    pub fn reason(&self) -> &str {
        match self {
            Self::Unreadable(reason) | Self::BlindSpot { reason, .. } | Self::NotAsked(reason) => reason,
        }
    }
}

impl From<CellError> for Unavailable {
    fn from(error: CellError) -> Self {
        Self::from(&error)
    }
}

impl From<&CellError> for Unavailable {
    fn from(error: &CellError) -> Self {
        Self::BlindSpot { reason: error.to_string(), column: Some(error.column()) }
    }
}

impl From<&ColumnError> for Unavailable {
    fn from(error: &ColumnError) -> Self {
        Self::BlindSpot { reason: sentence(&error.to_string()), column: Some(error.column()) }
    }
}

impl From<&Damage> for Unavailable {
    fn from(damage: &Damage) -> Self {
        Self::BlindSpot { reason: damage.to_string(), column: None }
    }
}

impl From<&str> for Unavailable {
    fn from(reason: &str) -> Self {
        Self::Unreadable(reason.to_owned())
    }
}

/// How much of a source was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Coverage {
    /// All of it: a subject that is not in it does not exist.
    Whole,
    /// All data on these users; data on others may be missing.
    Part(Users),
    /// It was requested, and could not be read.
    Failed,
    /// It was not requested.
    NotAsked,
}

/// Some of an account's users, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Users {
    /// These users.
    Only(BTreeSet<String>),
    /// All users except these.
    AllBut(BTreeSet<String>),
}

impl Coverage {
    /// The coverage of a source that is read either completely or not at all.
    pub fn of<T>(source: &Source<T>) -> Self {
        match source {
            Ok(_) => Self::Whole,
            Err(Unavailable::Unreadable(_) | Unavailable::BlindSpot { .. }) => Self::Failed,
            Err(Unavailable::NotAsked(_)) => Self::NotAsked,
        }
    }

    /// Whether a subject that the source does not have does not exist.
    pub fn shows_absence_of(&self, subject: &SubjectId<'_>) -> bool {
        match self {
            Self::Whole => true,
            Self::Part(users) => match (users, subject.user()) {
                (Users::Only(users), Some(user)) => users.contains(user),
                (Users::Only(_), None) => false,
                (Users::AllBut(users), Some(user)) => !users.contains(user),
                (Users::AllBut(_), None) => true,
            },
            Self::Failed | Self::NotAsked => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_data_that_was_read_shows_an_absence() {
        let users = || ["alice".to_owned()].into();
        let shown = |coverage: &Coverage| {
            ["user/alice", "user/alice/key/slot-1", "user/bob", "account", "something/else"]
                .map(|subject| coverage.shows_absence_of(&SubjectId::of(subject)))
        };
        assert_eq!(shown(&Coverage::Whole), [true; 5]);
        assert_eq!(shown(&Coverage::Part(Users::Only(users()))), [true, true, false, false, false]);
        assert_eq!(shown(&Coverage::Part(Users::AllBut(users()))), [false, false, true, true, true]);
        assert_eq!(shown(&Coverage::Failed), [false; 5]);
        assert_eq!(shown(&Coverage::NotAsked), [false; 5]);
    }
}
