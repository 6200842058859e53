//! The sources of an account: which there are, how much of each was read, and why there is no data.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::report::{CellError, Column, ColumnError, Damage};
use crate::subject::SubjectId;
use crate::text::sentence;

/// One thing that is read of an account.
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

    /// What to call it in a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::CredentialReport => "the credential report",
            Self::AccountSummary => "the account summary",
            Self::VirtualMfaDevices => "the list of virtual MFA devices",
            Self::ServiceSpecificCredentials => "the list of service-specific credentials",
        }
    }
}

/// A source's data, or the reason why there is none.
pub type Source<T> = Result<T, Unavailable>;

/// Why there is no data, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Unavailable {
    /// It was asked for, and could not be read or understood: the operation, and every cause down to AWS's own message.
    #[error("{0}")]
    Unreadable(String),
    /// A row or a cell of a credential report that was read: what it says, and what is wrong with it. The check
    /// `credential-report-unreadable` reports it.
    #[error("{reason}")]
    BlindSpot {
        /// The sentence.
        reason: String,
        /// The cell's column; none for a row.
        column: Option<Column>,
    },
    /// Nobody asked for it: the command line was given other files, or the partition does not have it.
    #[error("{0}")]
    NotAsked(String),
}

impl Unavailable {
    /// Of two reasons the one to report: the first, unless only the second is about something that was asked for.
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
    /// All of it: what is not in it is not in the account.
    Whole,
    /// All that it has on these users, and perhaps no more.
    Part(Users),
    /// It was asked for, and could not be read.
    Failed,
    /// Nobody asked for it.
    NotAsked,
}

/// Some of an account's users, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Users {
    /// These.
    Only(BTreeSet<String>),
    /// All others, whatever their names.
    AllBut(BTreeSet<String>),
}

impl Coverage {
    /// The coverage of a source that was read, in full, or was not.
    pub fn of<T>(source: &Source<T>) -> Self {
        match source {
            Ok(_) => Self::Whole,
            Err(Unavailable::Unreadable(_) | Unavailable::BlindSpot { .. }) => Self::Failed,
            Err(Unavailable::NotAsked(_)) => Self::NotAsked,
        }
    }

    /// Whether the subject does not exist if the source does not have it.
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
    fn absence_is_shown_only_by_what_was_read() {
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
