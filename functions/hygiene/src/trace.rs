//! Who uses an access key, from where, and what to do about it.
//!
//! A [`Tracer`] takes CloudTrail's events one by one, in any order, and keeps of them only counts and the latest event of each
//! place: memory does not grow with their number. Nothing that was not looked at is taken for no use: it is named, and with it no
//! active key may be removed.

mod agent;
mod judge;
mod network;
mod place;
mod remedy;
mod sample;
mod unseen;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use chrono::{NaiveDate, TimeDelta};
use serde::Serialize;

use crate::account::Account;
use crate::evaluate::Evaluation;
use crate::event::Event;
use crate::policy::Policy;
use crate::report::{AccessKey, Row};
use crate::source::{Source, Unavailable};
use crate::subject::{AccessKeySubject, Subject};
use crate::time::{Time, optional_seconds, seconds};
use crate::twins::{is_twin, pairs};

pub use network::{Address, Interface, Networks, Prefix, owns_instance};
pub use place::{ADDRESSES, INTERFACES};
use place::{Evidence, Origin, service};
pub use sample::moments;
use unseen::has_data_events;

/// The number of days that CloudTrail keeps events.
pub const DAYS: i64 = 90;

/// What to do about a key, in the order in which one would do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Advice {
    /// A tool that looks for leaked keys used it.
    Incident,
    /// Nothing uses it.
    Remove,
    /// A person uses it, and can sign in instead.
    SignIn,
    /// Something uses it that can have a role.
    ReplaceByRole,
    /// Reserved: no key gets it.
    Rotate,
    /// Only its owner knows.
    AskOwner,
}

impl Advice {
    /// `replace-by-role`
    pub fn name(self) -> &'static str {
        match self {
            Self::Incident => "incident",
            Self::Remove => "remove",
            Self::SignIn => "sign-in",
            Self::ReplaceByRole => "replace-by-role",
            Self::Rotate => "rotate",
            Self::AskOwner => "ask-owner",
        }
    }
}

/// The kind of the place that a key is used from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// An instance of the account.
    OwnInstance,
    /// A network of the account.
    OwnNetwork,
    /// An interface or address of another account that was read.
    OrganizationNetwork,
    /// AWS's compute services, by the user agent, at an address that is not the account's.
    AwsCompute,
    /// A service that runs pipelines.
    Ci,
    /// A service of AWS on somebody's behalf.
    ServiceOnBehalf,
    /// Only starts sessions of a role.
    RoleSession,
    /// Outside the account.
    Outside,
    /// It cannot be said.
    Unknown,
}

impl Kind {
    /// `own-instance`
    pub fn name(self) -> &'static str {
        match self {
            Self::OwnInstance => "own-instance",
            Self::OwnNetwork => "own-network",
            Self::OrganizationNetwork => "organization-network",
            Self::AwsCompute => "aws-compute",
            Self::Ci => "ci",
            Self::ServiceOnBehalf => "service-on-behalf",
            Self::RoleSession => "role-session",
            Self::Outside => "outside",
            Self::Unknown => "unknown",
        }
    }

    /// Whether what is there can have a role.
    fn can_have_role(self) -> bool {
        matches!(self, Self::OwnInstance | Self::OwnNetwork | Self::OrganizationNetwork | Self::AwsCompute | Self::Ci)
    }
}

/// Where the caller has the key from, as the SDK says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum StoredIn {
    /// Environment variables.
    Environment,
    /// A profile of the AWS CLI's files.
    CredentialsFile,
    /// The program.
    Code,
    /// A program that a profile names.
    CredentialProcess,
    /// It does not say.
    Unknown,
}

impl StoredIn {
    /// `credentials-file`
    pub fn name(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::CredentialsFile => "credentials-file",
            Self::Code => "code",
            Self::CredentialProcess => "credential-process",
            Self::Unknown => "unknown",
        }
    }
}

/// The last use of a key, as IAM records it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct LastUsed {
    /// When.
    #[serde(serialize_with = "seconds")]
    pub date: Time,
    /// The Region, if the service has Regions.
    pub region: Option<String>,
    /// The service's namespace, such as `s3`.
    pub service: Option<String>,
}

impl LastUsed {
    /// Whether the event history may not show it.
    pub fn may_be_in_no_event(&self) -> bool {
        self.service.as_deref().is_none_or(has_data_events)
    }
}

/// A key to trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The key in the credential report.
    pub subject: AccessKeySubject,
    /// Whether its user has another key of the same second.
    pub is_twin: bool,
    /// Its id, which the report does not have.
    pub id: Source<String>,
    /// Its last use; `None` if it was never used.
    pub last_used: Source<Option<LastUsed>>,
}

impl Key {
    /// Takes another record of its last use, if that is the later one: a credential report can be four hours old.
    pub fn update_last_used(&mut self, other: Option<LastUsed>) {
        match &self.last_used {
            Ok(Some(known)) if other.as_ref().is_none_or(|other| other.date <= known.date) => {}
            _ => self.last_used = Ok(other),
        }
    }
}

/// Which keys to trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// Every key with a FAILED finding.
    Failing,
    /// Every key of the user.
    OfUser(String),
    /// Every key of every user: one of them has the id that is looked for.
    All,
}

/// Returns the keys to trace, by user and slot. The root user's are not among them: AWS lists neither their ids nor, by id, their
/// events.
pub fn keys(account: &Account, evaluation: &Evaluation, which: &Which) -> Vec<Key> {
    let failing: BTreeSet<(&str, u8)> =
        evaluation.failing_access_keys().map(|key| (key.user.name.as_str(), key.slot)).collect();
    let subjects = evaluation.access_keys();
    let pairs = pairs(evaluation);
    let mut keys = Vec::new();
    for user in account.users() {
        let Ok(row) = user.row else { continue };
        for key in row.access_keys.iter().filter(|key| !key.is_empty()) {
            let place = (user.name.as_ref(), key.slot);
            let Some(subject) = subjects.get(&place).and_then(|subject| subject.access_key()) else { continue };
            let is_chosen = match which {
                Which::Failing => failing.contains(&place),
                Which::OfUser(name) => *name == subject.user.name,
                Which::All => true,
            };
            if is_chosen {
                let id = Err(Unavailable::NotAsked("Its id is in none of the files.".to_owned()));
                let is_twin = is_twin(subject, &pairs);
                keys.push(Key { subject: subject.clone(), is_twin, id, last_used: last_used(row, key) });
            }
        }
    }
    keys.sort_by(|one, other| {
        (&one.subject.user.name, one.subject.slot).cmp(&(&other.subject.user.name, other.subject.slot))
    });
    keys
}

fn last_used(row: &Row, key: &AccessKey) -> Source<Option<LastUsed>> {
    let columns = key.columns();
    let text = |column| row.value(column).map(str::to_owned);
    let date = key.last_used_date.clone()?;
    Ok(date.map(|date| LastUsed {
        date,
        region: text(columns.last_used_region),
        service: text(columns.last_used_service),
    }))
}

/// An access key as IAM's `ListAccessKeys` returns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The name of its user.
    pub user: String,
    /// Its id.
    pub id: String,
    /// When it was created.
    pub created: Time,
    /// Whether it is active.
    pub active: bool,
}

/// Finds the report's key among the listed ones by user and creation date (to the second), and one of twins by its status. If the
/// report and the list have not as many keys of that second, or two match, returns none: a wrong id is worse than no id.
pub fn id_of(key: &AccessKeySubject, is_twin: bool, listed: &[Listed]) -> Option<String> {
    let created = key.created?.timestamp();
    let is_one = |one: &&Listed| one.user == key.user.name && one.created.timestamp() == created;
    let mut fitting: BTreeMap<&str, &Listed> = listed.iter().filter(is_one).map(|one| (one.id.as_str(), one)).collect();
    if fitting.len() != 1 + usize::from(is_twin) {
        return None;
    }
    if is_twin {
        let active = key.active?;
        fitting.retain(|_, one| one.active == active);
    }
    let mut ids = fitting.into_keys();
    ids.next().filter(|_| ids.next().is_none()).map(str::to_owned)
}

/// Something that was not looked at.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Gap {
    /// What it is.
    pub what: String,
    /// Its Region.
    pub region: Option<String>,
    /// The service whose uses it hides.
    pub service: Option<String>,
    /// Why, as a sentence.
    pub reason: String,
    /// Whether it was asked for and could not be read.
    #[serde(skip)]
    pub is_failure: bool,
}

impl Gap {
    /// Something that was not asked for, or that cannot be read.
    fn new(what: &str, reason: String) -> Self {
        Self { what: what.to_owned(), region: None, service: None, reason, is_failure: false }
    }

    /// The events of a Region.
    pub fn events(region: &str, reason: &Unavailable) -> Self {
        Self { region: Some(region.to_owned()), ..Self::of("events", reason) }
    }

    /// Anything else, for the reason.
    pub fn of(what: &str, reason: &Unavailable) -> Self {
        let is_failure = !matches!(reason, Unavailable::NotAsked(_));
        Self { is_failure, ..Self::new(what, reason.reason().to_owned()) }
    }
}

/// A fact that a verdict rests on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Because {
    /// The event, or the source.
    pub what: String,
    /// The event's Region.
    pub region: Option<String>,
    /// The service that was called.
    pub service: Option<String>,
    /// What it shows, as a sentence.
    pub reason: String,
}

/// A place that a key is used from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UsedFrom {
    /// Its kind.
    pub kind: Kind,
    /// What it is.
    pub what: String,
    /// The account that it is in.
    pub account: Option<String>,
    /// The Region that it is in.
    pub region: Option<String>,
    /// The address. Untrusted text.
    pub address: Option<String>,
    /// The program and its version, by the user agent. Untrusted text.
    pub client: Option<String>,
    /// Where it has the key from.
    pub key_stored_in: StoredIn,
    /// The services that it called.
    pub services: BTreeSet<String>,
    /// The first call.
    #[serde(serialize_with = "optional_seconds")]
    pub first: Option<Time>,
    /// The last call.
    #[serde(serialize_with = "optional_seconds")]
    pub last: Option<Time>,
    /// The number of calls.
    pub events: u64,
}

/// A key and who uses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TracedKey {
    /// The name of its user. Untrusted text.
    pub user: String,
    /// Its id, if it is known.
    pub access_key_id: Option<String>,
    /// When it was created.
    #[serde(serialize_with = "optional_seconds")]
    pub created: Option<Time>,
    /// Its last use; `None` if it was never used.
    pub last_used: Option<LastUsed>,
    /// Who uses it, in one sentence.
    pub verdict: String,
    /// What to do.
    pub plan: Advice,
    /// What the verdict rests on; what decides comes first.
    pub because: Vec<Because>,
    /// Where it is used from; what decides comes first.
    pub used_from: Vec<UsedFrom>,
    /// The number of events.
    pub events: u64,
    /// Whether there are more events than were read.
    pub sampled: bool,
    /// What was not looked at.
    pub not_looked_at: Vec<Gap>,
    /// The key in the credential report.
    #[serde(skip)]
    pub subject: Subject,
    /// The number of events by day.
    #[serde(skip)]
    pub days: BTreeMap<NaiveDate, u64>,
}

/// Who uses the keys of an account, in the contract's JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trace {
    /// The account's 12 digits, if they are known.
    pub account_id: Option<String>,
    /// The time of the evaluation.
    #[serde(serialize_with = "seconds")]
    pub evaluated_at: Time,
    /// The keys, by user and slot.
    pub keys: Vec<TracedKey>,
    /// The first day whose events were looked at.
    #[serde(skip)]
    pub since: Time,
}

impl Trace {
    /// Whether a plan is `incident`.
    pub fn has_incident(&self) -> bool {
        self.keys.iter().any(|key| key.plan == Advice::Incident)
    }

    /// Whether something that was asked for could not be read.
    pub fn has_failure(&self) -> bool {
        self.keys.iter().flat_map(|key| &key.not_looked_at).any(|gap| gap.is_failure)
    }
}

/// A service that a user called, by IAM's data on services last accessed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Accessed {
    /// The service's namespace.
    pub service: String,
    /// When it was called last.
    pub date: Time,
    /// In which Region.
    pub region: Option<String>,
}

/// The conditions of a trace.
#[derive(Debug, Clone)]
pub struct Conditions<'a> {
    /// The account's 12 digits, if they are known.
    pub account_id: Option<&'a str>,
    /// The time of the evaluation.
    pub now: Time,
    /// The number of days whose events count, at most [`DAYS`].
    pub days: i64,
    /// Since when a key is unused, and how long it is new.
    pub policy: &'a Policy,
    /// The account's own networks.
    pub networks: &'a Networks,
    /// The networks that were not read. They matter for keys with events.
    pub unread_networks: Vec<Gap>,
}

/// Finds out who uses keys. Add all events, then [`finish`](Self::finish).
#[derive(Debug)]
pub struct Tracer<'a> {
    conditions: Conditions<'a>,
    keys: Vec<State>,
    by_id: HashMap<String, usize>,
    /// Hashes of the events' ids: files, and samples of a busy key, overlap. Two of a million ids have the same hash with a
    /// probability below 10⁻⁷.
    seen: HashSet<u64>,
}

/// What is known of a key.
#[derive(Debug)]
struct State {
    key: Key,
    places: BTreeMap<Origin, Tally>,
    /// The latest event of a tool that looks for leaked keys, and the tool.
    leak: Option<(Evidence, &'static str)>,
    days: BTreeMap<NaiveDate, u64>,
    events: u64,
    sampled: bool,
    gaps: BTreeSet<Gap>,
}

/// What is kept of the events from one place.
#[derive(Debug, Default)]
struct Tally {
    services: BTreeSet<String>,
    roles: BTreeSet<String>,
    first: Option<Time>,
    latest: Option<Evidence>,
    events: u64,
    /// The calls that start a session of a role or of the user, and those that do something else.
    sessions: u64,
    others: u64,
}

impl<'a> Tracer<'a> {
    /// A trace of the keys. An id that two keys have is the id of neither.
    pub fn new(conditions: Conditions<'a>, mut keys: Vec<Key>) -> Self {
        let mut places: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (place, key) in keys.iter().enumerate() {
            if let Ok(id) = &key.id {
                places.entry(id.clone()).or_default().push(place);
            }
        }
        let mut by_id = HashMap::new();
        for (id, places) in places {
            if let [place] = places[..] {
                by_id.insert(id, place);
                continue;
            }
            for place in places {
                keys[place].id = Err(Unavailable::Unreadable("Another key has the same id.".to_owned()));
            }
        }
        let keys = keys.into_iter().map(|key| State::new(key, &conditions)).collect();
        Self { conditions, keys, by_id, seen: HashSet::new() }
    }

    /// Adds an event, if it is of a key that is traced. `region` is where it was looked up.
    pub fn add(&mut self, region: &str, event: &Event) {
        let Some(&place) = event.caller.access_key.as_deref().and_then(|id| self.by_id.get(id)) else {
            return self.add_anonymous(event);
        };
        let is_early = event.time.is_some_and(|time| time < self.conditions.since());
        if is_early || !self.is_new(event, place) {
            return;
        }
        self.keys[place].add(region, event, &self.conditions);
    }

    /// An event of the user that does not say which key signed it may be of any of them. A sign-in has no key.
    fn add_anonymous(&mut self, event: &Event) {
        let is_signed = event.caller.access_key.is_none()
            && event.caller.kind.as_deref() == Some("IAMUser")
            && event.source != "signin.amazonaws.com";
        if !is_signed || event.time.is_some_and(|time| time < self.conditions.since()) {
            return;
        }
        for state in &mut self.keys {
            if is_of(event, &state.key.subject.user.name) {
                let reason = "An event of the user does not say which access key signed it.".to_owned();
                let service = Some(service(event));
                let region = event.region.clone();
                state.gaps.insert(Gap { region, service, ..Gap::new("events", reason) });
            }
        }
    }

    fn is_new(&mut self, event: &Event, place: usize) -> bool {
        let Some(id) = &event.id else { return true };
        let mut hasher = DefaultHasher::new();
        (id, place).hash(&mut hasher);
        self.seen.insert(hasher.finish())
    }

    /// Notes something that was not looked at: of the key with the id, or of all keys.
    pub fn miss(&mut self, id: Option<&str>, gap: &Gap) {
        for state in &mut self.keys {
            if id.is_none_or(|id| state.key.id.as_deref() == Ok(id)) {
                state.gaps.insert(gap.clone());
            }
        }
    }

    /// Notes that the key with the id has more events than were read.
    pub fn set_sampled(&mut self, id: &str) {
        if let Some(&place) = self.by_id.get(id) {
            let reason =
                "The key has more than were read: the newest, and a page of each day at changing hours.".to_owned();
            self.keys[place].sampled = true;
            self.keys[place].gaps.insert(Gap::new("further events", reason));
        }
    }

    /// Adds IAM's data on the services that a user called. It shows uses that are in no event, by user.
    pub fn add_accessed(&mut self, user: &str, accessed: &Source<Vec<Accessed>>) {
        for state in &mut self.keys {
            if state.key.subject.user.name == user {
                state.add_accessed(accessed);
            }
        }
    }

    /// Judges each key.
    pub fn finish(self) -> Trace {
        let Self { conditions, keys, .. } = self;
        Trace {
            account_id: conditions.account_id.map(str::to_owned),
            evaluated_at: conditions.now,
            since: conditions.since(),
            keys: keys.into_iter().map(|state| state.judged(&conditions)).collect(),
        }
    }
}

/// Whether the user called, by name or by ARN.
fn is_of(event: &Event, user: &str) -> bool {
    match (&event.caller.user, &event.caller.arn) {
        (Some(name), _) => name == user,
        (None, Some(arn)) => arn.rsplit('/').next() == Some(user),
        (None, None) => false,
    }
}

impl Conditions<'_> {
    fn since(&self) -> Time {
        self.now - TimeDelta::days(self.days)
    }
}

#[cfg(test)]
mod tests;
