//! The result of a run: the response, the log line and the message for machines.

use std::collections::BTreeMap;

use hygiene::alert::Alert;
use hygiene::enrichment::Enrichment;
use hygiene::evaluate::{Counts, Evaluation};
use hygiene::finding::FindingJson;
use hygiene::outcome::Delivery;
use hygiene::text::escape;
use hygiene::time::to_seconds;
use hygiene::verdict::Status;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

/// The result of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// The account's 12 digits; `null` if they are unknown, or if there are several accounts.
    pub account_id: Option<String>,
    /// The account's display name; `null` if it has no name, or if there are several accounts.
    pub account_name: Option<String>,
    /// The partition.
    pub partition: String,
    /// The time of the credential report.
    pub report_generated_at: Option<String>,
    /// The number of verdicts by status.
    pub counts: Counts,
    /// Findings reported as new.
    pub new: usize,
    /// Findings reported as resolved.
    pub resolved: usize,
    /// Findings open after the run, including new and suppressed ones.
    pub open: usize,
    /// Findings imported into Security Hub, including closed ones.
    pub imported: usize,
    /// The delivery of the alert.
    pub alert: Delivery,
    /// The errors, in the order of the steps.
    pub errors: Vec<String>,
    /// In a dry run all findings, in an alert the reported ones, in the contract's JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub findings: Option<Vec<Box<RawValue>>>,
    /// The number of findings that did not fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncated: Option<usize>,
    /// In an alert the reported closed findings, worst first, in the contract's JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed: Option<Vec<Box<RawValue>>>,
    /// The number of closed findings that did not fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_truncated: Option<usize>,
}

impl Summary {
    /// The summary of all accounts' alerts, if any; `imported` is the number of findings imported so far.
    pub fn of(alerts: &[Alert<'_>], imported: usize, delivery: Delivery) -> Option<Self> {
        let (first, others) = alerts.split_first()?;
        let mut summary = Self::new(first, imported, delivery);
        for alert in others {
            let Self { new, resolved, open, errors, counts, report_generated_at, .. } = Self::new(alert, 0, delivery);
            summary.account_id = None;
            summary.account_name = None;
            summary.report_generated_at = summary.report_generated_at.min(report_generated_at);
            summary.counts = summary.counts + counts;
            summary.new += new;
            summary.resolved += resolved;
            summary.open += open;
            summary.errors.extend(errors);
        }
        Some(summary)
    }

    /// The summary of one account's alert; `imported` is the number of findings imported so far.
    pub fn new(alert: &Alert<'_>, imported: usize, delivery: Delivery) -> Self {
        let decision = alert.decision;
        Self {
            account_id: decision.account_id.clone(),
            account_name: decision.account_name.clone(),
            partition: decision.partition.clone(),
            report_generated_at: decision.report_generated_at.map(to_seconds),
            counts: decision.counts,
            new: alert.new.len(),
            resolved: alert.resolved.len(),
            open: decision.open(),
            imported,
            alert: delivery,
            errors: alert.errors.clone(),
            findings: None,
            truncated: None,
            closed: None,
            closed_truncated: None,
        }
    }

    /// Logs one line at INFO: the summary without findings, which have user names.
    pub fn log(&self) {
        let account_name = self.account_name.as_deref().map(|name| escape(name).into_owned());
        let summary = Self { findings: None, account_name, ..self.clone() };
        let summary = serde_json::to_string(&summary).unwrap_or_default();
        tracing::info!(summary, "Run finished.");
    }
}

/// Lambda limits a response to 6 MB; this leaves room for the rest.
const MAX_RESPONSE_BYTES: usize = 5_500_000;

/// The findings of the evaluation in the contract's JSON, and the number of those that do not fit into a response.
/// Failing and UNKNOWN findings come before passing ones.
pub fn findings(evaluation: &Evaluation, enrichment: &Enrichment) -> (Vec<Box<RawValue>>, usize) {
    let account = evaluation.account_id.as_deref();
    let mut order: Vec<usize> = (0..evaluation.findings.len()).collect();
    order.sort_by_key(|place| match evaluation.findings[*place].status() {
        Status::Failed => 0,
        Status::Unknown => 1,
        Status::Passed | Status::NotApplicable => 2,
    });
    let mut left = MAX_RESPONSE_BYTES;
    let mut kept = BTreeMap::new();
    for place in order {
        let finding = &evaluation.findings[place];
        let access_key_id = enrichment.access_key_id(finding);
        let Ok(finding) = to_raw_value(&FindingJson::new(finding, account, access_key_id)) else { break };
        let Some(rest) = left.checked_sub(finding.get().len() + 1) else { break };
        left = rest;
        kept.insert(place, finding);
    }
    let truncated = evaluation.findings.len() - kept.len();
    (kept.into_values().collect(), truncated)
}
