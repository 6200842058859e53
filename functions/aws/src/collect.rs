//! Reads the account: the credential report and, at the same time, the account summary, the virtual MFA devices and the
//! service-specific credentials. The failure of a source does not affect the others. If no new report can be generated, the
//! existing one is read.

use std::cell::Cell;
use std::collections::BTreeSet;

use aws_sdk_iam::Client;
use aws_sdk_iam::types::{
    AssignmentStatusType, ReportStateType, ServiceSpecificCredentialMetadata, SummaryKeyType, VirtualMfaDevice,
};
use chrono::{DateTime, Utc};
use hygiene::account::{Account, AccountSummary, OLDEST, Report};
use hygiene::report::{CLOCK_SKEW, CredentialReport};
use hygiene::service_credential::{ServiceCredential, checked};
use hygiene::source::{Source, Unavailable};
use hygiene::text::{age, age_beyond, moment, sentence};
use tokio::time::Instant;

use crate::clients::Clients;
use crate::error::{CallError, Kind, chain};
use crate::permission::Permission;
use crate::retry::{Retry, Tries, with_retry, within};

/// The permissions to read an account. `sts:GetCallerIdentity` needs none.
pub const PERMISSIONS: &[Permission] = &[
    Permission {
        action: "iam:GenerateCredentialReport",
        resource: "`*` (it has no resource type)",
        purpose: "has IAM make the credential report",
        condition: None,
    },
    Permission {
        action: "iam:GetCredentialReport",
        resource: "`*` (it has no resource type)",
        purpose: "reads it",
        condition: None,
    },
    Permission {
        action: "iam:GetAccountSummary",
        resource: "`*` (it has no resource type)",
        purpose: "has the fresh facts about root",
        condition: None,
    },
    Permission {
        action: "iam:ListVirtualMFADevices",
        resource: "`*` (it has no resource type)",
        purpose: "tells a virtual MFA device of root from a hardware one",
        condition: None,
    },
    Permission {
        action: "iam:ListServiceSpecificCredentials",
        resource: "`*` (all users at once)",
        purpose: "has the API keys and passwords for single services, which are not in the report",
        condition: None,
    },
];

/// A source that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum CollectError {
    /// `GenerateCredentialReport` or `GetCredentialReport`.
    #[error("could not read the credential report")]
    CredentialReport(#[source] CallError),
    /// `GenerateCredentialReport`, when an existing report was read instead.
    #[error("could not generate a credential report, and read {which}")]
    NotGenerated {
        /// The report that was read: its time and its age.
        which: String,
        /// Why no new report could be generated.
        source: CallError,
    },
    /// The response of IAM is not a credential report.
    #[error("could not understand the credential report")]
    NoReport(#[from] hygiene::report::ReportError),
    /// `GetAccountSummary`.
    #[error("could not read the account summary")]
    AccountSummary(#[source] CallError),
    /// `GetAccountSummary` lacks an entry that every account has.
    #[error("the account summary has no {0}")]
    IncompleteSummary(String),
    /// `ListVirtualMFADevices`.
    #[error("could not read the virtual MFA devices")]
    VirtualMfaDevices(#[source] CallError),
    /// `ListServiceSpecificCredentials`.
    #[error("could not read the service-specific credentials")]
    ServiceSpecificCredentials(#[source] CallError),
    /// `GetCallerIdentity`, which is called if there is no report, or if the report is of another account than presumed.
    #[error("could not find out which account this is")]
    Account(#[source] CallError),
    /// A source is of another account.
    #[error("expected account {expected}, but {source_of} of account {found}")]
    OtherAccount {
        /// The expected account, or that of the credentials.
        expected: String,
        /// The source, with its verb: `the credential report is`, `the credentials are`.
        source_of: &'static str,
        /// The account of the source.
        found: String,
    },
}

/// The account that a run reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// This account: data of any other account is an error, and is not evaluated.
    Given(AccountOf),
    /// Probably this account, since the function is in it. If the report is of another account, the credentials decide: in a
    /// local invocation the function's ARN may be invented.
    Presumed(AccountOf),
    /// The account of the credentials.
    Any,
}

/// An account and its partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountOf {
    /// The account's 12 digits.
    pub account_id: String,
    /// The partition of its ARNs.
    pub partition: String,
}

impl AccountOf {
    /// The account and partition in an ARN.
    pub fn arn(arn: &str) -> Option<Self> {
        let mut parts = arn.split(':').skip(1);
        let (partition, account_id) = (parts.next()?.to_owned(), parts.nth(2)?.to_owned());
        Some(Self { account_id, partition })
    }
}

impl Expected {
    /// The expected account.
    pub fn account(&self) -> Option<&AccountOf> {
        match self {
            Self::Given(account) | Self::Presumed(account) => Some(account),
            Self::Any => None,
        }
    }
}

/// The account as far as it could be read, and the errors.
#[derive(Debug)]
pub struct Collected {
    /// The account.
    pub account: Account,
    /// The errors of sources that could not be read.
    pub errors: Vec<CollectError>,
    /// Errors without consequences for the account's data.
    pub notes: Vec<CollectError>,
}

/// Reads all sources until the deadline `until`. `GetCallerIdentity` has the later deadline `account_until`: it is called only
/// if there is no report, for which all the time may have been spent, or if the report is of another account than presumed.
/// The age of the report is computed at `now`.
pub async fn collect(
    clients: &Clients,
    expected: &Expected,
    now: DateTime<Utc>,
    retry: impl Into<Retry>,
    account_until: Instant,
) -> Collected {
    let (iam, retry) = (&clients.iam, &retry.into());
    let (report, summary, devices, credentials) = tokio::join!(
        credential_report(iam, now, retry),
        account_summary(iam, retry),
        virtual_mfa_users(iam, retry),
        service_credentials(iam, retry)
    );
    let account_retry = &retry.until(account_until);

    let ReportRead { report, mut errors, notes } = report;
    let summary = source(summary, &mut errors);
    errors.extend(summary.as_ref().ok().and_then(incomplete));
    let virtual_mfa_users = source(devices, &mut errors);
    let service_credentials = source(credentials, &mut errors).flatten();
    let sources = Sources { report, summary, virtual_mfa_users, service_credentials };
    let of_report = sources.report.as_ref().ok().and_then(|report| report.credentials.account());
    let of_report = of_report
        .map(|(account, partition)| AccountOf { account_id: account.to_owned(), partition: partition.to_owned() });
    // All sources have to be of this account.
    let required = match expected {
        Expected::Given(given) => Some(given.clone()),
        Expected::Presumed(presumed)
            if of_report.as_ref().is_some_and(|found| found.account_id != presumed.account_id) =>
        {
            match caller(&clients.sts, account_retry).await {
                Ok(caller) => Some(caller),
                Err(error) => {
                    let account = unread(None, &chain(&error));
                    errors.push(error);
                    return Collected { account, errors, notes };
                }
            }
        }
        Expected::Presumed(_) | Expected::Any => None,
    };
    let is_shown = of_report.is_some();
    let found = match of_report {
        Some(found) => Some(found),
        None => caller(&clients.sts, account_retry).await.map_err(|error| errors.push(error)).ok(),
    };
    let Some(required) = required.or_else(|| found.clone()) else {
        return Collected { account: sources.of(None), errors, notes };
    };
    // Without root's ARN, the rows can show that the report is of another account.
    let report = sources.report.as_ref().ok();
    let of_rows = report.and_then(|report| report.credentials.only_other_account(&required.account_id));
    let is_shown = is_shown || of_rows.is_some();
    match of_rows.map(str::to_owned).or_else(|| found.map(|found| found.account_id)) {
        Some(found) if found == required.account_id => Collected { account: sources.of(Some(required)), errors, notes },
        Some(found) => {
            let source_of = if is_shown { "the credential report is" } else { "the credentials are" };
            let error = CollectError::OtherAccount { expected: required.account_id.clone(), source_of, found };
            Collected { account: unread(Some(required), &error.to_string()), errors: vec![error], notes }
        }
        None => {
            let reason = errors.last().map_or_else(String::new, |error| chain(error));
            Collected { account: unread(Some(required), &reason), errors, notes }
        }
    }
}

/// The sources of an account, before the account's number is known.
struct Sources {
    report: Source<Report>,
    summary: Source<AccountSummary>,
    virtual_mfa_users: Source<Vec<Option<String>>>,
    service_credentials: Source<Vec<ServiceCredential>>,
}

impl Sources {
    fn of(mut self, account: Option<AccountOf>) -> Account {
        if let (Ok(report), Some(account)) = (&mut self.report, &account) {
            report.credentials.set_foreign_rows_apart(&account.account_id);
        }
        let (id, partition) = account.map(|account| (account.account_id, account.partition)).unzip();
        let Self { report, summary, virtual_mfa_users, service_credentials } = self;
        Account { id, partition, report, summary, virtual_mfa_users, service_credentials }
    }
}

/// An account without data, for that reason.
fn unread(account: Option<AccountOf>, reason: &str) -> Account {
    let (id, partition) = account.map(|account| (account.account_id, account.partition)).unzip();
    Account { id, partition, ..Account::unread(&Unavailable::Unreadable(sentence(reason))) }
}

fn source<T>(result: Result<T, CollectError>, errors: &mut Vec<CollectError>) -> Source<T> {
    result.map_err(|error| {
        let reason = Unavailable::Unreadable(sentence(&chain(std::error::Error::source(&error).unwrap_or(&error))));
        errors.push(error);
        reason
    })
}

/// The credential report, and errors.
struct ReportRead {
    report: Source<Report>,
    errors: Vec<CollectError>,
    notes: Vec<CollectError>,
}

impl From<Result<Report, CollectError>> for ReportRead {
    fn from(result: Result<Report, CollectError>) -> Self {
        let mut errors = Vec::new();
        Self { report: source(result, &mut errors), errors, notes: Vec::new() }
    }
}

/// The share of the time (1/n) that is reserved to read an existing report when generation takes too long.
const KEPT: u32 = 8;

/// Reads a new report or one of the last four hours. If none can be generated, reads the existing one.
async fn credential_report(iam: &Client, now: DateTime<Utc>, retry: &Retry) -> ReportRead {
    let until = retry.until;
    let generation_until = until - until.saturating_duration_since(Instant::now()) / KEPT;
    let failed = match generated_report(iam, &retry.until(generation_until), until).await {
        Ok(output) => return read(output).into(),
        Err(failed) => failed,
    };
    let was_generated = failed.operation == GET;
    if was_generated && !failed.kind.may_pass() && !is_not_ready(&failed) {
        return Err(CollectError::CredentialReport(failed)).into();
    }
    // An endpoint that could not be reached is not tried again.
    if failed.kind == Kind::Unreachable && retry.unreachable.is_some() {
        return Err(CollectError::CredentialReport(failed)).into();
    }
    let output = with_retry(GET, retry.clone(), async || get(iam).await).await;
    if was_generated {
        return output.map_err(|_| CollectError::CredentialReport(failed)).and_then(read).into();
    }
    let why = match output.map_err(CollectError::CredentialReport).and_then(read) {
        Ok(report) => return not_generated(report, now, failed),
        Err(CollectError::CredentialReport(why)) if is_not_ready(&why) => None,
        Err(why) => Some(why),
    };
    let mut read = ReportRead::from(Err(CollectError::CredentialReport(failed)));
    read.errors.extend(why);
    read
}

/// The existing report, when no new one could be generated. One that is too old is not used.
fn not_generated(report: Report, now: DateTime<Utc>, source: CallError) -> ReportRead {
    let (which, is_recent) = match report.generated_time {
        None => ("one whose time is not known".to_owned(), false),
        Some(generated) => {
            let (exact, time) = (now - generated, moment(generated));
            if exact < -CLOCK_SKEW {
                (format!("the one from {time}, which is in the future"), false)
            } else if exact <= OLDEST {
                (format!("the one from {time}, {} old", age(exact)), true)
            } else {
                (format!("the one from {time}, {} old; the limit is {}", age_beyond(OLDEST, exact), age(OLDEST)), false)
            }
        }
    };
    let error = vec![CollectError::NotGenerated { which, source }];
    let (errors, notes) = if is_recent { (Vec::new(), error) } else { (error, Vec::new()) };
    ReportRead { report: Ok(report), errors, notes }
}

/// Generates a report, or finds one of the last four hours, and downloads it. IAM has five ways to report that it is not ready
/// yet. The SDK retries none of them.
async fn generated_report(iam: &Client, retry: &Retry, until: Instant) -> Result<ReportOutput, CallError> {
    let generation_until = retry.until;
    let mut tries = Tries::of(retry.clone());
    let mut last: Option<CallError> = None;
    loop {
        let last_of = |operation| last.as_ref().filter(|last| last.operation == operation);
        let generated = within(GENERATE, generation_until, last_of(GENERATE), async {
            iam.generate_credential_report().send().await.map_err(|error| CallError::new(GENERATE, &error))
        });
        let failed = match generated.await {
            Ok(output) if output.state() == Some(&ReportStateType::Complete) => {
                match within(GET, until, last_of(GET), get(iam)).await {
                    Ok(output) => return Ok(output),
                    Err(failed) => Some(failed),
                }
            }
            Ok(_) => None,
            Err(failed) => Some(failed),
        };
        let (is_waited_for, failed) = match failed {
            None => (true, CallError::timeout(GENERATE, "the report was not ready in time")),
            Some(failed) => (is_not_ready(&failed), failed),
        };
        let again =
            if is_waited_for { tries.wait().await } else { failed.kind.may_pass() && tries.again(&failed).await };
        if !again {
            return Err(failed);
        }
        last = Some(failed);
    }
}

async fn get(iam: &Client) -> Result<ReportOutput, CallError> {
    iam.get_credential_report().send().await.map_err(|error| CallError::new(GET, &error))
}

type ReportOutput = aws_sdk_iam::operation::get_credential_report::GetCredentialReportOutput;

const GENERATE: &str = "GenerateCredentialReport";
const GET: &str = "GetCredentialReport";

/// The error codes in the response; the SDK names them `CredentialReport…Exception`.
fn is_not_ready(error: &CallError) -> bool {
    matches!(error.code(), Some("ReportNotPresent" | "ReportInProgress" | "ReportExpired"))
}

fn read(output: ReportOutput) -> Result<Report, CollectError> {
    let generated_time =
        output.generated_time().and_then(|time| DateTime::<Utc>::from_timestamp(time.secs(), time.subsec_nanos()));
    let content = output.content.unwrap_or_else(|| aws_sdk_iam::primitives::Blob::new(Vec::new()));
    let credentials = CredentialReport::parse(content.as_ref())?;
    Ok(Report { generated_time, credentials })
}

/// The entries that every account has and that this summary lacks.
fn incomplete(summary: &AccountSummary) -> Option<CollectError> {
    let entries = [
        ("AccountAccessKeysPresent", summary.account_access_keys_present),
        ("AccountMFAEnabled", summary.account_mfa_enabled),
        ("AccountSigningCertificatesPresent", summary.account_signing_certificates_present),
    ];
    let missing: Vec<&str> = entries.iter().filter(|(_, entry)| entry.is_none()).map(|(name, _)| *name).collect();
    (!missing.is_empty()).then(|| CollectError::IncompleteSummary(missing.join(", ")))
}

async fn account_summary(iam: &Client, retry: &Retry) -> Result<AccountSummary, CollectError> {
    let operation = "GetAccountSummary";
    let output = with_retry(operation, retry.clone(), async || {
        iam.get_account_summary().send().await.map_err(|error| CallError::new(operation, &error))
    });
    let output = output.await.map_err(CollectError::AccountSummary)?;
    let map = output.summary_map();
    AccountSummary::of(|key| map.and_then(|map| map.get(&SummaryKeyType::from(key))).copied())
        .map_err(|impossible| CollectError::AccountSummary(CallError::unexpected(operation, impossible.to_string())))
}

/// IAM's maximum page size.
const PAGE: i32 = 1000;

async fn virtual_mfa_users(iam: &Client, retry: &Retry) -> Result<Vec<Option<String>>, CollectError> {
    let operation = "ListVirtualMFADevices";
    let users = all_pages(operation, retry, async |marker| {
        let request = iam.list_virtual_mfa_devices().assignment_status(AssignmentStatusType::Assigned).max_items(PAGE);
        let page = request.set_marker(marker).send().await.map_err(|error| CallError::new(operation, &error))?;
        let user = |device: &VirtualMfaDevice| Some(device.user()?.arn().to_owned()).filter(|arn| !arn.is_empty());
        let users = page.virtual_mfa_devices().iter().map(user);
        Ok(Page { items: users.collect(), is_truncated: page.is_truncated(), marker: page.marker().map(str::to_owned) })
    });
    users.await.map_err(CollectError::VirtualMfaDevices)
}

const LIST_CREDENTIALS: &str = "ListServiceSpecificCredentials";

async fn service_credentials(iam: &Client, retry: &Retry) -> Result<Source<Vec<ServiceCredential>>, CollectError> {
    let is_offered = Cell::new(false);
    let list = all_pages(LIST_CREDENTIALS, retry, async |marker| {
        let request = iam.list_service_specific_credentials().all_users(true).max_items(PAGE).set_marker(marker);
        let page = request.send().await.map_err(|error| CallError::new(LIST_CREDENTIALS, &error))?;
        is_offered.set(true);
        let items = page.service_specific_credentials().iter().map(service_credential).collect::<Option<_>>();
        let items =
            items.ok_or_else(|| CallError::unexpected(LIST_CREDENTIALS, "a date in the answer is out of range"))?;
        Ok(Page { items, is_truncated: page.is_truncated(), marker: page.marker().map(str::to_owned) })
    });
    let list = list.await.and_then(|list| {
        checked(list).map_err(|invalid| CallError::unexpected(LIST_CREDENTIALS, format!("in the answer, {invalid}")))
    });
    match list {
        Ok(list) => Ok(Ok(list)),
        Err(error) if !is_offered.get() && is_unknown(&error) => Ok(Err(not_offered(&error))),
        Err(error) => Err(CollectError::ServiceSpecificCredentials(error)),
    }
}

/// Returns `None` for a credential with an invalid date.
fn service_credential(listed: &ServiceSpecificCredentialMetadata) -> Option<ServiceCredential> {
    let time = |time: &aws_sdk_iam::primitives::DateTime| DateTime::from_timestamp(time.secs(), time.subsec_nanos());
    let expires = match listed.expiration_date() {
        Some(expires) => Some(time(expires)?),
        None => None,
    };
    Some(ServiceCredential {
        id: listed.service_specific_credential_id().to_owned(),
        user: listed.user_name().to_owned(),
        service: listed.service_name().to_owned(),
        status: listed.status().as_str().to_owned(),
        created: time(listed.create_date())?,
        expires,
    })
}

/// Whether IAM in this partition does not support the operation, or its parameter `AllUsers`; then it requires a user name.
fn is_unknown(error: &CallError) -> bool {
    matches!(error.code(), Some("InvalidAction" | "NotSupportedService" | "ValidationError"))
}

fn not_offered(error: &CallError) -> Unavailable {
    let refusal = sentence(&error.cause.to_string());
    Unavailable::NotAsked(format!("IAM does not list the service-specific credentials of all users here. {refusal}"))
}

/// A page of a list.
struct Page<T> {
    items: Vec<T>,
    is_truncated: bool,
    marker: Option<String>,
}

/// Reads all pages of a list. A marker that comes twice is an error: it would loop forever.
async fn all_pages<T>(
    operation: &'static str,
    retry: &Retry,
    call: impl AsyncFn(Option<String>) -> Result<Page<T>, CallError>,
) -> Result<Vec<T>, CallError> {
    let (mut items, mut markers, mut marker) = (Vec::new(), BTreeSet::new(), None);
    loop {
        let page = with_retry(operation, retry.clone(), async || call(marker.clone()).await).await?;
        items.extend(page.items);
        if !page.is_truncated {
            return Ok(items);
        }
        marker = page.marker.filter(|marker| markers.insert(marker.clone()));
        if marker.is_none() {
            return Err(CallError::unexpected(operation, "the list is truncated, without a marker to go on from"));
        }
    }
}

/// The account of the credentials. The call needs no permission.
async fn caller(sts: &aws_sdk_sts::Client, retry: &Retry) -> Result<AccountOf, CollectError> {
    let operation = "GetCallerIdentity";
    let identity = with_retry(operation, retry.clone(), async || {
        sts.get_caller_identity().send().await.map_err(|error| CallError::new(operation, &error))
    });
    let identity = identity.await.map_err(CollectError::Account)?;
    let partition = identity.arn().and_then(|arn| arn.split(':').nth(1)).filter(|partition| !partition.is_empty());
    let account = identity
        .account()
        .zip(partition)
        .map(|(account, partition)| AccountOf { account_id: account.to_owned(), partition: partition.to_owned() });
    account
        .ok_or_else(|| CollectError::Account(CallError::unexpected(operation, "the answer has no account or no ARN")))
}
