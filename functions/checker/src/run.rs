//! A run: collect and recall, evaluate, decide, publish, notify, finish.
//!
//! The guarantees depend on this order. Findings are imported before people are notified, so that the links in the mail work.
//! They are marked as reported only after the message was sent, and closed after that: a crash at any point can repeat an alert,
//! but never lose one. The parts exchange data only, so that they can run in different processes.

use std::panic::AssertUnwindSafe;
use std::slice;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;
use hygiene::alert::Alert;
use hygiene::decide::decide;
use hygiene::decision::Decision;
use hygiene::evaluate::{Evaluation, Scope, evaluate};
use hygiene::memory::Memory;
use hygiene::outcome::{Delivery, Outcome, Receipts};
use hygiene::problems::{Problems, Step};
use hygiene::subject::FindingId;
use hygiene::text::escape;
use hygiene::twins::{left_of_twins, twin};
use hygiene::verdict::Status;
use lambda_runtime::Diagnostic;
use serde_json::value::RawValue;

use crate::budget::{Budget, RUN, Stage};
use crate::clients::Clients;
use crate::config::Config;
use crate::notify;
use crate::summary::{Summary, findings};
use aws::access_keys;
use aws::collect::{Expected, collect};
use aws::error::chain;
use aws::hub::publish::{Finished, Publisher};
use aws::hub::recall::{Recall, RecallError, Recalled};
use aws::problems::{fail, log, note};
use aws::product::Product;

/// The error of a run that failed after it did everything that was possible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .causes.join("\n"))]
pub struct RunError {
    /// The first step that failed.
    pub step: Step,
    /// All errors, each with its causes.
    pub causes: Vec<String>,
}

impl From<RunError> for Diagnostic {
    fn from(error: RunError) -> Self {
        Self { error_type: error.step.name().to_owned(), error_message: error.to_string() }
    }
}

/// The `errorType` of a run that panicked. Without it, `lambda_runtime` would report the name of a Rust type, which can change.
const PANIC: &str = "Panic";

/// Runs, and turns a panic into an error, so that metrics, dead-letter queue and alarms handle it like any other.
///
/// # Errors
///
/// The error of the run, or a panic.
pub async fn guarded(run: impl Future<Output = Result<Summary, RunError>>) -> Result<Summary, Diagnostic> {
    let panic = match AssertUnwindSafe(run).catch_unwind().await {
        Ok(done) => return done.map_err(Diagnostic::from),
        Err(panic) => panic,
    };
    let message = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    let error_message = format!("the run panicked: {}", escape(message.unwrap_or("it is not said why")));
    Err(Diagnostic { error_type: PANIC.to_owned(), error_message })
}

/// The parameters of an invocation.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The time of the run.
    pub now: DateTime<Utc>,
    /// The remaining time of the invocation.
    pub left: Duration,
    /// Whether to report without any effect.
    pub dry_run: bool,
    /// The account that the run reads.
    pub expected: Expected,
}

/// Checks the account once, in all steps.
///
/// # Errors
///
/// If a source could not be read, a finding not imported, or the alert not sent. All other steps are done nevertheless. A dry
/// run always succeeds.
pub async fn run(clients: &Clients, config: &Config, invocation: &Invocation) -> Result<Summary, RunError> {
    let budget = Budget::new(invocation.left, &RUN);
    let audit = audit(clients, config, invocation, &budget).await;
    if invocation.dry_run {
        let summary = dry_run(config, audit);
        summary.log();
        return Ok(summary);
    }
    let publisher = Publisher::of(&clients.security_hub, &audit.decision);
    let receipts = publish(publisher.as_ref(), &audit.decision, &budget).await;
    let outcome = Outcome { decision: audit.decision, receipts };
    let (delivery, mut problems) = notify(clients, config, slice::from_ref(&outcome), &budget).await;
    let finished = finish(publisher.as_ref(), &outcome, delivery, &budget).await;
    problems = outcome.problems().followed_by(&problems).followed_by(&finished.problems);
    let imported = outcome.receipts.imported + finished.imported;
    let summary = Summary { errors: problems.list(), ..Summary::new(&Alert::of(&outcome), imported, delivery) };
    summary.log();
    match problems.failed {
        Some(step) => Err(RunError { step, causes: problems.list() }),
        None => Ok(summary),
    }
}

/// The decision about an account, before anything is written.
#[derive(Debug)]
pub struct Audit {
    /// The decision.
    pub decision: Decision,
    /// In a dry run: all verdicts as JSON, and the number of those that exceed the size of a response.
    pub findings: Option<(Vec<Box<RawValue>>, usize)>,
}

/// Reads the account and the stored findings, and decides. Nothing is written.
pub async fn audit(clients: &Clients, config: &Config, invocation: &Invocation, budget: &Budget) -> Audit {
    let mut problems = Problems::default();
    let (collected, early) = tokio::join!(
        collect(
            &clients.account,
            &invocation.expected,
            invocation.now,
            budget.until(Stage::Collect),
            budget.until(Stage::Recall)
        ),
        Box::pin(recall_early(clients, config, invocation, budget))
    );
    for error in &collected.notes {
        note(&mut problems, chain(error));
    }
    for error in &collected.errors {
        fail(&mut problems, Step::Collect, chain(error));
    }
    let evaluation = evaluate(&collected.account, &config.policy, &Scope::All, invocation.now);
    drop(collected);

    let memory = remember(clients, config, &evaluation, early, budget, &mut problems).await;
    let until = budget.until(Stage::Enrich);
    let (enrichment, errors) = access_keys::look_up(&clients.account.iam, &evaluation, &memory, until).await;
    for error in errors {
        note(&mut problems, error);
    }
    let findings = invocation.dry_run.then(|| findings(&evaluation, &enrichment));
    let mut decision = decide(evaluation, memory, &enrichment, config.alert);
    for error in decision.problems.list() {
        log(&error);
    }
    decision.problems = problems.followed_by(&decision.problems);
    decision.account_name.clone_from(&config.account_name);
    if config.topic_arn.is_none() {
        // Without an alert no finding is marked, so suppressed findings need not be read again.
        decision.marks_when_sent.clear();
    }
    Audit { decision, findings }
}

/// Returns what a run would report.
fn dry_run(config: &Config, audit: Audit) -> Summary {
    let outcome = Outcome { decision: audit.decision, receipts: Receipts::default() };
    let (findings, truncated) = audit.findings.unzip();
    let delivery = if config.topic_arn.is_some() { Delivery::NotNeeded } else { Delivery::Off };
    let truncated = truncated.filter(|truncated| *truncated > 0);
    Summary { findings, truncated, ..Summary::new(&Alert::of(&outcome), 0, delivery) }
}

/// Imports failing findings, and reads which were suppressed in the meantime; does nothing without Security Hub.
pub async fn publish(publisher: Option<&Publisher<'_>>, decision: &Decision, budget: &Budget) -> Receipts {
    match publisher {
        Some(publisher) => {
            let [marks, import, reread] =
                [Stage::MarkNew, Stage::Import, Stage::Reread].map(|stage| budget.until(stage));
            publisher.publish(decision, marks, import, reread).await
        }
        None => Receipts::default(),
    }
}

/// Sends the alert, if one is due. Returns whether it was sent, and errors.
pub async fn notify(clients: &Clients, config: &Config, outcomes: &[Outcome], budget: &Budget) -> (Delivery, Problems) {
    let mut problems = Problems::default();
    let Some(topic) = &config.topic_arn else { return (Delivery::Off, problems) };
    let Some(message) = notify::message(outcomes) else { return (Delivery::NotNeeded, problems) };
    match notify::send(&clients.sns, topic, &message, budget.until(Stage::Alert)).await {
        Ok(()) => (Delivery::Sent, problems),
        Err(error) => {
            fail(&mut problems, Step::Alert, chain(&error));
            (Delivery::Failed, problems)
        }
    }
}

/// Marks and closes findings after the alert.
pub async fn finish(
    publisher: Option<&Publisher<'_>>,
    outcome: &Outcome,
    delivery: Delivery,
    budget: &Budget,
) -> Finished {
    match publisher {
        Some(publisher) => {
            publisher.finish(outcome, delivery, budget.until(Stage::Mark), budget.until(Stage::Close)).await
        }
        None => Finished::default(),
    }
}

/// credwarden's open findings, which are read at the same time as the report.
struct Early<'a> {
    recall: Recall<'a>,
    open: Result<Recalled, RecallError>,
}

/// Reads the open findings of the presumed account, before the report has its number. This saves a round trip.
async fn recall_early<'a>(
    clients: &'a Clients,
    config: &Config,
    invocation: &Invocation,
    budget: &Budget,
) -> Option<Early<'a>> {
    let expected = invocation.expected.account()?.clone();
    if !config.security_hub {
        return None;
    }
    let (account_id, partition) = (expected.account_id, expected.partition);
    let product = Product { account_id, partition, region: clients.region.clone() };
    let recall = Recall::new(&clients.security_hub, product);
    let open = recall.open(invocation.now, budget.until(Stage::Recall)).await;
    Some(Early { recall, open })
}

async fn remember(
    clients: &Clients,
    config: &Config,
    evaluation: &Evaluation,
    early: Option<Early<'_>>,
    budget: &Budget,
    problems: &mut Problems,
) -> Memory {
    if !config.security_hub {
        return Memory::Off;
    }
    let Some(account_id) = evaluation.account_id.clone() else {
        fail(problems, Step::Recall, chain(&RecallError::NoAccount));
        return Memory::Unread;
    };
    let product = Product { account_id, partition: evaluation.partition.clone(), region: clients.region.clone() };
    let region = product.region.clone();
    let early = match early {
        Some(early) if *early.recall.product() == product => early,
        // In a local invocation the function's ARN is invented.
        Some(_) | None => {
            let recall = Recall::new(&clients.security_hub, product);
            let open = recall.open(evaluation.evaluated_at, budget.until(Stage::Recall)).await;
            Early { recall, open }
        }
    };
    match with_reopened(early, evaluation, budget).await {
        Ok(findings) => Memory::Recalled { region, findings },
        Err(error) => {
            fail(problems, Step::Recall, chain(&error));
            Memory::Unread
        }
    }
}

/// Adds the stored findings of checks that fail and have no open finding.
async fn with_reopened(
    Early { recall, open }: Early<'_>,
    evaluation: &Evaluation,
    budget: &Budget,
) -> Result<Recalled, RecallError> {
    let mut stored = open?;
    let account = evaluation.account_id.as_deref();
    let failing = evaluation.findings.iter().filter(|finding| finding.status() == Status::Failed);
    let left = left_of_twins(stored.values(), evaluation);
    let ids = failing.flat_map(|finding| {
        let id = finding.id(account);
        // The remaining key can have the identity of the second twin.
        let second = twin(&id.subject, true).filter(|_| left.contains(&id.subject));
        let second = second.map(|subject| FindingId { subject, ..id.clone() }.to_string());
        [Some(id.to_string()), second]
    });
    let not_open: Vec<String> = ids.flatten().filter(|id| !stored.contains_key(id)).collect();
    recall.reopened(&not_open, evaluation.evaluated_at, budget.until(Stage::Recall), &mut stored).await?;
    Ok(stored)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_with_its_own_type() {
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
