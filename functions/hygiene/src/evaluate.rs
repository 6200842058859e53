//! Applies the checks to an account.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::account::{Account, Doubt, User};
use crate::blind_spots::{BlindSpot, BlindSpots};
use crate::check::{Check, Context, Rule};
use crate::checks::CHECKS;
use crate::finding::Finding;
use crate::policy::Policy;
use crate::report::{AccessKey, Column, ColumnError, Row};
use crate::source::{Coverage, SourceId, Unavailable};
use crate::subject::{AccessKeySubject, KeyTag, ServiceCredentialSubject, Subject, SubjectId, UserSubject};
use crate::time::to_seconds;
use crate::verdict::{Fact, Status, Verdict};

/// The verdicts on one account.
#[derive(Debug)]
pub struct Evaluation {
    /// The account's 12 digits, if they are known.
    pub account_id: Option<String>,
    /// The partition; an unknown one counts as `aws`.
    pub partition: String,
    /// The time of the run.
    pub evaluated_at: DateTime<Utc>,
    /// Whether the credential report was read.
    pub report_was_read: bool,
    /// When the credential report was generated.
    pub report_generated_at: Option<DateTime<Utc>>,
    /// The part of the account that was evaluated.
    pub scope: Scope,
    /// The checks that were applied: all that are not disabled.
    pub checks: Vec<&'static Check>,
    /// The verdicts of each check on every subject of its kind: root first, then each user with access keys, then
    /// service-specific credentials.
    pub findings: Vec<Finding>,
    /// The reasons not to trust the report.
    pub doubts: Vec<Doubt>,
    /// How long an event is reported as a finding.
    pub events_within: TimeDelta,
    /// How much was read of each source.
    pub coverage: BTreeMap<SourceId, Coverage>,
    /// The unreadable columns that a check needs: the report could not be read completely.
    pub unreadable_columns: Vec<ColumnError>,
    /// The columns in which root's cell is unreadable: all if root's row of a report is damaged or missing.
    pub unreadable_of_root: BTreeSet<Column>,
    /// The subjects whose rows are damaged or missing; `None` if the report may be incomplete for another reason.
    pub lost_rows: Option<BTreeSet<SubjectId<'static>>>,
}

/// The part of an account that is evaluated. A finding outside it is not closed, and not counted as not evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scope {
    /// The whole account.
    All,
    /// The root user.
    Root,
    /// The IAM user of that name, with the access keys and service-specific credentials.
    User(String),
}

impl Scope {
    /// Whether the subject is in the scope.
    pub fn contains(&self, subject: &SubjectId<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Root => *subject == SubjectId::Root,
            Self::User(name) => subject.user() == Some(name),
        }
    }
}

/// The number of findings with each status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "each is named as the status is")]
pub struct Counts {
    pub failed: usize,
    pub passed: usize,
    pub not_applicable: usize,
    pub unknown: usize,
}

impl std::ops::Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            failed: self.failed + other.failed,
            passed: self.passed + other.passed,
            not_applicable: self.not_applicable + other.not_applicable,
            unknown: self.unknown + other.unknown,
        }
    }
}

impl Evaluation {
    /// Counts the findings by status.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for finding in &self.findings {
            match finding.status() {
                Status::Failed => counts.failed += 1,
                Status::Passed => counts.passed += 1,
                Status::NotApplicable => counts.not_applicable += 1,
                Status::Unknown => counts.unknown += 1,
            }
        }
        counts
    }

    /// The access keys of users, by user and slot.
    pub fn access_keys(&self) -> BTreeMap<(&str, u8), &Subject> {
        let subjects = self.findings.iter().map(|finding| &*finding.subject);
        let keys = subjects.filter_map(|subject| Some((subject.access_key()?, subject)));
        keys.map(|(key, subject)| ((key.user.name.as_str(), key.slot), subject)).collect()
    }

    /// The access keys of failing findings, once for each finding.
    pub fn failing_access_keys(&self) -> impl Iterator<Item = &AccessKeySubject> {
        let failing = self.findings.iter().filter(|finding| finding.status() == Status::Failed);
        failing.filter_map(|finding| finding.subject.access_key())
    }

    /// Why users may be missing in the report.
    pub fn missing_users(&self) -> impl Iterator<Item = &Doubt> {
        // The age of a report is another matter: a saved one is evaluated as of its time, a live one that is too old is an error.
        self.doubts.iter().filter(|doubt| matches!(doubt, Doubt::FewerUsers { .. }))
    }

    /// The check with the id, if it was applied.
    pub fn check(&self, id: &str) -> Option<&'static Check> {
        self.checks.iter().copied().find(|check| check.id == id)
    }

    /// Whether the source was requested and could not be read.
    pub fn lacks(&self, source: SourceId) -> bool {
        self.coverage.get(&source) == Some(&Coverage::Failed)
    }

    /// Whether a source of the finding's check could not be read, or a cell of root's row that the check needs.
    pub fn is_blind_on(&self, finding: &Finding) -> bool {
        let needs_lost = || finding.check.columns.iter().any(|column| self.unreadable_of_root.contains(column));
        finding.check.sources.iter().any(|source| self.lacks(*source)) || (finding.subject.is_root() && needs_lost())
    }

    /// Whether a subject without a verdict of the check does not exist.
    pub fn shows_absence_of(&self, check: &Check, subject: &SubjectId<'_>) -> bool {
        let coverage = check.listed_by.and_then(|source| self.coverage.get(&source));
        coverage.is_some_and(|coverage| coverage.shows_absence_of(subject))
    }

    /// Whether the source that lists the check's subjects was not requested. That is not reported.
    pub fn has_not_asked(&self, check: &Check) -> bool {
        check.listed_by.and_then(|source| self.coverage.get(&source)) == Some(&Coverage::NotAsked)
    }
}

/// Applies every check that the policy does not disable to the subjects in the scope.
pub fn evaluate(account: &Account, policy: &Policy, scope: &Scope, now: DateTime<Utc>) -> Evaluation {
    let account: &Account = &account.as_of(now);
    let checks: Vec<&'static Check> = CHECKS.iter().copied().filter(|check| !policy.disables(check.id)).collect();
    let unreadable_columns = unreadable_columns(account, &checks);
    let mut evaluator = Evaluator {
        checks: &checks,
        context: Context { now, policy },
        unreadable_columns: &unreadable_columns,
        findings: Vec::new(),
    };
    if scope.contains(&SubjectId::Root) {
        evaluator.add_root(account);
    }
    let users = account.users();
    for user in users.iter().filter(|user| scope.contains(&SubjectId::User(user.name.as_ref().into()))) {
        evaluator.add_user(user);
    }
    evaluator.add_service_credentials(account, &users, scope);
    if scope.contains(&SubjectId::Account) {
        evaluator.add_account(account, &users);
    }
    let mut findings = evaluator.findings;
    let report_generated_at = account.report_generated_at();
    if let Some(generated) = report_generated_at {
        add_generated_time(&mut findings, generated);
    }
    let doubts = account.doubts(now);
    let coverage = SourceId::ALL.into_iter().map(|source| (source, account.coverage(source)));
    Evaluation {
        account_id: account.id.clone(),
        partition: account.partition.clone().unwrap_or_else(|| "aws".to_owned()),
        evaluated_at: now,
        report_was_read: account.report.is_ok(),
        report_generated_at,
        scope: scope.clone(),
        events_within: policy.root_used_within,
        findings,
        coverage: coverage.collect(),
        lost_rows: lost_rows(account, &users, &doubts),
        unreadable_of_root: unreadable_of_root(account),
        doubts,
        unreadable_columns,
        checks,
    }
}

/// The unreadable columns among those that the checks need.
fn unreadable_columns(account: &Account, checks: &[&Check]) -> Vec<ColumnError> {
    let needed: BTreeSet<Column> = checks.iter().flat_map(|check| check.columns).copied().collect();
    account.report.as_ref().map_or_else(|_| Vec::new(), |report| report.credentials.unreadable_columns(needed))
}

fn unreadable_of_root(account: &Account) -> BTreeSet<Column> {
    match (&account.report, account.root()) {
        (Ok(_), Ok(root)) => Column::TYPED.into_iter().filter(|column| root.cell_error(*column).is_some()).collect(),
        (Ok(_), Err(_)) => Column::TYPED.into(),
        (Err(_), _) => BTreeSet::new(),
    }
}

/// The subjects whose rows are damaged or missing; `None` if the report may be incomplete for another reason.
fn lost_rows(account: &Account, users: &[User<'_>], doubts: &[Doubt]) -> Option<BTreeSet<SubjectId<'static>>> {
    let counts_users = account.summary.as_ref().is_ok_and(|summary| summary.users.is_some());
    if !counts_users || !doubts.is_empty() {
        return None;
    }
    let root = account.root().is_err().then_some(SubjectId::Root);
    let lost = users.iter().filter(|user| user.row.is_err()).map(|user| {
        if user.is_named { SubjectId::User(user.name.clone().into_owned().into()) } else { SubjectId::Account }
    });
    Some(lost.chain(root).collect())
}

/// The checks to apply, and the findings so far.
struct Evaluator<'a> {
    checks: &'a [&'static Check],
    context: Context<'a>,
    unreadable_columns: &'a [ColumnError],
    findings: Vec<Finding>,
}

impl Evaluator<'_> {
    fn add(&mut self, check: &'static Check, subject: &Arc<Subject>, verdict: Verdict) {
        self.findings.push(Finding { check, subject: Arc::clone(subject), verdict });
    }

    fn add_root(&mut self, account: &Account) {
        let partition = account.partition.as_deref().unwrap_or("aws");
        let arn = account.id.as_deref().map(|account| format!("arn:{partition}:iam::{account}:root"));
        let root = Arc::new(Subject::Root { arn });
        for &check in self.checks {
            if let Rule::Root(rule) = check.rule {
                self.add(check, &root, rule(account, &self.context));
            }
        }
        let Ok(report) = &account.report else { return };
        let none = BlindSpots::none(&root);
        let blind = match (account.root(), report.credentials.damaged_root()) {
            (Ok(row), _) => none.with_cells(row, self.findings.iter().map(|one| &one.verdict), self.unreadable_columns),
            (Err(_), Some(damaged)) => BlindSpots { spots: vec![BlindSpot::from(&damaged.damage)], ..none },
            (Err(reason), None) => {
                let rows = report.credentials.users.len() + report.credentials.damaged.len();
                let fact = Some(Fact::of_report("rows", rows.to_string()));
                BlindSpots { spots: vec![BlindSpot { reason: reason.to_string(), fact }], ..none }
            }
        };
        self.add_blind_spots(&root, &blind);
    }

    fn add_blind_spots(&mut self, subject: &Arc<Subject>, blind: &BlindSpots<'_>) {
        for &check in self.checks {
            if let Rule::BlindSpots(rule) = check.rule {
                self.add(check, subject, rule(blind));
            }
        }
    }

    fn add_user(&mut self, user: &User<'_>) {
        let created = user.row.as_ref().ok().and_then(|row| row.user_creation_time.clone().ok()?);
        let owner = UserSubject { name: user.name.as_ref().to_owned(), arn: user.arn.clone(), created };
        let keys = keys(user, &owner);
        let subject = Arc::new(Subject::User(owner));
        let first = self.findings.len();
        for &check in self.checks {
            match check.rule {
                Rule::Root(_) | Rule::ServiceCredential(_) | Rule::BlindSpots(_) => {}
                Rule::User(rule) => {
                    self.add(check, &subject, rule(user, &self.context).unwrap_or_else(Verdict::Unknown));
                }
                Rule::AccessKey(rule) => {
                    for (key, subject) in &keys {
                        let verdict = key.clone().and_then(|(row, key)| rule(row, key, &self.context));
                        self.add(check, subject, verdict.unwrap_or_else(Verdict::Unknown));
                    }
                }
            }
        }
        let none = BlindSpots::none(&subject);
        let blind = match user.row {
            Ok(row) => {
                let verdicts = self.findings[first..].iter().map(|finding| &finding.verdict);
                none.with_cells(row, verdicts, self.unreadable_columns)
            }
            Err(damage) if user.is_named => BlindSpots { spots: vec![BlindSpot::from(damage)], ..none },
            Err(damage) => BlindSpots { of_account: Some(damage.into()), ..none },
        };
        self.add_blind_spots(&subject, &blind);
    }

    fn add_service_credentials(&mut self, account: &Account, users: &[User<'_>], scope: &Scope) {
        for (credential, arn) in account.owned_service_credentials(users) {
            let subject = Arc::new(Subject::ServiceCredential(ServiceCredentialSubject {
                user: UserSubject { name: credential.user.clone(), arn, created: None },
                id: credential.id.clone(),
                service: credential.service.clone(),
                created: credential.created,
            }));
            if !scope.contains(&subject.id()) {
                continue;
            }
            for &check in self.checks {
                if let Rule::ServiceCredential(rule) = check.rule {
                    let verdict = rule(credential, &self.context).unwrap_or_else(Verdict::Unknown);
                    self.add(check, &subject, verdict);
                }
            }
        }
    }

    /// Adds the verdicts on the account: UNKNOWN for a check without the source that lists its subjects, and the blind
    /// spots of rows without a known user and of unreadable columns.
    fn add_account(&mut self, account: &Account, users: &[User<'_>]) {
        let subject = Arc::new(Subject::Account);
        for &check in self.checks {
            if let Some(reason) = check.listed_by.and_then(|source| account.unavailable(source)) {
                self.add(check, &subject, Verdict::Unknown(reason.clone()));
            }
        }
        if account.report.is_ok() {
            let unassigned = users.iter().filter(|user| !user.is_named).filter_map(|user| user.row.err());
            let columns = BlindSpot::columns(self.unreadable_columns);
            let spots = columns.into_iter().chain(unassigned.map(BlindSpot::from)).collect();
            self.add_blind_spots(&subject, &BlindSpots { spots, ..BlindSpots::none(&subject) });
        }
    }
}

type Key<'a> = (Result<(&'a Row, &'a AccessKey), Unavailable>, Arc<Subject>);

/// The user's access keys as subjects; if the row is damaged, both slots.
fn keys<'a>(user: &User<'a>, owner: &UserSubject) -> Vec<Key<'a>> {
    let subject = |slot, created, active, tag| {
        Arc::new(Subject::AccessKey(AccessKeySubject { user: owner.clone(), slot, created, active, tag }))
    };
    match user.row() {
        Ok(row) => {
            let keys = row.access_keys.iter().filter(|key| !key.is_empty());
            let subject =
                |key: &AccessKey| subject(key.slot, key.created().ok(), key.active.clone().ok(), tag(row, key));
            keys.map(|key| (Ok((row, key)), subject(key))).collect()
        }
        Err(reason) => [1, 2].map(|slot| (Err(reason.clone()), subject(slot, None, None, KeyTag::Slot(slot)))).into(),
    }
}

fn tag(row: &Row, key: &AccessKey) -> KeyTag {
    let Ok(created) = key.created() else { return KeyTag::Slot(key.slot) };
    let of_first = |created| KeyTag::created(created, false);
    let is_twin = || row.access_keys[0].created().ok().map(of_first) == Some(of_first(created));
    KeyTag::created(created, key.slot == 2 && is_twin())
}

/// Adds the age of the report to the evidence from it.
fn add_generated_time(findings: &mut [Finding], generated: DateTime<Utc>) {
    let text = to_seconds(generated);
    for finding in findings {
        if finding.rests_on(SourceId::CredentialReport)
            && let Verdict::Failed(failure) = &mut finding.verdict
        {
            failure.evidence.push(Fact::of_report("GeneratedTime", text.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{NOW, account, service_credential, time, unavailable};

    fn subjects(scope: &Scope) -> Vec<String> {
        let table = "
user           | access_key_1_active | access_key_1_last_rotated
<root_account> | true                | 2021-06-20T05:16:50Z
alice          | true                | 2021-06-20T05:16:50Z
bob            | true                | 2021-06-20T05:16:50Z
";
        let evaluation = evaluate(&account(table), &Policy::cis(), scope, time(NOW));
        let mut subjects: Vec<_> = evaluation.findings.iter().map(|one| one.subject.id().to_string()).collect();
        subjects.dedup();
        subjects.sort();
        subjects.dedup();
        subjects
    }

    #[test]
    fn only_subjects_in_the_scope_are_evaluated() {
        let (alice, bob) =
            (["user/alice", "user/alice/key/20210620T051650Z"], ["user/bob", "user/bob/key/20210620T051650Z"]);
        assert_eq!(subjects(&Scope::All), [&["account", "root"][..], &alice, &bob].concat());
        assert_eq!(subjects(&Scope::Root), ["root"]);
        assert_eq!(subjects(&Scope::User("bob".to_owned())), bob);
        assert_eq!(subjects(&Scope::User("carol".to_owned())), [""; 0]);
    }

    #[test]
    fn evidence_has_its_source() {
        let mut account = account(
            "user           | access_key_1_active | access_key_1_last_rotated\n\
             <root_account> | true                | 2021-06-20T05:16:50Z",
        );
        account.summary.as_mut().unwrap().account_access_keys_present = Some(1);
        account.virtual_mfa_users = Ok(vec![Some("arn:aws:iam::123456789012:root".to_owned())]);
        let evaluation = evaluate(&account, &Policy::cis(), &Scope::All, time(NOW));
        let of = |check: &str| {
            let finding = evaluation.findings.iter().find(|finding| finding.check.id == check).unwrap();
            let facts = finding.evidence().iter();
            facts.map(|fact| format!("{:?}: {}", fact.source, fact.name)).collect::<Vec<_>>().join("\n")
        };
        insta::assert_snapshot!(of("root-access-key-present"), @"
        CredentialReport: access_key_1_active
        CredentialReport: access_key_1_last_rotated
        CredentialReport: access_key_1_last_used_date
        CredentialReport: access_key_1_last_used_region
        CredentialReport: access_key_1_last_used_service
        AccountSummary: AccountAccessKeysPresent
        CredentialReport: GeneratedTime
        ");
        insta::assert_snapshot!(of("root-hardware-mfa-missing"), @"
        AccountSummary: AccountMFAEnabled
        VirtualMfaDevices: VirtualMFADevices
        ");
    }

    #[test]
    fn a_credential_is_evaluated_without_the_row_of_its_user() {
        let mut account = account("user\n<root_account>\nalice");
        account.report.as_mut().unwrap().credentials.users[0].arn =
            Some("arn:aws:iam::123456789012:user/dev/alice".to_owned());
        account.service_credentials =
            Ok(vec![service_credential("alice", "ACCA1"), service_credential("bob", "ACCA2")]);
        let of = |account: &Account, scope: &Scope| {
            let evaluation = evaluate(account, &Policy::cis(), scope, time(NOW));
            let own = evaluation.findings.iter().filter(|one| one.check.id == "service-credential-without-expiry");
            let line = |one: &Finding| format!("{} {} {:?}", one.status().label(), one.subject.id(), one.subject.arn());
            own.map(line).collect::<Vec<_>>().join("\n")
        };
        insta::assert_snapshot!(of(&account, &Scope::All), @r#"
        FAILED user/alice/credential/ACCA1 Some("arn:aws:iam::123456789012:user/dev/alice")
        FAILED user/bob/credential/ACCA2 Some("arn:aws:iam::123456789012:user/bob")
        "#);
        insta::assert_snapshot!(of(&account, &Scope::User("bob".to_owned())), @r#"FAILED user/bob/credential/ACCA2 Some("arn:aws:iam::123456789012:user/bob")"#);
        account.report = unavailable("GetCredentialReport failed.");
        insta::assert_snapshot!(of(&account, &Scope::All), @r#"
        FAILED user/alice/credential/ACCA1 Some("arn:aws:iam::123456789012:user/alice")
        FAILED user/bob/credential/ACCA2 Some("arn:aws:iam::123456789012:user/bob")
        "#);
        account.service_credentials = unavailable("ListServiceSpecificCredentials failed.");
        insta::assert_snapshot!(of(&account, &Scope::All), @"UNKNOWN account None");
    }
}
