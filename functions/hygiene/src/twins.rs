//! Twins: two access keys of a user with the same creation second. Their slots distinguish them. When one of them is
//! deleted, the ids that earlier runs stored distinguish them, since the report has no ids.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::enrichment::Enrichment;
use crate::evaluate::Evaluation;
use crate::memory::Stored;
use crate::subject::{AccessKeySubject, FindingId, KeyTag, Subject, SubjectId};
use crate::time::Time;

/// The users of twins, with the second of creation.
pub fn pairs(evaluation: &Evaluation) -> BTreeSet<(&str, Time)> {
    let keys = evaluation.findings.iter().filter_map(|finding| finding.subject.access_key());
    let second = |key: &AccessKeySubject| match key.tag {
        KeyTag::Created { at, second: true } => Some(at),
        KeyTag::Created { .. } | KeyTag::Slot(_) => None,
    };
    keys.filter_map(|key| Some((key.user.name.as_str(), second(key)?))).collect()
}

/// Whether the key is one of the twins.
pub fn is_twin(key: &AccessKeySubject, pairs: &BTreeSet<(&str, Time)>) -> bool {
    matches!(key.tag, KeyTag::Created { at, .. } if pairs.contains(&(key.user.name.as_str(), at)))
}

/// Returns the remaining key of each pair of twins, under the identity of a key without a twin. The report does not
/// show which of the two it is: it may now have the other key's slot.
pub fn left_of_twins<'s>(
    stored: impl IntoIterator<Item = &'s Stored>,
    evaluation: &Evaluation,
) -> BTreeSet<SubjectId<'static>> {
    let mut twins: BTreeSet<SubjectId<'_>> = stored.into_iter().map(Stored::subject).filter(is_second).collect();
    if twins.is_empty() {
        return BTreeSet::new();
    }
    for finding in &evaluation.findings {
        twins.remove(&finding.subject.id());
    }
    twins.iter().filter_map(|second| twin(second, false)).collect()
}

fn is_second(subject: &SubjectId<'_>) -> bool {
    matches!(subject, SubjectId::AccessKey { key: KeyTag::Created { second: true, .. }, .. })
}

/// Returns the identity of the key as the first or the second of twins.
pub fn twin(key: &SubjectId<'_>, second: bool) -> Option<SubjectId<'static>> {
    match key {
        SubjectId::AccessKey { user, key: KeyTag::Created { at, .. } } => Some(SubjectId::AccessKey {
            user: user.clone().into_owned().into(),
            key: KeyTag::Created { at: *at, second },
        }),
        SubjectId::AccessKey { .. }
        | SubjectId::Root
        | SubjectId::Account
        | SubjectId::User(_)
        | SubjectId::ServiceCredential { .. }
        | SubjectId::Other(_) => None,
    }
}

/// Gives each remaining twin the identity that its id is stored with. Returns the keys for which that cannot be
/// decided: the finding stored under their identity may be that of the other key.
pub(crate) fn assign_identities(
    stored: &BTreeMap<String, Stored>,
    evaluation: &mut Evaluation,
    enrichment: &mut Cow<'_, Enrichment>,
) -> BTreeSet<SubjectId<'static>> {
    let mut undecided = BTreeSet::new();
    for first in left_of_twins(stored.values(), evaluation) {
        let is_stored_as = |subject: &SubjectId<'_>| {
            let id = enrichment.id_of(&first);
            id.is_some() && stored.values().any(|one| one.subject() == *subject && one.access_key_id.as_deref() == id)
        };
        match twin(&first, true) {
            Some(second) if is_stored_as(&second) => {
                rename(&first, evaluation);
                enrichment.to_mut().rename(&first, second);
            }
            Some(_) | None if is_stored_as(&first) => {}
            Some(_) | None => {
                undecided.insert(first);
            }
        }
    }
    undecided
}

fn rename(first: &SubjectId<'_>, evaluation: &mut Evaluation) {
    for finding in evaluation.findings.iter_mut().filter(|finding| finding.subject.id() == *first) {
        if let Subject::AccessKey(AccessKeySubject { tag: KeyTag::Created { second, .. }, .. }) =
            Arc::make_mut(&mut finding.subject)
        {
            *second = true;
        }
    }
}

/// If the stored finding is on the second of undecided twins: the identity that the remaining twin takes.
pub(crate) fn first_of(stored: &Stored, undecided: &BTreeSet<SubjectId<'static>>) -> Option<String> {
    let id = FindingId::parse(&stored.id).ok().filter(|id| is_second(&id.subject))?;
    let subject = twin(&id.subject, false).filter(|first| undecided.contains(first))?;
    Some(FindingId { subject, ..id }.to_string())
}
