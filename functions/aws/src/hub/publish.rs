//! Carries a decision out in Security Hub: marks and writes findings before people are notified, marks and closes them after.
//! What is suppressed meanwhile is not marked.

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
use hygiene::text::{counted, inert};
use hygiene::time::later;
use tokio::time::Instant;

use crate::asff::Asff;
use crate::error::{CallError, chain};
use crate::hub::WITH_HUB;
use crate::hub::calls::{self, IMPORT};
use crate::hub::rate::RateLimit;
use crate::hub::recall::Recall;
use crate::hub::refusal::{Prospect, Refusal, by_place};
use crate::permission::Permission;
use crate::problems::{fail, note as note_problem};
use crate::product::Product;
use crate::retry::{Waits, persist};

/// What writing and marking our findings needs.
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

/// Findings a call, in `BatchImportFindings` and `BatchUpdateFindings`.
const BATCH: usize = 100;
/// Bytes a call; the service takes 6 MiB.
const BATCH_BYTES: usize = 6 * 1024 * 1024 - 16 * 1024;
/// Calls under way at once: enough to reach ten a second from a region away.
const AT_ONCE: usize = 4;
const UPDATE: &str = "BatchUpdateFindings";
/// Who a note is from.
const AUTHOR: &str = "credwarden";

/// A writer to Security Hub that keeps its rate.
#[derive(Debug)]
pub struct Publisher<'a> {
    client: &'a Client,
    product: Product,
    limit: RateLimit,
}

/// What is imported, and by which identity it is known.
#[derive(Debug)]
pub struct Batch<'i, T> {
    /// What is imported.
    pub items: &'i [T],
    /// Its identity.
    pub id: fn(&T) -> &str,
}

/// What came of an import.
#[derive(Debug, Default)]
pub struct Imported {
    /// How many findings were written.
    pub count: usize,
    /// Why the others were not, by identity.
    pub refused: BTreeMap<String, String>,
}

/// What came of the last steps of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Finished {
    /// How many findings were written, which are closed ones but for those that were held back.
    pub imported: usize,
    /// What went wrong.
    pub problems: Problems,
}

/// A call of `BatchImportFindings`: what it sends, and the findings' identities as they are sent.
struct Call {
    ids: Vec<String>,
    body: Bytes,
}

impl<'a> Publisher<'a> {
    /// A writer of the product's findings.
    pub fn new(client: &'a Client, product: Product) -> Self {
        Self { client, product, limit: RateLimit::write() }
    }

    /// A writer of the findings of that decision; none where they are not written.
    pub fn of(client: &'a Client, decision: &Decision) -> Option<Self> {
        let (Hub::Read { region }, Some(account_id)) = (&decision.hub, &decision.account_id) else { return None };
        let product =
            Product { account_id: account_id.clone(), partition: decision.partition.clone(), region: region.clone() };
        Some(Self::new(client, product))
    }

    /// Sets to NEW what has to be reported again, writes what fails, and reads what was suppressed meanwhile.
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

    /// Which of the findings that are to be marked when the message is out are suppressed by now. One that could not be set to NEW
    /// may be suppressed since long before: that was given to an earlier user or key.
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

    /// When people know: marks what was reported, stores what was held back, and closes. Where the alert failed, nothing is
    /// done, and the next run reports it.
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

    /// Imports all items; a batch that fails does not stop the others.
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
            tracing::warn!(id = %inert(id), reason, "Security Hub did not take a finding.");
        }
        imported
    }

    /// One call's worth of items, or two where their bytes are too many for one; returns those that were not taken, with the
    /// reason. What may be taken later is sent again, until the time is up.
    async fn import_chunk<T>(
        &self,
        Batch { items, id }: Batch<'_, T>,
        asff: &impl for<'t> Fn(&'t T, &'t Product) -> Asff<'t>,
        until: Instant,
    ) -> BTreeMap<String, String> {
        let mut left: Vec<&T> = items.iter().collect();
        let mut refused = BTreeMap::new();
        let mut again = BTreeMap::new();
        let mut waits = Waits::until(until);
        loop {
            let refusals = match self.call(&left, asff) {
                // One alone is far below what a finding may have: each of its strings has a limit.
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
                // What was said of each of them before says more.
                Err(_) if !again.is_empty() => break,
                Err(error) => again = left.drain(..).map(|item| (id(item).to_owned(), chain(&error))).collect(),
            }
            if left.is_empty() || !waits.wait().await {
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

    /// Sends findings; answers which were not taken, by their place.
    async fn send(&self, Call { ids, body }: Call, until: Instant) -> Result<BTreeMap<usize, Refusal>, CallError> {
        let output = persist(IMPORT, until, async || {
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

    /// Sets the marks; returns the findings that could not be marked.
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

    /// Sets the workflow status of the findings; returns those that could not be marked, with the reason. A finding that was
    /// just imported may not be found at once: such ones are tried again, all others first, until the time is up.
    pub async fn mark(
        &self,
        ids: &[&str],
        status: &str,
        note: Option<&str>,
        until: Instant,
    ) -> BTreeMap<String, String> {
        let mut unmarked = BTreeMap::new();
        let mut left: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        let mut waits = Waits::until(until);
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
            if again.is_empty() || !waits.wait().await {
                unmarked.extend(again);
                break;
            }
            left = again.into_keys().collect();
        }
        unmarked
    }

    /// Sets a workflow status; answers of which findings not, by their place.
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
        let output = persist(UPDATE, until, async || {
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

/// A held-back finding as it is written a second time in the run: later, or Security Hub ignores it.
fn written_again(failing: &Failing) -> Failing {
    Failing { updated_at: later(failing.updated_at), ..failing.clone() }
}

fn note_refusals(verb: &str, imported: &Imported, problems: &mut Problems) {
    for (reason, count) in tally(imported.refused.values()) {
        let findings = counted(count, "finding");
        fail(problems, Step::Import, format!("could not {verb} {findings} in Security Hub: {reason}"));
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
