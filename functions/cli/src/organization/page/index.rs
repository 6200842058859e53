//! The data of the rows, by column: a list for each column has no keys to repeat for each of ten thousand accounts.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use hygiene::check::Check;
use hygiene::finding::Finding;
use hygiene::organization::{Audit, Member, Outcome, RootUser};
use hygiene::text::{capitalized, escape};
use hygiene::verdict::{Severity, Status};
use serde::Serialize;

use super::details::{Details, place};

/// The severities of failing findings, worst first, and after them UNKNOWN.
const SEVERITIES: usize = Severity::ALL.len() + 1;

/// The place of the finding's severity among those: its own if it fails, otherwise UNKNOWN's.
pub(super) fn severity(finding: &Finding) -> usize {
    let severities = Severity::ALL.iter().rev();
    let place = || severities.clone().position(|severity| *severity == finding.severity());
    if finding.status() == Status::Failed { place().unwrap_or_default() } else { SEVERITIES - 1 }
}

/// The data of the rows. Texts that many accounts share are in lists of their own.
#[derive(Serialize)]
pub(super) struct Index<'a> {
    severities: Vec<&'static str>,
    /// Id and title.
    checks: Vec<(&'static str, &'static str)>,
    /// By name, so that their places are the order of sorting.
    units: Vec<Cow<'a, str>>,
    /// Worst first.
    roots: Vec<String>,
    reasons: Vec<String>,
    /// The accounts, worst first.
    accounts: Accounts<'a>,
}

/// A list for each column, all in the order of the accounts.
#[derive(Serialize, Default)]
struct Accounts<'a> {
    id: Vec<Cow<'a, str>>,
    name: Vec<Option<Cow<'a, str>>>,
    unit: Vec<Option<usize>>,
    coverage: Vec<State>,
    reason: Vec<Option<usize>>,
    /// The number of findings by severity.
    counts: Vec<[usize; SEVERITIES]>,
    /// The check and the severity of each finding, each pair once, as one number: check × the number of severities + severity.
    found: Vec<BTreeSet<usize>>,
    root: Vec<Option<usize>>,
    key: Vec<Key>,
    /// The age of the oldest key in days.
    days: Vec<Option<i64>>,
    /// The chunk, the line and the number of subjects of the details.
    details: Vec<(usize, usize, usize)>,
}

/// What became of an account.
#[derive(Serialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum State {
    Audited,
    /// It was audited, and a source, row or cell could not be read.
    Incomplete,
    NotAudited,
    OutOfScope,
}

/// When the oldest active access key was created: a date, or why it is missing.
#[derive(Serialize)]
#[serde(untagged)]
enum Key {
    Created(String),
    None(&'static str),
}

impl<'a> Index<'a> {
    pub(super) fn of(members: &[&'a Member], details: &Details, checks: &[&'static Check]) -> Self {
        let (units, unit) =
            table(members, |member| member.organizational_unit.as_deref(), |name| (name.to_lowercase(), *name));
        let (reasons, reason) = table(members, |member| why(&member.outcome), |reason| *reason);
        let (roots, root) = table(members, |member| member.audit().map(|audit| audit.root), |root| badness(*root));
        let mut accounts = Accounts { unit, reason, root, ..Accounts::default() };
        for (member, at) in members.iter().zip(&details.places) {
            let audit = member.audit();
            let findings = || audit.into_iter().flat_map(|audit| &audit.findings);
            let mut counts = [0; SEVERITIES];
            for finding in findings() {
                counts[severity(finding)] += 1;
            }
            let pair = |finding: &Finding| place(finding, checks) * SEVERITIES + severity(finding);
            accounts.id.push(escape(&member.listed.id));
            accounts.name.push(member.listed.name.as_deref().filter(|name| !name.is_empty()).map(escape));
            accounts.coverage.push(State::of(&member.outcome));
            accounts.counts.push(counts);
            accounts.found.push(findings().map(pair).collect());
            accounts.key.push(Key::of(audit));
            accounts.days.push(audit.and_then(|audit| Some((audit.evaluated_at - audit.oldest_key?).num_days())));
            accounts.details.push((at.chunk, at.line, at.subjects));
        }
        let labels = Severity::ALL.into_iter().rev().map(Severity::label);
        Self {
            severities: labels.chain([Status::Unknown.label()]).collect(),
            checks: checks.iter().map(|check| (check.id, check.title)).collect(),
            units: units.into_iter().map(escape).collect(),
            roots: roots.iter().map(RootUser::to_string).collect(),
            reasons: reasons.into_iter().map(|reason| capitalized(&escape(reason))).collect(),
            accounts,
        }
    }

    /// JSON for an element of HTML: without `<`, nothing in it can end the element.
    pub(super) fn to_json(&self) -> String {
        // A struct of strings, numbers and lists can be serialized.
        serde_json::to_string(self).unwrap_or_default().replace('<', "\\u003c")
    }
}

impl State {
    fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Audited(audit) if audit.is_incomplete => Self::Incomplete,
            Outcome::Audited(_) => Self::Audited,
            Outcome::NotAudited(_) => Self::NotAudited,
            Outcome::OutOfScope(_) => Self::OutOfScope,
        }
    }
}

impl Key {
    fn of(audit: Option<&Audit>) -> Self {
        match audit.map(|audit| (audit, audit.oldest_key)) {
            Some((_, Some(created))) => Self::Created(created.format("%Y-%m-%d").to_string()),
            Some((audit, None)) if audit.report_was_read && !audit.is_incomplete => Self::None("none"),
            Some((_, None)) | None => Self::None("not known"),
        }
    }
}

/// Why there are no findings.
fn why(outcome: &Outcome) -> Option<&str> {
    outcome.out_of_scope().or_else(|| outcome.not_audited())
}

/// The sort key of the root user, worst first: access keys weigh most, then the lack of MFA. What is not known is between what is
/// bad and what is good.
fn badness(root: RootUser) -> [u8; 4] {
    let RootUser { access_keys, mfa, password, signing_certificates } = root;
    if [access_keys, password, signing_certificates] == [Some(false); 3] {
        return [3; 4];
    }
    let place = |is_bad: Option<bool>| match is_bad {
        Some(true) => 0,
        None => 1,
        Some(false) => 2,
    };
    [place(access_keys), place(mfa.map(|mfa| !mfa)), place(signing_certificates), place(password)]
}

/// The distinct values in the order of their keys, and the place of each account's.
fn table<'a, T, K: Ord>(
    members: &[&'a Member],
    value: impl Fn(&'a Member) -> Option<T>,
    key: impl Fn(&T) -> K,
) -> (Vec<T>, Vec<Option<usize>>) {
    let values = members.iter().filter_map(|member| value(member));
    let values: BTreeMap<K, T> = values.map(|value| (key(&value), value)).collect();
    let places: BTreeMap<&K, usize> = values.keys().enumerate().map(|(place, key)| (key, place)).collect();
    let place = |member: &&'a Member| value(member).and_then(|value| places.get(&key(&value)).copied());
    let places = members.iter().map(place).collect();
    (values.into_values().collect(), places)
}
