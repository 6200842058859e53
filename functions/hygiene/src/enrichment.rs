//! What is known of subjects beyond the sources of the checks: it changes no verdict, and is added to what is reported.

use std::collections::BTreeMap;

use crate::finding::Finding;
use crate::subject::SubjectId;

/// What is known of subjects beyond the sources of the checks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Enrichment {
    access_key_ids: BTreeMap<SubjectId<'static>, String>,
}

impl Enrichment {
    /// The ids of access keys.
    pub fn of_access_key_ids(ids: BTreeMap<SubjectId<'static>, String>) -> Self {
        Self { access_key_ids: ids }
    }

    /// The id of the access key that a failing finding is on, where it is known.
    pub fn access_key_id<'a>(&'a self, finding: &'a Finding) -> Option<&'a str> {
        finding.failure()?;
        finding.subject.access_key()?;
        self.id_of(&finding.subject.id())
    }

    /// The id of that access key, where it is known.
    pub fn id_of<'a>(&'a self, key: &SubjectId<'a>) -> Option<&'a str> {
        self.access_key_ids.get(key).map(String::as_str)
    }

    /// Calls an access key by another identity.
    pub(crate) fn rename(&mut self, key: &SubjectId<'_>, to: SubjectId<'static>) {
        if let Some(id) = self.access_key_ids.remove(&key.clone().into_owned()) {
            self.access_key_ids.insert(to, id);
        }
    }
}
