//! The findings of each account, compressed in chunks: lines of JSON, for each account one line on the account and one for each
//! subject of its findings.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use hygiene::by_subject::{Owner, grouped};
use hygiene::check::Check;
use hygiene::evaluate::Counts;
use hygiene::finding::Finding;
use hygiene::organization::{Audit, Member, Outcome, select_account};
use hygiene::remediation::Remediation;
use hygiene::scripts::{Part, parts, unused_keys};
use hygiene::text::{capitalized, escape, moment};
use hygiene::verdict::Status;
use serde::Serialize;

use crate::view::View;

/// A chunk has at most this many accounts, and ends with the account that reaches this many findings: what is decompressed to show
/// one account stays small, unless the account itself is large.
const ACCOUNTS: usize = 100;
const FINDINGS: usize = 500;

/// The place of an account's lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) chunk: usize,
    /// The line on the account in the chunk, from 0.
    pub(super) line: usize,
    /// The number of lines after it, one for each subject.
    pub(super) subjects: usize,
}

/// The places of the accounts' lines, and the accounts of each chunk.
#[derive(Debug)]
pub(super) struct Details {
    pub(super) places: Vec<Place>,
    chunks: Vec<Range<usize>>,
}

impl Details {
    /// Assigns the accounts to chunks, in order.
    pub(super) fn of(members: &[&Member]) -> Self {
        let mut places = Vec::with_capacity(members.len());
        let mut chunks = Vec::new();
        let (mut start, mut line, mut findings) = (0, 0, 0);
        for (index, member) in members.iter().enumerate() {
            let subjects = member.audit().map_or(0, subjects);
            places.push(Place { chunk: chunks.len(), line, subjects });
            line += 1 + subjects;
            findings += member.audit().map_or(0, |audit| audit.findings.len());
            if index + 1 - start == ACCOUNTS || findings >= FINDINGS {
                chunks.push(start..index + 1);
                (start, line, findings) = (index + 1, 0, 0);
            }
        }
        if start != members.len() {
            chunks.push(start..members.len());
        }
        Self { places, chunks }
    }

    /// The chunks, each made when it is asked for: lines of JSON, gzip, base64.
    pub(super) fn chunks(&self, members: &[&Member], checks: &[&Check]) -> impl Iterator<Item = String> {
        self.chunks.iter().map(move |range| {
            let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
            let text = lines(&members[range.clone()], checks);
            // Writing to memory does not fail.
            let compressed = gzip.write_all(text.as_bytes()).and_then(|()| gzip.finish()).unwrap_or_default();
            STANDARD.encode(compressed)
        })
    }
}

fn subjects(audit: &Audit) -> usize {
    audit.findings.iter().map(|finding| Owner::of(&finding.subject)).collect::<BTreeSet<_>>().len()
}

/// An account.
#[derive(Serialize)]
struct Account<'a> {
    state: Option<Cow<'a, str>>,
    paths: Vec<Cow<'a, str>>,
    #[serde(flatten)]
    audit: Option<Audited<'a>>,
}

/// What was found out in an account that was audited.
#[derive(Serialize)]
struct Audited<'a> {
    partition: Cow<'a, str>,
    evaluated_at: String,
    report_generated_at: Option<String>,
    counts: Counts,
    errors: Vec<Cow<'a, str>>,
}

/// The root user, the account, or a user with the access keys and credentials.
#[derive(Serialize)]
struct Subject<'a> {
    name: String,
    findings: Vec<Found<'a>>,
    fixes: Vec<Fix>,
}

/// A finding. The place of the check is that in the index; the severity is that of the index.
#[derive(Serialize)]
struct Found<'a> {
    id: String,
    check: usize,
    severity: usize,
    on: String,
    message: Cow<'a, str>,
    evidence: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

/// Commands to copy, or steps in the console.
#[derive(Serialize)]
struct Fix {
    heading: String,
    text: String,
}

impl Fix {
    fn of(part: &Part, account_id: &str) -> Self {
        let text = match part.remediation {
            Remediation::Shell(_) => format!("{}\n{}", select_account(account_id), part.remediation),
            Remediation::Console { .. } => format!("Sign in to account {account_id}.\n{}", part.remediation),
        };
        Self { heading: part.heading(), text }
    }
}

fn lines(members: &[&Member], checks: &[&Check]) -> String {
    let mut text = String::new();
    let mut line = |value: Result<String, serde_json::Error>| {
        // A struct of strings, numbers and lists can be serialized.
        text.push_str(&value.unwrap_or_default());
        text.push('\n');
    };
    for member in members {
        line(serde_json::to_string(&account(member)));
        for subject in member.audit().map(|audit| found(member, audit, checks)).unwrap_or_default() {
            line(serde_json::to_string(&subject));
        }
    }
    text
}

fn account(member: &Member) -> Account<'_> {
    let audited = |audit: &'_ Audit| Audited {
        partition: Cow::Owned(escape(&audit.partition).into_owned()),
        evaluated_at: moment(audit.evaluated_at),
        report_generated_at: audit.report_generated_at.map(moment),
        counts: audit.counts,
        errors: audit.errors.iter().chain(&audit.notes).map(|error| Cow::Owned(escape(error).into_owned())).collect(),
    };
    Account {
        state: member.listed.state.as_deref().map(escape),
        paths: member.listed.paths.iter().map(|path| escape(path)).collect(),
        audit: match &member.outcome {
            Outcome::Audited(audit) => Some(audited(audit)),
            Outcome::OutOfScope(_) | Outcome::NotAudited(_) => None,
        },
    }
}

/// The subjects with findings: the root user first, then the one with the worst finding.
fn found<'a>(member: &'a Member, audit: &'a Audit, checks: &[&Check]) -> Vec<Subject<'a>> {
    let account_id = &member.listed.id;
    let unused = unused_keys(audit.failing());
    let mut groups = grouped(&audit.findings, |finding| *finding);
    for group in &mut groups {
        group.findings.sort_by_key(|finding| View::group(finding));
    }
    groups.sort_by_key(|group| (group.owner != Owner::Root, group.findings.first().map(|worst| View::group(worst))));
    let subject = |group: &hygiene::by_subject::Group<'a, &'a Finding>| {
        let failing = group.findings.iter().filter(|finding| finding.status() == Status::Failed);
        let with_key_ids = failing.map(|finding| (*finding, audit.enrichment.access_key_id(finding)));
        Subject {
            name: capitalized(&group.owner.to_string()),
            fixes: parts(with_key_ids, &unused).iter().map(|part| Fix::of(part, account_id)).collect(),
            findings: group.findings.iter().map(|finding| one(finding, account_id, audit, checks)).collect(),
        }
    };
    groups.iter().map(subject).collect()
}

fn one<'a>(finding: &'a Finding, account_id: &str, audit: &'a Audit, checks: &[&Check]) -> Found<'a> {
    let key = audit.enrichment.access_key_id(finding).map(|id| (Cow::Borrowed("access key id"), escape(id)));
    let evidence = finding.evidence().iter().map(|fact| (Cow::Borrowed(&*fact.name), escape(&fact.value)));
    Found {
        id: escape(&finding.id(Some(account_id)).to_string()).into_owned(),
        check: place(finding, checks),
        severity: super::index::severity(finding),
        on: View::subject(finding),
        message: escape(finding.message()),
        evidence: key.into_iter().chain(evidence).collect(),
    }
}

/// The place of the finding's check among the checks of the page.
pub(super) fn place(finding: &Finding, checks: &[&Check]) -> usize {
    checks.iter().position(|check| **check == *finding.check).unwrap_or_default()
}
