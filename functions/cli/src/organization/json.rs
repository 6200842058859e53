//! The contract's JSON of an organization. `functions/cli/organization.schema.json` describes it.

use std::io::{self, Write};

use chrono::{DateTime, Utc};
use hygiene::evaluate::Counts;
use hygiene::finding::FindingJson;
use hygiene::organization::{Member, Organization, Outcome};
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

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the contract's names")]
struct Account<'a> {
    account_id: &'a str,
    name: Option<&'a str>,
    state: Option<&'a str>,
    path: Option<&'a str>,
    organizational_unit: Option<&'a str>,
    in_scope: bool,
    why: Option<&'a str>,
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
    let why = match &member.outcome {
        Outcome::OutOfScope(why) => Some(why.as_str()),
        Outcome::NotAudited(_) | Outcome::Audited(_) => None,
    };
    Account {
        account_id: &member.listed.id,
        name: member.listed.name.as_deref(),
        state: member.listed.state.as_deref(),
        path: member.listed.path(),
        organizational_unit: member.organizational_unit.as_deref(),
        in_scope: why.is_none(),
        why,
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
