//! An account with a report of a few lines of CSV.

use std::collections::BTreeMap;
use std::time::Duration;

use aws::collect::{AccountOf, Expected};
use checker::run::Invocation;
use chrono::{DateTime, Utc};
use hygiene::account::{Account, AccountSummary, Report};
use hygiene::decide::decide;
use hygiene::decision::{AlertOn, AlertRules, Decision};
use hygiene::enrichment::Enrichment;
use hygiene::evaluate::{Evaluation, Scope, evaluate};
use hygiene::finding::Finding;
use hygiene::memory::{Memory, Stored};
use hygiene::outcome::{Outcome, Receipts};
use hygiene::policy::Policy;
use hygiene::report::CredentialReport;
use hygiene::verdict::Severity;

pub(crate) const ACCOUNT: &str = "123456789012";

/// An invocation of the account's function.
pub(crate) fn invocation(now: DateTime<Utc>, left: Duration) -> Invocation {
    Invocation { now, left, dry_run: false, expected: presumed(ACCOUNT) }
}

/// The account in a function's ARN.
pub(crate) fn presumed(account: &str) -> Expected {
    let function_arn = format!("arn:aws:lambda:eu-central-1:{account}:function:credwarden");
    Expected::Presumed(AccountOf::arn(&function_arn).unwrap())
}

const HEADER: &str = "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,\
    password_next_rotation,mfa_active,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,\
    access_key_1_last_used_region,access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,\
    access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,\
    cert_1_last_rotated,cert_2_active,cert_2_last_rotated";

/// The root user with an active key, used yesterday.
pub(crate) const ROOT: &str = "<root_account>,arn:aws:iam::123456789012:root,2019-01-02T03:04:05Z,true,no_information,\
    2020-01-01T00:00:00Z,not_supported,true,true,2019-01-02T03:04:05Z,2026-11-19T06:00:00Z,us-east-1,iam,false,N/A,N/A,N/A,\
    N/A,false,N/A,false,N/A";

/// A user with a password and without MFA, and with one old active and one old inactive key.
pub(crate) fn user(name: &str) -> String {
    format!(
        "{name},arn:aws:iam::{ACCOUNT}:user/{name},2019-01-02T03:04:05Z,true,2026-11-18T06:00:00Z,2020-01-01T00:00:00Z,N/A,\
         false,true,2021-06-20T05:16:50Z,2026-11-19T06:00:00Z,eu-central-1,s3,false,2020-02-03T04:05:06Z,N/A,N/A,N/A,false,\
         N/A,false,N/A"
    )
}

pub(crate) fn csv(rows: &[&str]) -> String {
    format!("{HEADER}\n{}", rows.join("\n"))
}

pub(crate) fn now() -> DateTime<Utc> {
    time("2026-11-20T06:00:00Z")
}

pub(crate) fn time(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

/// Returns the verdicts on an account with these rows.
pub(crate) fn evaluated(rows: &[&str]) -> Evaluation {
    evaluate(&snapshot(rows), &Policy::cis(), &Scope::All, now())
}

/// Changes of every severity but INFORMATIONAL are reported.
pub(crate) const RULES: AlertRules = AlertRules { on: AlertOn::Changes, min_severity: Severity::Low };

/// Returns a run's decision on these verdicts and the recalled findings.
pub(crate) fn decided(evaluation: Evaluation, stored: &BTreeMap<String, Stored>) -> Decision {
    decided_with(evaluation, stored, &Enrichment::default())
}

pub(crate) fn decided_with(
    evaluation: Evaluation,
    stored: &BTreeMap<String, Stored>,
    enrichment: &Enrichment,
) -> Decision {
    let memory = Memory::Recalled { region: "eu-central-1".to_owned(), findings: stored.clone() };
    decide(evaluation, memory, enrichment, RULES)
}

/// The same id for every key.
pub(crate) fn key_ids(evaluation: &Evaluation) -> Enrichment {
    let keys = evaluation.findings.iter().filter(|finding| finding.subject.access_key().is_some());
    let id = |finding: &Finding| (finding.subject.id().into_owned(), "AKIAIOSFODNN7EXAMPLE".to_owned());
    Enrichment::of_access_key_ids(keys.map(id).collect())
}

/// The outcome of a decision after all writes succeeded.
pub(crate) fn outcome(decision: Decision) -> Outcome {
    Outcome { decision, receipts: Receipts::default() }
}

/// An account with these rows, and a summary in which root has a key too.
pub(crate) fn snapshot(rows: &[&str]) -> Account {
    Account {
        id: Some(ACCOUNT.to_owned()),
        partition: Some("aws".to_owned()),
        report: Ok(Report {
            generated_time: Some(time("2026-11-20T05:59:00Z")),
            credentials: CredentialReport::parse(csv(rows).as_bytes()).unwrap(),
        }),
        summary: Ok(AccountSummary {
            account_access_keys_present: Some(1),
            account_mfa_enabled: Some(1),
            account_password_present: Some(1),
            account_signing_certificates_present: Some(0),
            users: Some(i32::try_from(rows.len()).unwrap() - 1),
        }),
        virtual_mfa_users: Ok(Vec::new()),
        service_credentials: Ok(Vec::new()),
    }
}
