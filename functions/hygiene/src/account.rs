//! The data that was read from one account. An error of one source does not affect the others.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};

use crate::report::{CLOCK_SKEW, CredentialReport, Damage, DamagedRow, ROOT, Row};
use crate::service_credential::ServiceCredential;
use crate::source::{Coverage, Source, SourceId, Unavailable, Users};
use crate::text::{age, counted, moment};

/// The data that was read from one account.
#[derive(Debug, Clone)]
pub struct Account {
    /// The account's 12 digits: from the report's root ARN, else from `sts:GetCallerIdentity`.
    pub id: Option<String>,
    /// `aws`, `aws-us-gov`, `aws-cn`, …, from the same place.
    pub partition: Option<String>,
    /// `GetCredentialReport`.
    pub report: Source<Report>,
    /// `GetAccountSummary`.
    pub summary: Source<AccountSummary>,
    /// For each assigned virtual MFA device the ARN of its user, if the response has one, from `ListVirtualMFADevices`.
    pub virtual_mfa_users: Source<Vec<Option<String>>>,
    /// The service-specific credentials of all users, from `ListServiceSpecificCredentials`.
    pub service_credentials: Source<Vec<ServiceCredential>>,
}

/// A credential report and its age.
#[derive(Debug, Clone)]
pub struct Report {
    /// When IAM generated it: up to four hours before it is read, since IAM returns a stored report for that long.
    pub generated_time: Option<DateTime<Utc>>,
    /// Its rows.
    pub credentials: CredentialReport,
}

impl Report {
    /// The latest time in its cells.
    pub fn newest_time(&self) -> Option<DateTime<Utc>> {
        self.credentials.newest_time(self.generated_time)
    }
}

/// The entries of `GetAccountSummary` that checks use. It is live, while the report may be four hours old. A key that
/// is missing in the map (older partitions do not have `AccountPasswordPresent`) is `None`.
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
    /// `Users`: the number of IAM users.
    pub users: Option<i32>,
}

/// An entry of `GetAccountSummary` with a value that IAM does not return: the response cannot be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is {value}, not {expected}")]
pub struct ImpossibleEntry {
    name: &'static str,
    value: i32,
    expected: &'static str,
}

impl AccountSummary {
    /// Creates it from a lookup in `SummaryMap`.
    ///
    /// # Errors
    ///
    /// When an entry has an impossible value.
    pub fn of(value: impl Fn(&str) -> Option<i32>) -> Result<Self, ImpossibleEntry> {
        let within = |name, most, expected| match value(name) {
            Some(value) if !(0..=most).contains(&value) => Err(ImpossibleEntry { name, value, expected }),
            value => Ok(value),
        };
        let count = |name| within(name, i32::MAX, "0 or more");
        let is = |name| within(name, 1, "0 or 1");
        Ok(Self {
            account_access_keys_present: count("AccountAccessKeysPresent")?,
            account_mfa_enabled: is("AccountMFAEnabled")?,
            account_password_present: is("AccountPasswordPresent")?,
            account_signing_certificates_present: count("AccountSigningCertificatesPresent")?,
            users: count("Users")?,
        })
    }
}

/// The maximum age of a report: IAM generates a new one after four hours.
pub const OLDEST: TimeDelta = TimeDelta::hours(5);

/// A reason not to trust a credential report. Checks are applied to it, but it closes no findings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// It has rows of another account.
    #[error("the credential report has {} of another account, the first in line {line}", counted(*.rows as u64, "row"))]
    ForeignRows {
        /// The number of these rows.
        rows: usize,
        /// The line of the first one, from 1.
        line: u64,
    },
    /// It was generated more than five hours before the run.
    #[error("the credential report is of {}, {} before this run", moment(*.generated), age(*.before))]
    Old {
        /// When it was generated.
        generated: DateTime<Utc>,
        /// Its age.
        before: TimeDelta,
    },
    /// It was generated more than five minutes after the run.
    #[error("the credential report is of {}, which is later than this run", moment(*.generated))]
    Future {
        /// When it was generated.
        generated: DateTime<Utc>,
    },
    /// It has fewer users than the account. One reason is a user who was created since.
    #[error("the credential report has {}, and the account {live}", counted(*.users as u64, "user"))]
    FewerUsers {
        /// The number of users in the report.
        users: usize,
        /// The number of users in the account.
        live: i32,
    },
}

impl Doubt {
    /// Whether it fails the run.
    pub fn is_failure(&self) -> bool {
        match self {
            Self::ForeignRows { .. } | Self::Old { .. } | Self::Future { .. } => true,
            Self::FewerUsers { .. } => false,
        }
    }
}

/// An IAM user, with the data of each source.
#[derive(Debug)]
pub struct User<'a> {
    /// The user's name: untrusted text, to be escaped wherever it is shown.
    pub name: Cow<'a, str>,
    /// The user's ARN; `None` if the name is a pseudonym.
    pub arn: Option<String>,
    /// The user's row of the credential report, or its damage.
    pub row: Result<&'a Row, &'a Damage>,
    /// Whether `name` is the user's name. A damaged row without a valid, unique name is named after its line.
    pub is_named: bool,
    /// The user's service-specific credentials.
    pub service_credentials: Result<Vec<&'a ServiceCredential>, &'a Unavailable>,
}

impl<'a> User<'a> {
    /// Returns the user's row of the credential report.
    ///
    /// # Errors
    ///
    /// The reason if the row is damaged.
    pub fn row(&self) -> Source<&'a Row> {
        self.row.map_err(Unavailable::from)
    }
}

impl Account {
    /// An account without data: no source was read, for the given reason.
    pub fn unread(reason: &Unavailable) -> Self {
        Self {
            id: None,
            partition: None,
            report: Err(reason.clone()),
            summary: Err(reason.clone()),
            virtual_mfa_users: Err(reason.clone()),
            service_credentials: Err(reason.clone()),
        }
    }

    /// Returns the root user's row of the report.
    ///
    /// # Errors
    ///
    /// The reason if there is no row.
    pub fn root(&self) -> Source<&Row> {
        let report = self.report.as_ref().map_err(Unavailable::clone)?;
        match (report.credentials.root.as_ref(), report.credentials.damaged_root()) {
            (Some(root), _) => Ok(root),
            (None, Some(damaged)) => Err(Unavailable::from(&damaged.damage)),
            (None, None) => Err(Unavailable::BlindSpot {
                reason: "The credential report has no row for the root user.".to_owned(),
                column: None,
            }),
        }
    }

    /// Returns an entry of the account summary.
    ///
    /// # Errors
    ///
    /// The reason if the entry is not known.
    pub fn summary_entry(&self, name: &str, entry: fn(&AccountSummary) -> Option<i32>) -> Source<i32> {
        let summary = self.summary.as_ref().map_err(Unavailable::clone)?;
        entry(summary).ok_or_else(|| Unavailable::Unreadable(format!("The account summary has no {name}.")))
    }

    /// Returns the IAM users in the order of the report; none if the report was not read.
    pub fn users<'a>(&'a self) -> Vec<User<'a>> {
        let Ok(report) = &self.report else { return Vec::new() };
        let credentials = self.credentials_by_user();
        let of = |name: &str| {
            let credentials = credentials.as_ref().map_err(|reason| *reason)?;
            Ok(credentials.get(name).cloned().unwrap_or_default())
        };
        let damaged_user = |DamagedUser { name, is_named, row }: DamagedUser<'a>| User {
            arn: if is_named { self.arn_of(&name) } else { None },
            row: Err(&row.damage),
            is_named,
            service_credentials: of(&name),
            name: Cow::Owned(name),
        };
        let mut damaged = damaged_users(&report.credentials).into_iter().peekable();
        let mut users = Vec::with_capacity(report.credentials.users.len());
        for (place, row) in report.credentials.users.iter().enumerate() {
            while let Some(above) = damaged.next_if(|damaged| damaged.row.users_above <= place) {
                users.push(damaged_user(above));
            }
            // A pseudonym is not the name in the account: an ARN made from it would not exist, or belong to another
            // user.
            let built = || if row.is_pseudonymised { None } else { self.arn_of(&row.user) };
            let arn = row.arn.clone().or_else(built);
            let service_credentials = of(&row.user);
            users.push(User { name: Cow::Borrowed(&row.user), arn, row: Ok(row), is_named: true, service_credentials });
        }
        users.extend(damaged.map(damaged_user));
        users
    }

    fn credentials_by_user(&self) -> Result<BTreeMap<&str, Vec<&ServiceCredential>>, &Unavailable> {
        let mut users: BTreeMap<&str, Vec<&ServiceCredential>> = BTreeMap::new();
        for credential in self.service_credentials.as_ref()? {
            users.entry(&credential.user).or_default().push(credential);
        }
        Ok(users)
    }

    /// Returns the service-specific credentials, each with the ARN of its user (from the user's row if the report has
    /// it). `users` are the account's [users](Self::users).
    pub fn owned_service_credentials(&self, users: &[User<'_>]) -> Vec<(&ServiceCredential, Option<String>)> {
        let Ok(credentials) = &self.service_credentials else { return Vec::new() };
        if credentials.is_empty() {
            return Vec::new();
        }
        let arns: BTreeMap<&str, &Option<String>> = users.iter().map(|user| (&*user.name, &user.arn)).collect();
        let arn = |user: &str| arns.get(user).map_or_else(|| self.arn_of(user), |arn| (*arn).clone());
        credentials.iter().map(|credential| (credential, arn(&credential.user))).collect()
    }

    /// The ARN of a user with that name and without a path.
    fn arn_of(&self, name: &str) -> Option<String> {
        let (account, partition) = (self.id.as_deref()?, self.partition.as_deref()?);
        Some(format!("arn:{partition}:iam::{account}:user/{name}"))
    }

    /// Returns the reasons not to trust the report in a run at the given time.
    pub fn doubts(&self, now: DateTime<Utc>) -> Vec<Doubt> {
        let Ok(report) = &self.report else { return Vec::new() };
        let mut doubts = Vec::new();
        if let Some(first) = report.credentials.foreign.first() {
            doubts.push(Doubt::ForeignRows { rows: report.credentials.foreign.len(), line: first.line });
        }
        match report.generated_time {
            Some(generated) if now - generated > OLDEST => {
                doubts.push(Doubt::Old { generated, before: now - generated });
            }
            Some(generated) if generated - now > CLOCK_SKEW => doubts.push(Doubt::Future { generated }),
            Some(_) | None => {}
        }
        let users = report.credentials.users.len() + report.credentials.damaged.len();
        if let Ok(AccountSummary { users: Some(live), .. }) = self.summary
            && usize::try_from(live).is_ok_and(|live| users < live)
        {
            doubts.push(Doubt::FewerUsers { users, live });
        }
        doubts
    }

    /// Returns how much of the source was read.
    pub fn coverage(&self, source: SourceId) -> Coverage {
        match source {
            SourceId::CredentialReport => match &self.report {
                Ok(report) => {
                    coverage_of(&report.credentials, self.summary.as_ref().ok().and_then(|summary| summary.users))
                }
                unread @ Err(_) => Coverage::of(unread),
            },
            SourceId::AccountSummary => Coverage::of(&self.summary),
            SourceId::VirtualMfaDevices => Coverage::of(&self.virtual_mfa_users),
            SourceId::ServiceSpecificCredentials => Coverage::of(&self.service_credentials),
        }
    }

    /// Returns the reason if the source was not read at all.
    pub fn unavailable(&self, source: SourceId) -> Option<&Unavailable> {
        match source {
            SourceId::CredentialReport => self.report.as_ref().err(),
            SourceId::AccountSummary => self.summary.as_ref().err(),
            SourceId::VirtualMfaDevices => self.virtual_mfa_users.as_ref().err(),
            SourceId::ServiceSpecificCredentials => self.service_credentials.as_ref().err(),
        }
    }

    /// Returns the account with impossible dates marked as unreadable: IAM does not write a date that is more than five
    /// minutes after the report's generation time (if that is not known: after `now`).
    pub fn as_of(&self, now: DateTime<Utc>) -> Cow<'_, Self> {
        let limit = self.report_generated_at().unwrap_or(now).checked_add_signed(CLOCK_SKEW);
        let late = |report: &Report| limit.filter(|limit| report.credentials.has_time_after(*limit));
        let Some(limit) = self.report.as_ref().ok().and_then(late) else { return Cow::Borrowed(self) };
        let mut account = self.clone();
        if let Ok(report) = &mut account.report {
            report.credentials.refuse_times_after(limit);
        }
        Cow::Owned(account)
    }

    /// The generation time of the report, if it is known.
    pub fn report_generated_at(&self) -> Option<DateTime<Utc>> {
        self.report.as_ref().ok().and_then(|report| report.generated_time)
    }
}

/// Any user may be missing in a report if one of its rows has no known user, if it has fewer users than the account, or
/// if the number of users is not known. A user with an ambiguous key, without a readable date, may have any key.
fn coverage_of(report: &CredentialReport, users: Option<i32>) -> Coverage {
    let has_all = users.is_some_and(|users| usize::try_from(users).is_ok_and(|users| users <= report.users.len()));
    if !report.is_whole() || !has_all {
        return Coverage::Part(Users::Only([].into()));
    }
    let is_ambiguous = |user: &&Row| user.access_keys.iter().any(|key| !key.is_empty() && key.created().is_err());
    let ambiguous: BTreeSet<String> = report.users.iter().filter(is_ambiguous).map(|user| user.user.clone()).collect();
    if ambiguous.is_empty() { Coverage::Whole } else { Coverage::Part(Users::AllBut(ambiguous)) }
}

/// A user whose row is damaged.
struct DamagedUser<'a> {
    /// The name in the row; `line N` if it has no name, or another row has the same one.
    name: String,
    /// Whether it is the name in the row.
    is_named: bool,
    row: &'a DamagedRow,
}

/// The users whose rows are damaged, in the report's order, with unique names.
fn damaged_users(report: &CredentialReport) -> Vec<DamagedUser<'_>> {
    if report.damaged.is_empty() {
        return Vec::new();
    }
    let mut taken: BTreeSet<String> = report.rows().map(|row| row.user.clone()).collect();
    let mut take = |name: String| taken.insert(name.clone()).then_some(name);
    let first_choice = |row: &DamagedRow| row.name.clone().unwrap_or_else(|| line_name(row.damage.line, 1));
    let first_choices: Vec<Option<String>> = report.damaged.iter().map(|row| take(first_choice(row))).collect();
    // Rows can share a line: a lone carriage return ends a row, but it does not count as a line break.
    let mut copies: BTreeMap<u64, usize> = BTreeMap::new();
    let users = report.damaged.iter().zip(first_choices).map(|(row, name)| {
        let is_named = row.name.is_some() && name == row.name;
        let name = name.unwrap_or_else(|| {
            let line = row.damage.line;
            let copy = copies.entry(line).or_default();
            loop {
                *copy += 1;
                if let Some(name) = take(line_name(line, *copy)) {
                    break name;
                }
            }
        });
        DamagedUser { name, is_named, row }
    });
    users.filter(|user| user.name != ROOT).collect()
}

fn line_name(line: u64, copy: usize) -> String {
    if copy == 1 { format!("line {line}") } else { format!("line {line}.{copy}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{account, observe_in};

    const ALICE: &str = "alice,arn:aws:iam::123456789012:user/alice";

    /// The names of the damaged rows, and the number of users above each.
    fn damaged(rows: &[&str]) -> Vec<(String, usize)> {
        let report = CredentialReport::parse(format!("user,arn\n{}", rows.join("\n")).as_bytes()).unwrap();
        damaged_users(&report).into_iter().map(|user| (user.name, user.row.users_above)).collect()
    }

    #[test]
    fn a_summary_with_an_impossible_value_is_refused() {
        let summary = |entry: &str, value: i32| AccountSummary::of(|name| (name == entry).then_some(value));
        assert_eq!(summary("AccountMFAEnabled", 1).unwrap().account_mfa_enabled, Some(1));
        assert_eq!(summary("AccountAccessKeysPresent", 2).unwrap().account_access_keys_present, Some(2));
        assert_eq!(summary("Policies", -1).unwrap(), AccountSummary::default(), "no check uses it");
        for (entry, value, expected) in [
            ("AccountMFAEnabled", 7, "0 or 1"),
            ("AccountPasswordPresent", -1, "0 or 1"),
            ("AccountAccessKeysPresent", -1, "0 or more"),
            ("AccountSigningCertificatesPresent", i32::MIN, "0 or more"),
            ("Users", -1, "0 or more"),
        ] {
            let refused = summary(entry, value).unwrap_err().to_string();
            assert_eq!(refused, format!("`{entry}` is {value}, not {expected}"));
        }
    }

    #[test]
    fn damaged_rows_have_unique_names() {
        let users = damaged(&["bob", "bob", "\"a\rb\",\"x", "y\"\r?\r?", "line 3,", "<root_account>,"]);
        let names: Vec<&str> = users.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            ["bob", "line 3", "line 4", "line 5", "line 5.2", "line 5.3", "line 6"],
            "IAM allows no blank"
        );
    }

    #[test]
    fn a_damaged_row_does_not_take_the_name_of_a_valid_row() {
        assert_eq!(damaged(&["alice", ALICE]), [("line 2".to_owned(), 0)]);
        assert_eq!(damaged(&[ALICE, "alice"]), [("line 3".to_owned(), 1)]);
    }

    #[test]
    fn verdicts_on_a_damaged_row_are_unknown_and_in_the_order_of_the_rows() {
        let mut damaged = account("\nuser\n<root_account>");
        let text = format!("user,arn\nbob\n{ALICE}\nbob\n<root_account>");
        damaged.report.as_mut().unwrap().credentials = CredentialReport::parse(text.as_bytes()).unwrap();
        let observe = |check: &str| observe_in(crate::checks::find(check).unwrap(), &damaged);
        insta::assert_snapshot!(observe("root-user-recently-used"), @"UNKNOWN root: Line 5 of the credential report is damaged: it has 1 field for 2 columns and ends in `user`.");
        insta::assert_snapshot!(observe("access-key-inactive"), @"
        UNKNOWN user/bob/key/slot-1: Line 2 of the credential report is damaged: it has 1 field for 2 columns and ends in `user`.
        UNKNOWN user/bob/key/slot-2: Line 2 of the credential report is damaged: it has 1 field for 2 columns and ends in `user`.
        UNKNOWN user/alice/key/slot-1: The credential report has no column access_key_1_active.
        UNKNOWN user/alice/key/slot-2: The credential report has no column access_key_2_active.
        UNKNOWN user/line 4/key/slot-1: Line 4 of the credential report is damaged: it has 1 field for 2 columns and ends in `user`.
        UNKNOWN user/line 4/key/slot-2: Line 4 of the credential report is damaged: it has 1 field for 2 columns and ends in `user`.
        ");
        insta::assert_snapshot!(observe("user-multiple-active-access-keys"), @"
        UNKNOWN user/bob: Line 2 of the credential report is damaged: it has 1 field for 2 columns and ends in `user`.
        UNKNOWN user/alice: The credential report has no column access_key_1_active.
        UNKNOWN user/line 4: Line 4 of the credential report is damaged: it has 1 field for 2 columns and ends in `user`.
        ");
        let no_users = Coverage::Part(Users::Only(BTreeSet::new()));
        assert_eq!(damaged.coverage(SourceId::CredentialReport), no_users, "an absent user may exist");
    }

    #[test]
    fn a_date_after_the_report_cannot_be_read() {
        let table = "
user           | access_key_1_active | access_key_1_last_rotated | access_key_2_active | access_key_2_last_rotated
<root_account> | false               | N/A                       | false               | N/A
alice          | true                | 2099-01-02T03:04:05Z      | true                | 2021-06-20T05:16:50Z
";
        let observe = |account: &Account| observe_in(crate::checks::find("access-key-not-rotated").unwrap(), account);
        let mut dated = account(table);
        insta::assert_snapshot!(observe(&dated), @"
        UNKNOWN user/alice/key/slot-1: access_key_1_last_rotated is `2099-01-02T03:04:05Z` in the credential report, a date later than the report itself.
        FAILED user/alice/key/20210620T051650Z: Access key 2 of alice was created on 2021-06-20 05:16 UTC, 1,979 days ago; the limit is 90 days.
        ");
        // Without the generation time, the time of the run is used.
        dated.report.as_mut().unwrap().generated_time = None;
        assert!(observe(&dated).starts_with("UNKNOWN user/alice/key/slot-1: "));
        let within = |created: &str| {
            let mut account = account(&table.replace("2099-01-02T03:04:05Z", created));
            account.report.as_mut().unwrap().generated_time = None;
            observe(&account).starts_with("PASSED ")
        };
        assert!(within("2026-11-20T06:05:00Z") && !within("2026-11-20T06:05:01Z"));
    }

    #[test]
    fn the_damaged_row_of_root_is_not_a_user() {
        assert_eq!(damaged(&["<root_account>", "<root_account>"]), [("line 3".to_owned(), 0)]);
        assert_eq!(damaged(&["<root_account>", "<root_account>,"]), [("line 2".to_owned(), 0)]);
    }
}
