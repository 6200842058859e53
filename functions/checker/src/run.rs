//! A run: collect and recall, evaluate, reconcile, publish, alert, mark, close.
//!
//! The order is what keeps the promises. Findings are written before people are told, so that a link in the mail leads
//! somewhere; they are marked as told only after the message is out, and closed after that: a crash anywhere repeats an
//! alert rather than losing one.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use aws_sdk_securityhub::types::WorkflowStatus;
use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;
use hygiene::alert::{Alert, Hub};
use hygiene::evaluate::{Evaluation, evaluate};
use hygiene::finding::Status;
use hygiene::reconcile::{Failing, Plan, Reason, Standing, reconcile};
use hygiene::text::{counted, inert};
use lambda_runtime::Diagnostic;
use tokio::time::Instant;

use crate::access_keys;
use crate::asff;
use crate::aws::Clients;
use crate::cause::chain;
use crate::collect::collect;
use crate::config::Config;
use crate::notify;
use crate::patience::Deadlines;
use crate::publish::{Batch, Imported, Publisher};
use crate::recall::{Recall, RecallError, Recalled, Scope};
use crate::summary::{AlertState, Summary, findings};

/// A step of a run that can fail it. The names are public: alarms and automation match on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A source could not be read.
    Collect,
    /// Our findings in Security Hub could not be read.
    Recall,
    /// A finding could not be written.
    Import,
    /// The alert could not be sent.
    Alert,
}

/// A run that did all it could, and failed all the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .causes.join("\n"))]
pub struct RunError {
    /// The first step that failed.
    pub step: Step,
    /// Everything that went wrong, with every cause.
    pub causes: Vec<String>,
}

impl From<RunError> for Diagnostic {
    fn from(error: RunError) -> Self {
        Self { error_type: error.step.name().to_owned(), error_message: error.to_string() }
    }
}

/// The `errorType` of a run that panicked. The names of types that Lambda's runtime would give it are no interface.
const PANIC: &str = "Panic";

/// Runs, and makes an error of a panic, so that it is counted, kept and alarmed like any other.
///
/// # Errors
///
/// The run's own, and a panic's.
pub async fn guarded(run: impl Future<Output = Result<Summary, RunError>>) -> Result<Summary, Diagnostic> {
    let panic = match AssertUnwindSafe(run).catch_unwind().await {
        Ok(done) => return done.map_err(Diagnostic::from),
        Err(panic) => panic,
    };
    let message = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    let error_message = format!("the run panicked: {}", inert(message.unwrap_or("it is not said why")));
    tracing::error!(error = error_message, "The run panicked.");
    Err(Diagnostic { error_type: PANIC.to_owned(), error_message })
}

impl Step {
    /// The function's `errorType`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Collect => "Collect",
            Self::Recall => "Recall",
            Self::Import => "Import",
            Self::Alert => "Alert",
        }
    }
}

/// What goes wrong, in the order of the steps.
#[derive(Debug, Default)]
struct Problems {
    failed: Option<Step>,
    errors: Vec<String>,
    untold: u64,
}

/// More errors are counted, not told: they are in every part of the message.
const ERRORS: usize = 25;

impl Problems {
    fn fail(&mut self, step: Step, error: String) {
        self.failed.get_or_insert(step);
        self.note(error);
    }

    /// Worth telling, but it fails nothing.
    fn note(&mut self, error: String) {
        tracing::warn!(error, "Something went wrong.");
        if self.errors.len() < ERRORS {
            self.errors.push(error);
        } else {
            self.untold += 1;
        }
    }

    fn list(&self) -> Vec<String> {
        let rest = (0 < self.untold).then(|| format!("and {}, in the log", counted(self.untold, "more error")));
        self.errors.iter().cloned().chain(rest).collect()
    }
}

/// What Lambda says of an invocation.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The time of the run.
    pub now: DateTime<Utc>,
    /// What is left of the function's time limit.
    pub left: Duration,
    /// Whether only to say what would be told.
    pub dry_run: bool,
    /// The function's own ARN.
    pub function_arn: String,
}

/// Checks the account once.
///
/// # Errors
///
/// When a source could not be read, a finding not written, or the alert not sent; whatever could be done is done then. A dry
/// run always answers.
pub async fn run(clients: &Clients, config: &Config, invocation: &Invocation) -> Result<Summary, RunError> {
    let deadlines = Deadlines::within(invocation.left);
    let mut problems = Problems::default();

    let (collected, early) = tokio::join!(
        collect(clients, deadlines.collect, deadlines.recall),
        Box::pin(recall_early(clients, config, invocation, &deadlines))
    );
    for error in &collected.errors {
        problems.fail(Step::Collect, chain(error));
    }
    let mut evaluation = evaluate(&collected.snapshot, &config.policy, &config.disabled_checks, invocation.now);
    drop(collected);

    let memory = remember(clients, config, &evaluation, early, &deadlines, &mut problems).await;
    for error in access_keys::name(&clients.iam, &mut evaluation, &memory.stored, deadlines.name).await {
        problems.note(error);
    }
    let plan = reconcile(&evaluation, &memory.stored, &config.disabled_checks);
    tracing::debug!(%plan, "Planned.");

    let mut run = Run { clients, config, evaluation: &evaluation, plan: &plan, memory: &memory, deadlines, problems };
    let summary = if invocation.dry_run { run.rehearse() } else { run.perform().await };
    summary.log();
    match run.problems.failed {
        Some(step) if !invocation.dry_run => Err(RunError { step, causes: run.problems.list() }),
        Some(_) | None => Ok(summary),
    }
}

/// What is known of earlier runs.
struct Memory {
    hub: Hub,
    /// Where findings go; none: nowhere.
    scope: Option<Scope>,
    stored: Recalled,
}

/// Our open findings, which were asked for while the report was read.
struct Early<'a> {
    recall: Recall<'a>,
    open: Result<Recalled, RecallError>,
}

/// Asks for our findings before the report says whose they are, which saves a round trip: a function's account is in its ARN.
async fn recall_early<'a>(
    clients: &'a Clients,
    config: &Config,
    invocation: &Invocation,
    deadlines: &Deadlines,
) -> Option<Early<'a>> {
    let mut arn = invocation.function_arn.splitn(6, ':').skip(1);
    let (partition, account_id) = (arn.next()?.to_owned(), arn.nth(2)?.to_owned());
    if !config.security_hub {
        return None;
    }
    let recall = Recall::new(&clients.security_hub, Scope { account_id, partition, region: clients.region.clone() });
    let open = recall.open(deadlines.recall).await;
    Some(Early { recall, open })
}

async fn remember(
    clients: &Clients,
    config: &Config,
    evaluation: &Evaluation,
    early: Option<Early<'_>>,
    deadlines: &Deadlines,
    problems: &mut Problems,
) -> Memory {
    let nothing = |hub| Memory { hub, scope: None, stored: Recalled::new() };
    if !config.security_hub {
        return nothing(Hub::Off);
    }
    let Some(account_id) = evaluation.account_id.clone() else {
        problems.fail(Step::Recall, chain(&RecallError::NoAccount));
        return nothing(Hub::Unread);
    };
    let scope = Scope { account_id, partition: evaluation.partition.clone(), region: clients.region.clone() };
    let early = match early {
        Some(early) if *early.recall.scope() == scope => early,
        // On somebody's machine the function's ARN is made up.
        Some(_) | None => {
            let recall = Recall::new(&clients.security_hub, scope.clone());
            let open = recall.open(deadlines.recall).await;
            Early { recall, open }
        }
    };
    match with_reopened(early, evaluation, deadlines).await {
        Ok(stored) => Memory { hub: Hub::Read { region: scope.region.clone() }, scope: Some(scope), stored },
        Err(error) => {
            problems.fail(Step::Recall, chain(&error));
            nothing(Hub::Unread)
        }
    }
}

/// The open findings, and what there is of those that fail and are not open.
async fn with_reopened(
    Early { recall, open }: Early<'_>,
    evaluation: &Evaluation,
    deadlines: &Deadlines,
) -> Result<Recalled, RecallError> {
    let mut stored = open?;
    let account = evaluation.account_id.as_deref();
    let failing = evaluation.findings.iter().filter(|finding| finding.status == Status::Failed);
    let not_open: Vec<String> =
        failing.map(|finding| finding.id(account)).filter(|id| !stored.contains_key(id)).collect();
    recall.reopened(&not_open, evaluation.evaluated_at, deadlines.recall, &mut stored).await?;
    Ok(stored)
}

struct Run<'a> {
    clients: &'a Clients,
    config: &'a Config,
    evaluation: &'a Evaluation,
    plan: &'a Plan<'a>,
    memory: &'a Memory,
    deadlines: Deadlines,
    problems: Problems,
}

impl<'a> Run<'a> {
    /// Says what a run would tell, and does nothing.
    fn rehearse(&self) -> Summary {
        let alert = self.alert(&BTreeMap::new());
        let (findings, truncated) = findings(self.evaluation);
        let truncated = Some(truncated).filter(|truncated| 0 < *truncated);
        let state = if self.config.topic_arn.is_some() { AlertState::NotNeeded } else { AlertState::Off };
        Summary { alert: state, findings: Some(findings), truncated, ..self.summary(&alert, 0) }
    }

    async fn perform(&mut self) -> Summary {
        let publisher = self.memory.scope.as_ref().map(|scope| Publisher::new(&self.clients.security_hub, scope));
        let mut imported = Imported::default();
        // Findings that cannot be marked as told: what is stored of them is not what is told.
        let mut unmarkable = BTreeSet::new();
        if let Some(publisher) = &publisher {
            let outdated = self.renew(publisher).await;
            let kept: Vec<Failing<'_>> = outdated.iter().filter_map(|id| self.with_stored_evidence(id)).collect();
            let current = self.failing().filter(|failing| !outdated.contains(failing.id.as_str()));
            let all: Vec<&Failing<'_>> = current.chain(&kept).collect();
            let batch =
                Batch { items: &all, id: |item| &item.id, worded: |item, scope, now| asff::failing(item, scope, now) };
            imported = self.import("write", publisher, batch, self.deadlines.import).await;
            unmarkable = outdated;
            unmarkable.extend(
                self.failing().map(|failing| failing.id.as_str()).filter(|id| imported.failed.contains_key(*id)),
            );
        }

        let alert = self.alert(&imported.failed);
        let mut summary = self.summary(&alert, imported.count);
        summary.alert = self.tell(&alert, &summary).await;

        if let Some(publisher) = &publisher
            && summary.alert != AlertState::Failed
        {
            if summary.alert == AlertState::Sent {
                let told = alert.new.iter().map(|failing| failing.id.as_str()).filter(|id| !unmarkable.contains(id));
                let told: Vec<&str> = told.collect();
                self.mark(publisher, &told, &WorkflowStatus::Notified, self.deadlines.mark).await;
            }
            let closings = &self.plan.closings;
            let batch = Batch { items: closings, id: |item| &item.stored.id, worded: asff::closing };
            summary.imported += self.import("close", publisher, batch, self.deadlines.close).await.count;
        }
        summary.errors = self.problems.list();
        summary
    }

    fn failing(&self) -> impl Iterator<Item = &'a Failing<'a>> + use<'a> {
        self.plan.failing.iter()
    }

    fn with_stored_evidence(&self, id: &str) -> Option<Failing<'a>> {
        let failing = self.failing().find(|failing| failing.id == id)?;
        Some(failing.with_stored_evidence(self.memory.stored.get(id)?))
    }

    /// Sets the findings to NEW that have to be told again, before they are sent: were the new evidence stored first and the
    /// run cut short, no later run would see that it is new. Answers those whose stored evidence therefore has to stay.
    async fn renew(&mut self, publisher: &Publisher<'_>) -> BTreeSet<&'a str> {
        let ids: Vec<&str> =
            self.failing().filter(|failing| failing.renew).map(|failing| failing.id.as_str()).collect();
        let failed = self.mark(publisher, &ids, &WorkflowStatus::New, self.deadlines.renew).await;
        let has_evidence = |failing: &&Failing<'_>| matches!(failing.standing, Standing::New(Reason::NewEvidence(_)));
        let outdated = self.failing().filter(|failing| failed.contains(&failing.id)).filter(has_evidence);
        outdated.map(|failing| failing.id.as_str()).collect()
    }

    async fn import<T>(
        &mut self,
        verb: &str,
        publisher: &Publisher<'_>,
        batch: Batch<'_, T>,
        until: Instant,
    ) -> Imported {
        let imported = publisher.import(batch, self.evaluation.evaluated_at, until).await;
        for (reason, count) in tally(imported.failed.values()) {
            let findings = counted(count, "finding");
            self.problems.fail(Step::Import, format!("could not {verb} {findings} in Security Hub: {reason}"));
        }
        imported
    }

    /// Tells people, if there is something to tell.
    async fn tell(&mut self, alert: &Alert<'_>, summary: &Summary) -> AlertState {
        let Some(topic) = &self.config.topic_arn else { return AlertState::Off };
        if !alert.is_due() {
            return AlertState::NotNeeded;
        }
        let sent = Summary { alert: AlertState::Sent, ..summary.clone() };
        let message = notify::message(alert, &sent);
        match notify::publish(&self.clients.sns, topic, &message, self.deadlines.alert).await {
            Ok(()) => AlertState::Sent,
            Err(error) => {
                self.problems.fail(Step::Alert, chain(&error));
                AlertState::Failed
            }
        }
    }

    /// Marks findings; answers those that could not be.
    async fn mark(
        &mut self,
        publisher: &Publisher<'_>,
        ids: &[&str],
        status: &WorkflowStatus,
        until: Instant,
    ) -> BTreeSet<String> {
        let unmarked = publisher.mark(ids, status, until).await;
        for (reason, count) in tally(unmarked.values()) {
            let findings = counted(count, "finding");
            self.problems.note(format!("could not mark {findings} {} in Security Hub: {reason}", status.as_str()));
        }
        unmarked.into_keys().collect()
    }

    fn alert(&self, unwritten: &BTreeMap<String, String>) -> Alert<'a> {
        let source_failed = self.problems.failed == Some(Step::Collect);
        let errors = self.problems.list();
        let hub = self.memory.hub.clone();
        Alert::new(self.evaluation, self.plan, self.config.alert, hub, unwritten, errors, source_failed)
    }

    fn summary(&self, alert: &Alert<'_>, imported: usize) -> Summary {
        Summary {
            new: alert.new.len(),
            resolved: alert.resolved.len(),
            open: self.plan.open(),
            imported,
            errors: self.problems.list(),
            ..Summary::new(self.evaluation)
        }
    }
}

/// How often each reason is there.
fn tally<'r>(reasons: impl Iterator<Item = &'r String>) -> BTreeMap<&'r str, u64> {
    let mut counts = BTreeMap::new();
    for reason in reasons {
        *counts.entry(reason.as_str()).or_default() += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_of_a_type_of_its_own() {
        let panicked = guarded(async { panic!("no such\nfinding: {}", 7) }).await.unwrap_err();
        assert_eq!(
            (panicked.error_type.as_str(), panicked.error_message.as_str()),
            ("Panic", "the run panicked: no such\\u{a}finding: 7")
        );
        let failed = RunError { step: Step::Import, causes: vec!["refused".to_owned()] };
        let failed = guarded(std::future::ready(Err(failed))).await.unwrap_err();
        assert_eq!((failed.error_type.as_str(), failed.error_message.as_str()), ("Import", "refused"));
    }
}
