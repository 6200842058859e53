//! Applies the checks to a snapshot.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use crate::checks::{CHECKS, Check, Context, Rule};
use crate::finding::{Finding, Status, Subject, SubjectKind, Verdict, stamp};
use crate::policy::Policy;
use crate::report::{AccessKey, CredentialReport, Row};
use crate::snapshot::Snapshot;

/// The verdicts on one account.
#[derive(Debug)]
pub struct Evaluation {
    /// The account's 12 digits, if they are known.
    pub account_id: Option<String>,
    /// The partition; an unknown one counts as `aws`.
    pub partition: String,
    /// The time of the run.
    pub evaluated_at: DateTime<Utc>,
    /// When the credential report was made.
    pub report_generated_at: Option<DateTime<Utc>>,
    /// Every enabled check's verdict on every subject of its kind: root first, then each user with the keys.
    pub findings: Vec<Finding>,
    /// Who the report shows, and what not being in it means.
    pub population: Population,
}

/// Which subjects the run could have seen.
#[derive(Debug, Default)]
pub struct Population {
    /// Whether the report was read whole, so that a user who is not in it is not in the account.
    pub whole: bool,
    /// The users whose keys cannot all be told apart, because a key's date is unreadable or not there.
    pub blurred_users: std::collections::BTreeSet<String>,
}

/// A number for each status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "each is named as the status is")]
pub struct Counts {
    pub failed: usize,
    pub passed: usize,
    pub not_applicable: usize,
    pub unknown: usize,
}

impl Evaluation {
    /// How many findings have each status.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for finding in &self.findings {
            match finding.status {
                Status::Failed => counts.failed += 1,
                Status::Passed => counts.passed += 1,
                Status::NotApplicable => counts.not_applicable += 1,
                Status::Unknown => counts.unknown += 1,
            }
        }
        counts
    }
}

/// Applies every check that is not disabled.
pub fn evaluate(snapshot: &Snapshot, policy: &Policy, disabled: &[&str], now: DateTime<Utc>) -> Evaluation {
    let context = Context { now, policy };
    let checks: Vec<&'static Check> = CHECKS.iter().copied().filter(|check| !disabled.contains(&check.id)).collect();
    let mut findings = Vec::new();

    let root = Arc::new(Subject::account(SubjectKind::Root, root_arn(snapshot)));
    for &check in &checks {
        if let Rule::Root(rule) = check.rule {
            findings.push(finding(check, &root, rule(snapshot, &context)));
        }
    }
    match &snapshot.report {
        Ok(report) => {
            for user in &report.credentials.users {
                evaluate_user(user, snapshot, &checks, &context, &mut findings);
            }
        }
        Err(reason) => {
            let account = Arc::new(Subject::account(SubjectKind::Account, None));
            for &check in checks.iter().filter(|check| !matches!(check.rule, Rule::Root(_))) {
                findings.push(finding(check, &account, Verdict::unknown(reason.clone())));
            }
        }
    }
    let generated = snapshot.report_generated_at();
    if let Some(generated) = generated {
        let text = generated.to_rfc3339_opts(SecondsFormat::Secs, true);
        let rests_on_report = |finding: &&mut Finding| {
            finding.status == Status::Failed
                && finding.evidence.iter().any(|(name, _)| name.starts_with(char::is_lowercase))
        };
        for finding in findings.iter_mut().filter(rests_on_report) {
            finding.evidence.push(("GeneratedTime", text.clone()));
        }
    }
    Evaluation {
        account_id: snapshot.account_id.clone(),
        partition: snapshot.partition.clone().unwrap_or_else(|| "aws".to_owned()),
        evaluated_at: now,
        report_generated_at: generated,
        findings,
        population: snapshot
            .report
            .as_ref()
            .map_or_else(|_| Population::default(), |report| population(&report.credentials)),
    }
}

fn population(report: &CredentialReport) -> Population {
    let blurred = |user: &&Row| user.access_keys.iter().any(|key| !key.is_empty() && key.created().is_err());
    let blurred_users = report.users.iter().filter(blurred).map(|user| user.user.clone()).collect();
    Population { whole: report.is_whole(), blurred_users }
}

fn root_arn(snapshot: &Snapshot) -> Option<String> {
    let account = snapshot.account_id.as_deref()?;
    Some(format!("arn:{}:iam::{account}:root", snapshot.partition.as_deref().unwrap_or("aws")))
}

fn evaluate_user(
    user: &Row,
    snapshot: &Snapshot,
    checks: &[&'static Check],
    context: &Context<'_>,
    into: &mut Vec<Finding>,
) {
    let arn = user.arn.clone().or_else(|| {
        // The name is not the one in the account: an ARN made from it would not exist, or be another user's.
        if user.is_pseudonymised {
            return None;
        }
        let (account, partition) = (snapshot.account_id.as_deref()?, snapshot.partition.as_deref()?);
        Some(format!("arn:{partition}:iam::{account}:user/{}", user.user))
    });
    let subject = Arc::new(Subject::user(&user.user, arn));
    let keys: Vec<(&AccessKey, Arc<Subject>)> = user
        .access_keys
        .iter()
        .filter(|key| !key.is_empty())
        .map(|key| (key, Arc::new(key_subject(user, key, &subject))))
        .collect();
    for &check in checks {
        match check.rule {
            Rule::Root(_) => {}
            Rule::User(rule) => {
                into.push(finding(check, &subject, rule(user, context).unwrap_or_else(Verdict::unknown)));
            }
            Rule::AccessKey(rule) => {
                for (key, subject) in &keys {
                    into.push(finding(check, subject, rule(user, key, context).unwrap_or_else(Verdict::unknown)));
                }
            }
        }
    }
}

/// A key is known by when it was created, since the report has no key ids and the slots' order means nothing.
fn key_subject(user: &Row, key: &AccessKey, owner: &Subject) -> Subject {
    let created = |key: &AccessKey| key.created().ok().map(stamp);
    let own = created(key).unwrap_or_else(|| format!("slot-{}", key.slot));
    let twin = key.slot == 2 && created(&user.access_keys[0]).as_ref() == Some(&own);
    Subject {
        kind: SubjectKind::AccessKey,
        slot: Some(key.slot),
        created: key.created().ok(),
        active: key.active.clone().ok(),
        path: format!("{}/key/{own}{}", owner.path, if twin { "-2" } else { "" }),
        ..owner.clone()
    }
}

fn finding(check: &'static Check, subject: &Arc<Subject>, verdict: Verdict) -> Finding {
    Finding {
        check,
        subject: Arc::clone(subject),
        status: verdict.status,
        severity: verdict.severity.unwrap_or(check.severity),
        message: verdict.message,
        evidence: verdict.evidence,
        novelties: verdict.novelties,
        not_given: verdict.not_given,
    }
}
