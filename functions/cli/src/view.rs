//! The data to show, the same in every format.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use hygiene::account::Account;
use hygiene::enrichment::Enrichment;
use hygiene::evaluate::Evaluation;
use hygiene::finding::{Finding, FindingJson};
use hygiene::policy::Policy;
use hygiene::scripts::unused_keys;
use hygiene::subject::{Subject, SubjectId};
use hygiene::text::{age, cut, escape, moment};
use hygiene::verdict::{Severity, Status};

/// An account and the verdicts on it.
#[derive(Debug)]
pub struct View<'a> {
    /// The account.
    pub account: &'a Account,
    /// All verdicts.
    pub evaluation: &'a Evaluation,
    /// Additional data on their subjects.
    pub enrichment: &'a Enrichment,
    /// The limits.
    pub policy: &'a Policy,
    /// The account's display name. Untrusted text: escape it where it is shown.
    pub account_name: Option<&'a str>,
    /// The verdicts to show, in the evaluation's order.
    pub findings: Vec<&'a Finding>,
}

impl<'a> View<'a> {
    /// Selects the verdicts with these statuses.
    pub fn new(
        account: &'a Account,
        evaluation: &'a Evaluation,
        enrichment: &'a Enrichment,
        policy: &'a Policy,
        statuses: &[Status],
    ) -> Self {
        let findings = evaluation.findings.iter().filter(|finding| statuses.contains(&finding.status())).collect();
        Self { account, evaluation, enrichment, policy, account_name: None, findings }
    }

    /// The account's number.
    pub fn account_id(&self) -> Option<&str> {
        self.evaluation.account_id.as_deref()
    }

    /// The name of the account for display.
    pub fn name(&self) -> String {
        let account = self.account_id().unwrap_or("of unknown number");
        let partition = Some(self.evaluation.partition.as_str()).filter(|partition| *partition != "aws");
        let partition = partition.filter(|_| self.account_id().is_some());
        let beside: Vec<_> = self.account_name.into_iter().chain(partition).map(escape).collect();
        if beside.is_empty() {
            format!("AWS account {account}")
        } else {
            format!("AWS account {account} ({})", beside.join(", "))
        }
    }

    /// The verdicts to show, worst first, then root first.
    pub fn ordered(&self) -> Vec<&'a Finding> {
        ordered(&self.findings)
    }

    /// The group of a finding, in order: failures by severity, then UNKNOWN, then the others.
    pub fn group(finding: &Finding) -> (u8, Reverse<Option<Severity>>) {
        match finding.status() {
            Status::Failed => (0, Reverse(Some(finding.severity()))),
            Status::Unknown => (1, Reverse(None)),
            Status::Passed => (2, Reverse(None)),
            Status::NotApplicable => (3, Reverse(None)),
        }
    }

    /// The access keys that nobody uses, whichever verdicts are shown.
    pub fn unused_keys(&self) -> BTreeSet<SubjectId<'a>> {
        unused_keys(self.evaluation.findings.iter().filter(|finding| finding.status() == Status::Failed))
    }

    /// The subject of the finding, as short as possible.
    pub fn subject(finding: &Finding) -> String {
        match &*finding.subject {
            Subject::Root { .. } => "root user".to_owned(),
            Subject::Account => "account".to_owned(),
            Subject::User(user) => cut(&user.shown_name(), 64).into_owned(),
            Subject::AccessKey(key) => format!("{}, key {}", cut(&key.user.shown_name(), 64), key.slot),
            Subject::ServiceCredential(credential) => {
                format!("{}, credential {}", cut(&credential.user.shown_name(), 64), cut(&credential.id, 64))
            }
        }
    }

    /// The finding in the contract's JSON.
    pub fn json(&self, finding: &'a Finding) -> FindingJson<'a> {
        FindingJson::new(finding, self.account_id(), self.enrichment.access_key_id(finding))
    }

    /// The number of failing findings by severity, worst first, without zeros.
    pub fn failing(&self) -> Vec<(Severity, usize)> {
        let failing = |severity| {
            let fails = |finding: &&Finding| finding.status() == Status::Failed && finding.severity() == severity;
            (severity, self.evaluation.findings.iter().filter(fails).count())
        };
        Severity::ALL.into_iter().rev().map(failing).filter(|(_, count)| *count != 0).collect()
    }

    /// The sources and their age, one sentence per source.
    pub fn sources(&self) -> Vec<String> {
        let Account { report, summary, virtual_mfa_users, service_credentials, .. } = self.account;
        let report = match report {
            Ok(report) => match report.generated_time {
                Some(time) if time < self.evaluation.evaluated_at => {
                    let before = age(self.evaluation.evaluated_at - time);
                    format!("Credential report of {}, {before} before that.", moment(time))
                }
                Some(time) => format!("Credential report of {}.", moment(time)),
                None => match report.newest_time() {
                    Some(newest) => {
                        format!("Credential report of an unknown time; its newest date is {}.", moment(newest))
                    }
                    None => "Credential report of an unknown time, without a date in it.".to_owned(),
                },
            },
            Err(reason) => reason.to_string(),
        };
        let line = |read: Option<String>, name: &str| read.unwrap_or_else(|| format!("{name} read."));
        let summary = line(summary.as_ref().err().map(ToString::to_string), "Account summary");
        let devices = line(virtual_mfa_users.as_ref().err().map(ToString::to_string), "Virtual MFA devices");
        let credentials =
            line(service_credentials.as_ref().err().map(ToString::to_string), "Service-specific credentials");
        let mut sources = vec![report, summary, devices, credentials];
        sources.dedup();
        sources
    }
}

/// Findings, worst first, then root first.
pub(crate) fn ordered<'a>(findings: &[&'a Finding]) -> Vec<&'a Finding> {
    let mut findings = findings.to_vec();
    findings.sort_by_cached_key(|finding| (View::group(finding), finding.urgency()));
    findings
}
