//! The answer of a run, which is also its log line.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use hygiene::evaluate::{Counts, Evaluation};
use hygiene::finding::{FindingJson, Status};
use serde::Serialize;
use serde_json::Value;

/// What a run did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The account's 12 digits; `null` when they could not be found out.
    pub account_id: Option<String>,
    /// The partition.
    pub partition: String,
    /// When the credential report was made.
    pub report_generated_at: Option<String>,
    /// How many verdicts there are of each status.
    pub counts: Counts,
    /// Findings told as new.
    pub new: usize,
    /// Findings told as resolved.
    pub resolved: usize,
    /// Findings open after the run, new ones and suppressed ones included.
    pub open: usize,
    /// Findings written to Security Hub, closed ones included.
    pub imported: usize,
    /// What became of the alert.
    pub alert: AlertState,
    /// What went wrong, in the order of the steps.
    pub errors: Vec<String>,
    /// In a dry run every verdict; in an alert those that are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub findings: Option<Vec<Value>>,
    /// How many findings there was no room for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncated: Option<usize>,
}

/// What became of the alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// It was sent.
    Sent,
    /// There was nothing to tell.
    NotNeeded,
    /// No topic is set.
    Off,
    /// It could not be sent; the next run tells it.
    Failed,
}

impl Summary {
    /// The summary of an evaluation on which nothing was done yet.
    pub fn new(evaluation: &Evaluation) -> Self {
        Self {
            account_id: evaluation.account_id.clone(),
            partition: evaluation.partition.clone(),
            report_generated_at: evaluation.report_generated_at.map(timestamp),
            counts: evaluation.counts(),
            new: 0,
            resolved: 0,
            open: 0,
            imported: 0,
            alert: AlertState::NotNeeded,
            errors: Vec::new(),
            findings: None,
            truncated: None,
        }
    }

    /// The run's one line at INFO: all of the summary but the findings, which name users.
    pub fn log(&self) {
        let summary = Self { findings: None, ..self.clone() };
        let summary = serde_json::to_string(&summary).unwrap_or_default();
        tracing::info!(summary, "Run finished.");
    }
}

/// Lambda answers 6 MB at the most; this leaves room for the rest.
const ANSWER_BYTES: usize = 5_500_000;

/// The verdicts of the evaluation as the contract's JSON, and how many there is no room for in an answer: what fails and what
/// could not be judged is kept before what passes.
pub fn findings(evaluation: &Evaluation) -> (Vec<Value>, usize) {
    let account = evaluation.account_id.as_deref();
    let mut order: Vec<usize> = (0..evaluation.findings.len()).collect();
    order.sort_by_key(|place| match evaluation.findings[*place].status {
        Status::Failed => 0,
        Status::Unknown => 1,
        Status::Passed | Status::NotApplicable => 2,
    });
    let mut left = ANSWER_BYTES;
    let mut kept = BTreeMap::new();
    for place in order {
        let Ok(finding) = serde_json::to_value(FindingJson::new(&evaluation.findings[place], account)) else { break };
        let Some(rest) = left.checked_sub(finding.to_string().len() + 1) else { break };
        left = rest;
        kept.insert(place, finding);
    }
    let truncated = evaluation.findings.len() - kept.len();
    (kept.into_values().collect(), truncated)
}

fn timestamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
