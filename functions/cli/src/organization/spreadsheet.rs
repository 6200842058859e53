//! CSV: first the accounts in scope that were not audited, then the findings.

use std::io::{self, Write};

use hygiene::organization::{Member, Organization, Outcome};

use crate::organization::json::reason;
use crate::spreadsheet::{HEADER, Judged, cells, write_row};

/// The columns before those of a finding. Both have the account's number.
const ACCOUNT: [&str; 5] = ["account_id", "account_name", "organizational_unit", "audited", "reason"];
const ACCOUNT_ID: &str = "account_id";

fn row(member: &Member, finding: Option<Vec<String>>) -> Vec<String> {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let audited = member.audit().is_some().to_string();
    let account = [
        member.listed.id.clone(),
        text(member.listed.name.as_deref()),
        text(member.organizational_unit.as_deref()),
        audited,
        reason(member).unwrap_or_default(),
    ];
    let cells = finding.unwrap_or_else(|| vec![String::new(); HEADER.len()]);
    let others = HEADER.iter().zip(cells).filter(|(name, _)| **name != ACCOUNT_ID).map(|(_, cell)| cell);
    account.into_iter().chain(others).collect()
}

/// Writes the rows.
pub(crate) fn write(organization: &Organization, to: &mut dyn Write) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(to);
    let header = ACCOUNT.iter().chain(HEADER.iter().filter(|name| **name != ACCOUNT_ID));
    write_row(&mut writer, &header.map(|name| (*name).to_owned()).collect::<Vec<_>>())?;
    for member in &organization.members {
        if let Outcome::NotAudited(_) = member.outcome {
            write_row(&mut writer, &row(member, None))?;
        }
    }
    for (member, audit) in organization.members.iter().filter_map(|member| Some((member, member.audit()?))) {
        let judged = Judged {
            account_id: Some(&member.listed.id),
            enrichment: &audit.enrichment,
            evaluated_at: audit.evaluated_at,
            report_generated_at: audit.report_generated_at,
        };
        for finding in &audit.findings {
            write_row(&mut writer, &row(member, Some(cells(finding, &judged).to_vec())))?;
        }
    }
    writer.flush()
}
