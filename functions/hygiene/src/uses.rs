//! The last use of each of the root user's credentials. A use is an event, which cannot be undone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::subject::KeyTag;
use crate::time::Time;

/// The latest use of each credential.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uses {
    /// By credential: [`PASSWORD`], or the [creation time](crate::subject::stamp) of an access key.
    pub by_credential: BTreeMap<String, Time>,
    /// A use that counts as known for every credential: earlier versions stored one date for all.
    pub of_any: Option<Time>,
}

/// The root user's password.
pub const PASSWORD: &str = "password";
/// A credential that an earlier version did not store.
const UNKNOWN: &str = "unknown";

impl Uses {
    /// The latest use.
    pub fn latest(&self) -> Option<Time> {
        self.by_credential.values().copied().chain(self.of_any).max()
    }

    /// The credential of the latest use, if it is known.
    pub fn latest_credential(&self) -> Option<&str> {
        let latest = self.by_credential.iter().max_by_key(|(_, time)| **time)?;
        (Some(*latest.1) == self.latest()).then_some(latest.0.as_str()).filter(|credential| *credential != UNKNOWN)
    }

    /// The latest use that is not in `known`.
    pub fn not_in(&self, known: &Self) -> Option<Time> {
        let is_new =
            |(credential, time): &(&String, &Time)| known.latest_of(credential).is_none_or(|known| known < **time);
        self.by_credential.iter().filter(is_new).map(|(_, time)| *time).max()
    }

    /// The latest use that may be of the credential. An access key with an unreadable date may be any key, and a key
    /// with a readable date may be one that was stored by its slot.
    fn latest_of(&self, credential: &str) -> Option<Time> {
        let may_be = |known: &str| {
            known == credential
                || (credential != PASSWORD && known != PASSWORD && (is_slot(credential) || is_slot(known)))
        };
        let known = self.by_credential.iter().filter(|(known, _)| may_be(known)).map(|(_, time)| *time);
        known.chain(self.of_any).max()
    }

    /// Whether a credential that is not named by a slot has a use that meets the condition.
    fn has_by_date(&self, is_so: impl Fn(Time) -> bool) -> bool {
        self.by_credential.iter().any(|(credential, time)| !is_slot(credential) && is_so(*time))
    }

    /// Removes uses that are later than `now`: a wrong date must not prevent the report of later uses.
    #[must_use]
    pub fn until(mut self, now: Time) -> Self {
        self.by_credential.retain(|_, time| *time <= now);
        self.of_any = self.of_any.filter(|time| *time <= now);
        self
    }

    /// Returns the latest use of each credential in both. Uses of deleted credentials are kept.
    #[must_use]
    pub fn merged(mut self, mut other: Self) -> Self {
        // A use that is stored by a key's date is not also kept by its slot.
        self.by_credential
            .retain(|credential, time| !(is_slot(credential) && other.has_by_date(|known| known == *time)));
        other
            .by_credential
            .retain(|credential, time| !(is_slot(credential) && self.has_by_date(|known| *time <= known)));
        for (credential, time) in other.by_credential {
            let latest = self.by_credential.entry(credential).or_insert(time);
            *latest = time.max(*latest);
        }
        let of_any = self.of_any.max(other.of_any);
        if self.by_credential.is_empty() {
            self.of_any = of_any;
        } else if let Some(time) = of_any.filter(|time| self.by_credential.values().all(|known| known < time)) {
            // Now that credentials have their own dates, one date must no longer count as known for all.
            self.by_credential.insert(UNKNOWN.to_owned(), time);
            self.of_any = None;
        } else {
            self.of_any = None;
        }
        self
    }
}

/// Whether an access key is named by its slot, since its date cannot be read.
fn is_slot(credential: &str) -> bool {
    matches!(credential.parse(), Ok(KeyTag::Slot(_)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::time;

    fn uses(list: &[(&str, &str)]) -> Uses {
        let by_credential = list.iter().map(|(credential, at)| ((*credential).to_owned(), time(at))).collect();
        Uses { by_credential, of_any: None }
    }

    const EARLY: &str = "2026-11-01T06:00:00Z";
    const LATE: &str = "2026-11-19T06:00:00Z";

    #[test]
    fn a_use_of_one_credential_is_new_despite_a_later_use_of_another() {
        let known = uses(&[(PASSWORD, LATE)]);
        assert_eq!(uses(&[(PASSWORD, LATE)]).not_in(&known), None);
        assert_eq!(uses(&[(PASSWORD, LATE), ("20190102T030405Z", EARLY)]).not_in(&known), Some(time(EARLY)));
        assert_eq!(uses(&[(PASSWORD, LATE)]).not_in(&uses(&[(PASSWORD, EARLY)])), Some(time(LATE)));
    }

    #[test]
    fn one_date_of_an_earlier_version_is_known_for_every_credential() {
        let known = Uses { of_any: Some(time(LATE)), ..Uses::default() };
        let seen = uses(&[(PASSWORD, EARLY), ("20190102T030405Z", LATE)]);
        assert_eq!(seen.not_in(&known), None);
        assert_eq!(seen.clone().merged(known), seen, "the credentials have their own dates now");
        let known = Uses { of_any: Some(time(LATE)), ..Uses::default() };
        let merged = uses(&[(PASSWORD, EARLY)]).merged(known.clone());
        assert_eq!((merged.latest(), merged.latest_credential()), (Some(time(LATE)), None), "of a deleted credential");
        assert_eq!(Uses::default().merged(known.clone()), known);
    }

    #[test]
    fn a_date_in_the_future_is_ignored() {
        let wrong = uses(&[(PASSWORD, "2099-01-01T00:00:00Z"), ("20190102T030405Z", EARLY)]);
        assert_eq!(wrong.until(time(LATE)), uses(&[("20190102T030405Z", EARLY)]));
    }
}
