//! What was read from one account, or why it could not be.

use chrono::{DateTime, Utc};

use crate::report::{CellError, CredentialReport, Damage, Row};

/// What was read from one account. Each source fails alone.
#[derive(Debug)]
pub struct Snapshot {
    /// The account's 12 digits: from the report's root ARN, else from `sts:GetCallerIdentity`.
    pub account_id: Option<String>,
    /// `aws`, `aws-us-gov`, `aws-cn`, …, from the same place.
    pub partition: Option<String>,
    /// `GetCredentialReport`.
    pub report: Source<Report>,
    /// `GetAccountSummary`.
    pub summary: Source<AccountSummary>,
    /// The ARNs of the users that virtual MFA devices are assigned to, from `ListVirtualMFADevices`.
    pub virtual_mfa_users: Source<Vec<String>>,
}

/// A source's data, or the reason why there is none.
pub type Source<T> = Result<T, Unavailable>;

/// Why there is no data, as a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unavailable {
    /// It was asked for, and could not be read or understood: the operation, and every cause down to AWS's own message; or
    /// the cell, and what it says.
    #[error("{0}")]
    Unreadable(String),
    /// Nobody asked for it: the command line was given other files.
    #[error("{0}")]
    NotGiven(&'static str),
}

impl Unavailable {
    /// Of two reasons the one to tell: the first, unless only the second is about something that was asked for.
    pub fn graver(first: Option<Self>, second: Option<Self>) -> Option<Self> {
        match (first, second) {
            (Some(Self::NotGiven(_)) | None, Some(second @ Self::Unreadable(_))) => Some(second),
            (first, second) => first.or(second),
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
        Self::Unreadable(error.to_string())
    }
}

impl From<&Damage> for Unavailable {
    fn from(damage: &Damage) -> Self {
        Self::Unreadable(damage.to_string())
    }
}

impl From<&str> for Unavailable {
    fn from(reason: &str) -> Self {
        Self::Unreadable(reason.to_owned())
    }
}

/// A credential report and its age.
#[derive(Debug)]
pub struct Report {
    /// When IAM made it: up to four hours before it is read, as IAM hands out a stored one for that long.
    pub generated_time: Option<DateTime<Utc>>,
    /// Its rows.
    pub credentials: CredentialReport,
}

impl Report {
    /// The latest moment in its cells.
    pub fn newest_time(&self) -> Option<DateTime<Utc>> {
        self.credentials.newest_time(self.generated_time)
    }
}

/// What `GetAccountSummary` says of the root user. It is live where the report may be four hours old. A key that the map
/// lacks (older partitions do not have `AccountPasswordPresent`) is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AccountSummary {
    /// `AccountAccessKeysPresent`: 0 when root has no access key; inactive ones count.
    pub account_access_keys_present: Option<i32>,
    /// `AccountMFAEnabled`: 0 when root has no MFA device.
    pub account_mfa_enabled: Option<i32>,
    /// `AccountPasswordPresent`: 0 when root has no password.
    pub account_password_present: Option<i32>,
    /// `AccountSigningCertificatesPresent`: 0 when root has no X.509 signing certificate.
    pub account_signing_certificates_present: Option<i32>,
}

impl AccountSummary {
    /// Out of `SummaryMap`, looked up by key.
    pub fn of(value: impl Fn(&str) -> Option<i32>) -> Self {
        Self {
            account_access_keys_present: value("AccountAccessKeysPresent"),
            account_mfa_enabled: value("AccountMFAEnabled"),
            account_password_present: value("AccountPasswordPresent"),
            account_signing_certificates_present: value("AccountSigningCertificatesPresent"),
        }
    }
}

impl Snapshot {
    /// The root user's row of the report, or why it cannot be had.
    pub fn root(&self) -> Result<&Row, Unavailable> {
        let report = self.report.as_ref().map_err(Unavailable::clone)?;
        match (report.credentials.root.as_ref(), report.credentials.damaged_root()) {
            (Some(root), _) => Ok(root),
            (None, Some(damaged)) => Err(Unavailable::from(&damaged.damage)),
            (None, None) => Err(Unavailable::from("The credential report has no row for the root user.")),
        }
    }

    /// When the report was made, if there is one and it says.
    pub fn report_generated_at(&self) -> Option<DateTime<Utc>> {
        self.report.as_ref().ok().and_then(|report| report.generated_time)
    }
}
