//! The contract's JSON of an organization. `functions/cli/organization.schema.json` describes it.

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use hygiene::evaluate::Counts;
use hygiene::finding::FindingJson;
use hygiene::organization::{Listed, Member, Organization, Outcome};
use serde::{Serialize, Serializer};

use crate::json::write_lines;

#[derive(Serialize)]
struct Document<'a> {
    organization_id: Option<&'a str>,
    evaluated_at: DateTime<Utc>,
    partial: bool,
    accounts: Vec<Account<'a>>,
    findings: Each<'a>,
}

/// An account as it is listed, and whether it is in scope.
#[derive(Serialize)]
pub(crate) struct ListedJson<'a> {
    pub(crate) account_id: &'a str,
    pub(crate) name: Option<&'a str>,
    pub(crate) state: Option<&'a str>,
    pub(crate) path: Option<&'a str>,
    pub(crate) organizational_unit: Option<&'a str>,
    pub(crate) in_scope: bool,
    pub(crate) why: Option<&'a str>,
}

impl<'a> ListedJson<'a> {
    pub(crate) fn new(listed: &'a Listed, organizational_unit: Option<&'a str>, why: Option<&'a str>) -> Self {
        Self {
            account_id: &listed.id,
            name: listed.name.as_deref(),
            state: listed.state.as_deref(),
            path: listed.path(),
            organizational_unit,
            in_scope: why.is_none(),
            why,
        }
    }
}

#[derive(Serialize)]
struct Account<'a> {
    #[serde(flatten)]
    listed: ListedJson<'a>,
    audited: bool,
    reason: Option<String>,
    counts: Option<Counts>,
}

/// A finding with its account.
#[derive(Serialize)]
struct OfAccount<'a> {
    account_id: &'a str,
    account_name: Option<&'a str>,
    organizational_unit: Option<&'a str>,
    #[serde(flatten)]
    finding: FindingJson<'a>,
}

/// Serializes the findings one at a time: a list of all of them would be the largest object in memory.
struct Each<'a>(&'a Organization);

impl Serialize for Each<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let audited = self.0.members.iter().filter_map(|member| Some((member, member.audit()?)));
        serializer.collect_seq(audited.flat_map(|(member, audit)| {
            audit.findings.iter().map(move |finding| OfAccount {
                account_id: &member.listed.id,
                account_name: member.listed.name.as_deref(),
                organizational_unit: member.organizational_unit.as_deref(),
                finding: FindingJson::new(finding, Some(&member.listed.id), audit.enrichment.access_key_id(finding)),
            })
        }))
    }
}

/// Why the account was not audited; of an audited one, what could not be read, and other errors.
pub(crate) fn reason(member: &Member) -> Option<String> {
    match &member.outcome {
        Outcome::OutOfScope(_) => None,
        Outcome::NotAudited(reason) => Some(reason.clone()),
        Outcome::Audited(audit) => {
            let errors: Vec<&str> = audit.errors.iter().chain(&audit.notes).map(String::as_str).collect();
            Some(errors.join("; ")).filter(|errors| !errors.is_empty())
        }
    }
}

fn account(member: &Member) -> Account<'_> {
    Account {
        listed: ListedJson::new(&member.listed, member.organizational_unit.as_deref(), member.outcome.out_of_scope()),
        audited: member.audit().is_some(),
        reason: reason(member),
        counts: member.audit().map(|audit| audit.counts),
    }
}

/// Writes coverage, then the findings, one per line.
pub(crate) fn write(organization: &Organization, to: &mut dyn Write) -> io::Result<()> {
    let document = Document {
        organization_id: organization.id.as_deref(),
        evaluated_at: organization.evaluated_at,
        partial: organization.partial,
        accounts: organization.members.iter().map(account).collect(),
        findings: Each(organization),
    };
    write_lines(&document, to)
}
