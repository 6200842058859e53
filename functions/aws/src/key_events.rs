//! Looks up the events of access keys in the event history of all Regions.
//!
//! AWS allows two look-ups a second in each Region, and one takes seconds at times. So all Regions are asked at once, and in each
//! several keys: the number of keys and that rate decide how long it takes. Of a busy key, which can have a million events, the
//! newest are read and a page of each day.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeSet;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_cloudtrail::types::LookupAttributeKey;
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, future, stream};
use hygiene::event::Event;
use hygiene::source::Unavailable;
use hygiene::text::sentence;
use hygiene::trace::{Gap, moments};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::error::{CallError, Kind, chain};
use crate::history::{History, OPERATION, Page, Wanted};
use crate::permission::Permission;
use crate::retry::{Retry, with_retry};

/// The permissions to look up events.
pub const PERMISSIONS: &[Permission] = &[Permission {
    action: "cloudtrail:LookupEvents",
    resource: "*",
    purpose: "finds the calls that were signed with a key",
    condition: None,
}];

/// The maximum number of calls at once in a Region: two a second, if a call takes up to 32 seconds.
const IN_REGION: usize = 64;
/// The maximum number of calls at once: each can be a connection, of which macOS allows a process 256. In 17 Regions that is two
/// a second, if a call takes up to 6 seconds.
const AT_ONCE: usize = 200;
/// The number of newest pages of a key; one that has more is busy.
const NEWEST: usize = 2;
/// The maximum number of further pages of busy keys in a Region: five minutes at two a second, or six keys with 90 days each.
const SAMPLES: usize = 600;
/// The timeout of a page, with all tries, if CloudTrail does not throttle: a Region that never answers would cost all the time.
const CALL: Duration = Duration::from_mins(3);
/// Why something is missing if the time or the number of calls was not enough.
const OVER: &str = "The time for looking up events was over";

/// The events of keys.
#[derive(Debug, Default, PartialEq)]
pub struct KeyEvents {
    /// The events, each with the Region that it was looked up in. An event can be there twice.
    pub events: Vec<(String, Event)>,
    /// What could not be read, with the key's id.
    pub gaps: Vec<(String, Gap)>,
    /// The ids of keys with more events than were read.
    pub sampled: BTreeSet<String>,
    /// The Regions in which CloudTrail throttled.
    pub throttled: BTreeSet<String>,
}

/// Looks up the events of the last days by key id in the Regions, until the deadline of `retry`. Calls `on_done` for each key and
/// Region with the number of events there.
pub async fn look_up(
    sdk: &SdkConfig,
    ids: &[String],
    regions: &[String],
    now: DateTime<Utc>,
    days: i64,
    retry: &Retry,
    on_done: &dyn Fn(usize),
) -> KeyEvents {
    let permits = &Semaphore::new(AT_ONCE);
    let of_region = |region: &String| {
        let region = Region {
            name: region.clone(),
            history: History::of(sdk, region),
            now,
            days,
            retry,
            permits,
            failed: OnceCell::new(),
            samples: Cell::new(0),
        };
        async move { region.look_up(ids, on_done).await }
    };
    let mut all = KeyEvents::default();
    for found in future::join_all(regions.iter().map(of_region)).await {
        all.events.extend(found.events);
        all.gaps.extend(found.gaps);
        all.sampled.extend(found.sampled);
        all.throttled.extend(found.throttled);
    }
    all
}

/// The look-ups of a Region.
struct Region<'a> {
    name: String,
    history: History,
    now: DateTime<Utc>,
    days: i64,
    retry: &'a Retry,
    permits: &'a Semaphore,
    /// Why it is not asked again.
    failed: OnceCell<String>,
    /// The number of pages of busy keys.
    samples: Cell<usize>,
}

/// What was found of a key in a Region.
struct Found<'a> {
    id: &'a str,
    events: Vec<Event>,
    /// Whether there are more events than the newest pages have.
    is_busy: bool,
    /// Why something is missing, as sentences without a full stop; the same one once.
    missing: BTreeSet<String>,
    /// All events before this time were read.
    all_before: Option<DateTime<Utc>>,
}

impl<'a> Found<'a> {
    fn new(id: &'a str) -> Self {
        Self { id, events: Vec::new(), is_busy: false, missing: BTreeSet::new(), all_before: None }
    }

    fn add(&mut self, events: Vec<Result<Event, CallError>>) {
        for event in events {
            match event {
                Ok(event) => self.events.push(event),
                // One is enough: the position of the error differs.
                Err(error) if self.missing.is_empty() => _ = self.missing.insert(chain(&error)),
                Err(_) => {}
            }
        }
    }

    /// The time of the oldest event that was read.
    fn oldest(&self) -> Option<DateTime<Utc>> {
        self.events.iter().filter_map(|event| event.time).min()
    }
}

impl Region<'_> {
    /// Reads the newest events of every key, then samples of the busy ones.
    async fn look_up(&self, ids: &[String], on_done: &dyn Fn(usize)) -> KeyEvents {
        let keys: Vec<_> = ids.iter().map(|id| RefCell::new(Found::new(id))).collect();
        let newest = async |key: &RefCell<Found<'_>>| {
            self.newest(key).await;
            let key = key.borrow();
            if !key.is_busy {
                on_done(key.events.len());
            }
        };
        stream::iter(&keys).for_each_concurrent(IN_REGION, newest).await;
        // One day of all keys after the other: if time runs out, every key has its latest days.
        let busy: Vec<_> =
            keys.iter().filter(|key| key.borrow().is_busy).map(|key| (key, key.borrow().oldest())).collect();
        let samples = moments(self.now, self.days).flat_map(|moment| {
            let older = busy.iter().filter(move |(_, oldest)| oldest.is_none_or(|oldest| moment < oldest));
            older.map(move |(key, _)| (*key, moment))
        });
        stream::iter(samples)
            .for_each_concurrent(IN_REGION, async |(key, moment)| self.sample(key, moment).await)
            .await;
        for (key, _) in &busy {
            on_done(key.borrow().events.len());
        }
        let mut all = KeyEvents::default();
        for found in keys.into_iter().map(RefCell::into_inner) {
            all.events.extend(found.events.into_iter().map(|event| (self.name.clone(), event)));
            let gap = |reason: String| Gap::events(&self.name, &Unavailable::Unreadable(sentence(&reason)));
            all.gaps.extend(found.missing.into_iter().map(|reason| (found.id.to_owned(), gap(reason))));
            if found.is_busy {
                all.sampled.insert(found.id.to_owned());
            }
        }
        if self.history.rate.is_slow() {
            all.throttled.insert(self.name.clone());
        }
        all
    }

    /// Reads the newest events of a key.
    async fn newest(&self, key: &RefCell<Found<'_>>) {
        let id = key.borrow().id;
        let mut token = None;
        for _ in 0..NEWEST {
            match self.page(id, None, token.as_deref(), &|| true).await {
                Ok(page) => {
                    let Page { events, next_token } = page.unwrap_or_default();
                    key.borrow_mut().add(events);
                    token = next_token;
                    if token.is_none() {
                        return;
                    }
                }
                Err(reason) => {
                    key.borrow_mut().missing.insert(reason);
                    return;
                }
            }
        }
        key.borrow_mut().is_busy = true;
    }

    /// Reads a page of a busy key, of events before the moment, unless all of them were read.
    async fn sample(&self, key: &RefCell<Found<'_>>, moment: DateTime<Utc>) {
        let is_needed = || key.borrow().all_before.is_none_or(|before| before < moment);
        if !is_needed() {
            return;
        }
        let id = key.borrow().id;
        let count = self.samples.get();
        let page = if count < SAMPLES {
            self.samples.set(count + 1);
            self.page(id, Some(moment), None, &is_needed).await
        } else {
            Err(OVER.to_owned())
        };
        let mut key = key.borrow_mut();
        match page {
            Ok(Some(page)) => {
                key.add(page.events);
                if page.next_token.is_none() {
                    key.all_before = key.all_before.max(Some(moment));
                }
            }
            Ok(None) => self.samples.set(self.samples.get() - 1),
            Err(reason) => _ = key.missing.insert(reason),
        }
    }

    /// Reads a page of the events of a key before the moment; `None` if it is not needed any more when it has its turn. An error is
    /// why it cannot be read.
    async fn page(
        &self,
        id: &str,
        before: Option<DateTime<Utc>>,
        token: Option<&str>,
        is_needed: &dyn Fn() -> bool,
    ) -> Result<Option<Page>, String> {
        let key = LookupAttributeKey::AccessKeyId;
        let since = self.now - TimeDelta::days(self.days);
        let wanted = Wanted { key, value: id, since, until: before };
        let mut throttled: Option<CallError> = None;
        loop {
            let retry = self.retry.until(self.retry.until.min(Instant::now() + CALL));
            let page = with_retry(OPERATION, retry, async || {
                if !self.history.rate.turn_if(|| self.failed.get().is_none() && is_needed()).await {
                    return Ok(None);
                }
                // The semaphore is never closed.
                let _permit = self.permits.acquire().await;
                self.history.page(&wanted, token).await.map(Some)
            });
            let error = match page.await {
                Ok(Some(page)) => return Ok(Some(page)),
                Ok(None) => return self.failed.get().map_or(Ok(None), |reason| Err(reason.clone())),
                Err(error) => error,
            };
            let is_over = self.retry.until <= Instant::now();
            if error.kind == Kind::Throttled && !is_over {
                throttled = Some(error);
                continue;
            }
            let reason = match throttled.filter(|_| is_over) {
                Some(throttled) => format!("{OVER}: {}", chain(&throttled)),
                None if is_over => OVER.to_owned(),
                None => chain(&error),
            };
            // What is denied or cannot be reached for one key is so for the others.
            if is_over || error.kind == Kind::Denied || error.kind.may_pass() {
                _ = self.failed.set(reason.clone());
            }
            return Err(reason);
        }
    }
}
