//! Names the access keys that have a finding. The report has no key ids, and an id is what one needs to act; the calls are
//! one a user, so only those are asked that Security Hub does not know already.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_sdk_iam::types::{AccessKeyMetadata, StatusType};
use futures_util::{StreamExt, stream};
use hygiene::evaluate::Evaluation;
use hygiene::finding::{Status, Subject, SubjectKind};
use hygiene::reconcile::{Stored, subject_of};
use tokio::time::Instant;

use crate::cause::{CallError, chain};
use crate::patience::persist;

/// IAM's rates are not documented, and other tools of the account share them.
const AT_ONCE: usize = 4;

/// Gives the keys of the evaluation their ids. Answers what went wrong: a key without an id is published all the same.
pub async fn name(
    iam: &aws_sdk_iam::Client,
    evaluation: &mut Evaluation,
    known: &BTreeMap<String, Stored>,
    until: Instant,
) -> Vec<String> {
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    let doubtful = lost_twins(known, evaluation);
    for stored in known.values() {
        let path = subject_of(&stored.id);
        if let Some(id) = &stored.access_key_id
            && !doubtful.contains(first(path))
        {
            ids.insert(path.to_owned(), id.clone());
        }
    }
    let unnamed: Vec<&Arc<Subject>> = failing_keys(evaluation).filter(|key| !ids.contains_key(&key.path)).collect();
    let mut users: BTreeMap<&str, Vec<&Subject>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for key in unnamed {
        if seen.insert(&key.path) {
            users.entry(key.user.as_deref().unwrap_or_default()).or_default().push(key);
        }
    }

    let mut failures: BTreeMap<String, usize> = BTreeMap::new();
    let mut answers = stream::iter(users)
        .map(|(user, keys)| async move { (keys, list(iam, user, until).await) })
        .buffer_unordered(AT_ONCE);
    let mut named = Vec::new();
    while let Some((keys, answer)) = answers.next().await {
        match answer {
            Ok(listed) => {
                named.extend(keys.into_iter().filter_map(|key| Some((key.path.clone(), find(key, &listed)?))));
            }
            // AWS names the user in its refusal: the reason is the same for all of them, and nobody's name is in it.
            Err(error) => {
                let reason = chain(&error);
                let reason = reason.split(" on resource: ").next().unwrap_or_default();
                *failures.entry(reason.to_owned()).or_default() += 1;
            }
        }
    }
    drop(answers);
    ids.extend(named);

    for finding in evaluation.findings.iter_mut().filter(|finding| finding.status == Status::Failed) {
        if finding.subject.kind == SubjectKind::AccessKey
            && let Some(id) = ids.get(&finding.subject.path)
        {
            Arc::make_mut(&mut finding.subject).access_key_id = Some(id.clone());
        }
    }
    let telling = |(reason, count): (String, usize)| {
        format!("could not list the access keys of {}: {reason}", hygiene::text::counted(count as u64, "user"))
    };
    failures.into_iter().map(telling).collect()
}

/// Two keys of the same second are told apart by slot. When one of them is deleted, the other may take its slot, and with it
/// its place in the identity: then what was known of the place is not known of the key. These are such places.
fn lost_twins<'k>(known: &'k BTreeMap<String, Stored>, evaluation: &Evaluation) -> BTreeSet<&'k str> {
    let is_second = |path: &&str| path.contains("/key/") && path.ends_with(SECOND);
    let mut twins: BTreeSet<&str> = known.values().map(|stored| subject_of(&stored.id)).filter(is_second).collect();
    for finding in &evaluation.findings {
        twins.remove(finding.subject.path.as_str());
    }
    twins.into_iter().map(first).collect()
}

/// What the identity of the second of two such keys ends in.
const SECOND: &str = "-2";

fn first(path: &str) -> &str {
    path.strip_suffix(SECOND).unwrap_or(path)
}

fn failing_keys(evaluation: &Evaluation) -> impl Iterator<Item = &Arc<Subject>> {
    let failing = evaluation.findings.iter().filter(|finding| finding.status == Status::Failed);
    failing.map(|finding| &finding.subject).filter(|subject| subject.kind == SubjectKind::AccessKey)
}

async fn list(iam: &aws_sdk_iam::Client, user: &str, until: Instant) -> Result<Vec<AccessKeyMetadata>, CallError> {
    let operation = "ListAccessKeys";
    // Two keys are the most a user can have, so there is no second page.
    let output = persist(operation, until, async || {
        iam.list_access_keys().user_name(user).send().await.map_err(|error| CallError::new(operation, &error))
    });
    match output.await {
        Ok(output) => Ok(output.access_key_metadata),
        // The user was deleted since the report was made.
        Err(error) if error.cause.code.as_deref() == Some("NoSuchEntity") => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The report's key among the listed ones: by its date, to the second, then by its state. Where two fit, none is named: a
/// wrong id is worse than none.
fn find(key: &Subject, listed: &[AccessKeyMetadata]) -> Option<String> {
    let created = key.created?;
    let mut fitting: Vec<&AccessKeyMetadata> = listed
        .iter()
        .filter(|listed| listed.create_date().is_some_and(|date| date.secs() == created.timestamp()))
        .collect();
    if 1 < fitting.len()
        && let Some(active) = key.active
    {
        fitting.retain(|listed| (listed.status() == Some(&StatusType::Active)) == active);
    }
    match fitting[..] {
        [one] => one.access_key_id().map(str::to_owned),
        _ => None,
    }
}
