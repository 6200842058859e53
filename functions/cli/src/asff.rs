//! The findings that the function would import into Security Hub.

use std::io::{self, Write};

use aws::asff::Asff;
use aws::product::Product;
use hygiene::decide::decide;
use hygiene::decision::{AlertOn, AlertRules};
use hygiene::enrichment::Enrichment;
use hygiene::evaluate::Evaluation;
use hygiene::memory::Memory;
use hygiene::verdict::Severity;

/// The format requires the account's number, which is not known.
#[derive(Debug, thiserror::Error)]
#[error("--format asff needs the account's number, which the root user's row of the credential report has")]
pub struct NoAccount;

/// The product, account and region of the findings.
///
/// # Errors
///
/// When the account is not known.
pub fn product(
    evaluation: &Evaluation,
    region: Option<&str>,
    note: &mut dyn FnMut(&str),
) -> Result<Product, NoAccount> {
    let account_id = evaluation.account_id.clone().ok_or(NoAccount)?;
    let partition = evaluation.partition.clone();
    let region = region.unwrap_or_else(|| {
        let home = home(&partition);
        note(&format!("no --region was given, so the findings are for the Security Hub of {home}"));
        home
    });
    Ok(Product { region: region.to_owned(), account_id, partition })
}

/// Writes the imports of a first run, without memory, as a JSON list. `aws securityhub batch-import-findings
/// --findings` takes up to a hundred of them at a time.
pub fn write(evaluation: Evaluation, enrichment: &Enrichment, product: &Product, to: &mut dyn Write) -> io::Result<()> {
    let rules = AlertRules { on: AlertOn::Changes, min_severity: Severity::Informational };
    let decision = decide(evaluation, Memory::Off, enrichment, rules);
    let mut separator = "[\n";
    for failing in &decision.failing {
        to.write_all(separator.as_bytes())?;
        serde_json::to_writer(&mut *to, &Asff::failing(failing, &failing.record, product, decision.evaluated_at))?;
        separator = ",\n";
    }
    to.write_all(if separator == "[\n" { b"[]\n" } else { b"\n]\n" })
}

/// IAM's home region in a partition, the default region of its findings.
fn home(partition: &str) -> &'static str {
    match partition {
        "aws-cn" => "cn-north-1",
        "aws-us-gov" => "us-gov-west-1",
        _ => "us-east-1",
    }
}
