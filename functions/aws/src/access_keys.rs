//! Looks up the ids of access keys with findings. The report has no key ids, and people need them to fix a finding. There is one
//! call for each user, so only ids that earlier runs did not store are looked up.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::types::{AccessKeyMetadata, StatusType};
use futures_util::{StreamExt, stream};
use hygiene::enrichment::Enrichment;
use hygiene::evaluate::Evaluation;
use hygiene::memory::Memory;
use hygiene::subject::{AccessKeySubject, SubjectId};
use hygiene::twins::{left_of_twins, twin};
use hygiene::verdict::Status;

use crate::error::{CallError, Kind, chain};
use crate::permission::Permission;
use crate::retry::{Retry, with_retry};

/// The permissions to look up key ids.
pub const PERMISSIONS: &[Permission] = &[Permission {
    action: "iam:ListAccessKeys",
    resource: "the account's users",
    purpose: "names the keys that have a finding",
    condition: None,
}];

/// Concurrent calls. IAM's rate limits are not documented, and other tools in the account share them.
const AT_ONCE: usize = 4;

/// Returns the ids of the evaluation's failing keys, and errors. A key without an id is published without it.
pub async fn look_up(
    iam: &aws_sdk_iam::Client,
    evaluation: &Evaluation,
    memory: &Memory,
    retry: impl Into<Retry>,
) -> (Enrichment, Vec<String>) {
    let retry = retry.into();
    let mut ids = known_ids(memory, evaluation);
    let mut users: BTreeMap<&str, Vec<&AccessKeySubject>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for key in failing_keys(evaluation) {
        if !ids.contains_key(&id_of(key)) && seen.insert((&key.user.name, key.tag)) {
            users.entry(&key.user.name).or_default().push(key);
        }
    }

    let mut failures: BTreeMap<String, u64> = BTreeMap::new();
    let mut answers = stream::iter(users)
        .map(|(user, keys)| async { (keys, list(iam, user, retry.clone()).await) })
        .buffer_unordered(AT_ONCE);
    while let Some((keys, answer)) = answers.next().await {
        match answer {
            Ok(listed) => {
                ids.extend(keys.into_iter().filter_map(|key| Some((id_of(key).into_owned(), find(key, &listed)?))));
            }
            // AWS's message has the user's name. Without it the message is the same for all users.
            Err(error) => {
                let reason = chain(&error);
                let reason = reason.split(" on resource: ").next().unwrap_or_default();
                *failures.entry(reason.to_owned()).or_default() += 1;
            }
        }
    }
    drop(answers);
    let error = |(reason, count): (String, u64)| {
        format!("could not list the access keys of {}: {reason}", hygiene::text::counted(count, "user"))
    };
    (Enrichment::of_access_key_ids(ids), failures.into_iter().map(error).collect())
}

/// The ids that earlier runs stored, without those of a remaining twin: its identity may have been the other key's.
fn known_ids(memory: &Memory, evaluation: &Evaluation) -> BTreeMap<SubjectId<'static>, String> {
    let doubtful = left_of_twins(memory.findings(), evaluation);
    let ids = memory.findings().filter_map(|stored| Some((stored.subject(), stored.access_key_id.as_ref()?)));
    let ids = ids.filter(|(subject, _)| twin(subject, false).is_none_or(|first| !doubtful.contains(&first)));
    ids.map(|(subject, id)| (subject.into_owned(), id.clone())).collect()
}

fn failing_keys(evaluation: &Evaluation) -> impl Iterator<Item = &AccessKeySubject> {
    let failing = evaluation.findings.iter().filter(|finding| finding.status() == Status::Failed);
    failing.filter_map(|finding| finding.subject.access_key())
}

fn id_of(key: &AccessKeySubject) -> SubjectId<'_> {
    SubjectId::AccessKey { user: key.user.name.as_str().into(), key: key.tag }
}

async fn list(iam: &aws_sdk_iam::Client, user: &str, retry: Retry) -> Result<Vec<AccessKeyMetadata>, CallError> {
    let operation = "ListAccessKeys";
    // A user has at most two keys, so there is no second page.
    let output = with_retry(operation, retry, async || {
        iam.list_access_keys().user_name(user).send().await.map_err(|error| CallError::new(operation, &error))
    });
    match output.await {
        Ok(output) => Ok(output.access_key_metadata),
        // The user was deleted since the report was made.
        Err(error) if error.kind == Kind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Finds the report's key among the listed ones by creation date (to the second), then by status. If two match, returns none: a
/// wrong id is worse than no id.
fn find(key: &AccessKeySubject, listed: &[AccessKeyMetadata]) -> Option<String> {
    let created = key.created?;
    let mut fitting: Vec<&AccessKeyMetadata> = listed
        .iter()
        .filter(|listed| listed.create_date().is_some_and(|date| date.secs() == created.timestamp()))
        .collect();
    if fitting.len() > 1
        && let Some(active) = key.active
    {
        fitting.retain(|listed| (listed.status() == Some(&StatusType::Active)) == active);
    }
    match fitting[..] {
        [one] => one.access_key_id().map(str::to_owned),
        _ => None,
    }
}
