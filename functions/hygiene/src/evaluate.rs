//! Applies the checks to a snapshot.

use std::collections::{BTreeMap, BTreeSet};
use std::slice;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use crate::checks::{CHECKS, Check, Context, Rule};
use crate::finding::{Finding, Status, Subject, SubjectKind, Verdict, stamp};
use crate::policy::Policy;
use crate::report::{AccessKey, CredentialReport, DamagedRow, ROOT, Row};
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
    pub blurred_users: BTreeSet<String>,
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
    let mut population = Population::default();
    match &snapshot.report {
        Ok(report) => {
            let damaged = damaged_users(&report.credentials);
            evaluate_users(&report.credentials, &damaged, snapshot, &checks, &context, &mut findings);
            population = Population::of(&report.credentials, &damaged);
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
        population,
    }
}

impl Population {
    fn of(report: &CredentialReport, damaged: &[DamagedUser<'_>]) -> Self {
        let blurred = |user: &&Row| user.access_keys.iter().any(|key| !key.is_empty() && key.created().is_err());
        let blurred = report.users.iter().filter(blurred).map(|user| &user.user);
        let blurred_users = blurred.chain(damaged.iter().map(|user| &user.name)).cloned().collect();
        Self { whole: report.is_whole(), blurred_users }
    }
}

fn root_arn(snapshot: &Snapshot) -> Option<String> {
    let account = snapshot.account_id.as_deref()?;
    Some(format!("arn:{}:iam::{account}:root", snapshot.partition.as_deref().unwrap_or("aws")))
}

fn user_arn(snapshot: &Snapshot, name: &str) -> Option<String> {
    let (account, partition) = (snapshot.account_id.as_deref()?, snapshot.partition.as_deref()?);
    Some(format!("arn:{partition}:iam::{account}:user/{name}"))
}

/// A user whose row is damaged.
struct DamagedUser<'a> {
    /// The name in the row. Where it has none, or another row has the same one, `line N`.
    name: String,
    row: &'a DamagedRow,
}

/// The users whose rows are damaged, in the report's order, each with a name of its own.
fn damaged_users(report: &CredentialReport) -> Vec<DamagedUser<'_>> {
    if report.damaged.is_empty() {
        return Vec::new();
    }
    let mut taken: BTreeSet<String> = report.rows().map(|row| row.user.clone()).collect();
    let mut take = |name: String| taken.insert(name.clone()).then_some(name);
    let first_choice = |row: &DamagedRow| row.name.clone().unwrap_or_else(|| line_name(row.damage.line, 1));
    let first_choices: Vec<Option<String>> = report.damaged.iter().map(|row| take(first_choice(row))).collect();
    // Rows can share a line: what ends in a carriage return alone is a row, but no line to whoever counts them.
    let mut copies: BTreeMap<u64, usize> = BTreeMap::new();
    let users = report.damaged.iter().zip(first_choices).map(|(row, name)| {
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
        DamagedUser { name, row }
    });
    users.filter(|user| user.name != ROOT).collect()
}

fn line_name(line: u64, copy: usize) -> String {
    if copy == 1 { format!("line {line}") } else { format!("line {line}.{copy}") }
}

/// Evaluates the users in the report's order.
fn evaluate_users(
    report: &CredentialReport,
    damaged: &[DamagedUser<'_>],
    snapshot: &Snapshot,
    checks: &[&'static Check],
    context: &Context<'_>,
    into: &mut Vec<Finding>,
) {
    let mut damaged = damaged.iter().peekable();
    for (place, user) in report.users.iter().enumerate() {
        while let Some(damaged) = damaged.next_if(|damaged| damaged.row.users_above <= place) {
            evaluate_damaged_user(damaged, snapshot, checks, into);
        }
        evaluate_user(user, snapshot, checks, context, into);
    }
    for damaged in damaged {
        evaluate_damaged_user(damaged, snapshot, checks, into);
    }
}

/// Every verdict is UNKNOWN, on two access keys too, since each slot can hold one.
fn evaluate_damaged_user(
    DamagedUser { name, row }: &DamagedUser<'_>,
    snapshot: &Snapshot,
    checks: &[&'static Check],
    into: &mut Vec<Finding>,
) {
    let user = Subject::user(name, user_arn(snapshot, name));
    let keys = [1, 2].map(|slot| {
        let (kind, path) = (SubjectKind::AccessKey, format!("{}/key/slot-{slot}", user.path));
        Arc::new(Subject { kind, slot: Some(slot), path, ..user.clone() })
    });
    let user = Arc::new(user);
    for &check in checks {
        let subjects = match check.rule {
            Rule::Root(_) => &[],
            Rule::User(_) => slice::from_ref(&user),
            Rule::AccessKey(_) => &keys,
        };
        into.extend(subjects.iter().map(|subject| finding(check, subject, Verdict::unknown(&row.damage))));
    }
}

fn evaluate_user(
    user: &Row,
    snapshot: &Snapshot,
    checks: &[&'static Check],
    context: &Context<'_>,
    into: &mut Vec<Finding>,
) {
    // A pseudonym is not the name in the account: an ARN made from it would not exist, or be another user's.
    let made = || if user.is_pseudonymised { None } else { user_arn(snapshot, &user.user) };
    let arn = user.arn.clone().or_else(made);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{account, evaluated, observe_in};

    const ALICE: &str = "alice,arn:aws:iam::123456789012:user/alice";

    /// The names and the users above the damaged rows.
    fn damaged(rows: &[&str]) -> Vec<(String, usize)> {
        let report = CredentialReport::parse(format!("user,arn\n{}", rows.join("\n")).as_bytes()).unwrap();
        damaged_users(&report).into_iter().map(|user| (user.name, user.row.users_above)).collect()
    }

    #[test]
    fn damaged_rows_have_names_of_their_own() {
        let users = damaged(&["bob", "bob", "\"a\rb\",\"x", "y\"\r?\r?", "line 3,", "<root_account>,"]);
        let names: Vec<&str> = users.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["bob", "line 3.2", "line 4", "line 5", "line 5.2", "line 5.3"]);
    }

    #[test]
    fn a_damaged_row_does_not_take_a_whole_ones_name() {
        assert_eq!(damaged(&["alice", ALICE]), [("line 2".to_owned(), 0)]);
        assert_eq!(damaged(&[ALICE, "alice"]), [("line 3".to_owned(), 1)]);
    }

    #[test]
    fn verdicts_on_a_damaged_row_are_unknown_and_in_the_order_of_the_rows() {
        let mut snapshot = account("\nuser\n<root_account>");
        let text = format!("user,arn\nbob\n{ALICE}\nbob\n<root_account>");
        snapshot.report.as_mut().unwrap().credentials = CredentialReport::parse(text.as_bytes()).unwrap();
        let observe = |check: &str| observe_in(crate::checks::find(check).unwrap(), &snapshot);
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
        let blurred: Vec<_> = evaluated(&snapshot).population.blurred_users.into_iter().collect();
        assert_eq!(blurred, ["alice", "bob", "line 4"]);
    }

    #[test]
    fn the_damaged_row_of_root_is_no_users() {
        assert_eq!(damaged(&["<root_account>", "<root_account>"]), [("line 3".to_owned(), 0)]);
        assert_eq!(damaged(&["<root_account>", "<root_account>,"]), [("line 2".to_owned(), 0)]);
    }
}
