//! What was read from one account, its sources joined. Each source fails alone.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

use crate::report::{CredentialReport, Row};
use crate::source::{Coverage, Source, SourceId, Unavailable, Users};

/// What was read from one account.
#[derive(Debug)]
pub struct Account {
    /// The account's 12 digits: from the report's root ARN, else from `sts:GetCallerIdentity`.
    pub id: Option<String>,
    /// `aws`, `aws-us-gov`, `aws-cn`, …, from the same place.
    pub partition: Option<String>,
    /// `GetCredentialReport`.
    pub report: Source<Report>,
    /// `GetAccountSummary`.
    pub summary: Source<AccountSummary>,
    /// The ARNs of the users that virtual MFA devices are assigned to, from `ListVirtualMFADevices`.
    pub virtual_mfa_users: Source<Vec<String>>,
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

/// An IAM user, with what each source knows of them.
#[derive(Debug)]
pub struct User<'a> {
    /// The user's name. Hostile text wherever it is shown.
    pub name: Cow<'a, str>,
    /// The user's ARN; none for a user whose name is a pseudonym.
    pub arn: Option<String>,
    /// The user's row of the credential report.
    pub row: Source<&'a Row>,
}

impl<'a> User<'a> {
    /// The user's row of the credential report.
    ///
    /// # Errors
    ///
    /// The reason why there is none.
    pub fn row(&self) -> Source<&'a Row> {
        self.row.clone()
    }
}

impl Account {
    /// The root user's row of the report.
    ///
    /// # Errors
    ///
    /// The reason why there is none.
    pub fn root(&self) -> Source<&Row> {
        let report = self.report.as_ref().map_err(Unavailable::clone)?;
        match report.credentials.root.as_ref() {
            None => Err(Unavailable::Unreadable("The credential report has no row for the root user.".to_owned())),
            Some(Row { damage: Some(damage), .. }) => Err(Unavailable::Unreadable(damage.to_string())),
            Some(root) => Ok(root),
        }
    }

    /// An entry of the account summary.
    ///
    /// # Errors
    ///
    /// The reason why it is not known.
    pub fn summary_entry(&self, name: &str, entry: fn(&AccountSummary) -> Option<i32>) -> Source<i32> {
        let summary = self.summary.as_ref().map_err(Unavailable::clone)?;
        entry(summary).ok_or_else(|| Unavailable::Unreadable(format!("The account summary has no {name}.")))
    }

    /// The IAM users that any source has, in the report's order; an account whose report was not read has none.
    pub fn users(&self) -> impl Iterator<Item = User<'_>> {
        let rows = self.report.iter().flat_map(|report| &report.credentials.users);
        rows.map(|row| User {
            name: Cow::Borrowed(&row.user),
            arn: row.arn.clone().or_else(|| self.arn_of(row)),
            row: row.damage.as_ref().map_or(Ok(row), |damage| Err(Unavailable::Unreadable(damage.to_string()))),
        })
    }

    /// The ARN of a user whose row has none.
    fn arn_of(&self, row: &Row) -> Option<String> {
        // The name is not the one in the account: an ARN made from it would not exist, or be another user's.
        if row.is_pseudonymised {
            return None;
        }
        let (account, partition) = (self.id.as_deref()?, self.partition.as_deref()?);
        Some(format!("arn:{partition}:iam::{account}:user/{}", row.user))
    }

    /// How much of the source was read.
    pub fn coverage(&self, source: SourceId) -> Coverage {
        match source {
            SourceId::CredentialReport => match &self.report {
                Ok(report) => coverage_of(&report.credentials),
                unread @ Err(_) => Coverage::of(unread),
            },
            SourceId::AccountSummary => Coverage::of(&self.summary),
            SourceId::VirtualMfaDevices => Coverage::of(&self.virtual_mfa_users),
        }
    }

    /// When the report was made, if there is one and it says.
    pub fn report_generated_at(&self) -> Option<DateTime<Utc>> {
        self.report.as_ref().ok().and_then(|report| report.generated_time)
    }
}

/// A report with a row that is nobody's may lack anybody. A user whose keys cannot all be told apart, because a key's date is
/// unreadable or not there, may have any key.
fn coverage_of(report: &CredentialReport) -> Coverage {
    if !report.is_whole() {
        return Coverage::Part(Users::Only([].into()));
    }
    let is_ambiguous = |user: &&Row| user.access_keys.iter().any(|key| !key.is_empty() && key.created().is_err());
    let ambiguous: std::collections::BTreeSet<String> =
        report.users.iter().filter(is_ambiguous).map(|user| user.user.clone()).collect();
    if ambiguous.is_empty() { Coverage::Whole } else { Coverage::Part(Users::AllBut(ambiguous)) }
}
