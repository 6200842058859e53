//! Test accounts from tables with only the relevant columns.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};

use crate::account::{Account, AccountSummary, Report};
use crate::check::Check;
use crate::decide::decide;
use crate::decision::{AlertRules, Decision};
use crate::enrichment::Enrichment;
use crate::evaluate::{Evaluation, Scope, evaluate};
use crate::memory::{Memory, Stored, Workflow};
use crate::policy::Policy;
use crate::report::{CredentialReport, ROOT};
use crate::root_keys;
use crate::service_credential::ServiceCredential;
use crate::source::{Source, Unavailable};
use crate::verdict::{ReportedEvidence, Severity};

/// The current time in all tests.
pub(crate) const NOW: &str = "2026-11-20T06:00:00Z";

pub(crate) fn time(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

pub(crate) fn unavailable<T>(reason: &str) -> Source<T> {
    Err(Unavailable::Unreadable(reason.to_owned()))
}

/// An account with readable, consistent sources and the table as its report: `|` between cells, the header first.
/// Missing columns have the values of a user without credentials.
pub(crate) fn account(table: &str) -> Account {
    let credentials = CredentialReport::parse(csv(table).as_bytes()).unwrap();
    let users = i32::try_from(credentials.users.len()).unwrap();
    let has_root_key = credentials.root.as_ref().is_some_and(|root| !root_keys::shown(root).is_empty());
    let (account_id, partition) = credentials.account().unwrap_or(("123456789012", "aws"));
    Account {
        id: Some(account_id.to_owned()),
        partition: Some(partition.to_owned()),
        report: Ok(Report { generated_time: Some(time("2026-11-20T05:00:00Z")), credentials }),
        summary: Ok(AccountSummary {
            account_access_keys_present: Some(has_root_key.into()),
            account_mfa_enabled: Some(1),
            account_password_present: Some(1),
            account_signing_certificates_present: Some(0),
            users: Some(users),
        }),
        virtual_mfa_users: Ok(Vec::new()),
        service_credentials: Ok(Vec::new()),
    }
}

/// An active Bedrock API key of the user, one week old, without an expiration date.
pub(crate) fn service_credential(user: &str, id: &str) -> ServiceCredential {
    ServiceCredential {
        id: id.to_owned(),
        user: user.to_owned(),
        service: "bedrock.amazonaws.com".to_owned(),
        status: "Active".to_owned(),
        created: time("2026-11-13T06:00:00Z"),
        expires: None,
    }
}

/// Returns the verdicts of the check on credentials of alice. The table has one line per credential: id, service,
/// status, creation and expiration.
pub(crate) fn observe_credentials(check: &'static Check, table: &str) -> String {
    let mut account = account("user\n<root_account>");
    let credential = |line: &str| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [id, service, status, created, expires] = cells[..] else { panic!("{cells:?}") };
        ServiceCredential {
            service: service.to_owned(),
            status: status.to_owned(),
            created: time(created),
            expires: (!expires.is_empty()).then(|| time(expires)),
            ..service_credential("alice", id)
        }
    };
    account.service_credentials = Ok(table.lines().filter(|line| !line.trim().is_empty()).map(credential).collect());
    observe_in(check, &account)
}

/// An open finding from October that was reported.
pub(crate) fn stored(id: &str) -> Stored {
    Stored {
        id: id.to_owned(),
        check: id.split('/').nth(1).unwrap().to_owned(),
        title: "An active access key is old".to_owned(),
        active: true,
        workflow: Workflow::Notified,
        severity: Severity::Medium,
        created_at: time("2026-10-01T06:00:00Z"),
        first_observed_at: Some(time("2026-10-02T06:00:00Z")),
        updated_at: Some(time("2026-11-19T06:00:00Z")),
        arn: None,
        access_key_id: None,
        reported: ReportedEvidence::default(),
        closed_unchecked: false,
        user_created_at: None,
        generated_at: None,
        evidence: Vec::new(),
    }
}

pub(crate) fn csv(table: &str) -> String {
    const COLUMNS: [(&str, &str); 22] = [
        ("user", ""),
        ("arn", ""),
        ("user_creation_time", "2019-01-02T03:04:05Z"),
        ("password_enabled", "false"),
        ("password_last_used", "N/A"),
        ("password_last_changed", "N/A"),
        ("password_next_rotation", "N/A"),
        ("mfa_active", "false"),
        ("access_key_1_active", "false"),
        ("access_key_1_last_rotated", "N/A"),
        ("access_key_1_last_used_date", "N/A"),
        ("access_key_1_last_used_region", "N/A"),
        ("access_key_1_last_used_service", "N/A"),
        ("access_key_2_active", "false"),
        ("access_key_2_last_rotated", "N/A"),
        ("access_key_2_last_used_date", "N/A"),
        ("access_key_2_last_used_region", "N/A"),
        ("access_key_2_last_used_service", "N/A"),
        ("cert_1_active", "false"),
        ("cert_1_last_rotated", "N/A"),
        ("cert_2_active", "false"),
        ("cert_2_last_rotated", "N/A"),
    ];
    let mut rows = table.lines().filter(|line| !line.trim().is_empty()).map(|line| line.split('|').map(str::trim));
    let header: Vec<&str> = rows.next().unwrap().collect();
    let extra = header.iter().filter(|name| COLUMNS.iter().all(|(known, _)| known != *name));
    let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).chain(extra.copied()).collect();
    let mut text = names.join(",");
    for row in rows {
        let row: Vec<&str> = row.collect();
        assert_eq!(row.len(), header.len(), "{row:?}");
        let shown = |name: &str| header.iter().position(|column| *column == name).map(|place| row[place].to_owned());
        let user = shown("user").unwrap();
        let arn = match user.as_str() {
            ROOT => "arn:aws:iam::123456789012:root".to_owned(),
            user => format!("arn:aws:iam::123456789012:user/{user}"),
        };
        let cells = names.iter().map(|name| {
            let default = COLUMNS.iter().find(|(column, _)| column == name).map_or("", |(_, default)| default);
            shown(name).unwrap_or_else(|| if *name == "arn" { arn.clone() } else { default.to_owned() })
        });
        let _ = write!(text, "\n{}", cells.collect::<Vec<_>>().join(","));
    }
    text
}

/// Evaluates all checks on the account with the limits of CIS.
pub(crate) fn evaluated(account: &Account) -> Evaluation {
    evaluate(account, &Policy::cis(), &Scope::All, time(NOW))
}

/// Returns the decision of a first run on the account.
pub(crate) fn decided(account: &Account, rules: AlertRules) -> Decision {
    let memory = Memory::Recalled { region: "eu-central-1".to_owned(), findings: [].into() };
    decide(evaluated(account), memory, &Enrichment::default(), rules)
}

/// Returns the verdicts of the check on the table's account, one line per subject.
pub(crate) fn observe(check: &'static Check, table: &str) -> String {
    observe_in(check, &account(table))
}

/// Returns the verdicts of the check on the account, one line per subject.
pub(crate) fn observe_in(check: &'static Check, account: &Account) -> String {
    let evaluation = evaluated(account);
    let own = evaluation.findings.iter().filter(|finding| finding.check == check);
    let line = |finding: &crate::finding::Finding| {
        let severity = match finding.severity() {
            severity if severity == check.severity => String::new(),
            other => format!(" {other}"),
        };
        format!("{}{severity} {}: {}", finding.status().label(), finding.subject.id(), finding.message())
    };
    own.map(line).collect::<Vec<_>>().join("\n")
}
