//! Reads who uses access keys: their events in all Regions, their last uses, and the account's networks.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws::error::{CallError, chain};
use aws::{access_keys, key_events, last_accessed, last_used, networks, regions};
use chrono::{DateTime, Utc};
use hygiene::account::Account;
use hygiene::event::Event;
use hygiene::readiness::all_regions;
use hygiene::source::{Source, Unavailable};
use hygiene::text::{counted, sentence};
use hygiene::trace::{Accessed, Gap, Key, LastUsed, Networks};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

use super::{Live, no_credentials, retry, spinner};

/// The timeout of everything but the networks: for each key its look-up in each Region and a page of each day at one a second, and
/// time for what is asked first. It is at most ten minutes: enough for 600 keys at two a second, and five minutes for busy ones.
fn uses_timeout(keys: usize) -> Duration {
    let of_keys = u64::try_from(keys).unwrap_or(u64::MAX).saturating_mul(100);
    Duration::from_secs(of_keys.saturating_add(120)).min(Duration::from_mins(10))
}

/// The timeout of listing the Regions.
const REGIONS_TIMEOUT: Duration = Duration::from_mins(1);
/// The timeout of reading the networks: a page has 1,000 interfaces.
const NETWORKS_TIMEOUT: Duration = Duration::from_mins(2);
/// The timeout of finding the user of a key.
const OWNER_TIMEOUT: Duration = Duration::from_mins(1);

/// Who uses keys, as far as it could be read.
#[derive(Debug, Default)]
pub struct KeyUses {
    /// The keys with their ids and last uses.
    pub keys: Vec<Key>,
    /// The events, each with the Region that it was looked up in. An event can be there twice.
    pub events: Vec<(String, Event)>,
    /// What was not read, of the key with the id or of all keys.
    pub gaps: Vec<(Option<String>, Gap)>,
    /// The ids of keys with more events than were read.
    pub sampled: BTreeSet<String>,
    /// The account's networks. Not read if there is no event.
    pub networks: Networks,
    /// The networks that could not be read.
    pub unread_networks: Vec<Gap>,
    /// The services that users called last, by user: of those whose last use may be in no event.
    pub accessed: BTreeMap<String, Source<Vec<Accessed>>>,
    /// What is worth knowing although everything was read, one line each.
    pub notes: Vec<String>,
}

impl Live {
    /// Reads who uses the keys: CloudTrail's events of the last `days` (at most 90) in all enabled Regions, the last uses, and if
    /// there are events the account's networks. What cannot be read is a gap, or the reason why a key has no id.
    pub fn key_uses(&self, account: &Account, keys: Vec<Key>, days: i64, now: DateTime<Utc>) -> KeyUses {
        let mut uses = KeyUses { keys, ..KeyUses::default() };
        if let Some(reason) = &self.unreadable {
            for key in &mut uses.keys {
                key.id = Err(no_credentials(reason));
            }
            return uses;
        }
        let until = Instant::now() + uses_timeout(uses.keys.len());
        self.find_ids(&mut uses.keys, until);
        let ids: Vec<String> = uses.keys.iter().filter_map(|key| key.id.clone().ok()).collect();
        if ids.is_empty() {
            return uses;
        }
        let regions = self.regions(account, &mut uses.gaps);
        self.find_uses(&mut uses, &ids, &regions, days, now, until);
        if !uses.events.is_empty() {
            let progress = spinner("Reading the network interfaces …");
            let retry = retry(Instant::now() + NETWORKS_TIMEOUT, &progress);
            (uses.networks, uses.unread_networks) = self.runtime.block_on(networks::read(&self.sdk, &regions, &retry));
            progress.finish_and_clear();
        }
        uses
    }

    /// Returns the name of the user whose key has the id; `None` if IAM knows no such key.
    ///
    /// # Errors
    ///
    /// Why it cannot be read, as a sentence.
    pub fn owner_of(&self, id: &str) -> Result<Option<String>, String> {
        if let Some(reason) = &self.unreadable {
            return Err(no_credentials(reason).reason().to_owned());
        }
        let progress = spinner("Looking up the user of the access key …");
        let retry = retry(Instant::now() + OWNER_TIMEOUT, &progress);
        let owner = self.runtime.block_on(last_used::owner_of(&self.clients.iam, id, &retry));
        progress.finish_and_clear();
        owner.map_err(|error| sentence(&chain(&error)))
    }

    fn find_ids(&self, keys: &mut [Key], until: Instant) {
        let progress = spinner("Looking up the ids of the access keys …");
        self.runtime.block_on(access_keys::identify(&self.clients.iam, keys, &retry(until, &progress)));
        progress.finish_and_clear();
    }

    /// The Regions to look at.
    fn regions(&self, account: &Account, gaps: &mut Vec<(Option<String>, Gap)>) -> Vec<String> {
        let progress = spinner("Listing the Regions …");
        let regions =
            self.runtime.block_on(regions::enabled(&self.sdk, retry(Instant::now() + REGIONS_TIMEOUT, &progress)));
        progress.finish_and_clear();
        let partition = account.partition.as_deref().unwrap_or("aws");
        let enabled = regions.unwrap_or_else(|error| {
            gaps.push((None, Gap::of("Regions", &unreadable(&error))));
            BTreeSet::new()
        });
        all_regions(partition, enabled).into_iter().collect()
    }

    /// Reads events, last uses, and what else the users called.
    fn find_uses(
        &self,
        uses: &mut KeyUses,
        ids: &[String],
        regions: &[String],
        days: i64,
        now: DateTime<Utc>,
        until: Instant,
    ) {
        let progress = look_ups(ids.len() * regions.len());
        let retry = retry(until, &progress);
        let count = Cell::new(0);
        let on_done = |found: usize| {
            count.set(count.get() + found);
            progress.set_message(format!("found {}", counted(count.get() as u64, "event")));
            progress.inc(1);
        };
        let KeyUses { keys, gaps, accessed, .. } = uses;
        let found = self.runtime.block_on(async {
            let last_uses = async {
                let last_used = last_used::of_keys(&self.clients.iam, ids, &retry).await;
                update(keys, last_used, gaps);
                *accessed = last_accessed::of_users(&self.clients.iam, with_hidden_uses(keys), &retry).await;
            };
            let events = key_events::look_up(&self.sdk, ids, regions, now, days, &retry, &on_done);
            tokio::join!(events, last_uses).0
        });
        progress.finish_and_clear();
        uses.events = found.events;
        uses.gaps.extend(found.gaps.into_iter().map(|(id, gap)| (Some(id), gap)));
        uses.sampled = found.sampled;
        uses.notes.extend(found.throttled.into_iter().map(|region| {
            format!("CloudTrail throttled the look-ups in {region}, so events were looked up at half the rate there")
        }));
    }
}

fn unreadable(error: &CallError) -> Unavailable {
    Unavailable::Unreadable(sentence(&chain(error)))
}

/// Takes the last uses by key id, where they are later than those of the credential report.
fn update(
    keys: &mut [Key],
    mut last_used: BTreeMap<String, Source<Option<LastUsed>>>,
    gaps: &mut Vec<(Option<String>, Gap)>,
) {
    for key in keys {
        let Ok(id) = &key.id else { continue };
        match last_used.remove(id) {
            Some(Ok(used)) => key.update_last_used(used),
            Some(Err(reason)) => gaps.push((Some(id.clone()), Gap::of("last use", &reason))),
            None => {}
        }
    }
}

/// The names and ARNs of the users whose keys may have uses that are in no event.
fn with_hidden_uses(keys: &[Key]) -> BTreeMap<String, String> {
    let hidden = keys.iter().filter(|key| {
        let used = key.last_used.as_ref().ok().and_then(Option::as_ref);
        key.id.is_ok() && used.is_some_and(LastUsed::may_be_in_no_event)
    });
    hidden.filter_map(|key| Some((key.subject.user.name.clone(), key.subject.user.arn.clone()?))).collect()
}

/// Shows how many look-ups are done, on a terminal.
fn look_ups(all: usize) -> ProgressBar {
    let progress = ProgressBar::new(all as u64);
    if let Ok(style) = ProgressStyle::with_template("{spinner} keys × Regions: {pos} of {len}, {msg} {elapsed}") {
        progress.set_style(style);
    }
    progress.set_message("found 0 events");
    progress.enable_steady_tick(Duration::from_millis(120));
    progress
}

#[cfg(test)]
mod tests {
    use hygiene::subject::{AccessKeySubject, KeyTag, UserSubject};
    use hygiene::time::rfc3339;

    use super::*;

    const ID: &str = "AKIAIOSFODNN7EXAMPLE";

    fn used(date: &str, service: &str) -> LastUsed {
        LastUsed { date: rfc3339(date).unwrap(), region: None, service: Some(service.to_owned()) }
    }

    fn key(last_used: Option<LastUsed>) -> Key {
        let arn = Some("arn:aws:iam::123456789012:user/alice".to_owned());
        let user = UserSubject { name: "alice".to_owned(), arn, created: None };
        let subject = AccessKeySubject { user, slot: 1, created: None, active: Some(true), tag: KeyTag::Slot(1) };
        Key { subject, is_twin: false, id: Ok(ID.to_owned()), last_used: Ok(last_used) }
    }

    #[test]
    fn a_last_use_that_cannot_be_read_is_a_gap_and_leaves_that_of_the_report() {
        let mut keys = [key(Some(used("2026-11-01T06:00:00Z", "s3")))];
        let mut gaps = Vec::new();
        let refused = Unavailable::Unreadable("Refused.".to_owned());
        update(&mut keys, [(ID.to_owned(), Err(refused.clone()))].into(), &mut gaps);
        assert_eq!(gaps, [(Some(ID.to_owned()), Gap::of("last use", &refused))]);
        assert_eq!(keys[0].last_used, Ok(Some(used("2026-11-01T06:00:00Z", "s3"))));
        update(&mut keys, [(ID.to_owned(), Ok(Some(used("2026-11-02T06:00:00Z", "ec2"))))].into(), &mut gaps);
        assert_eq!(keys[0].last_used, Ok(Some(used("2026-11-02T06:00:00Z", "ec2"))));
    }

    #[test]
    fn services_are_asked_for_only_of_users_whose_last_use_may_be_in_no_event() {
        let asked = |keys: &[Key]| with_hidden_uses(keys).into_keys().collect::<Vec<_>>();
        assert_eq!(asked(&[key(Some(used("2026-11-01T06:00:00Z", "s3")))]), ["alice"]);
        assert_eq!(asked(&[key(Some(used("2026-11-01T06:00:00Z", "ec2"))), key(None)]), [""; 0]);
        let unnamed = Key {
            id: Err(Unavailable::Unreadable("Refused.".to_owned())),
            ..key(Some(used("2026-11-01T06:00:00Z", "s3")))
        };
        assert_eq!(asked(&[unnamed]), [""; 0]);
    }
}
