//! Writes to Security Hub: findings in batches, and their workflow status.

use std::collections::BTreeMap;

use aws_sdk_securityhub::Client;
use aws_sdk_securityhub::types::{
    AwsSecurityFinding, AwsSecurityFindingIdentifier, BatchUpdateFindingsUnprocessedFinding, ImportFindingsError,
    WorkflowStatus, WorkflowUpdate,
};
use chrono::{DateTime, Utc};
use futures_util::{StreamExt, stream};
use hygiene::text::{cut, inert};
use tokio::time::Instant;

use crate::asff::size_bound;
use crate::cause::{CallError, chain};
use crate::pace::Pace;
use crate::patience::{Waits, persist};
use crate::recall::Scope;

/// Findings a call, in `BatchImportFindings` and `BatchUpdateFindings`.
const BATCH: usize = 100;
/// Bytes a call, of which a little is left for what is around the findings.
const BATCH_BYTES: usize = 6 * 1024 * 1024 - 16 * 1024;
/// Calls under way at once: enough to reach ten a second from a region away.
const AT_ONCE: usize = 4;

/// A writer to Security Hub that keeps its pace.
#[derive(Debug)]
pub struct Publisher<'a> {
    client: &'a Client,
    scope: &'a Scope,
    pace: Pace,
}

/// What came of an import.
#[derive(Debug, Default)]
pub struct Imported {
    /// How many findings were written.
    pub count: usize,
    /// Why the others were not, by identity.
    pub failed: BTreeMap<String, String>,
}

/// What came of one call.
enum Sent {
    /// Security Hub answered; these findings it did not take, with the reason.
    Whole(BTreeMap<String, String>),
    /// The findings have more bytes than a call may, and were not sent.
    TooLarge,
}

/// Planned items and how each is worded as a finding. That is done anew for each attempt to send it: with 31 KB a resource,
/// the SDK's findings are the largest thing in memory.
#[derive(Debug)]
pub struct Batch<'p, T> {
    /// What is planned.
    pub items: &'p [T],
    /// Its identity.
    pub id: fn(&T) -> &str,
    /// Its wording.
    pub worded: fn(&T, &Scope, DateTime<Utc>) -> AwsSecurityFinding,
}

impl<'a> Publisher<'a> {
    /// A writer of the account's findings.
    pub fn new(client: &'a Client, scope: &'a Scope) -> Self {
        Self { client, scope, pace: Pace::write() }
    }

    /// Imports all items; a batch that fails does not stop the others.
    pub async fn import<T>(&self, batch: Batch<'_, T>, now: DateTime<Utc>, until: Instant) -> Imported {
        let mut imported = Imported::default();
        let Batch { items, id, worded } = batch;
        let words = |item: &T| worded(item, self.scope, now);
        let (words, id) = (&words, &id);
        let mut outcomes = stream::iter(items.chunks(BATCH))
            .map(|chunk| self.import_chunk(chunk, id, words, until))
            .buffer_unordered(AT_ONCE);
        while let Some(failed) = outcomes.next().await {
            imported.failed.extend(failed);
        }
        imported.count = items.len().saturating_sub(imported.failed.len());
        for (id, reason) in &imported.failed {
            tracing::warn!(id = %inert(id), reason, "Security Hub did not take a finding.");
        }
        imported
    }

    /// One call's worth of items, or two where their bytes are too many for one; answers those that were not taken, with the
    /// reason.
    async fn import_chunk<T>(
        &self,
        chunk: &[T],
        id: &impl Fn(&T) -> &str,
        words: &impl Fn(&T) -> AwsSecurityFinding,
        until: Instant,
    ) -> BTreeMap<String, String> {
        let operation = "BatchImportFindings";
        let failed = |item: &T, reason: &str| (id(item).to_owned(), reason.to_owned());
        let refused = match self.send(|| chunk.iter().map(words).collect(), until).await {
            Ok(Sent::Whole(refused)) => refused,
            Ok(Sent::TooLarge) => {
                let (first, second) = chunk.split_at(chunk.len() / 2);
                let mut failed = Box::pin(self.import_chunk(first, id, words, until)).await;
                failed.extend(Box::pin(self.import_chunk(second, id, words, until)).await);
                return failed;
            }
            Err(error) => {
                let reason = chain(&error);
                return chunk.iter().map(|item| failed(item, &reason)).collect();
            }
        };
        // Something was refused, and it is not said what.
        if let Some((_, reason)) =
            refused.iter().find(|(refused, _)| !chunk.iter().any(|item| id(item) == refused.as_str()))
        {
            return chunk.iter().map(|item| failed(item, &format!("{operation}: {reason}"))).collect();
        }
        // Which codes there are is not documented; those that name the finding's own fault begin like this.
        let (mut failed, again): (BTreeMap<_, _>, BTreeMap<_, _>) = refused
            .into_iter()
            .partition(|(_, reason)| reason.starts_with("Invalid") || reason.starts_with("AccessDenied"));
        if !again.is_empty() {
            let retried = || chunk.iter().filter(|item| again.contains_key(id(item))).map(words).collect();
            failed.extend(match self.send(retried, until).await {
                Ok(Sent::Whole(refused)) => refused,
                Ok(Sent::TooLarge) | Err(_) => again.clone(),
            });
        }
        failed.into_iter().map(|(id, reason)| (id, format!("{operation}: {reason}"))).collect()
    }

    /// One call, whose findings are worded when it is its turn.
    async fn send(&self, findings: impl Fn() -> Vec<AwsSecurityFinding>, until: Instant) -> Result<Sent, CallError> {
        let operation = "BatchImportFindings";
        let output = persist(operation, until, async || {
            self.pace.turn().await;
            let findings = findings();
            // One alone is far below what a finding may have: each of its strings has a limit.
            if 1 < findings.len() && BATCH_BYTES < findings.iter().map(size_bound).sum() {
                return Ok(None);
            }
            let request = self.client.batch_import_findings().set_findings(Some(findings));
            request.send().await.map(Some).map_err(|error| CallError::new(operation, &error))
        });
        let Some(output) = output.await? else { return Ok(Sent::TooLarge) };
        let reason = |failed: &ImportFindingsError| {
            (failed.id().unwrap_or_default().to_owned(), said(failed.error_code(), failed.error_message()))
        };
        Ok(Sent::Whole(output.failed_findings().iter().map(reason).collect()))
    }

    /// Sets the workflow status of the findings; answers those that could not be marked, with the reason. A finding that was
    /// just imported may not be found at once: such ones are tried again, all others first, until the time is up.
    pub async fn mark(&self, ids: &[&str], status: &WorkflowStatus, until: Instant) -> BTreeMap<String, String> {
        let mut unmarked = BTreeMap::new();
        let mut left: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        let mut waits = Waits::until(until);
        while !left.is_empty() {
            let mut again = BTreeMap::new();
            for chunk in left.chunks(BATCH) {
                match self.update(chunk, status, until).await {
                    Ok(refused) => {
                        let (passing, hopeless): (BTreeMap<_, _>, BTreeMap<_, _>) =
                            refused.into_iter().partition(|(_, reason)| is_passing(reason));
                        again.extend(passing);
                        unmarked.extend(hopeless);
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

    async fn update(
        &self,
        ids: &[String],
        status: &WorkflowStatus,
        until: Instant,
    ) -> Result<BTreeMap<String, String>, CallError> {
        let operation = "BatchUpdateFindings";
        let product_arn = self.scope.product_arn();
        let identifier = |id| AwsSecurityFindingIdentifier::builder().id(id).product_arn(&product_arn).build();
        let identifiers: Vec<_> = ids.iter().map(identifier).collect();
        let output = persist(operation, until, async || {
            self.pace.turn().await;
            let request = self
                .client
                .batch_update_findings()
                .set_finding_identifiers(Some(identifiers.clone()))
                .workflow(WorkflowUpdate::builder().status(status.clone()).build());
            request.send().await.map_err(|error| CallError::new(operation, &error))
        });
        let output = output.await?;
        let reason = |refused: &BatchUpdateFindingsUnprocessedFinding| {
            let id = refused.finding_identifier()?.id()?.to_owned();
            Some((id, said(refused.error_code(), refused.error_message())))
        };
        Ok(output.unprocessed_findings().iter().filter_map(reason).collect())
    }
}

/// What Security Hub says of one finding, as one line.
fn said(code: Option<&str>, message: Option<&str>) -> String {
    let message = inert(message.unwrap_or_default());
    format!("{}: {}", code.unwrap_or_default(), cut(&message, 400))
}

/// Whether the same mark may succeed later.
fn is_passing(reason: &str) -> bool {
    ["FindingNotFound", "ConcurrentUpdateError", "InternalFailure"].iter().any(|code| reason.starts_with(code))
}
