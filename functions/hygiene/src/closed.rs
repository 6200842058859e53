//! A closed finding, serialized as the contract's JSON.

use std::cmp::Reverse;

use serde::Serialize;

use crate::alert::Alert;
use crate::decision::{CloseReason, Closing};
use crate::time::to_seconds;
use crate::verdict::Severity;

/// A closed finding in the machine-readable result.
#[derive(Debug, Serialize)]
pub struct ClosedJson<'a> {
    id: &'a str,
    check: &'a str,
    severity: Severity,
    title: &'a str,
    reason: &'static str,
    message: String,
    first_observed_at: String,
}

impl<'a> ClosedJson<'a> {
    /// The closed finding.
    pub fn new(Closing { stored, reason, .. }: &'a Closing) -> Self {
        Self {
            id: &stored.id,
            check: &stored.check,
            severity: stored.severity,
            title: &stored.title,
            reason: label(reason),
            message: reason.to_string(),
            first_observed_at: to_seconds(stored.open_since()),
        }
    }
}

/// The label in the contract's JSON.
fn label(reason: &CloseReason) -> &'static str {
    match reason {
        CloseReason::Passed(_) | CloseReason::InUse(_) => "passed",
        CloseReason::NotApplicable(_) => "not_applicable",
        CloseReason::Expired(_) => "expired",
        CloseReason::Gone(_) => "gone",
        // A key that is identified by its date again is not reported.
        CloseReason::NotChecked | CloseReason::KnownByDate => "not_checked",
    }
}

/// Every closed finding that is reported, worst first: resolved ones and those whose check is disabled or removed.
pub fn closed<'a>(alerts: &[Alert<'a>]) -> Vec<&'a Closing> {
    let mut closed: Vec<&Closing> =
        alerts.iter().flat_map(|alert| alert.resolved.iter().chain(&alert.unchecked)).copied().collect();
    closed.sort_by_key(|closing| (Reverse(closing.stored.severity), &closing.stored.id));
    closed
}
