//! An organization: the accounts that it lists, the ones in scope, and what was found in each.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::account::Account;
use crate::enrichment::Enrichment;
use crate::evaluate::{Counts, Evaluation};
use crate::finding::Finding;
use crate::report::Row;
use crate::source::Unavailable;
use crate::text::moment;
use crate::verdict::{Severity, Status};

/// An account as Organizations lists it, or as it is found among saved files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listed {
    /// The account's 12 digits.
    pub id: String,
    /// Its name, which is untrusted text; `None` for saved files.
    pub name: Option<String>,
    /// Its `State`, or else the older `Status`; `None` for saved files.
    pub state: Option<String>,
    /// Its `Paths`: `o-…/r-…/ou-…/<id>/`. More than one is possible; saved files have no path.
    pub paths: Vec<String>,
}

/// The states in which an account can do nothing.
/// See <https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_accounts_account_state.html>.
const UNUSABLE: [&str; 3] = ["SUSPENDED", "CLOSED", "PENDING_ACTIVATION"];

impl Listed {
    /// The first of the paths, which is displayed.
    pub fn path(&self) -> Option<&str> {
        self.paths.first().map(String::as_str)
    }

    /// The ids of the root and the organizational units above the account, outermost first.
    pub fn ancestors(&self) -> impl Iterator<Item = &str> {
        self.paths.iter().flat_map(|path| units(path))
    }

    /// The id of the organizational unit that the account is in, or of the root.
    pub fn parent(&self) -> Option<&str> {
        units(self.path()?).last()
    }

    /// Joins two entries of the account in one list, which takes minutes to read: the later one, but an account that can be used by
    /// one of them is not left out.
    #[must_use]
    pub fn joined(self, later: Self) -> Self {
        let state = if self.is_usable() && !later.is_usable() { self.state } else { later.state };
        Self { state, ..later }
    }

    fn is_usable(&self) -> bool {
        self.state.as_deref().is_none_or(|state| !UNUSABLE.contains(&state))
    }

    fn is_in(&self, unit: &str) -> bool {
        self.ancestors().any(|ancestor| ancestor == unit)
    }
}

/// The ids of the root and of the organizational units in a path.
pub fn units(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|id| id.starts_with("r-") || id.starts_with("ou-"))
}

/// Which accounts to audit. Ids that are included are a union; without any, all accounts are included. Excluding wins.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// Ids of accounts to include.
    pub accounts: Vec<String>,
    /// Ids of organizational units, or of the root, to include with everything below.
    pub units: Vec<String>,
    /// Ids of accounts and organizational units to exclude.
    pub exclude: Vec<String>,
}

/// The selection cannot be applied to the list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// An id is not in the organization.
    #[error("{0} is not in the organization; `credwarden organization accounts` lists its accounts")]
    Unknown(String),
    /// An organizational unit is selected, and an account has no path.
    #[error(
        "account {0} has no path, so whether it is in an organizational unit is not known; select accounts instead"
    )]
    NoPath(String),
}

impl Selection {
    /// The ids of organizational units, and of the root.
    pub fn selected_units(&self) -> impl Iterator<Item = &str> {
        self.units.iter().chain(&self.exclude).map(String::as_str).filter(|id| !is_account_id(id))
    }

    /// Why each account is out of scope, in the order of the list; `None`: it is in scope. `known` are the organizational units
    /// of the organization that have no account.
    ///
    /// # Errors
    ///
    /// When an id is not in the organization, or it cannot be known.
    pub fn apply(&self, listed: &[Listed], known: &BTreeSet<String>) -> Result<Vec<Option<String>>, SelectionError> {
        let accounts: BTreeSet<&str> = listed.iter().map(|account| account.id.as_str()).collect();
        let units: BTreeSet<&str> =
            listed.iter().flat_map(Listed::ancestors).chain(known.iter().map(String::as_str)).collect();
        let all = self.accounts.iter().chain(&self.units).chain(&self.exclude);
        for id in all {
            let is_known = if is_account_id(id) { accounts.contains(id.as_str()) } else { units.contains(id.as_str()) };
            if !is_known {
                return Err(SelectionError::Unknown(id.clone()));
            }
        }
        let without_path = listed.iter().find(|account| account.parent().is_none());
        if let Some(account) = without_path.filter(|_| self.selected_units().next().is_some()) {
            return Err(SelectionError::NoPath(account.id.clone()));
        }
        Ok(listed.iter().map(|account| self.why_not(account)).collect())
    }

    fn why_not(&self, account: &Listed) -> Option<String> {
        if let Some(state) = account.state.as_ref().filter(|_| !account.is_usable()) {
            return Some(state.clone());
        }
        let is = |id: &String| *id == account.id || account.is_in(id);
        if let Some(excluded) = self.exclude.iter().find(|id| is(id)) {
            let by = if *excluded == account.id { String::new() } else { format!(" with {excluded}") };
            return Some(format!("excluded{by}"));
        }
        let includes_all = self.accounts.is_empty() && self.units.is_empty();
        let is_included = includes_all || self.accounts.iter().chain(&self.units).any(is);
        (!is_included).then(|| "not selected".to_owned())
    }
}

/// Whether the text is an account's id: 12 digits.
pub fn is_account_id(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The commands that select an account for the commands of its findings: the profile of that name, without keys in the environment,
/// which the AWS CLI would prefer. Commands that are run without such a profile fail, rather than change a user of the same name in
/// another account.
pub fn select_account(id: &str) -> String {
    format!("unset AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN\nexport AWS_PROFILE={id}")
}

/// What the account summary says about the root user. `None`: not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct RootUser {
    /// Whether it has an access key.
    pub access_keys: Option<bool>,
    /// Whether it has an MFA device.
    pub mfa: Option<bool>,
    /// Whether it has a password.
    pub password: Option<bool>,
    /// Whether it has a signing certificate.
    pub signing_certificates: Option<bool>,
}

impl RootUser {
    fn of(account: &Account) -> Self {
        let Ok(summary) = &account.summary else { return Self::default() };
        let is = |entry: Option<i32>| entry.map(|count| count != 0);
        Self {
            access_keys: is(summary.account_access_keys_present),
            mfa: is(summary.account_mfa_enabled),
            password: is(summary.account_password_present),
            signing_certificates: is(summary.account_signing_certificates_present),
        }
    }
}

/// `access keys, no MFA, password`: what is there that should not be, MFA's absence, and what is not known. Without credentials
/// there is nothing to protect by MFA.
impl fmt::Display for RootUser {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { access_keys, mfa, password, signing_certificates } = *self;
        if [access_keys, mfa, password, signing_certificates] == [None; 4] {
            return formatter.write_str("not known");
        }
        if [access_keys, password, signing_certificates] == [Some(false); 3] {
            return formatter.write_str("no credentials");
        }
        let has = |is: Option<bool>, what: &str| match is {
            Some(true) => Some(what.to_owned()),
            Some(false) => None,
            None => Some(format!("{what} not known")),
        };
        let mfa = match mfa {
            Some(true) => "MFA",
            Some(false) => "no MFA",
            None => "MFA not known",
        };
        let parts = [has(access_keys, "access keys"), Some(mfa.to_owned()), has(password, "password")];
        let parts: Vec<_> = parts.into_iter().chain([has(signing_certificates, "certificates")]).flatten().collect();
        formatter.write_str(&parts.join(", "))
    }
}

/// What was found in an account. Only failing and unknown findings are kept, so memory grows with those.
#[derive(Debug)]
pub struct Audit {
    /// The partition.
    pub partition: String,
    /// The time of the evaluation.
    pub evaluated_at: DateTime<Utc>,
    /// Whether the credential report was read.
    pub report_was_read: bool,
    /// When the credential report was generated.
    pub report_generated_at: Option<DateTime<Utc>>,
    /// The numbers of all findings.
    pub counts: Counts,
    /// The failing and unknown findings, in the evaluation's order.
    pub findings: Vec<Finding>,
    /// Additional data on their subjects.
    pub enrichment: Enrichment,
    /// The root user by the account's own summary.
    pub root: RootUser,
    /// When the oldest active access key was created.
    pub oldest_key: Option<DateTime<Utc>>,
    /// Whether a requested source, row or cell could not be read.
    pub is_incomplete: bool,
    /// The errors of sources that could not be read, one line each.
    pub errors: Vec<String>,
    /// Errors although everything was read, one line each.
    pub notes: Vec<String>,
}

impl Audit {
    /// The audit of an account. `notes` are errors although everything was read.
    ///
    /// # Errors
    ///
    /// When neither the report nor the summary was read; the reason.
    pub fn of(
        account: &Account,
        evaluation: Evaluation,
        enrichment: Enrichment,
        errors: Vec<String>,
        mut notes: Vec<String>,
    ) -> Result<Self, String> {
        if let (Err(report), Err(summary)) = (&account.report, &account.summary) {
            let reason = errors.first().cloned();
            return Err(reason.unwrap_or_else(|| match report {
                Unavailable::NotAsked(_) => summary.reason().to_owned(),
                Unavailable::Unreadable(_) | Unavailable::BlindSpot { .. } => report.reason().to_owned(),
            }));
        }
        notes.extend(evaluation.missing_users().map(ToString::to_string));
        let counts = evaluation.counts();
        let mut findings = evaluation.findings;
        findings.retain(|finding| matches!(finding.status(), Status::Failed | Status::Unknown));
        findings.shrink_to_fit();
        Ok(Self {
            partition: evaluation.partition,
            evaluated_at: evaluation.evaluated_at,
            report_was_read: evaluation.report_was_read,
            report_generated_at: evaluation.report_generated_at,
            counts,
            is_incomplete: !errors.is_empty() || findings.iter().any(Finding::is_unread),
            findings,
            enrichment,
            root: RootUser::of(account),
            oldest_key: oldest_key(account),
            errors,
            notes,
        })
    }

    /// The failing findings, in the evaluation's order.
    pub fn failing(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|finding| finding.status() == Status::Failed)
    }

    /// The highest severity of the failing findings.
    pub fn worst(&self) -> Option<Severity> {
        self.failing().map(Finding::severity).max()
    }
}

/// When the oldest active access key was created, the root user's included.
fn oldest_key(account: &Account) -> Option<DateTime<Utc>> {
    let report = &account.report.as_ref().ok()?.credentials;
    let rows = report.root.iter().chain(&report.users);
    let keys = rows.flat_map(|row: &Row| &row.access_keys).filter(|key| key.active == Ok(true));
    keys.filter_map(|key| key.created().ok()).min()
}

/// What became of an account.
#[derive(Debug)]
pub enum Outcome {
    /// It is out of scope, for this reason.
    OutOfScope(String),
    /// It is in scope and was not audited: the reason, in one line.
    NotAudited(String),
    /// It was audited.
    Audited(Box<Audit>),
}

impl Outcome {
    /// Why the account is out of scope.
    pub fn out_of_scope(&self) -> Option<&str> {
        match self {
            Self::OutOfScope(reason) => Some(reason),
            Self::NotAudited(_) | Self::Audited(_) => None,
        }
    }

    /// Why the account was not audited although it is in scope.
    pub fn not_audited(&self) -> Option<&str> {
        match self {
            Self::NotAudited(reason) => Some(reason),
            Self::OutOfScope(_) | Self::Audited(_) => None,
        }
    }
}

/// An account of the organization.
#[derive(Debug)]
pub struct Member {
    /// The account as it is listed.
    pub listed: Listed,
    /// The name of the organizational unit that it is in, or of the root. Untrusted text.
    pub organizational_unit: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
}

impl Member {
    /// Its audit, if it was audited.
    pub fn audit(&self) -> Option<&Audit> {
        match &self.outcome {
            Outcome::Audited(audit) => Some(audit),
            Outcome::OutOfScope(_) | Outcome::NotAudited(_) => None,
        }
    }
}

/// All accounts of an organization, with what became of each.
#[derive(Debug)]
pub struct Organization {
    /// The organization's id; `None` for saved files.
    pub id: Option<String>,
    /// The time of the evaluation; with saved files each account has its own.
    pub evaluated_at: DateTime<Utc>,
    /// Whether the run was interrupted.
    pub partial: bool,
    /// The accounts by id.
    pub members: Vec<Member>,
}

/// The number of accounts by what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Coverage {
    /// Accounts that were audited.
    pub audited: usize,
    /// Accounts in scope that were not audited.
    pub not_audited: usize,
    /// Accounts out of scope.
    pub out_of_scope: usize,
}

/// The reason of an account in scope of which there is no result.
const NO_RESULT: &str = "the run was interrupted before it was audited";

impl Organization {
    /// Joins the list with the results. What became of an account is decided by the list: a result without a listed account in
    /// scope is dropped, and an account in scope without a result was not audited.
    pub fn assembled(
        id: Option<String>,
        evaluated_at: DateTime<Utc>,
        partial: bool,
        listed: Vec<(Listed, Option<String>)>,
        names: &BTreeMap<String, String>,
        mut results: BTreeMap<String, Result<Audit, String>>,
    ) -> Self {
        let mut members: Vec<Member> = listed
            .into_iter()
            .map(|(listed, why_not)| {
                let outcome = match (why_not, results.remove(&listed.id)) {
                    (Some(why_not), _) => Outcome::OutOfScope(why_not),
                    (None, Some(Ok(audit))) => Outcome::Audited(Box::new(audit)),
                    (None, Some(Err(reason))) => Outcome::NotAudited(reason),
                    (None, None) => Outcome::NotAudited(NO_RESULT.to_owned()),
                };
                let organizational_unit = listed.parent().and_then(|unit| names.get(unit).cloned());
                Member { listed, organizational_unit, outcome }
            })
            .collect();
        members.sort_by(|one, other| one.listed.id.cmp(&other.listed.id));
        Self { id, evaluated_at, partial, members }
    }

    /// The time of the evaluation, if it is the same for all accounts. With saved files each account has its own, unless it was given.
    pub fn common_time(&self) -> Option<DateTime<Utc>> {
        let is_common = |audit: &Audit| audit.evaluated_at == self.evaluated_at;
        self.members.iter().filter_map(Member::audit).all(is_common).then_some(self.evaluated_at)
    }

    /// The times as of which the accounts are judged, in one sentence.
    pub fn as_of(&self) -> String {
        if let Some(time) = self.common_time() {
            return format!("Judged as of {}.", moment(time));
        }
        let audits = self.members.iter().filter_map(Member::audit);
        let oldest = audits.filter_map(|audit| audit.report_generated_at).min();
        let oldest = oldest.map(|oldest| format!("; the oldest is of {}", moment(oldest))).unwrap_or_default();
        format!("Each account is judged as of the time of its own report{oldest}.")
    }

    /// Counts the accounts by what became of them.
    pub fn coverage(&self) -> Coverage {
        let mut coverage = Coverage::default();
        for member in &self.members {
            match member.outcome {
                Outcome::Audited(_) => coverage.audited += 1,
                Outcome::NotAudited(_) => coverage.not_audited += 1,
                Outcome::OutOfScope(_) => coverage.out_of_scope += 1,
            }
        }
        coverage
    }

    /// The audited accounts with their audits, the one with the worst findings first.
    pub fn worst_first(&self) -> Vec<(&Member, &Audit)> {
        let mut audited: Vec<_> = self.members.iter().filter_map(|member| Some((member, member.audit()?))).collect();
        audited.sort_by_cached_key(|(member, audit)| {
            let mut by_severity = [0_usize; Severity::ALL.len()];
            for finding in audit.failing() {
                by_severity[finding.severity() as usize] += 1;
            }
            by_severity.reverse();
            (std::cmp::Reverse((by_severity, audit.counts.unknown)), member.listed.id.clone())
        });
        audited
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{account, evaluated};

    fn listed(id: &str, path: &str) -> Listed {
        let paths = if path.is_empty() { Vec::new() } else { vec![format!("o-1/{path}{id}/")] };
        Listed { id: id.repeat(12), paths, ..Listed::default() }
    }

    fn organization() -> Vec<Listed> {
        let suspended = Listed { state: Some("SUSPENDED".to_owned()), ..listed("3", "r-1/ou-1-prod/ou-1-web/") };
        let closing = Listed { state: Some("PENDING_CLOSURE".to_owned()), ..listed("4", "r-1/") };
        vec![listed("1", "r-1/"), listed("2", "r-1/ou-1-prod/"), suspended, closing]
    }

    fn selection(accounts: &[&str], units: &[&str], exclude: &[&str]) -> Selection {
        let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        Selection { accounts: owned(accounts), units: owned(units), exclude: owned(exclude) }
    }

    fn applied(selection: &Selection) -> Vec<String> {
        let why = selection.apply(&organization(), &["ou-1-empty".to_owned()].into()).unwrap();
        why.into_iter().map(|why| why.unwrap_or_else(|| "in".to_owned())).collect()
    }

    const ONE: &str = "111111111111";
    const TWO: &str = "222222222222";

    #[test]
    fn everything_usable_is_in_scope() {
        assert_eq!(applied(&selection(&[], &[], &[])), ["in", "in", "SUSPENDED", "in"]);
    }

    #[test]
    fn a_unit_includes_what_is_below_and_accounts_and_units_are_a_union() {
        assert_eq!(applied(&selection(&[], &["ou-1-prod"], &[])), ["not selected", "in", "SUSPENDED", "not selected"]);
        assert_eq!(applied(&selection(&[ONE], &["ou-1-prod"], &[])), ["in", "in", "SUSPENDED", "not selected"]);
        assert_eq!(applied(&selection(&[], &["r-1"], &[])), ["in", "in", "SUSPENDED", "in"]);
        assert_eq!(applied(&selection(&[], &["ou-1-empty"], &[]))[0], "not selected");
    }

    #[test]
    fn excluding_wins() {
        assert_eq!(
            applied(&selection(&[ONE, TWO], &[], &[ONE, "ou-1-prod"])),
            ["excluded", "excluded with ou-1-prod", "SUSPENDED", "not selected"]
        );
    }

    #[test]
    fn what_is_not_in_the_organization_is_an_error() {
        let known = BTreeSet::new();
        for (accounts, units, exclude) in [
            (&["555555555555"][..], &[][..], &[][..]),
            (&[], &["ou-1-empty"], &[]),
            (&[], &[], &["555555555555"]),
            (&[], &[], &["r-2"]),
        ] {
            let error = selection(accounts, units, exclude).apply(&organization(), &known).unwrap_err();
            assert!(matches!(error, SelectionError::Unknown(_)), "{error}");
        }
    }

    #[test]
    fn an_account_without_a_path_is_not_left_out_silently() {
        let accounts = [listed("1", "r-1/ou-1-prod/"), listed("2", "")];
        let none = BTreeSet::new();
        for selection in [selection(&[], &["ou-1-prod"], &[]), selection(&[], &[], &["ou-1-prod"])] {
            assert_eq!(selection.apply(&accounts, &none), Err(SelectionError::NoPath(TWO.to_owned())));
        }
        assert_eq!(selection(&[TWO], &[], &[]).apply(&accounts, &none).unwrap()[1], None);
    }

    #[test]
    fn an_account_that_is_listed_twice_is_usable_if_one_entry_says_so() {
        let entry = |state: &str, unit: &str| Listed { state: Some(state.to_owned()), ..listed("1", unit) };
        for (earlier, later, state) in [
            ("ACTIVE", "SUSPENDED", "ACTIVE"),
            ("SUSPENDED", "ACTIVE", "ACTIVE"),
            ("PENDING_CLOSURE", "CLOSED", "PENDING_CLOSURE"),
            ("PENDING_ACTIVATION", "ACTIVE", "ACTIVE"),
            ("ACTIVE", "PENDING_CLOSURE", "PENDING_CLOSURE"),
            ("SUSPENDED", "CLOSED", "CLOSED"),
        ] {
            let joined = entry(earlier, "r-1/ou-1-prod/").joined(entry(later, "r-1/"));
            assert_eq!(joined, entry(state, "r-1/"), "{earlier} {later}");
        }
    }

    const TABLE: &str = "
user           | password_enabled | mfa_active | access_key_1_active | access_key_1_last_rotated | access_key_2_active | access_key_2_last_rotated
<root_account> | true             | true       | false               | N/A                       | false               | N/A
alice          | true             | true       | true                | 2021-06-20T05:16:50Z      | false               | 2019-06-20T05:16:50Z
";

    fn audit(table: &str) -> Audit {
        let account = account(table);
        Audit::of(&account, evaluated(&account), Enrichment::default(), Vec::new(), Vec::new()).unwrap()
    }

    #[test]
    fn only_failing_and_unknown_findings_are_kept_and_all_are_counted() {
        let audit = audit(TABLE);
        assert!(audit.findings.iter().all(|finding| matches!(finding.status(), Status::Failed | Status::Unknown)));
        assert_eq!(audit.failing().count(), audit.counts.failed);
        assert_eq!(audit.findings.len(), audit.counts.failed + audit.counts.unknown);
        assert!(audit.counts.passed > 0);
        assert_eq!(audit.oldest_key.unwrap().to_string(), "2021-06-20 05:16:50 UTC");
    }

    #[test]
    fn an_account_of_which_nothing_was_read_is_not_audited() {
        let account = Account::unread(&"No answer.".into());
        let of = |errors: &[&str]| {
            let errors = errors.iter().map(|error| (*error).to_owned()).collect();
            Audit::of(&account, evaluated(&account), Enrichment::default(), errors, Vec::new()).unwrap_err()
        };
        assert_eq!(of(&[]), "No answer.");
        assert_eq!(of(&["it is refused", "again"]), "it is refused");
    }

    #[test]
    fn the_list_decides_what_was_audited() {
        let accounts = organization().into_iter().zip([None, None, Some("SUSPENDED".to_owned()), None]).collect();
        let results = BTreeMap::from([
            (ONE.to_owned(), Ok(audit(TABLE))),
            (TWO.to_owned(), Err("refused".to_owned())),
            ("333333333333".to_owned(), Ok(audit(TABLE))),
            ("999999999999".to_owned(), Ok(audit(TABLE))),
        ]);
        let names = BTreeMap::from([("ou-1-prod".to_owned(), "Production".to_owned())]);
        let organization = Organization::assembled(None, audit(TABLE).evaluated_at, true, accounts, &names, results);
        assert_eq!(organization.coverage(), Coverage { audited: 1, not_audited: 2, out_of_scope: 1 });
        assert_eq!(organization.members.len(), 4);
        assert!(matches!(&organization.members[3].outcome, Outcome::NotAudited(reason) if reason == NO_RESULT));
        assert_eq!(organization.members[1].organizational_unit.as_deref(), Some("Production"));
        assert_eq!(organization.worst_first().len(), 1);
    }

    #[test]
    fn the_root_user_is_described_by_what_the_summary_says() {
        let root = |access_keys, mfa, password, signing_certificates| {
            RootUser { access_keys, mfa, password, signing_certificates }.to_string()
        };
        let (yes, no) = (Some(true), Some(false));
        assert_eq!(root(None, None, None, None), "not known");
        assert_eq!(root(no, no, no, no), "no credentials");
        assert_eq!(root(yes, no, yes, no), "access keys, no MFA, password");
        assert_eq!(root(no, yes, None, yes), "MFA, password not known, certificates");
    }
}
