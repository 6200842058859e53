//! Data on subjects from other sources than those of the checks. It changes no verdict, and is added to reported
//! findings.

use std::collections::BTreeMap;

use crate::finding::Finding;
use crate::subject::SubjectId;

/// Data on subjects from other sources than those of the checks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Enrichment {
    access_key_ids: BTreeMap<SubjectId<'static>, String>,
}

impl Enrichment {
    /// An enrichment with ids of access keys.
    pub fn of_access_key_ids(ids: BTreeMap<SubjectId<'static>, String>) -> Self {
        Self { access_key_ids: ids }
    }

    /// The id of the access key of a failing finding, if it is known.
    pub fn access_key_id<'a>(&'a self, finding: &'a Finding) -> Option<&'a str> {
        finding.failure()?;
        finding.subject.access_key()?;
        self.id_of(&finding.subject.id())
    }

    /// The id of the access key, if it is known.
    pub fn id_of<'a>(&'a self, key: &SubjectId<'a>) -> Option<&'a str> {
        self.access_key_ids.get(key).map(String::as_str)
    }

    /// Stores the id of an access key under another identity.
    pub(crate) fn rename(&mut self, key: &SubjectId<'_>, to: SubjectId<'static>) {
        if let Some(id) = self.access_key_ids.remove(&key.clone().into_owned()) {
            self.access_key_ids.insert(to, id);
        }
    }
}
