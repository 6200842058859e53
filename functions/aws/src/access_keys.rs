//! Looks up the ids of access keys. The report has no key ids, and people need them to fix a finding. There is one call for each
//! user, so of keys with findings only ids that earlier runs did not store are looked up.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::types::{AccessKeyMetadata, StatusType};
use chrono::DateTime;
use futures_util::{StreamExt, stream};
use hygiene::enrichment::Enrichment;
use hygiene::evaluate::Evaluation;
use hygiene::memory::Memory;
use hygiene::source::{Source, Unavailable};
use hygiene::subject::{AccessKeySubject, SubjectId};
use hygiene::text::sentence;
use hygiene::trace::{Key, Listed, id_of};
use hygiene::twins::{is_twin, left_of_twins, pairs, twin};

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
    let mut ids = known_ids(memory, evaluation);
    let mut seen = BTreeSet::new();
    let unknown = evaluation
        .failing_access_keys()
        .filter(|key| !ids.contains_key(&subject_of(key)) && seen.insert((&key.user.name, key.tag)))
        .collect::<Vec<_>>();

    let pairs = pairs(evaluation);
    let mut failures: BTreeMap<String, u64> = BTreeMap::new();
    for (keys, answer) in list_all(iam, unknown, &retry.into()).await {
        match answer {
            Ok(listed) => {
                let id = |key: &AccessKeySubject| id_of(key, is_twin(key, &pairs), &listed);
                ids.extend(keys.into_iter().filter_map(|key| Some((subject_of(key).into_owned(), id(key)?))));
            }
            // AWS's message has the user's name. Without it the message is the same for all users.
            Err(error) => {
                let reason = chain(&error);
                let reason = reason.split(" on resource: ").next().unwrap_or_default();
                *failures.entry(reason.to_owned()).or_default() += 1;
            }
        }
    }
    let error = |(reason, count): (String, u64)| {
        format!("could not list the access keys of {}: {reason}", hygiene::text::counted(count, "user"))
    };
    (Enrichment::of_access_key_ids(ids), failures.into_iter().map(error).collect())
}

/// Gives the keys their ids, or why one is not known.
pub async fn identify(iam: &aws_sdk_iam::Client, keys: &mut [Key], retry: &Retry) {
    let answers: BTreeMap<String, Source<Vec<Listed>>> = {
        let subjects = keys.iter().map(|key| &key.subject);
        let answers = list_all(iam, subjects, retry).await.into_iter();
        let unreadable = |error: CallError| Unavailable::Unreadable(sentence(&chain(&error)));
        answers
            .filter_map(|(keys, answer)| Some((keys.first()?.user.name.clone(), answer.map_err(unreadable))))
            .collect()
    };
    for key in keys {
        let not_found = || Unavailable::Unreadable("IAM lists no key, or several, of that time and status.".to_owned());
        key.id = match answers.get(&key.subject.user.name) {
            Some(Ok(listed)) => id_of(&key.subject, key.is_twin, listed).ok_or_else(not_found),
            Some(Err(reason)) => Err(reason.clone()),
            None => Err(not_found()),
        };
    }
}

/// Lists the keys of the users of the given ones.
async fn list_all<'k>(
    iam: &aws_sdk_iam::Client,
    keys: impl IntoIterator<Item = &'k AccessKeySubject>,
    retry: &Retry,
) -> Vec<(Vec<&'k AccessKeySubject>, Result<Vec<Listed>, CallError>)> {
    let mut users: BTreeMap<&str, Vec<&AccessKeySubject>> = BTreeMap::new();
    for key in keys {
        users.entry(&key.user.name).or_default().push(key);
    }
    stream::iter(users)
        .map(|(user, keys)| async { (keys, list(iam, user, retry.clone()).await) })
        .buffer_unordered(AT_ONCE)
        .collect()
        .await
}

/// The ids that earlier runs stored, without those of a remaining twin: its identity may have been the other key's.
fn known_ids(memory: &Memory, evaluation: &Evaluation) -> BTreeMap<SubjectId<'static>, String> {
    let doubtful = left_of_twins(memory.findings(), evaluation);
    let ids = memory.findings().filter_map(|stored| Some((stored.subject(), stored.access_key_id.as_ref()?)));
    let ids = ids.filter(|(subject, _)| twin(subject, false).is_none_or(|first| !doubtful.contains(&first)));
    ids.map(|(subject, id)| (subject.into_owned(), id.clone())).collect()
}

fn subject_of(key: &AccessKeySubject) -> SubjectId<'_> {
    SubjectId::AccessKey { user: key.user.name.as_str().into(), key: key.tag }
}

async fn list(iam: &aws_sdk_iam::Client, user: &str, retry: Retry) -> Result<Vec<Listed>, CallError> {
    let operation = "ListAccessKeys";
    // A user has at most two keys, so there is no second page.
    let output = with_retry(operation, retry, async || {
        iam.list_access_keys().user_name(user).send().await.map_err(|error| CallError::new(operation, &error))
    });
    match output.await {
        Ok(output) => Ok(output.access_key_metadata.iter().filter_map(|key| listed(user, key)).collect()),
        // The user was deleted since the report was made.
        Err(error) if error.kind == Kind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn listed(user: &str, key: &AccessKeyMetadata) -> Option<Listed> {
    Some(Listed {
        user: user.to_owned(),
        id: key.access_key_id()?.to_owned(),
        created: DateTime::from_timestamp(key.create_date()?.secs(), 0)?,
        active: key.status() == Some(&StatusType::Active),
    })
}
