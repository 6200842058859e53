//! What was read from one account, or why it could not be.

use chrono::{DateTime, Utc};

use crate::report::{CredentialReport, Row};

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

/// Why a source has no data, in words for people: the operation, and every cause down to AWS's own message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// A credential report and its age.
#[derive(Debug)]
pub struct Report {
    /// When IAM made it: up to four hours before it is read, as IAM hands out a stored one for that long.
    pub generated_time: Option<DateTime<Utc>>,
    /// Its rows.
    pub credentials: CredentialReport,
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

impl Snapshot {
    /// The root user's row of the report, or why it cannot be had.
    pub fn root(&self) -> Result<&Row, Unavailable> {
        let report = self.report.as_ref().map_err(Unavailable::clone)?;
        match report.credentials.root.as_ref() {
            None => Err(Unavailable("The credential report has no row for the root user.".to_owned())),
            Some(Row { damage: Some(damage), .. }) => Err(Unavailable(damage.clone())),
            Some(root) => Ok(root),
        }
    }

    /// When the report was made, if there is one and it says.
    pub fn report_generated_at(&self) -> Option<DateTime<Utc>> {
        self.report.as_ref().ok().and_then(|report| report.generated_time)
    }
}
