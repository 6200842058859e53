//! Executes a decision in Security Hub: sets workflow status and imports findings before people are notified, and sets status
//! and closes findings afterwards. A finding that is suppressed in the meantime keeps its status.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_securityhub::Client;
use aws_sdk_securityhub::types::{
    AwsSecurityFindingIdentifier, BatchUpdateFindingsUnprocessedFinding, ImportFindingsError, NoteUpdate,
    WorkflowStatus, WorkflowUpdate,
};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use hygiene::decision::{Closing, Decision, Failing, Hub, Mark, Storing};
use hygiene::outcome::{Delivery, Meanwhile, Outcome, Receipts};
use hygiene::problems::{Problems, Step};
use hygiene::text::{counted, escape};
use hygiene::time::later;
use tokio::time::Instant;

use crate::asff::Asff;
use crate::error::{CallError, chain};
use crate::hub::WITH_HUB;
use crate::hub::calls::{self, IMPORT};
use crate::hub::recall::Recall;
use crate::hub::refusal::{Prospect, Refusal, by_place};
use crate::permission::Permission;
use crate::problems::{fail, note as note_problem};
use crate::product::Product;
use crate::rate::RateLimit;
use crate::retry::{Backoff, with_retry};

/// The permissions to import and update findings.
pub const PERMISSIONS: &[Permission] = &[
    Permission {
        action: "securityhub:BatchImportFindings",
        resource: "the account's default product",
        purpose: "writes and closes findings",
        condition: Some(WITH_HUB),
    },
    Permission {
        action: "securityhub:BatchUpdateFindings",
        resource: "the region's hub",
        purpose: "sets the workflow status to NEW or NOTIFIED; other statuses and fields are denied",
        condition: Some(WITH_HUB),
    },
];

/// Findings per call of `BatchImportFindings` and `BatchUpdateFindings`.
const BATCH: usize = 100;
/// Bytes per call; the limit of the service is 6 MiB.
const BATCH_BYTES: usize = 6 * 1024 * 1024 - 16 * 1024;
/// Concurrent calls: enough for ten per second from another region.
const AT_ONCE: usize = 4;
const UPDATE: &str = "BatchUpdateFindings";
/// The author of notes.
const AUTHOR: &str = "credwarden";

/// Writes to Security Hub within its rate limit.
#[derive(Debug)]
pub struct Publisher<'a> {
    client: &'a Client,
    product: Product,
    limit: RateLimit,
}

/// Items to import, and the function that returns their identity.
#[derive(Debug)]
pub struct Batch<'i, T> {
    /// The items.
    pub items: &'i [T],
    /// Returns an item's identity.
    pub id: fn(&T) -> &str,
}

/// The result of an import.
#[derive(Debug, Default)]
pub struct Imported {
    /// The number of imported findings.
    pub count: usize,
    /// The reasons of rejected findings, by identity.
    pub refused: BTreeMap<String, String>,
}

/// The result of the last steps of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finished {
    /// The number of imported findings: closed ones, and those whose import waited for the alert.
    pub imported: usize,
    /// Errors.
    pub problems: Problems,
}

/// A call of `BatchImportFindings`: its body, and the findings' `Id`s in it.
struct Call {
    ids: Vec<String>,
    body: Bytes,
}

impl<'a> Publisher<'a> {
    /// A publisher for the product.
    pub fn new(client: &'a Client, product: Product) -> Self {
        Self { client, product, limit: RateLimit::write() }
    }

    /// A publisher for the decision; `None` if findings are not published.
    pub fn of(client: &'a Client, decision: &Decision) -> Option<Self> {
        let (Hub::Read { region }, Some(account_id)) = (&decision.hub, &decision.account_id) else { return None };
        let product =
            Product { account_id: account_id.clone(), partition: decision.partition.clone(), region: region.clone() };
        Some(Self::new(client, product))
    }

    /// Sets findings to NEW that have to be reported again, imports failing findings, and reads which are suppressed by then.
    pub async fn publish(
        &self,
        decision: &Decision,
        mark_until: Instant,
        import_until: Instant,
        reread_until: Instant,
    ) -> Receipts {
        let mut problems = Problems::default();
        let unmarked = self.mark_all(&decision.marks, mark_until, &mut problems).await;
        let now = decision.evaluated_at;
        let failing = Batch { items: &decision.failing, id: |failing: &Failing| &failing.id };
        let imported = self
            .import(
                failing,
                |failing, product| {
                    let record = match &failing.storing {
                        Storing::IfMarked(stored) if unmarked.contains(&failing.id) => stored,
                        Storing::WhenSent(stored) => stored,
                        Storing::AtOnce | Storing::IfMarked(_) => &failing.record,
                    };
                    Asff::failing(failing, record, product, now)
                },
                import_until,
            )
            .await;
        note_refusals("write", &imported, &mut problems);
        let meanwhile = self.suppressed_meanwhile(decision, &unmarked, reread_until, &mut problems).await;
        Receipts { imported: imported.count, refused: imported.refused, unmarked, meanwhile, problems }
    }

    /// Returns which findings of `marks_when_sent` are suppressed now. A finding that could not be set to NEW is left out: its
    /// suppression may be that of an earlier user or key.
    async fn suppressed_meanwhile(
        &self,
        decision: &Decision,
        unmarked: &BTreeSet<String>,
        until: Instant,
        problems: &mut Problems,
    ) -> Meanwhile {
        let new = decision.marks_when_sent.iter().map(|mark| mark.id.as_str());
        let new: Vec<&str> = new.filter(|id| !unmarked.contains(*id)).collect();
        if new.is_empty() {
            return Meanwhile::default();
        }
        let recall = Recall::again(self.client, self.product.clone());
        match recall.suppressed(&new, decision.suppressed(), until).await {
            Ok(suppressed) => Meanwhile::Suppressed(suppressed),
            Err(error) => {
                note_problem(problems, chain(&error));
                Meanwhile::Unread
            }
        }
    }

    /// After the alert: marks reported findings, imports those that waited for the alert, and closes findings. If the alert
    /// failed, nothing is done, and the next run reports everything again.
    pub async fn finish(
        &self,
        outcome: &Outcome,
        alert: Delivery,
        mark_until: Instant,
        close_until: Instant,
    ) -> Finished {
        let mut finished = Finished::default();
        if alert == Delivery::Failed {
            return finished;
        }
        let decision = &outcome.decision;
        if alert == Delivery::Sent {
            let marked = decision.failing.iter().filter(|failing| outcome.can_be_marked(failing));
            let marked: BTreeSet<&str> = marked.map(|failing| failing.id.as_str()).collect();
            let marks = decision.marks_when_sent.iter().filter(|mark| marked.contains(mark.id.as_str()));
            self.mark_all(marks, mark_until, &mut finished.problems).await;
        }
        let now = decision.evaluated_at;
        let held_back = decision.failing.iter().filter(|failing| matches!(failing.storing, Storing::WhenSent(_)));
        let held_back: Vec<Failing> = held_back.map(written_again).collect();
        let held_back = Batch { items: &held_back, id: |failing: &Failing| &failing.id };
        let written = self
            .import(held_back, |failing, product| Asff::failing(failing, &failing.record, product, now), close_until)
            .await;
        note_refusals("write", &written, &mut finished.problems);
        let closings = decision.closings.iter().filter(|closing| outcome.can_be_closed(closing));
        let closings: Vec<Closing> = closings.cloned().collect();
        let closings = Batch { items: &closings, id: |closing: &Closing| &closing.stored.id };
        let closed = self.import(closings, |closing, product| Asff::closing(closing, product, now), close_until).await;
        note_refusals("close", &closed, &mut finished.problems);
        finished.imported = written.count + closed.count;
        finished
    }

    /// Imports all items. A failed batch does not stop the others.
    pub async fn import<T>(
        &self,
        batch: Batch<'_, T>,
        asff: impl for<'t> Fn(&'t T, &'t Product) -> Asff<'t>,
        until: Instant,
    ) -> Imported {
        let mut imported = Imported::default();
        let (asff, id) = (&asff, batch.id);
        let mut answers = stream::iter(batch.items.chunks(BATCH))
            .map(|chunk| self.import_chunk(Batch { items: chunk, id }, asff, until))
            .buffer_unordered(AT_ONCE);
        while let Some(refused) = answers.next().await {
            imported.refused.extend(refused);
        }
        imported.count = batch.items.len().saturating_sub(imported.refused.len());
        for (id, reason) in &imported.refused {
            tracing::warn!(id = %escape(id), reason, "Security Hub did not take a finding.");
        }
        imported
    }

    /// Imports the items in one call, or in two if they exceed the size limit. Rejected items that can succeed are retried until
    /// the deadline. Returns the reasons of rejected items by identity.
    async fn import_chunk<T>(
        &self,
        Batch { items, id }: Batch<'_, T>,
        asff: &impl for<'t> Fn(&'t T, &'t Product) -> Asff<'t>,
        until: Instant,
    ) -> BTreeMap<String, String> {
        let mut left: Vec<&T> = items.iter().collect();
        let mut refused = BTreeMap::new();
        let mut again = BTreeMap::new();
        let mut backoff = Backoff::until(until);
        loop {
            let refusals = match self.call(&left, asff) {
                // One finding alone is far below the limit, since each of its strings has one.
                Ok(call) if left.len() > 1 && call.body.len() > BATCH_BYTES => {
                    drop(call);
                    let (first, second) = items.split_at(items.len() / 2);
                    let mut refused = Box::pin(self.import_chunk(Batch { items: first, id }, asff, until)).await;
                    refused.extend(Box::pin(self.import_chunk(Batch { items: second, id }, asff, until)).await);
                    return refused;
                }
                Ok(call) => self.send(call, until).await,
                Err(error) => Err(error),
            };
            match refusals {
                Ok(refusals) => {
                    again.clear();
                    let mut later = Vec::new();
                    for (place, refusal) in refusals {
                        let Some(item) = left.get(place).copied() else { continue };
                        let reason = format!("{IMPORT}: {}", refusal.reason());
                        if refusal.prospect() == Prospect::Never {
                            refused.insert(id(item).to_owned(), reason);
                        } else {
                            again.insert(id(item).to_owned(), reason);
                            later.push(item);
                        }
                    }
                    left = later;
                }
                // The previous reasons, one for each item, are more useful.
                Err(_) if !again.is_empty() => break,
                Err(error) => again = left.drain(..).map(|item| (id(item).to_owned(), chain(&error))).collect(),
            }
            if left.is_empty() || !backoff.wait().await {
                break;
            }
        }
        refused.extend(again);
        refused
    }

    fn call<T>(&self, items: &[&T], asff: &impl for<'t> Fn(&'t T, &'t Product) -> Asff<'t>) -> Result<Call, CallError> {
        let findings: Vec<Asff<'_>> = items.iter().map(|item| asff(item, &self.product)).collect();
        let ids = findings.iter().map(|finding| finding.id.as_deref().unwrap_or_default().to_owned()).collect();
        Ok(Call { ids, body: calls::import_body(&findings)? })
    }

    /// Imports findings. Returns the rejected ones by position.
    async fn send(&self, Call { ids, body }: Call, until: Instant) -> Result<BTreeMap<usize, Refusal>, CallError> {
        let output = with_retry(IMPORT, until, async || {
            self.limit.turn().await;
            calls::import(self.client, body.clone()).await
        });
        let output = output.await?;
        let refusal =
            |failed: &ImportFindingsError| Refusal::new(failed.id(), failed.error_code(), failed.error_message());
        let mut refusals: Vec<_> = output.failed_findings().iter().map(refusal).collect();
        let count = output.failed_count().and_then(|count| usize::try_from(count).ok()).unwrap_or_default();
        if refusals.len() < count {
            refusals.push(Refusal::unnamed(count - refusals.len()));
        }
        Ok(by_place(&ids, refusals))
    }

    /// Sets workflow statuses. Returns the findings that could not be updated.
    async fn mark_all<'m>(
        &self,
        marks: impl IntoIterator<Item = &'m Mark>,
        until: Instant,
        problems: &mut Problems,
    ) -> BTreeSet<String> {
        let mut groups: BTreeMap<(&str, Option<&str>), Vec<&str>> = BTreeMap::new();
        for mark in marks {
            groups.entry((mark.status.label(), mark.note.as_deref())).or_default().push(&mark.id);
        }
        let mut all = BTreeSet::new();
        for ((status, note), ids) in groups {
            let unmarked = self.mark(&ids, status, note, until).await;
            for (reason, count) in tally(unmarked.values()) {
                let findings = counted(count, "finding");
                note_problem(problems, format!("could not mark {findings} {status} in Security Hub: {reason}"));
            }
            all.extend(unmarked.into_keys());
        }
        all
    }

    /// Sets the workflow status of findings. Returns those that could not be updated, with the reason. A finding that was just
    /// imported may not be found yet: after all others, it is retried until the deadline.
    pub async fn mark(
        &self,
        ids: &[&str],
        status: &str,
        note: Option<&str>,
        until: Instant,
    ) -> BTreeMap<String, String> {
        let mut unmarked = BTreeMap::new();
        let mut left: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        let mut backoff = Backoff::until(until);
        while !left.is_empty() {
            let mut again = BTreeMap::new();
            for chunk in left.chunks(BATCH) {
                match self.update(chunk, status, note, until).await {
                    Ok(refusals) => {
                        for (id, refusal) in refusals.iter().filter_map(|(place, one)| Some((chunk.get(*place)?, one)))
                        {
                            let may_pass = refusal.prospect() == Prospect::Later;
                            let list = if may_pass { &mut again } else { &mut unmarked };
                            list.insert(id.clone(), refusal.reason());
                        }
                    }
                    Err(error) => {
                        let reason = chain(&error);
                        unmarked.extend(chunk.iter().map(|id| (id.clone(), reason.clone())));
                    }
                }
            }
            if again.is_empty() || !backoff.wait().await {
                unmarked.extend(again);
                break;
            }
            left = again.into_keys().collect();
        }
        unmarked
    }

    /// Calls `BatchUpdateFindings`. Returns the findings that were not updated by position.
    async fn update(
        &self,
        ids: &[String],
        status: &str,
        note: Option<&str>,
        until: Instant,
    ) -> Result<BTreeMap<usize, Refusal>, CallError> {
        let product_arn = self.product.arn();
        let identifier = |id| AwsSecurityFindingIdentifier::builder().id(id).product_arn(&product_arn).build();
        let identifiers: Vec<_> = ids.iter().map(identifier).collect();
        let note = note.map(|text| NoteUpdate::builder().text(text).updated_by(AUTHOR).build());
        let output = with_retry(UPDATE, until, async || {
            self.limit.turn().await;
            let request = self
                .client
                .batch_update_findings()
                .set_finding_identifiers(Some(identifiers.clone()))
                .set_note(note.clone())
                .workflow(WorkflowUpdate::builder().status(WorkflowStatus::from(status)).build());
            request.send().await.map_err(|error| CallError::new(UPDATE, &error))
        });
        let refusal = |refused: &BatchUpdateFindingsUnprocessedFinding| {
            let id = refused.finding_identifier().and_then(AwsSecurityFindingIdentifier::id);
            Refusal::new(id, refused.error_code(), refused.error_message())
        };
        Ok(by_place(ids, output.await?.unprocessed_findings().iter().map(refusal).collect()))
    }
}

/// A finding that is imported a second time in the run. Security Hub ignores it unless `UpdatedAt` is later.
fn written_again(failing: &Failing) -> Failing {
    Failing { updated_at: later(failing.updated_at), ..failing.clone() }
}

fn note_refusals(verb: &str, imported: &Imported, problems: &mut Problems) {
    for (reason, count) in tally(imported.refused.values()) {
        let findings = counted(count, "finding");
        fail(problems, Step::Import, format!("could not {verb} {findings} in Security Hub: {reason}"));
    }
}

/// The number of times that each reason occurs.
fn tally<'r>(reasons: impl Iterator<Item = &'r String>) -> BTreeMap<&'r str, u64> {
    let mut counts = BTreeMap::new();
    for reason in reasons {
        *counts.entry(reason.as_str()).or_default() += 1;
    }
    counts
}
