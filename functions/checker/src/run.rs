//! A run: collect and recall, evaluate, decide, publish, notify, finish.
//!
//! The order is what keeps the promises. Findings are written before people are notified, so that a link in the mail leads
//! somewhere; they are marked as reported only after the message is out, and closed after that: a crash anywhere repeats an
//! alert rather than losing one. What goes from one part to the next is data, so the parts may run in different processes.

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
use hygiene::text::inert;
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
    Err(Diagnostic { error_type: PANIC.to_owned(), error_message })
}

/// What Lambda says of an invocation.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The time of the run.
    pub now: DateTime<Utc>,
    /// What is left of the function's time limit.
    pub left: Duration,
    /// Whether only to say what would be reported.
    pub dry_run: bool,
    /// The account that the run is for.
    pub expected: Expected,
}

/// Checks the account once.
///
/// # Errors
///
/// When a source could not be read, a finding not written, or the alert not sent; whatever could be done is done then. A dry
/// run always answers.
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

/// What is decided about an account, before anything is done.
#[derive(Debug)]
pub struct Audit {
    /// The decision.
    pub decision: Decision,
    /// In a dry run every verdict in the contract's JSON, and how many there is no room for.
    pub findings: Option<(Vec<Box<RawValue>>, usize)>,
}

/// Reads the account and what earlier runs stored, and decides. Nothing is written.
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
    if config.topic_arn.is_none() {
        // Nobody will be notified, so nothing will be marked, nor read again before it is.
        decision.marks_when_sent.clear();
    }
    Audit { decision, findings }
}

/// Says what a run would report, and does nothing.
fn dry_run(config: &Config, audit: Audit) -> Summary {
    let outcome = Outcome { decision: audit.decision, receipts: Receipts::default() };
    let (findings, truncated) = audit.findings.unzip();
    let delivery = if config.topic_arn.is_some() { Delivery::NotNeeded } else { Delivery::Off };
    let truncated = truncated.filter(|truncated| *truncated > 0);
    Summary { findings, truncated, ..Summary::new(&Alert::of(&outcome), 0, delivery) }
}

/// Writes what fails to Security Hub, where that is used, and reads what was suppressed meanwhile.
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

/// Notifies people, if there is something to report; returns what became of it, and what went wrong.
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

/// Marks and closes, when people know.
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

/// Our open findings, which were asked for while the report was read.
struct Early<'a> {
    recall: Recall<'a>,
    open: Result<Recalled, RecallError>,
}

/// Asks for our findings before the report says whose they are, which saves a round trip.
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
        // On somebody's machine the function's ARN is made up.
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

/// The open findings, and what there is of those that fail and are not open.
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
        // It may be the second of the two.
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
